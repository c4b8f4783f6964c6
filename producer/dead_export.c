/* herald dead export: the documents of dead letters, one JSON object a line, streamed. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/base64.h"
#include "common/clock.h"
#include "common/json_span.h"
#include "producer/command.h"
#include "producer/dead_walk.h"
#include "producer/terminal.h"

struct options {
    char *filter, *to;
    int64_t limit;
};

static const struct option rows[] = {
    {"filter", NULL, OPTION_TEXT, .offset = offsetof(struct options, filter), .value = "FILTER", .help = "these only"},
    {"limit", NULL, OPTION_NUMBER, .offset = offsetof(struct options, limit), .fallback = "0", .min = 0,
     .max = INT64_C(1000000000), .value = "N", .help = "at most so many, the oldest first; 0: all"},
    {"to", NULL, OPTION_TEXT, .offset = offsetof(struct options, to), .value = "FILE",
     .help = "instead of standard output"},
};

#define LINE_MAX_BYTES ((size_t)16 << 20)

/* What an older Herald, or somebody else, left there may be no JSON, or have line breaks between its members. */
static void write_line(FILE *out, const struct store_letter *letter, struct span document)
{
    struct buf line;

    if (json_span(document, "dead_at").data && !memchr(document.data, '\n', document.len)) {
        (void)fwrite(document.data, 1, document.len, out);
        (void)fputc('\n', out);
        return;
    }
    buf_init(&line, LINE_MAX_BYTES);
    buf_printf(&line, "{\"id\":\"%s\",\"dead_at\":%" PRId64 ",\"reason\":\"unreadable\",\"raw_base64\":\"", letter->id,
               letter->at_ms);
    base64_add(&line, document.data, document.len);
    buf_text(&line, "\"}\n");
    (void)fputs(buf_str(&line), out);
    buf_clear(&line);
}

static int export(struct store *store, const struct dead_filter *filter, int64_t limit, FILE *out, bool has_bar,
                  int64_t *ret_count, struct reason *why)
{
    struct dead_walk *walk = NULL;
    struct dead_batch batch = {.count = 1};
    struct progress progress;
    int64_t count = 0;
    int rc = dead_walk_open(&walk, store, filter, NULL, true, COMMAND_PATIENCE_MS, why);

    if (rc != 0)
        return rc;
    progress_begin(&progress, "exporting", has_bar);
    while (rc == 0 && batch.count > 0 && (limit == 0 || count < limit)) {
        rc = dead_walk_next(walk, &batch, why);
        for (size_t i = 0; rc == 0 && i < batch.count && (limit == 0 || count < limit); i++, count++)
            write_line(out, &batch.letters[i], batch.documents[i]);
        if (rc == 0 && ferror(out)) {
            reason_set(why, "cannot write: %s", strerror(errno));
            rc = ERR_IO;
        }
        progress_update(&progress, (uint64_t)dead_walk_seen(walk), (uint64_t)dead_walk_total(walk), (uint64_t)count);
    }
    progress_end(&progress);
    store_drop(store); /* a batch may be on its way */
    dead_walk_close(walk);
    *ret_count = count;
    return rc;
}

static int open_output(const struct options *options, FILE **ret, struct reason *why)
{
    if (!options->to || strcmp(options->to, "-") == 0) {
        *ret = stdout;
        return 0;
    }
    *ret = fopen(options->to, "we");
    if (*ret)
        return 0;
    reason_set(why, "--to %.200s: %s", options->to, strerror(errno));
    return ERR_IO;
}

static enum exit_status run_command(const struct command_call *call)
{
    const struct options *options = call->options;
    struct dead_filter filter;
    struct store *store = NULL;
    FILE *out = NULL;
    struct reason why = {""};
    int64_t count = 0;
    int rc = dead_filter_parse(&filter, options->filter, clock_wall_ms(), &why);

    if (rc == 0)
        rc = command_open_store(call->settings, &store, &why);
    if (rc == 0)
        rc = open_output(options, &out, &why);
    if (rc == 0)
        rc = export(store, &filter, options->limit, out, out != stdout || !terminal_is_one(stdout), &count, &why);
    if (out && (fflush(out) != 0 || (out != stdout && fclose(out) != 0)) && rc == 0) {
        reason_set(&why, "cannot write: %s", strerror(errno));
        rc = ERR_IO;
    }
    store_close(store);
    dead_filter_clear(&filter);
    if (rc != 0)
        return command_fail(rc, &why);
    (void)fprintf(stderr, "%" PRId64 " dead letters exported\n", count);
    return EXIT_DONE;
}

const struct command command_dead_export = {
    .name = "dead export",
    .usage = "[OPTION]...",
    .summary = "the documents of dead letters as JSON lines, oldest first",
    .help = "They are whole, with addresses and texts: keep the file as you keep such data. Nothing is taken "
            "away.\n" COMMAND_FILTER_HELP,
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .options_size = sizeof(struct options),
    .run = run_command,
};
