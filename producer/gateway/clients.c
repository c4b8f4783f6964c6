#include "producer/gateway/clients.h"

#include <string.h>

#include "common/ids.h"

#define BLANKS " \t\r\n"

static const struct {
    const char *name;
    enum right right;
} rights[] = {{"enqueue", RIGHT_ENQUEUE}, {"read", RIGHT_READ}, {"operate", RIGHT_OPERATE}};

static bool parse_rights(struct span text, unsigned *ret)
{
    unsigned found = 0;

    while (text.len > 0) {
        const char *plus = memchr(text.data, '+', text.len);
        struct span word = {text.data, plus ? (size_t)(plus - text.data) : text.len};
        unsigned before = found;

        for (size_t i = 0; i < sizeof(rights) / sizeof(rights[0]); i++)
            found |= span_is(word, rights[i].name) ? (unsigned)rights[i].right : 0;
        if (found == before)
            return false; /* unknown, or written twice */
        text.data += word.len + (plus != NULL);
        text.len -= word.len + (plus != NULL);
    }
    *ret = found;
    return found != 0;
}

static int fail(size_t number, const char *what, struct reason *why)
{
    reason_set(why, "--clients: entry %zu: %s; it is written name:enqueue+read+operate:<SHA-256 in hex>", number, what);
    return ERR_INVALID;
}

static int parse_entry(struct span entry, size_t number, const struct clients *others, struct client *ret,
                       struct reason *why)
{
    const char *first = memchr(entry.data, ':', entry.len), *second;
    struct span name, words, hash;

    second = first ? memchr(first + 1, ':', entry.len - (size_t)(first + 1 - entry.data)) : NULL;
    if (!second)
        return fail(number, "it does not have three parts", why);
    name = (struct span){entry.data, (size_t)(first - entry.data)};
    words = (struct span){first + 1, (size_t)(second - first - 1)};
    hash = (struct span){second + 1, entry.len - (size_t)(second + 1 - entry.data)};
    if (name.len > CLIENT_NAME_MAX || !id_is_valid(name.data, name.len))
        return fail(number, "the name must be 1 to 32 letters, digits and . _ -", why);
    if (!parse_rights(words, &ret->rights))
        return fail(number, "the rights must be some of enqueue, read and operate, with + between them", why);
    if (!digest_from_hex(hash.data, hash.len, ret->hash))
        return fail(number, "the hash must be 64 hexadecimal digits", why);
    memcpy(ret->name, name.data, name.len);
    ret->name[name.len] = '\0';
    for (size_t i = 0; i < others->count; i++) {
        if (strcmp(others->all[i].name, ret->name) == 0)
            return fail(number, "its name is another client's, too", why);
        if (digest_equal(others->all[i].hash, ret->hash, DIGEST_SIZE))
            return fail(number, "its token is another client's, too", why);
    }
    return 0;
}

int clients_parse(const char *text, struct clients *ret, struct reason *why)
{
    const char *at = text ? text : "";

    ret->count = 0;
    for (at += strspn(at, BLANKS); *at; at += strspn(at, BLANKS)) {
        struct span entry = {at, strcspn(at, BLANKS)};

        if (ret->count == CLIENTS_MAX) {
            reason_set(why, "--clients: more than %d", CLIENTS_MAX);
            return ERR_INVALID;
        }
        if (parse_entry(entry, ret->count + 1, ret, &ret->all[ret->count], why) != 0)
            return ERR_INVALID;
        ret->count++;
        at += entry.len;
    }
    return 0;
}

const struct client *clients_find(const struct clients *clients, struct span token)
{
    const struct client *found = NULL;
    uint8_t hash[DIGEST_SIZE];

    if (token.len < CLIENT_TOKEN_MIN)
        return NULL;
    digest_sha256(token.data, token.len, hash);
    for (size_t i = 0; i < clients->count; i++) {
        if (digest_equal(clients->all[i].hash, hash, DIGEST_SIZE))
            found = &clients->all[i];
    }
    return found;
}
