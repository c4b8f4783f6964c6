#include "worker/slot.h"

#include <stdlib.h>

#include "common/mem.h"

#define DOCUMENT_MAX                                                                                                   \
    ((size_t)8 << 20) /* a message of JSON_MAX_BYTES whose every byte needs an escape, and its history */

void slots_init(struct slots *slots, size_t count, struct sender *sender)
{
    *slots = (struct slots){.sender = sender, .all = mem_zalloc(count, sizeof(struct slot)), .count = count};
}

static struct slot *make(struct slots *slots)
{
    struct slot *slot = &slots->all[slots->made++];

    slot->sender = slots->sender;
    buf_init(&slot->body, DOCUMENT_MAX);
    buf_init(&slot->document, DOCUMENT_MAX);
    buf_init(&slot->audit, DOCUMENT_MAX);
    return slot;
}

void slots_clear(struct slots *slots)
{
    for (size_t i = 0; i < slots->made; i++) {
        struct slot *slot = &slots->all[i];

        envelope_clear(&slot->envelope);
        buf_clear(&slot->body);
        buf_clear(&slot->document);
        buf_clear(&slot->audit);
    }
    free(slots->all);
    *slots = (struct slots){.all = NULL};
}

struct slot *slots_take(struct slots *slots)
{
    struct slot *slot = slots->free;

    if (!slot && slots->made == slots->count)
        return NULL;
    if (slot)
        slots->free = slot->next;
    else
        slot = make(slots);
    slots->used++;
    buf_reset(&slot->body);
    buf_reset(&slot->document);
    buf_reset(&slot->audit);
    slot->sha256[0] = '\0';
    return slot;
}

void slots_give(struct slots *slots, struct slot *slot)
{
    /* One large message must not make a slot large for ever. */
    if (slot->body.cap > 65536 || slot->document.cap > 65536) {
        buf_clear(&slot->body);
        buf_clear(&slot->document);
    }
    envelope_clear(&slot->envelope);
    slot->next = slots->free;
    slots->free = slot;
    slots->used--;
}
