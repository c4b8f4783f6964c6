/* A command of `herald`: one row of the table in main.c, one file of its own. */
#ifndef HERALD_PRODUCER_COMMAND_H
#define HERALD_PRODUCER_COMMAND_H

#include "common/audit.h"
#include "common/callback_url.h"
#include "common/options.h"
#include "common/reason.h"
#include "common/settings.h"
#include "common/store.h"

/* Exit status of every command. */
enum exit_status {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,       /* wrong use, or a file that cannot be used as it is */
    EXIT_PART = 3,        /* done in part: some rows were refused */
    EXIT_UNREACHABLE = 4, /* Redis or Genesys out of reach */
};

struct command_call {
    struct settings *settings;
    const void *options;              /* of the command's own rows */
    const struct option_words *words; /* what follows the command's name */
};

struct command {
    const char *name; /* `campaign send` */
    const char *usage;
    const char *summary; /* a line */
    const char *help;    /* some lines */
    size_t words_max;    /* that may follow the name */
    unsigned programs;   /* whose settings it has besides those of `herald`: enum settings_program */
    const struct option *rows;
    size_t row_count;
    size_t options_size;
    enum exit_status (*run)(const struct command_call *call);
};

/* All commands, in the order in which --help shows them. */
#define COMMANDS(X)                                                                                                    \
    X(campaign_send)                                                                                                   \
    X(campaign_status)                                                                                                 \
    X(campaign_pause)                                                                                                  \
    X(campaign_resume)                                                                                                 \
    X(campaign_cancel)                                                                                                 \
    X(enqueue)                                                                                                         \
    X(status)                                                                                                          \
    X(report)                                                                                                          \
    X(reconcile)                                                                                                       \
    X(dead_list)                                                                                                       \
    X(dead_show)                                                                                                       \
    X(dead_export)                                                                                                     \
    X(dead_replay)                                                                                                     \
    X(dead_purge)                                                                                                      \
    X(callback_list)                                                                                                   \
    X(callback_show)                                                                                                   \
    X(callback_replay)                                                                                                 \
    X(callback_purge)                                                                                                  \
    X(client_new)                                                                                                      \
    X(suppress_add)                                                                                                    \
    X(suppress_remove)                                                                                                 \
    X(suppress_list)                                                                                                   \
    X(suppress_import)                                                                                                 \
    X(webhook_register)                                                                                                \
    X(webhook_list)                                                                                                    \
    X(webhook_delete)                                                                                                  \
    X(doctor)                                                                                                          \
    X(audit_export)                                                                                                    \
    X(audit_verify)                                                                                                    \
    X(settings)                                                                                                        \
    X(metrics)

#define COMMAND_DECLARE(name) extern const struct command command_##name;
COMMANDS(COMMAND_DECLARE)

/* `herald: ` and the reason on standard error; returns the status that belongs to the err. */
enum exit_status command_fail(int rc, const struct reason *why);

/* Who runs this, for the audit: `cli:<user name>`, or the number of a user without one. Returns `out`. */
const char *command_actor(char out[AUDIT_ACTOR_MAX + 1]);

/* What every command with --filter says about it. */
#define COMMAND_FILTER_HELP                                                                                            \
    "FILTER is conditions between blanks that must all hold: reason= campaign= code= channel= to= before= after=.\n"   \
    "Values between commas are any of them; before and after take a time such as 2026-01-15T10:30:00Z or an age\n"     \
    "such as 2h. Example: --filter 'reason=rejected,forbidden campaign=spring after=7d'.\n"

#define COMMAND_PATIENCE_MS 10000 /* Redis may be away for so long in the middle of a command */

/* Messages that this store puts in are those of who runs this. */
void command_name_actor(struct store *store);

/* Whom the settings allow as callbacks. ERR_INVALID when they are wrong. */
int command_callback_rules(const struct settings *settings, struct callback_rules *ret, struct reason *why);

/* Opens the store of the settings with their limits, and waits until Redis answers. */
int command_open_store(const struct settings *settings, struct store **ret, struct reason *why);

#endif
