/* The rejects file: each refused row with its line, column and reason in front of what it was, in the format it came
 * in, so that a person corrects it there and sends the file itself. Made when the first row is refused; readable by its
 * owner only, since it holds what people's rows hold. */
#ifndef HERALD_PRODUCER_REJECTS_H
#define HERALD_PRODUCER_REJECTS_H

#include <stdio.h>

#include "common/reason.h"
#include "producer/recipients.h"

struct rejects {
    char *path; /* once there is a file, its name */
    const char *source, *ending;
    bool is_chosen; /* by a person, who wants it overwritten; else what is there stays */
    FILE *file;     /* NULL until the first */
};

struct reject {
    const char *column; /* "" when it is about the whole row */
    const char *code;
    const char *text;
};

/* The file is `chosen`, or for NULL `<source>.rejects.<ending>`; should that be there already, perhaps with somebody's
 * corrections in it, `<source>.rejects.2.<ending>` and so on. `source` and `ending` must outlive it. */
void rejects_init(struct rejects *rejects, const char *chosen, const char *source, const char *ending);
void rejects_clear(struct rejects *rejects);

/* `source` is where the row came from; NULL: lines of JSON. 0, or ERR_IO with why. */
int rejects_add(struct rejects *rejects, const struct recipients *source, const struct row *row,
                const struct reject *reject, struct reason *why);
/* ERR_INVALID with why when `path` is the very file that the rows are read from ("-": standard input), which would be
 * emptied before it is read. */
int rejects_check_path(const char *path, const char *source, struct reason *why);
int rejects_close(struct rejects *rejects, struct reason *why); /* flushed to the disk's care, or ERR_IO */

#endif
