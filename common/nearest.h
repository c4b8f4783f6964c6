/* What somebody may have meant: of all names that there are the one that is nearest to a word with a slip of the
 * keyboard in it. Letters left out, added, changed or exchanged with their neighbour count one each (optimal string
 * alignment). */
#ifndef HERALD_COMMON_NEAREST_H
#define HERALD_COMMON_NEAREST_H

#include "common/span.h"

#define NEAREST_MAX 40 /* bytes; longer words and names are near nothing */

struct nearest {
    struct span word;
    bool is_any;      /* the nearest is wanted however far it is */
    const char *name; /* NULL: none is near; of 2 letters 1 may be wrong, of 5 letters 2, of 8 letters 3 */
    size_t slips;
};

void nearest_look_at(struct nearest *nearest, const char *name);

#endif
