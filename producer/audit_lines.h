/* The lines of an exported audit out of a file, of any bytes and any length, in memory that is bounded by the longest
 * line that is written. A line ends in LF and nothing else; only the last one of a file may be without. */
#ifndef HERALD_PRODUCER_AUDIT_LINES_H
#define HERALD_PRODUCER_AUDIT_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/reason.h"
#include "common/span.h"

struct audit_lines;

/* Borrows the descriptor, and reads it from `offset`, where a line begins, if it is a file (a pipe: from where it is).
 */
struct audit_lines *audit_lines_open(int fd, int64_t offset);
void audit_lines_close(struct audit_lines *lines); /* takes NULL */

struct audit_line {
    struct span text; /* without its end; of one that is too long to be right, the beginning */
    int64_t offset;   /* bytes before it in the file */
    bool has_end;
};
/* Returns 1 and a line, borrowed until the next call, 0 when there is none, or ERR_IO with why. */
int audit_lines_next(struct audit_lines *lines, struct audit_line *ret, struct reason *why);

#endif
