#include "common/callback_url.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <strings.h>

#include "common/mem.h"

/* --- addresses --- */

struct block {
    uint8_t bytes[16];
    unsigned bits;
};

static const struct block closed_v4[] = {
    {{0}, 8},
    {{10}, 8},
    {{100, 64}, 10},
    {{127}, 8},
    {{169, 254}, 16},
    {{172, 16}, 12},
    {{192, 0, 0}, 24},
    {{192, 0, 2}, 24},
    {{192, 88, 99}, 24},
    {{192, 168}, 16},
    {{198, 18}, 15},
    {{198, 51, 100}, 24},
    {{203, 0, 113}, 24},
    {{224}, 4},
    {{240}, 4},
};

/* Of IPv6 only 2000::/3 is given out for the public Internet; these are the exceptions in there: protocol assignments
 * (Teredo among them), documentation, 6to4. */
static const struct block open_v6 = {{0x20}, 3};
static const struct block closed_v6[] = {
    {{0x20, 0x01, 0x00}, 23},
    {{0x20, 0x01, 0x0d, 0xb8}, 32},
    {{0x20, 0x02}, 16},
    {{0x3f, 0xff, 0x00}, 20},
};

static bool is_within(const uint8_t *address, const struct block *block)
{
    for (unsigned bit = 0; bit < block->bits; bit++) {
        unsigned mask = 0x80U >> (bit % 8);

        if ((address[bit / 8] & mask) != (block->bytes[bit / 8] & mask))
            return false;
    }
    return true;
}

static bool is_within_any(const uint8_t *address, const struct block *blocks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (is_within(address, &blocks[i]))
            return true;
    }
    return false;
}

bool callback_address_is_public(const struct sockaddr *address)
{
    uint8_t bytes[16];

    if (address->sa_family == AF_INET) {
        memcpy(bytes, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
        return !is_within_any(bytes, closed_v4, sizeof(closed_v4) / sizeof(closed_v4[0]));
    }
    if (address->sa_family != AF_INET6)
        return false;
    memcpy(bytes, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 16);
    return is_within(bytes, &open_v6) && !is_within_any(bytes, closed_v6, sizeof(closed_v6) / sizeof(closed_v6[0]));
}

/* --- lists of hosts --- */

#define SEPARATORS ", \t\r\n"

/* The next name of a list; false at its end. */
static bool next_entry(const char **at, struct span *ret)
{
    if (!*at)
        return false;
    *at += strspn(*at, SEPARATORS);
    *ret = (struct span){*at, strcspn(*at, SEPARATORS)};
    *at += ret->len;
    return ret->len > 0;
}

static bool parse_port(struct span text, uint16_t *ret)
{
    unsigned long port = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || i == 5)
            return false;
        port = port * 10 + (unsigned long)(text.data[i] - '0');
    }
    if (port < 1 || port > UINT16_MAX)
        return false;
    *ret = (uint16_t)port;
    return true;
}

/* `name` or `name:port`; the port is 0 when any is meant. */
static bool split_entry(struct span entry, struct span *ret_name, uint16_t *ret_port)
{
    const char *colon = memrchr(entry.data, ':', entry.len), *bracket = memrchr(entry.data, ']', entry.len);

    *ret_name = entry;
    *ret_port = 0;
    if (!colon || (bracket && bracket > colon))
        return true;
    ret_name->len = (size_t)(colon - entry.data);
    return parse_port((struct span){colon + 1, entry.len - ret_name->len - 1}, ret_port);
}

static bool is_name(struct span name, bool may_be_any)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_[]:";

    if (span_is(name, "*"))
        return may_be_any;
    if (span_starts(name, "*."))
        name = (struct span){name.data + 2, name.len - 2};
    for (size_t i = 0; i < name.len; i++) {
        if (!strchr(plain, name.data[i]))
            return false;
    }
    return name.len > 0 && name.len <= CALLBACK_HOST_MAX;
}

static int check_list(const char *list, const char *flag, bool may_have_any, struct reason *why)
{
    const char *at = list;
    struct span entry, name;
    uint16_t port;

    while (next_entry(&at, &entry)) {
        if (!split_entry(entry, &name, &port) || !is_name(name, may_have_any)) {
            reason_set(why, "%s: `%.*s` is no host: crm.example.org, crm.example.org:8443%s", flag,
                       (int)(entry.len < 60 ? entry.len : 60), entry.data,
                       may_have_any ? ", *.example.org or *" : " or *.example.org");
            return ERR_INVALID;
        }
    }
    return 0;
}

static bool is_named(const char *list, const struct callback_target *target)
{
    const char *at = list;
    size_t host_len = strlen(target->host);
    struct span entry, name;
    uint16_t port;

    while (next_entry(&at, &entry)) {
        if (!split_entry(entry, &name, &port) || (port != 0 && port != target->port))
            continue;
        if (span_is(name, "*"))
            return true;
        if (span_starts(name, "*.") && host_len >= name.len &&
            strncasecmp(target->host + host_len - (name.len - 1), name.data + 1, name.len - 1) == 0)
            return true;
        if (host_len == name.len && strncasecmp(target->host, name.data, name.len) == 0)
            return true;
    }
    return false;
}

int callback_rules_init(struct callback_rules *ret, const char *hosts, const char *private_hosts, const char *own_url,
                        struct reason *why)
{
    struct callback_rules rules = {.hosts = hosts, .private_hosts = private_hosts};
    struct callback_target *own;
    struct reason reason = {""};
    int rc = check_list(hosts, "--callback-hosts", true, why);

    if (rc == 0)
        rc = check_list(private_hosts, "--callback-private-hosts", false, why);
    if (rc != 0 || !own_url) {
        if (rc == 0)
            *ret = rules;
        return rc;
    }
    own = mem_zalloc(1, sizeof(*own));
    rc = callback_url_read(own, span_of(own_url), NULL, &reason);
    if (rc == 0) {
        memcpy(rules.own_host, own->host, sizeof(rules.own_host));
        rules.own_port = own->port;
        rc = callback_url_read(own, span_of(own_url), &rules, &reason);
    }
    if (rc == 0)
        *ret = rules;
    else
        reason_set(why, "--callback-url: %s", reason.text);
    free(own);
    return rc;
}

bool callback_rules_allow_any(const struct callback_rules *rules)
{
    const char *hosts = rules->hosts, *private_hosts = rules->private_hosts;
    struct span entry;

    return rules->own_host[0] || next_entry(&hosts, &entry) || next_entry(&private_hosts, &entry);
}

/* --- URLs --- */

static bool copy_part(CURLU *url, CURLUPart part, unsigned flags, char *out, size_t size)
{
    char *text = NULL;
    bool has = curl_url_get(url, part, &text, flags) == CURLUE_OK && text && strlen(text) < size;

    if (has)
        memcpy(out, text, strlen(text) + 1);
    curl_free(text);
    return has;
}

static bool has_part(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    bool has = curl_url_get(url, part, &text, 0) == CURLUE_OK;

    curl_free(text);
    return has;
}

static int check_host(struct callback_target *target, bool is_https, const struct callback_rules *rules,
                      struct reason *why)
{
    if (!rules)
        return 0;
    target->is_private = is_named(rules->private_hosts, target);
    if (!is_https && !target->is_private) {
        reason_set(why, "must be https; http is only for hosts of --callback-private-hosts (%.80s is none)",
                   target->host);
        return ERR_INVALID;
    }
    if (target->is_private || is_named(rules->hosts, target) ||
        (strcasecmp(rules->own_host, target->host) == 0 && rules->own_port == target->port))
        return 0;
    reason_set(why, "its host %.80s is not one of --callback-hosts", target->host);
    return ERR_INVALID;
}

/* `text` is the URL with a NUL behind it. */
static int read_parts(CURLU *url, const char *text, const struct callback_rules *rules, struct callback_target *target,
                      struct reason *why)
{
    char scheme[16] = "", port[8];
    bool is_https;

    if (curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK ||
        curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0) != CURLUE_OK) {
        reason_set(why, "is no URL such as https://crm.example.org/messages");
        return ERR_INVALID;
    }
    (void)copy_part(url, CURLUPART_SCHEME, 0, scheme, sizeof(scheme)); /* "" when it is longer than we know any */
    is_https = strcasecmp(scheme, "https") == 0;
    if (!is_https && strcasecmp(scheme, "http") != 0) {
        reason_set(why, "must be https");
        return ERR_INVALID;
    }
    if (has_part(url, CURLUPART_USER) || has_part(url, CURLUPART_PASSWORD) || has_part(url, CURLUPART_OPTIONS) ||
        has_part(url, CURLUPART_ZONEID)) {
        reason_set(why, "must not have a user, a password or a zone in it");
        return ERR_INVALID;
    }
    if (!copy_part(url, CURLUPART_HOST, 0, target->host, sizeof(target->host)) ||
        !copy_part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT, port, sizeof(port)) ||
        !parse_port(span_of(port), &target->port) || !is_name(span_of(target->host), false) ||
        !copy_part(url, CURLUPART_URL, 0, target->url, sizeof(target->url))) {
        reason_set(why, "has no host that can be called");
        return ERR_INVALID;
    }
    for (char *c = target->host; *c; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
    return check_host(target, is_https, rules, why);
}

int callback_url_read(struct callback_target *ret, struct span url, const struct callback_rules *rules,
                      struct reason *why)
{
    char text[CALLBACK_URL_MAX + 1];
    CURLU *handle;
    int rc;

    if (url.len == 0 || url.len > CALLBACK_URL_MAX) {
        reason_set(why, "must have 1 to %d bytes", CALLBACK_URL_MAX);
        return ERR_INVALID;
    }
    for (size_t i = 0; i < url.len; i++) {
        if (url.data[i] <= ' ' || url.data[i] > '~' || url.data[i] == '\\') {
            reason_set(why, "must be printable ASCII without blanks and backslashes: escape others with %%");
            return ERR_INVALID;
        }
    }
    memcpy(text, url.data, url.len);
    text[url.len] = '\0';
    handle = curl_url();
    if (!handle)
        abort(); /* see mem.h */
    memset(ret, 0, sizeof(*ret));
    rc = read_parts(handle, text, rules, ret, why);
    curl_url_cleanup(handle);
    return rc;
}
