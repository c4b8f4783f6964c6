#include "producer/gateway/gather.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

#define BATCH_MAX       256
#define BATCH_BYTES_MAX ((size_t)4 << 20)
#define HELD_BYTES_MAX  ((size_t)64 << 20) /* in all, waiting or on the way */

/* One thing for Redis, with its bytes behind it. */
struct item {
    struct item *next;
    size_t bytes, index;
    void *context;
    gather_wanted_fn is_wanted;
    union {
        struct {
            struct store_offer offer;
            gather_accepted_fn done;
        } accept;
        struct {
            struct store_receipt receipt;
            gather_received_fn done;
        } receipt;
    } as;
};

struct queue {
    struct item *first, *last;
};

/* A kind of step: those that wait, and those of the batch that is on its way. */
struct kind {
    struct queue waiting, under_way;
    int64_t limit; /* of the step: max_backlog or dedup_ms */
    void (*send)(struct gather *gather, struct kind *kind, size_t count);
    void (*drop)(struct item *item); /* nobody waits for it any more, or nobody will ever answer */
};

enum { KIND_ACCEPT, KIND_RECEIPT, KIND_COUNT };

struct gather {
    struct store *store;
    size_t held_bytes;
    struct kind kinds[KIND_COUNT];
};

static void push(struct queue *queue, struct item *item)
{
    item->next = NULL;
    if (queue->last)
        queue->last->next = item;
    else
        queue->first = item;
    queue->last = item;
}

static struct item *pop(struct queue *queue)
{
    struct item *item = queue->first;

    queue->first = item->next;
    if (!queue->first)
        queue->last = NULL;
    return item;
}

bool gather_has_room(const struct gather *gather)
{
    return gather->held_bytes < HELD_BYTES_MAX;
}

/* --- items --- */

static struct item *item_new(struct gather *gather, size_t bytes)
{
    struct item *item = mem_zalloc(1, sizeof(*item) + bytes);

    item->bytes = sizeof(*item) + bytes;
    gather->held_bytes += item->bytes;
    return item;
}

static void item_free(struct gather *gather, struct item *item)
{
    gather->held_bytes -= item->bytes;
    free(item);
}

static const char *keep(char **room, const char *data, size_t len)
{
    char *at = *room;

    if (len > 0)
        memcpy(at, data, len);
    at[len] = '\0';
    *room += len + 1;
    return at;
}

static const char *keep_text(char **room, const char *text)
{
    return keep(room, text ? text : "", text ? strlen(text) : 0);
}

static struct span keep_span(char **room, struct span span)
{
    return (struct span){keep(room, span.data, span.len), span.len};
}

void gather_accept(struct gather *gather, int64_t max_backlog, const struct store_offer *offer, size_t index,
                   gather_wanted_fn is_wanted, gather_accepted_fn done, void *context)
{
    struct item *item = item_new(gather, offer->message.envelope.len + offer->actor.len + strlen(offer->id) +
                                             strlen(offer->campaign) + offer->message.person.len + 5);
    char *room = (char *)(item + 1);
    struct store_offer *copy = &item->as.accept.offer;

    *copy = *offer;
    copy->message.envelope = keep_span(&room, offer->message.envelope);
    copy->message.person = keep_span(&room, offer->message.person);
    copy->actor = keep_span(&room, offer->actor);
    copy->id = keep_text(&room, offer->id);
    copy->campaign = keep_text(&room, offer->campaign);
    item->as.accept.done = done;
    item->context = context;
    item->is_wanted = is_wanted;
    item->index = index;
    gather->kinds[KIND_ACCEPT].limit = max_backlog;
    push(&gather->kinds[KIND_ACCEPT].waiting, item);
}

void gather_receipt(struct gather *gather, int64_t dedup_ms, const struct store_receipt *receipt,
                    gather_wanted_fn is_wanted, gather_received_fn done, void *context)
{
    struct item *item = item_new(gather, strlen(receipt->provider_id) + (receipt->code ? strlen(receipt->code) : 0) +
                                             receipt->person.len + receipt->audit.len + 4);
    char *room = (char *)(item + 1);
    struct store_receipt *copy = &item->as.receipt.receipt;

    *copy = *receipt;
    copy->provider_id = keep_text(&room, receipt->provider_id);
    copy->code = keep_text(&room, receipt->code);
    copy->person = keep_span(&room, receipt->person);
    copy->audit = keep_span(&room, receipt->audit);
    item->as.receipt.done = done;
    item->context = context;
    item->is_wanted = is_wanted;
    gather->kinds[KIND_RECEIPT].limit = dedup_ms;
    push(&gather->kinds[KIND_RECEIPT].waiting, item);
}

/* --- batches --- */

static void on_accepted(void *context, int rc, const struct store_acceptance *answers, size_t count)
{
    struct gather *gather = context;
    struct queue done = gather->kinds[KIND_ACCEPT].under_way;

    gather->kinds[KIND_ACCEPT].under_way = (struct queue){NULL, NULL};
    for (size_t i = 0; done.first; i++) {
        struct item *item = pop(&done);

        item->as.accept.done(item->context, item->index, rc, rc == 0 && i < count ? &answers[i] : NULL);
        item_free(gather, item);
    }
}

static void send_accept(struct gather *gather, struct kind *kind, size_t count)
{
    struct store_offer offers[BATCH_MAX];
    size_t i = 0;

    for (const struct item *item = kind->under_way.first; item; item = item->next)
        offers[i++] = item->as.accept.offer;
    store_accept(gather->store, kind->limit, offers, count, on_accepted, gather);
}

static void on_received(void *context, int rc, const enum store_received *answers, size_t count)
{
    struct gather *gather = context;
    struct queue done = gather->kinds[KIND_RECEIPT].under_way;

    gather->kinds[KIND_RECEIPT].under_way = (struct queue){NULL, NULL};
    for (size_t i = 0; done.first; i++) {
        struct item *item = pop(&done);

        item->as.receipt.done(item->context, rc, rc == 0 && i < count ? answers[i] : STORE_REPEATED);
        item_free(gather, item);
    }
}

static void send_receipts(struct gather *gather, struct kind *kind, size_t count)
{
    struct store_receipt receipts[BATCH_MAX];
    size_t i = 0;

    for (const struct item *item = kind->under_way.first; item; item = item->next)
        receipts[i++] = item->as.receipt.receipt;
    store_receipts(gather->store, kind->limit, receipts, count, on_received, gather);
}

static void drop_accept(struct item *item)
{
    item->as.accept.done(item->context, item->index, ERR_UNREACHABLE, NULL);
}

static void drop_receipt(struct item *item)
{
    item->as.receipt.done(item->context, ERR_UNREACHABLE, STORE_REPEATED);
}

static void drop(struct gather *gather, const struct kind *kind, struct item *item)
{
    kind->drop(item);
    item_free(gather, item);
}

static void drop_all(struct gather *gather, const struct kind *kind, struct queue *queue)
{
    while (queue->first)
        drop(gather, kind, pop(queue));
}

static void flush_kind(struct gather *gather, struct kind *kind)
{
    size_t count = 0, bytes = 0;

    if (kind->under_way.first)
        return;
    while (kind->waiting.first && count < BATCH_MAX && bytes < BATCH_BYTES_MAX) {
        struct item *item = pop(&kind->waiting);

        if (!item->is_wanted(item->context)) {
            drop(gather, kind, item);
            continue;
        }
        bytes += item->bytes;
        push(&kind->under_way, item);
        count++;
    }
    if (count > 0)
        kind->send(gather, kind, count);
}

void gather_flush(struct gather *gather)
{
    for (size_t i = 0; i < KIND_COUNT; i++)
        flush_kind(gather, &gather->kinds[i]);
}

struct gather *gather_create(struct store *store)
{
    struct gather *gather = mem_zalloc(1, sizeof(*gather));

    gather->store = store;
    gather->kinds[KIND_ACCEPT].send = send_accept;
    gather->kinds[KIND_ACCEPT].drop = drop_accept;
    gather->kinds[KIND_RECEIPT].send = send_receipts;
    gather->kinds[KIND_RECEIPT].drop = drop_receipt;
    return gather;
}

void gather_destroy(struct gather *gather)
{
    if (!gather)
        return;
    for (size_t i = 0; i < KIND_COUNT; i++) {
        drop_all(gather, &gather->kinds[i], &gather->kinds[i].under_way);
        drop_all(gather, &gather->kinds[i], &gather->kinds[i].waiting);
    }
    free(gather);
}
