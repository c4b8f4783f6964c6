#include "common/admin.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/admin_http.h"
#include "common/clock.h"
#include "common/listener.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/org_metrics.h"
#include "common/process_metrics.h"
#include "common/store_gauges.h"

#define AUTO_ADDRESS "127.0.0.1:9464"
#define FRESH_MS     1000  /* an answer of Redis is good for so long */
#define LINGER_MS    30000 /* after the last look the connection is kept up for so long */
#define LOSSES_MAX   2

struct admin {
    const struct settings *settings;
    struct admin_config config;
    int listen_fd; /* -1 once the pages have it */
    struct store *store;
    struct admin_http *http;

    /* Of the pages' thread. */
    int64_t looked_ms; /* monotonic; when somebody wanted to know something of Redis; 0: nobody ever did */
    bool is_asking;
    int64_t asked_ms;
    unsigned losses; /* answers lost in a row: one may be that of a connection which nobody had looked at for long */
    enum store_gauged gauged;
    int64_t answered_ms; /* when what is here was asked for; 0: never */
    struct store_gauges gauges;
    struct org_metrics org;
};

/* --- what Redis says --- */

static void on_gauged(void *context, enum store_gauged gauged, const struct store_gauges *gauges)
{
    struct admin *admin = context;

    admin->is_asking = false;
    admin->losses = gauged == STORE_GAUGE_LOST ? admin->losses + 1 : 0;
    if (gauged == STORE_GAUGE_LOST && admin->losses < LOSSES_MAX)
        return;
    admin->gauged = gauged;
    admin->answered_ms = admin->asked_ms;
    admin->gauges = *gauges;
    if (gauged == STORE_GAUGED)
        org_metrics_look(&admin->org, gauges, clock_mono_ms());
}

/* Whether it is known how Redis is: asks when that is too long ago. */
static bool has_looked(struct admin *admin)
{
    struct rate rate = admin->config.rate(admin->config.context);
    int64_t now_ms = clock_mono_ms();

    admin->looked_ms = now_ms;
    if (admin->answered_ms > 0 && now_ms - admin->answered_ms < FRESH_MS &&
        (store_is_up(admin->store) || admin->gauged == STORE_GAUGE_LOST))
        return true;
    if (!admin->is_asking) {
        admin->is_asking = true;
        admin->asked_ms = now_ms;
        store_ask_gauges(admin->store, rate.limit > 0 ? rate.window_ms : 0, on_gauged, admin);
    }
    return false;
}

static bool needs_store(void *context)
{
    const struct admin *admin = context;

    return admin->looked_ms > 0 && (admin->is_asking || clock_mono_ms() - admin->looked_ms < LINGER_MS);
}

/* NULL: Redis is there. */
static const char *redis_problem(struct admin *admin, bool has_answer)
{
    if (!has_answer)
        return "Redis does not answer";
    return admin->gauged == STORE_GAUGE_LOST ? "Redis is away" : NULL;
}

/* --- pages --- */

static int answer_health(void *context, bool is_last, struct buf *body)
{
    const struct admin *admin = context;
    bool is_alive = admin->config.is_alive(admin->config.context, clock_mono_ms());

    (void)is_last;
    buf_printf(body, "{\"status\":\"%s\"}\n", is_alive ? "alive" : "stuck");
    return is_alive ? 200 : 503;
}

static void write_check(struct buf *checks, const char *name, const char *problem)
{
    buf_printf(checks, "%s\"%s\":", checks->len > 0 ? "," : "", name);
    buf_json_text(checks, problem ? problem : "ok");
}

static int answer_ready(void *context, bool is_last, struct buf *body)
{
    struct admin *admin = context;
    bool has_answer = has_looked(admin), is_ready;
    const char *problem = redis_problem(admin, has_answer);
    struct buf checks;

    if (!has_answer && !is_last)
        return 0;
    is_ready = problem == NULL;
    buf_init(&checks, body->max);
    write_check(&checks, "redis", problem);
    for (size_t i = 0; i < admin->config.check_count; i++) {
        const struct admin_check *check = &admin->config.checks[i];

        problem = check->problem(admin->config.context);
        is_ready = is_ready && !problem;
        write_check(&checks, check->name, problem);
    }
    buf_printf(body, "{\"status\":\"%s\",\"checks\":{%s}}\n", is_ready ? "ready" : "not ready", buf_str(&checks));
    buf_clear(&checks);
    return is_ready ? 200 : 503;
}

static int answer_metrics(void *context, bool is_last, struct buf *body)
{
    struct admin *admin = context;
    struct rate rate = admin->config.rate(admin->config.context);
    bool has_answer = has_looked(admin), is_known;
    struct metrics_scrape *scrape;

    if (!has_answer && !is_last)
        return 0;
    is_known = has_answer && admin->gauged == STORE_GAUGED;
    scrape = metrics_look(admin->config.metrics);
    metrics_set(scrape, METRIC_REDIS_UP, redis_problem(admin, has_answer) == NULL, 0);
    metrics_set(scrape, METRIC_BUILD, 1, 0);
    metrics_set(scrape, METRIC_AUDIT_LIMIT, (double)admin->settings->audit_max, 0);
    if (rate.limit > 0)
        metrics_set(scrape, METRIC_WINDOW_LIMIT, (double)rate.limit, 0);
    for (size_t i = 0; i <= LOG_LEVEL_DEBUG; i++)
        metrics_set(scrape, METRIC_LOG_LINES, (double)log_lines((enum log_level)i), i);
    process_metrics_set(scrape);
    if (is_known)
        org_metrics_set(&admin->org, &admin->gauges, rate.limit, clock_mono_ms(), scrape);
    admin->config.measure(admin->config.context, scrape);
    metrics_write(scrape, body);
    metrics_end(scrape);
    return 200;
}

/* --- start and end --- */

int admin_open(struct admin **ret, const struct settings *settings, struct reason *why)
{
    bool is_auto = strcmp(settings->admin, "auto") == 0;
    const char *address = is_auto ? AUTO_ADDRESS : settings->admin;
    struct admin *admin;
    int fd = -1, port = 0;
    int rc;

    *ret = NULL;
    if (strcmp(settings->admin, "off") == 0)
        return 0;
    rc = listener_open("--admin", address, &fd, &port, why);
    if (rc != 0 && is_auto) {
        log_info("no /metrics, /healthz and /readyz here: the usual port is taken; --admin names another",
                 LOG_TEXT("address", address));
        return 0;
    }
    if (rc != 0)
        return rc;
    admin = mem_zalloc(1, sizeof(*admin));
    admin->settings = settings;
    admin->listen_fd = fd;
    *ret = admin;
    return 0;
}

int admin_run(struct admin *admin, const struct admin_config *config, struct reason *why)
{
    static const struct admin_page pages[] = {
        {"/healthz", "application/json", answer_health},
        {"/readyz", "application/json", answer_ready},
        {"/metrics", METRICS_CONTENT_TYPE, answer_metrics},
    };
    struct admin_http_config http = {
        .pages = pages,
        .page_count = sizeof(pages) / sizeof(pages[0]),
        .context = admin,
        .needs_store = needs_store,
    };
    int rc;

    if (!admin)
        return 0;
    admin->config = *config;
    rc = store_open(&admin->store, admin->settings->redis_url, admin->settings->org, why);
    if (rc != 0)
        return rc;
    store_set_metrics(admin->store, metrics_join(config->metrics));
    http.store = admin->store;
    http.listen_fd = admin->listen_fd;
    admin->listen_fd = -1;
    return admin_http_start(&admin->http, &http, why);
}

void admin_close(struct admin *admin)
{
    if (!admin)
        return;
    admin_http_stop(admin->http);
    store_close(admin->store);
    if (admin->listen_fd >= 0)
        (void)close(admin->listen_fd);
    free(admin);
}
