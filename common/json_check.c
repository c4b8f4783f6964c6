#include "common/json_check.h"

#include <stdint.h>

#include "common/utf8.h"

struct reader {
    const char *at, *end;
    uint64_t is_object; /* a bit for each level that is open, the deepest is the lowest */
    unsigned depth;
};

static bool take(struct reader *reader, char c)
{
    if (reader->at == reader->end || *reader->at != c)
        return false;
    reader->at++;
    return true;
}

static void skip_blanks(struct reader *reader)
{
    while (reader->at < reader->end && *reader->at == ' ')
        reader->at++;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool take_escape(struct reader *reader)
{
    char c;

    if (reader->at == reader->end)
        return false;
    c = *reader->at++;
    if (c != 'u')
        return c != '\0' && strchr("\"\\/bfnrt", c) != NULL;
    for (int i = 0; i < 4; i++, reader->at++) {
        if (reader->at == reader->end || !is_hex(*reader->at))
            return false;
    }
    return true;
}

static bool take_text(struct reader *reader)
{
    if (!take(reader, '"'))
        return false;
    while (reader->at < reader->end) {
        char c = *reader->at++;

        if (c == '"')
            return true;
        if (c == '\\' && !take_escape(reader))
            return false;
    }
    return false;
}

static bool take_digits(struct reader *reader)
{
    const char *from = reader->at;

    while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9')
        reader->at++;
    return reader->at > from;
}

static bool take_number(struct reader *reader)
{
    (void)take(reader, '-');
    if (!take(reader, '0') && !take_digits(reader))
        return false;
    if (take(reader, '.') && !take_digits(reader))
        return false;
    if (take(reader, 'e') || take(reader, 'E')) {
        if (!take(reader, '+'))
            (void)take(reader, '-');
        return take_digits(reader);
    }
    return true;
}

static bool take_word(struct reader *reader, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(reader->end - reader->at) < len || memcmp(reader->at, word, len) != 0)
        return false;
    reader->at += len;
    return true;
}

static bool take_scalar(struct reader *reader)
{
    switch (reader->at < reader->end ? *reader->at : '\0') {
    case '"':
        return take_text(reader);
    case 't':
        return take_word(reader, "true");
    case 'f':
        return take_word(reader, "false");
    case 'n':
        return take_word(reader, "null");
    default:
        return take_number(reader);
    }
}

static bool take_name(struct reader *reader)
{
    skip_blanks(reader);
    if (!take_text(reader))
        return false;
    skip_blanks(reader);
    return take(reader, ':');
}

/* The brackets at the front of a value, up to where a scalar or the end of an empty one is; `ret_is_done` then. */
static bool open_value(struct reader *reader, bool *ret_is_done)
{
    *ret_is_done = false;
    for (;;) {
        bool is_object;

        skip_blanks(reader);
        is_object = take(reader, '{');
        if (!is_object && !take(reader, '['))
            return true;
        if (reader->depth++ == JSON_CHECK_DEPTH)
            return false;
        reader->is_object = reader->is_object << 1 | is_object;
        skip_blanks(reader);
        if (reader->at < reader->end && *reader->at == (is_object ? '}' : ']')) {
            *ret_is_done = true;
            return true;
        }
        if (is_object && !take_name(reader))
            return false;
    }
}

/* Behind a value: closes what ends here, and goes on to the next value. False: there is none, or it is wrong. */
static bool close_values(struct reader *reader)
{
    while (reader->depth > 0) {
        bool is_object = reader->is_object & 1;

        skip_blanks(reader);
        if (take(reader, ','))
            return !is_object || take_name(reader);
        if (!take(reader, is_object ? '}' : ']'))
            return false;
        reader->is_object >>= 1;
        reader->depth--;
    }
    return false;
}

bool json_is_object_line(struct span text)
{
    struct reader reader = {text.data, text.data + text.len, 0, 0};
    bool is_done = false;

    if (text.len == 0 || text.data[0] != '{' || !utf8_is_valid(text.data, text.len))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.data[i] < ' ')
            return false;
    }
    do {
        if (!open_value(&reader, &is_done) || (!is_done && !take_scalar(&reader)))
            return false;
    } while (close_values(&reader));
    return reader.depth == 0 && reader.at == reader.end;
}
