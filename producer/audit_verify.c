/* herald audit verify: whether exported files are what was exported. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "producer/audit_check.h"
#include "producer/audit_lines.h"
#include "producer/command.h"
#include "producer/terminal.h"

struct options {
    char *from, *until;
    bool is_json;
};

static const struct option rows[] = {
    {"from", NULL, OPTION_TEXT, .offset = offsetof(struct options, from), .value = "HASH",
     .help =
         "hash that the first line goes on from (the sha256 of the line before it); `start`: it is the first of all"},
    {"until", NULL, OPTION_TEXT, .offset = offsetof(struct options, until), .value = "HASH",
     .help = "hash of the last line; `redis`: the one that Redis keeps of the export. Tells when the end is missing"},
    {"json", NULL, OPTION_SWITCH, .offset = offsetof(struct options, is_json), .help = "as JSON"},
};

struct verify {
    const struct option_words *words;
    struct audit_check check;
    int64_t bytes, bytes_total;
    int64_t sizes[OPTIONS_MAX_WORDS];
    size_t torn_file; /* the file whose last line has no end; is_torn */
    uint64_t torn_line;
    size_t torn_bytes;
    bool is_torn;
    struct progress progress;
};

/* --- reading --- */

static int read_file(struct verify *verify, size_t number, int fd, struct reason *why)
{
    struct audit_lines *lines = audit_lines_open(fd, 0);
    struct audit_line line;
    bool is_last = number + 1 == verify->words->count, goes_on = true;
    uint64_t count = 0;
    int rc = 0;

    while (goes_on && (rc = audit_lines_next(lines, &line, why)) == 1) {
        count++;
        if (!line.has_end && is_last) {
            verify->is_torn = true;
            verify->torn_file = number;
            verify->torn_line = count;
            verify->torn_bytes = line.text.len;
            continue;
        }
        goes_on = audit_check_line(&verify->check, (struct audit_place){number, count}, line.text);
        if (goes_on && !line.has_end)
            goes_on = audit_check_unended(&verify->check);
        if (count % 4096 == 0)
            progress_update(&verify->progress, (uint64_t)(verify->bytes + line.offset), (uint64_t)verify->bytes_total,
                            verify->check.count);
    }
    audit_lines_close(lines);
    return rc < 0 ? rc : 0;
}

/* Looked at before any is read, so that a name that was mistyped is no damage. */
static int check_words(struct verify *verify, struct reason *why)
{
    for (size_t i = 0; i < verify->words->count; i++) {
        const char *name = verify->words->words[i];
        struct stat about = {.st_size = 0};

        if (strcmp(name, "-") == 0)
            continue;
        if (stat(name, &about) != 0 || access(name, R_OK) != 0 || S_ISDIR(about.st_mode)) {
            reason_set(why, "%.200s: %s", name,
                       S_ISDIR(about.st_mode) ? "is a folder; name the files in it" : strerror(errno));
            return ERR_INVALID;
        }
        verify->sizes[i] = about.st_size;
        verify->bytes_total += about.st_size;
    }
    return 0;
}

/* Damage is no error. */
static int read_all(struct verify *verify, struct reason *why)
{
    int rc = check_words(verify, why);

    for (size_t i = 0; rc == 0 && i < verify->words->count && !verify->check.is_settled; i++) {
        const char *name = verify->words->words[i];
        int fd = strcmp(name, "-") == 0 ? dup(STDIN_FILENO) : open(name, O_RDONLY | O_CLOEXEC);

        if (fd < 0) {
            reason_set(why, "%.200s: %s", name, strerror(errno));
            return ERR_IO;
        }
        rc = read_file(verify, i, fd, why);
        (void)close(fd);
        verify->bytes += verify->sizes[i];
    }
    return rc;
}

/* --- telling --- */

static const char *file_name(const struct verify *verify, size_t number)
{
    return verify->words->words[number];
}

static void describe(const struct verify *verify, char *out, size_t size)
{
    const struct audit_check *check = &verify->check;

    switch (check->damage) {
    case AUDIT_REMOVED:
    case AUDIT_REORDERED:
        if (check->missing_first == check->missing_last)
            (void)snprintf(out, size, "line %" PRIu64 " of the chain is missing before it", check->missing_first);
        else
            (void)snprintf(out, size, "lines %" PRIu64 " to %" PRIu64 " of the chain are missing before it",
                           check->missing_first, check->missing_last);
        break;
    case AUDIT_FINE:
    case AUDIT_CHANGED:
    case AUDIT_ADDED:
    case AUDIT_FOREIGN:
    case AUDIT_CUT:
    case AUDIT_DAMAGE_COUNT:
        (void)snprintf(out, size, "%s", check->detail);
        break;
    }
}

static void print_damage(const struct verify *verify)
{
    const struct audit_check *check = &verify->check;
    char detail[200], name[256];

    describe(verify, detail, sizeof(detail));
    (void)printf("%s%s:%" PRIu64 ": %s%s: %s\n", terminal_paint(stdout, PAINT_RED),
                 terminal_clean(file_name(verify, check->place.file), name, sizeof(name)), check->place.line,
                 audit_damage_name(check->damage), terminal_paint(stdout, PAINT_PLAIN), detail);
    if (check->damage == AUDIT_REORDERED)
        (void)printf("  it stands at %s:%" PRIu64 "\n",
                     terminal_clean(file_name(verify, check->found.file), name, sizeof(name)), check->found.line);
    if (check->count > 0)
        (void)printf("%" PRIu64 " lines before it are right, up to number %" PRIu64 " of the chain\n", check->count,
                     check->last.seq);
}

static void print_text(const struct verify *verify)
{
    const struct audit_check *check = &verify->check;
    char name[256];

    if (check->damage != AUDIT_FINE)
        print_damage(verify);
    else if (check->count > 0)
        (void)printf("%sright%s: %" PRIu64 " lines, numbers %" PRIu64 " to %" PRIu64 " of the chain\nlast sha256: %s\n",
                     terminal_paint(stdout, PAINT_GREEN), terminal_paint(stdout, PAINT_PLAIN), check->count,
                     check->first.seq, check->last.seq, check->last.sha256);
    else
        (void)printf("there is no line\n");
    if (check->last.lost > 0)
        (void)printf("%s%" PRIu64 " entries were cut off in Redis before they could be exported (--audit-max)%s\n",
                     terminal_paint(stdout, PAINT_YELLOW), check->last.lost, terminal_paint(stdout, PAINT_PLAIN));
    if (check->begins_in_middle)
        (void)printf("begins in the middle of a chain: the lines before number %" PRIu64
                     " were not looked at (--from)\n",
                     check->first.seq);
    if (verify->is_torn)
        (void)printf("%s:%" PRIu64
                     ": torn end of %zu bytes: an exporter is writing it, or was killed and will cut it\n",
                     terminal_clean(file_name(verify, verify->torn_file), name, sizeof(name)), verify->torn_line,
                     verify->torn_bytes);
}

static void add_place(struct buf *json, const struct verify *verify, const struct audit_place *place)
{
    buf_text(json, "\"file\":");
    buf_json_text(json, file_name(verify, place->file));
    buf_printf(json, ",\"line\":%" PRIu64, place->line);
}

static void add_damage(struct buf *json, const struct verify *verify)
{
    const struct audit_check *check = &verify->check;
    char detail[200];

    describe(verify, detail, sizeof(detail));
    buf_printf(json, ",\"damage\":{\"kind\":\"%s\",", audit_damage_name(check->damage));
    add_place(json, verify, &check->place);
    buf_text(json, ",\"detail\":");
    buf_json_text(json, detail);
    if (check->damage == AUDIT_REMOVED || check->damage == AUDIT_REORDERED)
        buf_printf(json, ",\"missing\":[%" PRIu64 ",%" PRIu64 "]", check->missing_first, check->missing_last);
    if (check->damage == AUDIT_REORDERED) {
        buf_text(json, ",\"found\":{");
        add_place(json, verify, &check->found);
        buf_char(json, '}');
    }
    buf_char(json, '}');
}

static void print_json(const struct verify *verify)
{
    const struct audit_check *check = &verify->check;
    struct buf json;

    buf_init(&json, (size_t)1 << 16);
    buf_printf(&json, "{\"ok\":%s,\"files\":%zu,\"lines\":%" PRIu64, check->damage == AUDIT_FINE ? "true" : "false",
               verify->words->count, check->count);
    if (check->count > 0)
        buf_printf(&json, ",\"first_seq\":%" PRIu64 ",\"last_seq\":%" PRIu64 ",\"last_sha256\":\"%s\"",
                   check->first.seq, check->last.seq, check->last.sha256);
    buf_printf(&json, ",\"lost\":%" PRIu64 ",\"begins_in_middle\":%s", check->last.lost,
               check->begins_in_middle ? "true" : "false");
    if (check->damage != AUDIT_FINE)
        add_damage(&json, verify);
    if (verify->is_torn) {
        buf_text(&json, ",\"torn\":{");
        add_place(&json, verify, &(struct audit_place){verify->torn_file, verify->torn_line});
        buf_printf(&json, ",\"bytes\":%zu}", verify->torn_bytes);
    }
    buf_text(&json, "}\n");
    (void)fputs(buf_str(&json), stdout);
    buf_clear(&json);
}

/* --- the hashes that were given --- */

static int read_hash(const char *flag, const char *text, char out[DIGEST_HEX_SIZE], struct reason *why)
{
    size_t len = strlen(text);

    if (!audit_is_hash(text, len)) {
        reason_set(why, "--%s must be a sha256: 64 hex digits in lower case", flag);
        return ERR_INVALID;
    }
    memcpy(out, text, len + 1);
    return 0;
}

static int ask_redis(const struct settings *settings, char out[DIGEST_HEX_SIZE], struct reason *why)
{
    struct store_audit_mark mark = {.seq = 0};
    struct store *store = NULL;
    int rc = command_open_store(settings, &store, why);

    if (rc == 0)
        rc = store_audit_look(store, &mark, COMMAND_PATIENCE_MS, why);
    store_close(store);
    if (rc == 0 && mark.seq == 0) {
        reason_set(why, "Redis knows of no export of this organisation");
        rc = ERR_STATE;
    }
    if (rc == 0)
        memcpy(out, mark.sha256, DIGEST_HEX_SIZE);
    return rc;
}

static enum exit_status run_command(const struct command_call *call)
{
    const struct options *options = call->options;
    struct verify verify = {.words = call->words};
    char from[DIGEST_HEX_SIZE], until[DIGEST_HEX_SIZE];
    struct reason why = {""};
    int rc = 0;

    if (call->words->count == 0) {
        reason_set(&why, "name the files, in order of their days: herald audit verify FILE...");
        return command_fail(ERR_INVALID, &why);
    }
    if (options->from)
        rc = read_hash("from", strcmp(options->from, "start") == 0 ? AUDIT_START : options->from, from, &why);
    if (rc == 0 && options->until)
        rc = strcmp(options->until, "redis") == 0 ? ask_redis(call->settings, until, &why)
                                                  : read_hash("until", options->until, until, &why);
    if (rc != 0)
        return command_fail(rc, &why);
    audit_check_init(&verify.check, options->from ? from : NULL);
    progress_begin(&verify.progress, "verifying", !options->is_json);
    rc = read_all(&verify, &why);
    progress_end(&verify.progress);
    if (rc != 0)
        return command_fail(rc, &why);
    audit_check_end(&verify.check, options->until ? until : NULL);
    if (options->is_json)
        print_json(&verify);
    else
        print_text(&verify);
    return verify.check.damage == AUDIT_FINE ? EXIT_DONE : EXIT_FAILED;
}

const struct command command_audit_verify = {
    .name = "audit verify",
    .usage = "FILE... [OPTION]...",
    .summary = "whether exported audit files are what was exported; names the first line that is not",
    .help =
        "FILE... in order of their days, as a shell's * gives them; `-` is standard input. Exit status 1 when a line "
        "was\n"
        "changed, removed, added or reordered. What nobody can see in the files alone is that their end is missing:\n"
        "--until redis compares it with what Redis keeps of the export.\n",
    .words_max = OPTIONS_MAX_WORDS,
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .options_size = sizeof(struct options),
    .run = run_command,
};
