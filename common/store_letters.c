/* Reading dead letters, and finding one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/store_dead.h"
#include "common/store_request.h"

static void copy_part(char *out, size_t size, const char *data, size_t len)
{
    if (len >= size)
        len = size - 1;
    if (len > 0)
        memcpy(out, data, len);
    out[len] = '\0';
}

static int64_t number_of(const char *data, size_t len)
{
    char text[24];

    copy_part(text, sizeof(text), data, len);
    return strtoll(text, NULL, 10);
}

/* `reason campaign channel code id at size`, single blanks between; a part may be empty. */
static void read_about(const char *text, size_t len, struct store_letter *ret)
{
    const char *parts[7] = {NULL};
    size_t lens[7] = {0}, at = 0;

    for (size_t i = 0; i < 7 && at <= len; i++) {
        const char *blank = at < len ? memchr(text + at, ' ', len - at) : NULL;

        parts[i] = text + at;
        lens[i] = blank ? (size_t)(blank - parts[i]) : len - at;
        at += lens[i] + 1;
    }
    copy_part(ret->reason, sizeof(ret->reason), parts[0], lens[0]);
    copy_part(ret->campaign, sizeof(ret->campaign), parts[1], lens[1]);
    copy_part(ret->channel, sizeof(ret->channel), parts[2], lens[2]);
    copy_part(ret->code, sizeof(ret->code), parts[3], lens[3]);
    copy_part(ret->id, sizeof(ret->id), parts[4], lens[4]);
    if (!id_is_valid(ret->id, strlen(ret->id)))
        ret->id[0] = '\0';
    ret->at_ms = number_of(parts[5], lens[5]);
    ret->size = number_of(parts[6], lens[6]);
}

static size_t read_letters(const struct redis_reply *reply, struct store_letter *ret, size_t max)
{
    size_t count = redis_reply_count(reply);

    if (count > max)
        count = max;
    for (size_t i = 0; i < count; i++) {
        const struct redis_reply *entry = redis_reply_at(reply, i);
        size_t len = 0;
        const char *about = redis_reply_text(redis_reply_at(redis_reply_at(entry, 1), 1), &len);

        request_copy_text(ret[i].ticket, sizeof(ret[i].ticket), redis_reply_at(entry, 0));
        read_about(about ? about : "", about ? len : 0, &ret[i]);
    }
    return count;
}

static void on_letters(struct request *request, const struct redis_reply *reply)
{
    struct store_letter *letters = mem_zalloc(STORE_LETTER_PAGE, sizeof(*letters));
    size_t count = read_letters(reply, letters, STORE_LETTER_PAGE);

    request->call.letters(request->context, redis_reply_error(reply) ? ERR_STATE : 0, letters, count);
    free(letters);
}

/* The letters from one end of the index to another. */
static void ask_for_letters(struct store *store, const char *from, const char *to, size_t most, store_letters_fn done,
                            void *context)
{
    struct request *request = request_command(store, "XRANGE", on_letters);

    request->must_arrive = true;
    request->call.letters = done;
    request->context = context;
    request_key(request, "dead:index");
    request_text(request, from);
    request_text(request, to);
    request_text(request, "COUNT");
    request_number(request, (int64_t)(most < STORE_LETTER_PAGE ? most : STORE_LETTER_PAGE));
    request_submit(request);
}

void store_dead_read(struct store *store, const char *after, const char *last, size_t most, store_letters_fn done,
                     void *context)
{
    char from[STORE_LETTER_TICKET_SIZE + 1] = "-";

    if (*after)
        (void)snprintf(from, sizeof(from), "(%.47s", after);
    ask_for_letters(store, from, last, most, done, context);
}

static void on_documents(struct request *request, const struct redis_reply *reply)
{
    size_t count = redis_reply_error(reply) ? 0 : (size_t)request->count;
    struct span *documents = mem_zalloc(count + 1, sizeof(*documents));

    for (size_t i = 0; i < count; i++)
        documents[i].data = redis_reply_text(redis_reply_at(reply, i), &documents[i].len);
    request->call.documents(request->context, redis_reply_error(reply) ? ERR_STATE : 0, documents, count);
    free(documents);
}

void store_dead_documents(struct store *store, const struct store_letter *letters, size_t count,
                          store_documents_fn done, void *context)
{
    struct request *request = request_command(store, "HMGET", on_documents);

    request->must_arrive = true;
    request->call.documents = done;
    request->context = context;
    request->count = (int64_t)count;
    request_key(request, "dead:letters");
    for (size_t i = 0; i < count; i++)
        request_text(request, letters[i].ticket);
    request_submit(request);
}

/* --- finding one --- */

struct found {
    const char *id;
    struct store_letter *letter;
    bool is_there, is_last;
    int rc;
    char at[STORE_LETTER_TICKET_SIZE]; /* where the walk is */
};

static void on_page_to_search(void *context, int rc, const struct store_letter *letters, size_t count)
{
    struct found *found = context;

    found->rc = rc;
    found->is_last = rc != 0 || count == 0;
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(found->at, sizeof(found->at), "%s", letters[i].ticket);
        if (strcmp(letters[i].id, found->id) == 0 || strcmp(letters[i].ticket, found->id) == 0) {
            *found->letter = letters[i];
            found->is_there = true;
            return;
        }
    }
}

static void on_ticket(struct request *request, const struct redis_reply *reply)
{
    struct found *found = request->context;

    request_copy_text(found->at, sizeof(found->at), reply); /* an error has no text */
}

static bool is_ticket(const char *text)
{
    size_t head = strspn(text, "0123456789"), tail = text[head] == '-' ? strspn(text + head + 1, "0123456789") : 0;

    return head > 0 && head < 19 && tail > 0 && tail < 19 && text[head + 1 + tail] == '\0';
}

/* Looks at the letter with this ticket alone. */
static int look_at(struct store *store, const char *ticket, struct found *found, int64_t patience_ms,
                   struct reason *why)
{
    char exactly[STORE_LETTER_TICKET_SIZE];

    (void)snprintf(exactly, sizeof(exactly), "%s", ticket); /* it may lie in `found`, which the answer writes */
    ask_for_letters(store, exactly, exactly, 1, on_page_to_search, found);
    return store_finish(store, 0, patience_ms, why);
}

static int look_by_state(struct store *store, struct found *found, int64_t patience_ms, struct reason *why)
{
    struct request *request = request_command(store, "HGET", on_ticket);
    char key[ID_SIZE + 16];
    int rc;

    (void)snprintf(key, sizeof(key), "message:%s", found->id);
    request->must_arrive = true;
    request->context = found;
    request_key(request, key);
    request_text(request, "letter");
    request_submit(request);
    rc = store_finish(store, 0, patience_ms, why);
    if (rc == 0 && is_ticket(found->at))
        rc = look_at(store, found->at, found, patience_ms, why);
    return rc;
}

int store_dead_find(struct store *store, const char *id, struct store_letter *ret, int64_t patience_ms,
                    struct reason *why)
{
    struct found found = {.id = id, .letter = ret};
    int rc = 0;

    if (!id_is_valid(id, strlen(id))) {
        reason_set(why, "that is no id of a message: 1 to %d letters, digits and . _ : -", ID_MAX);
        return ERR_INVALID;
    }
    rc = look_by_state(store, &found, patience_ms, why);
    if (rc == 0 && !found.is_there && is_ticket(id))
        rc = look_at(store, id, &found, patience_ms, why);
    found.at[0] = '\0';
    for (found.is_last = false; rc == 0 && !found.is_there && !found.is_last;) {
        store_dead_read(store, found.at, "+", STORE_LETTER_PAGE, on_page_to_search, &found);
        rc = store_finish(store, 0, patience_ms, why);
    }
    if (rc != 0)
        return rc;
    if (found.rc != 0)
        return request_refused(why);
    if (!found.is_there) {
        reason_set(why, "there is no dead letter of message `%s` in this organisation", id);
        return ERR_INVALID;
    }
    return 0;
}
