/* Rows out of CSV (RFC 4180) over libcsv, whose types stay in csv_rows.c: used by producer/recipients.c, whose header
 * has the rules. */
#ifndef HERALD_PRODUCER_CSV_ROWS_H
#define HERALD_PRODUCER_CSV_ROWS_H

#include "common/reason.h"
#include "producer/lines.h"
#include "producer/recipients.h"
#include "producer/rows.h"

struct csv_rows;

struct csv_rows *csv_rows_create(struct lines *lines, struct columns *columns); /* borrows both */
void csv_rows_destroy(struct csv_rows *c);                                      /* takes NULL */

/* Reads the header: finds the delimiter and fills the columns. Returns 0 or a negative enum err with the reason. */
int csv_rows_read_header(struct csv_rows *c, struct reason *why);

/* As recipients_next; `ret` is zeroed. */
int csv_rows_next(struct csv_rows *c, struct row *ret, struct reason *why);

char csv_rows_delimiter(const struct csv_rows *c);
const char *csv_rows_header(const struct csv_rows *c, size_t *ret_len);

#endif
