/* Which dead letters are meant: `reason=rejected,forbidden campaign=spring before=2h`. Pure.
 *
 * Conditions stand between blanks and must all hold; several values of one, between commas, are any of them. `before`
 * and `after` take one RFC 3339 time, or an age such as 2h: died before, not before, that moment. `to` is an address in
 * any of the forms that people write it; the part that names the person is compared. `campaign=` and `code=` without a
 * value are letters that have none. An empty filter takes all letters. */
#ifndef HERALD_COMMON_DEAD_FILTER_H
#define HERALD_COMMON_DEAD_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/reason.h"
#include "common/span.h"

#define DEAD_FILTER_MAX        4096 /* bytes of a filter */
#define DEAD_FILTER_VALUES_MAX 64   /* of one key */

enum dead_filter_key {
    DEAD_FILTER_REASON,
    DEAD_FILTER_CAMPAIGN,
    DEAD_FILTER_CODE,
    DEAD_FILTER_CHANNEL,
    DEAD_FILTER_TO,
    DEAD_FILTER_BEFORE,
    DEAD_FILTER_AFTER,
    DEAD_FILTER_KEY_COUNT
};

struct dead_filter {
    char *text; /* owned; the values borrow from it */
    struct {
        bool is_given;
        size_t count;
        struct span values[DEAD_FILTER_VALUES_MAX];
    } keys[DEAD_FILTER_KEY_COUNT];
    int64_t before_ms, after_ms; /* when given */
};

/* ERR_INVALID with where and what (never the address). NULL is the empty filter. `ret` is to be cleared in any case. */
int dead_filter_parse(struct dead_filter *ret, const char *text, int64_t now_ms, struct reason *why);
void dead_filter_clear(struct dead_filter *filter);

/* What is looked at; the address separately, since it costs reading the letter. */
struct dead_facts {
    const char *reason, *campaign, *code, *channel;
    int64_t at_ms;
};
bool dead_filter_takes(const struct dead_filter *filter, const struct dead_facts *facts);
bool dead_filter_needs_address(const struct dead_filter *filter);
bool dead_filter_takes_address(const struct dead_filter *filter, struct span address);

bool dead_filter_is_empty(const struct dead_filter *filter); /* it takes all letters */

#endif
