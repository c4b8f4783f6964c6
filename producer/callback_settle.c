/* herald callback replay, purge: callbacks that were given up, back to be posted or away for good. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "producer/callback_report.h"
#include "producer/command.h"

struct options {
    char *host, *cause, *reason;
    bool is_sure, is_json;
};

#define AT(member) .offset = offsetof(struct options, member)

#define COMMON_ROWS                                                                                                     \
    {"host",                                                                                                            \
     NULL,                                                                                                              \
     OPTION_TEXT,                                                                                                       \
     AT(host),                                                                                                          \
     .value = "HOST[:PORT]",                                                                                            \
     .help = "these only, as herald callback list shows it"},                                                           \
        {"cause",                                                                                                       \
         NULL,                                                                                                          \
         OPTION_TEXT,                                                                                                   \
         AT(cause),                                                                                                     \
         .value = "REASON",                                                                                             \
         .choices = "exhausted|rejected|forbidden|unreadable",                                                          \
         .help = "these only"},                                                                                         \
        {"reason", NULL, OPTION_TEXT, AT(reason), .value = "TEXT", .help = "why, for the audit; needed without an ID"}, \
    {                                                                                                                   \
        "json", NULL, OPTION_SWITCH, AT(is_json), .help = "as JSON"                                                     \
    }

static const struct option replay_rows[] = {COMMON_ROWS};
static const struct option purge_rows[] = {
    COMMON_ROWS,
    {"yes", NULL, OPTION_SWITCH, AT(is_sure), .help = "do not ask"},
};

/* One run over the dead ones that there are now: what dies again meanwhile has an id that was passed already. */
struct run {
    const struct options *options;
    struct store *store;
    bool is_replay;
    struct audit_by by;
    struct store_callback_look *look;
    struct store_settled_callbacks settled;
};

/* `host` has its port. Lists of hosts leave out the one that https has anyway, and so may people. */
static bool is_host(const char *wanted, const char *host)
{
    size_t len = strlen(wanted), name_len = (size_t)(strrchr(host, ':') ? strrchr(host, ':') - host : 0);

    return strcasecmp(wanted, host) == 0 || (len > 0 && len == name_len && strncasecmp(wanted, host, len) == 0);
}

static bool is_wanted(const struct options *options, const struct store_dead_callback *item)
{
    struct callback_report report;
    bool is_it;

    callback_report_read(&report, item);
    is_it = (!options->host || is_host(options->host, report.host)) &&
            (!options->cause || strcmp(options->cause, report.reason) == 0);
    callback_report_clear(&report);
    return is_it;
}

static int settle_page(struct run *run, struct reason *why)
{
    const char *ids[STORE_CALLBACK_PAGE];
    size_t count = 0;
    struct store_settled_callbacks settled = {.taken = 0};
    int rc = 0;

    for (size_t i = 0; i < run->look->item_count; i++) {
        if (is_wanted(run->options, &run->look->items[i]))
            ids[count++] = run->look->items[i].id;
    }
    if (count > 0)
        rc = store_settle_callbacks(run->store, run->is_replay, ids, count, &run->by, &settled, COMMAND_PATIENCE_MS,
                                    why);
    run->settled.taken += settled.taken;
    run->settled.unreadable += settled.unreadable;
    return rc;
}

static int settle_all(struct run *run, struct reason *why)
{
    char after[sizeof(run->look->items[0].id)] = "", last[sizeof(after)];
    struct store_callback_page page = {.after = after, .most = STORE_CALLBACK_PAGE};
    bool is_over = false;
    int rc = 0;

    (void)snprintf(last, sizeof(last), "cb_%" PRId64 "_~", clock_wall_ms()); /* as parts/callbacks.lua names them */
    while (rc == 0 && !is_over) {
        rc = store_look_at_callbacks(run->store, &page, run->look, COMMAND_PATIENCE_MS, why);
        if (rc != 0)
            break;
        is_over = run->look->item_count < STORE_CALLBACK_PAGE;
        if (run->look->item_count > 0)
            memcpy(after, run->look->items[run->look->item_count - 1].id, sizeof(after));
        is_over = is_over || strcmp(after, last) > 0;
        rc = settle_page(run, why);
        store_callback_look_clear(run->look);
    }
    return rc;
}

static int settle(const struct command_call *call, struct run *run, struct reason *why)
{
    const struct options *options = call->options;
    int rc;

    if (call->words->count == 0 && !options->reason) {
        reason_set(why, "this is about all of them: say why, with --reason TEXT (it goes into the audit)");
        return ERR_INVALID;
    }
    if (call->words->count > 0 && (options->host || options->cause)) {
        reason_set(why, "an ID and --host or --cause: one of them is enough");
        return ERR_INVALID;
    }
    rc = audit_check_by(&run->by, why);
    if (rc == 0)
        rc = command_open_store(call->settings, &run->store, why);
    if (rc != 0)
        return rc;
    if (call->words->count == 0)
        return settle_all(run, why);
    rc = store_settle_callbacks(run->store, run->is_replay, call->words->words, call->words->count, &run->by,
                                &run->settled, COMMAND_PATIENCE_MS, why);
    if (rc == 0 && run->settled.taken < (int64_t)call->words->count) {
        reason_set(why,
                   "%" PRId64 " of %zu were taken: %" PRId64 " cannot be read and stay dead, and there is no dead "
                   "callback of any other of the ids",
                   run->settled.taken, call->words->count, run->settled.unreadable);
        rc = ERR_STATE;
    }
    return rc;
}

static void print(const struct run *run)
{
    const struct store_settled_callbacks *settled = &run->settled;

    if (run->options->is_json && run->is_replay)
        (void)printf("{\"replayed\":%" PRId64 ",\"unreadable\":%" PRId64 "}\n", settled->taken, settled->unreadable);
    else if (run->options->is_json)
        (void)printf("{\"purged\":%" PRId64 "}\n", settled->taken);
    else
        (void)printf("%" PRId64 " callbacks %s\n", settled->taken, run->is_replay ? "replayed" : "purged");
    if (settled->unreadable > 0)
        (void)fprintf(stderr,
                      "herald: %" PRId64
                      " stay dead: somebody else wrote there what names no URL; herald callback purge "
                      "--cause unreadable takes them away\n",
                      settled->unreadable);
}

static enum exit_status run_command(const struct command_call *call, bool is_replay)
{
    const struct options *options = call->options;
    char actor[AUDIT_ACTOR_MAX + 1];
    struct run run = {.options = options, .is_replay = is_replay};
    struct reason why = {""};
    int rc;

    run.by = (struct audit_by){command_actor(actor), options->reason ? options->reason : ""};
    run.look = mem_zalloc(1, sizeof(*run.look));
    rc = settle(call, &run, &why);
    if (rc == 0)
        print(&run);
    store_close(run.store);
    free(run.look);
    if (rc != 0)
        return command_fail(rc, &why);
    return run.settled.unreadable == 0 ? EXIT_DONE : run.settled.taken > 0 ? EXIT_PART : EXIT_FAILED;
}

static enum exit_status run_replay(const struct command_call *call)
{
    return run_command(call, true);
}

static enum exit_status run_purge(const struct command_call *call)
{
    const struct options *options = call->options;
    char answer[16];

    if (options->is_sure || call->words->count > 0)
        return run_command(call, false);
    if (isatty(STDIN_FILENO) == 1)
        (void)fprintf(stderr, "Purge dead callbacks of organisation %s for good? [y/N] ", call->settings->org);
    if (isatty(STDIN_FILENO) == 1 && fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
        return run_command(call, false);
    (void)fprintf(stderr, "herald: nothing was changed; --yes does it without asking\n");
    return EXIT_FAILED;
}

const struct command command_callback_replay = {
    .name = "callback replay",
    .usage = "[ID]... [OPTION]...",
    .summary = "post callbacks again that were given up",
    .help = "Without an ID all of them. They keep their webhook-id, and begin anew with attempts and age.\n"
            "Those that name no URL, since somebody else wrote there, stay dead (exit status 3, or 1 when none went "
            "back).\n",
    .words_max = OPTIONS_MAX_WORDS,
    .rows = replay_rows,
    .row_count = sizeof(replay_rows) / sizeof(replay_rows[0]),
    .options_size = sizeof(struct options),
    .run = run_replay,
};

const struct command command_callback_purge = {
    .name = "callback purge",
    .usage = "[ID]... [OPTION]...",
    .summary = "take callbacks away for good that were given up",
    .help = "Without an ID all of them, and it asks first, unless --yes. Who did it is in the audit.\n",
    .words_max = OPTIONS_MAX_WORDS,
    .rows = purge_rows,
    .row_count = sizeof(purge_rows) / sizeof(purge_rows[0]),
    .options_size = sizeof(struct options),
    .run = run_purge,
};
