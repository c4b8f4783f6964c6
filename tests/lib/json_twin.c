#include "tests/lib/json_twin.h"

#include <string.h>

#include "common/json_view.h"

static const char *compare(const struct json_value *value, const struct json *tree);

struct walk {
    const struct json_value *object, *at; /* the next member */
    const char *difference;
};

static bool compare_member(void *context, const char *name, const struct json *value)
{
    struct walk *walk = context;
    const struct json_value *at = walk->at;

    if (!at || !span_is(at->name, name))
        walk->difference = "the names of members";
    else if (value_get(walk->object, name) != (value ? at : NULL))
        walk->difference = "the member that is found by its name";
    else
        walk->difference = compare(at, value);
    walk->at = at ? value_next(walk->object, at) : NULL;
    return walk->difference == NULL;
}

static const char *compare_objects(const struct json_value *value, const struct json *tree)
{
    struct walk walk = {value, value_first(value), NULL};

    json_each(tree, compare_member, &walk);
    return walk.difference ? walk.difference : walk.at ? "how many members there are" : NULL;
}

static const char *compare_lists(const struct json_value *value, const struct json *tree)
{
    const struct json_value *at = value_first(value);
    const char *difference = NULL;

    if (value_count(value) != json_count(tree))
        return "how long a list is";
    for (size_t i = 0; i < json_count(tree) && !difference; i++) {
        difference = at ? compare(at, json_at(tree, i)) : "what a list has";
        at = at ? value_next(value, at) : NULL;
    }
    return difference ? difference : at ? "where a list ends" : NULL;
}

static const char *compare_texts(const struct json_value *value, const struct json *tree)
{
    size_t len = 0;
    const char *text = json_text(tree, &len);
    struct span own = value_text(value);

    if ((text == NULL) != (own.data == NULL) || len != own.len || (len > 0 && memcmp(text, own.data, len) != 0))
        return "a text";
    return NULL;
}

static const char *compare(const struct json_value *value, const struct json *tree)
{
    enum json_kind kind = value_kind(value) == JSON_NULL ? JSON_ABSENT : value_kind(value);
    int64_t a = 0, b = 0;

    if (kind != json_kind(tree))
        return "the kind of a value";
    if (value_integer(value, &a) != json_integer(tree, &b) || a != b)
        return "a whole number";
    if (value_is_true(value) != json_is_true(tree))
        return "what is true";
    if (kind == JSON_OBJECT)
        return compare_objects(value, tree);
    return kind == JSON_ARRAY ? compare_lists(value, tree) : compare_texts(value, tree);
}

static bool is_same(const struct buf *a, const struct buf *b)
{
    return !a->overflow && a->len == b->len && memcmp(buf_str(a), buf_str(b), a->len) == 0;
}

static const char *compare_prints(const struct json_value *value, const struct json *tree)
{
    struct json *made = value_tree(value);
    struct buf by_view, by_tree, by_made;
    const char *difference = NULL;

    buf_init(&by_view, 8 * JSON_MAX_BYTES);
    buf_init(&by_tree, 8 * JSON_MAX_BYTES);
    buf_init(&by_made, 8 * JSON_MAX_BYTES);
    value_print(value, &by_view);
    json_print(tree, &by_tree);
    json_print(made, &by_made);
    if (!is_same(&by_view, &by_tree))
        difference = "what is printed";
    else if (!is_same(&by_made, &by_tree))
        difference = "the tree that is made of a view";
    buf_clear(&by_view);
    buf_clear(&by_tree);
    buf_clear(&by_made);
    json_free(made);
    return difference;
}

static bool visit_depth(void *context, const char *key, const struct json *value)
{
    size_t *deepest = context, depth = json_twin_depth(value);

    (void)key; /* only how deep it goes */
    if (depth > *deepest)
        *deepest = depth;
    return true;
}

/* Recursion is bounded by JSON_MAX_DEPTH. */
size_t json_twin_depth(const struct json *value)
{
    size_t deepest = 0;

    json_each(value, visit_depth, &deepest);
    for (size_t i = 0; i < json_count(value); i++)
        (void)visit_depth(&deepest, NULL, json_at(value, i)); /* always goes on */
    return deepest + 1;
}

const char *json_twin_difference(const char *data, size_t len)
{
    struct json *tree = NULL;
    struct json_view view;
    bool is_object = json_parse(&tree, data, len, NULL) == 0 && json_kind(tree) == JSON_OBJECT;
    const char *difference = NULL;

    if ((json_view_read(&view, data, len) == 0) != is_object)
        difference = is_object ? "the tree takes it, the view does not" : "the view takes it, the tree does not";
    if (is_object && !difference)
        difference = compare(json_view_whole(&view), tree);
    if (is_object && !difference)
        difference = compare_prints(json_view_whole(&view), tree);
    if (is_object && !difference &&
        (view.depth != json_twin_depth(tree) || value_depth(json_view_whole(&view)) != view.depth))
        difference = "how deep it is";
    json_view_clear(&view);
    json_free(tree);
    return difference;
}
