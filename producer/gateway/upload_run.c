/* The run over an upload, in a clerk's thread, and how it is told. */
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/timestamp.h"
#include "producer/campaign_run.h"
#include "producer/command.h"
#include "producer/gateway/exchange.h"
#include "producer/gateway/outcome.h"
#include "producer/gateway/templates.h"
#include "producer/gateway/upload.h"

#define PATIENCE_MS   (INT64_C(10) * 60 * 1000) /* the client's; without it the run goes on */
#define REFUSED_SHOWN 100                       /* rows */
#define REFUSED_BYTES ((size_t)256 << 10)
#define TALLY_BYTES   ((size_t)64 << 10)

struct run {
    struct upload *upload;
    struct gateway *gateway;
    struct template_set *set;
    struct template *own;            /* that came with the upload; NULL: one of the set */
    const struct template *template; /* either */
    struct recipients *source;
    struct campaign_run campaign;
};

/* --- problems --- */

static int fail(struct upload *upload, int status, const char *code, const char *pointer)
{
    upload->status = status;
    upload->code = code;
    upload->pointer = pointer;
    return ERR_INVALID;
}

static int fail_field(struct upload *upload, const char *code, const char *pointer, const char *detail)
{
    reason_set(&upload->why, "%s", detail);
    return fail(upload, 422, code, pointer);
}

/* Redis does not answer, or refuses. */
static int fail_store(struct upload *upload, int rc)
{
    return fail(upload, 503, rc == ERR_STATE ? "redis_refused" : "redis_away", NULL);
}

/* --- preparing --- */

static int check_backlog(struct run *run, struct store *store)
{
    int64_t most = run->gateway->settings->max_backlog, waiting = 0;
    struct upload *upload = run->upload;
    struct store_status *status;
    int rc;

    if (most == 0)
        return 0;
    status = mem_zalloc(1, sizeof(*status));
    rc = store_read_status(store, status, COMMAND_PATIENCE_MS, &upload->why);
    waiting = status->delayed;
    for (int i = 0; i < PRIORITY_COUNT; i++)
        waiting += status->ready[i];
    free(status);
    if (rc != 0)
        return fail_store(upload, rc);
    if (waiting < most)
        return 0;
    reason_set(&upload->why, "too many messages wait already (--max-backlog); ask again later");
    return fail(upload, 503, "backlog_full", NULL);
}

static int find_template(struct run *run)
{
    struct upload *upload = run->upload;
    const char *text = upload_field(upload, UPLOAD_TEMPLATE);
    size_t len = upload->fields[UPLOAD_TEMPLATE].len;

    if (text[strspn(text, " \t\r\n")] == '{') {
        if (template_parse(&run->own, text, len, &upload->why) != 0)
            return fail(upload, 422, "template_invalid", "/template");
        run->template = run->own;
        return 0;
    }
    run->set = templates_take(run->gateway->templates);
    run->template = template_set_find(run->set, (struct span){text, len});
    if (run->template)
        return 0;
    return fail_field(upload, "template_unknown", "/template",
                      "this gateway has no template of that name (--templates)");
}

static int prepare_run(struct run *run)
{
    struct upload *upload = run->upload;
    const char *name = upload_field(upload, UPLOAD_CAMPAIGN), *send_at = upload_field(upload, UPLOAD_SEND_AT);
    struct personaliser_config config = {
        .template = run->template,
        .key_column = upload_field(upload, UPLOAD_KEY),
        .from = upload_field(upload, UPLOAD_FROM),
        .route = upload_field(upload, UPLOAD_ROUTE),
        .origins = run->gateway->settings->origins,
        .callbacks = &run->gateway->callbacks,
        .traceparent = upload->traceparent[0] ? upload->traceparent : NULL,
    };

    if (send_at && !timestamp_parse(send_at, &run->campaign.send_at_ms))
        return fail_field(upload, "field_invalid", "/send_at", "must be a time such as 2026-01-15T10:30:00Z");
    if (!name && !template_field(run->template, TEMPLATE_NAME))
        return fail_field(upload, "field_missing", "/campaign",
                          "the campaign needs a name: `campaign`, or `name` in the template");
    if (campaign_run_name(&run->campaign, run->template, name, &upload->why) != 0)
        return fail(upload, 422, "field_invalid", name ? "/campaign" : "/template");
    if (campaign_run_prepare(&run->campaign, &config, &upload->why) != 0)
        return fail(upload, 422, "template_invalid", config.from ? "/from" : config.route ? "/route" : "/template");
    return 0;
}

static int open_recipients(struct run *run)
{
    struct upload *upload = run->upload;

    if (recipients_open_fd(&run->source, spool_take_fd(&upload->spool), "recipients", upload->format, &upload->why) !=
        0)
        return fail(upload, 422, "recipients_invalid", "/recipients");
    if (campaign_run_bind(&run->campaign, run->source, &upload->why) != 0)
        return fail(upload, 422, "column_missing", "/recipients");
    return 0;
}

/* --- running --- */

static int on_refused(void *context, const struct recipients *source, const struct row *row,
                      const struct row_refusal *refusal, struct reason *why)
{
    struct run *run = context;
    struct buf *rows = &run->upload->refused;

    (void)source;
    (void)why; /* nothing can go wrong with it */
    if (run->upload->refused_shown++ >= REFUSED_SHOWN)
        return 0;
    buf_printf(rows, "%s{\"line\":%zu,\"column\":", rows->len ? "," : "", row->line);
    buf_json_text(rows, refusal->column);
    buf_printf(rows, ",\"code\":\"%s\",\"detail\":", refusal->code);
    buf_json_text(rows, refusal->text);
    buf_char(rows, '}');
    return 0;
}

static void judge(struct run *run, int rc)
{
    struct upload *upload = run->upload;
    const struct tally *tally = &run->campaign.tally;
    uint64_t there = tally->accepted + tally->duplicates;

    if (rc == ERR_UNREACHABLE || rc == ERR_DENIED || rc == ERR_STATE)
        (void)fail_store(upload, rc);
    else if (rc != 0) /* the recipients could not be read to their end */
        (void)fail(upload, there > 0 ? 207 : 422, "recipients_invalid", "/recipients");
    else if (tally->rows == 0)
        (void)fail_field(upload, "recipients_empty", "/recipients", "there is no row");
    else
        upload->status = tally->refused == 0 ? 202 : there > 0 ? 207 : 422;
}

static void take_rows(struct run *run, struct store *store)
{
    struct gateway_counters *counters = &run->gateway->counters;
    const struct tally *tally = &run->campaign.tally;
    struct tally_about about = {
        .campaign = run->campaign.campaign,
        .has_sms = personaliser_channel(run->campaign.personaliser) == CHANNEL_SMS,
    };

    run->campaign.watch = (struct campaign_run_watch){.on_refused = on_refused, .context = run};
    store_set_actor(store, run->upload->actor);
    judge(run, campaign_run_all(&run->campaign, store, &run->upload->why));
    store_set_actor(store, ""); /* it is the clerk's, for other jobs as well */
    COUNT_ADD(counters->messages_accepted, tally->accepted);
    COUNT_ADD(counters->messages_repeated, tally->duplicates);
    COUNT_ADD(counters->messages_refused, tally->refused);
    tally_write_json(tally, &about, &run->upload->tally);
}

static void work(void *job, struct store *store, struct gateway *gateway)
{
    struct run *run = mem_zalloc(1, sizeof(*run));

    run->upload = job;
    run->gateway = gateway;
    buf_init(&run->upload->refused, REFUSED_BYTES);
    buf_init(&run->upload->tally, TALLY_BYTES);
    if (check_backlog(run, store) == 0 && find_template(run) == 0 && prepare_run(run) == 0 && open_recipients(run) == 0)
        take_rows(run, store);
    campaign_run_clear(&run->campaign);
    recipients_close(run->source);
    template_free(run->own);
    template_set_release(run->set);
    free(run);
}

/* --- telling --- */

static void write_result(const struct upload *upload, struct buf *body)
{
    buf_add(body, buf_str(&upload->tally), upload->tally.len);
    buf_text(body, ",\"refused_rows\":[");
    buf_add(body, buf_str(&upload->refused), upload->refused.len);
    buf_char(body, ']');
}

/* What was done before the problem is a member of it. */
static void answer_failure(const struct upload *upload, struct answer *answer)
{
    static const char end[] = "}\n";

    answer_problem(answer, upload->status, upload->code, upload->pointer, "%s", upload->why.text);
    if (upload->tally.len > 0) {
        answer->body.len -= sizeof(end) - 1;
        buf_text(&answer->body, ",\"result\":{");
        write_result(upload, &answer->body);
        buf_text(&answer->body, "}}\n");
    }
    if (upload->status == 503)
        answer->retry_after_s = strcmp(upload->code, "backlog_full") == 0 ? FULL_RETRY_AFTER_S : RETRY_AFTER_S;
}

/* The rows that could be read are done; why the others could not is a member. */
static void answer_result(const struct upload *upload, struct answer *answer)
{
    struct buf *body = answer_json(answer, upload->status);

    buf_char(body, '{');
    write_result(upload, body);
    if (upload->code) {
        buf_printf(body, ",\"problem\":{\"code\":\"%s\",\"detail\":", upload->code);
        buf_json_text(body, upload->why.text);
        buf_char(body, '}');
    }
    buf_text(body, "}\n");
}

static void tell(void *job, struct exchange *exchange)
{
    const struct upload *upload = job;
    struct answer *answer = exchange_answer(exchange);

    if (upload->code && upload->status >= 400)
        answer_failure(upload, answer);
    else
        answer_result(upload, answer);
    exchange_send(exchange);
}

static void leave(void *job)
{
    (void)job; /* it is its exchange's */
}

const struct clerk_job upload_job = {PATIENCE_MS, work, tell, leave};
