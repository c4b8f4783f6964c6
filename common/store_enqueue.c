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
    /* A line break is in no campaign's name, so two pairs never make one text. */
    const struct span parts[] = {span_of(campaign ? campaign : ""), span_of("\n"), what};
    uint8_t digest[DIGEST_SIZE];

    digest_sha256_parts(parts, sizeof(parts) / sizeof(parts[0]), digest);
    memcpy(key, digest, STORE_KEY_SIZE);
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

/* Of all messages one after the other; see enqueue.lua. */
struct packed {
    struct buf keys, letters, dues, people;
};

static void pack(struct packed *packed, const struct store_message *message)
{
    static const char letters[] = {[PRIORITY_HIGH] = 'H', [PRIORITY_NORMAL] = 'N', [PRIORITY_LOW] = 'L'};
    const char person_len[] = {(char)(message->person.len >> 8), (char)message->person.len}; /* CHANNEL_PERSON_SIZE */

    buf_add(&packed->keys, (const char *)message->key, STORE_KEY_SIZE);
    buf_char(&packed->letters, letters[message->priority]);
    buf_int(&packed->dues, message->due_ms);
    buf_char(&packed->dues, ' ');
    buf_add(&packed->people, person_len, sizeof(person_len));
    buf_add(&packed->people, message->person.data, message->person.len);
}

static void add_messages(struct request *request, const struct store_message *messages, size_t count)
{
    struct packed packed;
    struct buf *const all[] = {&packed.keys, &packed.letters, &packed.dues, &packed.people};
    bool is_any_put_off = false;

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        buf_init(all[i], STORE_ARGUMENT_MAX);
    for (size_t i = 0; i < count; i++) {
        pack(&packed, &messages[i]);
        is_any_put_off = is_any_put_off || messages[i].due_ms > 0;
    }
    if (!is_any_put_off)
        buf_reset(&packed.dues);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        request_bytes(request, all[i]->data, all[i]->len);
        buf_clear(all[i]);
    }
    for (size_t i = 0; i < count; i++)
        request_bytes(request, messages[i].envelope.data, messages[i].envelope.len);
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
    add_messages(request, messages, count);
    request_submit(request);
}
