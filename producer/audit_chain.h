/* A line of an exported audit, and what chains it to the one before. Pure; docs/wire-format.md has it for others.
 *
 *   {"seq":2,"prev":"<64 hex>","stream_id":"1768473000000-0","org":"default","entry":{...},"sha256":"<64 hex>"}
 *
 * The members stand in this order, without blanks. `sha256` is of the bytes of the line before `,"sha256"`, so that
 * each line tells by itself when it was changed, the last one too; `prev` is the `sha256` of the line before, 64 zeros
 * in the first of all. `"lost":N` stands behind `org` when N entries, ever, were cut off before they could be exported.
 * Instead of `entry` there is `raw` (or `raw_base64`, when not UTF-8 or long) where the stream has something that is no
 * entry of Herald's: its fields and values. With `raw_size` it was too long, and its beginning is there. */
#ifndef HERALD_PRODUCER_AUDIT_CHAIN_H
#define HERALD_PRODUCER_AUDIT_CHAIN_H

#include "common/buf.h"
#include "common/span.h"
#include "common/store_audit.h"

#define AUDIT_LINE_MAX ((size_t)8 << 20) /* bytes with the line break; nothing longer is written */
#define AUDIT_END_LEN  (sizeof(",\"sha256\":\"\"}\n") - 1 + DIGEST_HEX_SIZE - 1)
#define AUDIT_START    "0000000000000000000000000000000000000000000000000000000000000000"

struct audit_link {
    uint64_t seq;             /* from 1 */
    struct store_audit_id id; /* of the stream: when it was recorded */
    uint64_t lost;            /* entries that were cut off before they could be exported, up to this line */
    char prev[DIGEST_HEX_SIZE], sha256[DIGEST_HEX_SIZE];
    char org[STORE_ORG_MAX + 1];
};

/* What the first line of a chain goes on from. */
void audit_link_start(struct audit_link *link, const char *org);

/* Adds the line of the entry that follows `link`, which then is that line's. */
void audit_chain_write(struct audit_link *link, const struct store_audit_entry *entry, struct buf *out);

/* Of a line without its line break. ERR_INVALID with why (without the line's content): it is none, or was changed. */
int audit_chain_read(struct span line, struct audit_link *ret, struct reason *why);

/* Adds what a line of this number begins with, up to `prev`, the hash of the line before. */
void audit_chain_begin(uint64_t seq, const char *prev, struct buf *out);
/* What a line with this hash ends with, its line break too; not terminated. */
void audit_chain_end(const char *sha256, char out[AUDIT_END_LEN]);

/* That text is a hash as it stands in a line: 64 lower-case hex digits. */
bool audit_is_hash(const char *text, size_t len);

#endif
