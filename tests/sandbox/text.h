#ifndef SANDBOX_TEXT_H
#define SANDBOX_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_ISO_SIZE  25 /* 2026-01-15T10:30:00.123Z and its NUL */
#define TEXT_HTTP_SIZE 30 /* Thu, 15 Jan 2026 10:30:00 GMT and its NUL */
#define TEXT_UUID_SIZE 37

/* A growing byte string. It starts in room lent by the caller and moves to the heap when that is used up; a failed
 * allocation sets `failed`, later additions do nothing, and the owner looks once at the end. */
struct text {
    char *data;
    size_t length;
    size_t capacity;
    bool on_heap;
    bool failed;
};

/* text_init: `room` is borrowed until text_clear and may be NULL with size 0. */
void text_init(struct text *text, char *room, size_t size);
void text_clear(struct text *text);

/* text_add: append bytes. text_say: append a C string. */
void text_add(struct text *text, const char *bytes, size_t length);
void text_say(struct text *text, const char *string);

/* text_json: append a quoted JSON string; the bytes must be valid UTF-8. NULL becomes null. */
void text_json(struct text *text, const char *bytes, size_t length);

/* text_pair: append `before` as it is, then a C string as a JSON string. */
void text_pair(struct text *text, const char *before, const char *string);

/* text_printf: append formatted text, for places that are not hot. */
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* text_is_utf8: strict UTF-8: no overlong forms, no surrogates, nothing over U+10FFFF. NUL bytes are refused too. */
bool text_is_utf8(const char *bytes, size_t length);

/* text_utf16_length: UTF-16 code units of valid UTF-8, which is how the documented limits are counted. */
size_t text_utf16_length(const char *bytes, size_t length);

/* text_hex: lower-case hex of `size` bytes plus NUL into `ret_hex` (2 * size + 1 bytes). */
void text_hex(const unsigned char *bytes, size_t size, char *ret_hex);

int64_t clock_mono_us(void);
int64_t clock_wall_ms(void);
void clock_format_iso(int64_t wall_ms, char ret_iso[TEXT_ISO_SIZE]);
void clock_format_http(int64_t wall_s, char ret_http[TEXT_HTTP_SIZE]);

#endif
