#include "common/channel.h"

#include <string.h>

#include "common/reason.h"
#include "common/utf8.h"

/* E.164: at most 15 digits, the first not zero. Shorter than 7 is a short code, which cannot be reached from abroad. */
#define PHONE_MIN_DIGITS 7
#define PHONE_MAX_DIGITS 15

static const char *const names[] = {
    [CHANNEL_NONE] = "none", [CHANNEL_SMS] = "sms",   [CHANNEL_WHATSAPP] = "whatsapp", [CHANNEL_FACEBOOK] = "facebook",
    [CHANNEL_WEB] = "web",   [CHANNEL_OPEN] = "open", [CHANNEL_APPLE] = "apple",
};
_Static_assert(sizeof(names) / sizeof(names[0]) == CHANNEL_COUNT, "each channel has a name");

const char *channel_name(enum channel channel)
{
    return names[channel];
}

enum channel channel_find(struct span name)
{
    for (int i = CHANNEL_SMS; i < CHANNEL_COUNT; i++) {
        if (span_is(name, names[i]))
            return (enum channel)i;
    }
    return CHANNEL_NONE;
}

bool channel_has_phone_number(enum channel channel)
{
    return channel == CHANNEL_SMS || channel == CHANNEL_WHATSAPP || channel == CHANNEL_APPLE;
}

/* Takes a prefix such as `whatsapp:` off; another channel's prefix is a mistake worth stopping for. Open messaging ids
 * are any text at all, colons included, so they have no prefix. */
static int strip_prefix(enum channel channel, struct span *address, const char *field, struct refusal *why)
{
    const char *colon = memchr(address->data, ':', address->len);
    struct span prefix = {address->data, colon ? (size_t)(colon - address->data) : 0};
    enum channel named = channel_find(prefix);

    if (!colon || channel == CHANNEL_OPEN || named == CHANNEL_NONE)
        return 0;
    if (named != channel)
        return refuse(why, "address_invalid", field, "the address is one of %s, the channel is %s", names[named],
                      names[channel]);
    address->data = colon + 1;
    address->len -= prefix.len + 1;
    return 0;
}

static int read_phone(struct span address, const char *field, struct span *ret, struct refusal *why)
{
    size_t digits = 0;

    if (address.len > 0 && address.data[0] == '+') {
        address.data++;
        address.len--;
    }
    while (digits < address.len && address.data[digits] >= '0' && address.data[digits] <= '9')
        digits++;
    if (digits != address.len || digits < PHONE_MIN_DIGITS || digits > PHONE_MAX_DIGITS || address.data[0] == '0')
        return refuse(why, "address_invalid", field,
                      "a phone number must be `+` and %d to %d digits, country code first, nothing else (E.164)",
                      PHONE_MIN_DIGITS, PHONE_MAX_DIGITS);
    *ret = address;
    return 0;
}

int channel_read_address(enum channel channel, struct span address, const char *field, struct span *ret,
                         struct refusal *why)
{
    if (span_is_empty(address))
        return refuse(why, "address_missing", field, "there is no address");
    if (strip_prefix(channel, &address, field, why) != 0)
        return ERR_INVALID;
    if (address.len > CHANNEL_ADDRESS_MAX)
        return refuse(why, "address_invalid", field, "an address has at most %d bytes, this one %zu",
                      CHANNEL_ADDRESS_MAX, address.len);
    if (channel_has_phone_number(channel))
        return read_phone(address, field, ret, why);
    for (size_t i = 0; i < address.len; i++) {
        if ((unsigned char)address.data[i] <= ' ' || address.data[i] == 0x7f)
            return refuse(why, "address_invalid", field, "an address has no blanks or control characters");
    }
    if (address.len == 0 || !utf8_is_valid(address.data, address.len))
        return refuse(why, "address_invalid", field, "the address is empty or not UTF-8");
    *ret = address;
    return 0;
}

const char *channel_person(enum channel channel, struct span address, char out[CHANNEL_PERSON_SIZE])
{
    size_t used = strlen(names[channel]), room = CHANNEL_PERSON_SIZE - used - 3;

    out[0] = '\0';
    if (channel == CHANNEL_NONE || span_is_empty(address))
        return out;
    memcpy(out, names[channel], used); /* by hand: this is done for each message */
    out[used++] = ':';
    if (channel_has_phone_number(channel))
        out[used++] = '+';
    if (address.len < room)
        room = address.len; /* an address that was checked is shorter */
    memcpy(out + used, address.data, room);
    out[used + room] = '\0';
    return out;
}

int channel_read_person(struct span text, enum channel assumed, char out[CHANNEL_PERSON_SIZE], struct refusal *why)
{
    const char *colon = text.len ? memchr(text.data, ':', text.len) : NULL;
    struct span prefix = {text.data, colon ? (size_t)(colon - text.data) : 0}, address = text;
    enum channel channel = assumed;

    if (channel == CHANNEL_NONE) {
        channel = channel_find(prefix);
        if (channel == CHANNEL_NONE)
            return refuse(why, "channel_unknown", "", "names no channel: write sms:+13175550199, or give --channel");
        address.data += prefix.len + 1;
        address.len -= prefix.len + 1;
    }
    if (channel_read_address(channel, address, "", &address, why) != 0)
        return ERR_INVALID;
    (void)channel_person(channel, address, out); /* returns out */
    return 0;
}
