/* The rate window: which requests of the last W seconds count, kept one by one.
 *
 * Genesys publishes a limit and not the algorithm behind it; an exact sliding log is the strictest reading, so a client
 * that is never refused here is never refused by a coarser one. The same log, only noting and never refusing, measures
 * the highest count of any window (--observe-window). Memory is 8 bytes per request inside the window, up to
 * WINDOW_MAX; beyond that an observer forgets the oldest and says that its peak is no longer exact. */
#include "tests/sandbox/window.h"
#include "tests/sandbox/text.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_FIRST 1024U
#define WINDOW_MAX   (1U << 27) /* a power of two not under the highest --rate limit */

/* A ring of instants in rising order. `lock` protects all fields. */
struct window {
    pthread_mutex_t lock;
    struct rate rate;
    int64_t *ring;
    size_t capacity; /* a power of two */
    size_t head;     /* the oldest */
    size_t count;
    int64_t peak;
    bool exact;
};

struct window *window_create(struct rate rate)
{
    struct window *window = calloc(1, sizeof *window);
    if (window == NULL) {
        return NULL;
    }
    window->ring = malloc(WINDOW_FIRST * sizeof *window->ring);
    if (window->ring == NULL) {
        free(window);
        return NULL;
    }
    window->capacity = WINDOW_FIRST;
    window->rate = rate;
    window->exact = true;
    (void)pthread_mutex_init(&window->lock, NULL); /* default attributes: cannot fail on Linux */
    return window;
}

void window_destroy(struct window *window)
{
    if (window == NULL) {
        return;
    }
    (void)pthread_mutex_destroy(&window->lock);
    free(window->ring);
    free(window);
}

void window_set_rate(struct window *window, struct rate rate)
{
    (void)pthread_mutex_lock(&window->lock);
    if (rate.width_us > window->rate.width_us) {
        /* Instants that only the wider window would still hold have been forgotten already. */
        window->exact = window->exact && window->count == 0;
    }
    window->rate = rate;
    (void)pthread_mutex_unlock(&window->lock);
}

static void forget_old_locked(struct window *window, int64_t now_us)
{
    while (window->count > 0 && window->ring[window->head] <= now_us - window->rate.width_us) {
        window->head = (window->head + 1) & (window->capacity - 1);
        window->count--;
    }
}

static bool grow_locked(struct window *window)
{
    if (window->capacity >= WINDOW_MAX) {
        return false;
    }
    int64_t *ring = malloc(2 * window->capacity * sizeof *ring);
    if (ring == NULL) {
        return false;
    }
    size_t first = window->capacity - window->head;
    memcpy(ring, window->ring + window->head, first * sizeof *ring);
    memcpy(ring + first, window->ring, window->head * sizeof *ring);
    free(window->ring);
    window->ring = ring;
    window->head = 0;
    window->capacity *= 2;
    return true;
}

static void push_locked(struct window *window, int64_t now_us)
{
    if (window->count == window->capacity && !grow_locked(window)) {
        window->head = (window->head + 1) & (window->capacity - 1);
        window->count--;
        window->exact = false;
    }
    window->ring[(window->head + window->count) & (window->capacity - 1)] = now_us;
    window->count++;
    if ((int64_t)window->count > window->peak) {
        window->peak = (int64_t)window->count;
    }
}

bool window_take(struct window *window, int64_t *ret_wait_us)
{
    bool allowed = true;
    (void)pthread_mutex_lock(&window->lock);
    if (window->rate.limit > 0) {
        int64_t now_us = clock_mono_us(); /* under the lock, so that instants never go backwards */
        forget_old_locked(window, now_us);
        allowed = (int64_t)window->count < window->rate.limit;
        if (allowed) {
            push_locked(window, now_us);
        } else {
            /* After a limit was lowered, more than one has to leave before there is room. */
            size_t leaver = (window->head + window->count - (size_t)window->rate.limit) & (window->capacity - 1);
            *ret_wait_us = window->ring[leaver] + window->rate.width_us - now_us;
        }
    }
    (void)pthread_mutex_unlock(&window->lock);
    return allowed;
}

void window_note(struct window *window)
{
    (void)pthread_mutex_lock(&window->lock);
    if (window->rate.width_us > 0) {
        int64_t now_us = clock_mono_us();
        forget_old_locked(window, now_us);
        push_locked(window, now_us);
    }
    (void)pthread_mutex_unlock(&window->lock);
}

int64_t window_peak(struct window *window, bool *ret_exact)
{
    (void)pthread_mutex_lock(&window->lock);
    int64_t peak = window->peak;
    *ret_exact = window->exact;
    (void)pthread_mutex_unlock(&window->lock);
    return peak;
}

void window_clear(struct window *window)
{
    (void)pthread_mutex_lock(&window->lock);
    window->head = 0;
    window->count = 0;
    window->peak = 0;
    window->exact = true;
    (void)pthread_mutex_unlock(&window->lock);
}
