#include "producer/dead_replay.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/mem.h"

#define STEP_BYTES   ((size_t)4 << 20)  /* of envelopes in one step; one that is larger goes alone */
#define STEP_MAX     ((size_t)16 << 20) /* what STEP_BYTES, one envelope more, and its patch fit in */
#define PUMP_EACH    32                 /* letters: Redis is fed while envelopes are made */
#define WAIT_EACH_MS 100                /* how often a waiting job asks whether to go on */

/* One letter on its way. */
struct item {
    struct store_letter letter;
    char id[ID_SIZE];
    enum priority priority;
    size_t start, len; /* of its envelope in `bytes` */
};

struct step {
    size_t count;
    struct item items[DEAD_BATCH_MAX];
    struct buf bytes;
};

/* A step that Redis was asked for. */
struct asked {
    struct run *run;
    size_t count; /* 0: it is answered */
    struct item items[DEAD_BATCH_MAX];
};

struct run {
    struct store *store;
    const struct dead_job *job;
    struct dead_tally *tally;
    struct dead_walk *walk;
    struct store_take_run take;
    struct step next; /* being made */
    struct asked asked[STORE_TAKE_STEPS];
    int rc;            /* of an answer that was none */
    int64_t window_ms; /* when the pace's window began, monotonic; its allowance used so far: */
    int64_t window_used;
    struct reviver reviver;
};

static int revive(struct run *run, const struct store_letter *letter, struct span document, struct refusal *why)
{
    struct step *step = &run->next;
    struct item *item = &step->items[step->count];
    struct revived revived;
    int rc;

    item->letter = *letter;
    item->start = step->bytes.len;
    rc = reviver_add(&run->reviver, letter, document, dead_walk_now_ms(run->walk), &revived, &step->bytes, why);
    if (rc != 0)
        return rc;
    item->len = step->bytes.len - item->start;
    item->priority = run->job->has_priority ? run->job->priority : revived.priority;
    memcpy(item->id, revived.id, sizeof(item->id));
    step->count++;
    return 0;
}

/* `document` is absent for a purge. */
static void take_letter(struct run *run, const struct store_letter *letter, struct span document)
{
    struct item *item = &run->next.items[run->next.count];
    struct refusal why;

    run->tally->matched++;
    if (run->job->is_purge) {
        *item = (struct item){.letter = *letter};
        (void)snprintf(item->id, sizeof(item->id), "%s", letter->id);
        run->next.count++;
    } else if (revive(run, letter, document, &why) != 0) {
        run->tally->refused++;
        if (run->job->left)
            run->job->left(run->job->context, letter, why.code, why.text);
    }
}

/* --- steps --- */

static void on_taken(void *context, int rc, const enum store_taken *answers, size_t count)
{
    struct asked *asked = context;
    struct run *run = asked->run;

    if (rc != 0)
        run->rc = rc;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        switch (answers[i]) {
        case STORE_LETTER_TAKEN:
            run->tally->done++;
            break;
        case STORE_LETTER_GONE:
            run->tally->gone++;
            break;
        case STORE_LETTER_SENT:
            run->tally->sent++;
            if (run->job->left)
                run->job->left(run->job->context, &asked->items[i].letter, "sent",
                               "a late answer said that it was sent after all");
            break;
        }
    }
    asked->count = 0;
}

static size_t asked_count(const struct run *run)
{
    size_t count = 0;

    for (size_t i = 0; i < STORE_TAKE_STEPS; i++)
        count += run->asked[i].count;
    return count;
}

/* Waits until this step is answered; those after it may still be under way. */
static int await_step(struct run *run, const struct asked *asked, struct reason *why)
{
    int rc = 0;

    while (rc == 0 && asked->count > 0)
        rc = store_finish(run->store, store_pending(run->store) - 1, run->job->patience_ms, why);
    if (rc == 0 && run->rc != 0) {
        reason_set(why, "Redis refused a step on the dead letters; the log above has its reason");
        rc = ERR_STATE;
    }
    return rc;
}

static int await(struct run *run, struct reason *why)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < STORE_TAKE_STEPS; i++)
        rc = await_step(run, &run->asked[i], why);
    return rc;
}

static int submit(struct run *run, struct reason *why)
{
    struct store_take takes[DEAD_BATCH_MAX];
    struct step *step = &run->next;
    struct asked *asked = &run->asked[run->take.step % STORE_TAKE_STEPS];
    int rc = 0;

    if (step->count == 0)
        return 0;
    if (run->job->is_dry) {
        run->tally->done += (int64_t)step->count;
    } else {
        rc = await_step(run, asked, why);
        for (size_t i = 0; rc == 0 && i < step->count; i++) {
            asked->items[i] = step->items[i];
            takes[i] = (struct store_take){
                .letter = &asked->items[i].letter,
                .id = asked->items[i].id,
                .priority = step->items[i].priority,
                .envelope = {buf_str(&step->bytes) + step->items[i].start, step->items[i].len},
            };
        }
        if (rc == 0) {
            asked->run = run;
            asked->count = step->count;
            run->window_used += (int64_t)step->count;
            store_dead_take(run->store, &run->take, takes, step->count, on_taken, asked);
            (void)store_pump(run->store, NULL); /* on its way; what fails shows when it is waited for */
        }
    }
    step->count = 0;
    buf_reset(&step->bytes);
    return rc;
}

static bool may_go_on(struct run *run)
{
    run->tally->seen = dead_walk_seen(run->walk);
    if (run->job->go_on && !run->job->go_on(run->job->context, run->tally))
        run->tally->was_stopped = true;
    return !run->tally->was_stopped;
}

static int64_t left_of_limit(const struct run *run)
{
    if (run->job->limit == 0)
        return DEAD_BATCH_MAX;
    return run->job->limit - run->tally->done - (int64_t)asked_count(run);
}

/* How many letters the next step may have. Waits for the answer of the step before, or for the pace, when that decides;
 * 0: it is time to end. */
static int allowance(struct run *run, int64_t *ret, struct reason *why)
{
    const struct rate *rate = &run->job->rate;
    int64_t most = left_of_limit(run);
    int rc = 0;

    *ret = 0;
    if (most <= 0 && asked_count(run) > 0) { /* of those some may turn out to be gone */
        rc = await(run, why);
        most = left_of_limit(run);
    }
    if (rc == 0 && rate->limit > 0 && !run->job->is_dry && run->window_used >= rate->limit) {
        rc = await(run, why);
        run->window_ms = clock_mono_ms(); /* from the last step of the window that is full: never more than the pace */
        while (may_go_on(run) && clock_mono_ms() - run->window_ms < rate->window_ms) {
            int64_t left_ms = rate->window_ms - (clock_mono_ms() - run->window_ms);

            (void)poll(NULL, 0, (int)(left_ms < WAIT_EACH_MS ? left_ms : WAIT_EACH_MS));
        }
        run->window_used = 0;
    }
    if (rate->limit > 0 && !run->job->is_dry && most > rate->limit - run->window_used)
        most = rate->limit - run->window_used;
    if (rc == 0 && most > 0 && may_go_on(run))
        *ret = most < DEAD_BATCH_MAX ? most : DEAD_BATCH_MAX;
    return rc;
}

/* All letters of a batch; false in `ret_goes_on` when the job has come to its end before. */
static int run_batch(struct run *run, const struct dead_batch *batch, bool *ret_goes_on, struct reason *why)
{
    size_t at = 0;
    int64_t most;
    int rc = 0;

    while (rc == 0 && at < batch->count) {
        rc = allowance(run, &most, why);
        if (rc != 0 || most == 0)
            break;
        for (; at < batch->count && (int64_t)run->next.count < most && run->next.bytes.len < STEP_BYTES; at++) {
            take_letter(run, &batch->letters[at], batch->documents ? batch->documents[at] : (struct span){NULL, 0});
            if (at % PUMP_EACH == 0)
                (void)store_pump(run->store, NULL);
        }
        rc = submit(run, why);
    }
    *ret_goes_on = rc == 0 && at == batch->count;
    return rc;
}

int dead_job_run(struct store *store, const struct dead_job *job, struct dead_tally *ret, struct reason *why)
{
    struct run *run = mem_zalloc(1, sizeof(*run));
    struct dead_batch batch = {.count = 1};
    bool goes_on = true;
    int rc;

    *ret = (struct dead_tally){0};
    run->store = store;
    run->job = job;
    run->tally = ret;
    buf_init(&run->next.bytes, STEP_MAX);
    reviver_init(&run->reviver, job->origins, job->patch);
    store_take_begin(&run->take, job->by);
    run->take.is_purge = job->is_purge;
    run->take.is_edited = job->patch != NULL;
    rc = dead_walk_open(&run->walk, store, job->filter, job->letter, !job->is_purge, job->patience_ms, why);
    if (rc == 0)
        ret->total = dead_walk_total(run->walk);
    while (rc == 0 && goes_on && batch.count > 0) {
        rc = dead_walk_next(run->walk, &batch, why);
        if (rc == 0)
            rc = run_batch(run, &batch, &goes_on, why);
    }
    if (rc == 0)
        rc = await(run, why);
    if (rc == 0)
        rc = store_finish(store, 0, job->patience_ms, why); /* documents that nobody needs any more */
    ret->unsure = (int64_t)asked_count(run);
    if (run->walk)
        ret->seen = dead_walk_seen(run->walk);
    if (rc != 0)
        store_drop(store); /* what is pending would call back into this run */
    dead_walk_close(run->walk);
    buf_clear(&run->next.bytes);
    reviver_clear(&run->reviver);
    free(run);
    return rc;
}

void dead_tally_write_json(const struct dead_job *job, const struct dead_tally *tally, struct buf *json)
{
    buf_printf(json,
               "{\"%s\":%" PRId64 ",\"dry_run\":%s,\"matched\":%" PRId64 ",\"refused\":%" PRId64
               ",\"sent_after_all\":%" PRId64 ",\"gone\":%" PRId64 ",\"unsure\":%" PRId64 ",\"stopped\":%s}",
               job->is_purge ? "purged" : "replayed", tally->done, job->is_dry ? "true" : "false", tally->matched,
               tally->refused, tally->sent, tally->gone, tally->unsure, tally->was_stopped ? "true" : "false");
}
