/* herald suppress import: people out of a file, one a line or a column of rows. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mem.h"
#include "producer/command.h"
#include "producer/lines.h"
#include "producer/recipients.h"
#include "producer/suppression.h"
#include "producer/terminal.h"

#define REFUSALS_SHOWN 20

struct options {
    char *channel, *column, *reason;
    bool is_json;
};

#define AT(member) .offset = offsetof(struct options, member)

static const struct option rows[] = {
    {"channel", NULL, OPTION_TEXT, AT(channel), .choices = SUPPRESSION_CHANNELS,
     .help = "of addresses that do not say it themselves"},
    {"column", NULL, OPTION_TEXT, AT(column), .value = "NAME",
     .help = "the file is CSV with a header, or JSON lines; the addresses are in this column"},
    {"reason", NULL, OPTION_TEXT, AT(reason), .value = "TEXT", .help = "for the audit: why"},
    {"json", NULL, OPTION_SWITCH, AT(is_json), .help = "the result as JSON"},
};

struct refused {
    size_t line;
    char text[240];
};

struct run {
    const struct options *options;
    const char *path;
    enum channel assumed;
    struct lines *lines;       /* one a line */
    struct recipients *people; /* or a column */
    struct store *store;
    struct suppression suppression;
    uint64_t read, refused;
    struct refused first[REFUSALS_SHOWN];
};

static void refuse_line(struct run *run, size_t line, const char *text)
{
    if (run->refused < REFUSALS_SHOWN) {
        struct refused *refused = &run->first[run->refused];

        refused->line = line;
        (void)snprintf(refused->text, sizeof(refused->text), "%s", text); /* a cut sentence is still one */
    }
    run->refused++;
}

static int take(struct run *run, struct span text, size_t line, struct reason *why)
{
    char person[CHANNEL_PERSON_SIZE];
    struct refusal refusal;

    run->read++;
    if (channel_read_person(text, run->assumed, person, &refusal) == 0)
        return suppression_take(&run->suppression, person, why);
    refuse_line(run, line, refusal.text);
    return 0;
}

static struct span trimmed(const char *data, size_t len)
{
    while (len > 0 && (data[len - 1] == ' ' || data[len - 1] == '\t'))
        len--;
    for (; len > 0 && (*data == ' ' || *data == '\t'); data++)
        len--;
    return (struct span){data, len};
}

static int take_line(struct run *run, struct progress *progress, int more, size_t len, struct reason *why)
{
    const char *data = lines_at(run->lines);
    size_t number = lines_number(run->lines);
    struct span text;

    if (more == ERR_LIMIT) {
        run->read++;
        refuse_line(run, number, "the line is far too long for an address");
        return lines_skip(run->lines, why);
    }
    lines_take(run->lines, len, 1);
    if (number == 1 && len >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0) { /* a byte order mark */
        data += 3;
        len -= 3;
    }
    text = trimmed(data, len - lines_end_length(data, len));
    progress_update(progress, 0, 0, run->read);
    return text.len == 0 || text.data[0] == '#' ? 0 : take(run, text, number, why);
}

static int take_lines(struct run *run, struct progress *progress, struct reason *why)
{
    size_t len = 0;
    int rc = 0, more;

    while (rc == 0 && (more = lines_peek(run->lines, 0, &len, why)) != 0) {
        if (more < 0 && more != ERR_LIMIT)
            return more;
        rc = take_line(run, progress, more, len, why);
    }
    return rc;
}

static int take_rows(struct run *run, struct progress *progress, struct reason *why)
{
    struct row row;
    size_t index;
    int rc = 0, more = 0;

    while (rc == 0 && (more = recipients_next(run->people, &row, why)) > 0) {
        if (row.fault) {
            run->read++;
            refuse_line(run, row.line, row.fault->text);
        } else if (!recipients_column(run->people, run->options->column, &index) || row.fields[index].len == 0) {
            run->read++;
            refuse_line(run, row.line, "there is no address");
        } else {
            rc = take(run, (struct span){row.fields[index].data, row.fields[index].len}, row.line, why);
        }
        progress_update(progress, recipients_bytes_read(run->people), recipients_bytes_total(run->people), run->read);
    }
    return rc != 0 ? rc : more;
}

static int open_source(struct run *run, struct reason *why)
{
    bool is_stdin = strcmp(run->path, "-") == 0;
    size_t index;
    int fd, rc;

    if (!run->options->column) {
        fd = is_stdin ? 0 : open(run->path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
            reason_set(why, "cannot read %.200s: %s", run->path, strerror(errno));
            return ERR_IO;
        }
        run->lines = lines_open(fd);
        return 0;
    }
    rc = recipients_open(&run->people, run->path, RECIPIENTS_AUTO, why);
    if (rc == 0 && recipients_format(run->people) == RECIPIENTS_CSV &&
        !recipients_column(run->people, run->options->column, &index)) {
        reason_set(why, "%.120s has no column `%.60s`", run->path, run->options->column);
        rc = ERR_INVALID;
    }
    return rc;
}

static int import(struct run *run, const struct command_call *call, struct reason *why)
{
    struct progress progress;
    struct reason rest = {""};
    int rc, end;

    if (call->words->count != 1) {
        reason_set(why, "which file? herald suppress import FILE, or - for standard input");
        return ERR_INVALID;
    }
    run->path = call->words->words[0];
    run->assumed = run->options->channel ? channel_find(span_of(run->options->channel)) : CHANNEL_NONE;
    rc = open_source(run, why);
    if (rc == 0)
        rc = suppression_init(&run->suppression, NULL, true, run->options->reason, why);
    if (rc == 0)
        rc = command_open_store(call->settings, &run->store, why);
    if (rc != 0)
        return rc;
    run->suppression.store = run->store;
    progress_begin(&progress, "suppressing", true);
    rc = run->lines ? take_lines(run, &progress, why) : take_rows(run, &progress, why);
    /* What could be read is on the set even when the rest of the file cannot be. */
    end = suppression_finish(&run->suppression, rc != 0 ? &rest : why);
    progress_end(&progress);
    return rc != 0 ? rc : end;
}

static void report(const struct run *run)
{
    for (uint64_t i = 0; i < run->refused && i < REFUSALS_SHOWN; i++)
        (void)fprintf(stderr, "herald: line %zu: %s\n", run->first[i].line, run->first[i].text);
    if (run->refused > REFUSALS_SHOWN)
        (void)fprintf(stderr, "herald: and %" PRIu64 " more lines\n", run->refused - REFUSALS_SHOWN);
    if (!run->options->is_json) {
        (void)printf("%" PRIu64 " read, %" PRIu64 " added, %" PRIu64 " suppressed before, %" PRIu64 " refused\n",
                     run->read, run->suppression.changed, run->suppression.unchanged, run->refused);
        return;
    }
    (void)printf("{\"read\":%" PRIu64 ",\"added\":%" PRIu64 ",\"unchanged\":%" PRIu64 ",\"refused\":%" PRIu64
                 ",\"refused_lines\":[",
                 run->read, run->suppression.changed, run->suppression.unchanged, run->refused);
    for (uint64_t i = 0; i < run->refused && i < REFUSALS_SHOWN; i++)
        (void)printf("%s%zu", i ? "," : "", run->first[i].line);
    (void)printf("]}\n");
}

static enum exit_status run_import(const struct command_call *call)
{
    struct run *run = mem_zalloc(1, sizeof(*run));
    struct reason why = {""};
    enum exit_status status;
    int rc;

    run->options = call->options;
    rc = import(run, call, &why);
    if (rc == 0 || run->read > 0)
        report(run);
    status = rc != 0 ? command_fail(rc, &why) : run->refused > 0 ? EXIT_PART : EXIT_DONE;
    if (rc != 0 && run->read > 0)
        (void)fprintf(stderr, "herald: run the same command again for the rest: nobody is added twice\n");
    suppression_clear(&run->suppression);
    lines_close(run->lines);
    recipients_close(run->people);
    store_close(run->store);
    free(run);
    return status;
}

const struct command command_suppress_import = {
    .name = "suppress import",
    .usage = "FILE|- [--column NAME] [OPTION]...",
    .summary = "suppress everybody in a file",
    .help =
        "One address a line, as for `herald suppress add`; blank lines and those that begin with # are passed over.\n"
        "With --column: CSV with a header, or JSON lines. A line that is no address is refused with its number, and\n"
        "the others go on; exit status 3 then.\n",
    .words_max = 1,
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .options_size = sizeof(struct options),
    .run = run_import,
};
