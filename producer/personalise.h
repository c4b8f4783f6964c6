/* From a person and a template to the person's message, checked by the rules that the worker will apply again. */
#ifndef HERALD_PRODUCER_PERSONALISE_H
#define HERALD_PRODUCER_PERSONALISE_H

#include "common/envelope.h"
#include "common/store.h"
#include "producer/person.h"

struct personaliser;

struct personaliser_config {
    const struct template *template;
    const char *campaign;
    const char *key_column;                 /* NULL: the address is what a person is recognised by */
    const char *from;                       /* instead of the template's; NULL: the template's */
    const char *route;                      /* likewise */
    const char *origins;                    /* allowed hosts */
    const struct callback_rules *callbacks; /* NULL: not looked at */
    const char *callback_url;               /* for a template that has none; NULL: none */
    const char *traceparent;                /* that the messages belong to; NULL: none */
    int64_t send_at_ms;                     /* 0: now */
    int64_t now_ms;                         /* wall clock */
};

/* Checks what does not depend on a row: route and channel, sender, priority and so on. ERR_INVALID with why. */
int personaliser_create(struct personaliser **ret, const struct personaliser_config *config, struct reason *why);
void personaliser_destroy(struct personaliser *personaliser); /* takes NULL */

/* ERR_INVALID when the CSV has no `to`, or lacks a column that the template cannot do without. */
int personaliser_bind(struct personaliser *personaliser, const struct recipients *source, struct reason *why);

struct personal {
    struct content content;
    struct span text;     /* what the person reads; empty for an approved template */
    const char *language; /* borrowed from the template */
    uint8_t key[STORE_KEY_SIZE];
};

struct row_refusal {
    const char *column; /* "" for the row or the text as a whole */
    const char *code;   /* static */
    char text[240];
};

/* 0 and the message (borrowed from the row and the personaliser until the next call), or ERR_INVALID and why not. */
int personaliser_apply(struct personaliser *personaliser, const struct recipients *source, const struct row *row,
                       struct personal *ret, struct row_refusal *refusal);

/* The same for a person who is in no row: the refusal's column is then a name of `person`, or a variable's. */
int personaliser_apply_to(struct personaliser *personaliser, const struct person *person, struct personal *ret,
                          struct row_refusal *refusal);

/* What is written from here on is of another time than the config's. */
void personaliser_set_time(struct personaliser *personaliser, int64_t send_at_ms, int64_t now_ms);

/* Adds the envelope of a message that apply gave to `out`. */
void personaliser_write(struct personaliser *personaliser, const struct personal *personal, struct buf *out);

enum priority personaliser_priority(const struct personaliser *personaliser);
enum channel personaliser_channel(const struct personaliser *personaliser);

#endif
