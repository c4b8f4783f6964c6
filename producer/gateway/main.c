/* herald-gateway: other services enqueue here over HTTP, and Genesys delivers its receipts here.
 *
 * Says yes only to what is in Redis. SIGHUP: reads --templates, clients and secrets again. Stop, on SIGTERM or SIGINT:
 * no new connections, requests under way are finished within --drain; a second signal ends them at once (they are
 * answered 503). Exit status: 0 done, 1 failed, 2 wrong use, 4 Redis out of reach at the start. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "common/store_server.h"
#include "producer/command.h"
#include "producer/gateway/meters.h"
#include "producer/gateway/server.h"
#include "producer/gateway/spool.h"
#include "producer/gateway/templates.h"
#include "producer/gateway/vitals.h"

static int usage(const char *reason)
{
    (void)fprintf(stderr, "herald-gateway: %s\n", reason);
    return EXIT_USAGE;
}

static void print_help(const struct option_set *set)
{
    (void)printf("Usage: herald-gateway [OPTION]...\n\n"
                 "Takes messages for the lists in Redis over HTTP (docs/openapi.json) and the receipts that Genesys\n"
                 "delivers. Clients need a token: herald client new NAME. Start as many as you like, behind a proxy\n"
                 "that does TLS. Stop with SIGTERM: requests under way are finished (--drain).\n");
    options_help(stdout, set, 1);
}

static void read_again(struct gateway *gateway)
{
    struct reason why = {""};

    if (keyring_reload(gateway->keyring, &why) == 0)
        log_info("clients and secrets read again",
                 LOG_NUMBER("clients", (int64_t)keyring_now(gateway->keyring)->clients.count));
    else
        log_error("clients and secrets not read again, the old ones stay", LOG_TEXT("reason", why.text));

    if (templates_reload(gateway->templates, &why) == 0)
        log_info("templates read again", LOG_NUMBER("templates", (int64_t)templates_count(gateway->templates)));
    else
        log_error("templates not read again, the old ones stay", LOG_TEXT("reason", why.text));
}

static void wait_for_stop(struct gateway *gateway, struct server *server, const sigset_t *signals)
{
    int number = 0;

    while (sigwait(signals, &number) != 0 || number == SIGHUP) {
        if (number == SIGHUP)
            read_again(gateway);
    }
    log_info("stopping", LOG_TEXT("signal", strsignal(number)));
    atomic_store(&gateway->is_stopping, true);
    server_wake(server);
}

struct hurry {
    struct gateway *gateway;
    struct server *server;
    const sigset_t *signals;
    atomic_bool is_over;
};

static void *wait_for_hurry(void *argument)
{
    struct hurry *hurry = argument;
    int number = 0;

    do {
        if (sigwait(hurry->signals, &number) != 0)
            return NULL;
    } while (number == SIGHUP); /* there is nothing left to read again for */
    if (!atomic_load(&hurry->is_over)) {
        atomic_store(&hurry->gateway->is_hurried, true);
        server_wake(hurry->server);
    }
    return NULL;
}

static int explain_start(int rc, const struct reason *why)
{
    if (rc != ERR_UNREACHABLE && rc != ERR_DENIED) {
        (void)fprintf(stderr, "herald-gateway: %s\n", why->text);
        return rc == ERR_INVALID ? EXIT_USAGE : EXIT_FAILED;
    }
    (void)fprintf(stderr, "herald-gateway: %s. Is Redis running, and is --redis (HERALD_REDIS_URL) right?\n",
                  why->text);
    return EXIT_UNREACHABLE;
}

static void announce(const struct gateway *gateway, const struct server *server)
{
    const struct keys *keys = keyring_now(gateway->keyring);
    struct reason why = {""};

    log_info("ready", LOG_NUMBER("port", server_port(server)), LOG_TEXT("org", gateway->settings->org),
             LOG_NUMBER("threads", gateway->settings->threads), LOG_NUMBER("clients", (int64_t)keys->clients.count));
    store_warn_of_risks(gateway->settings->redis_url, gateway->settings->org);
    if (keys->secrets.count == 0 && !gateway->takes_unsigned)
        log_warning("no receipts are taken: GENESYS_WEBHOOK_SECRET is not set");
    if (keys->clients.count == 0)
        log_warning("nobody may enqueue: there are no --clients");
    if (spool_probe(gateway->settings, &why) != 0)
        log_warning("uploads and streams will be refused", LOG_TEXT("reason", why.text));
}

/* Until it has been told to stop and has done so. */
static void run(struct gateway *gateway, struct server *server, const sigset_t *signals)
{
    struct hurry hurry = {.gateway = gateway, .server = server, .signals = signals};
    pthread_t hurrying;
    bool has_hurry;

    announce(gateway, server);
    wait_for_stop(gateway, server, signals);
    has_hurry = pthread_create(&hurrying, NULL, wait_for_hurry, &hurry) == 0; /* without it, --drain is waited for */
    server_join(server);
    if (has_hurry) {
        atomic_store(&hurry.is_over, true);
        (void)pthread_kill(hurrying, SIGUSR1); /* the thread is there until joined */
        (void)pthread_join(hurrying, NULL);
    }
}

/* What cannot go on is stopped as if it had been told to. */
static void give_up(struct gateway *gateway, struct server *server)
{
    atomic_store(&gateway->is_stopping, true);
    server_wake(server);
    server_join(server);
}

static int serve(struct gateway *gateway, const sigset_t *signals)
{
    struct server *server = NULL;
    struct admin *admin = NULL;
    struct vitals vitals = {.gateway = gateway};
    struct admin_config pages = vitals_of_gateway(&vitals);
    struct reason why = {""};
    int rc = admin_open(&admin, gateway->settings, &why);

    if (rc == 0)
        rc = server_start(&server, gateway, &why);
    vitals.server = server;
    if (rc == 0)
        rc = admin_run(admin, &pages, &why);
    if (rc == 0) {
        run(gateway, server, signals);
    } else {
        if (server)
            give_up(gateway, server);
        rc = explain_start(rc, &why);
    }
    admin_close(admin); /* before what it looks at */
    if (server)
        server_destroy(server); /* nobody is left who could wake it */
    log_finish();
    if (rc == EXIT_DONE)
        log_info("stopped");
    return rc;
}

/* Settings that must be understood before the first request. */
static int read_settings(struct gateway *gateway, struct reason *why)
{
    const struct settings *settings = gateway->settings;

    gateway->takes_unsigned = strcmp(settings->webhook_signatures, "off") == 0;
    if (callback_rules_init(&gateway->callbacks, settings->callback_hosts, settings->callback_private_hosts,
                            settings->callback_url, why) != 0)
        return ERR_INVALID;
    return templates_open(&gateway->templates, settings, why);
}

static int prepare_and_serve(const struct settings *settings, int argc, char *const *argv, const sigset_t *signals)
{
    struct gateway *gateway = mem_zalloc(1, sizeof(*gateway));
    struct reason why = {""};
    int rc;

    log_init("herald-gateway", settings->log_level, settings->log_format);
    (void)signal(SIGPIPE, SIG_IGN); /* a closed connection is an error of its write, not the end of us */
    gateway->settings = settings;
    gateway->metrics = meters_create_gateway();
    if (keyring_open(&gateway->keyring, argc, argv, &why) != 0 || read_settings(gateway, &why) != 0)
        rc = usage(why.text);
    else
        rc = serve(gateway, signals);
    templates_close(gateway->templates);
    keyring_close(gateway->keyring);
    metrics_destroy(gateway->metrics);
    free(gateway);
    return rc;
}

int main(int argc, char **argv)
{
    struct settings settings = {.org = NULL};
    const struct option_set set = settings_set(&settings, SETTINGS_GATEWAY);
    struct option_words words;
    struct reason why = {""};
    sigset_t signals;
    int rc = EXIT_DONE;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGHUP);
    (void)sigaddset(&signals, SIGUSR1);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL); /* from the first moment, and inherited by every thread */
    if (options_load(&set, 1, argc - 1, argv + 1, &words, &why) != 0)
        rc = usage(why.text);
    else if (words.wants_help)
        print_help(&set);
    else if (words.wants_version)
        (void)printf("herald-gateway %s\n", HERALD_VERSION);
    else if (words.count > 0)
        rc = usage("there are only options; see --help");
    else
        rc = prepare_and_serve(&settings, argc - 1, argv + 1, &signals);
    options_clear(&set, 1);
    return rc;
}
