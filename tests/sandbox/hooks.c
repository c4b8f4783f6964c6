/* The registered receivers of receipts. What may be registered is checked where it comes in (hook_api.c). */
#include "tests/sandbox/hooks.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* `lock` protects everything but `count`, which changes under it and is read without. */
struct hooks {
    pthread_mutex_t lock;
    atomic_size_t count;
    char secret[HOOK_SECRET_MAX + 1];
    struct hook list[HOOKS_MAX];
};

struct hooks *hooks_create(void)
{
    struct hooks *hooks = calloc(1, sizeof *hooks);
    if (hooks != NULL) {
        (void)pthread_mutex_init(&hooks->lock, NULL); /* default attributes: cannot fail on Linux */
    }
    return hooks;
}

void hooks_destroy(struct hooks *hooks)
{
    if (hooks == NULL) {
        return;
    }
    (void)pthread_mutex_destroy(&hooks->lock);
    free(hooks);
}

void hooks_set_secret(struct hooks *hooks, const char *secret, size_t length)
{
    size_t kept = length > HOOK_SECRET_MAX ? HOOK_SECRET_MAX : length;
    (void)pthread_mutex_lock(&hooks->lock);
    memcpy(hooks->secret, secret, kept);
    hooks->secret[kept] = '\0';
    (void)pthread_mutex_unlock(&hooks->lock);
}

static bool is_id(const struct hook *hook, struct span id)
{
    return strlen(hook->id) == id.length && memcmp(hook->id, id.bytes, id.length) == 0;
}

static struct hook *find_locked(struct hooks *hooks, enum hook_kind kind, struct span id)
{
    size_t count = atomic_load(&hooks->count);
    for (size_t i = 0; i < count; i++) {
        if (hooks->list[i].kind == kind && is_id(&hooks->list[i], id)) {
            return &hooks->list[i];
        }
    }
    return NULL;
}

int hooks_add(struct hooks *hooks, const struct hook *hook)
{
    int result = -1;
    (void)pthread_mutex_lock(&hooks->lock);
    size_t count = atomic_load(&hooks->count);
    if (count < HOOKS_MAX) {
        hooks->list[count] = *hook;
        atomic_store(&hooks->count, count + 1);
        result = 0;
    }
    (void)pthread_mutex_unlock(&hooks->lock);
    return result;
}

bool hooks_change(struct hooks *hooks, const struct hook *hook)
{
    (void)pthread_mutex_lock(&hooks->lock);
    struct hook *found = find_locked(hooks, hook->kind, (struct span){hook->id, strlen(hook->id)});
    if (found != NULL) {
        *found = *hook;
    }
    (void)pthread_mutex_unlock(&hooks->lock);
    return found != NULL;
}

bool hooks_remove(struct hooks *hooks, enum hook_kind kind, struct span id)
{
    (void)pthread_mutex_lock(&hooks->lock);
    struct hook *found = find_locked(hooks, kind, id);
    if (found != NULL) {
        size_t count = atomic_load(&hooks->count) - 1;
        memmove(found, found + 1, (size_t)(&hooks->list[count] - found) * sizeof *found);
        atomic_store(&hooks->count, count);
    }
    (void)pthread_mutex_unlock(&hooks->lock);
    return found != NULL;
}

bool hooks_get(struct hooks *hooks, enum hook_kind kind, struct span id, struct hook *ret_hook)
{
    (void)pthread_mutex_lock(&hooks->lock);
    const struct hook *found = find_locked(hooks, kind, id);
    if (found != NULL) {
        *ret_hook = *found;
        if (kind == HOOK_WEBHOOK) {
            memcpy(ret_hook->secret, hooks->secret, sizeof hooks->secret);
        }
    }
    (void)pthread_mutex_unlock(&hooks->lock);
    return found != NULL;
}

size_t hooks_list(struct hooks *hooks, enum hook_kind kind, size_t skip, size_t most, struct hook *ret_list,
                  size_t *ret_count)
{
    size_t total = 0;
    size_t copied = 0;
    (void)pthread_mutex_lock(&hooks->lock);
    size_t count = atomic_load(&hooks->count);
    for (size_t i = 0; i < count; i++) {
        if (hooks->list[i].kind != kind) {
            continue;
        }
        if (total >= skip && copied < most) {
            ret_list[copied++] = hooks->list[i];
        }
        total++;
    }
    (void)pthread_mutex_unlock(&hooks->lock);
    *ret_count = copied;
    return total;
}

bool hooks_are_there(const struct hooks *hooks)
{
    return atomic_load_explicit(&hooks->count, memory_order_relaxed) > 0;
}

size_t hooks_wanting(struct hooks *hooks, struct span channel, struct span from, struct hook_name *ret_names)
{
    static const char open[] = "open";
    bool is_open = channel.length == sizeof open - 1 && memcmp(channel.bytes, open, sizeof open - 1) == 0;
    size_t wanting = 0;
    (void)pthread_mutex_lock(&hooks->lock);
    size_t count = atomic_load(&hooks->count);
    for (size_t i = 0; i < count; i++) {
        const struct hook *hook = &hooks->list[i];
        if (hook->enabled && (hook->kind == HOOK_WEBHOOK || (is_open && is_id(hook, from)))) {
            ret_names[wanting].kind = hook->kind;
            memcpy(ret_names[wanting++].id, hook->id, sizeof hook->id);
        }
    }
    (void)pthread_mutex_unlock(&hooks->lock);
    return wanting;
}
