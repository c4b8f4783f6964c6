#include "producer/gateway/templates.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/ids.h"
#include "common/mem.h"
#include "producer/personalise.h"

#define ENDING     ".json"
#define ENDING_LEN (sizeof(ENDING) - 1)

struct named {
    char name[ID_SIZE];
    struct template *template;
};

struct template_set {
    atomic_uint holders;
    size_t count;
    struct named all[]; /* by name */
};

struct templates {
    const struct settings *settings;
    pthread_mutex_t lock; /* guards the set, until somebody holds it */
    struct template_set *set;
};

/* --- a set --- */

static struct template_set *set_new(size_t room)
{
    struct template_set *set = mem_zalloc(1, sizeof(*set) + room * sizeof(set->all[0]));

    atomic_store(&set->holders, 1);
    return set;
}

void template_set_release(struct template_set *set)
{
    if (!set || atomic_fetch_sub(&set->holders, 1) > 1)
        return;
    for (size_t i = 0; i < set->count; i++)
        template_free(set->all[i].template);
    free(set);
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

const struct template *template_set_find(const struct template_set *set, struct span name)
{
    const struct named *found;
    struct named wanted = {.template = NULL};

    if (!id_is_valid(name.data, name.len))
        return NULL;
    memcpy(wanted.name, name.data, name.len);
    wanted.name[name.len] = '\0';
    found = bsearch(&wanted, set->all, set->count, sizeof(set->all[0]), compare);
    return found ? found->template : NULL;
}

/* --- reading --- */

/* Whether messages can be made of it; one without a sender is for those who bring theirs. */
static int check(const struct templates *templates, const struct template *t, struct reason *why)
{
    const struct personaliser_config config = {
        .template = t,
        .origins = templates->settings->origins,
        .now_ms = clock_wall_ms(),
    };
    struct personaliser *personaliser = NULL;
    int rc = 0;

    if (template_field(t, TEMPLATE_FROM))
        rc = personaliser_create(&personaliser, &config, why);
    personaliser_destroy(personaliser);
    return rc;
}

static int load(const struct templates *templates, const char *file, struct named *ret, struct reason *why)
{
    size_t len = strlen(file) - ENDING_LEN;
    struct reason inner = {""};
    char path[4096];
    int rc;

    if (!id_is_valid(file, len)) {
        reason_set(why, "--templates: a name has 1 to %d letters, digits and . _ : -, not as in `%.60s`", ID_MAX, file);
        return ERR_INVALID;
    }
    memcpy(ret->name, file, len);
    if ((size_t)snprintf(path, sizeof(path), "%s/%s", templates->settings->templates, file) >= sizeof(path)) {
        reason_set(why, "--templates: the folder's name is too long");
        return ERR_INVALID;
    }
    rc = template_load(&ret->template, path, why);
    if (rc != 0)
        return rc;
    rc = check(templates, ret->template, &inner);
    if (rc != 0)
        reason_set(why, "template %.100s: %s", path, inner.text);
    return rc;
}

static bool is_template(const char *file)
{
    size_t len = strlen(file);

    return file[0] != '.' && len > ENDING_LEN && strcmp(file + len - ENDING_LEN, ENDING) == 0;
}

static int load_all(const struct templates *templates, DIR *folder, struct template_set *set, struct reason *why)
{
    const struct dirent *entry;
    int rc = 0;

    while (rc == 0 && (errno = 0, entry = readdir(folder)) != NULL) {
        if (!is_template(entry->d_name))
            continue;
        if (set->count == TEMPLATES_MAX) {
            reason_set(why, "--templates: there are more than %d", TEMPLATES_MAX);
            return ERR_LIMIT;
        }
        rc = load(templates, entry->d_name, &set->all[set->count++], why);
    }
    if (rc == 0 && errno != 0) {
        reason_set(why, "--templates: cannot read the folder: %s", strerror(errno));
        rc = ERR_IO;
    }
    qsort(set->all, set->count, sizeof(set->all[0]), compare);
    return rc;
}

int templates_reload(struct templates *templates, struct reason *why)
{
    const char *path = templates->settings->templates;
    struct template_set *set = set_new(path ? TEMPLATES_MAX : 0), *old;
    DIR *folder = NULL;
    int rc = 0;

    if (path && !(folder = opendir(path))) {
        reason_set(why, "--templates: cannot open %.200s: %s", path, strerror(errno));
        rc = ERR_IO;
    }
    if (folder) {
        rc = load_all(templates, folder, set, why);
        (void)closedir(folder); /* it was only read */
    }
    if (rc == 0) {
        (void)pthread_mutex_lock(&templates->lock);
        old = templates->set;
        templates->set = set;
        (void)pthread_mutex_unlock(&templates->lock);
        set = old;
    }
    template_set_release(set);
    return rc;
}

int templates_open(struct templates **ret, const struct settings *settings, struct reason *why)
{
    struct templates *templates = mem_zalloc(1, sizeof(*templates));
    int rc;

    templates->settings = settings;
    (void)pthread_mutex_init(&templates->lock, NULL); /* never fails with default attributes on Linux */
    rc = templates_reload(templates, why);
    if (rc != 0)
        templates_close(templates);
    else
        *ret = templates;
    return rc;
}

void templates_close(struct templates *templates)
{
    if (!templates)
        return;
    template_set_release(templates->set);
    (void)pthread_mutex_destroy(&templates->lock);
    free(templates);
}

struct template_set *templates_take(struct templates *templates)
{
    struct template_set *set;

    (void)pthread_mutex_lock(&templates->lock);
    set = templates->set;
    (void)atomic_fetch_add(&set->holders, 1);
    (void)pthread_mutex_unlock(&templates->lock);
    return set;
}

size_t templates_count(struct templates *templates)
{
    struct template_set *set = templates_take(templates);
    size_t count = set->count;

    template_set_release(set);
    return count;
}
