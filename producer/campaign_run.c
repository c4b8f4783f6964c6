#include "producer/campaign_run.h"

#include <string.h>

#include "common/clock.h"

int campaign_run_name(struct campaign_run *run, const struct template *t, const char *given, struct reason *why)
{
    const char *name = given ? given : template_field(t, TEMPLATE_NAME);

    if (!name) {
        reason_set(why, "the campaign needs a name: --campaign NAME, or `name` in the template");
        return ERR_INVALID;
    }
    if (strlen(name) > ENVELOPE_NAME_MAX || !id_is_valid(name, strlen(name))) {
        reason_set(why, "a campaign's name has 1 to %d letters, digits and . _ : -", ENVELOPE_NAME_MAX);
        return ERR_INVALID;
    }
    memcpy(run->campaign, name, strlen(name) + 1);
    return 0;
}

int campaign_run_prepare(struct campaign_run *run, struct personaliser_config *config, struct reason *why)
{
    config->campaign = run->campaign;
    config->send_at_ms = run->send_at_ms;
    config->now_ms = clock_wall_ms();
    return personaliser_create(&run->personaliser, config, why);
}

int campaign_run_bind(struct campaign_run *run, struct recipients *source, struct reason *why)
{
    run->source = source;
    return personaliser_bind(run->personaliser, source, why);
}

static int refuse_row(struct campaign_run *run, const struct row *row, const struct row_refusal *refusal,
                      struct reason *why)
{
    tally_refused(&run->tally, refusal->code);
    return run->watch.on_refused(run->watch.context, run->source, row, refusal, why);
}

/* Redis says so when the row has long been counted as good; what it cost and its language stay counted. */
static int refuse_suppressed(void *context, const struct row *row, struct reason *why)
{
    struct campaign_run *run = context;
    const struct row_refusal refusal = {
        .column = "to", .code = "suppressed", .text = "the person has opted out: herald suppress"};

    run->tally.valid--;
    return refuse_row(run, row, &refusal, why);
}

static int enqueue(struct campaign_run *run, const struct row *row, const struct personal *personal, struct reason *why)
{
    struct store_message message = {
        .priority = personaliser_priority(run->personaliser),
        .due_ms = run->send_at_ms,
    };

    if (!run->store)
        return 0;
    memcpy(message.key, personal->key, sizeof(message.key));
    personaliser_write(run->personaliser, personal, outbox_envelope(&run->outbox));
    return outbox_add(&run->outbox, &message, &personal->content, row, why);
}

/* An approved template's text is with Genesys: what is shown instead is what goes into it. */
static void count_language(struct campaign_run *run, const struct personal *personal)
{
    const struct content *content = &personal->content;
    struct buf shown;

    if (personal->text.data) {
        tally_language(&run->tally, personal->language, content->to, personal->text);
        return;
    }
    buf_init(&shown, JSON_MAX_BYTES);
    buf_text(&shown, "approved template ");
    buf_add(&shown, content->response_id.data, content->response_id.len);
    for (size_t i = 0; i < content->parameter_count; i++) {
        buf_printf(&shown, "%s %zu: ", i ? "," : " with", i + 1);
        buf_add(&shown, content->parameters[i].data, content->parameters[i].len);
    }
    tally_language(&run->tally, "template", content->to, (struct span){buf_str(&shown), shown.len});
    buf_clear(&shown);
}

static int take_row(struct campaign_run *run, const struct row *row, struct reason *why)
{
    struct personal personal;
    struct row_refusal refusal;

    run->tally.rows++;
    if (personaliser_apply(run->personaliser, run->source, row, &personal, &refusal) != 0)
        return refuse_row(run, row, &refusal, why);
    run->tally.valid++;
    count_language(run, &personal);
    if (personal.content.channel == CHANNEL_SMS) {
        struct sms_cost cost = sms_cost(personal.text.data, personal.text.len);

        tally_sms(&run->tally, &cost);
    }
    return enqueue(run, row, &personal, why);
}

static int take_rows(struct campaign_run *run, struct reason *why)
{
    struct reason rest = {""};
    struct row row;
    int rc = 0, more;

    while ((more = recipients_next(run->source, &row, why)) > 0) {
        rc = take_row(run, &row, why);
        if (rc != 0)
            return rc;
        if (run->watch.on_row)
            run->watch.on_row(run->watch.context, run->source, &run->tally);
    }
    /* What could be read is enqueued even when the rest of the file cannot be. */
    if (run->store)
        rc = outbox_finish(&run->outbox, more < 0 ? &rest : why);
    return more < 0 ? more : rc;
}

int campaign_run_all(struct campaign_run *run, struct store *store, struct reason *why)
{
    int64_t started_ms = clock_mono_ms();
    int rc;

    run->store = store;
    outbox_init(&run->outbox, store, refuse_suppressed, run);
    rc = outbox_set_campaign(&run->outbox, run->campaign, why);
    if (rc == 0)
        rc = take_rows(run, why);
    run->tally.accepted = run->outbox.accepted;
    run->tally.duplicates = run->outbox.duplicates;
    run->tally.elapsed_ms = clock_mono_ms() - started_ms;
    return rc;
}

void campaign_run_clear(struct campaign_run *run)
{
    outbox_clear(&run->outbox);
    personaliser_destroy(run->personaliser);
    tally_clear(&run->tally);
    run->personaliser = NULL;
}
