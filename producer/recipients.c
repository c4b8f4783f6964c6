#include "producer/recipients.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"
#include "producer/csv_rows.h"
#include "producer/json_rows.h"
#include "producer/lines.h"
#include "producer/rows.h"

struct recipients {
    char *name; /* for messages: the path or "standard input" */
    enum recipients_format format;
    struct lines *lines;
    struct columns columns;
    struct csv_rows *csv; /* one of these two */
    struct json_rows *json;
    uint64_t total;
    int failed; /* what every call returns after a failure, with this reason */
    struct reason why;
};

static enum recipients_format format_of_name(const char *path)
{
    static const struct {
        const char *ending;
        enum recipients_format format;
    } endings[] = {
        {".csv", RECIPIENTS_CSV},      {".tsv", RECIPIENTS_CSV},    {".jsonl", RECIPIENTS_JSONL},
        {".ndjson", RECIPIENTS_JSONL}, {".json", RECIPIENTS_JSONL},
    };
    size_t len = strlen(path);

    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        size_t ending = strlen(endings[i].ending);

        if (len > ending && strcasecmp(path + len - ending, endings[i].ending) == 0)
            return endings[i].format;
    }
    return RECIPIENTS_AUTO;
}

static bool starts_with(const struct lines *lines, const char *bytes, size_t len)
{
    return lines_available(lines) >= len && memcmp(lines_at(lines), bytes, len) == 0;
}

/* Looks at the first bytes: passes over the UTF-8 byte order mark, tells what is not text at all, settles the format.
 */
static int begin(struct recipients *r, struct reason *why)
{
    size_t len = 0;
    int rc = lines_peek(r->lines, 0, &len, why);

    if (rc == ERR_IO)
        return rc;
    if (starts_with(r->lines, "\xff\xfe", 2) || starts_with(r->lines, "\xfe\xff", 2)) {
        reason_set(why, "the file is UTF-16: save it as CSV UTF-8");
        return ERR_INVALID;
    }
    if (starts_with(r->lines, "PK\x03\x04", 4)) {
        reason_set(why, "the file is a spreadsheet or an archive, not text: save it as CSV UTF-8");
        return ERR_INVALID;
    }
    if (starts_with(r->lines, "\xef\xbb\xbf", 3))
        lines_take(r->lines, 3, 0);
    if (r->format == RECIPIENTS_AUTO) {
        const char *at;

        if (rows_skip_blank(r->lines, false, &len, why) == ERR_IO)
            return ERR_IO;
        at = lines_at(r->lines);
        len = lines_available(r->lines);
        while (len > 0 && (*at == ' ' || *at == '\t')) {
            at++;
            len--;
        }
        r->format = len > 0 && *at == '{' ? RECIPIENTS_JSONL : RECIPIENTS_CSV;
    }
    if (r->format == RECIPIENTS_JSONL) {
        r->json = json_rows_create(r->lines, &r->columns);
        return 0;
    }
    r->csv = csv_rows_create(r->lines, &r->columns);
    return csv_rows_read_header(r->csv, why);
}

/* Takes `lines`. */
static int open_lines(struct recipients **ret, struct lines *lines, const char *name, uint64_t total,
                      enum recipients_format format, struct reason *why)
{
    struct recipients *r = mem_zalloc(1, sizeof(*r));
    struct reason inner = {""};
    int rc;

    r->lines = lines;
    r->name = mem_text(name);
    r->total = total;
    r->format = format;
    rc = begin(r, &inner);
    if (rc != 0) {
        reason_set(why, "%.100s: %s", name, inner.text);
        recipients_close(r);
    } else {
        *ret = r;
    }
    return rc;
}

int recipients_open(struct recipients **ret, const char *path, enum recipients_format format, struct reason *why)
{
    bool is_stdin = strcmp(path, "-") == 0;
    struct stat about;
    uint64_t total = 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &about) != 0) {
        reason_set(why, "cannot open %.200s: %s", is_stdin ? "standard input" : path, strerror(errno));
        if (fd > STDIN_FILENO)
            (void)close(fd); /* it was only looked at */
        return ERR_IO;
    }
    if (S_ISREG(about.st_mode) && about.st_size > 0 && !is_stdin)
        total = (uint64_t)about.st_size;
    if (format == RECIPIENTS_AUTO && !is_stdin)
        format = format_of_name(path);
    return open_lines(ret, lines_open(fd), is_stdin ? "standard input" : path, total, format, why);
}

int recipients_open_fd(struct recipients **ret, int fd, const char *name, enum recipients_format format,
                       struct reason *why)
{
    return open_lines(ret, lines_open(fd), name, 0, format, why);
}

int recipients_open_memory(struct recipients **ret, const char *data, size_t len, size_t chunk,
                           enum recipients_format format, struct reason *why)
{
    return open_lines(ret, lines_open_memory(data, len, chunk), "memory", len, format, why);
}

void recipients_close(struct recipients *r)
{
    if (!r)
        return;
    csv_rows_destroy(r->csv);
    json_rows_destroy(r->json);
    columns_clear(&r->columns);
    lines_close(r->lines);
    free(r->name);
    free(r);
}

int recipients_next(struct recipients *r, struct row *ret, struct reason *why)
{
    struct reason inner = {""};
    struct row row = {0};
    int rc;

    if (r->failed) {
        reason_set(why, "%s", r->why.text);
        return r->failed;
    }
    rc = r->csv ? csv_rows_next(r->csv, &row, &inner) : json_rows_next(r->json, &row, &inner);
    if (rc == 1) {
        *ret = row;
    } else if (rc != 0) {
        r->failed = rc;
        reason_set(&r->why, "%.100s: %s", r->name, inner.text);
        reason_set(why, "%s", r->why.text);
    }
    return rc;
}

enum recipients_format recipients_format(const struct recipients *r)
{
    return r->format;
}

char recipients_delimiter(const struct recipients *r)
{
    return r->csv ? csv_rows_delimiter(r->csv) : ',';
}

const char *recipients_header(const struct recipients *r, size_t *ret_len)
{
    *ret_len = 0;
    return r->csv ? csv_rows_header(r->csv, ret_len) : "";
}

size_t recipients_column_count(const struct recipients *r)
{
    return r->columns.count;
}

const char *const *recipients_columns(const struct recipients *r)
{
    return r->columns.names;
}

bool recipients_column(const struct recipients *r, const char *name, size_t *ret_index)
{
    size_t index = columns_find(&r->columns, name, ROWS_NO_COLUMN);

    if (index == ROWS_NO_COLUMN)
        return false;
    *ret_index = index;
    return true;
}

uint64_t recipients_bytes_read(const struct recipients *r)
{
    return lines_consumed(r->lines);
}

uint64_t recipients_bytes_total(const struct recipients *r)
{
    return r->total;
}
