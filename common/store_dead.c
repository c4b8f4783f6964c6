/* Counting dead letters, and taking them out. */
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

struct counts_answer {
    struct store_dead_counts *counts;
    int64_t not_adopted;
    bool is_answered;
};

static void add_row(struct store_counter *rows, size_t *count, const char *name, int64_t value)
{
    if (*count == STORE_DEAD_ROWS)
        return;
    (void)snprintf(rows[*count].name, sizeof(rows[0].name), "%.63s", name);
    rows[(*count)++].value = value;
}

static void read_count(struct store_dead_counts *counts, const struct redis_reply *field, int64_t value)
{
    char name[96];

    request_copy_text(name, sizeof(name), field);
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

void store_dead_sort(struct store_dead_counts *counts)
{
    qsort(counts->reasons, counts->reason_count, sizeof(counts->reasons[0]), compare_rows);
    qsort(counts->channels, counts->channel_count, sizeof(counts->channels[0]), compare_rows);
    qsort(counts->campaigns, counts->campaign_count, sizeof(counts->campaigns[0]), compare_rows);
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
    request_copy_text(counts->newest, sizeof(counts->newest), redis_reply_at(reply, AT_NEWEST));
    for (size_t i = 0; i + 1 < redis_reply_count(fields); i += 2)
        read_count(counts, redis_reply_at(fields, i), redis_reply_integer(redis_reply_at(fields, i + 1)));
    for (size_t i = 0; i + 1 < redis_reply_count(campaigns) && counts->campaign_count < STORE_DEAD_CAMPAIGNS; i += 2) {
        struct store_counter *row = &counts->campaigns[counts->campaign_count++];

        request_copy_text(row->name, sizeof(row->name), redis_reply_at(campaigns, i));
        row->value = redis_reply_integer(redis_reply_at(campaigns, i + 1));
    }
    counts->campaign_total = (size_t)redis_reply_integer(redis_reply_at(reply, AT_CAMPAIGN_TOTAL));
    store_dead_sort(counts);
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
    return rc == 0 && !answer->is_answered ? request_refused(why) : rc;
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
            return request_refused(why);
    } while (taken == ADOPT_MAX);
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

/* What many letters of a step have in common. */
struct kind {
    const struct store_letter *letter; /* the first of the kind */
    enum priority priority;
};

static bool is_of_kind(const struct kind *kind, const struct store_take *item)
{
    const struct store_letter *one = kind->letter, *other = item->letter;

    return kind->priority == item->priority && one->at_ms / HOUR_MS == other->at_ms / HOUR_MS &&
           strcmp(one->reason, other->reason) == 0 && strcmp(one->campaign, other->campaign) == 0 &&
           strcmp(one->channel, other->channel) == 0;
}

/* Which kind each letter is of, counted from 1. Returns how many there are. */
static size_t sort_into_kinds(const struct store_take *items, size_t count, struct kind *kinds, size_t *kind_of)
{
    size_t kind_count = 0;

    for (size_t i = 0; i < count; i++) {
        size_t k = 0;

        while (k < kind_count && !is_of_kind(&kinds[k], &items[i]))
            k++;
        if (k == kind_count)
            kinds[kind_count++] = (struct kind){items[i].letter, items[i].priority};
        kind_of[i] = k + 1;
    }
    return kind_count;
}

/* Whether no letter that is not among them lies between them. */
static bool is_unbroken(const struct store_take *items, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (items[i].letter->place != items[i - 1].letter->place + 1)
            return false;
    }
    return true;
}

static void add_kind(struct request *request, const struct store_take_run *run, const struct kind *kind)
{
    const struct store_letter *letter = kind->letter;
    const struct audit_action action = {
        .what = run->is_purge ? "purge" : "replay",
        .by = run->by,
        .at_ms = clock_wall_ms(),
        .campaign = letter->campaign,
        .count = -1,
        .is_edited = run->is_edited,
    };
    struct buf audit;

    buf_init(&audit, AUDIT_ACTION_MAX);
    audit_action_write(&action, &audit);
    request_text(request, letter->reason);
    request_text(request, letter->campaign);
    request_text(request, letter->channel);
    request_number(request, letter->at_ms);
    request_text(request, run->is_purge ? "" : store_list_name(kind->priority));
    request_bytes(request, audit.data, audit.len);
    buf_clear(&audit);
}

void store_dead_take(struct store *store, struct store_take_run *run, const struct store_take *items, size_t count,
                     store_taken_fn done, void *context)
{
    struct request *request = request_script(store, SCRIPT_DEAD_TAKE, true, on_taken);
    struct kind *kinds = mem_zalloc(count, sizeof(*kinds));
    size_t *kind_of = mem_zalloc(count, sizeof(*kind_of));
    size_t kind_count = sort_into_kinds(items, count, kinds, kind_of);
    char name[sizeof(run->name) + 8];

    request->call.taken = done;
    request->context = context;
    request->count = (int64_t)count;
    (void)snprintf(name, sizeof(name), "%s:%lld", run->name, (long long)(++run->step % STORE_TAKE_STEPS));
    request_text(request, name); /* where the answer is kept, until the step after the next */
    request_number(request, run->step);
    request_number(request, store_limits(store)->keep_ms);
    request_audit_max(request);
    request_text(request, is_unbroken(items, count) ? "1" : "0");
    request_number(request, (int64_t)kind_count);
    for (size_t k = 0; k < kind_count; k++)
        add_kind(request, run, &kinds[k]);
    for (size_t i = 0; i < count; i++) {
        request_number(request, (int64_t)kind_of[i]);
        request_text(request, items[i].letter->ticket);
        request_text(request, items[i].id);
        request_bytes(request, items[i].envelope.data, items[i].envelope.len);
    }
    free(kinds);
    free(kind_of);
    request_submit(request);
}

/* --- settling --- */

static void on_letter_settled(struct request *request, const struct redis_reply *reply)
{
    const char *text = redis_reply_text(reply, NULL);

    *(char *)request->context = text ? *text : '\0';
}

int store_dead_settle(struct store *store, const struct store_settled_letter *item, const struct audit_by *by,
                      enum store_letter_settled *ret, int64_t patience_ms, struct reason *why)
{
    const struct audit_action action = {
        .what = "settle", .by = by, .at_ms = clock_wall_ms(), .campaign = item->letter->campaign, .count = -1};
    struct request *request = request_script(store, SCRIPT_DEAD_SETTLE, true, on_letter_settled);
    struct buf audit;
    char answer = '\0';
    int rc;

    buf_init(&audit, AUDIT_ACTION_MAX);
    audit_action_write(&action, &audit);
    request->context = &answer;
    request_text(request, item->letter->ticket);
    request_number(request, store_limits(store)->keep_ms);
    request_audit_max(request);
    request_number(request, store_limits(store)->report_ms);
    request_text(request, item->letter->id);
    request_text(request, item->letter->reason);
    request_text(request, item->letter->campaign);
    request_text(request, item->letter->channel);
    request_number(request, item->letter->at_ms);
    request_text(request, item->template_name);
    request_number(request, item->sent_at_ms);
    request_text(request, item->provider_id);
    request_text(request, item->conversation_id);
    request_text(request, item->person);
    request_text(request, item->delivery);
    request_number(request, item->delivery_at_ms);
    request_bytes(request, audit.data, audit.len);
    request_submit(request);
    buf_clear(&audit);
    rc = store_finish(store, 0, patience_ms, why);
    if (rc == 0 && answer == '\0')
        return request_refused(why);
    *ret = answer == 'y' ? STORE_LETTER_SETTLED : answer == 'c' ? STORE_LETTER_CLAIMED : STORE_LETTER_TAKEN_AWAY;
    return rc;
}
