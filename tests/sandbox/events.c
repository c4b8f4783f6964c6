/* The event ledger: everything a receiver was told or is still to be told, and what it answered.
 *
 * Like the ledger of messages it never drops anything silently: when it is full, no more messages are accepted for
 * which somebody wants events. Events lie in blocks that never move; a message's strings are shared by its events. */
#include "tests/sandbox/events.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_EVENTS 1024U

/* The strings follow it. */
struct stored {
    struct stored *next;
    struct event_message message;
    char strings[];
};

/* Sequence numbers start at 1. `lock` protects everything below it. */
struct events {
    uint64_t most;
    uint64_t bytes_max;
    pthread_mutex_t lock;
    struct event **blocks;
    size_t block_count;
    uint64_t count;
    uint64_t bytes;
    uint64_t generation;
    struct stored *messages;
    struct event_counts counts;
};

struct events *events_create(int64_t most, int64_t bytes_max)
{
    struct events *events = calloc(1, sizeof *events);
    if (events == NULL) {
        return NULL;
    }
    events->most = (uint64_t)most;
    events->bytes_max = (uint64_t)bytes_max;
    (void)pthread_mutex_init(&events->lock, NULL); /* default attributes: cannot fail on Linux */
    return events;
}

void events_clear(struct events *events)
{
    (void)pthread_mutex_lock(&events->lock);
    for (size_t i = 0; i < events->block_count; i++) {
        free(events->blocks[i]);
    }
    free(events->blocks);
    for (struct stored *next; events->messages != NULL; events->messages = next) {
        next = events->messages->next;
        free(events->messages);
    }
    events->blocks = NULL;
    events->block_count = 0;
    events->count = 0;
    events->bytes = 0;
    events->generation++;
    events->counts = (struct event_counts){0};
    (void)pthread_mutex_unlock(&events->lock);
}

void events_destroy(struct events *events)
{
    if (events == NULL) {
        return;
    }
    events_clear(events);
    (void)pthread_mutex_destroy(&events->lock);
    free(events);
}

bool events_have_room(struct events *events)
{
    (void)pthread_mutex_lock(&events->lock);
    bool has_room = events->count < events->most && events->bytes < events->bytes_max;
    (void)pthread_mutex_unlock(&events->lock);
    return has_room;
}

static const char *keep_string(char **at, const char *string)
{
    if (string == NULL) {
        return NULL;
    }
    size_t size = strlen(string) + 1;
    char *kept = memcpy(*at, string, size);
    *at += size;
    return kept;
}

static size_t string_size(const char *string)
{
    return string == NULL ? 0 : strlen(string) + 1;
}

static const struct event_message *keep_message_locked(struct events *events, const struct event_message *message)
{
    size_t size = sizeof(struct stored) + string_size(message->id) + string_size(message->conversation) +
                  string_size(message->to) + string_size(message->from) + string_size(message->text);
    struct stored *stored = malloc(size);
    if (stored == NULL) {
        return NULL;
    }
    char *at = stored->strings;
    stored->message.id = keep_string(&at, message->id);
    stored->message.conversation = keep_string(&at, message->conversation);
    stored->message.to = keep_string(&at, message->to);
    stored->message.from = keep_string(&at, message->from);
    stored->message.text = keep_string(&at, message->text);
    stored->next = events->messages;
    events->messages = stored;
    events->bytes += size;
    return &stored->message;
}

static struct event *event_locked(const struct events *events, uint64_t seq)
{
    return &events->blocks[(seq - 1) / BLOCK_EVENTS][(seq - 1) % BLOCK_EVENTS];
}

/* grow_locked: 0 if there is a place for one more. */
static int grow_locked(struct events *events)
{
    if (events->count < events->block_count * BLOCK_EVENTS) {
        return 0;
    }
    struct event **blocks = realloc(events->blocks, (events->block_count + 1) * sizeof(struct event *));
    if (blocks == NULL) {
        return -1;
    }
    events->blocks = blocks;
    struct event *block = malloc(BLOCK_EVENTS * sizeof *block);
    if (block == NULL) {
        return -1;
    }
    events->blocks[events->block_count++] = block;
    events->bytes += BLOCK_EVENTS * sizeof *block;
    return 0;
}

int events_add(struct events *events, const struct event_message *message, struct event *list, size_t count,
               struct event_ticket *ret_first)
{
    size_t added = 0;
    (void)pthread_mutex_lock(&events->lock);
    struct event_ticket first = {events->generation, events->count + 1};
    const struct event_message *kept = keep_message_locked(events, message);
    while (kept != NULL && added < count && grow_locked(events) == 0) {
        list[added].message = kept;
        list[added].end = EVENT_WAITING;
        list[added].tries = 0;
        list[added].answer = EVENT_NO_ANSWER;
        events->count++;
        *event_locked(events, events->count) = list[added];
        (void)(list[added].is_copy ? events->counts.copies++ : events->counts.events++);
        events->counts.ends[EVENT_WAITING]++;
        added++;
    }
    (void)pthread_mutex_unlock(&events->lock);
    *ret_first = first;
    return added == count ? 0 : -1;
}

static struct event *find_locked(const struct events *events, struct event_ticket ticket)
{
    bool is_there = ticket.generation == events->generation && ticket.seq > 0 && ticket.seq <= events->count;
    return is_there ? event_locked(events, ticket.seq) : NULL;
}

bool events_read(struct events *events, struct event_ticket ticket, void (*read)(void *context, const struct event *),
                 void *context)
{
    (void)pthread_mutex_lock(&events->lock);
    const struct event *event = find_locked(events, ticket);
    if (event != NULL) {
        read(context, event);
    }
    (void)pthread_mutex_unlock(&events->lock);
    return event != NULL;
}

bool events_note(struct events *events, struct event_ticket ticket, int answer, enum event_end end)
{
    (void)pthread_mutex_lock(&events->lock);
    struct event *event = find_locked(events, ticket);
    if (event != NULL) {
        if (answer != EVENT_NO_ANSWER) {
            event->tries++;
            event->answer = answer;
        }
        events->counts.ends[event->end]--;
        events->counts.ends[end]++;
        event->end = end;
    }
    (void)pthread_mutex_unlock(&events->lock);
    return event != NULL;
}

void events_count(struct events *events, struct event_counts *ret_counts)
{
    (void)pthread_mutex_lock(&events->lock);
    *ret_counts = events->counts;
    (void)pthread_mutex_unlock(&events->lock);
}

void events_start(struct events *events, uint64_t from_seq, uint64_t limit, struct events_cursor *ret_cursor)
{
    uint64_t from = from_seq == 0 ? 1 : from_seq;
    (void)pthread_mutex_lock(&events->lock);
    uint64_t end = events->count + 1;
    ret_cursor->next = (struct event_ticket){events->generation, from};
    ret_cursor->end_seq = from >= end ? from : limit < end - from ? from + limit : end;
    (void)pthread_mutex_unlock(&events->lock);
}

static void render_answer(int answer, struct text *out)
{
    switch (answer) {
    case EVENT_NO_ANSWER:
        text_say(out, "null");
        break;
    case EVENT_TIMEOUT:
        text_say(out, "\"timeout\"");
        break;
    case EVENT_BROKEN:
        text_say(out, "\"broken\"");
        break;
    default:
        text_printf(out, "%d", answer);
    }
}

static void render(const struct event *event, uint64_t seq, struct text *out)
{
    static const char *const kinds[] = {[EVENT_STATUS] = "status", [EVENT_RECEIPT] = "receipt", [EVENT_TEXT] = "text"};
    static const char *const ends[] = {[EVENT_WAITING] = "waiting",
                                       [EVENT_DELIVERED] = "delivered",
                                       [EVENT_GIVEN_UP] = "given_up",
                                       [EVENT_WITHDRAWN] = "withdrawn"};
    const char *status =
        event->kind == EVENT_STATUS ? stage_tutorial_name(event->stage) : stage_receipt_name(event->stage);
    text_printf(out, "{\"seq\":%" PRIu64 ",\"event_id\":\"%s\",\"kind\":\"%s\",\"hook\":\"%s\",\"message_id\":\"%s\"",
                seq, event->id, kinds[event->kind], event->hook.id, event->message->id);
    text_printf(out, ",\"status\":%s%s%s", status == NULL ? "" : "\"", status == NULL ? "null" : status,
                status == NULL ? "" : "\"");
    text_printf(out, ",\"reason\":%s%s%s,\"time_ms\":%" PRId64 ",\"copy\":%s,\"state\":\"%s\",\"tries\":%d,\"answer\":",
                event->failure == FAILURE_ANY ? "" : "\"",
                event->failure == FAILURE_ANY ? "null" : failure_name(event->failure),
                event->failure == FAILURE_ANY ? "" : "\"", event->time_ms, event->is_copy ? "true" : "false",
                ends[event->end], event->tries);
    render_answer(event->answer, out);
    text_say(out, "}\n");
}

int events_next(struct events *events, struct events_cursor *cursor, struct text *out)
{
    int result = 0;
    (void)pthread_mutex_lock(&events->lock);
    if (cursor->next.generation != events->generation) {
        result = -1;
    } else if (cursor->next.seq < cursor->end_seq) {
        render(event_locked(events, cursor->next.seq), cursor->next.seq, out);
        cursor->next.seq++;
        result = 1;
    }
    (void)pthread_mutex_unlock(&events->lock);
    return result;
}
