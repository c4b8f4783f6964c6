/* Putting messages in. */
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/mem.h"
#include "common/store_request.h"

void store_key_of(const char *campaign, struct span what, uint8_t key[STORE_KEY_SIZE])
{
    uint8_t digest[DIGEST_SIZE];
    struct buf text;

    buf_init(&text, JSON_MAX_BYTES);
    buf_text(&text, campaign ? campaign : "");
    buf_char(&text, '\n'); /* in no campaign's name, so two pairs never make one text */
    buf_add(&text, what.data, what.len);
    digest_sha256(text.data, text.len, digest);
    memcpy(key, digest, STORE_KEY_SIZE);
    buf_clear(&text);
}

static enum store_enqueued read_answer(char letter)
{
    return letter == '1' ? STORE_ENQUEUED : letter == 's' ? STORE_OPTED_OUT : STORE_SEEN;
}

static void on_enqueued(struct request *request, const struct redis_reply *reply)
{
    size_t len = 0, count = (size_t)request->count;
    const char *letters = redis_reply_text(reply, &len);
    enum store_enqueued *answers = mem_zalloc(count, sizeof(*answers));
    int rc = letters && len == count ? 0 : ERR_STATE;

    for (size_t i = 0; rc == 0 && i < count; i++)
        answers[i] = read_answer(letters[i]);
    request->call.enqueued(request->context, rc, answers, count);
    free(answers);
}

/* Who puts them in, when anybody is named. */
static void add_entry(struct request *request, const char *campaign)
{
    const struct audit_by by = {store_actor(request->store), ""};
    const struct audit_action action = {
        .what = "enqueue", .by = &by, .at_ms = clock_wall_ms(), .campaign = campaign, .count = -1};
    struct buf entry;

    buf_init(&entry, AUDIT_ACTION_MAX);
    if (by.actor[0])
        audit_action_write(&action, &entry);
    request_bytes(request, entry.data, entry.len);
    buf_clear(&entry);
}

void store_enqueue(struct store *store, const char *campaign, const struct store_message *messages, size_t count,
                   store_enqueued_fn done, void *context)
{
    struct request *request = request_script(store, SCRIPT_ENQUEUE, true, on_enqueued);
    const struct store_limits *limits = store_limits(store);

    request->call.enqueued = done;
    request->context = context;
    request->count = (int64_t)count;
    request_number(request, limits->keep_ms);
    request_number(request, limits->dedup_ms);
    request_number(request, limits->campaign_memory_ms);
    request_text(request, campaign);
    request_audit_max(request);
    add_entry(request, campaign);
    for (size_t i = 0; i < count; i++) {
        request_bytes(request, (const char *)messages[i].key, STORE_KEY_SIZE);
        request_text(request, store_list_name(messages[i].priority));
        request_number(request, messages[i].due_ms);
        request_bytes(request, messages[i].envelope.data, messages[i].envelope.len);
        request_bytes(request, messages[i].person.data, messages[i].person.len);
    }
    request_submit(request);
}
