/* herald suppress add, remove: people named on the command line. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/mem.h"
#include "producer/command.h"
#include "producer/suppression.h"

#define PEOPLE_MAX 16 /* on one command line; more are a file for herald suppress import */

struct options {
    char *channel, *reason;
    bool is_json;
};

#define AT(member) .offset = offsetof(struct options, member)

static const struct option rows[] = {
    {"channel", NULL, OPTION_TEXT, AT(channel), .choices = SUPPRESSION_CHANNELS,
     .help = "of addresses that do not say it themselves"},
    {"reason", NULL, OPTION_TEXT, AT(reason), .value = "TEXT", .help = "for the audit: why"},
    {"json", NULL, OPTION_SWITCH, AT(is_json), .help = "as JSON"},
};

/* All of them are read before the first is changed: a slip of the pen changes nothing. */
static int read_people(const struct command_call *call, char people[][CHANNEL_PERSON_SIZE], struct reason *why)
{
    const struct options *options = call->options;
    enum channel assumed = options->channel ? channel_find(span_of(options->channel)) : CHANNEL_NONE;
    struct refusal refusal;

    if (call->words->count == 0) {
        reason_set(why, "whom? Give addresses, such as sms:+13175550199");
        return ERR_INVALID;
    }
    for (size_t i = 0; i < call->words->count; i++) {
        if (channel_read_person(span_of(call->words->words[i]), assumed, people[i], &refusal) != 0) {
            reason_set(why, "address %zu: %s; nothing was changed", i + 1, refusal.text);
            return ERR_INVALID;
        }
    }
    return 0;
}

static int change(const struct command_call *call, struct suppression *suppression, bool is_added,
                  char people[][CHANNEL_PERSON_SIZE], struct reason *why)
{
    const struct options *options = call->options;
    struct store *store = NULL;
    int rc = read_people(call, people, why);

    if (rc == 0)
        rc = suppression_init(suppression, NULL, is_added, options->reason, why);
    if (rc == 0)
        rc = command_open_store(call->settings, &store, why);
    suppression->store = store;
    for (size_t i = 0; rc == 0 && i < call->words->count; i++)
        rc = suppression_take(suppression, people[i], why);
    if (rc == 0)
        rc = suppression_finish(suppression, why);
    store_close(store);
    return rc;
}

static enum exit_status run(const struct command_call *call, bool is_added, const char *done, const char *undone)
{
    const struct options *options = call->options;
    struct suppression *suppression = mem_zalloc(1, sizeof(*suppression));
    char(*people)[CHANNEL_PERSON_SIZE] = mem_zalloc(PEOPLE_MAX, sizeof(*people));
    struct reason why = {""};
    int rc = change(call, suppression, is_added, people, &why);

    if (rc == 0 && options->is_json)
        (void)printf("{\"%s\":%" PRIu64 ",\"unchanged\":%" PRIu64 "}\n", done, suppression->changed,
                     suppression->unchanged);
    else if (rc == 0)
        (void)printf("%" PRIu64 " %s, %" PRIu64 " %s\n", suppression->changed, done, suppression->unchanged, undone);
    suppression_clear(suppression);
    free(suppression);
    free(people);
    return rc == 0 ? EXIT_DONE : command_fail(rc, &why);
}

static enum exit_status run_add(const struct command_call *call)
{
    return run(call, true, "added", "suppressed before");
}

static enum exit_status run_remove(const struct command_call *call)
{
    return run(call, false, "removed", "not suppressed");
}

#define ROWS                                                                                                           \
    .usage = "ADDRESS... [OPTION]...", .words_max = PEOPLE_MAX, .rows = rows,                                          \
    .row_count = sizeof(rows) / sizeof(rows[0]), .options_size = sizeof(struct options)

const struct command command_suppress_add = {
    .name = "suppress add",
    .summary = "write to these people no more, whatever is enqueued",
    .help = "An address is sms:+13175550199, or one of --channel. Producers refuse messages to it, and the worker\n"
            "looks right before each request: what is on the lists already becomes a dead letter `suppressed`.\n",
    ROWS,
    .run = run_add,
};

const struct command command_suppress_remove = {
    .name = "suppress remove",
    .summary = "these people may be written to again",
    .help = "Dead letters that were made meanwhile stay dead.\n",
    ROWS,
    .run = run_remove,
};
