#ifndef SANDBOX_EVENTS_H
#define SANDBOX_EVENTS_H

#include "tests/sandbox/hooks.h"

/* What is told: a status in the tutorial's form, a receipt of Open Messaging, or its notification of the text. */
enum event_kind { EVENT_STATUS, EVENT_RECEIPT, EVENT_TEXT };

/* How its delivery stands. Withdrawn: whom it was for is not there any more. */
enum event_end { EVENT_WAITING, EVENT_DELIVERED, EVENT_GIVEN_UP, EVENT_WITHDRAWN, EVENT_END_COUNT };

/* In place of a status of the receiver. */
#define EVENT_NO_ANSWER (-1) /* not asked yet */
#define EVENT_TIMEOUT   (-2)
#define EVENT_BROKEN    (-3) /* no connection, or one that broke */

/* The message that events are about; all strings are there, `text` is NULL unless somebody is told it. */
struct event_message {
    const char *id;
    const char *conversation;
    const char *to;
    const char *from;
    const char *text;
};

/* One delivery of one event. A duplicate is another with the same id. */
struct event {
    char id[TEXT_UUID_SIZE];
    struct hook_name hook;
    enum event_kind kind;
    enum stage stage;
    enum failure failure;
    bool is_final;
    bool is_copy;
    int64_t time_ms; /* when the message reached the stage */
    enum event_end end;
    int tries;
    int answer;
    const struct event_message *message; /* owned by the events */
};

/* All events in order of their making: the evidence of what a receiver was told. They stay until events_clear.
 * Thread-safe. */
struct events;

/* Names an event for as long as it is there. */
struct event_ticket {
    uint64_t generation;
    uint64_t seq;
};

struct events *events_create(int64_t most, int64_t bytes_max);
void events_destroy(struct events *events);
void events_clear(struct events *events);

/* events_have_room: whether more may be made. Those made at the same moment in other threads can go over the bound. */
bool events_have_room(struct events *events);

/* events_add: the message is copied, and so is the list; each event is waiting. 0 and the ticket of the first (the
 * others follow), or -1 without memory. */
int events_add(struct events *events, const struct event_message *message, struct event *list, size_t count,
               struct event_ticket *ret_first);

/* events_read: calls `read` with the event under the lock; false if it is not there any more. */
bool events_read(struct events *events, struct event_ticket ticket, void (*read)(void *context, const struct event *),
                 void *context);

/* events_note: one more try with this answer, unless it is EVENT_NO_ANSWER; and how it stands now. False: as above. */
bool events_note(struct events *events, struct event_ticket ticket, int answer, enum event_end end);

struct event_counts {
    uint64_t events; /* copies not counted */
    uint64_t copies;
    uint64_t ends[EVENT_END_COUNT];
};

void events_count(struct events *events, struct event_counts *ret_counts);

/* A place among the events and where to stop. */
struct events_cursor {
    struct event_ticket next;
    uint64_t end_seq; /* one past the last */
};

void events_start(struct events *events, uint64_t from_seq, uint64_t limit, struct events_cursor *ret_cursor);

/* events_next: as ledger_next. */
int events_next(struct events *events, struct events_cursor *cursor, struct text *out);

#endif
