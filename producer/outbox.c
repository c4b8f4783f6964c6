#include "producer/outbox.h"

#include <stdio.h>
#include <string.h>

#include "producer/command.h"

#define OUTBOX_BYTES     ((size_t)4 << 20) /* a batch is sent when it has so many bytes, however few messages */
#define OUTBOX_BYTES_MAX ((size_t)16 << 20)
#define OUTBOX_UNDER_WAY 4 /* batches; Redis works on one while the next are on the wire */

void outbox_init(struct outbox *outbox, struct store *store)
{
    outbox->store = store;
    outbox->campaign[0] = '\0';
    outbox->count = 0;
    outbox->accepted = outbox->duplicates = 0;
    outbox->rc = 0;
    buf_init(&outbox->bytes, OUTBOX_BYTES_MAX);
    outbox->offsets[0] = 0;
}

void outbox_clear(struct outbox *outbox)
{
    buf_clear(&outbox->bytes);
}

static void on_enqueued(void *context, int rc, const bool *accepted, size_t count)
{
    struct outbox *outbox = context;

    if (rc != 0)
        outbox->rc = rc;
    for (size_t i = 0; i < count && rc == 0; i++) {
        outbox->accepted += accepted[i];
        outbox->duplicates += !accepted[i];
    }
}

static int wait_for(struct outbox *outbox, size_t left, struct reason *why)
{
    int rc = store_finish(outbox->store, left, COMMAND_PATIENCE_MS, why);

    if (rc == 0 && outbox->rc != 0) {
        reason_set(why, "Redis refused the messages; the log above says why");
        rc = outbox->rc;
    }
    return rc;
}

static int send_batch(struct outbox *outbox, struct reason *why)
{
    if (outbox->count == 0)
        return 0;
    for (size_t i = 0; i < outbox->count; i++)
        outbox->messages[i].envelope =
            (struct span){outbox->bytes.data + outbox->offsets[i], outbox->offsets[i + 1] - outbox->offsets[i]};
    store_enqueue(outbox->store, outbox->campaign[0] ? outbox->campaign : NULL, outbox->messages, outbox->count,
                  on_enqueued, outbox);
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

int outbox_add(struct outbox *outbox, const struct store_message *message, struct reason *why)
{
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
