#include "worker/poller.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/ids.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/store_poll.h"
#include "worker/backoff.h"
#include "worker/grant.h"
#include "worker/pause.h"
#include "worker/status_list.h"

#define REQUESTS_MAX    4
#define LOOK_MS         1000 /* however long a pause is, it may be called off meanwhile */
#define WINDOW_LEAST_MS 20   /* a full window that frees a grant each millisecond is not asked each millisecond */
#define LEASE_EXTRA_MS  10000
#define STOP_MS         2000 /* for the last ends; what is not ended is asked for again when its lease is over */
#define FAILED_BASE_MS  1000
#define FAILED_CAP_MS   60000
#define DENIED_BASE_MS  2000
#define DENIED_CAP_MS   300000
#define RECEIPTS_MAX    256 /* of one step */
#define URL_MAX         (SETTINGS_URL_MAX + 128)

_Static_assert(REQUESTS_MAX <= STORE_POLL_MAX && STATUS_LIST_MAX >= STORE_POLL_IDS_MAX,
               "all that is handed out has room");

/* One question, from its grant to its end. */
struct question {
    struct poller *poller;
    bool is_used;
    char ticket[STORE_TICKET_SIZE];
    char conversation[64];
    struct buf ids, body;
    int64_t granted_ms, margin_ms, life_ms, started_ms; /* monotonic */
    uint64_t token_generation;
    bool token_was_fresh;

    struct status_list list; /* while its receipts are on their way */
    size_t steps_left;
    bool was_refused; /* one of the steps was not taken */
};

struct poller {
    pthread_t thread;
    struct crew *crew;
    struct store *store;
    struct http *http;
    struct token_use token;
    struct grant grant;
    const struct settings *grant_for; /* the settings it was made for */
    struct question questions[REQUESTS_MAX];
    size_t used;
    char prefix[16]; /* of its tickets */
    int64_t next_ticket;
    bool is_asking; /* Redis */
    int64_t asked_at_ms;
    int64_t next_ms, retry_ms; /* monotonic; not before: for what Redis said, and after failures */
    unsigned failures;         /* in a row */
    unsigned forbidden;        /* 403s since the last answer that was none */
    unsigned denials;          /* pauses for them in a row */
    int64_t denied_ms;         /* when the last of them began */
    bool has_succeeded;
    int64_t stop_at_ms; /* 0 until it is to stop */
};

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

/* The tickets of a step whose answer is lost. Should it reach Redis after this, its grants stay used for one window,
 * and its questions are due again after their lease. */
static void end_lost(struct poller *poller, int64_t first, int64_t count)
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
                LOG_TEXT("correlation_id", answer->correlation_id), LOG_NUMBER("wait_ms", wait_ms));
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
              LOG_TEXT("code", answer->error_code), LOG_TEXT("correlation_id", answer->correlation_id),
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

static void finish(struct poller *poller, const struct http_result *result)
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

/* --- asking --- */

static struct question *take_question(struct poller *poller)
{
    for (size_t i = 0; i < REQUESTS_MAX; i++) {
        if (!poller->questions[i].is_used) {
            poller->questions[i].is_used = true;
            poller->used++;
            return &poller->questions[i];
        }
    }
    abort(); /* no more was asked for than is free */
}

/* `["id","id"]` */
static void write_body(struct question *question, struct span ids)
{
    struct buf *body = &question->body;

    buf_reset(body);
    buf_text(body, "[\"");
    for (size_t i = 0; i + 1 < ids.len; i++) { /* the last is a blank */
        if (ids.data[i] == ' ')
            buf_text(body, "\",\"");
        else
            buf_char(body, ids.data[i]);
    }
    buf_text(body, "\"]");
}

static void ask(struct poller *poller, int64_t ticket, const struct store_polled_question *asked)
{
    struct question *question = take_question(poller);
    char url[URL_MAX];
    struct http_request request = {
        .url = url,
        .authorization = poller->token.header,
        .content_type = "application/json",
        .context = question,
    };

    (void)snprintf(question->ticket, sizeof(question->ticket), "%s%" PRId64, poller->prefix, ticket);
    (void)snprintf(question->conversation, sizeof(question->conversation), "%s", asked->conversation);
    buf_reset(&question->ids);
    buf_add(&question->ids, asked->ids.data, asked->ids.len);
    question->granted_ms = poller->asked_at_ms;
    question->margin_ms = poller->grant.margin_ms;
    question->life_ms = poller->grant.life_ms;
    question->started_ms = clock_mono_ms();
    if (atomic_load(&poller->crew->is_stopping)) {
        end_without(question, STORE_POLL_UNUSED);
        return;
    }
    question->token_generation = poller->token.generation;
    question->token_was_fresh = poller->token.is_fresh;
    write_body(question, asked->ids);
    request.body = (struct span){question->body.data, question->body.len};
    (void)snprintf(url, sizeof(url), "%s/api/v2/conversations/messages/%s/messages/bulk", poller->crew->api_url,
                   question->conversation); /* both are shorter than their buffers */
    http_start(poller->http, &request);
}

static int64_t next_ms(const struct poller *poller)
{
    return poller->next_ms > poller->retry_ms ? poller->next_ms : poller->retry_ms;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* A message that is sent after this is due no sooner than first_ms from now: nobody has to look before. */
static int64_t look_again_in_ms(const struct poller *poller, const struct store_polled *polled)
{
    int64_t first_ms = poller->crew->settings->poll_first_ms;

    if (polled->rc == ERR_STATE || polled->has_no_lease)
        return LOOK_MS;
    if (polled->hold_ms > 0)
        return least(polled->hold_ms + 1, LOOK_MS);
    if (polled->window_ms > 0)
        return polled->window_ms < WINDOW_LEAST_MS ? WINDOW_LEAST_MS : least(polled->window_ms, LOOK_MS);
    return polled->due_in_ms >= 0 ? least(polled->due_in_ms + 1, first_ms) : first_ms;
}

static void on_polled(void *context, const struct store_polled *polled)
{
    struct poller *poller = context;

    poller->is_asking = false;
    if (polled->rc == ERR_UNREACHABLE) {
        end_lost(poller, polled->first, polled->wanted);
        return;
    }
    if (polled->has_no_lease)
        crew_lose_lease(poller->crew);
    poller->next_ms = clock_mono_ms() + look_again_in_ms(poller, polled);
    if (polled->count > 0)
        grant_note_reserve(&poller->grant);
    for (size_t i = 0; i < polled->count; i++) {
        if (polled->questions[i].conversation)
            ask(poller, polled->first + (int64_t)i, &polled->questions[i]);
        else
            end_lost(poller, polled->first + (int64_t)i, 1);
    }
}

/* How many questions to ask for; `ret_again_ms`: when to see again, if none. */
static int64_t wanted_now(struct poller *poller, int64_t now_ms, int64_t *ret_again_ms)
{
    int allowance = crew_allowance(poller->crew, now_ms, ret_again_ms);
    size_t most = allowance < REQUESTS_MAX ? (allowance > 0 ? (size_t)allowance : 0) : REQUESTS_MAX;

    if ((poller->forbidden > 0 || poller->failures > 0) && most > 1) /* one finds out whether it works again */
        most = 1;
    return most > poller->used ? (int64_t)(most - poller->used) : 0;
}

static void take_more(struct poller *poller)
{
    const struct settings *settings = poller->crew->settings;
    int64_t now_ms = clock_mono_ms(), again_ms = INT64_MAX;
    struct store_poll ask_for = {
        .worker = poller->crew->worker_id,
        .prefix = poller->prefix,
        .first = poller->next_ticket,
        .rate = settings->rate,
        .lease_ms = settings->timeout_ms + settings->connect_timeout_ms + LEASE_EXTRA_MS,
    };

    if (poller->grant_for != settings) { /* at the start, and when they were read again */
        grant_init(&poller->grant, &settings->rate, &(struct rate){0});
        poller->grant_for = settings;
    }
    ask_for.margin_ms = poller->grant.margin_ms;
    if (poller->is_asking || now_ms < next_ms(poller) || atomic_load(&poller->crew->is_stopping) ||
        !store_is_up(poller->store) || !crew_has_lease(poller->crew))
        return;
    ask_for.wanted = wanted_now(poller, now_ms, &again_ms);
    if (ask_for.wanted == 0) {
        if (poller->used == 0) /* the breaker is open */
            poller->next_ms = now_ms + LOOK_MS;
        return;
    }
    if (!token_get(poller->crew->token, &poller->token))
        return;
    poller->is_asking = true;
    poller->asked_at_ms = now_ms;
    poller->next_ticket += ask_for.wanted;
    store_poll(poller->store, &ask_for, on_polled, poller);
}

/* --- the loop --- */

static int64_t wait_ms(const struct poller *poller)
{
    int64_t now_ms = clock_mono_ms(), at_ms = now_ms + LOOK_MS, store_ms = store_wait_ms(poller->store);

    if (!poller->is_asking && next_ms(poller) > now_ms && next_ms(poller) < at_ms)
        at_ms = next_ms(poller);
    if (store_ms >= 0 && now_ms + store_ms < at_ms)
        at_ms = now_ms + store_ms;
    return at_ms - now_ms;
}

static void turn(struct poller *poller)
{
    struct http_result result;
    struct http_watch watch;

    (void)store_pump(poller->store, NULL); /* trouble is logged there; the loop goes on */
    http_pump(poller->http);
    while (http_next(poller->http, &result))
        finish(poller, &result);
    take_more(poller);
    (void)store_pump(poller->store, NULL);
    watch = (struct http_watch){store_fd(poller->store), store_wants_write(poller->store)};
    http_wait(poller->http, &watch, 1, wait_ms(poller));
}

static bool is_done(struct poller *poller)
{
    if (!atomic_load(&poller->crew->is_stopping))
        return false;
    if (poller->stop_at_ms == 0) {
        poller->stop_at_ms = clock_mono_ms() + STOP_MS;
        http_abort_all(poller->http); /* a question harms nobody: it is asked again by another */
    }
    return (poller->used == 0 && !poller->is_asking && store_pending(poller->store) == 0) ||
           clock_mono_ms() >= poller->stop_at_ms;
}

static void *run(void *argument)
{
    struct poller *poller = argument;

    while (!is_done(poller))
        turn(poller);
    crew_leave(poller->crew, poller->http);
    return NULL;
}

/* may_leave of http.h. */
static bool may_leave(void *context, void *request_context)
{
    struct poller *poller = context;
    const struct question *question = request_context;
    int64_t age_ms = clock_mono_ms() - question->granted_ms;

    if (!crew_has_lease(poller->crew) || age_ms > question->life_ms)
        return false;
    if (question->life_ms < INT64_MAX && age_ms > question->margin_ms)
        store_touch_poll(poller->store, poller->crew->worker_id, question->ticket);
    return true;
}

static void destroy(struct poller *poller)
{
    http_close(poller->http);
    store_close(poller->store); /* before the questions: what is pending is dropped without its callback */
    for (size_t i = 0; i < REQUESTS_MAX; i++) {
        struct question *question = &poller->questions[i];

        if (question->is_used && question->steps_left > 0)
            status_list_clear(&question->list);
        buf_clear(&question->ids);
        buf_clear(&question->body);
    }
    explicit_bzero(poller->token.header, sizeof(poller->token.header));
    free(poller);
}

int poller_start(struct poller **ret, struct crew *crew, struct reason *why)
{
    const struct settings *settings = crew->settings;
    struct poller *poller = mem_zalloc(1, sizeof(*poller));
    const struct http_config http = {
        .ca_file = settings->ca_file,
        .timeout_ms = settings->timeout_ms,
        .connect_timeout_ms = settings->connect_timeout_ms,
        .max_requests = REQUESTS_MAX,
        .body_max = JSON_MAX_BYTES,
        .may_leave = may_leave,
        .may_leave_context = poller,
    };
    int rc;

    poller->crew = crew;
    poller->denied_ms = INT64_MIN;
    (void)snprintf(poller->prefix, sizeof(poller->prefix), "%08" PRIx32 ".p-", (uint32_t)random_u64());
    for (size_t i = 0; i < REQUESTS_MAX; i++) {
        poller->questions[i].poller = poller;
        buf_init(&poller->questions[i].ids, JSON_MAX_BYTES);
        buf_init(&poller->questions[i].body, JSON_MAX_BYTES);
    }
    rc = store_open(&poller->store, settings->redis_url, settings->org, why);
    if (rc == 0)
        rc = http_open(&poller->http, &http, why);
    if (rc != 0) {
        destroy(poller);
        return rc;
    }
    store_set_limits(poller->store,
                     &(struct store_limits){.keep_ms = settings->keep_ms, .audit_max = settings->audit_max});
    store_set_poll_times(poller->store, &(struct store_poll_times){settings->poll_first_ms, settings->poll_age_ms});
    crew_join(crew, poller->http);
    if (pthread_create(&poller->thread, NULL, run, poller) != 0) {
        reason_set(why, "the system gives no more threads");
        crew_leave(crew, poller->http);
        destroy(poller);
        return ERR_LIMIT;
    }
    *ret = poller;
    return 0;
}

void poller_join(struct poller *poller)
{
    if (!poller)
        return;
    (void)pthread_join(poller->thread, NULL); /* our own thread, joined once */
    destroy(poller);
}
