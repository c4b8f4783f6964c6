/* What a view says of its values. */
#include <stdlib.h>

#include "common/json_plain.h"
#include "common/json_view.h"
#include "common/mem.h"

const struct json_value *json_view_whole(const struct json_view *view)
{
    return view->values;
}

/* By hand, without value_next: every rule of a message asks for a member. */
static const struct json_value *find(const struct json_value *object, struct span name)
{
    if (value_kind(object) != JSON_OBJECT)
        return NULL;
    for (const struct json_value *at = object + 1, *end = object + object->size; at < end; at += at->size) {
        if (at->name.len == name.len && memcmp(at->name.data, name.data, name.len) == 0 && at->kind != JSON_ABSENT)
            return at;
    }
    return NULL;
}

bool json_view_remove(struct json_view *view, const struct json_value *object, const char *name)
{
    const struct json_value *member = find(object, span_of(name));

    if (member)
        view->values[member - view->values].kind = JSON_ABSENT;
    return member != NULL;
}

enum json_kind value_kind(const struct json_value *value)
{
    return value ? value->kind : JSON_ABSENT;
}

const struct json_value *value_find(const struct json_value *object, struct span name)
{
    const struct json_value *member = find(object, name);

    return value_kind(member) == JSON_NULL ? NULL : member;
}

struct span value_text(const struct json_value *value)
{
    return value_kind(value) == JSON_TEXT ? value->text : (struct span){NULL, 0};
}

struct span value_get_text(const struct json_value *object, const char *name)
{
    struct span text = value_text(value_get(object, name));

    return text.len > 0 && memchr(text.data, '\0', text.len) ? (struct span){NULL, 0} : text;
}

bool value_integer(const struct json_value *value, int64_t *ret)
{
    if (value_kind(value) != JSON_INTEGER)
        return false;
    *ret = strtoll(value->text.data, NULL, 10); /* it fits; a bracket, a comma or a blank follows */
    return true;
}

bool value_is_true(const struct json_value *value)
{
    return value_kind(value) == JSON_BOOL && value->text.data[0] == 't';
}

size_t value_count(const struct json_value *list)
{
    return value_kind(list) == JSON_ARRAY ? list->count : 0;
}

/* Recursion is bounded by JSON_MAX_DEPTH. */
size_t value_depth(const struct json_value *value)
{
    size_t deepest = 0;

    for (const struct json_value *at = value_first(value); at; at = value_next(value, at)) {
        size_t depth = value_depth(at);

        if (depth > deepest)
            deepest = depth;
    }
    return deepest + 1;
}

/* `value`, or the first beside it that was not taken out. */
static const struct json_value *pass_absent(const struct json_value *parent, const struct json_value *value)
{
    const struct json_value *end = parent + parent->size;

    while (value < end && value->kind == JSON_ABSENT)
        value += value->size;
    return value < end ? value : NULL;
}

const struct json_value *value_first(const struct json_value *parent)
{
    return parent ? pass_absent(parent, parent + 1) : NULL;
}

const struct json_value *value_next(const struct json_value *parent, const struct json_value *value)
{
    return pass_absent(parent, value + value->size);
}

/* json-c's escapes, so that a message stays the same bytes whoever writes it. */
static size_t escape_of(char c, char out[8])
{
    static const char meant[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt", hex[] = "0123456789abcdef";
    const char *found = c ? strchr(meant, c) : NULL;

    if (found) {
        out[0] = '\\';
        out[1] = letters[found - meant];
        return 2;
    }
    out[0] = '\\';
    out[1] = 'u';
    out[2] = out[3] = '0';
    out[4] = hex[c >> 4];
    out[5] = hex[c & 15];
    return 6;
}

static void print_text(struct span text, struct buf *out)
{
    size_t from = 0, i;

    buf_char(out, '"');
    for (i = json_plain_length(text.data, text.len); i < text.len;
         i += 1 + json_plain_length(text.data + i + 1, text.len - i - 1)) {
        char c = text.data[i], escape[8];

        if ((unsigned char)c >= ' ' && c != '"' && c != '\\')
            continue;
        buf_add(out, text.data + from, i - from);
        buf_add(out, escape, escape_of(c, escape));
        from = i + 1;
    }
    buf_add(out, text.data + from, i - from);
    buf_char(out, '"');
}

/* Recursion is bounded by JSON_MAX_DEPTH. */
static void print_below(const struct json_value *parent, struct buf *out)
{
    bool is_object = parent->kind == JSON_OBJECT;
    const char *comma = "";

    buf_char(out, is_object ? '{' : '[');
    for (const struct json_value *value = value_first(parent); value; value = value_next(parent, value)) {
        buf_text(out, comma);
        comma = ",";
        if (is_object)
            value_print_member(value, out);
        else
            value_print(value, out);
    }
    buf_char(out, is_object ? '}' : ']');
}

void value_print(const struct json_value *value, struct buf *out)
{
    switch (value_kind(value)) {
    case JSON_ABSENT:
        buf_text(out, "null");
        break;
    case JSON_INTEGER:
        if (span_is(value->text, "-0"))
            buf_char(out, '0');
        else
            buf_add(out, value->text.data, value->text.len);
        break;
    case JSON_NULL:
    case JSON_BOOL:
    case JSON_REAL:
        buf_add(out, value->text.data, value->text.len);
        break;
    case JSON_TEXT:
        print_text(value->text, out);
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        print_below(value, out);
        break;
    }
}

void value_print_member(const struct json_value *member, struct buf *out)
{
    print_text(member->name, out);
    buf_char(out, ':');
    value_print(member, out);
}

static struct json *tree_of_object(const struct json_value *object)
{
    struct json *tree = json_new_object();

    for (const struct json_value *member = value_first(object); member; member = value_next(object, member)) {
        char *name = mem_copy(member->name.data, member->name.len);

        json_set(tree, name, value_tree(member));
        free(name);
    }
    return tree;
}

static struct json *tree_of_list(const struct json_value *list)
{
    struct json *tree = json_new_array();

    for (const struct json_value *value = value_first(list); value; value = value_next(list, value))
        json_append(tree, value_tree(value));
    return tree;
}

static struct json *tree_of_real(struct span text)
{
    char *copy = mem_copy(text.data, text.len);
    struct json *tree = json_new_real(copy);

    free(copy);
    return tree;
}

struct json *value_tree(const struct json_value *value)
{
    int64_t number = 0;

    switch (value_kind(value)) {
    case JSON_ABSENT:
    case JSON_NULL:
        return NULL;
    case JSON_BOOL:
        return json_new_bool(value_is_true(value));
    case JSON_INTEGER:
        (void)value_integer(value, &number); /* it is one */
        return json_new_integer(number);
    case JSON_REAL:
        return tree_of_real(value->text);
    case JSON_TEXT:
        return json_new_text(value->text.data, value->text.len);
    case JSON_ARRAY:
        return tree_of_list(value);
    case JSON_OBJECT:
        return tree_of_object(value);
    }
    return NULL;
}
