#include "common/answer.h"

#include <string.h>

#include "common/json.h"
#include "common/json_span.h"
#include "common/retry_after.h"
#include "common/utf8.h"

#define LINE_MAX_BYTES 4096 /* of a body that is not JSON: what is read of a line, and of the body in all */

static bool is_id_char(char c)
{
    return c > ' ' && c <= '~' && c != '"' && c != '\\';
}

/* Copies an id, or leaves "": no part of one is better than a part. */
static void copy_id(char out[ANSWER_ID_MAX], const char *data, size_t len)
{
    out[0] = '\0';
    if (!data || len >= ANSWER_ID_MAX)
        return;
    for (size_t i = 0; i < len; i++) {
        if (!is_id_char(data[i]))
            return;
    }
    memcpy(out, data, len);
    out[len] = '\0';
}

static void copy_header_id(char out[ANSWER_ID_MAX], const char *value)
{
    copy_id(out, value, value ? strnlen(value, ANSWER_ID_MAX) : 0);
}

static void copy_json_id(char out[ANSWER_ID_MAX], const struct json *object, const char *key)
{
    size_t len = 0;
    const char *text = json_text(json_get(object, key), &len);

    copy_id(out, text, len);
}

/* The id in the text of a JSON value; false when that is there and is not simply a text between quotes. */
static bool copy_span_id(char out[ANSWER_ID_MAX], struct span value)
{
    bool is_text = value.len >= 2 && value.data[0] == '"' && value.data[value.len - 1] == '"';

    if (is_text)
        copy_id(out, value.data + 1, value.len - 2);
    return span_is_empty(value) || (is_text && out[0] != '\0');
}

/* The ids of a success, looked up in its text: reading all of it into a tree would cost the worker a fifth of its
 * instructions. False when they are not plainly there, and the parser has to look. */
static bool find_ids(struct answer *ret, struct span body)
{
    static const char *const names[] = {"id", "conversationId"};
    struct span values[2];

    json_spans(body, names, 2, values);
    return !span_is_empty(values[0]) && copy_span_id(ret->message_id, values[0]) &&
           copy_span_id(ret->conversation_id, values[1]);
}

/* Codes are for people and for counting, not for looking up: a strange one is kept as far as it can be shown. */
static void copy_code(char out[ANSWER_ID_MAX], const char *data, size_t len)
{
    size_t size = len < ANSWER_ID_MAX ? len : ANSWER_ID_MAX - 1;

    for (size_t i = 0; i < size; i++)
        out[i] = is_id_char(data[i]) ? data[i] : '_';
    out[size] = '\0';
}

/* Whether a character would move, hide or reorder what is written after it on a line or a terminal: controls (C0, DEL,
 * C1), the soft hyphen and zero-width ones, line and paragraph separators, and the bidirectional overrides. */
static bool is_unprintable(int32_t point)
{
    return point < 0x20 || (point >= 0x7f && point <= 0x9f) || point == 0xad || (point >= 0x200b && point <= 0x200f) ||
           (point >= 0x2028 && point <= 0x202e) || (point >= 0x2060 && point <= 0x206f) || point == 0xfeff ||
           (point >= 0xfff9 && point <= 0xfffb);
}

/* Copies readable text: bytes that are not UTF-8 become '?', unprintable characters blanks, and blanks are kept only
 * one at a time and between words. Cut before the character that does not fit. */
static void copy_message(char out[ANSWER_MESSAGE_MAX], const char *data, size_t len)
{
    size_t used = 0;
    bool owes_blank = false;

    for (size_t at = 0, size; at < len; at += size) {
        int32_t point = utf8_decode(data + at, len - at, &size);
        const char *text = point < 0 ? "?" : data + at;

        if (point == ' ' || (point >= 0 && is_unprintable(point))) {
            owes_blank = used > 0;
            continue;
        }
        if (used + owes_blank + size > ANSWER_MESSAGE_MAX - 1)
            break;
        if (owes_blank)
            out[used++] = ' ';
        owes_blank = false;
        memcpy(out + used, text, size);
        used += size;
    }
    out[used] = '\0';
}

static bool is_markup(const char *data, size_t len)
{
    size_t at = 0;

    while (at < len && strchr(" \t\r\n", data[at]))
        at++;
    return at < len && data[at] == '<';
}

/* The first line with something to read; of a proxy's HTML page, without the tags: that is its title. */
static void copy_first_line(char out[ANSWER_MESSAGE_MAX], const char *data, size_t len)
{
    char line[LINE_MAX_BYTES];
    size_t used = 0;
    bool skips_tags, in_tag = false;

    out[0] = '\0';
    if (len > sizeof(line))
        len = sizeof(line);
    skips_tags = is_markup(data, len);
    for (size_t i = 0; i < len && out[0] == '\0'; i++) {
        if (skips_tags && (in_tag || data[i] == '<')) {
            in_tag = data[i] != '>';
            line[used++] = ' ';
        } else if (data[i] != '\n' && data[i] != '\r') {
            line[used++] = data[i];
        } else {
            copy_message(out, line, used);
            used = 0;
        }
    }
    if (out[0] == '\0')
        copy_message(out, line, used);
}

/* The first of the two that is a text with something in it. */
static const char *first_text(const struct json *one, const struct json *other, size_t *ret_len)
{
    const char *text = json_text(one, ret_len);

    if (!text || *ret_len == 0)
        text = json_text(other, ret_len);
    return text && *ret_len > 0 ? text : NULL;
}

static void read_error(struct answer *answer, const struct json *body)
{
    const struct json *nested = json_at(json_get(body, "errors"), 0);
    size_t len = 0;
    const char *text = first_text(json_get(body, "code"), json_get(nested, "code"), &len);

    if (!text)
        text = first_text(json_get(body, "error"), NULL, &len);
    if (text)
        copy_code(answer->error_code, text, len);
    text = first_text(json_get(body, "message"), json_get(nested, "message"), &len);
    if (!text)
        text = first_text(json_get(body, "error_description"), json_get(body, "description"), &len);
    if (text)
        copy_message(answer->error_message, text, len);
    if (answer->correlation_id[0] == '\0')
        copy_json_id(answer->correlation_id, body, "contextId");
}

void answer_read(struct answer *ret, const struct answer_raw *raw, int64_t now_ms)
{
    bool is_success = raw->status >= 200 && raw->status <= 299;
    struct reason unused; /* why a body is not JSON concerns nobody: it is shown as text instead */
    struct json *body = NULL;

    *ret = (struct answer){.status = raw->status, .retry_after_ms = -1};
    (void)retry_after_parse(raw->retry_after, now_ms, &ret->retry_after_ms); /* false leaves the -1 */
    copy_header_id(ret->correlation_id, raw->correlation_id);
    if (is_success && find_ids(ret, (struct span){raw->body, raw->body_len}))
        return;
    if (raw->body && raw->body_len > 0)
        (void)json_parse(&body, raw->body, raw->body_len, &unused); /* a failure leaves NULL */
    if (is_success) {
        copy_json_id(ret->message_id, body, "id");
        copy_json_id(ret->conversation_id, body, "conversationId");
        if (ret->message_id[0] == '\0' && raw->id_from_request_id)
            copy_header_id(ret->message_id, raw->request_id);
    } else if (json_kind(body) == JSON_OBJECT) {
        read_error(ret, body);
    } else if (raw->body) {
        copy_first_line(ret->error_message, raw->body, raw->body_len);
    }
    json_free(body);
}
