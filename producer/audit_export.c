/* herald audit export: the audit out of Redis into daily files, each line chained to the one before. */
#include <inttypes.h>

#include "common/log.h"
#include "producer/audit_exporter.h"
#include "producer/command.h"

struct options {
    char *to;
    bool is_followed, is_json;
};

static const struct option rows[] = {
    {"to", NULL, OPTION_TEXT, .offset = offsetof(struct options, to), .value = "PLACE",
     .help = "a folder, or a file's name such as /var/audit/sent.jsonl: the day is added, sent-2026-01-15.jsonl"},
    {"follow", NULL, OPTION_SWITCH, .offset = offsetof(struct options, is_followed),
     .help = "stay, and export what comes; ends on SIGTERM"},
    {"json", NULL, OPTION_SWITCH, .offset = offsetof(struct options, is_json), .help = "the summary as JSON"},
};

static void print_text(const struct audit_exported *done)
{
    (void)fprintf(stderr, "%" PRId64 " entries exported", done->count);
    if (done->last.seq > 0)
        (void)fprintf(stderr, "; %s ends with line %" PRIu64 " of the chain, sha256 %s",
                      done->file[0] ? done->file : "an earlier export", done->last.seq, done->last.sha256);
    (void)fprintf(stderr, "\n");
}

static void print_json(const struct audit_exported *done, const char *org)
{
    struct buf json;

    buf_init(&json, (size_t)1 << 16);
    buf_text(&json, "{\"org\":");
    buf_json_text(&json, org);
    buf_printf(&json,
               ",\"exported\":%" PRId64 ",\"last_seq\":%" PRIu64 ",\"last_sha256\":\"%s\",\"file\":", done->count,
               done->last.seq, done->last.sha256);
    buf_json_text(&json, done->file);
    buf_printf(&json, ",\"cut_bytes\":%" PRId64 "}\n", done->cut);
    (void)fputs(buf_str(&json), stdout);
    buf_clear(&json);
}

static int export(const struct command_call *call, struct audit_exported *ret, struct reason *why)
{
    const struct options *options = call->options;
    struct audit_exporter_config config = {.to = options->to,
                                           .org = call->settings->org,
                                           .is_followed = options->is_followed,
                                           .has_bar = !options->is_json};
    struct audit_exporter *exporter = NULL;
    struct store *store = NULL;
    int rc;

    if (!options->to) {
        reason_set(why, "--to must say where: a folder, or a file such as /var/audit/sent.jsonl");
        return ERR_INVALID;
    }
    if (options->is_followed)
        log_set_level("info"); /* that Redis is away, and back */
    rc = command_open_store(call->settings, &store, why);
    config.store = store;
    if (rc == 0)
        rc = audit_exporter_open(&exporter, &config, why);
    if (rc == 0)
        rc = audit_exporter_run(exporter, ret, why);
    audit_exporter_close(exporter);
    store_close(store);
    return rc;
}

static enum exit_status run_command(const struct command_call *call)
{
    const struct options *options = call->options;
    struct audit_exported done = {.has_begun = false};
    struct reason why = {""};
    int rc = export(call, &done, &why);
    enum exit_status status = rc == 0 ? EXIT_DONE : command_fail(rc, &why);

    if (rc == ERR_IO)
        (void)fprintf(stderr, "herald: what was not exported stays in Redis; make room and start the export again\n");
    if (done.has_begun && options->is_json)
        print_json(&done, call->settings->org);
    else if (done.has_begun)
        print_text(&done);
    return status;
}

const struct command command_audit_export = {
    .name = "audit export",
    .usage = "--to PLACE [OPTION]...",
    .summary = "the audit into daily files, each line chained to the one before, and out of Redis",
    .help =
        "An entry leaves Redis when its line is on the disk. Killed at any moment, the next export goes on where the\n"
        "files end: nothing is lost or there twice. A disk that is full or fails ends it with status 1, with --follow\n"
        "too, and Redis keeps the rest; let your service manager start it again. One exporter at a time.\n",
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .options_size = sizeof(struct options),
    .run = run_command,
};
