#include "producer/dead_walk.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/json_span.h"
#include "common/mem.h"

#define BATCH_BYTES (INT64_C(2) << 20) /* of documents; one that is larger comes alone */
#define BATCH_MAX   ((size_t)64 << 20) /* more than any document has */
#define BATCH_KEPT  ((size_t)4 << 20)  /* of memory, for the next one */

struct batch {
    size_t count;
    bool is_ready; /* its documents are there, or none are wanted */
    int rc;
    struct store_letter letters[DEAD_BATCH_MAX];
    struct span documents[DEAD_BATCH_MAX];
    struct buf bytes;
    struct dead_walk *walk;
};

struct dead_walk {
    struct store *store;
    const struct dead_filter *filter;
    bool wants_documents, is_last;
    int rc; /* of the page */
    int64_t patience_ms;
    struct store_dead_counts counts;
    int64_t opened_ms, seen;

    char after[STORE_LETTER_TICKET_SIZE];
    size_t page_at, page_count;
    struct store_letter page[STORE_LETTER_PAGE];

    struct batch batches[2];
    int shown; /* the one that the caller has; the other is the next */
};

struct span dead_letter_address(const struct json *envelope)
{
    const struct json *payload = json_get(envelope, "payload"), *to;
    struct span address = {NULL, 0};

    if (json_kind(payload) != JSON_OBJECT)
        payload = envelope;
    to = json_get(payload, "to");
    if (json_kind(to) == JSON_ARRAY)
        to = json_at(to, 0);
    address.data = json_text(json_get(payload, "toAddress"), &address.len);
    if (!address.data)
        address.data = json_text(json_get(to, "address"), &address.len);
    if (!address.data)
        address.data = json_text(json_get(to, "id"), &address.len);
    if (!address.data)
        address.data = json_text(json_get(payload, "externalContactId"), &address.len);
    return address;
}

static bool takes_document(const struct dead_filter *filter, struct span document)
{
    struct span envelope;
    struct json *json = NULL;
    bool takes = false;

    if (!dead_filter_needs_address(filter))
        return true;
    envelope = json_span(document, "envelope");
    if (envelope.data && json_parse(&json, envelope.data, envelope.len, NULL) == 0)
        takes = dead_filter_takes_address(filter, dead_letter_address(json));
    json_free(json);
    return takes;
}

/* Keeps the letters that are still there and meant. */
static void on_documents(void *context, int rc, const struct span *documents, size_t count)
{
    struct batch *batch = context;
    size_t kept = 0, start = 0;

    batch->is_ready = true;
    batch->rc = rc;
    for (size_t i = 0; i < count; i++) {
        if (!documents[i].data || !takes_document(batch->walk->filter, documents[i]))
            continue;
        batch->letters[kept] = batch->letters[i];
        batch->documents[kept++].len = documents[i].len;
        buf_add(&batch->bytes, documents[i].data, documents[i].len);
    }
    for (size_t i = 0; i < kept; i++) { /* the buffer does not move any more */
        batch->documents[i].data = buf_str(&batch->bytes) + start;
        start += batch->documents[i].len;
    }
    batch->count = kept;
}

static void on_page(void *context, int rc, const struct store_letter *letters, size_t count)
{
    struct dead_walk *walk = context;

    walk->rc = rc;
    walk->page_at = 0;
    walk->page_count = count;
    memcpy(walk->page, letters, count * sizeof(*letters));
    walk->is_last = count < STORE_LETTER_PAGE;
    if (count > 0)
        (void)snprintf(walk->after, sizeof(walk->after), "%s", letters[count - 1].ticket);
}

static bool takes_letter(const struct dead_filter *filter, const struct store_letter *letter)
{
    const struct dead_facts facts = {letter->reason, letter->campaign, letter->code, letter->channel, letter->at_ms};

    return dead_filter_takes(filter, &facts);
}

static int refused(struct reason *why)
{
    reason_set(why, "Redis refused to show the dead letters; the log above has its reason");
    return ERR_STATE;
}

static int read_page(struct dead_walk *walk, struct reason *why)
{
    int rc;

    store_dead_read(walk->store, walk->after, walk->counts.newest, STORE_LETTER_PAGE, on_page, walk);
    rc = store_finish(walk->store, 0, walk->patience_ms, why);
    return rc == 0 && walk->rc != 0 ? refused(why) : rc;
}

/* Gathers the next batch out of pages, and asks for its documents. */
static int begin_batch(struct dead_walk *walk, struct batch *batch, struct reason *why)
{
    int64_t bytes = 0;
    int rc = 0;

    batch->count = 0;
    batch->is_ready = true;
    if (batch->bytes.cap > BATCH_KEPT)
        buf_clear(&batch->bytes);
    buf_reset(&batch->bytes);
    while (rc == 0 && batch->count < DEAD_BATCH_MAX && (walk->page_at < walk->page_count || !walk->is_last)) {
        const struct store_letter *letter = &walk->page[walk->page_at];

        if (walk->page_at == walk->page_count) {
            rc = read_page(walk, why);
            continue;
        }
        if (takes_letter(walk->filter, letter)) {
            bytes += letter->size;
            if (batch->count > 0 && bytes > BATCH_BYTES && walk->wants_documents)
                break;
            batch->letters[batch->count] = *letter;
            batch->letters[batch->count++].place = walk->seen;
        }
        walk->page_at++;
        walk->seen++;
    }
    if (rc == 0 && batch->count > 0 && walk->wants_documents) {
        batch->is_ready = false;
        store_dead_documents(walk->store, batch->letters, batch->count, on_documents, batch);
        (void)store_pump(walk->store, NULL); /* on its way; what fails shows when it is waited for */
    }
    return rc;
}

int dead_walk_open(struct dead_walk **ret, struct store *store, const struct dead_filter *filter,
                   const struct store_letter *only, bool wants_documents, int64_t patience_ms, struct reason *why)
{
    struct dead_walk *walk = mem_zalloc(1, sizeof(*walk));
    int rc = store_dead_adopt(store, patience_ms, why);

    *walk = (struct dead_walk){
        .store = store,
        .filter = filter,
        .wants_documents = wants_documents || dead_filter_needs_address(filter),
        .patience_ms = patience_ms,
    };
    for (int i = 0; i < 2; i++) {
        walk->batches[i].walk = walk;
        buf_init(&walk->batches[i].bytes, BATCH_MAX);
    }
    if (rc == 0)
        rc = store_dead_read_counts(store, &walk->counts, patience_ms, why);
    walk->opened_ms = clock_mono_ms();
    walk->is_last = walk->counts.newest[0] == '\0' || only;
    if (only) {
        walk->page[0] = *only;
        walk->page_count = 1;
    }
    if (rc == 0)
        rc = begin_batch(walk, &walk->batches[1], why);
    if (rc != 0) {
        dead_walk_close(walk);
        return rc;
    }
    *ret = walk;
    return 0;
}

void dead_walk_close(struct dead_walk *walk)
{
    if (!walk)
        return;
    for (int i = 0; i < 2; i++)
        buf_clear(&walk->batches[i].bytes);
    free(walk);
}

int dead_walk_next(struct dead_walk *walk, struct dead_batch *ret, struct reason *why)
{
    struct batch *batch;
    bool is_over;
    int rc = 0;

    do { /* a batch can turn out empty: its letters are gone, or other people's */
        walk->shown = 1 - walk->shown;
        batch = &walk->batches[walk->shown];
        is_over = batch->is_ready && batch->count == 0;
        while (rc == 0 && !batch->is_ready) /* answers come in order; the caller's own may come after */
            rc = store_finish(walk->store, store_pending(walk->store) - 1, walk->patience_ms, why);
        if (rc == 0 && batch->rc != 0)
            rc = refused(why);
        if (rc == 0)
            rc = begin_batch(walk, &walk->batches[1 - walk->shown], why);
    } while (rc == 0 && batch->count == 0 && !is_over);
    if (rc != 0)
        return rc;
    *ret = (struct dead_batch){batch->count, batch->letters, walk->wants_documents ? batch->documents : NULL};
    return 0;
}

int64_t dead_walk_now_ms(const struct dead_walk *walk)
{
    return walk->counts.now_ms + clock_mono_ms() - walk->opened_ms;
}

int64_t dead_walk_total(const struct dead_walk *walk)
{
    return walk->counts.total;
}

int64_t dead_walk_seen(const struct dead_walk *walk)
{
    return walk->seen;
}
