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

#endif
