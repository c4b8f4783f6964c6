/* herald dead replay: dead letters go back on their lists. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "producer/dead_command.h"

struct options {
    char *filter, *reason, *edit, *to_priority;
    int64_t limit;
    struct rate rate;
    bool is_dry, is_json;
};

#define AT(member) .offset = offsetof(struct options, member)

static const struct option rows[] = {
    {"filter", NULL, OPTION_TEXT, AT(filter), .value = "FILTER", .help = "these only"},
    {"reason", NULL, OPTION_TEXT, AT(reason), .value = "TEXT",
     .help = "why, for the audit; needed for more than one message"},
    {"limit", NULL, OPTION_NUMBER, AT(limit), .fallback = "0", .min = 0, .max = INT64_C(1000000000), .value = "N",
     .help = "at most so many, the oldest first; 0: all"},
    {"rate", NULL, OPTION_RATE, AT(rate), .fallback = "unlimited", .value = "L/Ws",
     .help = "at most L in any W seconds, such as 10/1s"},
    {"edit", NULL, OPTION_TEXT, AT(edit), .value = "PATCH",
     .help = "change each envelope by this JSON merge patch (RFC 7396), or by that of @FILE"},
    {"to-priority", NULL, OPTION_TEXT, AT(to_priority), .choices = "high|normal|low", .value = "PRIORITY",
     .help = "on to the list of this priority, instead of each one's own: high, normal or low"},
    {"dry-run", NULL, OPTION_SWITCH, AT(is_dry), .help = "only say what would be done"},
    {"json", NULL, OPTION_SWITCH, AT(is_json), .help = "as JSON"},
};

static int read_file(const char *path, struct buf *out, struct reason *why)
{
    FILE *file = fopen(path, "re");
    char chunk[4096];
    size_t len;
    int rc = 0;

    if (!file) {
        reason_set(why, "--edit @%.200s: %s", path, strerror(errno));
        return ERR_IO;
    }
    while ((len = fread(chunk, 1, sizeof(chunk), file)) > 0)
        buf_add(out, chunk, len);
    if (ferror(file)) {
        reason_set(why, "--edit @%.200s: %s", path, strerror(errno));
        rc = ERR_IO;
    }
    (void)fclose(file); /* it was only read */
    return rc;
}

/* NULL in `ret` when there is none. */
static int read_patch(const char *edit, struct json **ret, struct reason *why)
{
    struct reason reason = {""};
    struct json *patch = NULL;
    struct buf text;
    int rc = 0;

    if (!edit)
        return 0;
    buf_init(&text, REVIVAL_PATCH_MAX);
    if (edit[0] == '@')
        rc = read_file(edit + 1, &text, why);
    else
        buf_text(&text, edit);
    if (rc == 0 && text.overflow) {
        reason_set(why, "--edit: the patch is longer than %d bytes", REVIVAL_PATCH_MAX);
        rc = ERR_INVALID;
    }
    if (rc == 0 && json_parse(&patch, buf_str(&text), text.len, &reason) != 0) {
        reason_set(why, "--edit: %.250s", reason.text);
        rc = ERR_INVALID;
    }
    buf_clear(&text);
    if (rc == 0 && reviver_check_patch(patch, &reason) != 0) {
        reason_set(why, "--edit: %.250s", reason.text);
        rc = ERR_INVALID;
    }
    if (rc == 0)
        *ret = patch;
    else
        json_free(patch);
    return rc;
}

static enum priority find_priority(const char *name)
{
    for (int i = 0; i < PRIORITY_COUNT; i++) {
        if (strcmp(priority_name((enum priority)i), name) == 0)
            return (enum priority)i;
    }
    return PRIORITY_NORMAL; /* the option's choices are the names */
}

static enum exit_status run_command(const struct command_call *call)
{
    const struct options *options = call->options;
    const struct dead_choice choice = {
        .id = call->words->count > 0 ? call->words->words[0] : NULL,
        .filter = options->filter,
        .reason = options->reason,
        .is_json = options->is_json,
    };
    struct dead_job job = {.is_dry = options->is_dry, .limit = options->limit, .rate = options->rate};
    struct json *patch = NULL;
    struct reason why = {""};
    enum exit_status status;

    if (options->to_priority) {
        job.has_priority = true;
        job.priority = find_priority(options->to_priority);
    }
    if (read_patch(options->edit, &patch, &why) != 0)
        return command_fail(ERR_INVALID, &why);
    job.patch = patch;
    status = dead_command_run(call, &choice, &job, NULL);
    json_free(patch);
    return status;
}

const struct command command_dead_replay = {
    .name = "dead replay",
    .usage = "[ID] [OPTION]...",
    .summary = "send dead letters again: back on their lists, with their attempts reset",
    .help = "Each letter goes back in one step and once, however many replay at the same time; stopped or killed, the\n"
            "command is run again and goes on with what is left. Letters that could not be sent as they are stay\n"
            "(exit status 3, or 1 when none went back) and are named. Opted-out people, cancelled campaigns and\n"
            "expiry are looked at again before each request. Those that died as outcome_unknown may have "
            "arrived.\n" COMMAND_FILTER_HELP,
    .words_max = 1,
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .options_size = sizeof(struct options),
    .run = run_command,
};
