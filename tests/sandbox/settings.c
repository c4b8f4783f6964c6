/* The command line, from one table that also prints --help. Every value is checked for its range before anything runs.
 */
#include "tests/sandbox/settings.h"
#include "tests/sandbox/knob.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum kind { KIND_STRING, KIND_INT, KIND_FLAG, KIND_AUTH, KIND_LATENCY, KIND_RATE, KIND_WIDTH, KIND_FORM };

#define AT(field)     offsetof(struct settings, field)
#define MEBIBYTE      (1024LL * 1024)
#define FAULT_OPTION  "--fault-"
#define LEDGER_DEMAND 5000000
#define EVENTS_DEMAND 2000000

static const struct option {
    const char *name;
    const char *value; /* as shown in --help */
    enum kind kind;
    size_t at;
    int64_t least;
    int64_t most;
    const char *help;
} options[] = {
    {"--host", "ADDRESS", KIND_STRING, AT(host), 0, 0, "address to listen on (127.0.0.1)"},
    {"--port", "N", KIND_INT, AT(port), 0, 65535, "port; 0 picks a free one (0)"},
    {"--port-file", "FILE", KIND_STRING, AT(port_file), 0, 0, "write the port there once ready"},
    {"--tls-cert", "FILE", KIND_STRING, AT(tls_cert), 0, 0, "serve HTTPS with this PEM certificate"},
    {"--tls-key", "FILE", KIND_STRING, AT(tls_key), 0, 0, "and this PEM key"},
    {"--threads", "N", KIND_INT, AT(threads), 1, 64, "threads that serve; a connection stays with one (1)"},
    {"--client-id", "ID", KIND_STRING, AT(client_id), 0, 0, "OAuth client (sandbox)"},
    {"--client-secret", "SECRET", KIND_STRING, AT(client_secret), 0, 0, "its secret (sandbox-secret)"},
    {"--token-auth", "basic|body|both", KIND_AUTH, AT(token_auth), 0, 0, "where credentials are taken from (both)"},
    {"--token-seconds", "N", KIND_INT, AT(tuning.token_seconds), 1, TUNING_TOKEN_SECONDS_MAX,
     "life of a token (86400)"},
    {"--token-latency", "TIME", KIND_LATENCY, AT(tuning.token_latency), 0, 0, "delay of a token answer (0)"},
    {"--rate", "L/Ws", KIND_RATE, AT(tuning.rate), 0, 0, "refuse more than L sends in any W seconds (unlimited)"},
    {"--retry-after-form", "seconds|date", KIND_FORM, AT(tuning.retry_as_date), 0, 0, "form of Retry-After (seconds)"},
    {"--observe-window", "TIME", KIND_WIDTH, AT(tuning.observe.width_us), 1000, UNITS_DAY_US,
     "report the most sends of any window this wide as max_in_window"},
    {"--latency", "TIME", KIND_LATENCY, AT(tuning.latency), 0, 0,
     "delay of every send answer: 50ms, normal:50ms:10ms, uniform:10ms:90ms, exp:40ms (0)"},
    {"--seed", "N", KIND_INT, AT(seed), 0, INT64_MAX, "seed of faults and latencies (1)"},
    {"--fault-first", "N", KIND_INT, AT(tuning.fault_first), 0, INT64_MAX, "fault only the first N sends; 0: all (0)"},
    {"--keep-texts", NULL, KIND_FLAG, AT(keep_texts), 0, 0, "keep the texts in the ledger, not only their SHA-256"},
    {"--ledger-max", "N", KIND_INT, AT(ledger_max), 1, 1000000000, "most ledger entries; then sends get 503 (5000000)"},
    {"--ledger-bytes", "N", KIND_INT, AT(ledger_bytes), MEBIBYTE, 1024 * 1024 * MEBIBYTE,
     "most ledger memory; then sends get 503 (2147483648)"},
    {"--webhook-secret", "SECRET", KIND_STRING, AT(webhook_secret), 0, 0,
     "sign what webhooks get with it, by HMAC-SHA256 (no signature)"},
    {"--events-max", "N", KIND_INT, AT(events_max), 1, 1000000000,
     "most events of receipts; then sends that want some get 503 (2000000)"},
    {"--events-bytes", "N", KIND_INT, AT(events_bytes), MEBIBYTE, 1024 * 1024 * MEBIBYTE,
     "most memory of events; then sends that want some get 503 (1073741824)"},
};

#define OPTION_COUNT (sizeof options / sizeof options[0])

static void print_help(void)
{
    char left[64];
    puts("usage: herald-sandbox [--FLAG VALUE]...\n\n"
         "A stand-in for the Genesys Cloud messaging API: OAuth tokens, three ways to send, a rate window,\n"
         "faults on request, and a ledger of every message it accepted. Prints one line with its address\n"
         "once it is ready; SIGTERM ends it.\n");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        (void)snprintf(left, sizeof left, "%s %s", options[i].name, options[i].value == NULL ? "" : options[i].value);
        printf("  %-34s %s\n", left, options[i].help);
    }
    puts("\nFaults strike a send with probability RATE (0..1; together at most 1):\n");
    for (int i = 0; i < FAULT_COUNT; i++) {
        (void)snprintf(left, sizeof left, FAULT_OPTION "%s RATE", fault_name((enum fault)i));
        printf("  %-34s %s\n", left, fault_help((enum fault)i));
    }
    puts("\nStatuses and receipts (whoever registers a webhook is told of every accepted message):\n");
    knob_print_help();
    puts("\nAPI (bearer token needed, except for the first):\n"
         "  POST /oauth/token                              client_credentials\n"
         "  POST /api/v2/conversations/messages/agentless  the real API\n"
         "  POST /api/v2/messaging/messages                tutorial\n"
         "  POST /api/v2/conversations/{id}/messages       tutorial (bot)\n"
         "  GET  /api/v2/conversations/messages/{conversation}/messages/{id}   its status\n"
         "  POST /api/v2/conversations/messages/{conversation}/messages/bulk   those of at most 1000 ids\n"
         "  GET  /api/v2/messaging/messages?status=&createdDate=&pageSize=&pageNumber=   tutorial: what was accepted\n"
         "  POST /api/v2/analytics/conversations/details/query                 the real one, with interval and paging\n"
         "  GET|POST /api/v2/webhooks, DELETE /api/v2/webhooks/{id}            tutorial: events of all messages\n"
         "  GET|POST /api/v2/conversations/messaging/integrations/open         and GET|PATCH|DELETE .../{id}:\n"
         "                                                 notifications of messages sent from that integration\n\n"
         "Control (no token):\n"
         "  GET  /sandbox/ledger[?from=SEQ][&limit=N]      accepted messages as JSON lines\n"
         "  GET  /sandbox/ledger?summary=1                 counts, duplicates, statuses, faults, receipts\n"
         "  GET  /sandbox/events[?from=SEQ][&limit=N]      what receivers were told and what they answered\n"
         "  GET|POST /sandbox/config   "
         "{\"latency\":\"50ms\",\"rate\":\"300/60s\",\"faults\":{\"429\":0.1},\"outage\":true,\n"
         "                              \"revoke_tokens\":true,\"webhook_secret\":\"...\",\"seed\":1,...}: changes "
         "only what it "
         "names\n"
         "  GET|POST /sandbox/script   [{\"match\":{\"to\":\"+13175550199\"},\"times\":2,\"do\":\"500\"},...]: "
         "replaces all steps\n"
         "                             match: to from channel request_id route; do: a fault, ok, 202, or a status;\n"
         "                             times 0: for ever; retry_after, delay_ms, accept, status, code, message,\n"
         "                             failure: the code with which the message is not delivered; the routes token,\n"
         "                             status, webhooks and report are matched only by name\n"
         "  POST /sandbox/reset        clears ledger, events and counters; tokens, webhooks, script and settings stay");
}

static int set_auth(const char *value, void *at)
{
    static const char *const names[] = {
        [TOKEN_AUTH_BOTH] = "both", [TOKEN_AUTH_BASIC] = "basic", [TOKEN_AUTH_BODY] = "body"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(value, names[i]) == 0) {
            *(enum token_auth *)at = (enum token_auth)i;
            return 0;
        }
    }
    return -1;
}

static int set_value(const struct option *option, const char *value, struct settings *settings)
{
    void *at = (char *)settings + option->at;
    switch (option->kind) {
    case KIND_STRING:
        *(const char **)at = value;
        return value[0] == '\0' ? -1 : 0;
    case KIND_INT:
        return units_parse_int(value, option->least, option->most, at);
    case KIND_FLAG:
        *(bool *)at = true;
        return 0;
    case KIND_AUTH:
        return set_auth(value, at);
    case KIND_LATENCY:
        return latency_parse(value, at);
    case KIND_RATE:
        return units_parse_rate(value, at);
    case KIND_WIDTH:
        return units_parse_duration(value, option->least, option->most, at);
    case KIND_FORM:
        *(bool *)at = strcmp(value, "date") == 0;
        return *(bool *)at || strcmp(value, "seconds") == 0 ? 0 : -1;
    }
    return -1;
}

/* find_option: a row of the table, or NULL with *ret_fault set if the name is that of a fault (FAULT_COUNT if not) and
 * *ret_knob if it is that of a knob (NULL if not). */
static const struct option *find_option(const char *name, enum fault *ret_fault, const struct knob **ret_knob)
{
    *ret_fault = FAULT_COUNT;
    *ret_knob = strncmp(name, "--", 2) == 0 ? knob_find(name + 2) : NULL;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (strcmp(name, options[i].name) == 0) {
            return &options[i];
        }
    }
    if (strncmp(name, FAULT_OPTION, strlen(FAULT_OPTION)) == 0) {
        *ret_fault = fault_find(name + strlen(FAULT_OPTION));
    }
    return NULL;
}

static int complain(const char *what, const char *name)
{
    (void)fprintf(stderr, "herald-sandbox: %s %s (--help lists the flags)\n", what, name);
    return -1;
}

/* read_one: takes argv[*at] and its value, "--name value" or "--name=value"; moves *at on. */
static int read_one(int argc, char **argv, int *at, struct settings *settings)
{
    char name[64];
    const char *argument = argv[(*at)++];
    size_t length = strcspn(argument, "=");
    const char *value = argument[length] == '=' ? argument + length + 1 : NULL;
    if (length >= sizeof name) {
        return complain("unknown flag", argument);
    }
    memcpy(name, argument, length);
    name[length] = '\0';
    enum fault fault;
    const struct knob *knob = NULL;
    const struct option *option = find_option(name, &fault, &knob);
    if (option == NULL && knob == NULL && fault == FAULT_COUNT) {
        return complain("unknown flag", name);
    }
    if (option != NULL && option->kind == KIND_FLAG) {
        return value == NULL ? set_value(option, "", settings) : complain("no value is taken by", name);
    }
    if (value == NULL && *at < argc) {
        value = argv[(*at)++];
    }
    if (value == NULL) {
        return complain("a value is missing after", name);
    }
    int result = option != NULL ? set_value(option, value, settings)
                 : knob != NULL ? knob_set(knob, value, &settings->tuning)
                                : units_parse_fraction(value, &settings->tuning.faults[fault]);
    return result == 0 ? 0 : complain("bad value for", name);
}

enum settings_result settings_read(int argc, char **argv, struct settings *ret_settings)
{
    struct settings settings = {
        .host = "127.0.0.1",
        .threads = 1,
        .client_id = "sandbox",
        .client_secret = "sandbox-secret",
        .webhook_secret = "",
        .seed = 1,
        .ledger_max = LEDGER_DEMAND,
        .ledger_bytes = 2048 * MEBIBYTE,
        .events_max = EVENTS_DEMAND,
        .events_bytes = 1024 * MEBIBYTE,
    };
    tuning_init(&settings.tuning);
    for (int at = 1; at < argc;) {
        if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0) {
            print_help();
            return SETTINGS_HELP;
        }
        if (read_one(argc, argv, &at, &settings) != 0) {
            return SETTINGS_WRONG;
        }
    }
    if (!tuning_is_sane(&settings.tuning)) {
        (void)complain("more than 1 is the sum of the", "--fault-... rates");
        return SETTINGS_WRONG;
    }
    if ((settings.tls_cert == NULL) != (settings.tls_key == NULL)) {
        (void)complain("needed together:", "--tls-cert and --tls-key");
        return SETTINGS_WRONG;
    }
    *ret_settings = settings;
    return SETTINGS_RUN;
}
