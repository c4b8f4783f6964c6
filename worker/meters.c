#include "worker/meters.h"

#include <string.h>

#include "common/dead_reasons.h"
#include "common/log.h"
#include "common/store.h"

static const struct route *const routes[] = {&route_agentless, &route_messaging, &route_conversation};
#define ROUTE_COUNT (sizeof(routes) / sizeof(routes[0]))

enum fetch { FETCH_OK, FETCH_REFUSED, FETCH_FAILED, FETCH_COUNT };
enum cause { CAUSE_RATE, CAUSE_DENIED, CAUSE_COUNT };

static const char *route_label(size_t index)
{
    return routes[index]->name;
}

static const char *channel_label(size_t index)
{
    return index == CHANNEL_NONE ? "none" : channel_name((enum channel)index);
}

static const char *outcome_label(size_t index)
{
    return outcome_name((enum outcome)index);
}

static const char *priority_label(size_t index)
{
    return priority_name((enum priority)index);
}

static const char *fetch_label(size_t index)
{
    static const char *const names[] = {[FETCH_OK] = "ok", [FETCH_REFUSED] = "refused", [FETCH_FAILED] = "failed"};

    return names[index];
}

static const char *cause_label(size_t index)
{
    static const char *const names[] = {[CAUSE_RATE] = "rate", [CAUSE_DENIED] = "denied"};

    return names[index];
}

static const char *breaker_label(size_t index)
{
    return breaker_state_name((enum breaker_state)index);
}

static const char *level_label(size_t index)
{
    return log_level_name((enum log_level)index);
}

static const char *version_label(size_t index)
{
    (void)index;
    return HERALD_VERSION;
}

struct metrics *meters_create(void)
{
    const struct metric_values values[LABEL_COUNT] = {
        [LABEL_ROUTE] = {ROUTE_COUNT, route_label},
        [LABEL_CHANNEL] = {CHANNEL_COUNT, channel_label},
        [LABEL_OUTCOME] = {OUTCOME_RETURNED + 1, outcome_label},
        [LABEL_VERDICT] = {verdict_count(), verdict_name},
        [LABEL_REASON] = {DEAD_REASON_COUNT, dead_reason_name},
        [LABEL_PRIORITY] = {PRIORITY_COUNT, priority_label},
        [LABEL_STEP] = {store_step_count(), store_step_name},
        [LABEL_FETCH] = {FETCH_COUNT, fetch_label},
        [LABEL_CAUSE] = {CAUSE_COUNT, cause_label},
        [LABEL_BREAKER] = {BREAKER_HALF_OPEN + 1, breaker_label},
        [LABEL_LEVEL] = {LOG_LEVEL_DEBUG + 1, level_label},
        [LABEL_VERSION] = {1, version_label},
    };

    return metrics_create(false, values);
}

static size_t index_of_route(const struct route *route)
{
    size_t index = 0;

    while (index + 1 < ROUTE_COUNT && routes[index] != route)
        index++;
    return index;
}

/* Names are the table's own, so that the pointer tells. */
static size_t index_of_verdict(const char *name)
{
    size_t index = 0, count = verdict_count();

    while (index + 1 < count && verdict_name(index) != name)
        index++;
    return index;
}

void meters_note_attempt(struct metrics_block *block, const struct meters_attempt *attempt)
{
    size_t route = index_of_route(attempt->envelope->route);

    metrics_count(block, METRIC_ATTEMPTS, 1, route, (size_t)attempt->envelope->content.channel,
                  (size_t)attempt->verdict->outcome);
    metrics_count(block, METRIC_ANSWERS, 1, index_of_verdict(attempt->verdict->name), 0, 0);
    if (attempt->was_answered)
        metrics_observe(block, METRIC_API_LATENCY, attempt->latency_ms * 1000, route);
    if (attempt->verdict->outcome == OUTCOME_SENT)
        metrics_observe(block, METRIC_QUEUE_WAIT, attempt->waited_ms * 1000, 0);
}

void meters_note_death(struct metrics_block *block, const char *reason)
{
    metrics_count(block, METRIC_DEAD_LETTERS, 1, dead_reason_find(reason), 0, 0);
}

void meters_note_fetch(struct metrics_block *block, int rc)
{
    metrics_count(block, METRIC_TOKEN_FETCHES, 1,
                  rc == 0            ? FETCH_OK
                  : rc == ERR_DENIED ? FETCH_REFUSED
                                     : FETCH_FAILED,
                  0, 0);
}

void meters_note_pause(struct metrics_block *block, const struct verdict *verdict)
{
    metrics_count(block, METRIC_PAUSES, 1, verdict->org_action == ORG_PAUSE_RATE ? CAUSE_RATE : CAUSE_DENIED, 0, 0);
}
