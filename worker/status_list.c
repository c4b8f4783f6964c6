#include "worker/status_list.h"

#include <stdlib.h>
#include <strings.h>

#include "common/mem.h"

#define ENDED_MAX ((size_t)16 << 10)

/* What is heard of one message, state by state. */
struct heard {
    struct notice states[DELIVERY_COUNT];
    bool is_reached[DELIVERY_COUNT];
    bool is_final; /* a receipt says that no other comes */
};

/* --- one message --- */

static struct span text_at(const struct json_value *object, const char *name)
{
    return value_text(value_get(object, name));
}

/* The first of a list; NULL when it is empty, or none. */
static const struct json_value *first_of(const struct json_value *list)
{
    return value_count(list) > 0 ? value_first(list) : NULL;
}

static void hear(struct heard *heard, enum delivery state, const struct notice *notice)
{
    struct notice *kept = &heard->states[state];
    bool is_earlier = notice->at_ms > 0 && (kept->at_ms <= 0 || notice->at_ms < kept->at_ms);

    if (!heard->is_reached[state] || is_earlier)
        *kept = *notice;
    heard->is_reached[state] = true;
}

static void hear_receipt(struct heard *heard, const struct json_value *receipt, int64_t now_ms)
{
    struct notice notice = {.source = "poll"};
    enum delivery state;

    if (!delivery_parse(text_at(receipt, "status"), &state))
        return;
    (void)notice_read_time(&notice, value_get(value_get(receipt, "channel"), "time"), now_ms); /* else it is now */
    notice_read_reasons(&notice, value_get(receipt, "reasons"));
    hear(heard, state, &notice);
    if (state >= DELIVERY_DELIVERED && value_is_true(value_get(receipt, "isFinalReceipt")))
        heard->is_final = true;
}

static void hear_message(struct heard *heard, const struct json_value *message, int64_t now_ms)
{
    const struct json_value *receipts = value_get(message, "normalizedReceipts");
    struct notice notice = {.source = "poll"};
    enum delivery state;

    for (const struct json_value *at = first_of(receipts); at; at = value_next(receipts, at))
        hear_receipt(heard, at, now_ms);
    if (!delivery_parse(text_at(message, "status"), &state))
        return;
    if (state <= DELIVERY_SENT) /* the message's own time is when it was taken and sent */
        (void)notice_read_time(&notice, value_get(message, "timestamp"), now_ms);
    if (!heard->is_reached[state])
        hear(heard, state, &notice);
}

/* Nothing more is to come: it failed or was read. An SMS that was delivered is not heard of again, as nobody can tell
 * that it was read. */
static bool is_ended(const struct heard *heard, const struct json_value *message)
{
    struct span type = text_at(message, "messengerType");
    bool is_sms = type.len == 3 && strncasecmp(type.data, "sms", 3) == 0;

    return heard->is_final || heard->is_reached[DELIVERY_FAILED] || heard->is_reached[DELIVERY_READ] ||
           (is_sms && heard->is_reached[DELIVERY_DELIVERED]);
}

static void write_receipts(struct status_list *list, struct span id, struct heard *heard, int64_t now_ms)
{
    for (int state = DELIVERY_PENDING + 1; state < DELIVERY_COUNT; state++) {
        struct receipt *receipt;

        if (!heard->is_reached[state])
            continue;
        receipt = &list->receipts[list->count++];
        receipt_init(receipt);
        heard->states[state].provider_id = id;
        receipt->record.delivery = (enum delivery)state;
        receipt_set_status_key(receipt, id);
        receipt_fill(receipt, &heard->states[state], now_ms);
    }
}

/* --- all --- */

/* The place of an id among those asked for; STATUS_LIST_MAX: it is none. */
static size_t find(const struct span *asked, size_t count, struct span id)
{
    for (size_t i = 0; i < count; i++) {
        if (asked[i].len == id.len && id.data && memcmp(asked[i].data, id.data, id.len) == 0)
            return i;
    }
    return STATUS_LIST_MAX;
}

static size_t split(struct span text, struct span ids[STATUS_LIST_MAX])
{
    size_t count = 0, start = 0;

    for (size_t i = 0; i < text.len && count < STATUS_LIST_MAX; i++) {
        if (text.data[i] != ' ')
            continue;
        if (i > start && i - start <= ID_MAX)
            ids[count++] = (struct span){text.data + start, i - start};
        start = i + 1;
    }
    return count;
}

static void read_entities(struct status_list *list, const struct json_value *entities, struct span asked,
                          int64_t now_ms)
{
    struct span ids[STATUS_LIST_MAX];
    bool is_told[STATUS_LIST_MAX] = {false};
    size_t count = split(asked, ids);
    const struct json_value *message = first_of(entities);

    list->receipts = mem_zalloc(count * DELIVERY_COUNT, sizeof(*list->receipts));
    for (; message; message = value_next(entities, message)) {
        size_t at = find(ids, count, text_at(message, "id"));
        struct heard heard = {.is_final = false};

        if (at == STATUS_LIST_MAX || is_told[at])
            continue;
        is_told[at] = true;
        list->known++;
        hear_message(&heard, message, now_ms);
        write_receipts(list, ids[at], &heard, now_ms);
        if (is_ended(&heard, message)) {
            buf_add(&list->ended, ids[at].data, ids[at].len);
            buf_char(&list->ended, ' ');
        }
    }
}

int status_list_read(struct status_list *ret, struct span asked, struct span body, int64_t now_ms)
{
    const struct json_value *entities;
    struct json_view view;
    int rc = ERR_INVALID;

    *ret = (struct status_list){.receipts = NULL};
    buf_init(&ret->ended, ENDED_MAX);
    if (json_view_read(&view, body.data, body.len) != 0)
        return ERR_INVALID;
    entities = value_get(json_view_whole(&view), "entities");
    if (value_kind(entities) == JSON_ARRAY) {
        read_entities(ret, entities, asked, now_ms);
        rc = 0;
    }
    json_view_clear(&view);
    return rc;
}

void status_list_clear(struct status_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        receipt_clear(&list->receipts[i]);
    free(list->receipts);
    buf_clear(&list->ended);
}
