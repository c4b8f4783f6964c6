/* Waiting without blocking: slow and never-ending answers sit in a heap ordered by instant, and one thread wakes them.
 *
 * Thousands of requests can wait at once at the price of a heap entry each. The heap knows nothing about HTTP. */
#include "tests/sandbox/delay.h"
#include "tests/sandbox/text.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define DELAY_FIRST 256U
#define DELAY_MAX   (1U << 22)

struct waiter {
    int64_t due_us;
    void *item;
};

/* `lock` protects everything but `wake` and `thread`, which do not change. */
struct delay {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    delay_wake *wake;
    struct waiter *heap;
    size_t count;
    size_t capacity;
    bool stopping;
    bool joined;
};

static void sift_up(struct waiter *heap, size_t at)
{
    struct waiter moving = heap[at];
    while (at > 0 && heap[(at - 1) / 2].due_us > moving.due_us) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = moving;
}

static void sift_down(struct waiter *heap, size_t count)
{
    struct waiter moving = heap[0];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count) {
            break;
        }
        if (child + 1 < count && heap[child + 1].due_us < heap[child].due_us) {
            child++;
        }
        if (heap[child].due_us >= moving.due_us) {
            break;
        }
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moving;
}

static struct waiter pop_locked(struct delay *delay)
{
    struct waiter first = delay->heap[0];
    delay->count--;
    if (delay->count > 0) {
        delay->heap[0] = delay->heap[delay->count];
        sift_down(delay->heap, delay->count);
    }
    return first;
}

static bool push_locked(struct delay *delay, struct waiter waiter)
{
    if (delay->count == delay->capacity) {
        if (delay->capacity >= DELAY_MAX) {
            return false;
        }
        struct waiter *heap = realloc(delay->heap, 2 * delay->capacity * sizeof *heap);
        if (heap == NULL) {
            return false;
        }
        delay->heap = heap;
        delay->capacity *= 2;
    }
    delay->heap[delay->count++] = waiter;
    sift_up(delay->heap, delay->count - 1);
    return true;
}

static void wait_locked(struct delay *delay)
{
    if (delay->count == 0) {
        (void)pthread_cond_wait(&delay->changed, &delay->lock);
        return;
    }
    int64_t due_us = delay->heap[0].due_us;
    struct timespec until = {.tv_sec = due_us / 1000000, .tv_nsec = due_us % 1000000 * 1000};
    (void)pthread_cond_timedwait(&delay->changed, &delay->lock, &until); /* the loop looks at the clock itself */
}

static void *run(void *argument)
{
    struct delay *delay = argument;
    (void)pthread_mutex_lock(&delay->lock);
    while (!delay->stopping || delay->count > 0) {
        if (delay->count == 0 || (!delay->stopping && delay->heap[0].due_us > clock_mono_us())) {
            wait_locked(delay);
            continue;
        }
        struct waiter waiter = pop_locked(delay);
        bool stopping = delay->stopping;
        (void)pthread_mutex_unlock(&delay->lock);
        int64_t again_us = delay->wake(waiter.item, stopping);
        (void)pthread_mutex_lock(&delay->lock);
        if (again_us == 0) {
            continue;
        }
        waiter.due_us = again_us;
        if (!push_locked(delay, waiter)) { /* XXX out of memory: let it go early rather than lose it */
            (void)pthread_mutex_unlock(&delay->lock);
            (void)delay->wake(waiter.item, true);
            (void)pthread_mutex_lock(&delay->lock);
        }
    }
    (void)pthread_mutex_unlock(&delay->lock);
    return NULL;
}

struct delay *delay_create(delay_wake *wake)
{
    struct delay *delay = calloc(1, sizeof *delay);
    if (delay == NULL) {
        return NULL;
    }
    delay->wake = wake;
    delay->capacity = DELAY_FIRST;
    delay->heap = malloc(DELAY_FIRST * sizeof *delay->heap);
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&delay->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    (void)pthread_mutex_init(&delay->lock, NULL);
    if (delay->heap == NULL || pthread_create(&delay->thread, NULL, run, delay) != 0) {
        delay->joined = true;
        delay_destroy(delay);
        return NULL;
    }
    return delay;
}

bool delay_add(struct delay *delay, int64_t due_us, void *item)
{
    (void)pthread_mutex_lock(&delay->lock);
    bool taken = !delay->stopping && push_locked(delay, (struct waiter){due_us, item});
    if (taken && delay->heap[0].item == item) {
        (void)pthread_cond_signal(&delay->changed);
    }
    (void)pthread_mutex_unlock(&delay->lock);
    return taken;
}

void delay_stop(struct delay *delay)
{
    (void)pthread_mutex_lock(&delay->lock);
    delay->stopping = true;
    (void)pthread_cond_signal(&delay->changed);
    (void)pthread_mutex_unlock(&delay->lock);
    if (!delay->joined) {
        (void)pthread_join(delay->thread, NULL);
        delay->joined = true;
    }
}

void delay_destroy(struct delay *delay)
{
    if (delay == NULL) {
        return;
    }
    delay_stop(delay);
    (void)pthread_cond_destroy(&delay->changed);
    (void)pthread_mutex_destroy(&delay->lock);
    free(delay->heap);
    free(delay);
}
