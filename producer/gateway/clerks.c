#include "producer/gateway/clerks.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/mem.h"
#include "common/metrics.h"
#include "producer/command.h"
#include "producer/gateway/exchange.h"
#include "producer/gateway/lane.h"

#define CLERKS   4
#define LONG_MAX (CLERKS / 2) /* jobs that take long, at once: the others are answered meanwhile */
#define JOBS_MAX 32           /* waiting, of those that take long and of the others each */

struct task {
    struct task *next;
    struct lane_post post; /* its way back */
    const struct clerk_job *kind;
    void *job;
    struct lane *lane;
    struct exchange *exchange; /* kept; only for its lane's thread */
};

struct clerk {
    struct clerks *clerks;
    struct store *store;
    pthread_t thread;
};

struct clerks {
    struct gateway *gateway;
    struct clerk all[CLERKS];
    size_t count; /* running */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t stirred;
    struct task *first, *last;
    size_t waiting[2]; /* by whether they take long */
    size_t long_under_way;
    bool is_stopping;
};

static void end_task(struct task *task)
{
    task->kind->destroy(task->job);
    exchange_release(task->exchange);
    free(task);
}

/* In the lane's thread. */
static void deliver(void *context)
{
    struct task *task = context;

    if (exchange_answer(task->exchange))
        task->kind->answer(task->job, task->exchange);
    end_task(task);
}

static void turn_away(void *context)
{
    struct task *task = context;

    exchange_unavailable(task->exchange, "busy", "too many such requests are under way; ask again");
    end_task(task);
}

static void post(struct task *task, void (*run)(void *task))
{
    task->post.run = run;
    task->post.context = task;
    lane_post(task->lane, &task->post);
}

/* A client that waits for longer than others is told of a job that takes longer. */
static bool is_long(const struct task *task)
{
    return task->kind->patience_ms > EXCHANGE_PATIENCE_MS;
}

/* The first that may be begun now, or NULL. */
static struct task *pick_locked(struct clerks *clerks)
{
    struct task *before = NULL, *task = clerks->first;

    while (task && is_long(task) && clerks->long_under_way >= LONG_MAX) {
        before = task;
        task = task->next;
    }
    if (!task)
        return NULL;
    if (before)
        before->next = task->next;
    else
        clerks->first = task->next;
    if (clerks->last == task)
        clerks->last = before;
    clerks->waiting[is_long(task)]--;
    clerks->long_under_way += is_long(task);
    return task;
}

static struct task *take(struct clerks *clerks)
{
    struct task *task = NULL;

    (void)pthread_mutex_lock(&clerks->lock);
    while (!clerks->is_stopping && !(task = pick_locked(clerks)))
        (void)pthread_cond_wait(&clerks->stirred, &clerks->lock);
    (void)pthread_mutex_unlock(&clerks->lock);
    return task;
}

static void note_long_end(struct clerks *clerks)
{
    (void)pthread_mutex_lock(&clerks->lock);
    clerks->long_under_way--;
    (void)pthread_cond_broadcast(&clerks->stirred); /* one that was passed over may be begun */
    (void)pthread_mutex_unlock(&clerks->lock);
}

/* What a job gave up waiting for would be answered into the memory of a job that is gone. */
static void forget_pending(struct clerk *clerk)
{
    if (store_pending(clerk->store) > 0)
        store_drop(clerk->store);
}

static void *run(void *argument)
{
    struct clerk *clerk = argument;
    struct task *task;

    while ((task = take(clerk->clerks)) != NULL) {
        task->kind->work(task->job, clerk->store, clerk->clerks->gateway);
        forget_pending(clerk);
        if (is_long(task))
            note_long_end(clerk->clerks);
        post(task, deliver);
    }
    return NULL;
}

void clerks_ask(struct exchange *exchange, const struct clerk_job *kind, void *job)
{
    struct clerks *clerks = exchange_gateway(exchange)->clerks;
    struct task *task = mem_zalloc(1, sizeof(*task));
    bool is_taken;

    *task = (struct task){.kind = kind, .job = job, .lane = exchange_lane(exchange), .exchange = exchange};
    exchange_keep(exchange);
    exchange_set_patience(exchange, kind->patience_ms);
    (void)pthread_mutex_lock(&clerks->lock);
    is_taken = clerks->waiting[is_long(task)] < JOBS_MAX && !clerks->is_stopping;
    if (is_taken) {
        if (clerks->last)
            clerks->last->next = task;
        else
            clerks->first = task;
        clerks->last = task;
        clerks->waiting[is_long(task)]++;
        (void)pthread_cond_signal(&clerks->stirred);
    }
    (void)pthread_mutex_unlock(&clerks->lock);
    if (!is_taken)
        turn_away(task);
}

int clerks_start(struct clerks **ret, struct gateway *gateway, struct reason *why)
{
    struct clerks *clerks = mem_zalloc(1, sizeof(*clerks));

    clerks->gateway = gateway;
    (void)pthread_mutex_init(&clerks->lock, NULL); /* these two never fail with default attributes on Linux */
    (void)pthread_cond_init(&clerks->stirred, NULL);
    for (; clerks->count < CLERKS; clerks->count++) {
        struct clerk *clerk = &clerks->all[clerks->count];
        int rc;

        clerk->clerks = clerks;
        rc = command_open_store(gateway->settings, &clerk->store, why);
        if (rc == 0)
            store_set_metrics(clerk->store, metrics_join(gateway->metrics));
        if (rc == 0 && pthread_create(&clerk->thread, NULL, run, clerk) != 0) {
            reason_set(why, "the system gives no more threads");
            store_close(clerk->store);
            rc = ERR_LIMIT;
        }
        if (rc != 0) {
            clerks_stop(clerks);
            return rc;
        }
    }
    *ret = clerks;
    return 0;
}

void clerks_stop(struct clerks *clerks)
{
    if (!clerks)
        return;
    (void)pthread_mutex_lock(&clerks->lock);
    clerks->is_stopping = true;
    (void)pthread_cond_broadcast(&clerks->stirred);
    (void)pthread_mutex_unlock(&clerks->lock);
    for (size_t i = 0; i < clerks->count; i++)
        store_give_up(clerks->all[i].store); /* nobody is there any more to be answered */
    for (size_t i = 0; i < clerks->count; i++) {
        (void)pthread_join(clerks->all[i].thread, NULL);
        store_close(clerks->all[i].store);
    }
    while (clerks->first) {
        struct task *task = clerks->first;

        clerks->first = task->next;
        post(task, turn_away);
    }
    (void)pthread_cond_destroy(&clerks->stirred);
    (void)pthread_mutex_destroy(&clerks->lock);
    free(clerks);
}
