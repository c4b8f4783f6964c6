#include "common/sms.h"

#include <stdint.h>

#include "common/utf8.h"

/* Septets of each character below U+0400, sixteen to a row: 1 is in the basic table of TS 23.038 (section 6.2.1), 2 in
 * its extension table (6.2.1.1, an escape and the character), 0 in neither. Rows that are not listed hold neither. The
 * escape itself (U+001B) is no character. */
#define TABLE_END 0x400
#define EURO      0x20ac /* the one character of the two tables that is not below U+0400: extension */

static const char table[TABLE_END / 16][17] = {
    [0x00] = "0000000000102100", /* LF, FF, CR */
    [0x02] = "1111111111111111", /* blank to / */
    [0x03] = "1111111111111111", /* 0 to ? */
    [0x04] = "1111111111111111", /* @ to O */
    [0x05] = "1111111111122221", /* P to Z [ \ ] ^ _ */
    [0x06] = "0111111111111111", /* a to o, without the backtick */
    [0x07] = "1111111111122220", /* p to z { | } ~ */
    [0x0a] = "0101110100000000", /* ¡ £ ¤ ¥ § */
    [0x0b] = "0000000000000001", /* ¿ */
    [0x0c] = "0000111101000000", /* Ä Å Æ Ç É */
    [0x0d] = "0100001010001001", /* Ñ Ö Ø Ü ß */
    [0x0e] = "1000111011001000", /* à ä å æ è é ì */
    [0x0f] = "0110001011001000", /* ñ ò ö ø ù ü */
    [0x39] = "0001100010010010", /* Γ Δ Θ Λ Ξ */
    [0x3a] = "1001001011000000", /* Π Σ Φ Ψ Ω */
};

static size_t septets_of(int32_t point)
{
    if (point >= 0 && point < TABLE_END)
        return table[point >> 4][point & 15] & 3; /* '0' to '2', or the 0 of a row that is not listed */
    return point == EURO ? 2 : 0;
}

/* Counts units both as one run and as parts of `part` units, none of which ends inside a character: what does not fit
 * moves to the next part whole, an escape with its character, a surrogate with its other half. */
struct tally {
    size_t units;
    size_t parts; /* full ones before the current */
    size_t used;  /* units of the current part */
    size_t part;
};

static void tally_add(struct tally *tally, size_t units)
{
    tally->units += units;
    if (tally->used + units > tally->part) {
        tally->parts++;
        tally->used = 0;
    }
    tally->used += units;
}

static struct sms_cost tally_cost(const struct tally *tally, enum sms_encoding encoding)
{
    return (struct sms_cost){.encoding = encoding, .units = tally->units, .segments = tally->parts + 1};
}

static struct sms_cost cost_of_ucs2(const char *text, size_t len)
{
    struct tally tally = {.part = SMS_UCS2_PART};
    size_t units = utf8_utf16_units(text, len);

    if (units <= SMS_UCS2_SINGLE)
        return (struct sms_cost){.encoding = SMS_UCS2, .units = units, .segments = units > 0};
    for (size_t at = 0, size; at < len; at += size)
        tally_add(&tally, utf8_decode(text + at, len - at, &size) >= 0x10000 ? 2 : 1);
    return tally_cost(&tally, SMS_UCS2);
}

/* Takes the character at `*at`; its septets, 0 when GSM-7 does not have it. */
static inline size_t take_septets(const char *text, size_t len, size_t *at)
{
    unsigned char first = (unsigned char)text[*at];
    size_t size, septets;

    if (first < 0x80) { /* for most texts, all of it */
        (*at)++;
        return table[first >> 4][first & 15] & 3;
    }
    septets = septets_of(utf8_decode(text + *at, len - *at, &size));
    *at += size;
    return septets;
}

struct sms_cost sms_cost(const char *text, size_t len)
{
    struct tally tally = {.part = SMS_GSM7_PART};
    size_t units = 0;

    for (size_t at = 0; at < len;) {
        size_t septets = take_septets(text, len, &at);

        if (septets == 0)
            return cost_of_ucs2(text, len); /* one character that GSM-7 lacks makes the whole text UCS-2 */
        units += septets;
    }
    if (units <= SMS_GSM7_SINGLE) /* as most are; nothing is divided then */
        return (struct sms_cost){.encoding = SMS_GSM7, .units = units, .segments = units > 0};
    for (size_t at = 0; at < len;)
        tally_add(&tally, take_septets(text, len, &at));
    return tally_cost(&tally, SMS_GSM7);
}

const char *sms_encoding_name(enum sms_encoding encoding)
{
    switch (encoding) {
    case SMS_GSM7:
        return "GSM-7";
    case SMS_UCS2:
        return "UCS-2";
    }
    return "unknown";
}
