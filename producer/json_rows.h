/* Rows out of JSON lines: used by producer/recipients.c, whose header has the rules. */
#ifndef HERALD_PRODUCER_JSON_ROWS_H
#define HERALD_PRODUCER_JSON_ROWS_H

#include "common/reason.h"
#include "producer/lines.h"
#include "producer/recipients.h"
#include "producer/rows.h"

struct json_rows;

struct json_rows *json_rows_create(struct lines *lines, struct columns *columns); /* borrows both */
void json_rows_destroy(struct json_rows *j);                                      /* takes NULL */

/* As recipients_next; `ret` is zeroed. */
int json_rows_next(struct json_rows *j, struct row *ret, struct reason *why);

#endif
