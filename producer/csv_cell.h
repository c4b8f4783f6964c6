/* A field of CSV in quotes, quotes in it doubled (RFC 4180). What a spreadsheet would take for a formula gets an
 * apostrophe in front: names come from anybody. */
#ifndef HERALD_PRODUCER_CSV_CELL_H
#define HERALD_PRODUCER_CSV_CELL_H

#include "common/buf.h"

void csv_cell(struct buf *line, const char *text);

#endif
