#include "common/store_dead.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/store_request.h"

#define ADOPT_MAX 100 /* letters of an older Herald in one step */
#define HOUR_MS   INT64_C(3600000)

/* --- counting --- */

const char *const store_dead_age_names[STORE_AGE_COUNT] = {
    [STORE_AGE_HOURS] = "2_hours", [STORE_AGE_DAY] = "1_day",   [STORE_AGE_WEEK] = "7_days",
    [STORE_AGE_MONTH] = "30_days", [STORE_AGE_OLDER] = "older",
};

enum store_dead_age store_dead_age_of(int64_t at_ms, int64_t now_ms)
{
    static const int64_t below_hours[] = {
        [STORE_AGE_HOURS] = 2, [STORE_AGE_DAY] = 24, [STORE_AGE_WEEK] = 7 * 24, [STORE_AGE_MONTH] = 30 * 24};
    int64_t hours = now_ms / HOUR_MS - at_ms / HOUR_MS;

    for (int i = 0; i < STORE_AGE_OLDER; i++) {
        if (hours < below_hours[i])
            return (enum store_dead_age)i;
    }
    return STORE_AGE_OLDER;
}

static void copy_part(char *out, size_t size, const char *data, size_t len)
{
    if (len >= size)
        len = size - 1;
    if (len > 0)
        memcpy(out, data, len);
    out[len] = '\0';
}

static void copy_reply(char *out, size_t size, const struct redis_reply *reply)
{
    size_t len = 0;
    const char *text = redis_reply_text(reply, &len);

    copy_part(out, size, text, text ? len : 0);
}

struct counts_answer {
    struct store_dead_counts *counts;
    int64_t not_adopted;
    bool is_answered;
};

static void add_row(struct store_counter *rows, size_t *count, const char *name, int64_t value)
{
    if (*count == STORE_DEAD_ROWS)
        return;
    copy_part(rows[*count].name, sizeof(rows[0].name), name, strlen(name));
    rows[(*count)++].value = value;
}

static void read_count(struct store_dead_counts *counts, const struct redis_reply *field, int64_t value)
{
    char name[96];

    copy_reply(name, sizeof(name), field);
    if (strncmp(name, "reason:", 7) == 0)
        add_row(counts->reasons, &counts->reason_count, name + 7, value);
    else if (strncmp(name, "channel:", 8) == 0)
        add_row(counts->channels, &counts->channel_count, name + 8, value);
    else if (strncmp(name, "hour:", 5) == 0)
        counts->ages[store_dead_age_of(strtoll(name + 5, NULL, 10) * HOUR_MS, counts->now_ms)] += value;
}

static int compare_rows(const void *a, const void *b)
{
    const struct store_counter *one = a, *other = b;

    if (one->value != other->value)
        return one->value < other->value ? 1 : -1;
    return strcmp(one->name, other->name);
}

/* Answers of dead_counts.lua, in order. */
enum { AT_NOW, AT_TOTAL, AT_NOT_ADOPTED, AT_NEWEST, AT_COUNTS, AT_CAMPAIGNS, AT_CAMPAIGN_TOTAL, AT_END };

static void on_counts(struct request *request, const struct redis_reply *reply)
{
    struct counts_answer *answer = request->context;
    struct store_dead_counts *counts = answer->counts;
    const struct redis_reply *fields = redis_reply_at(reply, AT_COUNTS);
    const struct redis_reply *campaigns = redis_reply_at(reply, AT_CAMPAIGNS);

    if (redis_reply_count(reply) < AT_END)
        return;
    answer->is_answered = true;
    answer->not_adopted = redis_reply_integer(redis_reply_at(reply, AT_NOT_ADOPTED));
    counts->now_ms = redis_reply_integer(redis_reply_at(reply, AT_NOW));
    counts->total = redis_reply_integer(redis_reply_at(reply, AT_TOTAL));
    copy_reply(counts->newest, sizeof(counts->newest), redis_reply_at(reply, AT_NEWEST));
    for (size_t i = 0; i + 1 < redis_reply_count(fields); i += 2)
        read_count(counts, redis_reply_at(fields, i), redis_reply_integer(redis_reply_at(fields, i + 1)));
    for (size_t i = 0; i + 1 < redis_reply_count(campaigns) && counts->campaign_count < STORE_DEAD_CAMPAIGNS; i += 2) {
        struct store_counter *row = &counts->campaigns[counts->campaign_count++];

        copy_reply(row->name, sizeof(row->name), redis_reply_at(campaigns, i));
        row->value = redis_reply_integer(redis_reply_at(campaigns, i + 1));
    }
    counts->campaign_total = (size_t)redis_reply_integer(redis_reply_at(reply, AT_CAMPAIGN_TOTAL));
    qsort(counts->reasons, counts->reason_count, sizeof(counts->reasons[0]), compare_rows);
    qsort(counts->channels, counts->channel_count, sizeof(counts->channels[0]), compare_rows);
}

/* Redis refused the step: the log says why. */
static int refused(struct reason *why)
{
    reason_set(why, "Redis refused a step on the dead letters; the log above has its reason");
    return ERR_STATE;
}

static int read_counts(struct store *store, struct counts_answer *answer, int64_t patience_ms, struct reason *why)
{
    struct request *request = request_script(store, SCRIPT_DEAD_COUNTS, true, on_counts);
    int rc;

    memset(answer->counts, 0, sizeof(*answer->counts));
    request->context = answer;
    request_number(request, STORE_DEAD_CAMPAIGNS);
    request_submit(request);
    rc = store_finish(store, 0, patience_ms, why);
    return rc == 0 && !answer->is_answered ? refused(why) : rc;
}

int store_dead_read_counts(struct store *store, struct store_dead_counts *ret, int64_t patience_ms, struct reason *why)
{
    struct counts_answer answer = {.counts = ret};

    return read_counts(store, &answer, patience_ms, why);
}

static void on_adopted(struct request *request, const struct redis_reply *reply)
{
    *(int64_t *)request->context = redis_reply_error(reply) ? -1 : redis_reply_integer(reply);
}

int store_dead_adopt(struct store *store, int64_t patience_ms, struct reason *why)
{
    int64_t taken;

    do {
        struct request *request = request_script(store, SCRIPT_DEAD_ADOPT, true, on_adopted);
        int rc;

        taken = -1;
        request->context = &taken;
        request_number(request, ADOPT_MAX);
        request_submit(request);
        rc = store_finish(store, 0, patience_ms, why);
        if (rc != 0)
            return rc;
        if (taken < 0)
            return refused(why);
    } while (taken == ADOPT_MAX);
    return 0;
}

/* --- reading letters --- */

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

        copy_reply(ret[i].ticket, sizeof(ret[i].ticket), redis_reply_at(entry, 0));
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

void store_dead_read(struct store *store, const char *after, const char *last, size_t most, store_letters_fn done,
                     void *context)
{
    struct request *request = request_command(store, "XRANGE", on_letters);
    char from[STORE_LETTER_TICKET_SIZE + 1] = "-";

    if (*after)
        (void)snprintf(from, sizeof(from), "(%.47s", after);
    request->must_arrive = true;
    request->call.letters = done;
    request->context = context;
    request_key(request, "dead:index");
    request_text(request, from);
    request_text(request, last);
    request_text(request, "COUNT");
    request_number(request, (int64_t)(most < STORE_LETTER_PAGE ? most : STORE_LETTER_PAGE));
    request_submit(request);
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

    copy_reply(found->at, sizeof(found->at), reply); /* an error has no text */
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
    struct request *request = request_command(store, "XRANGE", on_letters);
    char exactly[STORE_LETTER_TICKET_SIZE];

    (void)snprintf(exactly, sizeof(exactly), "%s", ticket);
    request->must_arrive = true;
    request->call.letters = on_page_to_search;
    request->context = found;
    request_key(request, "dead:index");
    request_text(request, exactly);
    request_text(request, exactly);
    request_submit(request);
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
        return refused(why);
    if (!found.is_there) {
        reason_set(why, "there is no dead letter of message `%s` in this organisation", id);
        return ERR_INVALID;
    }
    return 0;
}

/* --- taking letters out --- */

void store_take_begin(struct store_take_run *run, const struct audit_by *by)
{
    *run = (struct store_take_run){.by = by};
    (void)snprintf(run->name, sizeof(run->name), "%016" PRIx64, random_u64());
}

static void on_taken(struct request *request, const struct redis_reply *reply)
{
    size_t len = 0, count = (size_t)request->count;
    const char *text = redis_reply_text(reply, &len);
    enum store_taken *answers = mem_zalloc(count, sizeof(*answers));
    int rc = text && len == count ? 0 : ERR_STATE;

    for (size_t i = 0; rc == 0 && i < count; i++)
        answers[i] = text[i] == 'y' ? STORE_LETTER_TAKEN : text[i] == 's' ? STORE_LETTER_SENT : STORE_LETTER_GONE;
    request->call.taken(request->context, rc, answers, count);
    free(answers);
}

static void add_take(struct request *request, const struct store_take_run *run, const struct store_take *item,
                     struct buf *audit)
{
    const struct store_letter *letter = item->letter;
    const struct audit_action action = {
        .what = run->is_purge ? "purge" : "replay",
        .by = run->by,
        .at_ms = clock_wall_ms(),
        .id = item->id,
        .campaign = letter->campaign,
        .count = -1,
        .is_edited = run->is_edited,
    };

    buf_reset(audit);
    audit_action_write(&action, audit);
    request_text(request, letter->ticket);
    request_text(request, letter->reason);
    request_text(request, letter->campaign);
    request_text(request, letter->channel);
    request_number(request, letter->at_ms);
    request_text(request, item->id);
    request_text(request, run->is_purge ? "" : store_list_name(item->priority));
    request_bytes(request, item->envelope.data, item->envelope.len);
    request_bytes(request, audit->data, audit->len);
}

void store_dead_take(struct store *store, struct store_take_run *run, const struct store_take *items, size_t count,
                     store_taken_fn done, void *context)
{
    struct request *request = request_script(store, SCRIPT_DEAD_TAKE, true, on_taken);
    struct buf audit;

    buf_init(&audit, AUDIT_ACTION_MAX);
    request->call.taken = done;
    request->context = context;
    request->count = (int64_t)count;
    request_text(request, run->name);
    request_number(request, ++run->step);
    request_number(request, store_limits(store)->keep_ms);
    request_number(request, store_limits(store)->audit_max);
    for (size_t i = 0; i < count; i++)
        add_take(request, run, &items[i], &audit);
    buf_clear(&audit);
    request_submit(request);
}
