#include "producer/command.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/utf8.h"
#include "producer/terminal.h"

#define START_PATIENCE_MS 3000

enum exit_status command_fail(int rc, const struct reason *why)
{
    char clean[sizeof(why->text)];

    (void)fprintf(stderr, "herald: %s\n", terminal_clean(why->text, clean, sizeof(clean)));
    if (rc == ERR_UNREACHABLE || rc == ERR_DENIED) {
        (void)fprintf(stderr, "herald: is Redis running, and is --redis (HERALD_REDIS_URL) right?\n");
        return EXIT_UNREACHABLE;
    }
    return rc == ERR_INVALID || rc == ERR_LIMIT ? EXIT_USAGE
                                                : EXIT_FAILED; /* a file beyond its bounds cannot be used */
}

const char *command_actor(char out[AUDIT_ACTOR_MAX + 1])
{
    struct passwd entry, *found = NULL;
    char memory[4096], name[96];

    if (getpwuid_r(getuid(), &entry, memory, sizeof(memory), &found) != 0 || !found ||
        !utf8_is_valid(entry.pw_name, strlen(entry.pw_name)))
        (void)snprintf(out, AUDIT_ACTOR_MAX + 1, "cli:%u", (unsigned)getuid());
    else
        (void)snprintf(out, AUDIT_ACTOR_MAX + 1, "cli:%s", terminal_clean(entry.pw_name, name, sizeof(name)));
    return out;
}

void command_name_actor(struct store *store)
{
    char actor[AUDIT_ACTOR_MAX + 1];

    store_set_actor(store, command_actor(actor));
}

int command_callback_rules(const struct settings *settings, struct callback_rules *ret, struct reason *why)
{
    return callback_rules_init(ret, settings->callback_hosts, settings->callback_private_hosts, settings->callback_url,
                               why);
}

static int new_store(const struct settings *settings, struct store **ret, struct reason *why)
{
    int rc = store_open(ret, settings->redis_url, settings->org, why);

    if (rc != 0)
        return rc;
    store_set_limits(*ret, &(struct store_limits){
                               .keep_ms = settings->keep_ms,
                               .dedup_ms = settings->dedup_ms,
                               .campaign_memory_ms = settings->campaign_memory_ms,
                               .audit_max = settings->audit_max,
                               .audit_stops = settings_audit_stops(settings),
                               .report_ms = settings->report_keep_ms,
                           });
    return 0;
}

int command_open_store(const struct settings *settings, struct store **ret, struct reason *why)
{
    struct store *store = NULL;
    int rc = new_store(settings, &store, why);

    if (rc == 0)
        rc = store_finish(store, 0, START_PATIENCE_MS, why);
    if (rc != 0) {
        store_close(store);
        return rc;
    }
    *ret = store;
    return 0;
}
