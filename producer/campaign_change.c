/* herald campaign pause, resume, cancel: what is to become of messages that have not been sent yet. */
#include <inttypes.h>

#include "producer/command.h"

struct options {
    bool is_json;
    char *reason;
};

static const struct option rows[] = {
    {"reason", NULL, OPTION_TEXT, .offset = offsetof(struct options, reason), .value = "TEXT",
     .help = "why, for the audit"},
    {"json", NULL, OPTION_SWITCH, .offset = offsetof(struct options, is_json), .help = "as JSON"},
};

static enum exit_status change(const struct command_call *call, enum store_campaign_state state, const char *done,
                               const char *moved_text)
{
    const struct options *options = call->options;
    struct store *store = NULL;
    struct reason why = {""};
    char actor[AUDIT_ACTOR_MAX + 1];
    const struct audit_by by = {command_actor(actor), options->reason ? options->reason : ""};
    int64_t moved = 0;
    int rc;

    if (call->words->count != 1) {
        reason_set(&why, "which campaign? Give its name; herald campaign status NAME shows how far it is");
        return command_fail(ERR_INVALID, &why);
    }
    rc = audit_check_by(&by, &why);
    if (rc == 0)
        rc = command_open_store(call->settings, &store, &why);
    if (rc == 0)
        rc = store_set_campaign(store, call->words->words[0], state, &by, &moved, COMMAND_PATIENCE_MS, &why);
    store_close(store);
    if (rc != 0)
        return command_fail(rc, &why);
    if (options->is_json)
        (void)printf("{\"campaign\":\"%s\",\"state\":\"%s\",\"moved\":%" PRId64 "}\n", call->words->words[0], done,
                     moved);
    else
        (void)printf("campaign %s is %s%s", call->words->words[0], done, moved > 0 ? "" : "\n");
    if (!options->is_json && moved > 0)
        (void)printf("; %" PRId64 " %s\n", moved, moved_text);
    return EXIT_DONE;
}

static enum exit_status run_pause(const struct command_call *call)
{
    return change(call, STORE_PAUSED, "paused", "");
}

static enum exit_status run_resume(const struct command_call *call)
{
    return change(call, STORE_RUNNING, "running", "waiting messages are back on their lists");
}

static enum exit_status run_cancel(const struct command_call *call)
{
    return change(call, STORE_CANCELLED_FOR_GOOD, "cancelled", "waiting messages have ended");
}

#define ROWS                                                                                                           \
    .words_max = 1, .rows = rows, .row_count = sizeof(rows) / sizeof(rows[0]), .options_size = sizeof(struct options)

const struct command command_campaign_pause = {
    .name = "campaign pause",
    .usage = "NAME [OPTION]...",
    .summary = "send nothing more of a campaign until it is resumed",
    .help =
        "Requests under way are finished. Each message is looked at right before it would be sent; those of a paused\n"
        "campaign wait beside the lists and hold up nobody.\n",
    ROWS,
    .run = run_pause,
};

const struct command command_campaign_resume = {
    .name = "campaign resume",
    .usage = "NAME [OPTION]...",
    .summary = "go on with a paused campaign",
    .help = "",
    ROWS,
    .run = run_resume,
};

const struct command command_campaign_cancel = {
    .name = "campaign cancel",
    .usage = "NAME [OPTION]...",
    .summary = "never send what is left of a campaign; for good",
    .help = "Messages still on a list end as `cancelled` when their turn comes. This cannot be undone.\n",
    ROWS,
    .run = run_cancel,
};
