#include "producer/gateway/meters.h"

#include <stdio.h>

#include "common/envelope.h"
#include "common/log.h"
#include "common/store.h"
#include "producer/gateway/endpoints.h"

/* Statuses that some endpoint answers with; what a proxy or a fault may add is `other`. */
static const struct {
    int status;
    const char *text;
} statuses[] = {{200, "200"}, {202, "202"}, {204, "204"}, {207, "207"}, {400, "400"}, {401, "401"},
                {403, "403"}, {404, "404"}, {405, "405"}, {409, "409"}, {413, "413"}, {415, "415"},
                {422, "422"}, {500, "500"}, {503, "503"}, {507, "507"}, {0, "other"}};
#define STATUS_COUNT (sizeof(statuses) / sizeof(statuses[0]))

/* The order of the values, and where /v1/status and the metrics find them. */
#define ACCEPTANCES(X)                                                                                                 \
    X("accepted", messages_accepted)                                                                                   \
    X("repeated", messages_repeated)                                                                                   \
    X("refused", messages_refused)                                                                                     \
    X("put_off", messages_put_off)
#define RECEIPTS(X)                                                                                                    \
    X("recorded", receipts_applied)                                                                                    \
    X("repeated", receipts_repeated)                                                                                   \
    X("early", receipts_early)                                                                                         \
    X("ignored", receipts_ignored)                                                                                     \
    X("bad_signature", receipts_unsigned)

#define NAME_OF(name, counter) name,
static const char *const acceptances[] = {ACCEPTANCES(NAME_OF)}, *const receipts[] = {RECEIPTS(NAME_OF)};
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const char *status_label(size_t index)
{
    return statuses[index].text;
}

static const char *endpoint_label(size_t index)
{
    return index < endpoint_count ? endpoints[index].path : "other";
}

static const char *acceptance_label(size_t index)
{
    return acceptances[index];
}

static const char *receipt_label(size_t index)
{
    return receipts[index];
}

static const char *priority_label(size_t index)
{
    return priority_name((enum priority)index);
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

struct metrics *meters_create_gateway(void)
{
    const struct metric_values values[LABEL_COUNT] = {
        [LABEL_PRIORITY] = {PRIORITY_COUNT, priority_label},
        [LABEL_STEP] = {store_step_count(), store_step_name},
        [LABEL_LEVEL] = {LOG_LEVEL_DEBUG + 1, level_label},
        [LABEL_ENDPOINT] = {endpoint_count + 1, endpoint_label},
        [LABEL_STATUS] = {STATUS_COUNT, status_label},
        [LABEL_ACCEPTANCE] = {COUNT_OF(acceptances), acceptance_label},
        [LABEL_RECEIPT] = {COUNT_OF(receipts), receipt_label},
        [LABEL_VERSION] = {1, version_label},
    };

    return metrics_create(true, values);
}

void meters_note_answer(struct metrics_block *block, const struct endpoint *endpoint, int status, int64_t took_us)
{
    size_t row = endpoint ? (size_t)(endpoint - endpoints) : endpoint_count, index = 0;

    while (index + 1 < STATUS_COUNT && statuses[index].status != status)
        index++;
    metrics_count(block, METRIC_GATEWAY_REQUESTS, 1, row, index, 0);
    metrics_observe(block, METRIC_GATEWAY_TIME, took_us, row);
}

void meters_set_counters(const struct gateway_counters *counters, struct metrics_scrape *scrape)
{
#define COUNTER_OF(name, counter) &counters->counter,
    const atomic_ullong *const messages[] = {ACCEPTANCES(COUNTER_OF)}, *const heard[] = {RECEIPTS(COUNTER_OF)};

    for (size_t i = 0; i < COUNT_OF(messages); i++)
        metrics_set(scrape, METRIC_GATEWAY_MESSAGES, (double)atomic_load(messages[i]), i);
    for (size_t i = 0; i < COUNT_OF(heard); i++)
        metrics_set(scrape, METRIC_GATEWAY_RECEIPTS, (double)atomic_load(heard[i]), i);
}
