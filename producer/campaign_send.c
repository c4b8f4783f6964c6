/* herald campaign send: a template and a file of people become messages on the list. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/timestamp.h"
#include "producer/campaign_run.h"
#include "producer/command.h"
#include "producer/follow.h"
#include "producer/rejects.h"
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
    struct campaign_run campaign;
    struct callback_rules callbacks;
    struct template *template;
    struct recipients *source;
    struct store *store; /* NULL in a dry run */
    struct rejects rejects;
    struct progress progress;
};

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
        .key_column = options->key,
        .from = options->from,
        .route = options->route,
        .origins = run->call->settings->origins,
        .callbacks = &run->callbacks,
        .callback_url = run->call->settings->callback_url,
    };
    int rc;

    if (!options->template) {
        reason_set(why, "--template FILE is needed; see herald campaign send --help");
        return ERR_INVALID;
    }
    if (options->send_at && !timestamp_parse(options->send_at, &run->campaign.send_at_ms)) {
        reason_set(why, "--send-at must be a time such as 2026-01-15T10:30:00Z");
        return ERR_INVALID;
    }
    rc = command_callback_rules(run->call->settings, &run->callbacks, why);
    if (rc == 0)
        rc = template_load(&run->template, options->template, why);
    config.template = run->template;
    if (rc == 0)
        rc = campaign_run_name(&run->campaign, run->template, options->campaign, why);
    if (rc == 0)
        rc = campaign_run_prepare(&run->campaign, &config, why);
    if (rc == 0)
        rc = recipients_open(&run->source, options->recipients, format_of(options->format), why);
    if (rc != 0)
        return rc;
    rejects_init(&run->rejects, options->rejects,
                 strcmp(options->recipients, "-") == 0 ? run->campaign.campaign : options->recipients,
                 recipients_format(run->source) == RECIPIENTS_CSV ? "csv" : "jsonl");
    rc = rejects_check_path(run->rejects.path, options->recipients, why);
    if (rc == 0)
        rc = rejects_check_path(run->rejects.path, options->template, why);
    if (rc == 0)
        rc = campaign_run_bind(&run->campaign, run->source, why);
    if (rc == 0 && !options->is_dry_run)
        rc = command_open_store(run->call->settings, &run->store, why);
    if (run->store)
        command_name_actor(run->store);
    return rc;
}

static int on_refused(void *context, const struct recipients *source, const struct row *row,
                      const struct row_refusal *refusal, struct reason *why)
{
    struct run *run = context;
    const struct reject reject = {refusal->column, refusal->code, refusal->text};

    return rejects_add(&run->rejects, source, row, &reject, why);
}

static void on_row(void *context, const struct recipients *source, const struct tally *tally)
{
    struct run *run = context;

    progress_update(&run->progress, recipients_bytes_read(source), recipients_bytes_total(source), tally->rows);
}

static int take_all(struct run *run, struct reason *why)
{
    int rc;

    run->campaign.watch = (struct campaign_run_watch){on_refused, on_row, run};
    progress_begin(&run->progress, run->options->is_dry_run ? "checking" : "enqueueing", true);
    rc = campaign_run_all(&run->campaign, run->store, why);
    progress_end(&run->progress);
    return rc;
}

static void report(const struct run *run)
{
    const struct tally *tally = &run->campaign.tally;
    const struct tally_about about = {
        .campaign = run->campaign.campaign,
        .rejects_path = run->rejects.path,
        .is_dry_run = run->options->is_dry_run,
        .has_sms = personaliser_channel(run->campaign.personaliser) == CHANNEL_SMS,
    };

    if (run->options->is_json)
        tally_print_json(stdout, tally, &about);
    else
        tally_print(stdout, tally, &about);
}

static enum exit_status finish(struct run *run, int rc, struct reason *why)
{
    const struct tally *tally = &run->campaign.tally;
    struct reason closing = {""};

    if (rejects_close(&run->rejects, rc == 0 ? why : &closing) != 0 && rc == 0)
        rc = ERR_IO;
    if (tally->rows > 0 || rc == 0)
        report(run);
    if (rc != 0) {
        enum exit_status status = command_fail(rc, why);

        if (run->store)
            (void)fprintf(stderr, "herald: run the same command again to enqueue the rest: nobody is enqueued twice\n");
        return status;
    }
    if (run->options->is_waiting && tally->accepted + tally->duplicates > 0) {
        rc = follow_campaign(run->store, run->campaign.campaign, !run->options->is_json, why);
        if (rc != 0)
            return command_fail(rc, why);
    }
    return tally->refused > 0 ? EXIT_PART : EXIT_DONE;
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
    campaign_run_clear(&run->campaign);
    store_close(run->store);
    recipients_close(run->source);
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
