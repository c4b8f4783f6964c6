#include "producer/audit_lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mem.h"
#include "producer/audit_chain.h"

#define FIRST_SIZE ((size_t)1 << 20)

struct audit_lines {
    int fd;
    char *data;
    size_t begin, end, cap; /* of what was read and not handed out yet */
    int64_t offset;         /* of data[begin] in the file */
    bool is_at_end;
};

struct audit_lines *audit_lines_open(int fd, int64_t offset)
{
    struct audit_lines *lines = mem_zalloc(1, sizeof(*lines));

    lines->fd = fd;
    lines->offset = offset;
    lines->cap = FIRST_SIZE;
    lines->data = mem_zalloc(1, lines->cap);
    if (offset > 0 && lseek(fd, offset, SEEK_SET) < 0)
        lines->offset = 0; /* a pipe */
    return lines;
}

void audit_lines_close(struct audit_lines *lines)
{
    if (!lines)
        return;
    free(lines->data);
    free(lines);
}

/* Room for more behind what is there. False: a line is longer than any that is written. */
static bool make_room(struct audit_lines *lines)
{
    if (lines->begin > 0) {
        memmove(lines->data, lines->data + lines->begin, lines->end - lines->begin);
        lines->end -= lines->begin;
        lines->begin = 0;
    }
    if (lines->end < lines->cap)
        return true;
    if (lines->cap >= AUDIT_LINE_MAX)
        return false;
    lines->cap *= 2;
    lines->data = mem_resize(lines->data, lines->cap, 1);
    return true;
}

static int read_more(struct audit_lines *lines, struct reason *why)
{
    ssize_t got;

    do {
        got = read(lines->fd, lines->data + lines->end, lines->cap - lines->end);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        reason_set(why, "cannot read: %s", strerror(errno));
        return ERR_IO;
    }
    lines->is_at_end = got == 0;
    lines->end += (size_t)got;
    return 0;
}

static void consume(struct audit_lines *lines, size_t len)
{
    lines->begin += len;
    lines->offset += (int64_t)len;
}

/* Behind the line that fills all of the buffer; its beginning stays there. */
static int skip_rest(struct audit_lines *lines, bool *ret_has_end, struct reason *why)
{
    char block[4096];
    ssize_t got;

    /* One byte at a time would take for ever, so what follows the line in the block goes back to the file; a pipe
     * cannot take it back, and what was read of the next line makes that one wrong too: the first damage is named in
     * any case. */
    do {
        const char *found;

        got = read(lines->fd, block, sizeof(block));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            reason_set(why, "cannot read: %s", strerror(errno));
            return ERR_IO;
        }
        found = memchr(block, '\n', (size_t)got);
        if (found) {
            size_t used = (size_t)(found - block) + 1;

            (void)lseek(lines->fd, (off_t)used - (off_t)got, SEEK_CUR); /* see above */
            lines->offset += (int64_t)used;
            *ret_has_end = true;
            return 0;
        }
        lines->offset += got;
    } while (got != 0);
    lines->is_at_end = true;
    *ret_has_end = false;
    return 0;
}

int audit_lines_next(struct audit_lines *lines, struct audit_line *ret, struct reason *why)
{
    size_t looked = 0;

    for (;;) {
        size_t len = lines->end - lines->begin;
        const char *at = lines->data + lines->begin;
        const char *found = len > looked ? memchr(at + looked, '\n', len - looked) : NULL;

        if (found || (lines->is_at_end && len > 0)) {
            size_t used = found ? (size_t)(found - at) : len;

            *ret = (struct audit_line){{at, used}, lines->offset, found != NULL};
            consume(lines, used + (found != NULL));
            return 1;
        }
        if (lines->is_at_end)
            return 0;
        looked = len;
        if (!make_room(lines)) {
            *ret = (struct audit_line){{lines->data, lines->end}, lines->offset, false};
            consume(lines, lines->end);
            return skip_rest(lines, &ret->has_end, why) == 0 ? 1 : ERR_IO;
        }
        if (read_more(lines, why) != 0)
            return ERR_IO;
    }
}
