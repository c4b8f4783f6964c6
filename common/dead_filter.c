#include "common/dead_filter.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/channel.h"
#include "common/ids.h"
#include "common/mem.h"
#include "common/options.h"
#include "common/timestamp.h"
#include "common/utf8.h"

static const struct {
    const char *name;
    bool may_be_empty; /* letters that have none */
    bool is_time;
} keys[] = {
    [DEAD_FILTER_REASON] = {"reason", false, false}, [DEAD_FILTER_CAMPAIGN] = {"campaign", true, false},
    [DEAD_FILTER_CODE] = {"code", true, false},      [DEAD_FILTER_CHANNEL] = {"channel", false, false},
    [DEAD_FILTER_TO] = {"to", false, false},         [DEAD_FILTER_BEFORE] = {"before", false, true},
    [DEAD_FILTER_AFTER] = {"after", false, true},
};
_Static_assert(sizeof(keys) / sizeof(keys[0]) == DEAD_FILTER_KEY_COUNT, "each key has its row");

static int find_key(struct span name)
{
    for (int i = 0; i < DEAD_FILTER_KEY_COUNT; i++) {
        if (span_is(name, keys[i].name))
            return i;
    }
    return -1;
}

/* The part of an address that names the person: without the channel in front and without the + of a number. */
static struct span person_of(struct span address)
{
    const char *colon = address.len ? memchr(address.data, ':', address.len) : NULL;

    if (colon && channel_find((struct span){address.data, (size_t)(colon - address.data)}) != CHANNEL_NONE) {
        address.len -= (size_t)(colon + 1 - address.data);
        address.data = colon + 1;
    }
    if (address.len > 0 && address.data[0] == '+') {
        address.data++;
        address.len--;
    }
    return address;
}

/* --- reading --- */

struct reading {
    struct dead_filter *filter;
    int64_t now_ms;
    struct reason *why;
};

/* Where in the filter; people count from 1. */
static int complain(const struct reading *reading, const char *at, const char *what)
{
    reason_set(reading->why, "the filter, at character %zu: %s", (size_t)(at - reading->filter->text) + 1, what);
    return ERR_INVALID;
}

static int read_time(const struct reading *reading, enum dead_filter_key key, struct span value)
{
    char text[TIMESTAMP_SIZE + 16], what[96];
    int64_t ms, *ret = key == DEAD_FILTER_BEFORE ? &reading->filter->before_ms : &reading->filter->after_ms;

    (void)snprintf(text, sizeof(text), "%.*s", (int)(value.len < sizeof(text) ? value.len : sizeof(text) - 1),
                   value.data);
    if (value.len < sizeof(text) && timestamp_parse(text, ret))
        return 0;
    if (value.len < sizeof(text) && duration_parse(text, &ms) && ms >= 0) {
        *ret = ms < reading->now_ms ? reading->now_ms - ms : 0;
        return 0;
    }
    (void)snprintf(what, sizeof(what), "%s wants one time such as 2026-01-15T10:30:00Z, or an age such as 2h",
                   keys[key].name);
    return complain(reading, value.data, what);
}

static bool is_word(struct span value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (!((value.data[i] >= 'a' && value.data[i] <= 'z') || value.data[i] == '_'))
            return false;
    }
    return true;
}

static int check_value(const struct reading *reading, enum dead_filter_key key, struct span value)
{
    char what[96];

    if (value.len == 0) {
        if (keys[key].may_be_empty)
            return 0;
        (void)snprintf(what, sizeof(what), "%s= has no value", keys[key].name);
        return complain(reading, value.data, what);
    }
    switch (key) {
    case DEAD_FILTER_REASON:
        return is_word(value) ? 0 : complain(reading, value.data, "a reason is a word such as attempts_exhausted");
    case DEAD_FILTER_CAMPAIGN:
        return id_is_valid(value.data, value.len)
                   ? 0
                   : complain(reading, value.data, "a campaign's name has letters, digits and . _ : - only");
    case DEAD_FILTER_CHANNEL:
        return channel_find(value) != CHANNEL_NONE || span_is(value, "none")
                   ? 0
                   : complain(reading, value.data, "a channel is sms, whatsapp, facebook, web, open, apple or none");
    case DEAD_FILTER_BEFORE:
    case DEAD_FILTER_AFTER:
        return read_time(reading, key, value);
    case DEAD_FILTER_TO:
        return person_of(value).len > 0 ? 0 : complain(reading, value.data, "to wants an address");
    case DEAD_FILTER_CODE:
    case DEAD_FILTER_KEY_COUNT:
        break;
    }
    return 0;
}

static int read_values(const struct reading *reading, enum dead_filter_key key, struct span values)
{
    struct dead_filter *filter = reading->filter;
    size_t at = 0;

    for (bool has_more = true; has_more; at++) { /* past the comma */
        const char *from = values.data + at;
        const char *comma = keys[key].is_time ? NULL : memchr(from, ',', values.len - at);
        struct span value = {from, comma ? (size_t)(comma - from) : values.len - at};

        if (filter->keys[key].count == DEAD_FILTER_VALUES_MAX)
            return complain(reading, from, "too many values of one key (64 are the most)");
        if (check_value(reading, key, value) != 0)
            return ERR_INVALID;
        filter->keys[key].values[filter->keys[key].count++] = key == DEAD_FILTER_TO ? person_of(value) : value;
        at += value.len;
        has_more = comma != NULL;
    }
    return 0;
}

static int read_condition(const struct reading *reading, struct span condition)
{
    const char *equals = memchr(condition.data, '=', condition.len);
    struct span name = {condition.data, equals ? (size_t)(equals - condition.data) : 0};
    int key = equals ? find_key(name) : -1;

    if (!equals)
        return complain(reading, condition.data, "a condition is key=value, such as reason=rejected");
    if (key < 0)
        return complain(reading, condition.data, "the keys are reason, campaign, code, channel, to, before and after");
    if (reading->filter->keys[key].is_given)
        return complain(reading, condition.data, "this key was given before; put its values between commas");
    reading->filter->keys[key].is_given = true;
    return read_values(reading, (enum dead_filter_key)key, (struct span){equals + 1, condition.len - name.len - 1});
}

int dead_filter_parse(struct dead_filter *ret, const char *text, int64_t now_ms, struct reason *why)
{
    const struct reading reading = {ret, now_ms, why};
    size_t len = text ? strlen(text) : 0;

    memset(ret, 0, sizeof(*ret));
    if (len > DEAD_FILTER_MAX) {
        reason_set(why, "the filter has %zu bytes; %d are the most", len, DEAD_FILTER_MAX);
        return ERR_INVALID;
    }
    ret->text = mem_copy(text ? text : "", len);
    if (!utf8_is_valid(ret->text, len)) {
        reason_set(why, "the filter, at character %zu: not UTF-8", utf8_valid_prefix(ret->text, len) + 1);
        return ERR_INVALID;
    }
    for (size_t at = 0; at < len;) {
        size_t size = strcspn(ret->text + at, " \t\r\n");

        if (size > 0 && read_condition(&reading, (struct span){ret->text + at, size}) != 0)
            return ERR_INVALID;
        at += size + (size == 0);
    }
    if (ret->keys[DEAD_FILTER_BEFORE].is_given && ret->keys[DEAD_FILTER_AFTER].is_given &&
        ret->before_ms <= ret->after_ms)
        return complain(&reading, ret->keys[DEAD_FILTER_BEFORE].values[0].data,
                        "nothing can be before this and also after what `after` says");
    return 0;
}

void dead_filter_clear(struct dead_filter *filter)
{
    if (filter->text)
        explicit_bzero(filter->text, strlen(filter->text)); /* an address may be in it */
    free(filter->text);
    memset(filter, 0, sizeof(*filter));
}

/* --- looking --- */

static bool is_any_of(const struct dead_filter *filter, enum dead_filter_key key, struct span value)
{
    if (!filter->keys[key].is_given)
        return true;
    for (size_t i = 0; i < filter->keys[key].count; i++) {
        struct span one = filter->keys[key].values[i];

        if (one.len == value.len && (one.len == 0 || memcmp(one.data, value.data, one.len) == 0))
            return true;
    }
    return false;
}

bool dead_filter_takes(const struct dead_filter *filter, const struct dead_facts *facts)
{
    return (!filter->keys[DEAD_FILTER_BEFORE].is_given || facts->at_ms < filter->before_ms) &&
           (!filter->keys[DEAD_FILTER_AFTER].is_given || facts->at_ms >= filter->after_ms) &&
           is_any_of(filter, DEAD_FILTER_REASON, span_of(facts->reason)) &&
           is_any_of(filter, DEAD_FILTER_CAMPAIGN, span_of(facts->campaign)) &&
           is_any_of(filter, DEAD_FILTER_CODE, span_of(facts->code)) &&
           is_any_of(filter, DEAD_FILTER_CHANNEL, span_of(facts->channel));
}

bool dead_filter_needs_address(const struct dead_filter *filter)
{
    return filter->keys[DEAD_FILTER_TO].is_given;
}

bool dead_filter_takes_address(const struct dead_filter *filter, struct span address)
{
    return !dead_filter_needs_address(filter) ||
           (!span_is_empty(address) && is_any_of(filter, DEAD_FILTER_TO, person_of(address)));
}

bool dead_filter_is_empty(const struct dead_filter *filter)
{
    for (int i = 0; i < DEAD_FILTER_KEY_COUNT; i++) {
        if (filter->keys[i].is_given)
            return false;
    }
    return true;
}
