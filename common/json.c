#include "common/json.h"

#include <json-c/json.h>
#include <string.h>

#include "common/json_number.h"
#include "common/utf8.h"

static struct json_object *raw(const struct json *value)
{
    return (struct json_object *)(uintptr_t)value; /* json-c has no const; nothing here changes a borrowed value */
}

static struct json *wrap(struct json_object *value)
{
    return (struct json *)value;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int scan_number(const char *data, size_t len, size_t at, size_t *ret_len, struct reason *why)
{
    bool is_whole;
    size_t size = json_number_length(data + at, len - at, &is_whole); /* json-c takes `1.`, `-.5` and `00` */

    if (size == 0) {
        reason_set(why, "the number at byte %zu is not JSON", at);
        return ERR_INVALID;
    }
    if (is_whole && !json_number_fits(data + at, size)) {
        reason_set(why, "the number at byte %zu is out of range (64 bits)", at);
        return ERR_INVALID;
    }
    *ret_len = size;
    return 0;
}

/* The length of the text that begins after a quote at `data`, its closing quote included; `len` when it is cut.
 * Names of members may have no escaped NUL: json-c would end them there. */
static int scan_text(const char *data, size_t len, size_t at, size_t *ret_len, struct reason *why)
{
    bool has_nul = false;
    size_t i = at;

    for (; i < len && data[i] != '"'; i++) {
        if ((unsigned char)data[i] < 0x20) {
            reason_set(why,
                       data[i] ? "the control character at byte %zu is not JSON unless escaped"
                               : "a NUL byte at byte %zu is not JSON",
                       i);
            return ERR_INVALID;
        }
        if (data[i] == '\\' && i + 1 < len && (unsigned char)data[i + 1] >= 0x20) {
            has_nul = has_nul || (len - i >= 6 && memcmp(data + i, "\\u0000", 6) == 0);
            i++;
        }
    }
    i += i < len;
    *ret_len = i - at;
    while (i < len && strchr(" \t\r\n", data[i]) && data[i] != '\0')
        i++;
    if (has_nul && i < len && data[i] == ':') {
        reason_set(why, "the name of the member at byte %zu has a NUL character in it", at);
        return ERR_INVALID;
    }
    return 0;
}

/* All that can stand outside a text: punctuation, blanks, numbers and the letters of true, false and null. */
static const char outside_texts[] = "{}[],: \t\r\n0123456789+-.eEtrufalsn";

/* One pass over what json-c does not mind: NUL bytes, whole numbers it would clamp, comments, single quotes, NaN. */
static int scan(const char *data, size_t len, struct reason *why)
{
    for (size_t i = 0, size = 1; i < len; i += size) {
        size = 1;
        if (data[i] == '\0') {
            reason_set(why, "a NUL byte at byte %zu is not JSON", i);
            return ERR_INVALID;
        }
        if (data[i] == '"') {
            if (scan_text(data, len, i + 1, &size, why) != 0)
                return ERR_INVALID;
            size++;
        } else if (data[i] == '-' || is_digit(data[i])) {
            if (scan_number(data, len, i, &size, why) != 0)
                return ERR_INVALID;
        } else if (!strchr(outside_texts, data[i])) {
            reason_set(why, "the character at byte %zu is not JSON", i);
            return ERR_INVALID;
        }
    }
    return 0;
}

static bool is_blank(const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!strchr(" \t\r\n", data[i]))
            return false;
    }
    return true;
}

int json_parse(struct json **ret, const char *data, size_t len, struct reason *why)
{
    struct json_tokener *tokener;
    struct json_object *value = NULL;
    enum json_tokener_error error;
    size_t end;

    if (len > JSON_MAX_BYTES) {
        reason_set(why, "%zu bytes are more than the %zu that one message may have", len, JSON_MAX_BYTES);
        return ERR_LIMIT;
    }
    if (len == 0 || is_blank(data, len)) {
        reason_set(why, "there is nothing in it");
        return ERR_INVALID;
    }
    if (scan(data, len, why) != 0)
        return ERR_INVALID;
    if (!utf8_is_valid(data, len)) { /* json-c lets overlong forms through */
        reason_set(why, "not JSON: byte %zu is not UTF-8", utf8_valid_prefix(data, len));
        return ERR_INVALID;
    }
    tokener = json_tokener_new_ex(JSON_MAX_DEPTH);
    if (!tokener)
        abort();
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS);
    value = json_tokener_parse_ex(tokener, data, (int)len);
    error = json_tokener_get_error(tokener);
    end = json_tokener_get_parse_end(tokener);
    if (error == json_tokener_continue) { /* a number alone, or text that is cut: one blank ends the first */
        value = json_tokener_parse_ex(tokener, "\n", 1);
        error = json_tokener_get_error(tokener);
        end = len;
    }
    json_tokener_free(tokener);
    if (error == json_tokener_continue)
        reason_set(why, "the JSON ends before it is complete");
    else if (error != json_tokener_success)
        reason_set(why, "not JSON: %s at byte %zu", json_tokener_error_desc(error), end);
    else if (end < len && !is_blank(data + end, len - end))
        reason_set(why, "something follows the JSON at byte %zu", end);
    else if (!value)
        reason_set(why, "null is not a message");
    else {
        *ret = wrap(value);
        return 0;
    }
    json_object_put(value);
    return ERR_INVALID;
}

void json_free(struct json *value)
{
    (void)json_object_put(raw(value)); /* takes NULL; whether others still own it does not matter here */
}

enum json_kind json_kind(const struct json *value)
{
    if (!value)
        return JSON_ABSENT;
    switch (json_object_get_type(raw(value))) {
    case json_type_null:
        return JSON_NULL;
    case json_type_boolean:
        return JSON_BOOL;
    case json_type_double:
        return JSON_REAL;
    case json_type_int:
        return JSON_INTEGER;
    case json_type_object:
        return JSON_OBJECT;
    case json_type_array:
        return JSON_ARRAY;
    case json_type_string:
        return JSON_TEXT;
    }
    return JSON_ABSENT;
}

const char *json_kind_name(enum json_kind kind)
{
    static const char *const names[] = {
        [JSON_ABSENT] = "absent",   [JSON_NULL] = "null", [JSON_BOOL] = "true or false", [JSON_INTEGER] = "a number",
        [JSON_REAL] = "a fraction", [JSON_TEXT] = "text", [JSON_ARRAY] = "an array",     [JSON_OBJECT] = "an object",
    };

    return names[kind];
}

const struct json *json_get(const struct json *object, const char *key)
{
    struct json_object *member = NULL;

    if (json_kind(object) != JSON_OBJECT || !json_object_object_get_ex(raw(object), key, &member))
        return NULL;
    return wrap(member);
}

bool json_has(const struct json *object, const char *key)
{
    return json_kind(object) == JSON_OBJECT && json_object_object_get_ex(raw(object), key, NULL);
}

struct json *json_edit(struct json *object, const char *key)
{
    return wrap(raw(json_get(object, key)));
}

const char *json_text(const struct json *value, size_t *ret_len)
{
    if (json_kind(value) != JSON_TEXT)
        return NULL;
    if (ret_len)
        *ret_len = (size_t)json_object_get_string_len(raw(value));
    return json_object_get_string(raw(value));
}

const char *json_get_text(const struct json *object, const char *key)
{
    size_t len;
    const char *text = json_text(json_get(object, key), &len);

    return text && strlen(text) == len ? text : NULL;
}

bool json_integer(const struct json *value, int64_t *ret)
{
    if (json_kind(value) != JSON_INTEGER)
        return false;
    *ret = json_object_get_int64(raw(value));
    return true;
}

bool json_is_true(const struct json *value)
{
    return json_kind(value) == JSON_BOOL && json_object_get_boolean(raw(value));
}

size_t json_count(const struct json *array)
{
    return json_kind(array) == JSON_ARRAY ? json_object_array_length(raw(array)) : 0;
}

const struct json *json_at(const struct json *array, size_t index)
{
    return index < json_count(array) ? wrap(json_object_array_get_idx(raw(array), index)) : NULL;
}

void json_each(const struct json *object, bool (*visit)(void *context, const char *key, const struct json *value),
               void *context)
{
    struct json_object_iterator at, end;

    if (json_kind(object) != JSON_OBJECT)
        return;
    at = json_object_iter_begin(raw(object));
    end = json_object_iter_end(raw(object));
    for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
        if (!visit(context, json_object_iter_peek_name(&at), wrap(json_object_iter_peek_value(&at))))
            return;
    }
}

static struct json *must(struct json_object *value)
{
    if (!value)
        abort(); /* out of memory: see mem.h */
    return wrap(value);
}

struct json *json_new_object(void)
{
    return must(json_object_new_object());
}

struct json *json_new_array(void)
{
    return must(json_object_new_array());
}

struct json *json_new_text(const char *data, size_t len)
{
    return must(json_object_new_string_len(data, (int)len));
}

struct json *json_new_integer(int64_t number)
{
    return must(json_object_new_int64(number));
}

struct json *json_new_real(const char *text)
{
    return must(json_object_new_double_s(strtod(text, NULL), text));
}

struct json *json_new_bool(bool truth)
{
    return must(json_object_new_boolean(truth));
}

struct json *json_ref(const struct json *value)
{
    return wrap(json_object_get(raw(value)));
}

void json_set(struct json *object, const char *key, struct json *value)
{
    if (json_object_object_add(raw(object), key, raw(value)) != 0)
        abort(); /* out of memory: see mem.h */
}

void json_remove(struct json *object, const char *key)
{
    json_object_object_del(raw(object), key);
}

void json_append(struct json *array, struct json *value)
{
    if (json_object_array_add(raw(array), raw(value)) != 0)
        abort(); /* out of memory: see mem.h */
}

void json_print(const struct json *value, struct buf *buf)
{
    size_t len = 0;
    const char *text =
        json_object_to_json_string_length(raw(value), JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);

    buf_add(buf, text, len);
}
