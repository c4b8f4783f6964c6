#include "common/settings.h"

#include <string.h>

#define SECOND     INT64_C(1000)
#define HOUR       (3600 * SECOND)
#define DAY        (24 * HOUR)

#define AT(member) .offset = offsetof(struct settings, member)
#define SENDS      .programs = SETTINGS_WORKER
#define SERVES     .programs = SETTINGS_GATEWAY
#define ASKS       .programs = (SETTINGS_WORKER | SETTINGS_GENESYS)
#define TELLS      .programs = (SETTINGS_WORKER | SETTINGS_GATEWAY | SETTINGS_HERALD)
#define RECEIVES   .programs = (SETTINGS_GATEWAY | SETTINGS_GENESYS)

static const struct option rows[] = {
    {"redis", "HERALD_REDIS_URL", OPTION_TEXT, AT(redis_url), .fallback = "redis://127.0.0.1:6379/0", .value = "URL",
     .has_file = true, .help = "Redis: redis://[user:pass@]host:port/db or unix:///path"},
    {"org", "HERALD_ORG", OPTION_TEXT, AT(org), .fallback = "default", .value = "NAME",
     .help = "Genesys organisation whose queues these are: letters, digits, . _ -"},
    {"log-level", "HERALD_LOG_LEVEL", OPTION_TEXT, AT(log_level), .fallback = "info",
     .choices = "error|warning|info|debug", .value = "LEVEL", .programs = SETTINGS_WORKER | SETTINGS_GATEWAY,
     .help = "error, warning, info or debug"},
    {"log-format", "HERALD_LOG_FORMAT", OPTION_TEXT, AT(log_format), .fallback = "auto", .choices = "auto|logfmt|json",
     .value = "FORMAT", .programs = SETTINGS_WORKER | SETTINGS_GATEWAY,
     .help = "logfmt, json, or auto: logfmt on a terminal, else json"},
    {"admin", "HERALD_ADMIN", OPTION_TEXT, AT(admin), .fallback = "auto", .value = "HOST:PORT",
     .programs = SETTINGS_WORKER | SETTINGS_GATEWAY,
     .help = "where /metrics, /healthz and /readyz are; auto: 127.0.0.1:9464 unless that is taken; off: nowhere"},
    {"origins", "HERALD_ORIGINS", OPTION_TEXT, AT(origins), .fallback = "genesys.cloud,example.com", .value = "HOSTS",
     .help = "hosts that a bot message may name as its origin"},
    {"keep", "HERALD_KEEP", OPTION_DURATION, AT(keep_ms), .fallback = "7d", .min = 60 * SECOND, .max = 365 * DAY,
     .value = "TIME", .help = "how long the state of a settled message and a campaign can be asked for"},
    {"dedup", "HERALD_DEDUP", OPTION_DURATION, AT(dedup_ms), .fallback = "72h", .min = SECOND, .max = 90 * DAY,
     .value = "TIME", .programs = SETTINGS_HERALD | SETTINGS_GATEWAY,
     .help = "how long an idempotency key outside a campaign is remembered"},
    {"campaign-memory", "HERALD_CAMPAIGN_MEMORY", OPTION_DURATION, AT(campaign_memory_ms), .fallback = "30d",
     .min = SECOND, .max = 365 * DAY, .value = "TIME", .programs = SETTINGS_HERALD | SETTINGS_GATEWAY,
     .help = "how long a campaign remembers whom it has been sent to"},
    {"audit-max", "HERALD_AUDIT_MAX", OPTION_NUMBER, AT(audit_max), .fallback = "1000000", .min = 1000,
     .max = 100000000, .value = "N", .help = "entries that the audit stream keeps; status counts what was cut off"},
    {"audit-full", "HERALD_AUDIT_FULL", OPTION_TEXT, AT(audit_full), .fallback = "drop", .choices = "drop|stop",
     .value = "WHAT",
     .help = "when it has so many: drop the oldest, or stop sending until they are exported; the same for "
             "all programs of the org"},
    {"report-keep", "HERALD_REPORT_KEEP", OPTION_DURATION, AT(report_keep_ms), .fallback = "400d", .min = DAY,
     .max = 4000 * DAY, .value = "TIME",
     .help = "how long days can be reported (hours: 40 days at most); the same for all programs of the org"},

    {"region", "GENESYS_REGION", OPTION_TEXT, AT(region), .fallback = "us-east-1", .value = "NAME", ASKS,
     .help = "region of the organisation, or its domain such as mypurecloud.de"},
    {"api-url", "GENESYS_API_URL", OPTION_TEXT, AT(api_url), .value = "URL", ASKS,
     .help = "base URL of the API instead of the region's"},
    {"login-url", "GENESYS_LOGIN_URL", OPTION_TEXT, AT(login_url), .value = "URL", ASKS,
     .help = "base URL of the login host instead of the region's"},
    {NULL, "GENESYS_CLIENT_ID", OPTION_SECRET, AT(client_id), ASKS,
     .help = "OAuth client id (client credentials grant)"},
    {NULL, "GENESYS_CLIENT_SECRET", OPTION_SECRET, AT(client_secret), ASKS, .help = "OAuth client secret"},
    {"token-in-body", "HERALD_TOKEN_IN_BODY", OPTION_SWITCH, AT(token_in_body), ASKS,
     .help = "send the client id and secret in the body, not by HTTP Basic"},
    {"ca-file", "HERALD_CA_FILE", OPTION_TEXT, AT(ca_file), .value = "FILE", ASKS,
     .help = "certificates to trust instead of the system's"},
    {"webhook-url", "GENESYS_WEBHOOK_URL", OPTION_TEXT, AT(webhook_url), .value = "URL", .programs = SETTINGS_GENESYS,
     .help = "where Genesys is to deliver receipts: the gateway's public address"},
    {"webhook-secret-file", "GENESYS_WEBHOOK_SECRET", OPTION_SECRET, AT(webhook_secrets), .value = "FILE", RECEIVES,
     .help = "secret that signs what webhooks bring; several, separated by white space, while they are exchanged"},

    {"threads", "HERALD_THREADS", OPTION_NUMBER, AT(threads), .fallback = "2", .min = 1, .max = 256, .value = "N",
     .programs = SETTINGS_WORKER | SETTINGS_GATEWAY, .help = "threads that send, or that serve"},
    {"in-flight", "HERALD_IN_FLIGHT", OPTION_NUMBER, AT(in_flight), .fallback = "64", .min = 1, .max = 4096,
     .value = "N", SENDS, .help = "requests under way at once, for each thread"},
    {"rate", "HERALD_RATE", OPTION_RATE, AT(rate), .fallback = "300/60s", .value = "L/Ws",
     .programs = SETTINGS_WORKER | SETTINGS_GENESYS | SETTINGS_GATEWAY,
     .help =
         "at most L requests in any W seconds, over all workers of the org; or unlimited. The gateway sends nothing; "
         "its /metrics say how much could be sent"},
    {"sender-rate", "HERALD_SENDER_RATE", OPTION_RATE, AT(sender_rate), .fallback = "unlimited", .value = "L/Ws", SENDS,
     .help = "at most L requests in any W seconds from one sender address: a phone number has a speed of its own"},
    {"max-attempts", "HERALD_MAX_ATTEMPTS", OPTION_NUMBER, AT(max_attempts), .fallback = "8", .min = 1, .max = 100,
     .value = "N", SENDS, .help = "attempts before a message is a dead letter"},
    {"max-age", "HERALD_MAX_AGE", OPTION_DURATION, AT(max_age_ms), .fallback = "24h", .min = SECOND, .max = 90 * DAY,
     .value = "TIME", SENDS, .help = "age at which a message is a dead letter, unless it says so itself"},
    {"retry-base", "HERALD_RETRY_BASE", OPTION_DURATION, AT(retry_base_ms), .fallback = "1s", .min = 1, .max = HOUR,
     .value = "TIME", SENDS, .help = "the first retry comes within this time, each further one within twice as much"},
    {"retry-cap", "HERALD_RETRY_CAP", OPTION_DURATION, AT(retry_cap_ms), .fallback = "5m", .min = 1, .max = DAY,
     .value = "TIME", SENDS, .help = "no retry waits longer than this"},
    {"timeout", "HERALD_TIMEOUT", OPTION_DURATION, AT(timeout_ms), .fallback = "10s", .min = 10, .max = HOUR,
     .value = "TIME", ASKS, .help = "how long one request may take"},
    {"connect-timeout", "HERALD_CONNECT_TIMEOUT", OPTION_DURATION, AT(connect_timeout_ms), .fallback = "5s", .min = 10,
     .max = HOUR, .value = "TIME", ASKS, .help = "how long connecting may take, TLS included"},
    {"lease", "HERALD_LEASE", OPTION_DURATION, AT(lease_ms), .fallback = "15s", .min = SECOND, .max = HOUR,
     .value = "TIME", SENDS, .help = "how long a silent worker owns what it took; longer than --timeout"},
    {"drain", "HERALD_DRAIN", OPTION_DURATION, AT(drain_ms), .fallback = "20s", .min = 0, .max = HOUR, .value = "TIME",
     .programs = SETTINGS_WORKER | SETTINGS_GATEWAY,
     .help = "after SIGTERM, how long requests under way may take to finish"},
    {"breaker-failures", "HERALD_BREAKER_FAILURES", OPTION_NUMBER, AT(breaker_failures), .fallback = "5", .min = 1,
     .max = 1000, .value = "N", SENDS, .help = "failures of different messages in a row that open the circuit breaker"},
    {"poll-status", "HERALD_POLL_STATUS", OPTION_SWITCH, AT(poll_status), SENDS,
     .help = "ask Genesys what became of agentless messages, which have no webhook: within --rate, after the messages"},
    {"poll-first", "HERALD_POLL_FIRST", OPTION_DURATION, AT(poll_first_ms), .fallback = "5s", .min = 10, .max = HOUR,
     .value = "TIME", SENDS, .help = "how long after sending to ask first; then at the double age each time"},
    {"poll-age", "HERALD_POLL_AGE", OPTION_DURATION, AT(poll_age_ms), .fallback = "24h", .min = SECOND, .max = 30 * DAY,
     .value = "TIME", SENDS, .help = "age of a message from which on nobody asks for its status"},
    {"callback-url", "HERALD_CALLBACK_URL", OPTION_TEXT, AT(callback_url), .value = "URL", TELLS,
     .help = "who is told the outcome and the receipts of messages that name no callback_url themselves"},
    {"callback-hosts", "HERALD_CALLBACK_HOSTS", OPTION_TEXT, AT(callback_hosts), .value = "HOSTS", TELLS,
     .help = "hosts that a callback_url may name besides that of --callback-url: crm.example.org, *.example.org, "
             "host:port"},
    {"callback-private-hosts", "HERALD_CALLBACK_PRIVATE_HOSTS", OPTION_TEXT, AT(callback_private_hosts),
     .value = "HOSTS", TELLS,
     .help = "the same, and they may have addresses of a private network and http without TLS"},
    {"callback-secret-file", "HERALD_CALLBACK_SECRET", OPTION_SECRET, AT(callback_secrets), .value = "FILE", SENDS,
     .help = "whsec_... that signs callbacks; several, separated by white space, while they are exchanged"},
    {"callback-timeout", "HERALD_CALLBACK_TIMEOUT", OPTION_DURATION, AT(callback_timeout_ms), .fallback = "10s",
     .min = 10, .max = HOUR, .value = "TIME", SENDS, .help = "how long one callback may take"},
    {"callback-attempts", "HERALD_CALLBACK_ATTEMPTS", OPTION_NUMBER, AT(callback_attempts), .fallback = "20", .min = 1,
     .max = 1000, .value = "N", SENDS, .help = "attempts before a callback is given up and kept for herald callback"},
    {"callback-max-age", "HERALD_CALLBACK_MAX_AGE", OPTION_DURATION, AT(callback_max_age_ms), .fallback = "24h",
     .min = SECOND, .max = 90 * DAY, .value = "TIME", SENDS, .help = "age at which a callback is given up"},
    {"callback-retry-cap", "HERALD_CALLBACK_RETRY_CAP", OPTION_DURATION, AT(callback_retry_cap_ms), .fallback = "1h",
     .min = 1, .max = DAY, .value = "TIME", SENDS,
     .help = "no retry of a callback waits longer than this; the first comes within --retry-base"},
    {"callback-in-flight", "HERALD_CALLBACK_IN_FLIGHT", OPTION_NUMBER, AT(callback_in_flight), .fallback = "64",
     .min = 1, .max = 256, .value = "N", SENDS,
     .help = "callbacks under way at once in this worker; one host has a quarter of them at most"},
    {"callback-max", "HERALD_CALLBACK_MAX", OPTION_NUMBER, AT(callback_max), .fallback = "1000000", .min = 1,
     .max = 100000000, .value = "N", SENDS,
     .help = "callbacks that may wait, and that may be dead; more are dropped, and status says so"},
    {"environment", "HERALD_ENVIRONMENT", OPTION_TEXT, AT(environment), .value = "NAME", SENDS,
     .help = "name of what these queues belong to; else made from the address of Redis"},
    {"adopt", "HERALD_ADOPT", OPTION_SWITCH, AT(adopt), SENDS,
     .help = "send although the queues belong to another environment (a restored copy sends twice!)"},
    {"worker-id", "HERALD_WORKER_ID", OPTION_TEXT, AT(worker_id), .value = "NAME", SENDS,
     .help = "name of this worker in Redis; made from host, process and chance when absent"},

    {"listen", "HERALD_LISTEN", OPTION_TEXT, AT(listen), .fallback = "127.0.0.1:8080", .value = "HOST:PORT", SERVES,
     .help = "where the gateway listens; TLS is a proxy's business"},
    {"clients", "HERALD_CLIENTS", OPTION_TEXT, AT(clients), .value = "LIST", SERVES, .has_file = true,
     .help = "who may call: name:enqueue+read+operate:<SHA-256 of the token>, separated by blanks"},
    {"cors-origins", "HERALD_CORS_ORIGINS", OPTION_TEXT, AT(cors_origins), .value = "ORIGINS", SERVES,
     .help = "pages that may call from a browser, such as https://crm.example.com, separated by commas"},
    {"webhook-signatures", "HERALD_WEBHOOK_SIGNATURES", OPTION_TEXT, AT(webhook_signatures), .fallback = "required",
     .choices = "required|off", .value = "WHETHER", SERVES,
     .help = "off: webhooks are taken from anybody who can reach the gateway"},
    {"webhook-dedup", "HERALD_WEBHOOK_DEDUP", OPTION_DURATION, AT(webhook_dedup_ms), .fallback = "72h", .min = SECOND,
     .max = 90 * DAY, .value = "TIME", .programs = SETTINGS_GATEWAY | SETTINGS_WORKER,
     .help = "how long a receipt is remembered, so that it counts once; the same for all programs of the org"},
    {"max-backlog", "HERALD_MAX_BACKLOG", OPTION_NUMBER, AT(max_backlog), .fallback = "1000000", .min = 0,
     .max = INT64_C(1) << 40, .value = "N", SERVES,
     .help = "messages that may wait before new ones get 503; 0: any number"},
    {"request-timeout", "HERALD_REQUEST_TIMEOUT", OPTION_DURATION, AT(request_timeout_ms), .fallback = "20s",
     .min = SECOND, .max = HOUR, .value = "TIME", SERVES,
     .help = "how long a request may take to come in, unless it brings 1 KiB a second"},
    {"idle-timeout", "HERALD_IDLE_TIMEOUT", OPTION_DURATION, AT(idle_timeout_ms), .fallback = "2m", .min = SECOND,
     .max = HOUR, .value = "TIME", SERVES,
     .help = "how long a connection may be open without a whole request's headers"},
    {"max-connections", "HERALD_MAX_CONNECTIONS", OPTION_NUMBER, AT(max_connections), .fallback = "20000", .min = 1,
     .max = 1000000, .value = "N", SERVES, .help = "connections at once; more wait until one closes"},
    {"templates", "HERALD_TEMPLATES", OPTION_TEXT, AT(templates), .value = "FOLDER", SERVES,
     .help = "templates that clients may name: NAME.json is NAME; read at the start and on SIGHUP"},
    {"spool-dir", "HERALD_SPOOL_DIR", OPTION_TEXT, AT(spool_dir), .value = "FOLDER", SERVES,
     .help = "where uploads and the results of streams are while they are needed; else $TMPDIR or /tmp"},
    {"max-upload", "HERALD_MAX_UPLOAD", OPTION_NUMBER, AT(max_upload), .fallback = "1073741824", .min = 1024,
     .max = INT64_C(1) << 44, .value = "BYTES", SERVES,
     .help = "of the upload of a campaign (more: 413), and of the results of a stream (more: 507)"},
};

struct option_set settings_set(struct settings *settings, enum settings_program program)
{
    return (struct option_set){"Settings", rows, sizeof(rows) / sizeof(rows[0]), settings, (unsigned)program};
}

/* The regions of the vendor's SDK (PureCloudRegionHosts). The list grows, so a domain is taken as it is. */
static const struct {
    const char *region, *domain;
} regions[] = {
    {"us-east-1", "mypurecloud.com"},         {"us-east-2", "use2.us-gov-pure.cloud"},
    {"us-west-2", "usw2.pure.cloud"},         {"ca-central-1", "cac1.pure.cloud"},
    {"eu-west-1", "mypurecloud.ie"},          {"eu-west-2", "euw2.pure.cloud"},
    {"eu-central-1", "mypurecloud.de"},       {"eu-central-2", "euc2.pure.cloud"},
    {"ap-southeast-2", "mypurecloud.com.au"}, {"ap-southeast-1", "apse1.pure.cloud"},
    {"ap-northeast-1", "mypurecloud.jp"},     {"ap-northeast-2", "apne2.pure.cloud"},
    {"ap-northeast-3", "apne3.pure.cloud"},   {"ap-south-1", "aps1.pure.cloud"},
    {"sa-east-1", "sae1.pure.cloud"},         {"me-central-1", "mec1.pure.cloud"},
    {"mx-central-1", "mxc1.pure.cloud"},      {"eusc-de-east-1", "edee1.eusc-pure.cloud"},
};

#define DOMAIN_MAX 200 /* characters; with `https://login.` it fits SETTINGS_URL_MAX */

static const char *region_domain(const char *name)
{
    static const char domain_chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";

    for (size_t i = 0; i < sizeof(regions) / sizeof(regions[0]); i++) {
        if (strcmp(regions[i].region, name) == 0)
            return regions[i].domain;
    }
    if (strlen(name) > DOMAIN_MAX || strspn(name, domain_chars) != strlen(name))
        return NULL;
    return strchr(name, '.') ? name : NULL;
}

/* Copies a base URL without the slash at its end. */
static int base_url(char out[SETTINGS_URL_MAX], const char *url, const char *flag, struct reason *why)
{
    size_t len = strlen(url), scheme = strncmp(url, "https://", 8) == 0 ? 8 : 7;

    while (len > 0 && url[len - 1] == '/')
        len--;
    if ((scheme == 7 && strncmp(url, "http://", 7) != 0) || len <= scheme || len >= SETTINGS_URL_MAX) {
        reason_set(why, "--%s must be a URL such as https://api.mypurecloud.com", flag);
        return ERR_INVALID;
    }
    memcpy(out, url, len);
    out[len] = '\0';
    return 0;
}

int settings_urls(const struct settings *settings, char api[SETTINGS_URL_MAX], char login[SETTINGS_URL_MAX],
                  struct reason *why)
{
    const char *domain = settings->region ? region_domain(settings->region) : NULL;

    if (!domain && (!settings->api_url || !settings->login_url)) {
        reason_set(why, "--region: `%.60s` is neither a known region nor a domain",
                   settings->region ? settings->region : "");
        return ERR_INVALID;
    }
    if (domain) {
        (void)snprintf(api, SETTINGS_URL_MAX, "https://api.%s", domain);
        (void)snprintf(login, SETTINGS_URL_MAX, "https://login.%s", domain);
    }
    if (settings->api_url && base_url(api, settings->api_url, "api-url", why) != 0)
        return ERR_INVALID;
    if (settings->login_url && base_url(login, settings->login_url, "login-url", why) != 0)
        return ERR_INVALID;
    return 0;
}

bool settings_audit_stops(const struct settings *settings)
{
    return settings->audit_full && strcmp(settings->audit_full, "stop") == 0;
}

struct span settings_webhook_secret(const struct settings *settings, size_t index)
{
    static const char blanks[] = " \t\r\n";
    const char *at = settings->webhook_secrets ? settings->webhook_secrets : "";
    struct span secret = {NULL, 0};

    for (size_t i = 0; i <= index; i++) {
        at += secret.len;
        at += strspn(at, blanks);
        secret = (struct span){at, strcspn(at, blanks)};
    }
    return secret.len > 0 ? secret : (struct span){NULL, 0};
}
