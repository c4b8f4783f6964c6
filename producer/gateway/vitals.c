#include "producer/gateway/vitals.h"

#include "producer/gateway/meters.h"

static const char *stop_problem(void *context)
{
    const struct vitals *vitals = context;

    return atomic_load(&vitals->gateway->is_stopping) ? "it is being stopped" : NULL;
}

static bool is_alive(void *context, int64_t now_ms)
{
    const struct vitals *vitals = context;

    return server_is_alive(vitals->server, now_ms);
}

static struct rate rate(void *context)
{
    const struct vitals *vitals = context;

    return vitals->gateway->settings->rate;
}

static void measure(void *context, struct metrics_scrape *scrape)
{
    const struct vitals *vitals = context;

    meters_set_counters(&vitals->gateway->counters, scrape);
}

struct admin_config vitals_of_gateway(struct vitals *vitals)
{
    static const struct admin_check checks[] = {{"running", stop_problem}};

    return (struct admin_config){
        .checks = checks,
        .check_count = sizeof(checks) / sizeof(checks[0]),
        .is_alive = is_alive,
        .metrics = vitals->gateway->metrics,
        .rate = rate,
        .measure = measure,
        .context = vitals,
    };
}
