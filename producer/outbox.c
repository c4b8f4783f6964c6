#include "producer/outbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/mem.h"
#include "producer/command.h"

#define OUTBOX_BYTES     ((size_t)4 << 20) /* a batch is sent when it has so many bytes, however few messages */
#define OUTBOX_BYTES_MAX ((size_t)16 << 20)
#define OUTBOX_UNDER_WAY 4 /* batches; Redis works on one while the next are on the wire */

/* What the rows of a batch were, until Redis has answered. */
struct outbox_rows {
    struct outbox *outbox;
    struct outbox_rows *next; /* the batch that went before; on the list of those under way */
    struct buf bytes;
    size_t lines[OUTBOX_BATCH], ends[OUTBOX_BATCH];
};

void outbox_init(struct outbox *outbox, struct store *store, outbox_refused_fn refused, void *context)
{
    outbox->store = store;
    outbox->refused = refused;
    outbox->context = context;
    outbox->rows = outbox->under_way = NULL;
    outbox->campaign[0] = '\0';
    outbox->count = 0;
    outbox->accepted = outbox->duplicates = 0;
    outbox->rc = 0;
    buf_init(&outbox->bytes, OUTBOX_BYTES_MAX);
    outbox->offsets[0] = 0;
}

static void rows_free(struct outbox_rows *rows)
{
    if (rows)
        buf_clear(&rows->bytes);
    free(rows);
}

void outbox_clear(struct outbox *outbox)
{
    while (outbox->under_way) { /* those without an answer */
        struct outbox_rows *rows = outbox->under_way;

        outbox->under_way = rows->next;
        rows_free(rows);
    }
    rows_free(outbox->rows);
    outbox->rows = NULL;
    buf_clear(&outbox->bytes);
}

static void keep_row(struct outbox *outbox, const struct row *row)
{
    if (!outbox->rows) {
        outbox->rows = mem_zalloc(1, sizeof(*outbox->rows));
        outbox->rows->outbox = outbox;
        buf_init(&outbox->rows->bytes, OUTBOX_BATCH * JSON_MAX_BYTES);
    }
    buf_add(&outbox->rows->bytes, row->raw, row->raw_len);
    outbox->rows->lines[outbox->count] = row->line;
    outbox->rows->ends[outbox->count] = outbox->rows->bytes.len;
}

static void give_back(struct outbox *outbox, const struct outbox_rows *rows, size_t index)
{
    size_t start = index > 0 ? rows->ends[index - 1] : 0;
    const struct row row = {
        .line = rows->lines[index], .raw = rows->bytes.data + start, .raw_len = rows->ends[index] - start};

    if (outbox->rc == 0)
        outbox->rc = outbox->refused(outbox->context, &row, &outbox->why);
}

static void on_enqueued(void *context, int rc, const enum store_enqueued *answers, size_t count)
{
    struct outbox_rows *rows = context;
    struct outbox *outbox = rows->outbox;

    if (rc != 0) {
        outbox->rc = rc;
        reason_set(&outbox->why, "Redis refused the messages; the log above says why");
    }
    for (size_t i = 0; i < count && rc == 0; i++) {
        outbox->accepted += answers[i] == STORE_ENQUEUED;
        outbox->duplicates += answers[i] == STORE_SEEN;
        if (answers[i] == STORE_OPTED_OUT)
            give_back(outbox, rows, i);
    }
    for (struct outbox_rows **at = &outbox->under_way; *at; at = &(*at)->next) {
        if (*at == rows) {
            *at = rows->next;
            break;
        }
    }
    rows_free(rows);
}

static int wait_for(struct outbox *outbox, size_t left, struct reason *why)
{
    int rc = store_finish(outbox->store, left, COMMAND_PATIENCE_MS, why);

    if (rc == 0 && outbox->rc != 0) {
        *why = outbox->why;
        rc = outbox->rc;
    }
    return rc;
}

static int send_batch(struct outbox *outbox, struct reason *why)
{
    if (outbox->count == 0)
        return 0;
    for (size_t i = 0; i < outbox->count; i++) {
        outbox->messages[i].envelope =
            (struct span){outbox->bytes.data + outbox->offsets[i], outbox->offsets[i + 1] - outbox->offsets[i]};
        outbox->messages[i].person = span_of(outbox->people[i]);
    }
    store_enqueue(outbox->store, outbox->campaign[0] ? outbox->campaign : NULL, outbox->messages, outbox->count,
                  on_enqueued, outbox->rows);
    outbox->rows->next = outbox->under_way;
    outbox->under_way = outbox->rows;
    outbox->rows = NULL;
    outbox->count = 0;
    buf_reset(&outbox->bytes);
    return wait_for(outbox, OUTBOX_UNDER_WAY, why);
}

int outbox_set_campaign(struct outbox *outbox, const char *campaign, struct reason *why)
{
    int rc;

    if (strcmp(outbox->campaign, campaign) == 0)
        return 0;
    rc = send_batch(outbox, why);
    (void)snprintf(outbox->campaign, sizeof(outbox->campaign), "%s", campaign); /* as long as an envelope's at most */
    return rc;
}

struct buf *outbox_envelope(struct outbox *outbox)
{
    outbox->bytes.len = outbox->offsets[outbox->count]; /* what a refused message left behind goes */
    outbox->bytes.overflow = false;
    return &outbox->bytes;
}

int outbox_add(struct outbox *outbox, const struct store_message *message, const struct content *content,
               const struct row *row, struct reason *why)
{
    keep_row(outbox, row);
    (void)content_person(content, outbox->people[outbox->count]); /* returns it */
    outbox->messages[outbox->count++] = *message;
    outbox->offsets[outbox->count] = outbox->bytes.len;
    if (outbox->count < OUTBOX_BATCH && outbox->bytes.len < OUTBOX_BYTES)
        return 0;
    return send_batch(outbox, why);
}

int outbox_finish(struct outbox *outbox, struct reason *why)
{
    int rc = send_batch(outbox, why);

    return rc == 0 ? wait_for(outbox, 0, why) : rc;
}
