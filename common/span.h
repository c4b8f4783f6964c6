/* Borrowed bytes: pointer and length, no NUL promised. `data == NULL` is "absent", which is not the same as empty. */
#ifndef HERALD_COMMON_SPAN_H
#define HERALD_COMMON_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct span {
    const char *data;
    size_t len;
};

static inline struct span span_of(const char *text)
{
    return (struct span){text, text ? strlen(text) : 0};
}

static inline bool span_is(struct span span, const char *text)
{
    return span.data && span.len == strlen(text) && memcmp(span.data, text, span.len) == 0;
}

static inline bool span_is_same(struct span one, struct span other)
{
    return one.len == other.len && (one.len == 0 || memcmp(one.data, other.data, one.len) == 0);
}

static inline bool span_is_empty(struct span span)
{
    return span.len == 0; /* absent or empty */
}

static inline bool span_starts(struct span span, const char *text)
{
    size_t len = strlen(text);

    return span.data && span.len >= len && memcmp(span.data, text, len) == 0;
}

/* One behind the other and a NUL, cut to what fits into `size` bytes. For texts that every message needs: printf reads
 * its format each time. Returns their length. */
static inline size_t span_join(char *out, size_t size, struct span head, struct span tail)
{
    size_t room = size > 0 ? size - 1 : 0;
    size_t head_len = head.len < room ? head.len : room;
    size_t tail_len = tail.len < room - head_len ? tail.len : room - head_len;

    if (size == 0)
        return 0;
    if (head_len > 0)
        memcpy(out, head.data, head_len);
    if (tail_len > 0)
        memcpy(out + head_len, tail.data, tail_len);
    out[head_len + tail_len] = '\0';
    return head_len + tail_len;
}

#endif
