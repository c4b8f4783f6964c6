#include "worker/vitals.h"

#include "common/clock.h"

static const char *token_problem(void *context)
{
    struct crew *crew = context;

    return token_is_there(crew->token) ? NULL : "there is no token; the log and `herald status` say why";
}

static const char *lease_problem(void *context)
{
    return crew_has_lease(context) ? NULL : "the lease has run out, so nothing may be sent";
}

static const char *stop_problem(void *context)
{
    struct crew *crew = context;

    return atomic_load(&crew->is_stopping) ? "it is being stopped" : NULL;
}

static bool is_alive(void *context, int64_t now_ms)
{
    return crew_is_alive(context, now_ms);
}

static struct rate rate(void *context)
{
    const struct crew *crew = context;
    const struct settings *settings = crew->settings;

    return settings->rate;
}

static void measure(void *context, struct metrics_scrape *scrape)
{
    struct crew *crew = context;
    struct crew_look look = crew_look(crew);
    int64_t left_ms = crew_lease_left_ms(crew), until_ms = atomic_load(&crew->lease_until_ms);

    metrics_set(scrape, METRIC_SENDING, (double)look.active, 0);
    for (size_t i = 0; i <= BREAKER_HALF_OPEN; i++)
        metrics_set(scrape, METRIC_BREAKER, look.breaker == (enum breaker_state)i, i);
    metrics_set(scrape, METRIC_TOKEN, token_is_there(crew->token), 0);
    metrics_set(scrape, METRIC_LEASE_LEFT, (double)left_ms / 1e3, 0);
    if (until_ms > 0)
        metrics_set(scrape, METRIC_LEASE_AGE, (double)(clock_boot_ms() - (until_ms - crew->identity.lease_ms)) / 1e3,
                    0);
}

struct admin_config vitals_of_worker(struct crew *crew)
{
    static const struct admin_check checks[] = {
        {"token", token_problem},
        {"lease", lease_problem},
        {"running", stop_problem},
    };

    return (struct admin_config){
        .checks = checks,
        .check_count = sizeof(checks) / sizeof(checks[0]),
        .is_alive = is_alive,
        .metrics = crew->metrics,
        .rate = rate,
        .measure = measure,
        .context = crew,
    };
}
