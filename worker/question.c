/* What becomes of a question: its answer judged, its receipts recorded, its end. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/ids.h"
#include "common/log.h"
#include "worker/backoff.h"
#include "worker/pause.h"
#include "worker/poller_parts.h"

#define FAILED_BASE_MS 1000
#define FAILED_CAP_MS  60000
#define DENIED_BASE_MS 2000
#define DENIED_CAP_MS  300000
#define RECEIPTS_MAX   256 /* of one step */

/* --- the end of a question --- */

static void end(struct question *question, enum store_poll_again again, struct span ended)
{
    struct poller *poller = question->poller;
    const struct store_poll_end item = {
        .ticket = question->ticket,
        .again = again,
        .conversation = question->conversation,
        .asked = {question->ids.data, question->ids.len},
        .ended = ended,
    };

    store_poll_ends(poller->store, poller->crew->worker_id, &item, 1);
    question->is_used = false;
    poller->used--;
}

static void end_without(struct question *question, enum store_poll_again again)
{
    end(question, again, (struct span){NULL, 0});
}

void question_end_unasked(struct question *question)
{
    end_without(question, STORE_POLL_UNUSED);
}

void question_end_lost(struct poller *poller, int64_t first, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        char ticket[STORE_TICKET_SIZE];
        const struct store_poll_end item = {.ticket = ticket, .again = STORE_POLL_UNUSED};

        (void)snprintf(ticket, sizeof(ticket), "%s%" PRId64, poller->prefix, first + i);
        store_poll_ends(poller->store, poller->crew->worker_id, &item, 1);
    }
}

/* --- receipts --- */

static void on_recorded(void *context, int rc, const enum store_received *answers, size_t count)
{
    struct question *question = context;

    (void)answers; /* known before or not: the message is where its receipt says */
    (void)count;
    question->was_refused |= rc != 0;
    if (--question->steps_left > 0)
        return;
    if (question->was_refused)
        end_without(question, STORE_POLL_LATER);
    else
        end(question, STORE_POLL_LATER, (struct span){question->list.ended.data, question->list.ended.len});
    status_list_clear(&question->list);
}

/* The question ends when all are in Redis: a message that need not be asked for again has told what it had to tell. */
static void record(struct question *question)
{
    struct poller *poller = question->poller;
    const struct status_list *list = &question->list;
    struct store_receipt records[RECEIPTS_MAX];

    question->was_refused = false;
    question->steps_left = list->count > 0 ? (list->count + RECEIPTS_MAX - 1) / RECEIPTS_MAX : 1;
    if (list->count == 0)
        on_recorded(question, 0, NULL, 0);
    for (size_t at = 0; at < list->count; at += RECEIPTS_MAX) {
        size_t count = list->count - at < RECEIPTS_MAX ? list->count - at : RECEIPTS_MAX;

        for (size_t i = 0; i < count; i++)
            records[i] = list->receipts[at + i].record;
        store_receipts(poller->store, poller->crew->settings->webhook_dedup_ms, records, count, on_recorded, question);
    }
}

/* --- answers --- */

static void wait_after_failure(struct poller *poller, const struct verdict *verdict, const struct http_result *result,
                               const struct answer *answer)
{
    int64_t wait_ms = backoff_ms(++poller->failures, FAILED_BASE_MS, FAILED_CAP_MS, random_u64());

    if (answer->retry_after_ms > wait_ms)
        wait_ms = answer->retry_after_ms;
    poller->retry_ms = clock_mono_ms() + wait_ms;
    log_warning("statuses could not be asked for", LOG_TEXT("verdict", verdict->name),
                LOG_NUMBER("status", result->status), LOG_TEXT("code", answer->error_code),
                LOG_ONE("correlation_id", answer->correlation_id), LOG_NUMBER("wait_ms", wait_ms));
}

/* One conversation may be out of our reach; several in a row, or the very first, mean that the permission is not there.
 */
static void note_forbidden(struct poller *poller, const struct question *question, const struct answer *answer)
{
    char reason[200];
    int64_t pause_ms;

    poller->forbidden++;
    if (poller->forbidden < (poller->has_succeeded ? FORBIDDEN_STREAK : 1) || question->started_ms <= poller->denied_ms)
        return;
    poller->denied_ms = clock_mono_ms();
    poller->denials++;
    pause_ms = backoff_ceiling_ms(poller->denials, DENIED_BASE_MS, DENIED_CAP_MS) / 2 +
               backoff_ms(poller->denials, DENIED_BASE_MS / 2, DENIED_CAP_MS / 2, random_u64());
    (void)snprintf(reason, sizeof(reason),
                   "Genesys refuses it (403 %s): the OAuth client needs the permission conversation:message:view",
                   answer->error_code);
    log_error("asking for statuses is paused: the OAuth client needs the permission conversation:message:view",
              LOG_TEXT("code", answer->error_code), LOG_ONE("correlation_id", answer->correlation_id),
              LOG_NUMBER("pause_ms", pause_ms));
    store_hold_polls(poller->store, pause_ms, reason);
}

static void note_success(struct poller *poller)
{
    poller->has_succeeded = true;
    poller->failures = poller->forbidden = poller->denials = 0;
}

static void take_statuses(struct question *question, const struct verdict *verdict, const struct http_result *result,
                          const struct answer *answer)
{
    struct poller *poller = question->poller;
    const struct span asked = {question->ids.data, question->ids.len};

    if (status_list_read(&question->list, asked, result->body, clock_wall_ms()) != 0) {
        status_list_clear(&question->list);
        wait_after_failure(poller, verdict, result, answer);
        end_without(question, STORE_POLL_LATER);
        return;
    }
    note_success(poller);
    log_debug("statuses", LOG_TEXT("conversation", question->conversation),
              LOG_NUMBER("known", (int64_t)question->list.known),
              LOG_NUMBER("receipts", (int64_t)question->list.count));
    record(question);
}

static void judge(struct question *question, const struct verdict *verdict, const struct http_result *result,
                  const struct answer *answer)
{
    struct poller *poller = question->poller;

    if (result->transport == TRANSPORT_WITHHELD) {
        if (crew_has_lease(poller->crew) && !atomic_load(&poller->crew->is_stopping))
            grant_note_late(&poller->grant, question->granted_ms);
        end_without(question, STORE_POLL_UNUSED);
    } else if (verdict->outcome == OUTCOME_SENT) {
        take_statuses(question, verdict, result, answer);
    } else if (result->status == 401 || result->status == 429 || atomic_load(&poller->crew->is_stopping)) {
        end_without(question, STORE_POLL_SOON);
    } else if (result->status == 403) {
        note_forbidden(poller, question, answer);
        end_without(question, STORE_POLL_LATER);
    } else if (result->status == 404) { /* not known yet, or not any more: until it is too old */
        note_success(poller);
        end_without(question, STORE_POLL_LATER);
    } else {
        wait_after_failure(poller, verdict, result, answer);
        end_without(question, STORE_POLL_LATER);
    }
}

void question_finish(struct poller *poller, const struct http_result *result)
{
    struct question *question = result->context;
    const struct attempt_result attempt = {result->transport, result->status, question->token_was_fresh};
    const struct verdict_facts facts = {.max_attempts = UINT_MAX, .left_ms = INT64_MAX};
    const struct verdict verdict = verdict_of(&attempt, &facts);
    const struct crew_end crew_end = {
        .started_ms = question->started_ms,
        .now_ms = clock_mono_ms(),
        .token_generation = question->token_generation,
        .was_answered = result->transport == TRANSPORT_ANSWERED,
    };
    bool is_error = verdict.outcome != OUTCOME_SENT; /* else the body is read by status_list, which knows what it is */
    const struct answer_raw raw = {
        .status = result->status,
        .retry_after = result->retry_after,
        .correlation_id = result->correlation_id,
        .body = is_error ? result->body.data : NULL,
        .body_len = is_error ? result->body.len : 0,
    };
    struct answer answer;

    answer_read(&answer, &raw, clock_wall_ms());
    pause_org(poller->store, &verdict, &answer,
              crew_note_poll(poller->crew, &crew_end, &verdict, answer.retry_after_ms));
    judge(question, &verdict, result, &answer);
}
