#include "common/dead_reasons.h"

#include <string.h>

#define REASON_TEXT(name) #name,
static const char *const names[] = {DEAD_REASONS(REASON_TEXT)};
_Static_assert(sizeof(names) / sizeof(names[0]) == DEAD_REASON_COUNT, "each reason has a name");

const char *dead_reason_name(size_t index)
{
    return names[index];
}

size_t dead_reason_find(const char *name)
{
    for (size_t i = 0; i < DEAD_REASON_other; i++) {
        if (strcmp(names[i], name) == 0)
            return i;
    }
    return DEAD_REASON_other;
}
