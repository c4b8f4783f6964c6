#ifndef SANDBOX_BODY_H
#define SANDBOX_BODY_H

#include "tests/sandbox/ledger.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BODY_MAX       512000 /* request.bytes.max of the platform */
#define BODY_DEPTH_MAX 32

struct json_object;

/* Why a body was refused; `code` is NULL while nothing is wrong. The first problem found is the one that is kept. */
struct problem {
    const char *code;
    const char *field;
    char message[192];
};

void problem_set(struct problem *problem, const char *code, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* body_parse: the JSON value of the bytes (body_free it), or NULL and the problem. Strict: no NUL, no invalid UTF-8,
 * no nesting deeper than BODY_DEPTH_MAX, nothing after the value. */
struct json_object *body_parse(const char *bytes, size_t length, struct problem *problem);
void body_free(struct json_object *body);

/* The readers borrow from `object`. A member that is null counts as absent. A member of the wrong type, and an absent
 * one that is `required`, set the problem; the result is then empty. `prefix` names the object in messages. */
bool body_is_object(const struct json_object *value);
bool body_is_array(const struct json_object *value);
struct span body_string(const struct json_object *object, const char *prefix, const char *name, bool required,
                        struct problem *problem);
const struct json_object *body_object(const struct json_object *object, const char *name, bool required,
                                      struct problem *problem);
const struct json_object *body_array(const struct json_object *object, const char *name, bool required,
                                     size_t *ret_count, struct problem *problem);
/* body_count: elements of an array, or 0 for anything else. */
size_t body_count(const struct json_object *array);
const struct json_object *body_element(const struct json_object *array, size_t index);
bool body_bool(const struct json_object *object, const char *prefix, const char *name, struct problem *problem);
int64_t body_int(const struct json_object *object, const char *name, int64_t least, int64_t most, int64_t absent,
                 struct problem *problem);

/* body_plain: the bytes of a value that is a string without a NUL, or NULL bytes. */
struct span body_plain(const struct json_object *value);

/* body_text: body_string for a text of at most `units` UTF-16 code units; a present one must not be empty. */
struct span body_text(const struct json_object *object, const char *prefix, const char *name, bool required,
                      size_t units, struct problem *problem);

/* body_address: body_string for an address: not empty, and short enough for the ledger. */
struct span body_address(const struct json_object *object, const char *prefix, const char *name, bool required,
                         struct problem *problem);

/* body_unknown: the name of the first member that is not in the NULL-terminated list, or NULL. */
const char *body_unknown(const struct json_object *object, const char *const *known);

/* body_each: calls `visit` for every member of an object until one sets the problem. */
void body_each(const struct json_object *object,
               void (*visit)(void *context, const char *name, const struct json_object *value, struct problem *problem),
               void *context, struct problem *problem);

/* body_scalar: a number, string or boolean as text for the parsers of units.h; NULL for other types. */
const char *body_scalar(const struct json_object *value);

#endif
