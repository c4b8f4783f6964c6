#ifndef SANDBOX_LEDGER_H
#define SANDBOX_LEDGER_H

#include "tests/sandbox/fate.h"
#include "tests/sandbox/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest parts of an entry; validation refuses longer ones before they get here. */
#define LEDGER_PART_MAX    1024
#define LEDGER_TEXT_MAX    (512 * 1024)
#define LEDGER_DIGEST_SIZE 32

/* In place of a status: what the client saw when it got no answer. */
#define LEDGER_RESET 0
#define LEDGER_HANG  1

struct span {
    const char *bytes;
    size_t length;
};

enum ledger_part {
    LEDGER_TO,
    LEDGER_FROM,
    LEDGER_CHANNEL,
    LEDGER_REQUEST_ID,
    LEDGER_TRACEPARENT,
    LEDGER_CONVERSATION_ID,
    LEDGER_PROVIDER_ID,
    LEDGER_PARTS
};

/* One accepted message. A part that is absent has NULL bytes; absent and empty are one to the ledger. */
struct ledger_entry {
    int64_t time_ms;
    int64_t mono_us;   /* the same instant by the monotonic clock, for measuring */
    const char *route; /* a static string: the pointer is kept */
    int answered;      /* a status, LEDGER_RESET or LEDGER_HANG */
    unsigned recipients;
    struct span parts[LEDGER_PARTS];
    struct span text;
    struct fate fate;
    unsigned char digest[LEDGER_DIGEST_SIZE]; /* of the text, when there is one */
};

/* All accepted messages in order of acceptance. Thread-safe; entries never change once they are in. */
struct ledger;

struct ledger *ledger_create(int64_t entries_max, int64_t bytes_max, bool keep_texts);
void ledger_destroy(struct ledger *ledger);

/* ledger_append: 0, or -1 if it is full, and then nothing was written. The strings are copied. */
int ledger_append(struct ledger *ledger, const struct ledger_entry *entry);
void ledger_clear(struct ledger *ledger);

struct ledger_counts {
    uint64_t accepted;
    uint64_t unique_request_ids;
    uint64_t without_request_id;
    uint64_t duplicates; /* entries that repeat the request id of an earlier one */
};

/* ledger_count: 0, or -1 if memory for the set of ids ran out. */
int ledger_count(struct ledger *ledger, struct ledger_counts *ret_counts);

/* One message as it was accepted, its parts copied. */
struct ledger_message {
    int64_t time_ms;
    struct fate fate;
    char parts[LEDGER_PARTS][LEDGER_PART_MAX + 1]; /* "" where absent */
};

/* ledger_find: 1 and the message with this provider id, 0 if there is none, -1 if memory for the index ran out. */
int ledger_find(struct ledger *ledger, struct span provider_id, struct ledger_message *ret_message);

/* A place in the ledger and where to stop, fixed when the reading starts, so a reader sees a consistent prefix. */
struct ledger_cursor {
    uint64_t generation;
    uint64_t next_seq;
    uint64_t end_seq; /* one past the last */
    size_t chunk;
    size_t offset;
};

void ledger_start(struct ledger *ledger, uint64_t from_seq, uint64_t limit, struct ledger_cursor *ret_cursor);

/* ledger_next: 1 and one JSON line appended to `out`, 0 at the end, -1 if the ledger was cleared meanwhile. */
int ledger_next(struct ledger *ledger, struct ledger_cursor *cursor, struct text *out);

/* ledger_read: the same with the message itself: 1, 0 or -1. */
int ledger_read(struct ledger *ledger, struct ledger_cursor *cursor, struct ledger_message *ret_message);

#endif
