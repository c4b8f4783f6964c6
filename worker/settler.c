#include "worker/settler.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/mem.h"
#include "worker/sender_parts.h"

void settler_init(struct settler *settler, struct store *store, const char *worker)
{
    *settler = (struct settler){.store = store, .worker = worker};
}

/* The context is the first slot of a chain: nothing is left behind when the answer never comes. */
static void on_settled(void *context, int rc)
{
    struct slot *first = context;
    int64_t count = 0;

    if (first)
        first->sender->settler.piles[first->move].steps--;
    for (struct slot *slot = first, *next; slot; slot = next) {
        next = slot->next;
        slots_give(&slot->sender->slots, slot);
        count++;
    }
    if (rc != 0)
        log_error("Redis refused to settle messages; they stay in flight until their lease runs out",
                  LOG_NUMBER("count", count));
}

static void flush_pile(struct settler *settler, enum store_move move)
{
    struct pile *pile = &settler->piles[move];

    for (size_t i = 0; i < pile->count; i++)
        pile->slots[i]->next = i + 1 < pile->count ? pile->slots[i + 1] : NULL;
    pile->slots[0]->move = move;
    store_settle(settler->store, move, settler->worker, pile->items, pile->count, on_settled, pile->slots[0]);
    pile->count = 0;
    pile->steps++;
}

void settler_flush(struct settler *settler, bool is_hurried)
{
    for (int move = 0; move < STORE_MOVE_COUNT; move++) {
        const struct pile *pile = &settler->piles[move];

        if (pile->count > 0 && (pile->steps == 0 || is_hurried))
            flush_pile(settler, (enum store_move)move);
    }
}

bool settler_has_ready(const struct settler *settler)
{
    for (int move = 0; move < STORE_MOVE_COUNT; move++) {
        if (settler->piles[move].count > 0 && settler->piles[move].steps == 0)
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

    for (int64_t i = 0; i < count; i++) {
        (void)snprintf(tickets[i], sizeof(tickets[i]), "%s%" PRId64, prefix, first + i);
        items[i] = (struct store_settle){.ticket = tickets[i], .give_back = true};
    }
    store_fence(settler->store, settler->worker, prefix, first + count);
    store_settle(settler->store, STORE_RELEASE, settler->worker, items, (size_t)count, on_settled, NULL);
    free(items);
    free(tickets);
}
