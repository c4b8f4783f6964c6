/* The physical lines of a file, a pipe or memory, with the lines that follow looked at before the first is given up: a
 * reader of rows can go over a line break inside quotes and still come back to the line behind the first.
 *
 * A line ends in LF, CRLF or CR. No more than RECIPIENTS_MAX_ROW bytes are looked at in one go, and no more than
 * LINES_WINDOW are in memory. */
#ifndef HERALD_PRODUCER_LINES_H
#define HERALD_PRODUCER_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/reason.h"
#include "producer/recipients.h"

#define LINES_WINDOW (2 * RECIPIENTS_MAX_ROW)

struct lines;

/* Takes the descriptor (0 stays open) or borrows the memory, of which each read gets `chunk` bytes at most (0: all). */
struct lines *lines_open(int fd);
struct lines *lines_open_memory(const char *data, size_t len, size_t chunk);
void lines_close(struct lines *l); /* takes NULL */

/* The line that begins `offset` bytes behind the current place, its end included. Returns 1 and its length (the bytes
 * are at lines_at() + offset), 0 when nothing follows, ERR_LIMIT when it would go beyond RECIPIENTS_MAX_ROW bytes from
 * the current place, ERR_IO with the reason. Only the last line of a file may be without an end. */
int lines_peek(struct lines *l, size_t offset, size_t *ret_len, struct reason *why);

/* The bytes at the current place, borrowed until the next lines_peek or lines_skip. */
const char *lines_at(const struct lines *l);
size_t lines_available(const struct lines *l);  /* how many of them are in memory */
size_t lines_number(const struct lines *l);     /* of the line at the current place, from 1 */
uint64_t lines_consumed(const struct lines *l); /* bytes before the current place */

/* Moves on by `bytes`, which are `count` lines that were peeked at. Nothing is overwritten by this alone. */
void lines_take(struct lines *l, size_t bytes, size_t count);

/* Moves on behind the end of the current line, however long it is. Returns 0 or ERR_IO with the reason. */
int lines_skip(struct lines *l, struct reason *why);

/* Whether bytes end in a line end, and how many bytes that is (0 to 2). */
size_t lines_end_length(const char *line, size_t len);

#endif
