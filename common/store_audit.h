/* The audit on its way out of Redis: one exporter at a time, who takes entries, has them on a disk, and only then lets
 * them leave the stream. In store_audit.c; each call is one request, answered by store_pump. */
#ifndef HERALD_COMMON_STORE_AUDIT_H
#define HERALD_COMMON_STORE_AUDIT_H

#include "common/digest.h"
#include "common/store.h"

#define STORE_AUDIT_ID_SIZE   44 /* of the text */
#define STORE_AUDIT_FILE_SIZE 256
#define STORE_AUDIT_ENTRY_MAX ((size_t)4 << 20) /* bytes; of one with more than that there is the beginning */

/* When an entry was recorded, in ms since 1970, and its number within that. Ids only grow. */
struct store_audit_id {
    uint64_t ms, seq;
};

bool store_audit_id_parse(const char *text, size_t len,
                          struct store_audit_id *ret); /* `1768473000000-0`, nothing else */
int store_audit_id_compare(const struct store_audit_id *a, const struct store_audit_id *b);

/* Up to where the export is acknowledged: what the last line is, and where it ends. */
struct store_audit_mark {
    uint64_t seq;                     /* of the line; 0: none yet */
    struct store_audit_id id;         /* of the entry */
    char sha256[DIGEST_HEX_SIZE];     /* of the line; "" when there is none */
    char file[STORE_AUDIT_FILE_SIZE]; /* its name without the folder */
    int64_t size;                     /* bytes of that file with this line */
    uint64_t lost;                    /* entries that were cut off before they could be exported, up to this line */
};

struct store_audit_exporter {
    const char *name;  /* chance: a new one at each start */
    const char *place; /* where it writes, for people; shorter than STORE_AUDIT_PLACE_SIZE */
    int64_t lease_ms;
};

struct store_audit_claimed {
    int rc;                               /* 0, ERR_STATE (Redis refused) or ERR_UNREACHABLE */
    bool is_ours, was_known;              /* known: something was acknowledged here, if only seq 0 */
    int64_t left_ms;                      /* not ours: how long the other one's lease still is, */
    char place[STORE_AUDIT_PLACE_SIZE];   /* and where it writes */
    struct store_audit_mark mark;         /* what this Redis knows of the export */
    struct store_audit_id oldest, newest; /* entries of the stream; 0-0: it is empty */
    int64_t count;                        /* entries in it */
};
typedef void (*store_audit_claimed_fn)(void *context, const struct store_audit_claimed *claimed);
/* By lease on the org's clock; reading and acknowledging renew it. A lease of 0 gives it up. */
void store_audit_claim(struct store *store, const struct store_audit_exporter *exporter, store_audit_claimed_fn done,
                       void *context);

struct store_audit_entry {
    struct store_audit_id id;
    struct span text;   /* the field `e`, alone; absent: see below */
    int64_t size;       /* of any other: its bytes in all, */
    size_t field_count; /* and its fields and values one after the other, perhaps cut, by store_audit_field */
    const struct redis_reply *fields;
};
struct span store_audit_field(const struct store_audit_entry *entry, size_t index);

struct store_audit_batch {
    int rc;       /* 0, ERR_STATE or ERR_UNREACHABLE */
    bool is_ours; /* false: the export is somebody else's by now */
    int64_t lost; /* entries that were cut off before they could be exported, ever; -1: none but those that are known */
    size_t count;
    const struct redis_reply *reply;
};
/* Borrowed until the callback returns. False: what stands there is no entry (Redis made it up). */
bool store_audit_entry(const struct store_audit_batch *batch, size_t index, struct store_audit_entry *ret);
typedef void (*store_audit_read_fn)(void *context, const struct store_audit_batch *batch);
struct store_audit_end {
    struct store_audit_id id;
    uint64_t seq;
};
/* What follows the entry and line that the exporter has last, oldest first: at most `most` entries, and none that would
 * make it more than `bytes` but the first. */
void store_audit_read(struct store *store, const struct store_audit_exporter *exporter,
                      const struct store_audit_end *end, int64_t most, int64_t bytes, store_audit_read_fn done,
                      void *context);

struct store_audit_done {
    int rc; /* 0 or ERR_STATE */
    bool is_ours;
    char from[DIGEST_HEX_SIZE];         /* not ours: hash of the last acknowledged line when another one took over, */
    char place[STORE_AUDIT_PLACE_SIZE]; /* and where that one writes */
};
typedef void (*store_audit_done_fn)(void *context, const struct store_audit_done *done);
/* All up to the mark is on the disk: it leaves the stream in the step that notes the mark. Must arrive, and may be
 * repeated. `is_new`: nothing of this chain so far was in this Redis' stream. */
void store_audit_acknowledge(struct store *store, const struct store_audit_exporter *exporter,
                             const struct store_audit_mark *mark, bool is_new, store_audit_done_fn done, void *context);

/* May wait. What Redis keeps of the export; seq 0: it knows of none. */
int store_audit_look(struct store *store, struct store_audit_mark *ret, int64_t patience_ms, struct reason *why);

/* Blocks inside Redis until there is an entry after this one or the time is over, then calls back. */
void store_audit_watch(struct store *store, const struct store_audit_id *after, int64_t timeout_ms,
                       void (*done)(void *context), void *context);

#endif
