#include "worker/shared_line.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

void shared_line_drop(struct shared_line *line)
{
    if (!line || --line->users > 0)
        return;
    explicit_bzero(line->text, strlen(line->text));
    free(line);
}

struct shared_line *shared_line_take(struct shared_line **last, const char *name, const char *value)
{
    size_t name_len = strlen(name), value_len = strlen(value);

    if (!*last || strcmp((*last)->text + name_len, value) != 0) {
        shared_line_drop(*last);
        *last = mem_zalloc(1, sizeof(**last) + name_len + value_len + 1);
        memcpy((*last)->text, name, name_len);
        memcpy((*last)->text + name_len, value, value_len);
        (*last)->users = 1; /* the one that it is kept for */
    }
    (*last)->users++;
    return *last;
}
