/* The last look before messages are sent. */
#include "common/store_request.h"

static enum store_answer read_answer(char letter)
{
    switch (letter) {
    case 'y':
        return STORE_GO;
    case 'g':
        return STORE_GONE;
    case 'w':
        return STORE_WITHDRAWN;
    case 'c':
        return STORE_CANCELLED;
    case 'p':
        return STORE_PARKED;
    case 's':
        return STORE_SUPPRESSED;
    case 'r':
        return STORE_SENDER_FULL;
    default:
        return STORE_NO_LEASE; /* when in doubt, send nothing */
    }
}

static void on_checked(struct request *request, const struct redis_reply *reply)
{
    struct store_checked answers[STORE_BATCH_MAX];
    size_t len = 0, count = (size_t)request->count, waits = 0;
    const char *letters = redis_reply_text(redis_reply_at(reply, 0), &len);
    int rc = !reply ? ERR_UNREACHABLE : letters && len == count ? 0 : ERR_STATE;

    for (size_t i = 0; i < count; i++) {
        answers[i] = (struct store_checked){rc == 0 ? read_answer(letters[i]) : STORE_NO_LEASE, 0};
        if (answers[i].answer == STORE_SENDER_FULL)
            answers[i].wait_ms = redis_reply_integer(redis_reply_at(reply, ++waits));
    }
    request->call.checked(request->context, rc, answers, count);
}

void store_check(struct store *store, const struct store_look *look, const struct store_check *items, size_t count,
                 store_checked_fn done, void *context)
{
    struct request *request = request_script(store, SCRIPT_CHECK, false, on_checked);

    request->call.checked = done;
    request->context = context;
    request->count = (int64_t)count;
    request_text(request, look->worker);
    request_number(request, store_limits(store)->keep_ms);
    request_number(request, look->sender_rate.limit);
    request_number(request, look->sender_rate.window_ms);
    request_number(request, look->margin_ms);
    for (size_t i = 0; i < count; i++) {
        request_text(request, items[i].ticket);
        request_text(request, items[i].id);
        request_text(request, items[i].campaign);
        request_bytes(request, items[i].person.data, items[i].person.len);
        request_text(request, items[i].was_redelivered ? "1" : "0");
        request_bytes(request, items[i].sender.data, items[i].sender.len);
        request_bytes(request, items[i].adopted.data, items[i].adopted.len);
    }
    request_submit(request);
}
