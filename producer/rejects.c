#include "producer/rejects.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/utf8.h"
#include "producer/csv_cell.h"

#define LINE_MAX_BYTES ((size_t)2 << 20)
#define NUMBER_MAX     9999 /* of a file with a name that was not chosen */

static void name_file(struct rejects *rejects, int number)
{
    size_t size = strlen(rejects->source) + strlen(rejects->ending) + 32;

    free(rejects->path);
    rejects->path = mem_zalloc(size, 1);
    if (number == 1)
        (void)snprintf(rejects->path, size, "%s.rejects.%s", rejects->source, rejects->ending);
    else
        (void)snprintf(rejects->path, size, "%s.rejects.%d.%s", rejects->source, number, rejects->ending);
}

void rejects_init(struct rejects *rejects, const char *chosen, const char *source, const char *ending)
{
    *rejects = (struct rejects){.source = source, .ending = ending, .is_chosen = chosen != NULL};
    if (chosen)
        rejects->path = mem_text(chosen);
    else
        name_file(rejects, 1);
}

void rejects_clear(struct rejects *rejects)
{
    free(rejects->path);
    rejects->path = NULL;
}

static bool is_csv(const struct recipients *source)
{
    return source && recipients_format(source) == RECIPIENTS_CSV;
}

static int fail(const struct rejects *rejects, struct reason *why)
{
    reason_set(why, "cannot write the rejects file %s: %s", rejects->path, strerror(errno));
    return ERR_IO;
}

/* The header, with our columns in front. Rows that were refused, corrected and are refused again have our columns
 * already: theirs keep the name, ours get a number. */
static int write_header(struct rejects *rejects, const struct recipients *source, struct reason *why)
{
    char suffix[16] = "", name[64] = "rejected_line", delimiter = recipients_delimiter(source);
    size_t len, index;
    const char *header = recipients_header(source, &len);

    for (int i = 2; i < RECIPIENTS_MAX_COLUMNS && recipients_column(source, name, &index); i++) {
        (void)snprintf(suffix, sizeof(suffix), "_%d", i);
        (void)snprintf(name, sizeof(name), "rejected_line%s", suffix);
    }
    if (fprintf(rejects->file, "rejected_line%s%crejected_column%s%crejected_reason%s%c%.*s\n", suffix, delimiter,
                suffix, delimiter, suffix, delimiter, (int)len, header) < 0)
        return fail(rejects, why);
    return 0;
}

static int open_file(struct rejects *rejects, const struct recipients *source, struct reason *why)
{
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (rejects->is_chosen ? O_TRUNC : O_EXCL);
    int fd = open(rejects->path, flags, 0600);

    for (int i = 2; fd < 0 && errno == EEXIST && i <= NUMBER_MAX; i++) {
        name_file(rejects, i);
        fd = open(rejects->path, flags, 0600);
    }
    rejects->file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!rejects->file) {
        if (fd >= 0)
            (void)close(fd); /* nothing was written */
        return fail(rejects, why);
    }
    if (is_csv(source))
        return write_header(rejects, source, why);
    return 0;
}

static void write_csv(struct buf *line, char delimiter, const struct row *row, const struct reject *reject)
{
    struct buf reason;

    buf_init(&reason, 1024);
    buf_printf(&reason, "%s: %s", reject->code, reject->text);
    buf_printf(line, "%zu%c", row->line, delimiter);
    csv_cell(line, reject->column);
    buf_char(line, delimiter);
    csv_cell(line, buf_str(&reason));
    buf_char(line, delimiter);
    buf_add(line, row->raw, row->raw_len);
    buf_clear(&reason);
}

/* The row's own object with our three members added; what is no object goes in as text. */
static void write_json(struct buf *line, const struct row *row, const struct reject *reject)
{
    struct json *value = NULL;
    struct buf reason;
    bool is_object =
        !row->raw_is_cut && json_parse(&value, row->raw, row->raw_len, NULL) == 0 && json_kind(value) == JSON_OBJECT;

    buf_init(&reason, 1024);
    buf_printf(&reason, "%s: %s", reject->code, reject->text);
    if (!is_object) {
        json_free(value);
        value = json_new_object();
        json_set(value, "rejected_raw", json_new_text(row->raw, utf8_valid_prefix(row->raw, row->raw_len)));
    }
    json_set(value, "rejected_line", json_new_integer((int64_t)row->line));
    json_set(value, "rejected_column", json_new_text(reject->column, strlen(reject->column)));
    json_set(value, "rejected_reason", json_new_text(reason.data, reason.len));
    json_print(value, line);
    json_free(value);
    buf_clear(&reason);
}

int rejects_add(struct rejects *rejects, const struct recipients *source, const struct row *row,
                const struct reject *reject, struct reason *why)
{
    struct buf line;
    int rc = 0;

    if (!rejects->file && open_file(rejects, source, why) != 0)
        return ERR_IO;
    buf_init(&line, LINE_MAX_BYTES);
    if (is_csv(source))
        write_csv(&line, recipients_delimiter(source), row, reject);
    else
        write_json(&line, row, reject);
    buf_char(&line, '\n');
    if (fwrite(line.data, 1, line.len, rejects->file) != line.len)
        rc = fail(rejects, why);
    buf_clear(&line);
    return rc;
}

int rejects_check_path(const char *path, const char *source, struct reason *why)
{
    struct stat from, to;
    bool has_from = strcmp(source, "-") == 0 ? fstat(STDIN_FILENO, &from) == 0 : stat(source, &from) == 0;

    if (!has_from || stat(path, &to) != 0 || !S_ISREG(to.st_mode) || from.st_dev != to.st_dev ||
        from.st_ino != to.st_ino)
        return 0;
    reason_set(why, "refused rows would overwrite %.200s, which is being read: name another file with --rejects", path);
    return ERR_INVALID;
}

int rejects_close(struct rejects *rejects, struct reason *why)
{
    FILE *file = rejects->file;

    rejects->file = NULL;
    if (file && fclose(file) != 0)
        return fail(rejects, why);
    return 0;
}
