/* Where callbacks may go. A callback URL comes with a message, so it may be anybody's: it must not become a way into
 * the network (OWASP, "Server Side Request Forgery Prevention"). Hosts are on a list of names; an address that is not a
 * public one is connected to only when its host was named once more, and that is looked at when the connection is made,
 * on the address itself, so that a name which changes its address helps nobody. URLs are read by libcurl alone, which
 * also calls them, so there are no two opinions of what a URL says. Pure. */
#ifndef HERALD_COMMON_CALLBACK_URL_H
#define HERALD_COMMON_CALLBACK_URL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/reason.h"
#include "common/span.h"

#define CALLBACK_URL_MAX  2048 /* bytes */
#define CALLBACK_HOST_MAX 255  /* bytes of a name (RFC 1035: 253) */

/* Whom the settings allow. Lists are names between commas: `crm.example.org`, `*.example.org` (what is below it, not
 * itself), `*` (any; not in the private list), each with `:port` behind it when only that port is meant. */
struct callback_rules {
    const char *hosts;         /* borrowed; NULL: none */
    const char *private_hosts; /* borrowed; also http without TLS, and addresses that are not public; NULL: none */
    char own_host[CALLBACK_HOST_MAX + 1]; /* of the URL of the settings, which stands for being on the list; "": none */
    uint16_t own_port;
};

/* ERR_INVALID when a list or the settings' own URL (NULL: none) is not one. */
int callback_rules_init(struct callback_rules *ret, const char *hosts, const char *private_hosts, const char *own_url,
                        struct reason *why);
bool callback_rules_allow_any(const struct callback_rules *rules); /* some host is allowed */

struct callback_target {
    char url[CALLBACK_URL_MAX * 3 + 1]; /* as it is to be called: written anew, without a fragment */
    char host[CALLBACK_HOST_MAX + 1];   /* lower case; an address of IPv6 in its brackets */
    uint16_t port;
    bool is_private; /* its host was named in the private list */
};

/* ERR_INVALID with what is wrong; the reason never has more of the URL than its host. `rules` NULL: only what no
 * settings would allow is refused. */
int callback_url_read(struct callback_target *ret, struct span url, const struct callback_rules *rules,
                      struct reason *why);

/* By the registries of special-purpose addresses (RFC 6890 and IANA's since): false for all that is not of the public
 * Internet, also for addresses of IPv4 inside those of IPv6 (mapped, NAT64, 6to4, Teredo), and for no address at all.
 */
bool callback_address_is_public(const struct sockaddr *address);

#endif
