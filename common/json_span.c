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
    for (at++; at < text.len && text.data[at] != '"'; at++) {
        if (text.data[at] == '\\' && at + 1 < text.len)
            at++;
    }
    return at < text.len ? at + 1 : text.len;
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

struct span json_span(struct span object, const char *name)
{
    size_t len = strlen(name), at = skip_blanks(object, 0);

    if (at >= object.len || object.data[at] != '{')
        return (struct span){NULL, 0};
    at = skip_blanks(object, at + 1);
    while (at < object.len && object.data[at] == '"') {
        size_t key = at + 1, after = skip_text(object, at), value, end;

        at = skip_blanks(object, after);
        if (at >= object.len || object.data[at] != ':')
            break;
        value = skip_blanks(object, at + 1);
        end = skip_value(object, value);
        if (after - key == len + 1 && memcmp(object.data + key, name, len) == 0 && end < object.len && end > value)
            return trimmed(object, value, end);
        at = end < object.len && object.data[end] == ',' ? skip_blanks(object, end + 1) : object.len;
    }
    return (struct span){NULL, 0};
}
