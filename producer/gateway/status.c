/* GET /v1/status: what `herald status --json` shows, and what this gateway has counted since its start. */
#include <stdlib.h>

#include "common/mem.h"
#include "producer/command.h"
#include "producer/gateway/clerks.h"
#include "producer/gateway/endpoints.h"
#include "producer/gateway/exchange.h"
#include "producer/status_report.h"

struct job {
    struct store_status status;
    struct reason why;
    int rc;
};

static void work(void *context, struct store *store, struct gateway *gateway)
{
    struct job *job = context;

    (void)gateway;
    job->rc = store_read_status(store, &job->status, EXCHANGE_PATIENCE_MS, &job->why);
}

static void write_counters(const struct gateway_counters *counters, struct buf *body)
{
    const struct {
        const char *name;
        const atomic_ullong *counter;
    } rows[] = {
        {"requests", &counters->requests},
        {"unauthorized", &counters->unauthorized},
        {"forbidden", &counters->forbidden},
        {"unavailable", &counters->unavailable},
        {"messages_accepted", &counters->messages_accepted},
        {"messages_repeated", &counters->messages_repeated},
        {"messages_refused", &counters->messages_refused},
        {"messages_put_off", &counters->messages_put_off},
        {"receipts_applied", &counters->receipts_applied},
        {"receipts_repeated", &counters->receipts_repeated},
        {"receipts_early", &counters->receipts_early},
        {"receipts_ignored", &counters->receipts_ignored},
        {"receipts_unsigned", &counters->receipts_unsigned},
    };

    buf_text(body, ",\"gateway\":{");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        buf_printf(body, "%s\"%s\":%llu", i ? "," : "", rows[i].name, atomic_load(rows[i].counter));
    buf_char(body, '}');
}

static void answer(void *context, struct exchange *exchange)
{
    const struct job *job = context;
    struct buf *body;

    if (job->rc != 0) {
        exchange_redis_away(exchange, job->rc);
        return;
    }
    body = answer_json(exchange_answer(exchange), 200);
    status_begin_json(exchange_gateway(exchange)->settings->org, &job->status, body);
    write_counters(&exchange_gateway(exchange)->counters, body);
    buf_text(body, "}\n");
    exchange_send(exchange);
}

void status_answer(struct exchange *exchange)
{
    static const struct clerk_job kind = {EXCHANGE_PATIENCE_MS, work, answer, free};

    clerks_ask(exchange, &kind, mem_zalloc(1, sizeof(struct job)));
}
