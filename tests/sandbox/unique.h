#ifndef SANDBOX_UNIQUE_H
#define SANDBOX_UNIQUE_H

#include <stddef.h>
#include <stdint.h>

/* A set of byte strings it does not own, each with what belongs to it: the bytes must stay where they are until
 * unique_clear. Not thread-safe. */
struct unique_slot {
    const char *bytes;
    const void *owner;
    uint32_t length;
    uint32_t hash;
};

struct unique {
    struct unique_slot *slots;
    size_t capacity; /* 0 or a power of two */
    size_t count;
};

/* unique_add: 0, or -1 if memory ran out (the set is then as before). A string already present is not added again. */
int unique_add(struct unique *set, const char *bytes, size_t length, const void *owner);

/* unique_find: the owner given with these bytes, or NULL. */
const void *unique_find(const struct unique *set, const char *bytes, size_t length);
void unique_clear(struct unique *set);

#endif
