#include "producer/gateway/message_lines.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "producer/gateway/exchange.h"
#include "producer/gateway/gather.h"
#include "producer/gateway/gateway.h"
#include "producer/gateway/intake.h"
#include "producer/gateway/lane.h"
#include "producer/gateway/line_feed.h"
#include "producer/gateway/messages.h"
#include "producer/gateway/outcome.h"
#include "producer/gateway/spool.h"

#define WINDOW       512               /* lines of one stream whose results are not written yet ... */
#define WINDOW_FULL  (WINDOW - 1)      /* ... so that a last line, which has no end, always has a place */
#define WINDOW_BYTES ((size_t)4 << 20) /* of them, with Redis */
#define RESULT_MAX   ((size_t)4 << 10)

/* A line whose result is not written yet: lines before it have none so far. */
struct entry {
    size_t line;  /* number */
    size_t bytes; /* with Redis; 0: none */
    bool is_known;
    struct outcome outcome;
};

struct message_lines {
    struct exchange *exchange;
    struct intake_rules rules;
    struct line_feed feed;
    struct spool spool;
    struct buf result;

    struct entry window[WINDOW];
    size_t first, next; /* counts of entries; the place is the rest by WINDOW */
    size_t bytes;       /* with Redis */
    size_t unanswered;  /* offers that will be called back, those given up included; each holds the exchange */
    size_t stale;       /* of those: given up */

    uint64_t accepted, repeated, refused, put_off; /* written */
    bool is_full, is_finished;                     /* a backlog_full was among them; the body is whole */
};

static struct entry *entry_at(struct message_lines *lines, size_t index)
{
    return &lines->window[index % WINDOW];
}

static uint64_t count_all(const struct message_lines *lines)
{
    return lines->accepted + lines->refused + lines->put_off;
}

/* --- results --- */

static void count(struct message_lines *lines, const struct outcome *outcome)
{
    switch (outcome->kind) {
    case OUTCOME_REPEATED:
        lines->repeated++;
        lines->accepted++;
        break;
    case OUTCOME_ACCEPTED:
        lines->accepted++;
        break;
    case OUTCOME_REFUSED:
        lines->refused++;
        break;
    case OUTCOME_FULL:
        lines->is_full = true;
        lines->put_off++;
        break;
    case OUTCOME_UNKNOWN:
        lines->put_off++;
        break;
    }
    outcome_count(outcome, &exchange_gateway(lines->exchange)->counters);
}

/* `{"line":7,` and what outcome_write puts behind the brace. */
static void write_result(struct message_lines *lines, const struct entry *entry)
{
    char head[40];
    int len = snprintf(head, sizeof(head), "{\"line\":%zu,", entry->line);

    buf_reset(&lines->result);
    outcome_write(&entry->outcome, "", &lines->result);
    buf_char(&lines->result, '\n');
    spool_add(&lines->spool, head, (size_t)len);
    spool_add(&lines->spool, buf_str(&lines->result) + 1, lines->result.len - 1);
}

static void write_known(struct message_lines *lines)
{
    for (; lines->first < lines->next && entry_at(lines, lines->first)->is_known; lines->first++) {
        struct entry *entry = entry_at(lines, lines->first);

        count(lines, &entry->outcome);
        write_result(lines, entry);
        outcome_clear(&entry->outcome);
    }
}

/* Nothing more is taken, what is with Redis is waited for, and the client is told how far it came. */
static void fail(struct message_lines *lines)
{
    struct answer *answer = exchange_answer(lines->exchange);

    if (!answer)
        return;
    answer_problem(answer, 507, "spool_full", NULL,
                   "the results cannot be kept: %s. Of the first %" PRIu64 " messages (to line %zu) %" PRIu64
                   " were accepted; send the rest again, or all with the same keys",
                   lines->spool.why.text, count_all(lines), lines->feed.number, lines->accepted);
    exchange_send(lines->exchange);
}

static int status_of(const struct message_lines *lines)
{
    uint64_t all = count_all(lines);

    if (lines->accepted == all)
        return 202;
    return lines->refused == all ? 422 : lines->put_off == all ? 503 : 207;
}

static void send_results(struct message_lines *lines)
{
    struct answer *answer = exchange_answer(lines->exchange);

    if (!answer)
        return;
    answer->status = status_of(lines);
    answer->content_type = "application/x-ndjson";
    answer->file_size = lines->spool.size;
    answer->file_fd = spool_take_fd(&lines->spool);
    answer->is_replayed = lines->repeated == count_all(lines);
    if (lines->put_off > 0)
        answer->retry_after_s = lines->is_full ? FULL_RETRY_AFTER_S : RETRY_AFTER_S;
    exchange_send(lines->exchange);
}

/* What is next after something has become known: more of the body, or the answer. */
static void go_on(struct message_lines *lines)
{
    bool is_settled;

    write_known(lines);
    is_settled = lines->first == lines->next;
    if (lines->spool.rc != 0) {
        if (is_settled)
            fail(lines);
    } else if (!lines->is_finished) {
        exchange_go_on(lines->exchange);
    } else if (is_settled && count_all(lines) == 0) {
        exchange_problem(lines->exchange, 422, "lines_missing", NULL, "the body has no line with a message");
    } else if (is_settled && spool_finish(&lines->spool) != 0) {
        fail(lines);
    } else if (is_settled) {
        send_results(lines);
    }
}

/* --- lines --- */

/* Either all that are with Redis were given up, or none. */
static bool is_wanted(void *context)
{
    const struct message_lines *lines = context;

    return lines->stale == 0 && exchange_answer(lines->exchange) != NULL;
}

static void on_accepted(void *context, size_t index, int rc, const struct store_acceptance *answer)
{
    struct message_lines *lines = context;
    struct exchange *exchange = lines->exchange;

    lines->unanswered--;
    if (index < lines->first) { /* it was given up */
        lines->stale--;
    } else {
        struct entry *entry = entry_at(lines, index);

        outcome_of(&entry->outcome, rc, answer);
        entry->is_known = true;
        lines->bytes -= entry->bytes;
        /* Answers come in a row: they are written when there are some, or no more to come. */
        if (lines->unanswered == lines->stale || index - lines->first >= WINDOW / 4)
            go_on(lines);
    }
    exchange_release(exchange); /* may end the lines */
}

static struct entry *add_entry(struct message_lines *lines)
{
    struct entry *entry = entry_at(lines, lines->next++);

    *entry = (struct entry){.line = lines->feed.number};
    return entry;
}

static void refuse_line(struct message_lines *lines, const struct refusal *refusal)
{
    struct entry *entry = add_entry(lines);

    outcome_refuse(&entry->outcome, refusal);
    entry->is_known = true;
}

static void offer(struct message_lines *lines, const struct intake *intake)
{
    struct lane *lane = exchange_lane(lines->exchange);
    size_t index = lines->next;
    struct entry *entry = add_entry(lines);

    outcome_set_id(&entry->outcome, intake->offer.id);
    if (lines->stale > 0) { /* Redis has not answered for the last ones: it is not asked again before it has */
        entry->outcome.kind = OUTCOME_UNKNOWN;
        entry->is_known = true;
        return;
    }
    entry->bytes = intake->bytes.len;
    lines->bytes += entry->bytes;
    lines->unanswered++;
    exchange_keep(lines->exchange);
    gather_accept(lane_gather(lane), lane_gateway(lane)->settings->max_backlog, &intake->offer, index, is_wanted,
                  on_accepted, lines);
}

static void take_line(struct message_lines *lines, struct span text)
{
    struct refusal refusal;
    struct intake intake;

    if (intake_read(&intake, &lines->rules, lines->feed.number, text, clock_wall_ms(), &refusal) != 0)
        refuse_line(lines, &refusal);
    else
        offer(lines, &intake);
    intake_clear(&intake);
}

static void take_fed(struct message_lines *lines, enum line_fed fed, struct span text)
{
    struct refusal refusal;

    switch (fed) {
    case LINE_NONE:
        break;
    case LINE_WHOLE:
        take_line(lines, text);
        break;
    case LINE_TOO_LONG:
        (void)refuse(&refusal, "json_invalid", "", "the line has more than the %zu bytes that one message may have",
                     ENVELOPE_MAX_BYTES);
        refuse_line(lines, &refusal);
        break;
    }
}

static bool has_room(const struct message_lines *lines)
{
    size_t ours = lines->unanswered - lines->stale;

    if (lines->next - lines->first >= WINDOW_FULL || lines->bytes >= WINDOW_BYTES)
        return false;
    return ours == 0 || gather_has_room(lane_gather(exchange_lane(lines->exchange)));
}

/* --- the sink --- */

static size_t take(struct exchange *exchange, void *state, const char *data, size_t len)
{
    struct message_lines *lines = state;
    size_t taken = 0;

    (void)exchange;
    while (taken < len && has_room(lines) && lines->spool.rc == 0) {
        struct span text = {NULL, 0};
        size_t part = 0;
        enum line_fed fed = line_feed_take(&lines->feed, data + taken, len - taken, &part, &text);

        take_fed(lines, fed, text);
        taken += part;
        if (lines->next - lines->first >= WINDOW_FULL)
            write_known(lines);
    }
    if (lines->spool.rc != 0)
        go_on(lines);
    return taken;
}

static void finish(struct exchange *exchange, void *state)
{
    struct message_lines *lines = state;
    struct span text = {NULL, 0};
    enum line_fed fed = line_feed_finish(&lines->feed, &text);

    (void)exchange;
    take_fed(lines, fed, text);
    lines->is_finished = true;
    go_on(lines);
}

/* Redis did not answer in time: what is with it is unknown, and what follows is not offered until it has answered. */
static void give_up(struct exchange *exchange, void *state)
{
    struct message_lines *lines = state;

    (void)exchange;
    for (size_t i = lines->first; i < lines->next; i++) {
        struct entry *entry = entry_at(lines, i);

        if (entry->is_known)
            continue;
        entry->outcome.kind = OUTCOME_UNKNOWN;
        entry->is_known = true;
    }
    lines->stale = lines->unanswered;
    lines->bytes = 0;
    go_on(lines);
}

static void destroy(void *state)
{
    struct message_lines *lines = state;

    for (; lines->first < lines->next; lines->first++)
        outcome_clear(&entry_at(lines, lines->first)->outcome);
    line_feed_clear(&lines->feed);
    buf_clear(&lines->result);
    spool_close(&lines->spool);
    free(lines);
}

bool message_lines_are_sent(const struct exchange *exchange)
{
    return exchange_is_type(exchange, "application/x-ndjson") || exchange_is_type(exchange, "application/jsonl") ||
           exchange_is_type(exchange, "application/x-jsonlines");
}

void message_lines_begin(struct exchange *exchange)
{
    static const struct sink sink = {.take = take, .finish = finish, .give_up = give_up, .destroy = destroy};
    struct message_lines *lines = mem_zalloc(1, sizeof(*lines));
    struct reason why = {""};
    int rc;

    lines->exchange = exchange;
    lines->rules = messages_rules(exchange);
    line_feed_init(&lines->feed, ENVELOPE_MAX_BYTES);
    buf_init(&lines->result, RESULT_MAX);
    rc = spool_open(&lines->spool, exchange_gateway(exchange), &why);
    if (rc == 0) {
        exchange_set_sink(exchange, &sink, lines);
        return;
    }
    destroy(lines);
    if (rc == ERR_LIMIT)
        exchange_unavailable(exchange, "busy", why.text);
    else
        exchange_problem(exchange, 507, "spool_full", NULL, why.text);
}
