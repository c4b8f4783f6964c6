/* What the readers of CSV and of JSON lines share: the columns, and how a row is found at fault. */
#ifndef HERALD_PRODUCER_ROWS_H
#define HERALD_PRODUCER_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/reason.h"
#include "producer/lines.h"
#include "producer/recipients.h"

#define ROWS_NO_COLUMN ((size_t)-1)

struct columns {
    const char *names[RECIPIENTS_MAX_COLUMNS]; /* owned: clear with columns_clear */
    size_t count;
};

void columns_clear(struct columns *columns);
size_t columns_add(struct columns *columns, const char *name, size_t len); /* its index; there must be room */

/* The index of `name`, or ROWS_NO_COLUMN. `hint` is looked at first. */
size_t columns_find(const struct columns *columns, const char *name, size_t hint);

/* Makes `row` refused: no fields, and `fault` with `column` (may be NULL) and the text. */
void row_refuse(struct row *row, struct row_fault *fault, const char *column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Makes `row` the line that is too long, of which its beginning is at hand; it is still to be skipped. */
void row_refuse_long(struct row *row, struct row_fault *fault, const struct lines *lines);

/* Passes over blank lines. Returns what lines_peek says of the first that is not, or ERR_IO. */
int rows_skip_blank(struct lines *lines, bool has_tabs, size_t *ret_len, struct reason *why);

#endif
