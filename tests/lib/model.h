/* A model of the states of one message, beside the real thing.
 *
 * `struct world` says where the message is and all that decides what the next step does; each step changes the world as
 * the documents say, asks the store for the same, and then everything that Redis holds is held against the world. So
 * the message is in exactly one place, with its letter, its marks and its counters, after each step.
 *
 * model_look.c: what Redis holds, against the world; model_steps.c: the steps and the states to begin with. */
#ifndef HERALD_TESTS_MODEL_H
#define HERALD_TESTS_MODEL_H

#include "tests/lib/fixture.h"

#define HOUR_MS      3600000
#define CAMPAIGN     "spring"
#define BURIED       "{\"buried\":\"m1\"}"
#define TEXT_MAX     512
#define WALK_MAX     40
#define STEPS_MAX    64
#define UNKNOWN_TEXT "the worker that had it is gone; it may have been sent"

/* --- the world; only ints, so that two worlds can be compared as bytes --- */

enum place { READY, LATER, DUE, FLIGHT, PARKED, DEAD, SENT, CANCELLED, PURGED };
enum name { NAME_A, NAME_B, GHOST, NAME_COUNT }; /* GHOST: what A's first life left behind when the second began */
enum life { A1, A2, B1, LIFE_COUNT };            /* A2 is another process under A's name */
enum lease { NO_LEASE, LEASE, LEASE_PAST };
enum campaign { NO_CAMPAIGN, STATELESS, RUNNING, PAUSED, CANCELLED_FOR_GOOD };
enum record { NO_RECORD, RECORD_SENT, RECORD_DEAD, RECORD_ACCEPTED, RECORD_PURGED, RECORD_CANCELLED };

extern const char *const names[NAME_COUNT], *const instances[LIFE_COUNT];
extern const int name_of[LIFE_COUNT];

struct counts {
    int accepted, duplicates, sent, dead, cancelled, retries, returned, redelivered, late, withdrawn, replayed, purged;
};

/* What a process knows by itself. */
struct mind {
    int is_here, next, ticket; /* ticket -1: it never got the message */
    int is_adopted, marks;     /* of the text it was given */
};

struct world {
    int is_pushed, is_hold; /* the message: how it came, and its on_unknown */
    int is_uuid;           /* so are its id and those of its provider: what is known of it when it was sent is packed */
    int place, letter;     /* letter: of the list it is on or goes back to */
    int holder, owner;     /* FLIGHT: under which name, and the ticket of which life */
    int is_adopted, marks; /* the text has herald.accepted_at; so many times redelivered */
    int was_reaped;        /* DEAD: by the reaper */
    int record, record_life, record_ticket;
    int leases[NAME_COUNT];
    int instance[2]; /* which life has the name; LIFE_COUNT: none */
    int campaign, is_paused;
    int fences[LIFE_COUNT]; /* 0: none */
    struct mind minds[LIFE_COUNT];
    struct counts counts;
};

struct model {
    struct redis_server *server;
    struct store *store;
    struct world world;
    char look_sha[48], save_sha[48], restore_sha[48];
    int trace[WALK_MAX + 1], trace_len; /* steps so far, for the message of a failure */
    const char *start;
    int64_t steps;
};

/* --- model_look.c --- */

void model_open(struct model *model); /* a server of its own, and a store */
void model_close(struct model *model);

void expect_number(const struct model *model, const char *what, int64_t found, int64_t expected);
/* The text of the message; `marks` 0: none. */
void write_text(const struct world *world, int is_adopted, int marks, char text[TEXT_MAX]);
const char *message_id(const struct world *world);
void write_ticket(int life, int number, char out[32]);
/* What the provider calls what was sent under a ticket. */
void write_provider(const struct world *world, int life, int number, char out[40]);

void look(struct model *model);         /* everything in Redis is as the world says */
void check_status(struct model *model); /* and `herald status` sums it up to one message */

/* All of the org under a number, to come back to; and back to it, or to nothing when there is no such number. */
void save_world(struct model *model, int number);
void restore_world(struct model *model, int number);

/* --- model_steps.c --- */

extern const struct step {
    const char *name;
    bool (*run)(struct model *model, int life); /* whether it is possible in this world at all */
    int life;
} steps[];
extern const size_t step_count;

extern const struct start {
    const char *name;
    const char *way[12]; /* names of steps */
} starts[];
extern const size_t start_count;

/* Names the steps that led there, and ends the test. */
void fail_at(const struct model *model, const char *what, const char *expected, const char *found);

bool is_held(const struct world *world, int life);
void on_reaped(void *context, int64_t taken); /* of store_reap: the number, into an int64_t */

/* Everything from the beginning: an org of its own, the two workers, the message on its way to `start`. */
void begin(struct model *model, bool is_pushed, bool is_hold, const struct start *start);
/* Runs one step and looks at everything; false: it is not possible here. */
bool run_step(struct model *model, int step);

#endif
