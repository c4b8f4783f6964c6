#ifndef SANDBOX_HOOKS_H
#define SANDBOX_HOOKS_H

#include "tests/sandbox/ledger.h"

#include <stdatomic.h>

#define HOOKS_MAX            200 /* of both kinds together */
#define HOOK_NAME_MAX        256
#define HOOK_DESCRIPTION_MAX 512
#define HOOK_URL_MAX         2048
#define HOOK_SECRET_MAX      256
#define HOOK_SECRET_LEAST    16 /* of an integration's secret: longer than 15 */

/* Who wants to hear of messages: a webhook of the tutorial (of all messages), or an open integration (of those that are
 * sent from it). */
enum hook_kind { HOOK_WEBHOOK, HOOK_INTEGRATION };

struct hook {
    enum hook_kind kind;
    bool enabled;
    int64_t created_ms;
    char id[TEXT_UUID_SIZE];
    char name[HOOK_NAME_MAX + 1];
    char description[HOOK_DESCRIPTION_MAX + 1];
    char url[HOOK_URL_MAX + 1];
    char secret[HOOK_SECRET_MAX + 1]; /* of an integration; webhooks share that of hooks_set_secret */
};

/* All of them in the order of their creation. Thread-safe. */
struct hooks;

struct hooks *hooks_create(void);
void hooks_destroy(struct hooks *hooks);

/* hooks_set_secret: what webhooks are signed with from now on; "": not at all. At most HOOK_SECRET_MAX bytes count. */
void hooks_set_secret(struct hooks *hooks, const char *secret, size_t length);

/* hooks_add: 0, or -1 if there are too many. */
int hooks_add(struct hooks *hooks, const struct hook *hook);

/* hooks_change, hooks_remove: false if there is none of this kind and id. */
bool hooks_change(struct hooks *hooks, const struct hook *hook);
bool hooks_remove(struct hooks *hooks, enum hook_kind kind, struct span id);

/* hooks_get: a copy, with the secret that is to sign for it. */
bool hooks_get(struct hooks *hooks, enum hook_kind kind, struct span id, struct hook *ret_hook);

/* hooks_list: how many there are of a kind; copies those from `skip` on, at most `most`. */
size_t hooks_list(struct hooks *hooks, enum hook_kind kind, size_t skip, size_t most, struct hook *ret_list,
                  size_t *ret_count);

struct hook_name {
    enum hook_kind kind;
    char id[TEXT_UUID_SIZE];
};

/* hooks_are_there: whether any is registered. Without a lock: the question of every send. */
bool hooks_are_there(const struct hooks *hooks);

/* hooks_wanting: those that are to hear of a message on this channel from this address; at most HOOKS_MAX. */
size_t hooks_wanting(struct hooks *hooks, struct span channel, struct span from, struct hook_name *ret_names);

#endif
