#include "producer/suppression.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/mask.h"
#include "producer/command.h"

#define UNDER_WAY 4 /* batches */

int suppression_init(struct suppression *suppression, struct store *store, bool is_added, const char *reason,
                     struct reason *why)
{
    suppression->store = store;
    suppression->is_added = is_added;
    suppression->by = (struct audit_by){command_actor(suppression->actor), reason ? reason : ""};
    suppression->count = 0;
    suppression->changed = suppression->unchanged = 0;
    suppression->rc = 0;
    buf_init(&suppression->audit, (size_t)SUPPRESSION_BATCH * AUDIT_ACTION_MAX);
    return audit_check_by(&suppression->by, why);
}

void suppression_clear(struct suppression *suppression)
{
    buf_clear(&suppression->audit);
}

static void on_suppressed(void *context, int rc, const bool *changed, size_t count)
{
    struct suppression *suppression = context;

    if (rc != 0)
        suppression->rc = rc;
    for (size_t i = 0; i < count && rc == 0; i++) {
        suppression->changed += changed[i];
        suppression->unchanged += !changed[i];
    }
}

static int wait_for(struct suppression *suppression, size_t left, struct reason *why)
{
    int rc = store_finish(suppression->store, left, COMMAND_PATIENCE_MS, why);

    if (rc == 0 && suppression->rc != 0) {
        reason_set(why, "Redis refused the change; the log above says why");
        rc = suppression->rc;
    }
    return rc;
}

static int send_batch(struct suppression *suppression, struct reason *why)
{
    struct store_suppression items[SUPPRESSION_BATCH];
    size_t start = 0;

    if (suppression->count == 0)
        return 0;
    for (size_t i = 0; i < suppression->count; i++) {
        items[i].person = span_of(suppression->people[i]);
        items[i].audit = (struct span){suppression->audit.data + start, suppression->ends[i] - start};
        start = suppression->ends[i];
    }
    store_suppress(suppression->store, suppression->is_added, items, suppression->count, on_suppressed, suppression);
    suppression->count = 0;
    buf_reset(&suppression->audit);
    return wait_for(suppression, UNDER_WAY, why);
}

int suppression_take(struct suppression *suppression, const char *person, struct reason *why)
{
    size_t index = suppression->count++;
    char masked[MASK_SIZE];
    const struct audit_action action = {
        .what = suppression->is_added ? "suppress" : "unsuppress",
        .by = &suppression->by,
        .at_ms = clock_wall_ms(),
        .to = mask_address(span_of(person), masked),
        .count = -1,
    };

    (void)snprintf(suppression->people[index], CHANNEL_PERSON_SIZE, "%s", person);
    audit_action_write(&action, &suppression->audit);
    suppression->ends[index] = suppression->audit.len;
    return suppression->count == SUPPRESSION_BATCH ? send_batch(suppression, why) : 0;
}

int suppression_finish(struct suppression *suppression, struct reason *why)
{
    int rc = send_batch(suppression, why);

    return rc == 0 ? wait_for(suppression, 0, why) : rc;
}
