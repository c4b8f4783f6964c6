#include "producer/audit_exporter.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/ids.h"
#include "common/mem.h"
#include "producer/command.h"
#include "producer/terminal.h"

#define LEASE_MS     30000
#define WATCH_MS     (LEASE_MS / 3) /* the lease is renewed so often while nothing comes */
#define BATCH_MOST   AUDIT_APPEND_LINES
#define BATCH_BYTES  (2 << 20) /* of entries */
#define LINES_ENOUGH (AUDIT_APPEND_BYTES - AUDIT_LINE_MAX)
#define LINES_MAX    AUDIT_APPEND_BYTES
#define CALM_MS      5000 /* while nothing stirs; what does, wakes us */
#define HASTE_MS     100
#define FROZEN_MS    (6 * (int64_t)COMMAND_PATIENCE_MS) /* without an answer: being slow is not being away */
#define STOP_MS      5000 /* after a signal, how long Redis may take to hear of what is on the disk */
#define DAY_MS       UINT64_C(86400000)

/* Entries of one day, as lines. */
struct batch {
    struct buf lines;
    uint64_t ms; /* when the first was recorded */
    size_t count;
    struct audit_link link; /* of the last */
    int rc;                 /* of the request */
};

struct audit_exporter {
    struct store *store;
    struct audit_files *files;
    struct store_audit_exporter claim;
    char name[40];
    bool is_followed, has_bar;
    int signal_fd;
    int64_t stop_at_ms; /* monotonic; 0: nobody has asked us to stop */

    struct store_audit_claimed claimed;
    struct store_audit_id goal; /* the newest entry at the start; who does not follow goes no further */
    struct batch batches[2];    /* one is filled while the other is written */
    struct batch *filling;
    struct audit_link link;  /* of the last line that was made */
    struct audit_link acked; /* of the last that Redis knows of */
    struct audit_link acking;
    bool is_lost;    /* another exporter took over */
    bool is_refused; /* Redis refused to note it */
    char taken_by[STORE_AUDIT_PLACE_SIZE], taken_from[DIGEST_HEX_SIZE];
    int64_t exported, cut;
    struct progress progress;
};

/* --- waiting --- */

static void note_signal(struct audit_exporter *exporter)
{
    struct signalfd_siginfo about;

    if (read(exporter->signal_fd, &about, sizeof(about)) == (ssize_t)sizeof(about) && exporter->stop_at_ms == 0)
        exporter->stop_at_ms = clock_mono_ms() + STOP_MS;
}

static void wait_for_something(struct audit_exporter *exporter)
{
    struct pollfd pollers[2] = {
        {.fd = exporter->signal_fd, .events = POLLIN},
        {.fd = store_fd(exporter->store), .events = POLLIN},
    };
    int64_t wait_ms = store_is_up(exporter->store) ? CALM_MS : store_wait_ms(exporter->store);

    if (store_wants_write(exporter->store))
        pollers[1].events |= POLLOUT;
    if (wait_ms < 0 || wait_ms > CALM_MS)
        wait_ms = CALM_MS;
    if (exporter->stop_at_ms != 0 && wait_ms > HASTE_MS)
        wait_ms = HASTE_MS;
    (void)poll(pollers, pollers[1].fd >= 0 ? 2 : 1, (int)wait_ms); /* whatever it says: look again */
    if (pollers[0].revents)
        note_signal(exporter);
}

static bool is_stopping(const struct audit_exporter *exporter)
{
    return exporter->stop_at_ms != 0;
}

/* Until Redis has answered everything; `gives_up`: or until we are to stop, with something unanswered. Who follows
 * waits for a Redis that is away, with the store's backoff, however long that is. */
static int wait_answers(struct audit_exporter *exporter, bool gives_up, struct reason *why)
{
    int64_t away_since_ms = clock_mono_ms(), silent_since_ms = away_since_ms;
    size_t before = store_pending(exporter->store);

    for (;;) {
        int rc = store_pump(exporter->store, why);
        size_t pending = store_pending(exporter->store);
        int64_t now_ms = clock_mono_ms();

        if (pending == 0 && store_is_up(exporter->store))
            return 0;
        if (pending != before)
            silent_since_ms = now_ms;
        before = pending;
        if (rc == 0)
            away_since_ms = now_ms;
        else if (rc == ERR_DENIED || (!exporter->is_followed && now_ms - away_since_ms > COMMAND_PATIENCE_MS))
            return rc;
        if (!exporter->is_followed && now_ms - silent_since_ms > FROZEN_MS) {
            *why = (struct reason){"Redis is connected and does not answer"};
            return ERR_UNREACHABLE;
        }
        if (is_stopping(exporter) && (gives_up || now_ms >= exporter->stop_at_ms))
            return 0;
        wait_for_something(exporter);
    }
}

/* --- what Redis answers --- */

static void on_claimed(void *context, const struct store_audit_claimed *claimed)
{
    struct audit_exporter *exporter = context;

    exporter->claimed = *claimed;
}

static bool is_another_day(const struct batch *batch, const struct store_audit_entry *entry)
{
    return batch->count > 0 && entry->id.ms / DAY_MS != batch->ms / DAY_MS;
}

static void on_read(void *context, const struct store_audit_batch *answer)
{
    struct audit_exporter *exporter = context;
    struct batch *batch = exporter->filling;
    struct store_audit_entry entry;

    batch->rc = answer->rc;
    if (answer->rc != 0)
        return;
    exporter->is_lost = exporter->is_lost || !answer->is_ours;
    if (answer->lost > 0 && (uint64_t)answer->lost > exporter->link.lost)
        exporter->link.lost = (uint64_t)answer->lost;
    for (size_t i = 0; i < answer->count && batch->lines.len < LINES_ENOUGH; i++) {
        if (!store_audit_entry(answer, i, &entry)) {
            batch->rc = ERR_STATE;
            return;
        }
        if (is_another_day(batch, &entry))
            break;
        if (batch->count++ == 0)
            batch->ms = entry.id.ms;
        audit_chain_write(&exporter->link, &entry, &batch->lines);
    }
    batch->link = exporter->link;
}

static void on_acknowledged(void *context, const struct store_audit_done *done)
{
    struct audit_exporter *exporter = context;

    if (done->rc != 0) {
        exporter->is_refused = true;
    } else if (done->is_ours) {
        exporter->acked = exporter->acking;
    } else {
        exporter->is_lost = true;
        memcpy(exporter->taken_by, done->place, sizeof(exporter->taken_by));
        memcpy(exporter->taken_from, done->from, sizeof(exporter->taken_from));
    }
}

static void on_stirred(void *context)
{
    (void)context; /* the next read tells */
}

/* --- steps --- */

static void ask(struct audit_exporter *exporter)
{
    const struct store_audit_end end = {exporter->link.id, exporter->link.seq};
    struct batch *batch = exporter->filling == &exporter->batches[0] ? &exporter->batches[1] : &exporter->batches[0];

    buf_reset(&batch->lines);
    batch->count = 0;
    batch->rc = ERR_UNREACHABLE;
    exporter->filling = batch;
    store_audit_read(exporter->store, &exporter->claim, &end, BATCH_MOST, BATCH_BYTES, on_read, exporter);
}

static void acknowledge(struct audit_exporter *exporter, const struct audit_link *link, bool is_new)
{
    struct store_audit_mark mark = exporter->claimed.mark; /* the end stays where it is until a line is written here */

    mark.seq = link->seq;
    mark.id = link->id;
    mark.lost = link->lost;
    memcpy(mark.sha256, link->sha256, sizeof(mark.sha256));
    audit_files_mark(exporter->files, &mark);
    exporter->acking = *link;
    store_audit_acknowledge(exporter->store, &exporter->claim, &mark, is_new, on_acknowledged, exporter);
}

static int claim(struct audit_exporter *exporter, struct reason *why)
{
    const struct store_audit_claimed *claimed = &exporter->claimed;
    char clean[STORE_AUDIT_PLACE_SIZE];
    int rc;

    do {
        exporter->claimed.rc = ERR_UNREACHABLE;
        store_audit_claim(exporter->store, &exporter->claim, on_claimed, exporter);
        rc = wait_answers(exporter, true, why);
    } while (rc == 0 && claimed->rc == ERR_UNREACHABLE && !is_stopping(exporter));
    if (rc != 0 || is_stopping(exporter))
        return rc;
    if (claimed->rc != 0) {
        reason_set(why, "Redis refused the export: is herald:{org}:audit or audit:export of another type?");
        return ERR_STATE;
    }
    if (claimed->is_ours)
        return 0;
    reason_set(why, "another exporter has the audit (%.150s); it is free in %.0f s unless that one goes on",
               terminal_clean(claimed->place, clean, sizeof(clean)), (double)(claimed->left_ms + 999) / 1000);
    return ERR_STATE;
}

/* This Redis has noted no line, and the files have some. Then it is a new one, whose entries are newer; older ones
 * would be taken for exported. Or it has noted that there was none, and the exporter was killed with its first ones on
 * the disk: they begin with its oldest entry. */
static int check_order(const struct audit_exporter *exporter, const struct audit_resumed *resumed, bool *ret_is_new,
                       struct reason *why)
{
    const struct store_audit_claimed *claimed = &exporter->claimed;

    *ret_is_new = !claimed->was_known;
    if (claimed->mark.seq > 0 || resumed->link.seq == 0)
        return 0;
    if (claimed->count == 0 || store_audit_id_compare(&claimed->oldest, &resumed->link.id) > 0) {
        *ret_is_new = true;
        return 0;
    }
    if (claimed->was_known && store_audit_id_compare(&claimed->oldest, &resumed->begin) == 0)
        return 0;
    reason_set(why,
               "Redis has entries that are older than the last line of these files and knows of no line: it has lost "
               "its data, or is another one. Export to an empty folder");
    return ERR_STATE;
}

static int resume(struct audit_exporter *exporter, struct reason *why)
{
    struct audit_resumed resumed;
    const struct store_audit_claimed *claimed = &exporter->claimed;
    bool is_new = false;
    int rc = audit_files_resume(exporter->files, &claimed->mark, &resumed, why);

    if (rc == 0)
        rc = check_order(exporter, &resumed, &is_new, why);
    if (rc != 0)
        return rc;
    exporter->link = resumed.link;
    exporter->acked = resumed.link;
    exporter->cut = resumed.cut;
    exporter->goal = claimed->newest;
    if (resumed.cut > 0)
        (void)fprintf(stderr, "a torn end of %" PRId64 " bytes was cut off; what it was of is exported again\n",
                      resumed.cut);
    if (claimed->mark.seq > 0 && !resumed.has_lines)
        (void)fprintf(stderr, "the chain goes on behind line %" PRIu64 ", which was exported elsewhere\n",
                      claimed->mark.seq);
    acknowledge(exporter, &resumed.link, is_new);
    return 0;
}

static bool is_finished(const struct audit_exporter *exporter)
{
    return is_stopping(exporter) ||
           (!exporter->is_followed && store_audit_id_compare(&exporter->link.id, &exporter->goal) >= 0);
}

/* Nothing is there: waits inside Redis. */
static int wait_for_entries(struct audit_exporter *exporter, struct reason *why)
{
    store_audit_watch(exporter->store, &exporter->link.id, WATCH_MS, on_stirred, NULL);
    return wait_answers(exporter, true, why);
}

/* While this batch goes to the disk, Redis gathers the next. */
static int keep(struct audit_exporter *exporter, const struct batch *batch, bool is_last, struct reason *why)
{
    int rc;

    if (!is_last) {
        ask(exporter);
        (void)store_pump(exporter->store, NULL); /* trouble shows when it is waited for */
    }
    rc = audit_files_append(exporter->files, batch->ms, batch->lines.data, batch->lines.len, why);
    if (rc != 0)
        return rc;
    exporter->exported += (int64_t)batch->count;
    acknowledge(exporter, &batch->link, false);
    progress_update(&exporter->progress, (uint64_t)exporter->exported,
                    exporter->is_followed ? 0 : (uint64_t)exporter->claimed.count, (uint64_t)exporter->exported);
    return 0;
}

/* Nobody else may have the same lines: those that Redis has not heard of go, if it is sure that it has not. */
static int lose(struct audit_exporter *exporter, struct reason *why)
{
    char clean[STORE_AUDIT_PLACE_SIZE];
    struct reason ignored;

    if (exporter->taken_from[0] && memcmp(exporter->taken_from, exporter->acked.sha256, DIGEST_HEX_SIZE) == 0)
        (void)audit_files_undo(exporter->files, &ignored); /* else the files have lines twice, and verify says so */
    if (exporter->taken_by[0])
        reason_set(why, "another exporter took the audit over (%.150s): this one was silent for longer than %d s",
                   terminal_clean(exporter->taken_by, clean, sizeof(clean)), LEASE_MS / 1000);
    else
        reason_set(why,
                   "Redis does not know this exporter any more: another one took over (herald status says which), or "
                   "Redis has lost its data");
    return ERR_STATE;
}

static int drain(struct audit_exporter *exporter, struct reason *why)
{
    int rc = 0;

    ask(exporter);
    for (;;) {
        struct batch *batch = exporter->filling;
        bool is_last;

        rc = wait_answers(exporter, false, why);
        if (rc != 0 || store_pending(exporter->store) > 0)
            return rc; /* it was time to stop */
        if (exporter->is_lost)
            return lose(exporter, why);
        if (exporter->is_refused || batch->rc == ERR_STATE) {
            reason_set(why, "Redis refused a step of the export; the log above says why");
            return ERR_STATE;
        }
        is_last = is_finished(exporter);
        if (batch->count > 0) {
            rc = keep(exporter, batch, is_last, why);
            if (rc != 0)
                return rc;
            if (is_last)
                return wait_answers(exporter, false, why);
            continue;
        }
        if (is_last || (batch->rc == 0 && !exporter->is_followed))
            return 0;
        if (batch->rc == 0 && (rc = wait_for_entries(exporter, why)) != 0)
            return rc;
        if (is_stopping(exporter))
            return 0;
        ask(exporter);
    }
}

/* --- the end, and signals --- */

static void release(struct audit_exporter *exporter)
{
    struct reason ignored;

    store_drop(exporter->store); /* a read or a watch may be under way */
    exporter->claim.lease_ms = 0;
    store_audit_claim(exporter->store, &exporter->claim, on_claimed, exporter);
    (void)store_finish(exporter->store, 0, STOP_MS, &ignored); /* else the lease ends by itself */
}

static int watch_signals(struct audit_exporter *exporter, struct reason *why)
{
    sigset_t set;

    (void)signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is an error of the write */
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) == 0)
        exporter->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (exporter->signal_fd >= 0)
        return 0;
    reason_set(why, "cannot wait for signals: %s", strerror(errno));
    return ERR_IO;
}

/* --- from outside --- */

int audit_exporter_open(struct audit_exporter **ret, const struct audit_exporter_config *config, struct reason *why)
{
    struct audit_exporter *exporter = mem_zalloc(1, sizeof(*exporter));
    int rc;

    exporter->store = config->store;
    exporter->is_followed = config->is_followed;
    exporter->has_bar = config->has_bar;
    exporter->signal_fd = -1;
    for (size_t i = 0; i < 2; i++)
        buf_init(&exporter->batches[i].lines, LINES_MAX);
    (void)snprintf(exporter->name, sizeof(exporter->name), "%016" PRIx64, random_u64());
    rc = watch_signals(exporter, why);
    if (rc == 0)
        rc = audit_files_open(&exporter->files, config->to, config->org, why);
    if (rc != 0) {
        audit_exporter_close(exporter);
        return rc;
    }
    exporter->claim = (struct store_audit_exporter){exporter->name, audit_files_place(exporter->files), LEASE_MS};
    *ret = exporter;
    return 0;
}

int audit_exporter_run(struct audit_exporter *exporter, struct audit_exported *ret, struct reason *why)
{
    struct store_audit_mark mark = {.file = ""};
    int rc;

    progress_begin(&exporter->progress, "exporting", exporter->has_bar);
    rc = claim(exporter, why);
    if (rc == 0 && !is_stopping(exporter))
        rc = resume(exporter, why);
    if (rc == 0 && !is_stopping(exporter))
        rc = drain(exporter, why);
    progress_end(&exporter->progress);
    audit_files_mark(exporter->files, &mark);
    *ret = (struct audit_exported){.has_begun = exporter->claimed.is_ours,
                                   .count = exporter->exported,
                                   .cut = exporter->cut,
                                   .last = exporter->acked};
    memcpy(ret->file, mark.file, sizeof(ret->file));
    release(exporter);
    return rc;
}

void audit_exporter_close(struct audit_exporter *exporter)
{
    if (!exporter)
        return;
    audit_files_close(exporter->files);
    if (exporter->signal_fd >= 0)
        (void)close(exporter->signal_fd);
    for (size_t i = 0; i < 2; i++)
        buf_clear(&exporter->batches[i].lines);
    free(exporter);
}
