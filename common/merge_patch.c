#include "common/merge_patch.h"

static bool merge_member(void *context, const char *key, const struct json *value)
{
    struct json *target = context, *old;

    if (json_kind(value) == JSON_NULL || json_kind(value) == JSON_ABSENT) {
        json_remove(target, key);
        return true;
    }
    old = json_edit(target, key);
    json_set(target, key, merge_patch(old ? json_ref(old) : NULL, value));
    return true;
}

struct json *merge_patch(struct json *target, const struct json *patch)
{
    if (json_kind(patch) != JSON_OBJECT) {
        json_free(target);
        return patch ? json_ref(patch) : NULL; /* a value that nobody changes may have two owners */
    }
    if (json_kind(target) != JSON_OBJECT) {
        json_free(target);
        target = json_new_object();
    }
    json_each(patch, merge_member, target);
    return target;
}
