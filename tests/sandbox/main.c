/* herald-sandbox: a faithful, fast and deliberately troublesome stand-in for the Genesys Cloud messaging API.
 *
 * It shares no code with Herald, so that a misreading of the API on one side shows on the other. This file puts the
 * parts together, says where it listens, and waits for a signal. */
#include "tests/sandbox/app.h"
#include "tests/sandbox/server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <curl/curl.h>
#include <openssl/rand.h>

/* write_port: the port and a newline, under its name only when it is complete. */
static int write_port(const char *path, int port)
{
    char temporary[4096];
    int length = snprintf(temporary, sizeof temporary, "%s.tmp", path);
    if (length < 0 || (size_t)length >= sizeof temporary) {
        return -1;
    }
    FILE *file = fopen(temporary, "we");
    if (file == NULL) {
        return -1;
    }
    bool written = fprintf(file, "%d\n", port) > 0;
    written &= fclose(file) == 0;
    return written && rename(temporary, path) == 0 ? 0 : -1;
}

static void raise_file_limit(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files); /* the old limit then bounds the connections: see server.c */
    }
}

static int app_init(struct app *app, const struct settings *settings)
{
    uint64_t chance = 0;
    app->settings = settings;
    app->tuner.now = settings->tuning;
    (void)pthread_rwlock_init(&app->tuner.lock, NULL); /* default attributes: cannot fail on Linux */
    app->tokens = tokens_create();
    app->window = window_create(settings->tuning.rate);
    app->observer = window_create(settings->tuning.observe);
    app->ledger = ledger_create(settings->ledger_max, settings->ledger_bytes, settings->keep_texts);
    app->script = script_create();
    app->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    app->hooks = hooks_create();
    app->events = events_create(settings->events_max, settings->events_bytes);
    bool random = RAND_bytes((unsigned char *)&chance, sizeof chance) == 1;
    dice_init(&app->name_dice, chance);
    if (app->hooks == NULL || app->events == NULL) {
        return -1;
    }
    hooks_set_secret(app->hooks, settings->webhook_secret, strlen(settings->webhook_secret));
    app->receipts = receipts_create(app->hooks, app->events, &app->tuner, &app->name_dice);
    if (app->receipts == NULL) {
        return -1;
    }
    app_seed(app, (uint64_t)settings->seed);
    return random && app->tokens != NULL && app->window != NULL && app->observer != NULL && app->ledger != NULL &&
                   app->script != NULL && app->sha256 != NULL
               ? 0
               : -1;
}

static void app_clear(struct app *app)
{
    receipts_destroy(app->receipts); /* its threads end before what they use */
    events_destroy(app->events);
    hooks_destroy(app->hooks);
    EVP_MD_free(app->sha256);
    script_destroy(app->script);
    ledger_destroy(app->ledger);
    window_destroy(app->observer);
    window_destroy(app->window);
    tokens_destroy(app->tokens);
    (void)pthread_rwlock_destroy(&app->tuner.lock);
}

/* announce: 0 once whoever started us can know where we listen. */
static int announce(const struct settings *settings, int port)
{
    bool needs_brackets = strchr(settings->host, ':') != NULL;
    if (settings->port_file != NULL && write_port(settings->port_file, port) != 0) {
        (void)fprintf(stderr, "herald-sandbox: cannot write %s\n", settings->port_file);
        return -1;
    }
    int written = printf("listening on %s://%s%s%s:%d\n", settings->tls_cert == NULL ? "http" : "https",
                         needs_brackets ? "[" : "", settings->host, needs_brackets ? "]" : "", port);
    return written > 0 && fflush(stdout) == 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
    struct app app = {0};
    struct settings settings;
    switch (settings_read(argc, argv, &settings)) {
    case SETTINGS_HELP:
        return 0;
    case SETTINGS_WRONG:
        return 2;
    case SETTINGS_RUN:
        break;
    }
    sigset_t stop;
    (void)sigemptyset(&stop);
    (void)sigaddset(&stop, SIGTERM);
    (void)sigaddset(&stop, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &stop, NULL); /* before the first thread, which inherits it */
    (void)signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        (void)fprintf(stderr, "herald-sandbox: libcurl cannot be initialised\n");
        return 1;
    }
    int status = 1;
    struct server *server = NULL;
    if (app_init(&app, &settings) != 0) {
        (void)fprintf(stderr, "herald-sandbox: out of memory or randomness\n");
    } else {
        server = server_start(&app, &settings);
    }
    if (server != NULL) {
        int number = 0;
        if (announce(&settings, server_port(server)) == 0 && sigwait(&stop, &number) == 0) {
            status = 0;
        }
        server_stop(server);
    }
    app_clear(&app);
    curl_global_cleanup();
    return status;
}
