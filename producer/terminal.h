/* What is different when a person looks: colour, a bar that moves. Nothing of it when the output is a file or a pipe.
 */
#ifndef HERALD_PRODUCER_TERMINAL_H
#define HERALD_PRODUCER_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum paint { PAINT_PLAIN, PAINT_BOLD, PAINT_DIM, PAINT_RED, PAINT_GREEN, PAINT_YELLOW };

bool terminal_is_one(FILE *out);
const char *terminal_paint(FILE *out, enum paint paint); /* "" unless out is a terminal and NO_COLOR is not set */

/* A row of a table: a label, and a number or a text to its right. */
void terminal_row(FILE *out, const char *label, const char *value);
void terminal_row_number(FILE *out, const char *label, int64_t number);
void terminal_heading(FILE *out, const char *text);

/* `text` with control characters replaced: names out of files must not steer a terminal. */
const char *terminal_clean(const char *text, char *out, size_t size);
void terminal_text(FILE *out, const char *text); /* the same for a text of any length, whose line breaks stay */

/* A progress bar on standard error, at most ten times a second. */
struct progress {
    const char *what;
    bool is_shown;
    int64_t started_ms, drawn_ms;
};
void progress_begin(struct progress *progress, const char *what, bool is_wanted);
/* `done` of `total` (0: not known), and how many items that has been, for the rate. */
void progress_update(struct progress *progress, uint64_t done, uint64_t total, uint64_t items);
void progress_end(struct progress *progress); /* wipes the bar */

#endif
