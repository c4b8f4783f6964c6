#include "common/nearest.h"

#include <string.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Row by row: what the first i letters of a cost to become the first j of b. */
static size_t slips_between(struct span a, struct span b)
{
    size_t rows[3][NEAREST_MAX + 1];

    for (size_t j = 0; j <= b.len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t *now = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];

        now[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            now[j] = least(above[j - 1] + (a.data[i - 1] != b.data[j - 1]), least(above[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] && a.data[i - 2] == b.data[j - 1])
                now[j] = least(now[j], two_above[j - 2] + 1);
        }
    }
    return rows[a.len % 3][b.len];
}

void nearest_look_at(struct nearest *nearest, const char *name)
{
    size_t slips;

    if (nearest->word.len > NEAREST_MAX || strlen(name) > NEAREST_MAX)
        return;
    slips = slips_between(nearest->word, span_of(name));
    if ((!nearest->is_any && 3 * slips > nearest->word.len + 1) || (nearest->name && slips >= nearest->slips))
        return;
    nearest->name = name;
    nearest->slips = slips;
}
