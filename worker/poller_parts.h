/* The inside of the poller, for its two files: the loop that asks (poller.c) and what becomes of a question
 * (question.c). */
#ifndef HERALD_WORKER_POLLER_PARTS_H
#define HERALD_WORKER_POLLER_PARTS_H

#include <pthread.h>

#include "common/store_poll.h"
#include "worker/crew.h"
#include "worker/grant.h"
#include "worker/status_list.h"

#define POLLER_REQUESTS_MAX 4

/* One question, from its grant to its end. */
struct question {
    struct poller *poller;
    bool is_used;
    char ticket[STORE_TICKET_SIZE];
    char conversation[64];
    struct buf ids, body;
    int64_t granted_ms, margin_ms, life_ms, started_ms; /* monotonic */
    uint64_t token_generation;
    bool token_was_fresh;

    struct status_list list; /* while its receipts are on their way */
    size_t steps_left;
    bool was_refused; /* one of the steps was not taken */
};

struct poller {
    pthread_t thread;
    struct crew *crew;
    struct store *store;
    struct http *http;
    struct token_use token;
    struct grant grant, asked;        /* as it is now, and as it was when Redis was asked last */
    const struct settings *grant_for; /* the settings it was made for */
    struct question questions[POLLER_REQUESTS_MAX];
    size_t used;
    char prefix[16]; /* of its tickets */
    int64_t next_ticket;
    bool is_asking; /* Redis */
    int64_t asked_at_ms;
    int64_t next_ms, retry_ms; /* monotonic; not before: for what Redis said, and after failures */
    unsigned failures;         /* in a row */
    unsigned forbidden;        /* 403s since the last answer that was none */
    unsigned denials;          /* pauses for them in a row */
    int64_t denied_ms;         /* when the last of them began */
    bool has_succeeded;
    int64_t stop_at_ms; /* 0 until it is to stop */
};

/* The request of a question has ended. */
void question_finish(struct poller *poller, const struct http_result *result);
/* It was not asked after all. */
void question_end_unasked(struct question *question);
/* The tickets of a step whose answer is lost. Should it reach Redis after this, its grants stay used for one window,
 * and its questions are due again after their lease. */
void question_end_lost(struct poller *poller, int64_t first, int64_t count);

#endif
