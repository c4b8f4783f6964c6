#ifndef SANDBOX_COURIER_H
#define SANDBOX_COURIER_H

#include "tests/sandbox/hooks.h"
#include "tests/sandbox/notice.h"

/* One thread that POSTs JSON to receivers, many at once. What it carries lies in items of its client, whose first
 * member is a struct courier_item. */
struct courier;

struct courier_item {
    struct courier_item *next; /* the courier's while it has the item */
};

struct letter {
    char url[HOOK_URL_MAX + 1];
    char signature[NOTICE_SIGNATURE_SIZE]; /* "": no such header */
    struct text body;
    int64_t timeout_us;
};

/* All are called in the courier's thread, without a lock. */
struct courier_client {
    void *context;
    /* Fills the letter right before it leaves; false: there is none, and the item is the client's again. */
    bool (*fill)(void *context, struct courier_item *item, struct letter *letter);
    /* The receiver's status, EVENT_TIMEOUT or EVENT_BROKEN. The item is the client's again. */
    void (*done)(void *context, struct courier_item *item, int answer);
    /* The courier has stopped: the item is given back undelivered. Also called in the thread of courier_push. */
    void (*drop)(void *context, struct courier_item *item);
};

struct courier *courier_create(const struct courier_client *client);

/* courier_push: takes the item. From any thread. */
void courier_push(struct courier *courier, struct courier_item *item);

/* courier_stop: ends the thread, breaks what is under way; afterwards courier_push only drops. */
void courier_stop(struct courier *courier);
void courier_destroy(struct courier *courier);

#endif
