/* The two readers of JSON, held to each other: whatever one says of some bytes, the other must say. */
#ifndef HERALD_TESTS_JSON_TWIN_H
#define HERALD_TESTS_JSON_TWIN_H

#include "common/json.h"

/* Reads the bytes as a view and as a tree. NULL when both take them, or both do not, and ask and print alike; else what
 * differs. A tree that is no object is nothing a view takes. */
const char *json_twin_difference(const char *data, size_t len);

size_t json_twin_depth(const struct json *tree); /* 1 for a value without others in it */

#endif
