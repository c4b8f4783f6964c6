/* JSON (RFC 8259) out of hostile bytes that is only looked at: one pass checks it by the rules of json.h and notes
 * where each value stands, in two pieces of memory. What is to be changed becomes a tree (value_tree).
 *
 * As in json.h: of two members with one name the last counts, in the place of the first; a member that is null counts
 * as absent; a value that is NULL is JSON_ABSENT, and asking it for anything finds nothing. */
#ifndef HERALD_COMMON_JSON_VIEW_H
#define HERALD_COMMON_JSON_VIEW_H

#include "common/json.h"
#include "common/refusal.h"
#include "common/span.h"

struct json_value {
    struct span name;    /* of a member, without its escapes; absent in a list */
    struct span text;    /* a text without its escapes; number, true, false and null as they stand; else absent */
    uint32_t size;       /* itself and all below it: so far on stands the next one beside it */
    uint32_t count;      /* of the values right below */
    enum json_kind kind; /* JSON_ABSENT: taken out */
};

struct json_view {
    char *bytes;               /* a copy of the text, and behind it the texts that had escapes; owned */
    struct json_value *values; /* the whole, then what is below it, in the order of the text; owned; NULL: none */
    size_t count;              /* of values */
    size_t depth;              /* of the whole as it was read */
};

/* Returns 0 and the view of an object (caller frees with json_view_clear), or ERR_INVALID: it is no object, or nothing
 * that json_parse takes. */
int json_view_read(struct json_view *ret, const char *data, size_t len);
/* Says why not; returns ERR_INVALID. */
int json_view_refuse(const char *data, size_t len, struct refusal *why);
void json_view_clear(struct json_view *view);
const struct json_value *json_view_whole(const struct json_view *view); /* NULL: nothing was read */

/* Takes a member out of an object of the view; whether it was there, null or not. */
bool json_view_remove(struct json_view *view, const struct json_value *object, const char *name);

/* Questions; what they answer is borrowed from the view, and no NUL follows a text. */
enum json_kind value_kind(const struct json_value *value);
const struct json_value *value_find(const struct json_value *object, struct span name); /* NULL: absent or null */
struct span value_text(const struct json_value *value);                                 /* absent unless text */
struct span value_get_text(const struct json_value *object, const char *name);          /* and without a NUL inside */
bool value_integer(const struct json_value *value, int64_t *ret); /* false unless a whole number */
bool value_is_true(const struct json_value *value);
size_t value_count(const struct json_value *list);  /* 0 unless a list */
size_t value_depth(const struct json_value *value); /* 1 for a value without others in it */

/* As value_find; here, so that the length of a name that is written out costs nothing. */
static inline const struct json_value *value_get(const struct json_value *object, const char *name)
{
    return value_find(object, span_of(name));
}

/* What is right below a list or an object, in its order: NULL at the end. Null ones are JSON_NULL here. */
const struct json_value *value_first(const struct json_value *parent);
const struct json_value *value_next(const struct json_value *parent, const struct json_value *value);

/* Adds the value, and the member with its name, as compact text: the bytes that json_print makes of the tree. */
void value_print(const struct json_value *value, struct buf *out);
void value_print_member(const struct json_value *member, struct buf *out);

/* The same as a tree; caller frees with json_free. NULL for null, as in a tree. */
struct json *value_tree(const struct json_value *value);

#endif
