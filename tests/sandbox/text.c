/* Bytes and instants as text: a growing string, JSON escaping, strict UTF-8, UTF-16 lengths, hex and time stamps.
 *
 * Everything the sandbox answers is put together here without printf on the hot path. It promises valid JSON for any
 * valid UTF-8 it is given; it does not parse JSON (body.c does). */
#include "tests/sandbox/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TEXT_FIRST_HEAP 1024
#define TEXT_MAX        (64U * 1024 * 1024)

void text_init(struct text *text, char *room, size_t size)
{
    text->data = room;
    text->length = 0;
    text->capacity = size;
    text->on_heap = false;
    text->failed = false;
}

void text_clear(struct text *text)
{
    if (text->on_heap) {
        free(text->data);
    }
    text_init(text, NULL, 0);
}

static bool reserve(struct text *text, size_t more)
{
    if (text->failed || more > TEXT_MAX || text->length + more > TEXT_MAX) {
        text->failed = true;
        return false;
    }
    if (text->length + more <= text->capacity) {
        return true;
    }
    size_t capacity = text->capacity < TEXT_FIRST_HEAP ? TEXT_FIRST_HEAP : text->capacity * 2;
    while (capacity < text->length + more) {
        capacity *= 2;
    }
    char *data = realloc(text->on_heap ? text->data : NULL, capacity);
    if (data == NULL) {
        text->failed = true;
        return false;
    }
    if (!text->on_heap && text->length > 0) {
        memcpy(data, text->data, text->length);
    }
    text->data = data;
    text->capacity = capacity;
    text->on_heap = true;
    return true;
}

void text_add(struct text *text, const char *bytes, size_t length)
{
    if (length == 0 || !reserve(text, length)) {
        return;
    }
    memcpy(text->data + text->length, bytes, length);
    text->length += length;
}

void text_say(struct text *text, const char *string)
{
    text_add(text, string, strlen(string));
}

static void add_escaped(struct text *text, unsigned char byte)
{
    static const char digits[] = "0123456789abcdef";
    char escape[6] = {'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15]};
    switch (byte) {
    case '"':
        text_add(text, "\\\"", 2);
        return;
    case '\\':
        text_add(text, "\\\\", 2);
        return;
    case '\n':
        text_add(text, "\\n", 2);
        return;
    default:
        text_add(text, escape, sizeof escape);
    }
}

void text_json(struct text *text, const char *bytes, size_t length)
{
    if (bytes == NULL) {
        text_add(text, "null", 4);
        return;
    }
    text_add(text, "\"", 1);
    size_t start = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (byte >= 0x20 && byte != '"' && byte != '\\') {
            continue;
        }
        text_add(text, bytes + start, i - start);
        add_escaped(text, byte);
        start = i + 1;
    }
    text_add(text, bytes + start, length - start);
    text_add(text, "\"", 1);
}

void text_pair(struct text *text, const char *before, const char *string)
{
    text_say(text, before);
    text_json(text, string, strlen(string));
}

void text_printf(struct text *text, const char *format, ...)
{
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof line) {
        text->failed = true;
        return;
    }
    text_add(text, line, (size_t)length);
}

/* sequence_length: bytes of the UTF-8 sequence that starts at `at`, or 0 if it is not a valid one. */
static size_t sequence_length(const unsigned char *at, size_t left)
{
    unsigned char lead = at[0];
    size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || left < length) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (lead == 0xe0 && at[1] < 0xa0) || (lead == 0xf0 && at[1] < 0x90);
    bool outside = (lead == 0xed && at[1] > 0x9f) || (lead == 0xf4 && at[1] > 0x8f);
    return overlong || outside ? 0 : length;
}

bool text_is_utf8(const char *bytes, size_t length)
{
    const unsigned char *at = (const unsigned char *)bytes;
    size_t i = 0;
    while (i < length) {
        if (at[i] == 0) {
            return false;
        }
        if (at[i] < 0x80) {
            i++;
            continue;
        }
        size_t step = sequence_length(at + i, length - i);
        if (step == 0) {
            return false;
        }
        i += step;
    }
    return true;
}

size_t text_utf16_length(const char *bytes, size_t length)
{
    size_t units = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        units += (byte & 0xc0) != 0x80;
        units += byte >= 0xf0;
    }
    return units;
}

void text_hex(const unsigned char *bytes, size_t size, char *ret_hex)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        ret_hex[2 * i] = digits[bytes[i] >> 4];
        ret_hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    ret_hex[2 * size] = '\0';
}

static int64_t clock_us(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now); /* cannot fail for the two constant clocks used here */
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

int64_t clock_wall_ms(void)
{
    return clock_us(CLOCK_REALTIME) / 1000;
}

static void two_digits(char *at, int value)
{
    at[0] = (char)('0' + value / 10 % 10);
    at[1] = (char)('0' + value % 10);
}

void clock_format_iso(int64_t wall_ms, char ret_iso[TEXT_ISO_SIZE])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    int milliseconds = (int)(wall_ms % 1000);
    struct tm utc;
    (void)gmtime_r(&seconds, &utc); /* fails only for years beyond an int */
    memcpy(ret_iso, "0000-00-00T00:00:00.000Z", TEXT_ISO_SIZE);
    two_digits(ret_iso, (utc.tm_year + 1900) / 100);
    two_digits(ret_iso + 2, utc.tm_year % 100);
    two_digits(ret_iso + 5, utc.tm_mon + 1);
    two_digits(ret_iso + 8, utc.tm_mday);
    two_digits(ret_iso + 11, utc.tm_hour);
    two_digits(ret_iso + 14, utc.tm_min);
    two_digits(ret_iso + 17, utc.tm_sec);
    ret_iso[20] = (char)('0' + milliseconds / 100);
    two_digits(ret_iso + 21, milliseconds);
}

void clock_format_http(int64_t wall_s, char ret_http[TEXT_HTTP_SIZE])
{
    time_t seconds = (time_t)wall_s;
    struct tm utc;
    (void)gmtime_r(&seconds, &utc); /* fails only for years beyond an int */
    if (strftime(ret_http, TEXT_HTTP_SIZE, "%a, %d %b %Y %H:%M:%S GMT", &utc) == 0) {
        ret_http[0] = '\0';
    }
}
