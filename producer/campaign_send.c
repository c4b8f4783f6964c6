/* herald campaign send: a template and a file of people become messages on the list. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/mem.h"
#include "common/timestamp.h"
#include "producer/command.h"
#include "producer/follow.h"
#include "producer/outbox.h"
#include "producer/personalise.h"
#include "producer/rejects.h"
#include "producer/tally.h"
#include "producer/terminal.h"

struct options {
    char *template, *recipients, *campaign, *format, *rejects, *key, *from, *route, *send_at;
    bool is_dry_run, is_json, is_waiting;
};

#define AT(member) .offset = offsetof(struct options, member)

static const struct option rows[] = {
    {"template", NULL, OPTION_TEXT, AT(template), .value = "FILE",
     .help = "texts by language, channel, sender (JSON); needed"},
    {"recipients", NULL, OPTION_TEXT, AT(recipients), .fallback = "-", .value = "FILE",
     .help = "the people: CSV with a header, or JSON lines; - is standard input"},
    {"campaign", NULL, OPTION_TEXT, AT(campaign), .value = "NAME", .help = "name of the campaign; else the template's"},
    {"format", NULL, OPTION_TEXT, AT(format), .fallback = "auto", .choices = "auto|csv|jsonl", .value = "FORMAT",
     .help = "csv, jsonl, or auto: by the file's name or first byte"},
    {"rejects", NULL, OPTION_TEXT, AT(rejects), .value = "FILE",
     .help = "where refused rows go; else <recipients>.rejects.csv or .jsonl, numbered if it is there"},
    {"key", NULL, OPTION_TEXT, AT(key), .value = "COLUMN",
     .help = "the column that tells messages of this campaign apart; else the address"},
    {"from", NULL, OPTION_TEXT, AT(from), .value = "ADDRESS", .help = "sender instead of the template's"},
    {"route", NULL, OPTION_TEXT, AT(route), .choices = "agentless|messaging", .value = "NAME",
     .help = "route instead of the template's"},
    {"send-at", NULL, OPTION_TEXT, AT(send_at), .value = "TIME", .help = "not before, such as 2026-01-15T10:30:00Z"},
    {"dry-run", NULL, OPTION_SWITCH, AT(is_dry_run), .help = "all but enqueue: examples, cost, what would be refused"},
    {"wait", NULL, OPTION_SWITCH, AT(is_waiting), .help = "stay until every message of the campaign has an end"},
    {"json", NULL, OPTION_SWITCH, AT(is_json), .help = "the result as JSON"},
};

struct run {
    const struct command_call *call;
    const struct options *options;
    char campaign[ENVELOPE_NAME_MAX + 1];
    int64_t send_at_ms;
    struct template *template;
    struct recipients *source;
    struct personaliser *personaliser;
    struct store *store; /* NULL in a dry run */
    struct outbox outbox;
    struct rejects rejects;
    struct tally tally;
};

static int name_campaign(struct run *run, struct reason *why)
{
    const char *name = run->options->campaign ? run->options->campaign : template_field(run->template, TEMPLATE_NAME);

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

static enum recipients_format format_of(const char *name)
{
    if (strcmp(name, "csv") == 0)
        return RECIPIENTS_CSV;
    return strcmp(name, "jsonl") == 0 ? RECIPIENTS_JSONL : RECIPIENTS_AUTO;
}

static int prepare(struct run *run, struct reason *why)
{
    const struct options *options = run->options;
    struct personaliser_config config = {
        .campaign = run->campaign,
        .key_column = options->key,
        .from = options->from,
        .route = options->route,
        .origins = run->call->settings->origins,
        .now_ms = clock_wall_ms(),
    };
    int rc;

    if (!options->template) {
        reason_set(why, "--template FILE is needed; see herald campaign send --help");
        return ERR_INVALID;
    }
    if (options->send_at && !timestamp_parse(options->send_at, &run->send_at_ms)) {
        reason_set(why, "--send-at must be a time such as 2026-01-15T10:30:00Z");
        return ERR_INVALID;
    }
    rc = template_load(&run->template, options->template, why);
    if (rc != 0 || name_campaign(run, why) != 0)
        return rc != 0 ? rc : ERR_INVALID;
    config.template = run->template;
    config.send_at_ms = run->send_at_ms;
    if (personaliser_create(&run->personaliser, &config, why) != 0)
        return ERR_INVALID;
    rc = recipients_open(&run->source, options->recipients, format_of(options->format), why);
    if (rc != 0)
        return rc;
    rejects_init(&run->rejects, options->rejects,
                 strcmp(options->recipients, "-") == 0 ? run->campaign : options->recipients,
                 recipients_format(run->source) == RECIPIENTS_CSV ? "csv" : "jsonl");
    rc = rejects_check_path(run->rejects.path, options->recipients, why);
    if (rc == 0)
        rc = rejects_check_path(run->rejects.path, options->template, why);
    if (rc == 0)
        rc = personaliser_bind(run->personaliser, run->source, why);
    if (rc == 0 && !options->is_dry_run)
        rc = command_open_store(run->call->settings, &run->store, why);
    outbox_init(&run->outbox, run->store);
    return rc == 0 ? outbox_set_campaign(&run->outbox, run->campaign, why) : rc;
}

static int reject_row(struct run *run, const struct row *row, const struct row_refusal *refusal, struct reason *why)
{
    const struct reject reject = {refusal->column, refusal->code, refusal->text};

    tally_refused(&run->tally, refusal->code);
    return rejects_add(&run->rejects, run->source, row, &reject, why);
}

static int enqueue(struct run *run, const struct personal *personal, struct reason *why)
{
    struct store_message message = {
        .priority = personaliser_priority(run->personaliser),
        .due_ms = run->send_at_ms,
    };

    if (run->options->is_dry_run)
        return 0;
    memcpy(message.key, personal->key, sizeof(message.key));
    personaliser_write(run->personaliser, personal, outbox_envelope(&run->outbox));
    return outbox_add(&run->outbox, &message, why);
}

/* An approved template's text is with Genesys: what is shown instead is what goes into it. */
static void count_language(struct run *run, const struct personal *personal)
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

static int take_row(struct run *run, const struct row *row, struct reason *why)
{
    struct personal personal;
    struct row_refusal refusal;

    run->tally.rows++;
    if (personaliser_apply(run->personaliser, run->source, row, &personal, &refusal) != 0)
        return reject_row(run, row, &refusal, why);
    run->tally.valid++;
    count_language(run, &personal);
    if (personal.content.channel == CHANNEL_SMS) {
        struct sms_cost cost = sms_cost(personal.text.data, personal.text.len);

        tally_sms(&run->tally, &cost);
    }
    return enqueue(run, &personal, why);
}

static int take_all(struct run *run, struct reason *why)
{
    struct progress progress;
    int64_t started_ms = clock_mono_ms();
    struct reason rest = {""};
    struct row row;
    int rc = 0, more;

    progress_begin(&progress, run->options->is_dry_run ? "checking" : "enqueueing", true);
    while ((more = recipients_next(run->source, &row, why)) > 0) {
        rc = take_row(run, &row, why);
        if (rc != 0)
            goto out;
        progress_update(&progress, recipients_bytes_read(run->source), recipients_bytes_total(run->source),
                        run->tally.rows);
    }
    /* What could be read is enqueued even when the rest of the file cannot be. */
    if (!run->options->is_dry_run)
        rc = outbox_finish(&run->outbox, more < 0 ? &rest : why);
out:
    progress_end(&progress);
    run->tally.accepted = run->outbox.accepted;
    run->tally.duplicates = run->outbox.duplicates;
    run->tally.elapsed_ms = clock_mono_ms() - started_ms;
    return more < 0 ? more : rc;
}

static void report(const struct run *run)
{
    const struct tally_about about = {
        .campaign = run->campaign,
        .rejects_path = run->rejects.path,
        .is_dry_run = run->options->is_dry_run,
        .has_sms = personaliser_channel(run->personaliser) == CHANNEL_SMS,
    };

    if (run->options->is_json)
        tally_print_json(stdout, &run->tally, &about);
    else
        tally_print(stdout, &run->tally, &about);
}

static enum exit_status finish(struct run *run, int rc, struct reason *why)
{
    struct reason closing = {""};

    if (rejects_close(&run->rejects, rc == 0 ? why : &closing) != 0 && rc == 0)
        rc = ERR_IO;
    if (run->tally.rows > 0 || rc == 0)
        report(run);
    if (rc != 0) {
        enum exit_status status = command_fail(rc, why);

        if (run->store)
            (void)fprintf(stderr, "herald: run the same command again to enqueue the rest: nobody is enqueued twice\n");
        return status;
    }
    if (run->options->is_waiting && run->tally.accepted + run->tally.duplicates > 0) {
        rc = follow_campaign(run->store, run->campaign, !run->options->is_json, why);
        if (rc != 0)
            return command_fail(rc, why);
    }
    return run->tally.refused > 0 ? EXIT_PART : EXIT_DONE;
}

static enum exit_status run_command(const struct command_call *call)
{
    struct run *run = mem_zalloc(1, sizeof(*run));
    struct reason why = {""};
    enum exit_status status;
    int rc;

    run->call = call;
    run->options = call->options;
    rc = prepare(run, &why);
    if (rc != 0)
        status = command_fail(rc, &why);
    else
        status = finish(run, take_all(run, &why), &why);
    outbox_clear(&run->outbox);
    store_close(run->store);
    personaliser_destroy(run->personaliser);
    recipients_close(run->source);
    tally_clear(&run->tally);
    template_free(run->template);
    rejects_clear(&run->rejects);
    free(run);
    return status;
}

const struct command command_campaign_send = {
    .name = "campaign send",
    .usage = "--template FILE [--recipients FILE] [OPTION]...",
    .summary = "personalise a template for each row of a file and enqueue the messages",
    .help = "Columns: `to` (the address), `consentVerified` (must be true), `language` (optional; else the number's\n"
            "country decides, else the template's default), and one for each {{variable}} of the template.\n"
            "A refused row goes to the rejects file and the others go on; exit status 3 then. The same campaign may\n"
            "be sent again at any time: nobody is enqueued twice.\n",
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .options_size = sizeof(struct options),
    .run = run_command,
};
