#include "producer/gateway/framing.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

enum { SEEN_LENGTH = 1, SEEN_ENCODING = 2, SEEN_BOTH = SEEN_LENGTH | SEEN_ENCODING };

static const struct {
    const char *name;
    unsigned bit;
    const char *problem;
} singles[] = {
    {"Content-Length", SEEN_LENGTH, "there is more than one Content-Length"},
    {"Transfer-Encoding", SEEN_ENCODING, "there is more than one Transfer-Encoding"},
    {"Authorization", 4, "there is more than one Authorization"},
    {"Idempotency-Key", 8, "there is more than one Idempotency-Key"},
    {"Host", 16, "there is more than one Host"},
    {"Content-Type", 32, "there is more than one Content-Type"},
    {"Content-Encoding", 64, "there is more than one Content-Encoding"},
};

/* RFC 9110, section 5.6.2. */
static bool is_name_char(char c)
{
    return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+.^_`|~", c));
}

static bool is_name(const char *name)
{
    const char *at = name;

    while (is_name_char(*at))
        at++;
    return at > name && *at == '\0';
}

static const char *problem_of(struct framing *framing, const char *name, const char *value)
{
    if (!is_name(name))
        return "a header's name has a character that none may have";
    for (size_t i = 0; i < sizeof(singles) / sizeof(singles[0]); i++) {
        if (strcasecmp(singles[i].name, name) != 0)
            continue;
        if (framing->seen & singles[i].bit)
            return singles[i].problem;
        framing->seen |= singles[i].bit;
        if (singles[i].bit == SEEN_ENCODING && strcasecmp(value, "chunked") != 0)
            return "the only Transfer-Encoding that is taken is chunked";
        break;
    }
    return (framing->seen & SEEN_BOTH) == SEEN_BOTH ? "there is a Content-Length beside a Transfer-Encoding" : NULL;
}

void framing_see(struct framing *framing, const char *name, const char *value)
{
    if (!framing->problem)
        framing->problem = problem_of(framing, name, value ? value : "");
}
