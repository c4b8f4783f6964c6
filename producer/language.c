#include "producer/language.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CODE_DIGITS_MAX    3  /* of a calling code */
#define ADDRESS_DIGITS_MIN 5  /* the shortest national number with its code that is in use */
#define ADDRESS_DIGITS_MAX 15 /* ITU-T E.164, section 6 */

/* Calling codes as ITU-T assigns them (E.164, list of assigned country codes), and the language where CLDR (territory
 * information) knows exactly one that is official, or official in fact, throughout the country. Languages that are
 * official where they predominate do not count against it (Catalan, Frisian, Quechua), nor do two scripts of one
 * language. CLDR still lists Russian for Ukraine (380), whose only state language is Ukrainian.
 *
 * Left out, so that the template's default is used: codes of several countries with different languages (1, 7, 599),
 * countries with several languages in everyday official use (27, 32, 41, 64, 65, 91, 352, 353, 357, 358, 595, 972...),
 * two written norms of one language (47: Bokmal and Nynorsk), and countries where much of the population does not read
 * the official language (the Gulf states, the Maghreb, the Sahel, 373, 376). In doubt a code is left out: a greeting in
 * the default language is a smaller mistake than one in the wrong language. */
static const struct calling_code {
    uint16_t code;
    const char *language;
} calling_codes[] = {
    {20, "ar"},  {30, "el"},  {31, "nl"},  {33, "fr"},  {34, "es"},      {36, "hu"},       {39, "it"},  {40, "ro"},
    {43, "de"},  {44, "en"},  {45, "da"},  {46, "sv"},  {48, "pl"},      {49, "de"},       {51, "es"},  {52, "es"},
    {53, "es"},  {54, "es"},  {55, "pt"},  {56, "es"},  {57, "es"},      {58, "es"},       {61, "en"},  {62, "id"},
    {66, "th"},  {81, "ja"},  {82, "ko"},  {84, "vi"},  {86, "zh-Hans"}, {90, "tr"},       {95, "my"},  {98, "fa"},
    {225, "fr"}, {228, "fr"}, {229, "fr"}, {231, "en"}, {232, "en"},     {233, "en"},      {238, "pt"}, {239, "pt"},
    {241, "fr"}, {242, "fr"}, {244, "pt"}, {245, "pt"}, {258, "pt"},     {260, "en"},      {262, "fr"}, {350, "en"},
    {351, "pt"}, {354, "is"}, {355, "sq"}, {359, "bg"}, {370, "lt"},     {371, "lv"},      {372, "et"}, {374, "hy"},
    {377, "fr"}, {378, "it"}, {380, "uk"}, {381, "sr"}, {385, "hr"},     {386, "sl"},      {420, "cs"}, {421, "sk"},
    {423, "de"}, {500, "en"}, {501, "en"}, {502, "es"}, {503, "es"},     {504, "es"},      {505, "es"}, {506, "es"},
    {507, "es"}, {508, "fr"}, {590, "fr"}, {592, "en"}, {593, "es"},     {594, "fr"},      {596, "fr"}, {597, "nl"},
    {598, "es"}, {687, "fr"}, {855, "km"}, {856, "lo"}, {880, "bn"},     {886, "zh-Hant"}, {962, "ar"}, {966, "ar"},
    {967, "ar"}, {970, "ar"}, {976, "mn"}, {977, "ne"}, {993, "tk"},     {994, "az"},      {995, "ka"}, {998, "uz"},
};

static char fold(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c | 0x20);
    return c == '_' ? '-' : c;
}

static bool is_same(const char *range, size_t len, const char *offered)
{
    for (size_t i = 0; i < len; i++) {
        if (offered[i] == '\0' || range[i] != fold(offered[i]))
            return false;
    }
    return offered[len] == '\0';
}

/* Folds `wanted` into `range`, leaving out subtags that are '*': in a lookup they say nothing. Returns the length; 0
 * when nothing is left or it is too long. */
static size_t fold_range(const char *wanted, char range[LANGUAGE_TAG_MAX + 1])
{
    size_t len = 0;

    if (!wanted || strnlen(wanted, LANGUAGE_TAG_MAX + 1) > LANGUAGE_TAG_MAX)
        return 0;
    for (; *wanted; wanted++) {
        bool is_start = len == 0 || range[len - 1] == '-';

        if (is_start && *wanted == '*' && (wanted[1] == '\0' || fold(wanted[1]) == '-')) {
            if (wanted[1] != '\0')
                wanted++;
            continue;
        }
        range[len++] = fold(*wanted);
    }
    while (len > 0 && range[len - 1] == '-')
        len--;
    return len;
}

/* The length of the range without its last subtag; a single character before that goes with it, because it only
 * introduces what followed ("zh-x-min" becomes "zh": RFC 4647, section 3.4). */
static size_t cut(const char *range, size_t len)
{
    while (len > 0 && range[len - 1] != '-')
        len--;
    if (len > 0)
        len--;
    if (len >= 2 && range[len - 2] == '-')
        len -= 2;
    return len;
}

const char *language_lookup(const char *wanted, const char *const *offered, size_t count)
{
    char range[LANGUAGE_TAG_MAX + 1];

    for (size_t len = fold_range(wanted, range); len > 0; len = cut(range, len)) {
        for (size_t i = 0; i < count; i++) {
            if (is_same(range, len, offered[i]))
                return offered[i];
        }
    }
    return NULL;
}

static int compare_code(const void *key, const void *entry)
{
    unsigned wanted = *(const unsigned *)key;
    unsigned code = ((const struct calling_code *)entry)->code;

    return (wanted > code) - (wanted < code);
}

const char *language_of_address(const char *address)
{
    const char *colon = address ? strrchr(address, ':') : NULL;
    const char *digits = colon ? colon + 1 : address;
    size_t len;

    if (!digits)
        return NULL;
    if (*digits == '+')
        digits++;
    len = strspn(digits, "0123456789");
    if (digits[len] != '\0' || len < ADDRESS_DIGITS_MIN || len > ADDRESS_DIGITS_MAX)
        return NULL;
    for (size_t size = CODE_DIGITS_MAX; size > 0; size--) {
        const struct calling_code *found;
        unsigned code = 0;

        for (size_t i = 0; i < size; i++)
            code = code * 10 + (unsigned)(digits[i] - '0');
        found = bsearch(&code, calling_codes, sizeof(calling_codes) / sizeof(calling_codes[0]),
                        sizeof(calling_codes[0]), compare_code);
        if (found)
            return found->language;
    }
    return NULL;
}

bool language_is_tag(const char *tag)
{
    size_t subtag = 0;
    bool is_first = true;

    if (strnlen(tag, LANGUAGE_TAG_MAX + 1) > LANGUAGE_TAG_MAX)
        return false;
    for (;; tag++) {
        if (*tag == '\0' || fold(*tag) == '-') {
            if (subtag < (is_first ? 2 : 1) || subtag > 8)
                return false;
            if (*tag == '\0')
                return true;
            subtag = 0;
            is_first = false;
        } else if (is_first ? isalpha((unsigned char)*tag) : isalnum((unsigned char)*tag)) {
            subtag++;
        } else {
            return false;
        }
    }
}

bool language_is_same(const char *a, const char *b)
{
    while (*a != '\0' && fold(*a) == fold(*b)) {
        a++;
        b++;
    }
    return fold(*a) == fold(*b);
}
