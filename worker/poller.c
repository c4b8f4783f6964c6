#include "worker/poller.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/ids.h"
#include "common/mem.h"
#include "worker/poller_parts.h"

#define LOOK_MS         1000 /* however long a pause is, it may be called off meanwhile */
#define WINDOW_LEAST_MS 20   /* a full window that frees a grant each millisecond is not asked each millisecond */
#define LEASE_EXTRA_MS  10000
#define STOP_MS         2000 /* for the last ends; what is not ended is asked for again when its lease is over */
#define URL_MAX         (SETTINGS_URL_MAX + 128)

_Static_assert(POLLER_REQUESTS_MAX <= STORE_POLL_MAX && STATUS_LIST_MAX >= STORE_POLL_IDS_MAX,
               "all that is handed out has room");

/* --- asking --- */

static struct question *take_question(struct poller *poller)
{
    for (size_t i = 0; i < POLLER_REQUESTS_MAX; i++) {
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
    question->margin_ms = poller->asked.margin_ms;
    question->life_ms = poller->asked.life_ms;
    question->started_ms = clock_mono_ms();
    if (atomic_load(&poller->crew->is_stopping)) {
        question_end_unasked(question);
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
        question_end_lost(poller, polled->first, polled->wanted);
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
            question_end_lost(poller, polled->first + (int64_t)i, 1);
    }
}

/* How many questions to ask for; `ret_again_ms`: when to see again, if none. */
static int64_t wanted_now(struct poller *poller, int64_t now_ms, int64_t *ret_again_ms)
{
    int allowance = crew_allowance(poller->crew, now_ms, ret_again_ms);
    size_t most = allowance < POLLER_REQUESTS_MAX ? (allowance > 0 ? (size_t)allowance : 0) : POLLER_REQUESTS_MAX;

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
    poller->asked = poller->grant;
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
        question_finish(poller, &result);
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
    for (size_t i = 0; i < POLLER_REQUESTS_MAX; i++) {
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
        .max_requests = POLLER_REQUESTS_MAX,
        .body_max = JSON_MAX_BYTES,
        .may_leave = may_leave,
        .may_leave_context = poller,
    };
    int rc;

    poller->crew = crew;
    poller->denied_ms = INT64_MIN;
    (void)snprintf(poller->prefix, sizeof(poller->prefix), "%08" PRIx32 ".p-", (uint32_t)random_u64());
    for (size_t i = 0; i < POLLER_REQUESTS_MAX; i++) {
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
    store_set_metrics(poller->store, metrics_join(crew->metrics));
    store_set_limits(poller->store, &(struct store_limits){.keep_ms = settings->keep_ms,
                                                           .audit_max = settings->audit_max,
                                                           .audit_stops = settings_audit_stops(settings),
                                                           .report_ms = settings->report_keep_ms});
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
