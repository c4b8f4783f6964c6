/* The settings that all programs of Herald share, and their one table. */
#ifndef HERALD_COMMON_SETTINGS_H
#define HERALD_COMMON_SETTINGS_H

#include "common/options.h"
#include "common/span.h"

struct settings {
    char *redis_url;
    char *org;
    char *log_level, *log_format;
    char *admin;   /* of a worker or gateway: see admin.h */
    char *origins; /* hosts that bot messages may name as their origin, comma separated */
    int64_t audit_max;
    char *audit_full; /* drop or stop */
    int64_t keep_ms;
    int64_t dedup_ms, campaign_memory_ms;
    int64_t report_keep_ms;

    char *region, *api_url, *login_url;
    char *client_id, *client_secret;
    bool token_in_body;
    char *ca_file;
    char *webhook_url;
    char *webhook_secrets; /* see settings_webhook_secret */

    int64_t threads, in_flight;
    struct rate rate, sender_rate;
    int64_t max_attempts, max_age_ms;
    int64_t retry_base_ms, retry_cap_ms;
    int64_t timeout_ms, connect_timeout_ms;
    int64_t lease_ms, drain_ms;
    int64_t breaker_failures;
    bool poll_status;
    int64_t poll_first_ms, poll_age_ms;
    char *callback_url, *callback_hosts, *callback_private_hosts; /* see callback_url.h */
    char *callback_secrets;                                       /* see callback.h */
    int64_t callback_timeout_ms, callback_attempts, callback_max_age_ms, callback_retry_cap_ms;
    int64_t callback_in_flight, callback_max;
    char *worker_id, *environment;
    bool adopt;

    char *listen;  /* of the gateway: host:port */
    char *clients; /* who may call it: `name:rights:hash`, separated by blanks */
    char *cors_origins;
    char *webhook_signatures; /* required or off */
    int64_t webhook_dedup_ms;
    int64_t max_backlog, max_connections;
    char *templates;    /* folder; NULL: none */
    char *spool_dir;    /* NULL: the system's */
    int64_t max_upload; /* bytes */
    int64_t request_timeout_ms, idle_timeout_ms;
};

/* The last one is no program: those commands of `herald` that talk to Genesys have its rows besides. */
enum settings_program { SETTINGS_HERALD = 1, SETTINGS_WORKER = 2, SETTINGS_GATEWAY = 4, SETTINGS_GENESYS = 8 };

/* The set for options_load; `settings` must outlive its use. */
struct option_set settings_set(struct settings *settings, enum settings_program program);

/* Where the API and the login host are: the given URLs, else those of the region. Buffers of SETTINGS_URL_MAX.
 * ERR_INVALID when the region is not known (its name may also be a domain such as `mypurecloud.de`). */
#define SETTINGS_URL_MAX 256
int settings_urls(const struct settings *settings, char api[SETTINGS_URL_MAX], char login[SETTINGS_URL_MAX],
                  struct reason *why);

/* Whether sending stops when the audit is full. */
bool settings_audit_stops(const struct settings *settings);

/* The secrets that sign what webhooks bring, separated by white space so that an old and a new one can both be good
 * while they are exchanged: the n-th, absent when there are not so many. The first is the one to register. */
struct span settings_webhook_secret(const struct settings *settings, size_t index);

#endif
