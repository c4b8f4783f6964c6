#include "producer/dead_command.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "common/clock.h"
#include "producer/terminal.h"

#define SHOWN_MAX 20 /* letters that were left are named one by one up to here */

static volatile sig_atomic_t is_interrupted;

static void on_signal(int number)
{
    (void)number;
    is_interrupted = 1;
}

/* The batch under way is finished and counted before the command ends. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL); /* neither can fail for these signals */
    (void)sigaction(SIGTERM, &action, NULL);
}

struct showing {
    struct progress progress;
    int64_t named;
};

static bool go_on(void *context, const struct dead_tally *tally)
{
    struct showing *showing = context;

    progress_update(&showing->progress, (uint64_t)tally->seen, (uint64_t)tally->total, (uint64_t)tally->done);
    return !is_interrupted;
}

static void name_left(void *context, const struct store_letter *letter, const char *code, const char *text)
{
    struct showing *showing = context;
    char clean[256];

    if (showing->named++ == SHOWN_MAX)
        (void)fprintf(stderr, "herald: and more, which are not named here\n");
    if (showing->named > SHOWN_MAX)
        return;
    (void)fprintf(stderr, "herald: %s left as it is: %s: %s\n", letter->id[0] ? letter->id : letter->ticket, code,
                  terminal_clean(text, clean, sizeof(clean)));
}

static void print_row(const char *label, int64_t number)
{
    if (number > 0)
        terminal_row_number(stdout, label, number);
}

static void print_tally(const struct dead_job *job, const struct dead_tally *tally, bool is_json)
{
    const char *verb = job->is_purge ? "purged" : "replayed";

    if (is_json) {
        struct buf json;

        buf_init(&json, DEAD_TALLY_MAX);
        dead_tally_write_json(job, tally, &json);
        (void)printf("%s\n", buf_str(&json));
        buf_clear(&json);
        return;
    }
    (void)printf("%s%" PRId64 " dead letters %s%s\n", job->is_dry ? "dry run: " : "", tally->done,
                 job->is_dry ? "would be " : "", verb);
    print_row("left: cannot be sent", tally->refused);
    print_row("left: sent after all", tally->sent);
    print_row("taken by somebody else", tally->gone);
    print_row("not known (run it again)", tally->unsure);
    if (tally->was_stopped)
        (void)printf("stopped; run it again to go on with what is left\n");
}

/* --- which letters --- */

/* Letters that the filter takes, at most `most`. */
static int count_letters(struct store *store, const struct dead_filter *filter, int64_t most, int64_t *ret,
                         struct reason *why)
{
    struct dead_walk *walk = NULL;
    struct dead_batch batch = {.count = 1};
    int64_t count = 0;
    int rc;

    if (dead_filter_is_empty(filter)) {
        struct store_dead_counts counts;

        rc = store_dead_adopt(store, COMMAND_PATIENCE_MS, why);
        if (rc == 0)
            rc = store_dead_read_counts(store, &counts, COMMAND_PATIENCE_MS, why);
        *ret = rc == 0 ? counts.total : 0;
        return rc;
    }
    rc = dead_walk_open(&walk, store, filter, NULL, false, COMMAND_PATIENCE_MS, why);
    if (rc != 0)
        return rc;
    while (rc == 0 && batch.count > 0 && count < most) {
        rc = dead_walk_next(walk, &batch, why);
        count += rc == 0 ? (int64_t)batch.count : 0;
    }
    store_drop(store); /* a batch may be on its way */
    dead_walk_close(walk);
    *ret = count;
    return rc;
}

/* Why many letters are sent again, or taken away, is something that somebody will ask one day. */
static int check_reason(struct store *store, const struct dead_choice *choice, const struct dead_job *job,
                        struct reason *why)
{
    int64_t count = 1;
    int rc = 0;

    if (choice->reason || job->is_dry || choice->id || job->limit == 1)
        return 0;
    rc = count_letters(store, job->filter, 2, &count, why);
    if (rc == 0 && count > 1) {
        reason_set(why, "this is about more than one message: say why, with --reason TEXT (it goes into the audit)");
        rc = ERR_INVALID;
    }
    return rc;
}

static int ask_first(const struct command_call *call, struct store *store, const struct dead_job *job,
                     bool (*confirm)(const struct command_call *call, int64_t count), struct reason *why)
{
    int64_t count = 1;
    int rc = 0;

    if (!confirm || job->is_dry)
        return 0;
    if (!job->letter)
        rc = count_letters(store, job->filter, INT64_MAX, &count, why);
    if (job->limit > 0 && count > job->limit)
        count = job->limit;
    if (rc == 0 && count > 0 && !confirm(call, count)) {
        reason_set(why, "nothing was changed; --yes does it without asking");
        rc = ERR_STATE;
    }
    return rc;
}

static enum exit_status status_of(int rc, const struct dead_tally *tally, const struct reason *why)
{
    if (rc != 0)
        return command_fail(rc, why);
    if (tally->was_stopped)
        return tally->done > 0 ? EXIT_PART : EXIT_FAILED;
    if (tally->refused + tally->sent > 0)
        return tally->done > 0 ? EXIT_PART : EXIT_FAILED;
    return EXIT_DONE;
}

enum exit_status dead_command_run(const struct command_call *call, const struct dead_choice *choice,
                                  const struct dead_job *asked,
                                  bool (*confirm)(const struct command_call *call, int64_t count))
{
    struct dead_job job = *asked;
    char actor[AUDIT_ACTOR_MAX + 1];
    const struct audit_by by = {command_actor(actor), choice->reason ? choice->reason : ""};
    struct showing showing = {.named = 0};
    struct dead_filter filter;
    struct dead_tally tally = {0};
    struct store_letter letter;
    struct store *store = NULL;
    struct reason why = {""};
    int rc = dead_filter_parse(&filter, choice->filter, clock_wall_ms(), &why);

    job.filter = &filter;
    job.by = &by;
    job.origins = call->settings->origins;
    job.patience_ms = COMMAND_PATIENCE_MS;
    job.go_on = go_on;
    job.left = name_left;
    job.context = &showing;
    if (rc == 0 && choice->id && choice->filter) {
        reason_set(&why, "an ID and --filter: one of them is enough");
        rc = ERR_INVALID;
    }
    if (rc == 0)
        rc = audit_check_by(&by, &why);
    if (rc == 0)
        rc = command_open_store(call->settings, &store, &why);
    if (rc == 0 && choice->id) {
        rc = store_dead_adopt(store, COMMAND_PATIENCE_MS, &why);
        if (rc == 0)
            rc = store_dead_find(store, choice->id, &letter, COMMAND_PATIENCE_MS, &why);
        job.letter = &letter;
    }
    if (rc == 0)
        rc = check_reason(store, choice, &job, &why);
    if (rc == 0)
        rc = ask_first(call, store, &job, confirm, &why);
    if (rc == 0) {
        catch_signals();
        progress_begin(&showing.progress, job.is_purge ? "purging" : "replaying", !choice->is_json);
        rc = dead_job_run(store, &job, &tally, &why);
        progress_end(&showing.progress);
        print_tally(&job, &tally, choice->is_json);
    }
    store_close(store);
    dead_filter_clear(&filter);
    return status_of(rc, &tally, &why);
}
