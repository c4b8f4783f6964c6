#include "producer/audit_chain.h"

#include <string.h>

#include "common/base64.h"
#include "common/ids.h"
#include "common/json_check.h"
#include "common/utf8.h"

#define TEXT_MAX ((size_t)1 << 20) /* bytes of fields that are kept as text: escaped, they still fit a line */
#define HASH_LEN (DIGEST_HEX_SIZE - 1)
#define TAIL     ",\"sha256\":\""
#define TAIL_LEN (sizeof(TAIL) - 1 + HASH_LEN + 2) /* up to the closing quote and brace */

void audit_link_start(struct audit_link *link, const char *org)
{
    *link = (struct audit_link){.prev = AUDIT_START, .sha256 = AUDIT_START};
    memcpy(link->org, org, strnlen(org, STORE_ORG_MAX));
}

bool audit_is_hash(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!(text[i] >= '0' && text[i] <= '9') && !(text[i] >= 'a' && text[i] <= 'f'))
            return false;
    }
    return len == HASH_LEN;
}

/* --- writing --- */

static size_t field_count(const struct store_audit_entry *entry)
{
    return entry->text.data ? 2 : entry->field_count;
}

static struct span field_at(const struct store_audit_entry *entry, size_t index)
{
    if (entry->text.data)
        return index == 0 ? span_of("e") : entry->text;
    return store_audit_field(entry, index);
}

static void add_raw(struct buf *out, const struct store_audit_entry *entry)
{
    size_t count = field_count(entry), size = 0;
    bool is_text = true;

    for (size_t i = 0; i < count; i++) {
        struct span field = field_at(entry, i);

        size += field.len + 8; /* what stands around it, and more */
        is_text = is_text && size <= TEXT_MAX && utf8_is_valid(field.data, field.len);
    }
    buf_text(out, is_text ? "\"raw\":[" : "\"raw_base64\":[");
    for (size_t i = 0; i < count; i++) {
        struct span field = field_at(entry, i);

        buf_text(out, i ? "," : "");
        if (is_text) {
            buf_json(out, field.data, field.len);
            continue;
        }
        buf_char(out, '"');
        base64_add(out, field.data, field.len);
        buf_char(out, '"');
    }
    buf_char(out, ']');
    if (!entry->text.data && (size_t)entry->size > STORE_AUDIT_ENTRY_MAX)
        buf_member_int(out, "raw_size", entry->size);
}

static void add_unsigned(struct buf *out, uint64_t number)
{
    char digits[24];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    buf_add(out, digits + at, sizeof(digits) - at);
}

void audit_chain_begin(uint64_t seq, const char *prev, struct buf *out)
{
    buf_text(out, "{\"seq\":");
    add_unsigned(out, seq);
    buf_text(out, ",\"prev\":\"");
    buf_add(out, prev, HASH_LEN);
    buf_char(out, '"');
}

void audit_chain_write(struct audit_link *link, const struct store_audit_entry *entry, struct buf *out)
{
    size_t begin = out->len;
    char end[AUDIT_END_LEN];

    memcpy(link->prev, link->sha256, sizeof(link->prev));
    link->seq++;
    link->id = entry->id;
    audit_chain_begin(link->seq, link->prev, out);
    buf_text(out, ",\"stream_id\":\"");
    add_unsigned(out, entry->id.ms);
    buf_char(out, '-');
    add_unsigned(out, entry->id.seq);
    buf_text(out, "\",\"org\":\"");
    buf_text(out, link->org);
    buf_char(out, '"');
    if (link->lost > 0) {
        buf_text(out, ",\"lost\":");
        add_unsigned(out, link->lost);
    }
    buf_char(out, ',');
    if (entry->text.data && json_is_object_line(entry->text)) { /* as it stands it may go into a line */
        buf_text(out, "\"entry\":");
        buf_add(out, entry->text.data, entry->text.len);
    } else {
        add_raw(out, entry);
    }
    if (out->overflow)
        return;
    digest_sha256_hex(out->data + begin, out->len - begin, link->sha256);
    audit_chain_end(link->sha256, end);
    buf_add(out, end, sizeof(end));
}

void audit_chain_end(const char *sha256, char out[AUDIT_END_LEN])
{
    memcpy(out, TAIL, sizeof(TAIL) - 1);
    memcpy(out + sizeof(TAIL) - 1, sha256, HASH_LEN);
    memcpy(out + TAIL_LEN - 2, "\"}\n", AUDIT_END_LEN - (TAIL_LEN - 2));
}

/* --- reading --- */

/* The rest of a line, from its front. */
static bool skip(struct span *rest, const char *text)
{
    size_t len = strlen(text);

    if (!span_starts(*rest, text))
        return false;
    rest->data += len;
    rest->len -= len;
    return true;
}

/* Up to the next quote, which is passed. */
static bool take_text(struct span *rest, struct span *ret)
{
    const char *quote = memchr(rest->data, '"', rest->len);

    if (!quote)
        return false;
    *ret = (struct span){rest->data, (size_t)(quote - rest->data)};
    rest->data += ret->len + 1;
    rest->len -= ret->len + 1;
    return true;
}

/* A whole number, not 0. */
static bool take_number(struct span *rest, uint64_t *ret)
{
    char text[STORE_AUDIT_ID_SIZE];
    struct store_audit_id id;
    size_t len = 0;

    while (len < rest->len && len < 20 && rest->data[len] >= '0' && rest->data[len] <= '9')
        len++;
    text[0] = '0'; /* as a part of an id it has the bounds that it is to have */
    text[1] = '-';
    memcpy(text + 2, rest->data, len);
    if (!store_audit_id_parse(text, len + 2, &id) || id.seq == 0)
        return false;
    *ret = id.seq;
    rest->data += len;
    rest->len -= len;
    return true;
}

static bool read_head(struct span rest, struct audit_link *link)
{
    struct span prev, id, org;

    if (!skip(&rest, "{\"seq\":") || !take_number(&rest, &link->seq) || !skip(&rest, ",\"prev\":\"") ||
        !take_text(&rest, &prev) || !audit_is_hash(prev.data, prev.len) || !skip(&rest, ",\"stream_id\":\"") ||
        !take_text(&rest, &id) || !store_audit_id_parse(id.data, id.len, &link->id) || !skip(&rest, ",\"org\":\"") ||
        !take_text(&rest, &org) || org.len > STORE_ORG_MAX || !id_is_valid(org.data, org.len))
        return false;
    memcpy(link->prev, prev.data, HASH_LEN);
    memcpy(link->org, org.data, org.len);
    if (skip(&rest, ",\"lost\":") && !take_number(&rest, &link->lost))
        return false;
    return span_starts(rest, ",\"entry\":") || span_starts(rest, ",\"raw\":") || span_starts(rest, ",\"raw_base64\":");
}

int audit_chain_read(struct span line, struct audit_link *ret, struct reason *why)
{
    struct audit_link link = {.seq = 0};
    const char *tail;

    if (line.len <= TAIL_LEN || line.len >= AUDIT_LINE_MAX) {
        reason_set(why, "it is no line of an audit");
        return ERR_INVALID;
    }
    tail = line.data + line.len - TAIL_LEN;
    if (memcmp(tail, TAIL, sizeof(TAIL) - 1) != 0 || !audit_is_hash(tail + sizeof(TAIL) - 1, HASH_LEN) ||
        memcmp(line.data + line.len - 2, "\"}", 2) != 0 ||
        !read_head((struct span){line.data, line.len - TAIL_LEN}, &link)) {
        reason_set(why, "it is no line of an audit");
        return ERR_INVALID;
    }
    digest_sha256_hex(line.data, line.len - TAIL_LEN, link.sha256);
    if (memcmp(link.sha256, tail + sizeof(TAIL) - 1, HASH_LEN) != 0) {
        reason_set(why, "its bytes are not those that its sha256 is of");
        return ERR_INVALID;
    }
    *ret = link;
    return 0;
}
