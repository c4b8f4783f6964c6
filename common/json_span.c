#include "common/json_span.h"

static size_t skip_blanks(struct span text, size_t at)
{
    while (at < text.len &&
           (text.data[at] == ' ' || text.data[at] == '\t' || text.data[at] == '\r' || text.data[at] == '\n'))
        at++;
    return at;
}

/* Behind the text that begins with the quote at `at`; the end when it is cut. */
static size_t skip_text(struct span text, size_t at)
{
    for (at++; at < text.len; at++) {
        const char *quote = memchr(text.data + at, '"', text.len - at);
        size_t slashes = 0;

        if (!quote)
            break;
        at = (size_t)(quote - text.data);
        while (slashes < at && text.data[at - 1 - slashes] == '\\')
            slashes++; /* an opening quote is in front of them all */
        if (slashes % 2 == 0)
            return at + 1;
    }
    return text.len;
}

/* Behind the value at `at`: at the comma or bracket that ends it. */
static size_t skip_value(struct span text, size_t at)
{
    size_t depth = 0;

    while (at < text.len) {
        char c = text.data[at];

        if (c == '"') {
            at = skip_text(text, at);
            continue;
        }
        if (depth == 0 && (c == ',' || c == '}' || c == ']'))
            break;
        if (c == '{' || c == '[')
            depth++;
        else if (c == '}' || c == ']')
            depth--;
        at++;
    }
    return at;
}

static struct span trimmed(struct span text, size_t from, size_t to)
{
    while (to > from && (text.data[to - 1] == ' ' || text.data[to - 1] == '\t' || text.data[to - 1] == '\r' ||
                         text.data[to - 1] == '\n'))
        to--;
    return (struct span){text.data + from, to - from};
}

/* The member `key` (its text without quotes) goes to the name that it has, if to any. */
static void note_member(const char *const *names, size_t count, struct span key, struct span value, struct span *ret)
{
    for (size_t i = 0; i < count; i++) {
        if (!ret[i].data && span_is(key, names[i]))
            ret[i] = value;
    }
}

void json_spans(struct span object, const char *const *names, size_t count, struct span *ret)
{
    size_t at = skip_blanks(object, 0);

    for (size_t i = 0; i < count; i++)
        ret[i] = (struct span){NULL, 0};
    if (at >= object.len || object.data[at] != '{')
        return;
    at = skip_blanks(object, at + 1);
    while (at < object.len && object.data[at] == '"') {
        size_t key = at + 1, after = skip_text(object, at), value, end;

        at = skip_blanks(object, after);
        if (at >= object.len || object.data[at] != ':')
            return;
        value = skip_blanks(object, at + 1);
        end = skip_value(object, value);
        if (end >= object.len || end == value)
            return;
        note_member(names, count, (struct span){object.data + key, after - key - 1}, trimmed(object, value, end), ret);
        at = object.data[end] == ',' ? skip_blanks(object, end + 1) : object.len;
    }
}

struct span json_span(struct span object, const char *name)
{
    struct span value;

    json_spans(object, &name, 1, &value);
    return value;
}
