/* The ledger: every message the sandbox has accepted, whatever the client was then told.
 *
 * It is the evidence in Herald's tests: nothing accepted twice, nothing missing. So it never drops an entry silently;
 * when it is full the sandbox refuses further messages. Entries are packed one after another into chunks of a mebibyte
 * that never move, so appending is one short copy under the lock. */
#include "tests/sandbox/ledger.h"
#include "tests/sandbox/unique.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE (1024U * 1024)

/* An entry as stored; the parts follow it, then the text, padded to 8 bytes. */
struct record {
    uint32_t size;
    uint32_t text_length;
    int64_t time_ms;
    int64_t mono_us;
    const char *route;
    uint16_t answered;
    bool has_text;
    bool text_kept;
    uint32_t recipients;
    struct fate fate;
    uint16_t lengths[LEDGER_PARTS];
    unsigned char digest[LEDGER_DIGEST_SIZE];
};

struct chunk {
    uint64_t first_seq;
    size_t used;
    _Alignas(8) unsigned char data[CHUNK_SIZE];
};

_Static_assert(sizeof(struct record) + LEDGER_PARTS * LEDGER_PART_MAX + LEDGER_TEXT_MAX + 8 <= CHUNK_SIZE,
               "the largest entry must fit into an empty chunk");

/* Sequence numbers start at 1; `count` entries are in. `lock` protects everything below it. */
struct ledger {
    uint64_t entries_max;
    size_t chunks_max;
    bool keep_texts;
    pthread_mutex_t lock;
    struct chunk **chunks;
    size_t chunk_count;
    uint64_t count;
    uint64_t generation;
    struct unique ids; /* of the first `ids_count` entries: filled in lazily, when somebody asks */
    uint64_t ids_count;
    uint64_t ids_absent;
    struct ledger_cursor ids_at;
    struct unique names; /* the provider ids, likewise */
    uint64_t names_count;
    struct ledger_cursor names_at;
};

struct ledger *ledger_create(int64_t entries_max, int64_t bytes_max, bool keep_texts)
{
    struct ledger *ledger = calloc(1, sizeof *ledger);
    if (ledger == NULL) {
        return NULL;
    }
    ledger->entries_max = (uint64_t)entries_max;
    ledger->chunks_max = (size_t)bytes_max / sizeof(struct chunk) + 1;
    ledger->keep_texts = keep_texts;
    ledger->chunks = calloc(ledger->chunks_max, sizeof(struct chunk *));
    if (ledger->chunks == NULL) {
        free(ledger);
        return NULL;
    }
    (void)pthread_mutex_init(&ledger->lock, NULL); /* default attributes: cannot fail on Linux */
    return ledger;
}

void ledger_clear(struct ledger *ledger)
{
    (void)pthread_mutex_lock(&ledger->lock);
    for (size_t i = 0; i < ledger->chunk_count; i++) {
        free(ledger->chunks[i]);
        ledger->chunks[i] = NULL;
    }
    ledger->chunk_count = 0;
    ledger->count = 0;
    ledger->generation++;
    unique_clear(&ledger->ids);
    ledger->ids_count = 0;
    ledger->ids_absent = 0;
    ledger->ids_at = (struct ledger_cursor){0};
    unique_clear(&ledger->names);
    ledger->names_count = 0;
    ledger->names_at = (struct ledger_cursor){0};
    (void)pthread_mutex_unlock(&ledger->lock);
}

void ledger_destroy(struct ledger *ledger)
{
    if (ledger == NULL) {
        return;
    }
    ledger_clear(ledger);
    (void)pthread_mutex_destroy(&ledger->lock);
    free(ledger->chunks);
    free(ledger);
}

/* room_locked: where an entry of `size` bytes goes, or NULL if the ledger is full. */
static unsigned char *room_locked(struct ledger *ledger, size_t size)
{
    if (ledger->count >= ledger->entries_max) {
        return NULL;
    }
    struct chunk *last = ledger->chunk_count == 0 ? NULL : ledger->chunks[ledger->chunk_count - 1];
    if (last == NULL || last->used + size > CHUNK_SIZE) {
        if (ledger->chunk_count == ledger->chunks_max) {
            return NULL;
        }
        last = malloc(sizeof *last);
        if (last == NULL) {
            return NULL;
        }
        last->first_seq = ledger->count + 1;
        last->used = 0;
        ledger->chunks[ledger->chunk_count++] = last;
    }
    unsigned char *room = last->data + last->used;
    last->used += size;
    ledger->count++;
    return room;
}

static void store(unsigned char *room, const struct record *record, const struct ledger_entry *entry)
{
    memcpy(room, record, sizeof *record);
    unsigned char *at = room + sizeof *record;
    for (int i = 0; i < LEDGER_PARTS; i++) {
        if (record->lengths[i] > 0) {
            memcpy(at, entry->parts[i].bytes, record->lengths[i]);
            at += record->lengths[i];
        }
    }
    if (record->text_length > 0) {
        memcpy(at, entry->text.bytes, record->text_length);
    }
}

int ledger_append(struct ledger *ledger, const struct ledger_entry *entry)
{
    struct record record = {
        .time_ms = entry->time_ms,
        .mono_us = entry->mono_us,
        .route = entry->route,
        .answered = (uint16_t)entry->answered,
        .has_text = entry->text.bytes != NULL,
        .text_kept = entry->text.bytes != NULL && ledger->keep_texts,
        .recipients = entry->recipients,
        .fate = entry->fate,
    };
    size_t size = sizeof record;
    for (int i = 0; i < LEDGER_PARTS; i++) {
        assert(entry->parts[i].length <= LEDGER_PART_MAX);
        record.lengths[i] = entry->parts[i].bytes == NULL ? 0 : (uint16_t)entry->parts[i].length;
        size += record.lengths[i];
    }
    if (record.text_kept) {
        assert(entry->text.length <= LEDGER_TEXT_MAX);
        record.text_length = (uint32_t)entry->text.length;
        size += record.text_length;
    }
    size = (size + 7) & ~(size_t)7;
    record.size = (uint32_t)size;
    memcpy(record.digest, entry->digest, sizeof record.digest);
    (void)pthread_mutex_lock(&ledger->lock);
    unsigned char *room = room_locked(ledger, size);
    if (room != NULL) {
        store(room, &record, entry);
    }
    (void)pthread_mutex_unlock(&ledger->lock);
    return room == NULL ? -1 : 0;
}

/* step_locked: the entry at the cursor, which moves on; NULL at the end. */
static const struct record *step_locked(const struct ledger *ledger, struct ledger_cursor *cursor)
{
    if (cursor->next_seq >= cursor->end_seq) {
        return NULL;
    }
    const struct chunk *chunk = ledger->chunks[cursor->chunk];
    if (cursor->offset == chunk->used) {
        chunk = ledger->chunks[++cursor->chunk];
        cursor->offset = 0;
    }
    const struct record *record = (const struct record *)(const void *)(chunk->data + cursor->offset);
    cursor->offset += record->size;
    cursor->next_seq++;
    return record;
}

static struct span record_part(const struct record *record, int part)
{
    const char *at = (const char *)(record + 1);
    for (int i = 0; i < part; i++) {
        at += record->lengths[i];
    }
    return (struct span){record->lengths[part] > 0 ? at : NULL, record->lengths[part]};
}

void ledger_start(struct ledger *ledger, uint64_t from_seq, uint64_t limit, struct ledger_cursor *ret_cursor)
{
    struct ledger_cursor cursor = {0};
    (void)pthread_mutex_lock(&ledger->lock);
    uint64_t from = from_seq == 0 ? 1 : from_seq;
    uint64_t end = ledger->count + 1;
    cursor.generation = ledger->generation;
    if (from < end) {
        size_t low = 0;
        for (size_t high = ledger->chunk_count; high - low > 1;) {
            size_t middle = low + (high - low) / 2;
            *(ledger->chunks[middle]->first_seq <= from ? &low : &high) = middle;
        }
        cursor.chunk = low;
        cursor.next_seq = ledger->chunks[low]->first_seq;
        cursor.end_seq = from;
        while (step_locked(ledger, &cursor) != NULL) {
        }
        cursor.end_seq = limit < end - from ? from + limit : end;
    }
    (void)pthread_mutex_unlock(&ledger->lock);
    *ret_cursor = cursor;
}

static void render(const struct record *record, uint64_t seq, struct text *out)
{
    static const char *const names[LEDGER_PARTS] = {
        [LEDGER_TO] = "to",
        [LEDGER_FROM] = "from",
        [LEDGER_CHANNEL] = "channel",
        [LEDGER_REQUEST_ID] = "request_id",
        [LEDGER_TRACEPARENT] = "traceparent",
        [LEDGER_CONVERSATION_ID] = "conversation_id",
        [LEDGER_PROVIDER_ID] = "provider_id",
    };
    text_printf(out, "{\"seq\":%" PRIu64 ",\"time_ms\":%" PRId64 ",\"mono_us\":%" PRId64 ",\"route\":\"%s\"", seq,
                record->time_ms, record->mono_us, record->route);
    for (int i = 0; i < LEDGER_PARTS; i++) {
        struct span part = record_part(record, i);
        if (i == LEDGER_TRACEPARENT && part.bytes == NULL) {
            continue; /* few have one */
        }
        text_printf(out, ",\"%s\":", names[i]);
        text_json(out, part.bytes, part.length);
    }
    text_printf(out, ",\"recipients\":%" PRIu32 ",\"text_sha256\":", record->recipients);
    char hex[2 * LEDGER_DIGEST_SIZE + 1];
    text_hex(record->digest, sizeof record->digest, hex);
    text_json(out, record->has_text ? hex : NULL, sizeof hex - 1);
    if (record->text_kept) {
        struct span last = record_part(record, LEDGER_PARTS - 1);
        const char *text = (const char *)(record + 1) + last.length;
        for (int i = 0; i < LEDGER_PARTS - 1; i++) {
            text += record->lengths[i];
        }
        text_say(out, ",\"text\":");
        text_json(out, text, record->text_length);
    }
    if (record->answered == LEDGER_RESET || record->answered == LEDGER_HANG) {
        text_say(out, record->answered == LEDGER_RESET ? ",\"answered\":\"reset\"}\n" : ",\"answered\":\"hang\"}\n");
    } else {
        text_printf(out, ",\"answered\":%d}\n", record->answered);
    }
}

int ledger_next(struct ledger *ledger, struct ledger_cursor *cursor, struct text *out)
{
    int result = 0;
    (void)pthread_mutex_lock(&ledger->lock);
    if (cursor->generation != ledger->generation) {
        result = -1;
    } else {
        uint64_t seq = cursor->next_seq;
        const struct record *record = step_locked(ledger, cursor);
        if (record != NULL) {
            render(record, seq, out);
            result = 1;
        }
    }
    (void)pthread_mutex_unlock(&ledger->lock);
    return result;
}

int ledger_count(struct ledger *ledger, struct ledger_counts *ret_counts)
{
    int result = 0;
    (void)pthread_mutex_lock(&ledger->lock);
    struct ledger_cursor *at = &ledger->ids_at;
    at->next_seq = ledger->ids_count + 1;
    at->end_seq = ledger->count + 1;
    struct ledger_cursor before = *at;
    for (const struct record *record; (record = step_locked(ledger, at)) != NULL; before = *at) {
        struct span id = record_part(record, LEDGER_REQUEST_ID);
        if (id.bytes == NULL) {
            ledger->ids_absent++;
        } else if (unique_add(&ledger->ids, id.bytes, id.length, record) != 0) {
            *at = before;
            result = -1;
            break;
        }
        ledger->ids_count++;
    }
    ret_counts->accepted = ledger->count;
    ret_counts->unique_request_ids = ledger->ids.count;
    ret_counts->without_request_id = ledger->ids_absent;
    ret_counts->duplicates = ledger->ids_count - ledger->ids_absent - ledger->ids.count;
    (void)pthread_mutex_unlock(&ledger->lock);
    return result;
}

/* index_locked: brings the set of provider ids up to date; -1 without memory, and then it is as far as it got. */
static int index_locked(struct ledger *ledger)
{
    struct ledger_cursor *at = &ledger->names_at;
    at->next_seq = ledger->names_count + 1;
    at->end_seq = ledger->count + 1;
    struct ledger_cursor before = *at;
    for (const struct record *record; (record = step_locked(ledger, at)) != NULL; before = *at) {
        struct span id = record_part(record, LEDGER_PROVIDER_ID);
        if (unique_add(&ledger->names, id.bytes, id.length, record) != 0) {
            *at = before;
            return -1;
        }
        ledger->names_count++;
    }
    return 0;
}

static void copy_message(const struct record *record, struct ledger_message *ret_message)
{
    ret_message->time_ms = record->time_ms;
    ret_message->fate = record->fate;
    for (int i = 0; i < LEDGER_PARTS; i++) {
        struct span part = record_part(record, i);
        if (part.length > 0) {
            memcpy(ret_message->parts[i], part.bytes, part.length);
        }
        ret_message->parts[i][part.length] = '\0';
    }
}

int ledger_find(struct ledger *ledger, struct span provider_id, struct ledger_message *ret_message)
{
    (void)pthread_mutex_lock(&ledger->lock);
    int result = index_locked(ledger);
    const struct record *record =
        result == 0 ? unique_find(&ledger->names, provider_id.bytes, provider_id.length) : NULL;
    if (record != NULL) {
        result = 1;
        copy_message(record, ret_message);
    }
    (void)pthread_mutex_unlock(&ledger->lock);
    return result;
}

int ledger_read(struct ledger *ledger, struct ledger_cursor *cursor, struct ledger_message *ret_message)
{
    (void)pthread_mutex_lock(&ledger->lock);
    int result = cursor->generation == ledger->generation ? 0 : -1;
    const struct record *record = result == 0 ? step_locked(ledger, cursor) : NULL;
    if (record != NULL) {
        copy_message(record, ret_message);
        result = 1;
    }
    (void)pthread_mutex_unlock(&ledger->lock);
    return result;
}
