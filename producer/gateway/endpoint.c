#include "producer/gateway/endpoint.h"

#include <stdio.h>
#include <string.h>

/* True when the path is of that form; fills the segment. */
static bool path_matches(const char *form, const char *path, char segment[ID_SIZE])
{
    size_t before = 0, len;

    segment[0] = '\0';
    while (form[before] && form[before] != '{' && form[before] == path[before])
        before++;
    if (form[before] != '{')
        return form[before] == path[before]; /* both have ended */
    path += before;
    len = strcspn(path, "/");
    if (!id_is_valid(path, len) || strcmp(form + before + 2, path + len) != 0)
        return false;
    memcpy(segment, path, len);
    segment[len] = '\0';
    return true;
}

static void allow(struct endpoint_match *match, const char *method)
{
    size_t len = strlen(match->allowed);

    (void)snprintf(match->allowed + len, sizeof(match->allowed) - len, "%s%s", len ? ", " : "", method);
    match->is_path_known = true;
}

void endpoint_find(const struct endpoint *table, size_t count, const char *method, const char *path,
                   struct endpoint_match *ret)
{
    char segment[ID_SIZE];

    *ret = (struct endpoint_match){.endpoint = NULL};
    for (size_t i = 0; i < count; i++) {
        if (!path_matches(table[i].path, path, segment))
            continue;
        if (strcmp(table[i].method, method) == 0) {
            ret->endpoint = &table[i];
            memcpy(ret->segment, segment, strlen(segment) + 1);
            return;
        }
        allow(ret, table[i].method);
    }
}
