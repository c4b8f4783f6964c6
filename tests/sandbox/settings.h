#ifndef SANDBOX_SETTINGS_H
#define SANDBOX_SETTINGS_H

#include "tests/sandbox/tuning.h"

/* Which form of client credentials the token endpoint takes. */
enum token_auth { TOKEN_AUTH_BOTH, TOKEN_AUTH_BASIC, TOKEN_AUTH_BODY };

/* The command line. Strings are borrowed from argv. */
struct settings {
    const char *host;
    int64_t port;
    const char *port_file;
    const char *tls_cert;
    const char *tls_key;
    int64_t threads;
    const char *client_id;
    const char *client_secret;
    const char *webhook_secret; /* "" for none */
    enum token_auth token_auth;
    int64_t seed;
    int64_t ledger_max;
    int64_t ledger_bytes;
    int64_t events_max;
    int64_t events_bytes;
    bool keep_texts;
    struct tuning tuning; /* where it starts */
};

enum settings_result { SETTINGS_RUN, SETTINGS_HELP, SETTINGS_WRONG };

/* settings_read: SETTINGS_HELP after printing help to stdout, SETTINGS_WRONG after saying what is wrong on stderr. */
enum settings_result settings_read(int argc, char **argv, struct settings *ret_settings);

#endif
