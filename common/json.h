/* JSON (RFC 8259) out of hostile bytes, over json-c, whose types stay in json.c.
 *
 * What json-c would let through is refused before it: NUL bytes, invalid UTF-8, nesting deeper than JSON_MAX_DEPTH,
 * more than JSON_MAX_BYTES, whole numbers that do not fit 64 bits (json-c would quietly clamp them, and unknown fields
 * must be carried unchanged), NaN and Infinity. */
#ifndef HERALD_COMMON_JSON_H
#define HERALD_COMMON_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/reason.h"

#define JSON_MAX_BYTES ((size_t)1 << 20)
#define JSON_MAX_DEPTH 32

struct json; /* one value with all below it */

enum json_kind { JSON_ABSENT, JSON_NULL, JSON_BOOL, JSON_INTEGER, JSON_REAL, JSON_TEXT, JSON_ARRAY, JSON_OBJECT };

/* Returns 0 and the value (caller frees with json_free), or ERR_INVALID / ERR_LIMIT with what and where.
 * The literal `null` alone is ERR_INVALID: nothing that Herald reads is one. */
int json_parse(struct json **ret, const char *data, size_t len, struct reason *why);
void json_free(struct json *value); /* takes NULL */

/* Questions; a value that is NULL is JSON_ABSENT, and asking it for anything finds nothing. Results are borrowed. */
enum json_kind json_kind(const struct json *value);
const char *json_kind_name(enum json_kind kind);                         /* "an array", for error messages */
const struct json *json_get(const struct json *object, const char *key); /* NULL: absent or null */
bool json_has(const struct json *object, const char *key);               /* true for a member that is null, too */
const char *json_text(const struct json *value, size_t *ret_len);        /* NULL unless text; has a NUL after it */
const char *json_get_text(const struct json *object, const char *key);   /* NULL unless text without a NUL inside */
bool json_integer(const struct json *value, int64_t *ret);               /* false unless a whole number */
bool json_is_true(const struct json *value);
size_t json_count(const struct json *array);                  /* 0 unless an array */
struct json *json_edit(struct json *object, const char *key); /* as json_get, of a value that is ours to change */
const struct json *json_at(const struct json *array, size_t index);

/* Calls `visit` for each member until it returns false. */
void json_each(const struct json *object, bool (*visit)(void *context, const char *key, const struct json *value),
               void *context);

/* Building. Values handed in are taken. */
struct json *json_new_object(void);
struct json *json_new_array(void);
struct json *json_new_text(const char *data, size_t len);
struct json *json_new_integer(int64_t number);
struct json *json_new_real(const char *text); /* a number, printed as it is written here */
struct json *json_new_bool(bool truth);
struct json *json_ref(const struct json *value); /* one more owner of the same value; pairs with json_free */
void json_set(struct json *object, const char *key, struct json *value);
void json_remove(struct json *object, const char *key);
void json_append(struct json *array, struct json *value);

/* Adds the value to `buf` as compact text, members in their order. */
void json_print(const struct json *value, struct buf *buf);

#endif
