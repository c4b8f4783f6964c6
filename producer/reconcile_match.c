#include "producer/reconcile_match.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/envelope.h"
#include "common/mem.h"
#include "common/span.h"
#include "common/timestamp.h"
#include "producer/dead_walk.h"

static const char *const verdict_texts[MATCH_VERDICT_COUNT] = {
    [MATCH_FOUND] = "Genesys has sent it",
    [MATCH_NOT_THERE] = "Genesys has no message of that time to that person",
    [MATCH_SEVERAL] = "more than one message, or more than one letter, could be it",
    [MATCH_NAMELESS] = "Genesys does not say whom its messages went to",
    [MATCH_NO_PERSON] = "it has no address that can be compared",
};

const char *match_verdict_text(enum match_verdict verdict)
{
    return verdict_texts[verdict];
}

void matcher_clear(struct matcher *matcher)
{
    for (size_t i = 0; i < matcher->count; i++)
        free(matcher->letters[i]);
    free(matcher->letters);
    *matcher = (struct matcher){.letters = NULL};
}

/* --- letters --- */

static void widen(struct match_time *ret, int64_t from_ms, int64_t to_ms)
{
    if (ret->from_ms == 0 || from_ms < ret->from_ms)
        ret->from_ms = from_ms;
    if (to_ms > ret->to_ms)
        ret->to_ms = to_ms;
}

/* A whole number of a document that anybody may have written; 0 when it is absent or none that can be. */
static int64_t number_of(const struct json *object, const char *key)
{
    int64_t number;

    return json_integer(json_get(object, key), &number) && number > 0 && number <= TIMESTAMP_MAX_MS ? number : 0;
}

/* When its requests may have arrived: while those attempts were under way of which nobody knows. One that a worker had
 * when it died has left no record, nor have those that the history is too short for. */
static bool read_time(const struct json *document, const struct json *envelope, struct match_letter *ret)
{
    const struct json *own = json_get(envelope, "herald"), *history = json_get(own, "history");
    const int64_t accepted_ms = number_of(own, "accepted_at"), replayed_ms = number_of(own, "replayed_at");
    const int64_t end_ms = ret->letter.at_ms + MATCH_SLACK_MS;
    /* in front of all others while nobody has written it anew since */
    const bool was_taken_back = number_of(envelope, "redelivered") > 0 || number_of(own, "redelivered") > 0;
    int64_t recorded = 0;
    bool is_unrecorded;

    for (size_t i = 0; i < json_count(history); i++) {
        const struct json *attempt = json_at(history, i);
        int64_t at_ms = number_of(attempt, "at");

        if (!json_is_true(json_get(attempt, "unknown")) || at_ms == 0)
            continue;
        widen(&ret->time, at_ms - MATCH_SLACK_MS, at_ms + number_of(attempt, "latency_ms") + MATCH_SLACK_MS);
        recorded++;
    }
    is_unrecorded =
        number_of(own, "unknowns") > recorded || (!ret->is_rival && (!json_get(document, "last") || recorded == 0));
    ret->rival_time = ret->time;
    if (is_unrecorded || was_taken_back)
        widen(&ret->rival_time, accepted_ms - MATCH_SLACK_MS, end_ms);
    if (is_unrecorded)
        widen(&ret->time, (replayed_ms > accepted_ms ? replayed_ms : accepted_ms) - MATCH_SLACK_MS, end_ms);
    return ret->rival_time.to_ms > 0;
}

static void read_who(const struct json *envelope, struct match_letter *ret)
{
    const struct json *payload = json_get(envelope, "payload") ? json_get(envelope, "payload") : envelope;
    enum channel channel = channel_find(span_of(ret->letter.channel));
    const char *sender = json_get_text(payload, "fromAddress"), *name;
    struct span address = dead_letter_address(envelope), person;
    struct refusal refusal;

    if (!sender)
        sender = json_get_text(json_get(payload, "from"), "address");
    if (sender && strlen(sender) < sizeof(ret->sender))
        (void)snprintf(ret->sender, sizeof(ret->sender), "%s", sender);
    if (channel != CHANNEL_NONE && address.data && channel_read_address(channel, address, "", &person, &refusal) == 0)
        (void)channel_person(channel, person, ret->person);
    name = json_get_text(json_get(envelope, "labels"), "template");
    if (name && strlen(name) <= STORE_TEMPLATE_MAX)
        (void)snprintf(ret->template_name, sizeof(ret->template_name), "%s", name);
}

bool matcher_add(struct matcher *matcher, const struct store_letter *letter, struct span document, int *ret_rc)
{
    struct match_letter *added = mem_zalloc(1, sizeof(*added));
    struct json *json = NULL;
    const struct json *envelope;
    bool matters;

    *ret_rc = 0;
    added->letter = *letter;
    added->is_rival = strcmp(letter->reason, "outcome_unknown") != 0;
    (void)json_parse(&json, document.data, document.len, NULL); /* a failure leaves NULL, in which nothing is found */
    envelope = json_get(json, "envelope");
    matters = envelope && letter->id[0] && read_time(json, envelope, added);
    if (matters)
        read_who(envelope, added);
    json_free(json);
    if (matters && matcher->count == MATCH_LETTERS_MAX)
        *ret_rc = ERR_LIMIT;
    if (!matters || *ret_rc != 0) {
        free(added);
        return false;
    }
    if (matcher->count == matcher->cap) {
        matcher->cap = matcher->cap ? 2 * matcher->cap : 64;
        matcher->letters = mem_resize(matcher->letters, matcher->cap, sizeof(struct match_letter *));
    }
    matcher->letters[matcher->count++] = added;
    return true;
}

/* --- messages --- */

static int compare(const void *a, const void *b)
{
    const struct match_letter *one = *(struct match_letter *const *)a, *other = *(struct match_letter *const *)b;
    int order = strcmp(one->person, other->person);

    return order != 0 ? order : strcmp(one->letter.ticket, other->letter.ticket);
}

void matcher_begin(struct matcher *matcher)
{
    if (matcher->count > 0)
        qsort(matcher->letters, matcher->count, sizeof(struct match_letter *), compare);
}

/* The first letter to this person, or where it would be. */
static size_t first_of(const struct matcher *matcher, const char *person)
{
    size_t low = 0, high = matcher->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(matcher->letters[middle]->person, person) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Whether two names of a sender may be one: the same, however a number is written; or one of them is not known. */
static bool may_be_same_sender(const char *one, const char *other)
{
    struct span a, b;
    struct refusal refusal;

    if (!*one || !*other || strcmp(one, other) == 0)
        return true;
    return channel_read_address(CHANNEL_SMS, span_of(one), "", &a, &refusal) == 0 &&
           channel_read_address(CHANNEL_SMS, span_of(other), "", &b, &refusal) == 0 && a.len == b.len &&
           memcmp(a.data, b.data, a.len) == 0;
}

void matcher_see(struct matcher *matcher, const struct provider_message *message)
{
    if (!message->to[0]) {
        matcher->nameless++;
        return;
    }
    for (size_t i = first_of(matcher, message->to);
         i < matcher->count && strcmp(matcher->letters[i]->person, message->to) == 0; i++) {
        struct match_letter *letter = matcher->letters[i];

        if (!may_be_same_sender(letter->sender, message->from) || message->created_ms < letter->time.from_ms ||
            message->created_ms > letter->time.to_ms + MATCH_AFTER_MS)
            continue;
        letter->seen++;
        if (message->created_ms <= letter->time.to_ms) {
            letter->seen_in++;
            letter->sent = *message;
        }
    }
}

/* Another letter of ours to the same person could be what Genesys shows. */
static bool has_rival(const struct matcher *matcher, const struct match_letter *letter)
{
    for (size_t i = first_of(matcher, letter->person);
         i < matcher->count && strcmp(matcher->letters[i]->person, letter->person) == 0; i++) {
        const struct match_letter *other = matcher->letters[i];

        if (other != letter && may_be_same_sender(letter->sender, other->sender) &&
            other->rival_time.from_ms <= letter->time.to_ms && letter->time.from_ms <= other->rival_time.to_ms)
            return true;
    }
    return false;
}

enum match_verdict matcher_verdict(const struct matcher *matcher, const struct match_letter *letter)
{
    if (!letter->person[0])
        return MATCH_NO_PERSON;
    if (matcher->nameless > 0)
        return MATCH_NAMELESS;
    if (letter->seen_in == 0)
        return MATCH_NOT_THERE;
    if (letter->seen > 1 || has_rival(matcher, letter) || !letter->sent.from[0] || !letter->sender[0])
        return MATCH_SEVERAL;
    return MATCH_FOUND;
}
