/* herald enqueue: envelopes (or bare payloads) as JSON lines, checked and put on the list. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "producer/command.h"
#include "producer/lines.h"
#include "producer/outbox.h"
#include "producer/rejects.h"
#include "producer/tally.h"
#include "producer/terminal.h"

struct options {
    char *rejects;
    bool is_dry_run, is_json;
};

#define AT(member) .offset = offsetof(struct options, member)

static const struct option rows[] = {
    {"rejects", NULL, OPTION_TEXT, AT(rejects), .value = "FILE",
     .help = "where refused lines go; else <file>.rejects.jsonl, numbered if it is there"},
    {"dry-run", NULL, OPTION_SWITCH, AT(is_dry_run), .help = "check only"},
    {"json", NULL, OPTION_SWITCH, AT(is_json), .help = "the result as JSON"},
};

/* What a rejects file adds to a line; taken out again when the corrected file is sent. */
static const char *const reject_members[] = {"rejected_line", "rejected_column", "rejected_reason"};

struct run {
    const struct command_call *call;
    const struct options *options;
    const char *path;
    struct lines *lines;
    struct store *store;
    struct callback_rules callbacks;
    struct outbox outbox;
    struct rejects rejects;
    struct tally tally;
};

static bool is_stdin(const struct run *run)
{
    return strcmp(run->path, "-") == 0;
}

static int open_lines(struct run *run, struct reason *why)
{
    int fd = 0;

    if (!is_stdin(run))
        fd = open(run->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        reason_set(why, "cannot read %.200s: %s", run->path, strerror(errno));
        return ERR_IO;
    }
    run->lines = lines_open(fd);
    return 0;
}

static int reject_suppressed(void *context, const struct row *row, struct reason *why)
{
    struct run *run = context;
    const struct reject reject = {"", "suppressed", "the person has opted out: herald suppress"};

    run->tally.valid--;
    tally_refused(&run->tally, reject.code);
    return rejects_add(&run->rejects, NULL, row, &reject, why);
}

static int prepare(struct run *run, struct reason *why)
{
    const struct option_words *words = run->call->words;
    int rc;

    run->path = words->count == 1 ? words->words[0] : "-";
    rc = command_callback_rules(run->call->settings, &run->callbacks, why);
    if (rc == 0)
        rc = open_lines(run, why);
    rejects_init(&run->rejects, run->options->rejects, is_stdin(run) ? "enqueue" : run->path, "jsonl");
    if (rc == 0)
        rc = rejects_check_path(run->rejects.path, run->path, why);
    if (rc == 0 && !run->options->is_dry_run)
        rc = command_open_store(run->call->settings, &run->store, why);
    if (run->store)
        command_name_actor(run->store);
    outbox_init(&run->outbox, run->store, reject_suppressed, run);
    return rc;
}

static void take_out_reject_members(struct envelope *envelope)
{
    const struct json_value *payload = envelope_payload(envelope);

    for (size_t i = 0; i < sizeof(reject_members) / sizeof(reject_members[0]); i++) {
        envelope_remove(envelope, reject_members[i]);
        (void)json_view_remove(&envelope->view, payload, reject_members[i]);
    }
}

/* What tells this message from others: its own key, else its id. */
static void make_key(const struct envelope *envelope, uint8_t key[STORE_KEY_SIZE])
{
    const char *campaign = envelope->campaign[0] ? envelope->campaign : NULL;
    struct span own = value_text(envelope_get(envelope, "idempotency_key"));

    store_key_of(campaign, own.len > 0 ? own : span_of(envelope->id), key); /* an empty key is nobody's name */
}

static int enqueue(struct run *run, const struct row *row, struct envelope *envelope, int64_t now_ms,
                   struct reason *why)
{
    struct store_message message = {.priority = envelope->priority, .due_ms = envelope->send_at_ms};
    char ticket[ID_SIZE];
    int rc;

    if (run->options->is_dry_run)
        return 0;
    rc = outbox_set_campaign(&run->outbox, envelope->campaign, why);
    if (rc != 0)
        return rc;
    make_key(envelope, message.key);
    take_out_reject_members(envelope);
    envelope_remove(envelope, "herald"); /* it begins here, whatever it claims */
    envelope->progress = (struct progress_state){.accepted_at_ms = now_ms};
    id_new(ticket, now_ms);
    envelope_write(envelope, ticket, outbox_envelope(&run->outbox));
    return outbox_add(&run->outbox, &message, &envelope->content, row, why);
}

static int take_line(struct run *run, const char *data, size_t len, size_t number, struct reason *why)
{
    const struct envelope_rules rules = {
        .origins = run->call->settings->origins, .callbacks = &run->callbacks, .is_from_outside = true};
    const struct row row = {.line = number, .raw = data, .raw_len = len};
    int64_t now_ms = clock_wall_ms();
    struct envelope envelope;
    struct refusal refusal;
    int rc;

    run->tally.rows++;
    if (envelope_read(&envelope, data, len, &rules, now_ms, &refusal) != 0) {
        const struct reject reject = {refusal.field, refusal.code, refusal.text};

        tally_refused(&run->tally, refusal.code);
        rc = rejects_add(&run->rejects, NULL, &row, &reject, why);
    } else {
        run->tally.valid++;
        rc = enqueue(run, &row, &envelope, now_ms, why);
    }
    envelope_clear(&envelope);
    return rc;
}

static int refuse_long_line(struct run *run, struct reason *why)
{
    const struct reject reject = {"", "json_invalid", "the line is longer than a message may be"};
    const struct row row = {
        .line = lines_number(run->lines), .raw = lines_at(run->lines), .raw_len = 200, .raw_is_cut = true};

    run->tally.rows++;
    tally_refused(&run->tally, reject.code);
    if (rejects_add(&run->rejects, NULL, &row, &reject, why) != 0)
        return ERR_IO;
    return lines_skip(run->lines, why);
}

static bool is_blank(const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] != ' ' && data[i] != '\t')
            return false;
    }
    return true;
}

/* Editors on Windows put one at the beginning; it is no part of the first message. */
static void pass_byte_order_mark(struct run *run)
{
    size_t len = 0;

    (void)lines_peek(run->lines, 0, &len, NULL); /* what is wrong, the next one says again */
    if (lines_available(run->lines) >= 3 && memcmp(lines_at(run->lines), "\xef\xbb\xbf", 3) == 0)
        lines_take(run->lines, 3, 0);
}

static int take_all(struct run *run, struct reason *why)
{
    struct progress progress;
    int64_t started_ms = clock_mono_ms();
    struct reason inner = {""}, rest = {""};
    size_t len = 0;
    int rc = 0, more = 0;

    progress_begin(&progress, "enqueueing", true);
    pass_byte_order_mark(run);
    while (rc == 0 && (more = lines_peek(run->lines, 0, &len, &inner)) != 0) {
        const char *data = lines_at(run->lines);
        size_t number = lines_number(run->lines);

        if (more == ERR_LIMIT) {
            rc = refuse_long_line(run, why);
            continue;
        }
        if (more < 0) {
            reason_set(why, "%.200s: %s", is_stdin(run) ? "standard input" : run->path, inner.text);
            break;
        }
        lines_take(run->lines, len, 1);
        len -= lines_end_length(data, len);
        if (!is_blank(data, len))
            rc = take_line(run, data, len, number, why);
        progress_update(&progress, 0, 0, run->tally.rows);
    }
    /* What could be read is enqueued even when the rest of the file cannot be. */
    if (rc == 0 && !run->options->is_dry_run)
        rc = outbox_finish(&run->outbox, more < 0 ? &rest : why);
    if (more < 0)
        rc = more;
    progress_end(&progress);
    run->tally.accepted = run->outbox.accepted;
    run->tally.duplicates = run->outbox.duplicates;
    run->tally.elapsed_ms = clock_mono_ms() - started_ms;
    return rc;
}

static enum exit_status finish(struct run *run, int rc, struct reason *why)
{
    const struct tally_about about = {.rejects_path = run->rejects.path, .is_dry_run = run->options->is_dry_run};
    struct reason closing = {""};

    if (rejects_close(&run->rejects, rc == 0 ? why : &closing) != 0 && rc == 0)
        rc = ERR_IO;
    if (run->options->is_json)
        tally_print_json(stdout, &run->tally, &about);
    else
        tally_print(stdout, &run->tally, &about);
    if (rc != 0) {
        enum exit_status status = command_fail(rc, why);

        if (run->store)
            (void)fprintf(stderr, "herald: not every line was enqueued; run the same command again for the rest: lines "
                                  "with an id or an idempotency_key are never enqueued twice, others may be\n");
        return status;
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
    lines_close(run->lines);
    tally_clear(&run->tally);
    rejects_clear(&run->rejects);
    free(run);
    return status;
}

const struct command command_enqueue = {
    .name = "enqueue",
    .usage = "[FILE|-] [OPTION]...",
    .summary = "put messages on the list: one envelope or bare payload a line, as JSON",
    .help =
        "What a line may hold is in docs/wire-format.md. A message with the same idempotency_key (or id) as one of\n"
        "the last --dedup is accepted once. Refused lines go to the rejects file; exit status 3 then.\n",
    .words_max = 1,
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .options_size = sizeof(struct options),
    .run = run_command,
};
