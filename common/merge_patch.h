/* JSON merge patch (RFC 7396): a patch is the shape of what it changes; `null` takes a member away. Pure. */
#ifndef HERALD_COMMON_MERGE_PATCH_H
#define HERALD_COMMON_MERGE_PATCH_H

#include "common/json.h"

/* Returns what `target` (taken; NULL: absent) becomes by `patch` (borrowed, and unchanged); caller frees with
 * json_free. NULL is the JSON null. */
struct json *merge_patch(struct json *target, const struct json *patch);

#endif
