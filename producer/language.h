/* Which language a person is written to in: matching a wanted language tag with those on offer, and guessing one from
 * the calling code of a phone number. Pure. */
#ifndef HERALD_PRODUCER_LANGUAGE_H
#define HERALD_PRODUCER_LANGUAGE_H

#include <stdbool.h>
#include <stddef.h>

#define LANGUAGE_TAG_MAX 35 /* characters of a tag: RFC 5646, section 4.4.1 */

/* The entry of `offered` that fits `wanted` best by RFC 4647, section 3.4 (lookup): the whole tag, else the tag cut
 * from its end, one subtag at a time ("zh-Hant-TW", "zh-Hant", "zh"). Case does not matter and '_' is taken for '-'.
 * Returns the borrowed entry as it is spelt in `offered`, the first that fits; NULL when none does, and when `wanted`
 * is NULL, empty, "*" or longer than LANGUAGE_TAG_MAX: the caller has the default. */
const char *language_lookup(const char *wanted, const char *const *offered, size_t count);

/* The language of the country that a phone number's calling code names, as a tag; NULL where that is no single
 * language. Takes E.164 with or without its '+', and a channel before it ("whatsapp:+4930..."). Anything else than 5 to
 * 15 digits is no phone number: NULL. Only for channels whose addresses are phone numbers: other ids are digits, too.
 */
const char *language_of_address(const char *address);

/* Whether `tag` has the form of a language tag: subtags of 1 to 8 letters or digits, the first of 2 or more letters
 * only, joined by '-' or '_', LANGUAGE_TAG_MAX characters at most. */
bool language_is_tag(const char *tag);

/* Whether two tags are the same but for case and '_'. */
bool language_is_same(const char *a, const char *b);

#endif
