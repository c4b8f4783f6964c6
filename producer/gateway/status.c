/* GET /v1/status: what `herald status --json` shows. */
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

static void answer(void *context, struct exchange *exchange)
{
    const struct job *job = context;
    struct buf *body;

    if (job->rc != 0) {
        exchange_redis_away(exchange, job->rc);
        return;
    }
    body = answer_json(exchange_answer(exchange), 200);
    status_write_json(exchange_gateway(exchange)->settings->org, &job->status, body);
    buf_char(body, '\n');
    exchange_send(exchange);
}

void status_answer(struct exchange *exchange)
{
    static const struct clerk_job kind = {EXCHANGE_PATIENCE_MS, work, answer, free};

    clerks_ask(exchange, &kind, mem_zalloc(1, sizeof(struct job)));
}
