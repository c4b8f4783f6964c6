#include "worker/ending.h"

#include "common/clock.h"
#include "common/sms.h"
#include "worker/meters.h"

struct instant ending_instant(const struct sender *sender)
{
    int64_t mono_ms = clock_mono_ms();

    return (struct instant){mono_ms, mono_ms + sender->clock_offset_ms, clock_wall_ms()};
}

int64_t ending_now_ms(const struct sender *sender)
{
    return clock_mono_ms() + sender->clock_offset_ms;
}

static int64_t later(int64_t a_ms, int64_t b_ms)
{
    return a_ms > b_ms ? a_ms : b_ms;
}

int64_t ending_accepted_ms(const struct sender *sender)
{
    const struct instant now = ending_instant(sender);

    return later(now.redis_ms, now.own_ms);
}

int64_t ending_since_ms(const struct envelope *envelope)
{
    const struct progress_state *progress = &envelope->progress;

    return progress->accepted_at_ms
               ? later(later(progress->accepted_at_ms, envelope->send_at_ms), progress->replayed_at_ms)
               : 0;
}

int64_t ending_left_ms(const struct sender *sender, const struct envelope *envelope, int64_t now_ms)
{
    int64_t accepted_at_ms = envelope->progress.accepted_at_ms;
    int64_t since_ms = accepted_at_ms ? accepted_at_ms : now_ms, until_ms;

    since_ms = later(later(since_ms, envelope->send_at_ms), envelope->progress.replayed_at_ms);
    until_ms = since_ms + sender->crew->settings->max_age_ms;
    if (envelope->expires_at_ms > 0 && envelope->expires_at_ms < until_ms)
        until_ms = envelope->expires_at_ms;
    return until_ms - now_ms;
}

int64_t ending_surely_left_ms(const struct sender *sender, const struct envelope *envelope, const struct instant *now)
{
    return later(ending_left_ms(sender, envelope, now->redis_ms), ending_left_ms(sender, envelope, now->own_ms));
}

struct store_about ending_about(const struct sender *sender, const struct slot *slot)
{
    const struct envelope *envelope = &slot->envelope;
    const struct content *content = &envelope->content;

    return (struct store_about){
        .channel = channel_name(content->channel),
        .template_name = envelope->template_name,
        .segments =
            content->channel == CHANNEL_SMS ? (int64_t)sms_cost(content->text.data, content->text.len).segments : 0,
        .since_ms = ending_since_ms(envelope),
        .trace = &envelope->trace,
        .callback =
            envelope->callback_url.len > 0 ? envelope->callback_url : span_of(sender->crew->settings->callback_url),
    };
}

struct store_settle ending_item(const struct slot *slot)
{
    return (struct store_settle){
        .ticket = slot->ticket,
        .id = slot->envelope.id,
        .campaign = slot->envelope.campaign,
        .is_new = slot->is_new,
        .attempts = slot->envelope.progress.attempts,
    };
}

void ending_release(struct sender *sender, struct slot *slot, bool give_back)
{
    struct store_settle item = ending_item(slot);

    item.give_back = give_back;
    item.audit = (struct span){slot->audit.data, slot->audit.len};
    settler_add(&sender->settler, STORE_RELEASE, slot, &item);
}

void ending_defer(struct sender *sender, struct slot *slot, int64_t delay_ms, const char *counted_as, bool give_back)
{
    struct store_settle item = ending_item(slot);
    int64_t due_ms = clock_mono_ms() + delay_ms + 1;

    if (due_ms < sender->own_due_ms)
        sender->own_due_ms = due_ms;
    if (slot->is_new)
        slot->envelope.progress.accepted_at_ms = ending_accepted_ms(sender);
    envelope_write(&slot->envelope, slot->ticket, &slot->document);
    item.delay_ms = delay_ms;
    item.counted_as = counted_as;
    item.document = (struct span){slot->document.data, slot->document.len};
    item.audit = (struct span){slot->audit.data, slot->audit.len};
    item.give_back = give_back;
    settler_add(&sender->settler, STORE_DEFER, slot, &item);
}

void ending_bury(struct sender *sender, struct slot *slot, const struct letter *letter, struct span raw, bool give_back)
{
    struct store_settle item = ending_item(slot);

    if (slot->is_new)
        slot->envelope.progress.accepted_at_ms = ending_accepted_ms(sender);
    slot->envelope.progress.deaths += slot->envelope.progress.deaths < ENVELOPE_COUNT_MAX;
    meters_note_death(sender->metrics, letter->reason);
    letter_write(letter, &slot->envelope, raw, &slot->document);
    item.reason = letter->reason;
    item.about = ending_about(sender, slot);
    item.code = letter->last ? letter->last->code : "";
    item.document = (struct span){slot->document.data, slot->document.len};
    item.audit = (struct span){slot->audit.data, slot->audit.len};
    item.give_back = give_back;
    settler_add(&sender->settler, STORE_BURY, slot, &item);
}
