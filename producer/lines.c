#include "producer/lines.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mem.h"

/* Where the next of one kind of line end is, so that a file with only the other kind is not searched again and again.
 */
struct search {
    size_t from;  /* where it was begun; a place before it must be searched anew */
    size_t until; /* bytes before this were looked at */
    size_t found; /* SIZE_MAX: none in from..until */
};

/* data[start..end) was read and not taken. Searches count from data[0]. */
struct lines {
    int fd;             /* -1: memory */
    const char *memory; /* borrowed */
    size_t memory_len;  /* left to read */
    size_t chunk;       /* bytes that one read of memory gives */
    char *data;         /* LINES_WINDOW bytes; owned */
    size_t start, end;
    struct search lf, cr;
    bool is_over; /* nothing follows data[end] */
    size_t number;
    uint64_t consumed;
};

static void restart(struct search *search, size_t from)
{
    *search = (struct search){.from = from, .until = from, .found = SIZE_MAX};
}

static struct lines *create(void)
{
    struct lines *l = mem_zalloc(1, sizeof(*l));

    l->data = mem_zalloc(LINES_WINDOW, 1);
    l->number = 1;
    restart(&l->lf, 0);
    restart(&l->cr, 0);
    return l;
}

struct lines *lines_open(int fd)
{
    struct lines *l = create();

    l->fd = fd;
    return l;
}

struct lines *lines_open_memory(const char *data, size_t len, size_t chunk)
{
    struct lines *l = create();

    l->fd = -1;
    l->memory = data;
    l->memory_len = len;
    l->chunk = chunk ? chunk : LINES_WINDOW;
    return l;
}

void lines_close(struct lines *l)
{
    if (!l)
        return;
    if (l->fd > STDIN_FILENO)
        (void)close(l->fd); /* it was only read */
    free(l->data);
    free(l);
}

static ssize_t read_some(struct lines *l, char *to, size_t room)
{
    size_t len = room;
    ssize_t got;

    if (l->fd >= 0) {
        do
            got = read(l->fd, to, room);
        while (got < 0 && errno == EINTR);
        return got;
    }
    if (len > l->chunk)
        len = l->chunk;
    if (len > l->memory_len)
        len = l->memory_len;
    if (len > 0) {
        memcpy(to, l->memory, len);
        l->memory += len;
        l->memory_len -= len;
    }
    return (ssize_t)len;
}

/* Reads more behind data[end]; what is not taken moves to the front when there is no room. */
static int fill(struct lines *l, struct reason *why)
{
    ssize_t got;

    if (l->end == LINES_WINDOW || l->start == l->end) {
        memmove(l->data, l->data + l->start, l->end - l->start);
        l->end -= l->start;
        l->start = 0;
        restart(&l->lf, 0);
        restart(&l->cr, 0);
    }
    got = read_some(l, l->data + l->end, LINES_WINDOW - l->end);
    if (got < 0) {
        reason_set(why, "cannot read: %s", strerror(errno));
        return ERR_IO;
    }
    l->end += (size_t)got;
    l->is_over = got == 0;
    return 0;
}

/* The first `c` at or behind data[from], SIZE_MAX when what was read has none. */
static size_t find(const struct lines *l, struct search *search, char c, size_t from)
{
    const char *found;

    if (from < search->from)
        restart(search, from);
    if (search->found != SIZE_MAX && search->found >= from)
        return search->found;
    if (search->until < from)
        search->until = from;
    search->from = from;
    found = memchr(l->data + search->until, c, l->end - search->until);
    search->found = found ? (size_t)(found - l->data) : SIZE_MAX;
    search->until = found ? search->found + 1 : l->end;
    return search->found;
}

/* The length of the line at data[from]; 0 when more must be read to know. */
static size_t line_length(struct lines *l, size_t from)
{
    size_t lf = find(l, &l->lf, '\n', from);
    size_t cr = find(l, &l->cr, '\r', from);

    if (lf < cr)
        return lf + 1 - from;
    if (cr == SIZE_MAX)
        return l->is_over ? l->end - from : 0;
    if (cr + 1 == l->end && !l->is_over)
        return 0; /* its LF may be yet to come */
    return lf == cr + 1 ? cr + 2 - from : cr + 1 - from;
}

int lines_peek(struct lines *l, size_t offset, size_t *ret_len, struct reason *why)
{
    for (;;) {
        size_t len = 0;

        assert(offset <= l->end - l->start);
        if (offset < l->end - l->start)
            len = line_length(l, l->start + offset);
        if (len > 0 && offset + len <= RECIPIENTS_MAX_ROW) {
            *ret_len = len;
            return 1;
        }
        if (len > 0 || l->end - l->start > RECIPIENTS_MAX_ROW)
            return ERR_LIMIT;
        if (l->is_over)
            return 0;
        if (fill(l, why) != 0)
            return ERR_IO;
    }
}

const char *lines_at(const struct lines *l)
{
    return l->data + l->start;
}

size_t lines_available(const struct lines *l)
{
    return l->end - l->start;
}

size_t lines_number(const struct lines *l)
{
    return l->number;
}

uint64_t lines_consumed(const struct lines *l)
{
    return l->consumed;
}

void lines_take(struct lines *l, size_t bytes, size_t count)
{
    assert(bytes <= l->end - l->start);
    l->start += bytes;
    l->consumed += bytes;
    l->number += count;
}

int lines_skip(struct lines *l, struct reason *why)
{
    for (;;) {
        size_t len = l->start < l->end ? line_length(l, l->start) : 0;

        if (len > 0) {
            lines_take(l, len, 1);
            return 0;
        }
        if (l->is_over)
            return 0;
        /* All of it is the line's inside, but for a CR at its end whose LF may follow. */
        if (l->end > l->start)
            lines_take(l, l->end - l->start - (l->data[l->end - 1] == '\r'), 0);
        if (fill(l, why) != 0)
            return ERR_IO;
    }
}

size_t lines_end_length(const char *line, size_t len)
{
    if (len >= 2 && line[len - 2] == '\r' && line[len - 1] == '\n')
        return 2;
    return len >= 1 && (line[len - 1] == '\r' || line[len - 1] == '\n');
}
