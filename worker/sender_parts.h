/* The inside of a sender, for its two files: the loop (sender.c) and what becomes of a message (attempt.c). */
#ifndef HERALD_WORKER_SENDER_PARTS_H
#define HERALD_WORKER_SENDER_PARTS_H

#include <pthread.h>

#include "common/log.h"
#include "worker/crew.h"
#include "worker/grant.h"
#include "worker/settler.h"
#include "worker/slot.h"

#define SENDER_ERROR_MS 1000 /* after Redis has refused a step, before the next try */

struct sender {
    pthread_t thread;
    struct crew *crew;
    struct pulse *pulse; /* the crew's */
    struct metrics_block *metrics;
    struct log_lines log_lines; /* of this turn */
    struct store *store;
    struct http *http;
    struct slots slots;
    struct settler settler;
    struct token_use token;
    char prefix[16]; /* of its tickets */

    struct slot *looking[STORE_BATCH_MAX]; /* wait for the last look to be asked for */
    size_t looking_count;
    size_t looks; /* messages whose last look has been asked for and not answered */

    int64_t next_ticket;
    bool is_asking;            /* a reserve is under way */
    int64_t asked_at_ms;       /* monotonic; when the last reserve was asked for */
    struct grant grant, asked; /* as it is now, and as it was at the last reserve: Redis counts those grants by that */
    const struct settings *grant_for; /* the settings it was made for */
    int64_t next_take_ms;             /* not before */
    int64_t own_due_ms;               /* but at this time: a message that we put off falls due; INT64_MAX: none */
    int64_t ask_again_ms;             /* when the breaker may have changed its mind */
    int64_t clock_offset_ms;          /* Redis' clock less our monotonic one */

    bool is_asleep; /* it asks again when it is called, or when its time has come */
    bool is_in_bed; /* the crew knows that it sleeps, or was called */
    struct sleeper sleeper;
    int64_t stop_at_ms; /* 0 until it is to stop */
};

/* The grant of a request counts from `ago_ms` before now, unless it counts from later. */
void sender_touch(struct sender *sender, const struct slot *slot, int64_t ago_ms);

#endif
