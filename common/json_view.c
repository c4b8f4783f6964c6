/* The pass that json_view.h promises. What the text looks like is asked for here; what a view says is in json_value.c.
 */
#include "common/json_view.h"

#include <stdlib.h>

#include "common/json_number.h"
#include "common/json_plain.h"
#include "common/mem.h"
#include "common/utf8.h"

#define BYTES_A_VALUE   24     /* in an ordinary message */
#define COMPARED_MAX    32     /* members of an object whose names are compared; it costs their square */
#define REPLACEMENT     0xfffd /* for half of a pair of surrogates, as json-c does */
#define SURROGATE_FIRST 0xd800
#define SURROGATE_LOW   0xdc00
#define SURROGATE_LAST  0xdfff

struct reader {
    struct json_view *view;
    const char *at, *end;          /* a NUL stands at the end, and nowhere before it in JSON */
    char *spare;                   /* where the next text without its escapes goes */
    size_t room;                   /* for values */
    size_t depth;                  /* how many are open */
    uint32_t open[JSON_MAX_DEPTH]; /* their places */
    bool may_repeat;               /* two members of an object may have one name */
};

static void skip_blanks(struct reader *reader)
{
    while (*reader->at == ' ' || *reader->at == '\t' || *reader->at == '\n' || *reader->at == '\r')
        reader->at++;
}

static bool take(struct reader *reader, char c)
{
    if (*reader->at != c)
        return false;
    reader->at++;
    return true;
}

/* --- texts --- */

/* On to a quote or a backslash; false at what may not stand in a text. */
static bool pass_plain(struct reader *reader)
{
    for (;;) {
        reader->at += json_plain_length(reader->at, (size_t)(reader->end - reader->at));
        if (*reader->at == '"' || *reader->at == '\\')
            return true;
        if (*reader->at != 0x7f)
            return false;
        reader->at++;
    }
}

/* Four hexadecimal digits; -1: they are not. */
static int32_t read_hex(const char *at)
{
    int32_t number = 0;

    for (int i = 0; i < 4; i++) {
        char c = at[i];

        if (c >= '0' && c <= '9')
            number = number << 4 | (c - '0');
        else if (c >= 'a' && c <= 'f')
            number = number << 4 | (c - 'a' + 10);
        else if (c >= 'A' && c <= 'F')
            number = number << 4 | (c - 'A' + 10);
        else
            return -1;
    }
    return number;
}

/* The character of a `\uXXXX`, or of two of them. */
static int32_t take_code(struct reader *reader)
{
    int32_t code = read_hex(reader->at + 2), low;

    if (code < 0)
        return -1;
    reader->at += 6;
    if (code < SURROGATE_FIRST || code > SURROGATE_LAST)
        return code;
    if (code >= SURROGATE_LOW || reader->at[0] != '\\' || reader->at[1] != 'u')
        return REPLACEMENT;
    low = read_hex(reader->at + 2);
    if (low < SURROGATE_LOW || low > SURROGATE_LAST)
        return REPLACEMENT;
    reader->at += 6;
    return 0x10000 + ((code - SURROGATE_FIRST) << 10) + (low - SURROGATE_LOW);
}

static int32_t take_escape(struct reader *reader)
{
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    const char *letter;

    if (reader->at[1] == 'u')
        return take_code(reader);
    letter = reader->at[1] ? strchr(letters, reader->at[1]) : NULL;
    if (!letter)
        return -1;
    reader->at += 2;
    return meant[letter - letters];
}

/* The text that begins at `from` and has its first escape here. Without its escapes it is never longer. */
static bool take_escaped(struct reader *reader, const char *from, struct span *ret)
{
    char *to = reader->spare;

    while (*reader->at == '\\') {
        int32_t point;

        memcpy(to, from, (size_t)(reader->at - from));
        to += reader->at - from;
        point = take_escape(reader);
        if (point < 0)
            return false;
        to += utf8_encode(point, to);
        from = reader->at;
        if (!pass_plain(reader))
            return false;
    }
    memcpy(to, from, (size_t)(reader->at - from));
    to += reader->at - from;
    reader->at++;
    *ret = (struct span){reader->spare, (size_t)(to - reader->spare)};
    reader->spare = to;
    return true;
}

static bool take_text(struct reader *reader, struct span *ret)
{
    const char *from = reader->at + 1;

    if (!take(reader, '"') || !pass_plain(reader))
        return false;
    if (*reader->at == '\\')
        return take_escaped(reader, from, ret);
    *ret = (struct span){from, (size_t)(reader->at - from)};
    reader->at++;
    return true;
}

/* A name and the colon. Names have no NUL: a tree would end them there. */
static bool take_name(struct reader *reader, struct span *ret)
{
    if (!take_text(reader, ret))
        return false;
    if (ret->data > reader->end && memchr(ret->data, '\0', ret->len)) /* there are those that had escapes */
        return false;
    skip_blanks(reader);
    if (!take(reader, ':'))
        return false;
    skip_blanks(reader);
    return true;
}

/* --- values --- */

/* NULL: it would be nested too deep. */
static struct json_value *add_value(struct reader *reader, struct span name, enum json_kind kind)
{
    struct json_view *view = reader->view;
    struct json_value *value;

    if (reader->depth == JSON_MAX_DEPTH)
        return NULL;
    if (view->count == reader->room) {
        reader->room *= 2;
        view->values = mem_resize(view->values, reader->room, sizeof(struct json_value));
    }
    if (reader->depth > 0)
        view->values[reader->open[reader->depth - 1]].count++;
    if (view->depth <= reader->depth)
        view->depth = reader->depth + 1;
    value = &view->values[view->count++];
    *value = (struct json_value){.name = name, .size = 1, .kind = kind};
    return value;
}

static bool open_value(struct reader *reader, struct span name, enum json_kind kind)
{
    size_t place = reader->view->count;

    if (!add_value(reader, name, kind))
        return false;
    reader->open[reader->depth++] = (uint32_t)place;
    reader->at++;
    return true;
}

static bool take_plain(struct reader *reader, struct span name, enum json_kind kind, size_t len)
{
    struct json_value *value = add_value(reader, name, kind);

    if (!value)
        return false;
    value->text = (struct span){reader->at, len};
    reader->at += len;
    return true;
}

static bool take_word(struct reader *reader, struct span name, enum json_kind kind, const char *word)
{
    size_t len = strlen(word);

    return strncmp(reader->at, word, len) == 0 && take_plain(reader, name, kind, len);
}

static bool take_number(struct reader *reader, struct span name)
{
    bool is_whole;
    size_t len = json_number_length(reader->at, (size_t)(reader->end - reader->at), &is_whole);

    if (len == 0 || (is_whole && !json_number_fits(reader->at, len)))
        return false;
    return take_plain(reader, name, is_whole ? JSON_INTEGER : JSON_REAL, len);
}

static bool take_value(struct reader *reader, struct span name)
{
    struct json_value *value;

    switch (*reader->at) {
    case '{':
        return open_value(reader, name, JSON_OBJECT);
    case '[':
        return open_value(reader, name, JSON_ARRAY);
    case '"':
        value = add_value(reader, name, JSON_TEXT);
        return value && take_text(reader, &value->text);
    case 't':
        return take_word(reader, name, JSON_BOOL, "true");
    case 'f':
        return take_word(reader, name, JSON_BOOL, "false");
    case 'n':
        return take_word(reader, name, JSON_NULL, "null");
    default:
        return take_number(reader, name);
    }
}

/* Whether two members may have one name. */
static bool may_repeat(const struct json_value *object)
{
    const struct json_value *end = object + object->size;

    if (object->count > COMPARED_MAX)
        return true;
    for (const struct json_value *a = object + 1; a < end; a += a->size) {
        for (const struct json_value *b = a + a->size; b < end; b += b->size) {
            if (a->name.len == b->name.len && memcmp(a->name.data, b->name.data, a->name.len) == 0)
                return true;
        }
    }
    return false;
}

/* The bracket of what was opened last. */
static void close_value(struct reader *reader)
{
    size_t place = reader->open[--reader->depth];
    struct json_value *value = &reader->view->values[place];

    reader->at++;
    value->size = (uint32_t)(reader->view->count - place);
    if (value->kind == JSON_OBJECT && value->count > 1 && !reader->may_repeat)
        reader->may_repeat = may_repeat(value);
}

static bool take_whole(struct reader *reader)
{
    const struct span none = {NULL, 0};

    skip_blanks(reader);
    if (*reader->at != '{' || !take_value(reader, none))
        return false;
    while (reader->depth > 0) {
        const struct json_value *open = &reader->view->values[reader->open[reader->depth - 1]];
        bool is_object = open->kind == JSON_OBJECT;
        struct span name = none;

        skip_blanks(reader);
        if (*reader->at == (is_object ? '}' : ']')) {
            close_value(reader);
            continue;
        }
        if (open->count > 0) {
            if (!take(reader, ','))
                return false;
            skip_blanks(reader);
        }
        if ((is_object && !take_name(reader, &name)) || !take_value(reader, name))
            return false;
    }
    skip_blanks(reader);
    return reader->at == reader->end;
}

static int read_bytes(struct json_view *ret, const char *data, size_t len, bool *ret_may_repeat)
{
    bool has_escapes = memchr(data, '\\', len) != NULL;
    struct reader reader = {.view = ret, .room = len / BYTES_A_VALUE + 8};

    ret->bytes = mem_resize(NULL, len + 1 + (has_escapes ? len : 0), 1);
    memcpy(ret->bytes, data, len);
    ret->bytes[len] = '\0';
    ret->values = mem_resize(NULL, reader.room, sizeof(struct json_value));
    reader.at = ret->bytes;
    reader.end = ret->bytes + len;
    reader.spare = ret->bytes + len + 1;
    if (!take_whole(&reader)) {
        json_view_clear(ret);
        return ERR_INVALID;
    }
    *ret_may_repeat = reader.may_repeat;
    return 0;
}

/* Names that are there twice go away when a tree is printed, and nobody else has to know of them. */
static int read_printed(struct json_view *ret, const char *data, size_t len)
{
    struct json *tree = NULL;
    struct buf printed;
    bool ignored;
    int rc;

    json_view_clear(ret);
    if (json_parse(&tree, data, len, NULL) != 0)
        return ERR_INVALID;
    buf_init(&printed, len); /* blanks are left out, and no text gets longer */
    json_print(tree, &printed);
    rc = printed.overflow ? ERR_INVALID : read_bytes(ret, buf_str(&printed), printed.len, &ignored);
    json_free(tree);
    buf_clear(&printed);
    return rc;
}

int json_view_read(struct json_view *ret, const char *data, size_t len)
{
    bool may_repeat = false;
    int rc;

    *ret = (struct json_view){.bytes = NULL};
    if (len == 0 || len > JSON_MAX_BYTES || !utf8_is_valid(data, len))
        return ERR_INVALID;
    rc = read_bytes(ret, data, len, &may_repeat);
    return rc == 0 && may_repeat ? read_printed(ret, data, len) : rc;
}

/* The reader of trees has the words. */
int json_view_refuse(const char *data, size_t len, struct refusal *why)
{
    struct reason reason = {"it cannot be read"};
    struct json *json = NULL;

    if (json_parse(&json, data, len, &reason) != 0 || json_kind(json) == JSON_OBJECT)
        (void)refuse(why, "json_invalid", "", "%s", reason.text);
    else
        (void)refuse(why, "json_invalid", "", "must be an object, not %s", json_kind_name(json_kind(json)));
    json_free(json);
    return ERR_INVALID;
}

void json_view_clear(struct json_view *view)
{
    free(view->bytes);
    free(view->values);
    *view = (struct json_view){.bytes = NULL};
}
