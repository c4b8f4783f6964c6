/* Where a member of a JSON object stands in its text, without reading all of it into a tree. For text that Herald wrote
 * itself; anything else is safe to ask about and may find nothing. Pure. */
#ifndef HERALD_COMMON_JSON_SPAN_H
#define HERALD_COMMON_JSON_SPAN_H

#include "common/span.h"

/* The value of the first member with this name (of letters and `_`) in the object, blanks around it left out; absent
 * when there is none. */
struct span json_span(struct span object, const char *name);

/* Several at once. `ret` has one for each name, in their order. */
void json_spans(struct span object, const char *const *names, size_t count, struct span *ret);

#endif
