/* Hostile JSON made safe to look at: parsing with limits, and readers that check the type of every member.
 *
 * json-c stays inside this file. What it would let pass is refused before or after it: raw NUL bytes and invalid UTF-8
 * in the bytes, escaped NULs in the strings that are read, trailing bytes behind the value. */
#include "tests/sandbox/body.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <json-c/json.h>

void problem_set(struct problem *problem, const char *code, const char *field, const char *format, ...)
{
    if (problem->code != NULL) {
        return;
    }
    problem->code = code;
    problem->field = field;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(problem->message, sizeof problem->message, format, arguments); /* cut short is good enough */
    va_end(arguments);
}

static bool is_blank(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != ' ' && bytes[i] != '\t' && bytes[i] != '\r' && bytes[i] != '\n') {
            return false;
        }
    }
    return true;
}

/* has_raw_control: JSON wants control characters inside strings escaped; json-c, even when strict, does not. */
static bool has_raw_control(const char *bytes, size_t length)
{
    bool in_string = false;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (byte == '"') {
            in_string = !in_string;
        } else if (byte == '\\' && in_string) {
            i += i + 1 < length && (unsigned char)bytes[i + 1] >= 0x20; /* whatever is escaped is not looked at */
        } else if (byte < 0x20 && in_string) {
            return true;
        }
    }
    return false;
}

struct json_object *body_parse(const char *bytes, size_t length, struct problem *problem)
{
    if (length == 0) {
        problem_set(problem, "bad.request", NULL, "The request body is missing.");
        return NULL;
    }
    if (length > BODY_MAX || !text_is_utf8(bytes, length)) {
        problem_set(problem, "bad.request", NULL, "The request body is not valid UTF-8 text.");
        return NULL;
    }
    if (has_raw_control(bytes, length)) {
        problem_set(problem, "bad.request", NULL, "The request body has an unescaped control character.");
        return NULL;
    }
    struct json_tokener *tokener = json_tokener_new_ex(BODY_DEPTH_MAX);
    if (tokener == NULL) {
        problem_set(problem, "internal.server.error", NULL, "The sandbox is out of memory.");
        return NULL;
    }
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    struct json_object *body = json_tokener_parse_ex(tokener, bytes, (int)length);
    enum json_tokener_error error = json_tokener_get_error(tokener);
    size_t end = json_tokener_get_parse_end(tokener);
    if (error == json_tokener_continue) { /* a number at the top has no end of its own; nothing here wants one */
        error = json_tokener_error_parse_eof;
    }
    if (error == json_tokener_success && !is_blank(bytes + end, length - end)) {
        error = json_tokener_error_parse_unexpected;
    }
    json_tokener_free(tokener);
    if (error != json_tokener_success) {
        problem_set(problem, "bad.request", NULL, "The request body is not valid JSON: %s at byte %zu.",
                    json_tokener_error_desc(error), end);
        body_free(body);
        return NULL;
    }
    return body;
}

void body_free(struct json_object *body)
{
    (void)json_object_put(body); /* NULL is fine; whether it was the last reference does not matter */
}

bool body_is_object(const struct json_object *value)
{
    return json_object_is_type(value, json_type_object);
}

bool body_is_array(const struct json_object *value)
{
    return json_object_is_type(value, json_type_array);
}

/* member: the member if it is there, is not null and has the type; else NULL, with a problem unless it may be absent.
 */
static struct json_object *member(const struct json_object *object, const char *prefix, const char *name,
                                  enum json_type type, bool required, struct problem *problem)
{
    struct json_object *value = NULL;
    (void)json_object_object_get_ex(object, name, &value); /* absent leaves NULL, the same as null */
    if (value == NULL) {
        if (required) {
            problem_set(problem, "bad.request", name, "The field '%s%s' is required.", prefix, name);
        }
        return NULL;
    }
    if (!json_object_is_type(value, type)) {
        problem_set(problem, "bad.request", name, "The field '%s%s' must be of type %s.", prefix, name,
                    json_type_to_name(type));
        return NULL;
    }
    return value;
}

struct span body_plain(const struct json_object *value)
{
    if (!json_object_is_type(value, json_type_string)) {
        return (struct span){NULL, 0};
    }
    /* json-c may make the text when it is asked for it, so its functions take no const: see body_scalar. */
    union {
        const struct json_object *in;
        struct json_object *out;
    } value_as = {.in = value};
    struct span string = {json_object_get_string(value_as.out), (size_t)json_object_get_string_len(value)};
    return memchr(string.bytes, 0, string.length) == NULL ? string : (struct span){NULL, 0};
}

struct span body_string(const struct json_object *object, const char *prefix, const char *name, bool required,
                        struct problem *problem)
{
    struct json_object *value = member(object, prefix, name, json_type_string, required, problem);
    if (value == NULL) {
        return (struct span){NULL, 0};
    }
    struct span string = body_plain(value);
    if (string.bytes == NULL) {
        problem_set(problem, "bad.request", name, "The field '%s%s' contains a NUL character.", prefix, name);
    }
    return string;
}

const struct json_object *body_object(const struct json_object *object, const char *name, bool required,
                                      struct problem *problem)
{
    return member(object, "", name, json_type_object, required, problem);
}

const struct json_object *body_array(const struct json_object *object, const char *name, bool required,
                                     size_t *ret_count, struct problem *problem)
{
    struct json_object *array = member(object, "", name, json_type_array, required, problem);
    *ret_count = array == NULL ? 0 : json_object_array_length(array);
    if (required && array != NULL && *ret_count == 0) {
        problem_set(problem, "bad.request", name, "The field '%s' must not be empty.", name);
    }
    return array;
}

size_t body_count(const struct json_object *array)
{
    return body_is_array(array) ? json_object_array_length(array) : 0;
}

const struct json_object *body_element(const struct json_object *array, size_t index)
{
    return json_object_array_get_idx(array, index);
}

bool body_bool(const struct json_object *object, const char *prefix, const char *name, struct problem *problem)
{
    struct json_object *value = member(object, prefix, name, json_type_boolean, false, problem);
    return value != NULL && json_object_get_boolean(value);
}

int64_t body_int(const struct json_object *object, const char *name, int64_t least, int64_t most, int64_t absent,
                 struct problem *problem)
{
    struct json_object *value = member(object, "", name, json_type_int, false, problem);
    if (value == NULL) {
        return absent;
    }
    int64_t number = json_object_get_int64(value);
    if (number < least || number > most) {
        problem_set(problem, "bad.request", name, "The field '%s' must be between %lld and %lld.", name,
                    (long long)least, (long long)most);
        return absent;
    }
    return number;
}

struct span body_text(const struct json_object *object, const char *prefix, const char *name, bool required,
                      size_t units, struct problem *problem)
{
    struct span text = body_string(object, prefix, name, required, problem);
    if (text.bytes == NULL) {
        return text;
    }
    size_t length = text_utf16_length(text.bytes, text.length);
    if (length == 0) {
        problem_set(problem, "bad.request", name, "The field '%s%s' must not be empty.", prefix, name);
    } else if (length > units) {
        problem_set(problem, "invalid.value", name, "The field '%s%s' has %zu characters; the limit is %zu.", prefix,
                    name, length, units);
    }
    return text;
}

struct span body_address(const struct json_object *object, const char *prefix, const char *name, bool required,
                         struct problem *problem)
{
    struct span address = body_string(object, prefix, name, required, problem);
    if (address.bytes == NULL) {
        return address;
    }
    if (address.length == 0 || address.length > LEDGER_PART_MAX) {
        problem_set(problem, "bad.request", name, "The field '%s%s' must have 1 to %d bytes.", prefix, name,
                    LEDGER_PART_MAX);
        return (struct span){NULL, 0};
    }
    return address;
}

const char *body_unknown(const struct json_object *object, const char *const *known)
{
    json_object_object_foreach(object, name, value)
    {
        (void)value;
        const char *const *at = known;
        while (*at != NULL && strcmp(*at, name) != 0) {
            at++;
        }
        if (*at == NULL) {
            return name;
        }
    }
    return NULL;
}

void body_each(const struct json_object *object,
               void (*visit)(void *context, const char *name, const struct json_object *value, struct problem *problem),
               void *context, struct problem *problem)
{
    json_object_object_foreach(object, name, value)
    {
        visit(context, name, value, problem);
        if (problem->code != NULL) {
            return;
        }
    }
}

const char *body_scalar(const struct json_object *value)
{
    switch (json_object_get_type(value)) {
    case json_type_string:
    case json_type_int:
    case json_type_double:
    case json_type_boolean:
        break;
    case json_type_null:
    case json_type_object:
    case json_type_array:
        return NULL;
    }
    /* json-c keeps the text inside the value, so its function takes no const; the value itself does not change. */
    union {
        const struct json_object *in;
        struct json_object *out;
    } value_as = {.in = value};
    return json_object_get_string(value_as.out);
}
