#include "common/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_plain.h"
#include "common/mem.h"

#define BUF_FIRST 256
#define BUF_BRIEF 128

void buf_init(struct buf *buf, size_t max)
{
    *buf = (struct buf){.max = max};
}

void buf_clear(struct buf *buf)
{
    free(buf->data);
    buf_init(buf, buf->max);
}

void buf_reset(struct buf *buf)
{
    buf->len = 0;
    buf->overflow = false;
    if (buf->data)
        buf->data[0] = '\0';
}

void buf_wipe(struct buf *buf)
{
    if (buf->data)
        explicit_bzero(buf->data, buf->cap);
    buf->len = 0;
    buf->overflow = false;
}

static bool make_room(struct buf *buf, size_t more)
{
    size_t need, cap;

    if (buf->overflow || more > buf->max - buf->len) {
        buf->overflow = true;
        return false;
    }
    need = buf->len + more + 1;
    if (need <= buf->cap)
        return true;
    cap = buf->cap ? buf->cap : BUF_FIRST;
    while (cap < need)
        cap *= 2;
    buf->data = mem_resize(buf->data, cap, 1);
    buf->cap = cap;
    return true;
}

void buf_add(struct buf *buf, const char *data, size_t len)
{
    if (!make_room(buf, len))
        return;
    if (len)
        memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void buf_text(struct buf *buf, const char *text)
{
    buf_add(buf, text, strlen(text));
}

void buf_char(struct buf *buf, char c)
{
    if (!make_room(buf, 1))
        return;
    buf->data[buf->len++] = c;
    buf->data[buf->len] = '\0';
}

/* By hand, because these are written for every message, and printf reads its format each time. */
size_t buf_digits(int64_t number, char out[BUF_DIGITS])
{
    uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;
    char digits[BUF_DIGITS], *first = digits + sizeof(digits);
    size_t len;

    *--first = '\0';
    do {
        *--first = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0)
        *--first = '-';
    len = (size_t)(digits + sizeof(digits) - first);
    memcpy(out, first, len);
    return len - 1;
}

void buf_int(struct buf *buf, int64_t number)
{
    char digits[BUF_DIGITS];

    buf_add(buf, digits, buf_digits(number, digits));
}

static void add_key(struct buf *buf, const char *key)
{
    size_t len = strlen(key);

    if (!make_room(buf, len + 4))
        return;
    buf->data[buf->len] = ',';
    buf->data[buf->len + 1] = '"';
    memcpy(buf->data + buf->len + 2, key, len);
    memcpy(buf->data + buf->len + 2 + len, "\":", 3);
    buf->len += len + 4;
}

void buf_member(struct buf *buf, const char *key, const char *data, size_t len)
{
    if (len == 0)
        return;
    add_key(buf, key);
    buf_json(buf, data, len);
}

void buf_member_text(struct buf *buf, const char *key, const char *text)
{
    buf_member(buf, key, text, text ? strlen(text) : 0);
}

void buf_member_int(struct buf *buf, const char *key, int64_t number)
{
    add_key(buf, key);
    buf_int(buf, number);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    char brief[BUF_BRIEF]; /* most are: what does not fit is formatted again where there is room */
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(brief, sizeof(brief), format, args);
    va_end(args);
    if (len < 0 || !make_room(buf, (size_t)len)) {
        buf->overflow = true;
        return;
    }
    if ((size_t)len < sizeof(brief)) {
        memcpy(buf->data + buf->len, brief, (size_t)len + 1);
    } else {
        va_start(args, format);
        (void)vsnprintf(buf->data + buf->len, (size_t)len + 1, format, args); /* room was made for exactly this */
        va_end(args);
    }
    buf->len += (size_t)len;
}

/* What another byte becomes inside a JSON string: a short escape (its letter) or \u00XX ('u'). */
static char escape_of(unsigned char c)
{
    switch (c) {
    case '"':
        return '"';
    case '\\':
        return '\\';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 'u';
    }
}

void buf_json(struct buf *buf, const char *data, size_t len)
{
    size_t from = 0;

    buf_char(buf, '"');
    for (size_t i = json_plain_length(data, len); i < len; i += 1 + json_plain_length(data + i + 1, len - i - 1)) {
        char escape = escape_of((unsigned char)data[i]);
        char code[8];
        int code_len;

        buf_add(buf, data + from, i - from);
        from = i + 1;
        code_len = escape == 'u' ? snprintf(code, sizeof(code), "\\u%04x", (unsigned char)data[i])
                                 : snprintf(code, sizeof(code), "\\%c", escape);
        buf_add(buf, code, (size_t)code_len);
    }
    buf_add(buf, data + from, len - from);
    buf_char(buf, '"');
}

void buf_json_text(struct buf *buf, const char *text)
{
    if (text)
        buf_json(buf, text, strlen(text));
    else
        buf_add(buf, "null", 4);
}

const char *buf_str(const struct buf *buf)
{
    return buf->data ? buf->data : "";
}
