/* The people of a campaign, one row at a time out of a CSV file (RFC 4180) or JSON lines, from a file or standard
 * input. A row at a time is all that is in memory, whatever the size of the file.
 *
 * CSV. The first line names the columns. The delimiter is a comma; a header without commas but with semicolons, or else
 * with tabs, says that those are used (spreadsheets write semicolons where the comma is the decimal sign). Lines end in
 * LF, CRLF or CR; blank lines are skipped; a UTF-8 byte order mark is skipped; blanks around a field without quotes do
 * not belong to it. JSON lines: each line is one object of texts, numbers and booleans; null is the same as absent.
 *
 * A row that breaks a rule is handed out with its fault and the next call goes on behind it. After a broken quote
 * (never closed, inside a value and not written twice, or in a row over several lines that then has too few or too many
 * fields) the row's first line alone is refused and reading goes on at the next line, so a bad row never swallows good
 * ones. That is done RECIPIENTS_MAX_RECOVERIES times, then the file is given up. */
#ifndef HERALD_PRODUCER_RECIPIENTS_H
#define HERALD_PRODUCER_RECIPIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/reason.h"

#define RECIPIENTS_MAX_ROW        ((size_t)256 << 10) /* bytes of a row, its line ends included */
#define RECIPIENTS_MAX_FIELD      ((size_t)64 << 10)  /* bytes of a field */
#define RECIPIENTS_MAX_COLUMNS    256
#define RECIPIENTS_MAX_NAME       128 /* bytes of a column's name */
#define RECIPIENTS_MAX_ROW_LINES  100 /* a quoted field over more lines than this has lost its closing quote */
#define RECIPIENTS_MAX_RECOVERIES 1000

enum recipients_format { RECIPIENTS_AUTO, RECIPIENTS_CSV, RECIPIENTS_JSONL };

struct recipients;

struct field {
    const char *data; /* UTF-8 without NUL inside and with a NUL after it; never NULL: an absent value is empty */
    size_t len;
};

struct row_fault {
    const char *column; /* name of the column at fault; NULL: the row as a whole */
    char text[200];     /* what is wrong and what to do; never holds the row's content */
};

/* One row; everything it points to is borrowed until the next call of recipients_next. */
struct row {
    size_t line;                   /* physical line on which it begins, from 1 (a CSV's header is on line 1) */
    size_t count;                  /* fields: as many as there are columns; 0 when there is a fault */
    const struct field *fields;    /* by column index */
    const struct row_fault *fault; /* NULL: the row can be used */
    const char *raw;               /* the row's own bytes without its line end, for the rejects file */
    size_t raw_len;
    bool raw_is_cut; /* raw holds only the row's beginning, as the row is too long */
};

/* Opens `path` ("-" is standard input) and, for CSV, reads the header. RECIPIENTS_AUTO goes by the ending (.csv, .tsv,
 * .jsonl, .ndjson, .json), else by whether the first byte that is not blank is '{'. Returns 0 and the stream (caller
 * frees with recipients_close), ERR_IO, ERR_LIMIT or ERR_INVALID with what is wrong, where and what to do. */
int recipients_open(struct recipients **ret, const char *path, enum recipients_format format, struct reason *why);
/* The same out of a descriptor, which is taken; `name` is what messages call it. */
int recipients_open_fd(struct recipients **ret, int fd, const char *name, enum recipients_format format,
                       struct reason *why);
void recipients_close(struct recipients *r); /* takes NULL */

/* The same out of memory, which is borrowed until recipients_close, `chunk` bytes at a time (0: all): for tests. */
int recipients_open_memory(struct recipients **ret, const char *data, size_t len, size_t chunk,
                           enum recipients_format format, struct reason *why);

/* Returns 1 and a row, 0 at the end, or a negative enum err with the reason, after which every call returns the same.
 */
int recipients_next(struct recipients *r, struct row *ret, struct reason *why);

enum recipients_format recipients_format(const struct recipients *r); /* never RECIPIENTS_AUTO */
char recipients_delimiter(const struct recipients *r);                /* of CSV: ',', ';' or a tab */
const char *recipients_header(const struct recipients *r,
                              size_t *ret_len); /* the CSV's first row as it is; "" for JSON */

/* The columns. Those of JSON lines are the members met so far: their number grows, an index stays what it is. */
size_t recipients_column_count(const struct recipients *r);
const char *const *recipients_columns(const struct recipients *r); /* borrowed until the next recipients_next */
bool recipients_column(const struct recipients *r, const char *name, size_t *ret_index); /* by exact name */

/* How far it is, for a progress bar: bytes of the rows handed out, and of the whole file (0: unknown, as for a pipe).
 */
uint64_t recipients_bytes_read(const struct recipients *r);
uint64_t recipients_bytes_total(const struct recipients *r);

#endif
