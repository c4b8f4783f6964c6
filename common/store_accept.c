/* Putting messages in, with an answer for each that can be asked for again. */
#include "common/store_accept.h"

#include <stdlib.h>

#include "common/mem.h"
#include "common/store_request.h"

static const char answer_letters[] = {[STORE_TAKEN] = 't',
                                      [STORE_TAKEN_ONCE] = 'o',
                                      [STORE_KEY_REUSED] = 'k',
                                      [STORE_OFFER_OPTED_OUT] = 's',
                                      [STORE_FULL] = 'f'};

/* False: not what accept.lua answers. */
static bool read_answer(const struct redis_reply *reply, struct store_acceptance *ret)
{
    size_t len = 0;
    const char *text = redis_reply_text(reply, &len);

    for (size_t i = 0; text && len > 0 && i < sizeof(answer_letters); i++) {
        if (answer_letters[i] != text[0])
            continue;
        *ret = (struct store_acceptance){(enum store_accepted)i, text + 1};
        return true;
    }
    return false;
}

static void on_accepted(struct request *request, const struct redis_reply *reply)
{
    size_t count = (size_t)request->count;
    struct store_acceptance *answers = mem_zalloc(count, sizeof(*answers));
    int rc = !reply ? ERR_UNREACHABLE : redis_reply_count(reply) == count ? 0 : ERR_STATE;

    for (size_t i = 0; i < count && rc == 0; i++)
        rc = read_answer(redis_reply_at(reply, i), &answers[i]) ? 0 : ERR_STATE;
    request->call.accepted(request->context, rc, answers, count);
    free(answers);
}

void store_accept(struct store *store, int64_t max_backlog, const struct store_offer *offers, size_t count,
                  store_accept_fn done, void *context)
{
    struct request *request = request_script(store, SCRIPT_ACCEPT, false, on_accepted);
    const struct store_limits *limits = store_limits(store);

    request->call.accepted = done;
    request->context = context;
    request->is_fleeting = true;
    request->count = (int64_t)count;
    request_number(request, limits->keep_ms);
    request_number(request, limits->dedup_ms);
    request_number(request, limits->campaign_memory_ms);
    request_audit_max(request);
    request_number(request, max_backlog);
    for (size_t i = 0; i < count; i++) {
        const struct store_message *message = &offers[i].message;

        request_bytes(request, (const char *)message->key, offers[i].has_key ? STORE_KEY_SIZE : 0);
        request_bytes(request, (const char *)offers[i].print, STORE_PRINT_SIZE);
        request_text(request, store_list_name(message->priority));
        request_number(request, message->due_ms);
        request_bytes(request, message->envelope.data, message->envelope.len);
        request_text(request, offers[i].id);
        request_text(request, offers[i].campaign);
        request_bytes(request, offers[i].actor.data, offers[i].actor.len);
        request_bytes(request, message->person.data, message->person.len);
    }
    request_submit(request);
}
