/* Channels: the kinds of address a person can have, and their forms. */
#ifndef HERALD_COMMON_CHANNEL_H
#define HERALD_COMMON_CHANNEL_H

#include "common/refusal.h"
#include "common/span.h"

enum channel {
    CHANNEL_NONE, /* a message into a conversation has no address */
    CHANNEL_SMS,
    CHANNEL_WHATSAPP,
    CHANNEL_FACEBOOK,
    CHANNEL_WEB,
    CHANNEL_OPEN,
    CHANNEL_APPLE,
    CHANNEL_COUNT,
};

#define CHANNEL_ADDRESS_MAX 256 /* bytes, without the prefix */
#define CHANNEL_PERSON_SIZE (CHANNEL_ADDRESS_MAX + 16)

const char *channel_name(enum channel channel);
enum channel channel_find(struct span name); /* CHANNEL_NONE when there is no such channel */
bool channel_has_phone_number(enum channel channel);

/* Reads an address in any of the forms people write it, with or without a prefix such as `whatsapp:`, and returns the
 * part that names the person: the digits of a phone number (E.164 without its `+`), else the id. Borrowed from
 * `address`. `field` is what the refusal names. */
int channel_read_address(enum channel channel, struct span address, const char *field, struct span *ret,
                         struct refusal *why);

/* How the suppression set names whom an address belongs to (as channel_read_address gives it): `sms:+13175550199`.
 * Returns `out`; "" when there is no channel or no address. */
const char *channel_person(enum channel channel, struct span address, char out[CHANNEL_PERSON_SIZE]);
/* The other way: a name as people write it, with a channel in front unless `assumed` says which. Writes it as it is
 * compared, or refuses it without repeating it. */
int channel_read_person(struct span text, enum channel assumed, char out[CHANNEL_PERSON_SIZE], struct refusal *why);

#endif
