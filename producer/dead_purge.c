/* herald dead purge: dead letters are taken away for good. */
#include <inttypes.h>
#include <unistd.h>

#include "producer/dead_command.h"
#include "producer/terminal.h"

struct options {
    char *filter, *reason;
    int64_t limit;
    bool is_sure, is_dry, is_json;
};

#define AT(member) .offset = offsetof(struct options, member)

static const struct option rows[] = {
    {"filter", NULL, OPTION_TEXT, AT(filter), .value = "FILTER", .help = "these only"},
    {"reason", NULL, OPTION_TEXT, AT(reason), .value = "TEXT",
     .help = "why, for the audit; needed for more than one message"},
    {"limit", NULL, OPTION_NUMBER, AT(limit), .fallback = "0", .min = 0, .max = INT64_C(1000000000), .value = "N",
     .help = "at most so many, the oldest first; 0: all"},
    {"yes", NULL, OPTION_SWITCH, AT(is_sure), .help = "do not ask"},
    {"dry-run", NULL, OPTION_SWITCH, AT(is_dry), .help = "only say what would be done"},
    {"json", NULL, OPTION_SWITCH, AT(is_json), .help = "as JSON"},
};

/* Only a person at a terminal can be asked. */
static bool confirm(const struct command_call *call, int64_t count)
{
    const struct options *options = call->options;
    char answer[16];

    if (options->is_sure)
        return true;
    if (isatty(STDIN_FILENO) != 1)
        return false;
    (void)fprintf(stderr, "Purge %" PRId64 " dead letters of organisation %s for good? [y/N] ", count,
                  call->settings->org);
    return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
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
    const struct dead_job job = {.is_purge = true, .is_dry = options->is_dry, .limit = options->limit};

    return dead_command_run(call, &choice, &job, confirm);
}

const struct command command_dead_purge = {
    .name = "dead purge",
    .usage = "[ID] [OPTION]...",
    .summary = "take dead letters away for good",
    .help = "Asks first, unless --yes. What is purged is counted as such in herald status, and who did it is in the "
            "audit.\n"
            "herald dead export keeps a copy.\n" COMMAND_FILTER_HELP,
    .words_max = 1,
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .options_size = sizeof(struct options),
    .run = run_command,
};
