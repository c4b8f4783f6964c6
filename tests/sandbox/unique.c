/* The ids that the ledger holds, to count the different ones and to find an entry: an open-addressing set that compares
 * the bytes themselves, as a count of duplicates that could be wrong by a hash collision would be no evidence. */
#include "tests/sandbox/unique.h"

#include <stdlib.h>
#include <string.h>

#define UNIQUE_FIRST 1024U

static uint64_t hash_bytes(const char *bytes, size_t length)
{
    uint64_t hash = 0xcbf29ce484222325ULL;
    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3ULL;
    }
    return hash ^ (hash >> 29);
}

static struct unique_slot *find_slot(struct unique_slot *slots, size_t capacity, const struct unique_slot *wanted)
{
    size_t at = wanted->hash & (capacity - 1);
    while (slots[at].bytes != NULL) {
        if (slots[at].hash == wanted->hash && slots[at].length == wanted->length &&
            memcmp(slots[at].bytes, wanted->bytes, wanted->length) == 0) {
            break;
        }
        at = (at + 1) & (capacity - 1);
    }
    return &slots[at];
}

static int grow(struct unique *set)
{
    size_t capacity = set->capacity == 0 ? UNIQUE_FIRST : 2 * set->capacity;
    struct unique_slot *slots = calloc(capacity, sizeof *slots);
    if (slots == NULL) {
        return -1;
    }
    for (size_t i = 0; i < set->capacity; i++) {
        if (set->slots[i].bytes != NULL) {
            *find_slot(slots, capacity, &set->slots[i]) = set->slots[i];
        }
    }
    free(set->slots);
    set->slots = slots;
    set->capacity = capacity;
    return 0;
}

int unique_add(struct unique *set, const char *bytes, size_t length, const void *owner)
{
    if (3 * set->capacity <= 4 * set->count && grow(set) != 0) {
        return -1;
    }
    struct unique_slot wanted = {bytes, owner, (uint32_t)length, (uint32_t)hash_bytes(bytes, length)};
    struct unique_slot *slot = find_slot(set->slots, set->capacity, &wanted);
    if (slot->bytes == NULL) {
        *slot = wanted;
        set->count++;
    }
    return 0;
}

const void *unique_find(const struct unique *set, const char *bytes, size_t length)
{
    if (set->capacity == 0) {
        return NULL;
    }
    struct unique_slot wanted = {bytes, NULL, (uint32_t)length, (uint32_t)hash_bytes(bytes, length)};
    return find_slot(set->slots, set->capacity, &wanted)->owner;
}

void unique_clear(struct unique *set)
{
    free(set->slots);
    *set = (struct unique){NULL, 0, 0};
}
