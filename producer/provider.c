#include "producer/provider.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "common/fetch.h"
#include "common/store_poll.h"
#include "producer/command.h"
#include "producer/terminal.h"

#define GRANT_PATIENCE_MS INT64_C(300000)
#define GRANT_MARGIN_MS   1000            /* a connection is made anew for each page */
#define WAIT_PATIENCE_MS  INT64_C(180000) /* the longest Retry-After that is waited for */
#define WAITS_MAX         5               /* in a row */
#define WAIT_MIN_MS       1000
#define STATUS_LIMIT      429
#define STATUS_NOT_FOUND  404

bool provider_source_find(const char *name, enum provider_source *ret)
{
    static const char *const names[] = {
        [PROVIDER_EITHER] = "genesys", [PROVIDER_ONLY_MESSAGES] = "messages", [PROVIDER_ONLY_ANALYTICS] = "analytics"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], name) == 0) {
            *ret = (enum provider_source)i;
            return true;
        }
    }
    return false;
}

struct walk {
    const struct provider_reading *reading;
    struct fetch *fetch;
    struct provider_request request;
    struct progress progress;
    int64_t seen;
    bool has_ended; /* the visitor wants no more */
};

static bool visit(void *context, const struct provider_message *message)
{
    struct walk *walk = context;

    walk->seen++;
    walk->has_ended = walk->has_ended || !walk->reading->visit(walk->reading->context, message);
    return !walk->has_ended;
}

/* One page, with grants and patience. *ret_status: of the last answer, 0 without one. */
static int fetch_one(struct walk *walk, struct fetch_answer *ret, struct reason *why)
{
    const struct provider_reading *reading = walk->reading;
    struct span body = {walk->request.body.len > 0 ? walk->request.body.data : NULL, walk->request.body.len};
    int64_t wait_ms;
    int rc = 0;

    ret->answer.status = 0;
    for (int waits = 0;; waits++) {
        rc = store_take_grant(reading->store, &reading->settings->rate, GRANT_MARGIN_MS, GRANT_PATIENCE_MS, why);
        if (rc != 0)
            return rc;
        rc = fetch_call(walk->fetch, walk->request.method, buf_str(&walk->request.full), body, ret, why);
        if (ret->answer.status != STATUS_LIMIT || ret->answer.retry_after_ms > WAIT_PATIENCE_MS || waits == WAITS_MAX)
            return rc;
        /* All of the org wait then, and the next grant with them. */
        wait_ms = ret->answer.retry_after_ms > WAIT_MIN_MS ? ret->answer.retry_after_ms : WAIT_MIN_MS;
        store_hold(reading->store, wait_ms, "Genesys answers a report with 429");
        rc = store_finish(reading->store, 0, COMMAND_PATIENCE_MS, why); /* now, not after the wait */
        if (rc != 0)
            return rc;
        (void)fprintf(stderr, "herald: Genesys asks to wait %" PRId64 " s\n", (wait_ms + 999) / 1000);
        (void)poll(NULL, 0, (int)wait_ms); /* at most WAIT_PATIENCE_MS; a signal ends it early */
    }
}

static int walk_pages(struct walk *walk, enum provider_api api, long *ret_status, struct reason *why)
{
    struct provider_answer page = {.has_more = true};
    int64_t number = 1;

    *ret_status = 0;
    for (; page.has_more && !walk->has_ended && number <= PROVIDER_PAGES_MAX; number++) {
        struct fetch_answer answer;
        int rc;

        provider_request_fill(&walk->request, api, walk->reading->from_ms, walk->reading->to_ms, number);
        rc = fetch_one(walk, &answer, why);
        *ret_status = answer.answer.status;
        if (rc == 0)
            rc = provider_page_read(api, number, answer.body, visit, walk, &page, why);
        if (rc != 0)
            return rc;
        progress_update(&walk->progress, (uint64_t)walk->seen, page.total > 0 ? (uint64_t)page.total : 0,
                        (uint64_t)walk->seen);
    }
    if (page.has_more && !walk->has_ended) {
        reason_set(why, "Genesys has more than %d pages: take a shorter time", PROVIDER_PAGES_MAX);
        return ERR_LIMIT;
    }
    return 0;
}

static int open_api(const struct settings *settings, char urls[2][SETTINGS_URL_MAX], struct fetch **ret,
                    struct reason *why)
{
    int rc = settings_urls(settings, urls[0], urls[1], why);

    if (rc != 0)
        return rc;
    return fetch_open(ret,
                      &(struct fetch_config){
                          .api_url = urls[0],
                          .login_url = urls[1],
                          .credentials = {settings->client_id, settings->client_secret, settings->token_in_body},
                          .ca_file = settings->ca_file,
                          .timeout_ms = settings->timeout_ms,
                          .connect_timeout_ms = settings->connect_timeout_ms,
                          .patience_ms = 0, /* a wait is the whole org's: see fetch_one */
                      },
                      why);
}

static void name_permission(enum provider_api api, struct reason *why)
{
    static const char *const permissions[PROVIDER_API_COUNT] = {
        [PROVIDER_MESSAGES] = "messaging:messages:read", [PROVIDER_ANALYTICS] = "analytics:conversationDetail:view"};
    const struct reason said = *why;

    reason_set(why, "%.200s; the OAuth client needs %s", said.text, permissions[api]);
}

int provider_each(const struct provider_reading *reading, enum provider_api *ret_api, struct reason *why)
{
    struct walk walk = {.reading = reading};
    char urls[2][SETTINGS_URL_MAX];
    long status = 0;
    int rc = open_api(reading->settings, urls, &walk.fetch, why);

    provider_request_init(&walk.request);
    if (rc == 0)
        rc = fetch_prove(walk.fetch, why); /* before the first grant, which is not for that */
    progress_begin(&walk.progress, "asking Genesys", reading->is_shown);
    *ret_api = reading->source == PROVIDER_ONLY_ANALYTICS ? PROVIDER_ANALYTICS : PROVIDER_MESSAGES;
    if (rc == 0)
        rc = walk_pages(&walk, *ret_api, &status, why);
    if (rc != 0 && status == STATUS_NOT_FOUND && reading->source == PROVIDER_EITHER) {
        *ret_api = PROVIDER_ANALYTICS;
        rc = walk_pages(&walk, *ret_api, &status, why);
    }
    progress_end(&walk.progress);
    if (rc == ERR_DENIED && status == 403)
        name_permission(*ret_api, why);
    provider_request_clear(&walk.request);
    fetch_close(walk.fetch);
    return rc;
}
