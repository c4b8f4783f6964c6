#include "common/content.h"

#include <strings.h>

#include "common/utf8.h"

static bool has_placeholder(struct span text)
{
    const char *open = text.len ? memchr(text.data, '{', text.len) : NULL; /* most texts have none */

    open = open ? memmem(open, text.len - (size_t)(open - text.data), "{{", 2) : NULL;
    return open && memmem(open, text.len - (size_t)(open - text.data), "}}", 2);
}

const char *content_person(const struct content *content, char out[CHANNEL_PERSON_SIZE])
{
    return channel_person(content->channel, content->to.data ? content->to : content->external_id, out);
}

int content_check_text(struct span text, size_t max_units, const char *field, struct refusal *why)
{
    size_t units;

    if (span_is_empty(text))
        return refuse(why, "text_missing", field, "there is no text");
    if (memchr(text.data, '\0', text.len))
        return refuse(why, "text_invalid", field, "the text has a NUL character in it");
    if (!utf8_is_valid(text.data, text.len))
        return refuse(why, "text_invalid", field, "the text is not UTF-8");
    units = utf8_utf16_units(text.data, text.len);
    if (units > max_units)
        return refuse(why, "text_too_long", field, "the text has %zu characters, at most %zu are allowed here", units,
                      max_units);
    if (has_placeholder(text))
        return refuse(why, "placeholder_unresolved", field, "the text still has a {{placeholder}} in it");
    return 0;
}

int content_check_consent(enum consent consent, bool is_needed, struct refusal *why)
{
    if (consent == CONSENT_REFUSED)
        return refuse(why, "consent_missing", "/metadata/consentVerified", "consentVerified is not true");
    if (consent == CONSENT_ABSENT && is_needed)
        return refuse(why, "consent_missing", "/metadata/consentVerified", "consentVerified must be there and true");
    return 0;
}

/* The tutorial's rule: a `<`, at least one character that is not `>`, then `>`. So `a < b` passes and `a < b > c` does
 * not; better a text refused at the desk than markup in a customer's window. */
int content_check_no_html(struct span text, const char *field, struct refusal *why)
{
    const char *at = text.data, *end = text.data + text.len;

    while (at && at < end && (at = memchr(at, '<', (size_t)(end - at))) != NULL) {
        const char *close = memchr(at, '>', (size_t)(end - at));

        if (close && close > at + 1)
            return refuse(why, "html_forbidden", field,
                          "the text has HTML or script in it, which bot messages may not");
        at++;
    }
    return 0;
}

/* The host of an http or https URL; empty when it is not one. */
static struct span url_host(struct span url)
{
    struct span host = {NULL, 0};
    const char *colon;

    if (span_starts(url, "https://"))
        host = (struct span){url.data + 8, url.len - 8};
    else if (span_starts(url, "http://"))
        host = (struct span){url.data + 7, url.len - 7};
    for (size_t i = 0; i < host.len; i++) {
        if (host.data[i] == '/' || host.data[i] == '?' || host.data[i] == '#')
            host.len = i;
        else if (host.data[i] == '@' ||
                 host.data[i] == '\\') /* `https://good@bad` and `https://good:1@bad` are bad's */
            return (struct span){NULL, 0};
    }
    colon = host.len ? memchr(host.data, ':', host.len) : NULL;
    if (colon)
        host.len = (size_t)(colon - host.data);
    return host;
}

int content_check_origin(struct span origin, const char *allowed_hosts, struct refusal *why)
{
    struct span host = url_host(origin);

    if (!origin.data)
        return 0; /* pushed by a service, not for a page */
    if (host.len == 0)
        return refuse(why, "origin_forbidden", "/origin", "the origin is not an http or https URL");
    for (const char *at = allowed_hosts; at && *at; at += strcspn(at, ",")) {
        size_t len;

        at += strspn(at, ", ");
        len = strcspn(at, ", ");
        if (len == host.len && len > 0 && strncasecmp(at, host.data, len) == 0)
            return 0;
    }
    return refuse(why, "origin_forbidden", "/origin", "the origin's host is not one of --origins");
}
