/* Any bytes on a list end as a message or a refusal, and a message that is written down and read again, as a retry
 * is, or made anew out of its values, as a producer does, is still the same message. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_MS INT64_C(1800000000000)

static const struct envelope_rules rules = {.origins = "genesys.cloud,example.com"};

static bool is_same(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static void compare(const struct envelope *a, const struct envelope *b)
{
    assert(strcmp(a->id, b->id) == 0 && strcmp(a->campaign, b->campaign) == 0);
    assert(a->route == b->route && a->priority == b->priority && a->on_unknown == b->on_unknown);
    assert(a->send_at_ms == b->send_at_ms && a->expires_at_ms == b->expires_at_ms);
    assert(a->content.channel == b->content.channel);
    assert(is_same(a->content.text, b->content.text) && is_same(a->content.to, b->content.to));
    assert(is_same(a->content.response_id, b->content.response_id));
    if (a->content.channel == CHANNEL_WEB) /* means nothing elsewhere, and no producer writes it there */
        assert(is_same(a->content.external_id, b->content.external_id));
    assert(is_same(a->content.conversation_id, b->content.conversation_id));
    if (!a->content.response_id.data) /* parameters of no template, likewise */
        return;
    assert(a->content.parameter_count == b->content.parameter_count);
    for (size_t i = 0; i < a->content.parameter_count; i++)
        assert(is_same(a->content.parameters[i], b->content.parameters[i]));
}

static void read_again(const struct envelope *envelope, const struct buf *bytes)
{
    struct envelope again;
    struct refusal why = {.code = ""};

    assert(!bytes->overflow);
    assert(envelope_read(&again, bytes->data, bytes->len, &rules, NOW_MS, &why) == 0);
    compare(envelope, &again);
    envelope_clear(&again);
}

static void check_retry(struct envelope *envelope, struct buf *out)
{
    const struct attempt_record record = {.at_ms = NOW_MS, .status = 500, .outcome = "deferred", .code = "x"};

    envelope->progress.accepted_at_ms = NOW_MS;
    envelope->progress.attempts++;
    if (envelope->progress.attempts <= 1000000) { /* the most that is read */
        envelope_add_attempt(envelope, &record);
        assert(json_count(envelope_history(envelope)) <= ENVELOPE_HISTORY_MAX);
        envelope_write(envelope, "1-1", out);
        read_again(envelope, out);
    }
}

static void check_draft(const struct envelope *envelope, struct buf *out)
{
    const struct envelope_draft draft = {
        .id = envelope->id,
        .campaign = envelope->campaign[0] ? envelope->campaign : NULL,
        .route = envelope->route,
        .priority = envelope->priority,
        .on_unknown = envelope->on_unknown,
        .accepted_at_ms = NOW_MS,
        .send_at_ms = envelope->send_at_ms,
        .expires_at_ms = envelope->expires_at_ms,
        .origin = envelope->content.origin,
    };

    if (!envelope->route->write || envelope->content.conversation_id.data)
        return;
    buf_reset(out);
    envelope_draft_write(&draft, &envelope->content, out);
    read_again(envelope, out);
}

/* What a tree makes of the bytes is the same message, or refused for the same. */
static void check_twin(const struct envelope *envelope, const char *bytes, size_t size, const struct refusal *why)
{
    struct json *json = NULL;
    struct envelope twin;
    struct refusal twin_why = {.code = NULL};
    struct buf printed;

    if (size > ENVELOPE_MAX_BYTES || json_parse(&json, bytes, size, NULL) != 0) /* the print may be shorter */
        return;
    buf_init(&printed, 8 * JSON_MAX_BYTES);
    json_print(json, &printed);
    json_free(json);
    (void)envelope_read(&twin, printed.data, printed.len, &rules, NOW_MS, &twin_why); /* compared below */
    assert((why->code == NULL) == (twin_why.code == NULL));
    if (why->code) {
        assert(strcmp(why->code, twin_why.code) == 0 && strcmp(why->field, twin_why.field) == 0);
        assert(strcmp(why->text, twin_why.text) == 0);
    } else {
        assert(envelope->has_own_id == twin.has_own_id && envelope->was_bare == twin.was_bare);
        memcpy(twin.id, envelope->id, sizeof(twin.id)); /* one that was given is another each time */
        compare(envelope, &twin);
        assert(memcmp(&envelope->progress, &twin.progress, sizeof(twin.progress)) == 0);
        assert(is_same(envelope->callback_url, twin.callback_url));
        assert(is_same(envelope->template_name, twin.template_name));
        assert(strcmp(envelope->trace.id, twin.trace.id) == 0);
    }
    envelope_clear(&twin);
    buf_clear(&printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *bytes = malloc(size ? size : 1); /* exactly as long: reading on is seen */
    struct envelope envelope;
    struct refusal why = {.code = NULL};
    struct buf out;
    int rc;

    if (size > 0)
        memcpy(bytes, data, size);
    buf_init(&out, 8 * JSON_MAX_BYTES);
    rc = envelope_read(&envelope, bytes, size, &rules, NOW_MS, &why);
    assert(id_is_valid(envelope.id, strlen(envelope.id)));
    check_twin(&envelope, bytes, size, &why);
    if (rc == 0) {
        check_draft(&envelope, &out);
        buf_reset(&out);
        check_retry(&envelope, &out);
        buf_reset(&out);
        route_body(envelope.route, envelope_payload(&envelope), &out);
        assert(!out.overflow && out.len > 0);
    } else {
        assert(why.code && why.text[0] != '\0' && (why.field[0] == '\0' || why.field[0] == '/'));
        if (envelope_is_writable(&envelope))
            envelope_write(&envelope, NULL, &out);
    }
    envelope_clear(&envelope);
    buf_clear(&out);
    free(bytes);
    return 0;
}
