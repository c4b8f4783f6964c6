#include "worker/settler.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/mem.h"

struct batch {
    struct settler *settler;
    size_t count;
    struct slot *slots[]; /* `count` of them */
};

void settler_init(struct settler *settler, struct store *store, const char *worker, struct slots *slots)
{
    *settler = (struct settler){.store = store, .worker = worker, .slots = slots};
}

static void on_settled(void *context, int rc)
{
    struct batch *batch = context;

    if (rc != 0)
        log_error("Redis refused to settle messages; they stay in flight until their lease runs out",
                  LOG_NUMBER("count", (int64_t)batch->count));
    batch->settler->waiting -= batch->count;
    for (size_t i = 0; i < batch->count; i++)
        slots_give(batch->settler->slots, batch->slots[i]);
    free(batch);
}

static void flush_pile(struct settler *settler, enum store_move move)
{
    struct pile *pile = &settler->piles[move];
    struct batch *batch;

    if (pile->count == 0)
        return;
    batch = mem_zalloc(1, sizeof(*batch) + pile->count * sizeof(struct slot *));
    batch->settler = settler;
    batch->count = pile->count;
    for (size_t i = 0; i < pile->count; i++)
        batch->slots[i] = pile->slots[i];
    store_settle(settler->store, move, settler->worker, pile->items, pile->count, on_settled, batch);
    settler->waiting += pile->count;
    pile->count = 0;
}

void settler_flush(struct settler *settler)
{
    for (int move = 0; move < STORE_MOVE_COUNT; move++)
        flush_pile(settler, (enum store_move)move);
}

bool settler_has_some(const struct settler *settler)
{
    for (int move = 0; move < STORE_MOVE_COUNT; move++) {
        if (settler->piles[move].count > 0)
            return true;
    }
    return false;
}

void settler_add(struct settler *settler, enum store_move move, struct slot *slot, const struct store_settle *item)
{
    struct pile *pile = &settler->piles[move];

    if (pile->count == STORE_BATCH_MAX)
        flush_pile(settler, move);
    pile->items[pile->count] = *item;
    pile->slots[pile->count++] = slot;
}

void settler_release_range(struct settler *settler, const char *prefix, int64_t first, int64_t count)
{
    struct store_settle *items = mem_zalloc((size_t)count, sizeof(*items));
    char(*tickets)[STORE_TICKET_SIZE] = mem_zalloc((size_t)count, sizeof(*tickets));
    struct batch *batch = mem_zalloc(1, sizeof(*batch));

    for (int64_t i = 0; i < count; i++) {
        (void)snprintf(tickets[i], sizeof(tickets[i]), "%s%" PRId64, prefix, first + i);
        items[i] = (struct store_settle){.ticket = tickets[i], .give_back = true};
    }
    batch->settler = settler;
    store_fence(settler->store, settler->worker, prefix, first + count);
    store_settle(settler->store, STORE_RELEASE, settler->worker, items, (size_t)count, on_settled, batch);
    free(items);
    free(tickets);
}
