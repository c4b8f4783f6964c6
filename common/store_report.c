#include "common/store_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/ids.h"
#include "common/mem.h"
#include "common/store_request.h"

#define AHEAD        4      /* hours or days that are asked for at once: some may be large */
#define ROWS_MAX     100000 /* numbers of rows that can be; the scripts make a thousand and some */
#define NAME_MAX_LEN 400    /* of a row: campaign, channel and template */

struct reading {
    store_report_pick pick;
    void *context;
    int64_t span_ms;
    bool is_refused;
    struct report_counts **rows; /* by number; where its sums go */
    size_t row_cap;
};

/* The number at the front of `<number>:<what>` or all of a text; -1: none that a row can have. */
static int64_t row_number(const char *text, size_t len)
{
    int64_t number = 0;
    size_t i = 0;

    for (; i < len && text[i] >= '0' && text[i] <= '9' && number < ROWS_MAX; i++)
        number = number * 10 + (text[i] - '0');
    return i == 0 || number >= ROWS_MAX || (i < len && text[i] != ':') ? -1 : number;
}

/* `=<campaign>|<channel>|<template>` */
static void read_name(struct reading *reading, int64_t at_ms, const char *text, size_t len, int64_t number)
{
    char name[NAME_MAX_LEN + 1], *channel, *template_name;
    struct store_report_row row = {.at_ms = at_ms, .campaign = name};

    if (len > NAME_MAX_LEN || number < 0)
        return;
    memcpy(name, text, len);
    name[len] = '\0';
    channel = strchr(name, '|');
    template_name = channel ? strchr(channel + 1, '|') : NULL;
    if (!template_name)
        return;
    *channel++ = '\0';
    *template_name++ = '\0';
    row.channel = channel;
    row.template_name = template_name;
    if ((size_t)number >= reading->row_cap) {
        size_t cap = (size_t)number + 1024;

        reading->rows = mem_resize(reading->rows, cap, sizeof(struct report_counts *));
        memset(&reading->rows[reading->row_cap], 0, (cap - reading->row_cap) * sizeof(struct report_counts *));
        reading->row_cap = cap;
    }
    reading->rows[number] = reading->pick(reading->context, &row);
}

static void on_report(struct request *request, const struct redis_reply *reply)
{
    struct reading *reading = request->context;
    size_t count = redis_reply_count(reply), len = 0;

    reading->is_refused = reading->is_refused || redis_reply_error(reply);
    for (size_t i = 0; i < reading->row_cap; i++)
        reading->rows[i] = NULL;
    for (size_t i = 0; i + 1 < count; i += 2) {
        const char *field = redis_reply_text(redis_reply_at(reply, i), &len);

        if (field && len > 0 && field[0] == '=') {
            size_t digits = 0;
            const char *number = redis_reply_text(redis_reply_at(reply, i + 1), &digits);

            read_name(reading, request->first * reading->span_ms, field + 1, len - 1,
                      number ? row_number(number, digits) : -1);
        }
    }
    for (size_t i = 0; i + 1 < count; i += 2) {
        const char *field = redis_reply_text(redis_reply_at(reply, i), &len);
        int64_t number = field ? row_number(field, len) : -1;
        const char *what = number >= 0 ? memchr(field, ':', len) : NULL;

        if (what && (size_t)number < reading->row_cap && reading->rows[number])
            report_add_field(reading->rows[number], (struct span){what + 1, len - (size_t)(what + 1 - field)},
                             redis_reply_integer(redis_reply_at(reply, i + 1)));
    }
}

int store_report_read(struct store *store, enum store_report_span span, int64_t first, int64_t last,
                      store_report_pick pick, void *context, int64_t patience_ms, struct reason *why)
{
    static const char *const names[] = {[STORE_REPORT_HOUR] = "hour", [STORE_REPORT_DAY] = "day"};
    struct reading reading = {
        .pick = pick, .context = context, .span_ms = span == STORE_REPORT_HOUR ? STORE_HOUR_MS : STORE_DAY_MS};
    int rc = 0;

    for (int64_t at = first; rc == 0 && at <= last; at++) {
        struct request *request = request_command(store, "HGETALL", on_report);
        char name[48];

        (void)snprintf(name, sizeof(name), "report:%s:%lld", names[span], (long long)at);
        request->must_arrive = true;
        request->context = &reading;
        request->first = at;
        request_key(request, name);
        request_submit(request);
        rc = store_finish(store, AHEAD, patience_ms, why);
    }
    if (rc == 0)
        rc = store_finish(store, 0, patience_ms, why);
    else
        store_drop(store);
    free(reading.rows);
    return rc == 0 && reading.is_refused ? request_refused(why) : rc;
}

/* --- single messages --- */

#define PAGE 256 /* messages that are looked at at once */

struct ended {
    char id[ID_SIZE];
    int64_t at_ms;
    int rc;
    struct store_message_info info;
};

struct page {
    int64_t hour_ms;
    struct ended *ended;
    size_t count, listed; /* listed: entries that Redis gave, good or not */
    bool is_refused;
};

/* `<ms within the hour> <id>`; or `u`, these ms in three bytes, the bytes of a UUID. See report_end in
 * parts/report.lua. */
static bool read_ended(struct span text, int64_t hour_ms, struct ended *ret)
{
    const unsigned char *bytes = (const unsigned char *)text.data;
    const char *blank = text.len > 0 ? memchr(text.data, ' ', text.len) : NULL;
    size_t id_len = blank ? text.len - (size_t)(blank + 1 - text.data) : 0;

    if (text.len == 4 + ID_BYTES && bytes[0] == 'u') {
        ret->at_ms = hour_ms + ((int64_t)bytes[1] << 16 | (int64_t)bytes[2] << 8 | bytes[3]);
        id_unpack(bytes + 4, ret->id);
        return true;
    }
    if (!blank || !id_is_valid(blank + 1, id_len))
        return false;
    ret->at_ms = hour_ms + strtoll(text.data, NULL, 10); /* ends at the blank */
    (void)snprintf(ret->id, sizeof(ret->id), "%.*s", (int)id_len, blank + 1);
    return true;
}

static void on_page(struct request *request, const struct redis_reply *reply)
{
    struct page *page = request->context;

    page->is_refused = redis_reply_error(reply) != NULL;
    page->count = 0;
    page->listed = redis_reply_count(reply);
    for (size_t i = 0; i < page->listed && i < PAGE; i++) {
        struct ended *ended = &page->ended[page->count];
        struct span text = {NULL, 0};

        text.data = redis_reply_text(redis_reply_at(reply, i), &text.len);
        if (!text.data || !read_ended(text, page->hour_ms, ended))
            continue;
        ended->rc = ERR_UNREACHABLE;
        page->count++;
    }
}

static void on_ended(void *context, int rc, const struct store_message_info *info)
{
    struct ended *ended = context;

    ended->rc = rc == ERR_STATE ? 0 : rc; /* somebody else's key: nothing is known of the message */
    ended->info = *info;
}

static int read_page(struct store *store, struct page *page, int64_t first, int64_t patience_ms, struct reason *why)
{
    struct request *request = request_command(store, "LRANGE", on_page);
    char name[40];
    int rc;

    (void)snprintf(name, sizeof(name), "ends:%lld", (long long)(page->hour_ms / STORE_HOUR_MS));
    request->must_arrive = true;
    request->context = page;
    request_key(request, name);
    request_number(request, first);
    request_number(request, first + PAGE - 1);
    request_submit(request);
    rc = store_finish(store, 0, patience_ms, why);
    if (rc == 0 && page->is_refused)
        return request_refused(why);
    for (size_t i = 0; rc == 0 && i < page->count; i++)
        store_read_message(store, page->ended[i].id, on_ended, &page->ended[i]);
    if (rc == 0)
        rc = store_finish(store, 0, patience_ms, why);
    for (size_t i = 0; rc == 0 && i < page->count; i++)
        rc = page->ended[i].rc;
    if (rc == ERR_UNREACHABLE && !why->text[0])
        reason_set(why, "the connection to Redis broke");
    return rc;
}

int store_report_ended(struct store *store, int64_t hour, store_report_visit visit, void *context, int64_t patience_ms,
                       struct reason *why)
{
    struct page page = {.hour_ms = hour * STORE_HOUR_MS, .listed = PAGE};
    bool goes_on = true;
    int rc = 0;

    page.ended = mem_zalloc(PAGE, sizeof(*page.ended));
    for (int64_t first = 0; rc == 0 && goes_on && page.listed == PAGE; first += PAGE) {
        rc = read_page(store, &page, first, patience_ms, why);
        for (size_t i = 0; rc == 0 && goes_on && i < page.count; i++) {
            const struct ended *ended = &page.ended[i];

            if (ended->info.is_known && ended->info.at_ms == ended->at_ms)
                goes_on = visit(context, ended->id, &ended->info);
        }
    }
    if (rc != 0)
        store_drop(store);
    free(page.ended);
    return rc;
}
