/* A growing run of bytes with a maximum that is fixed when it is made. Going over the maximum adds nothing and is
 * remembered, so a writer checks once at the end. The bytes are always followed by a NUL that is not counted. */
#ifndef HERALD_COMMON_BUF_H
#define HERALD_COMMON_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data; /* never NULL after the first add; owned */
    size_t len;
    size_t cap;
    size_t max;    /* bytes; the hard end */
    bool overflow; /* something did not fit; sticky until buf_reset */
};

void buf_init(struct buf *buf, size_t max);
void buf_clear(struct buf *buf); /* gives the memory back; the buffer can be used again */
void buf_reset(struct buf *buf); /* empty, memory kept */
void buf_wipe(struct buf *buf);  /* empty, and what was in it overwritten: for secrets */

void buf_add(struct buf *buf, const char *data, size_t len);
void buf_text(struct buf *buf, const char *text);
void buf_char(struct buf *buf, char c);
void buf_int(struct buf *buf, int64_t number);
#define BUF_DIGITS 24
size_t buf_digits(int64_t number, char out[BUF_DIGITS]); /* in decimal; returns how many, a NUL follows */
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds `data` as a JSON string, quotes included (RFC 8259, section 7). The bytes must be UTF-8. */
void buf_json(struct buf *buf, const char *data, size_t len);
void buf_json_text(struct buf *buf, const char *text); /* NULL is written as null */

/* One more member of a JSON object that has one already: `,"key":"text"` (nothing when the text is absent or empty) and
 * `,"key":number`. The key needs no escaping. */
void buf_member(struct buf *buf, const char *key, const char *data, size_t len);
void buf_member_text(struct buf *buf, const char *key, const char *text); /* NULL: nothing */
void buf_member_int(struct buf *buf, const char *key, int64_t number);

const char *buf_str(const struct buf *buf); /* "" when nothing was added yet */

#endif
