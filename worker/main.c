/* herald-worker: takes messages off the lists of one organisation and sends them.
 *
 * Start: settings, connections checked, housekeeping, senders. Stop, on SIGTERM or SIGINT: senders take nothing more,
 * finish what is under way within --drain, give the rest back; the housekeeping ends when they have. A second signal
 * ends what is under way at once. SIGHUP reads
 * settings and secrets again. Exit status: 0 done, 1 failed, 2 wrong use, 4 Redis out of reach at the start. */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/ids.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/settings.h"
#include "common/store_server.h"
#include "worker/callbacks.h"
#include "worker/crew.h"
#include "worker/housekeeping.h"
#include "worker/identity.h"
#include "worker/meters.h"
#include "worker/poller.h"
#include "worker/sender.h"
#include "worker/vitals.h"

#define EXIT_DONE        0
#define EXIT_FAILED      1
#define EXIT_USAGE       2
#define EXIT_UNREACHABLE 4

/* The settings in force, and those before them. */
struct generation {
    struct settings settings;
    struct generation *older;
};

struct worker {
    struct generation *generation;
    int argc;
    char *const *argv; /* without the program's name */
    struct crew crew;
    struct admin *admin; /* NULL: it has no pages */
    struct token *token;
    struct housekeeping *keeping;
    struct sender *senders[CREW_THREADS_MAX];
    unsigned sender_count;
    struct poller *poller; /* NULL: nobody asks for statuses */
    struct callbacks *callbacks;
    sigset_t signals;
};

static void print_help(const struct option_set *set)
{
    (void)printf("Usage: herald-worker [OPTION]...\n\n"
                 "Takes messages off the lists in Redis and sends them through Genesys Cloud, within the\n"
                 "organisation's rate window. Start as many as you like, on as many machines.\n"
                 "Stop with SIGTERM: what is under way is finished (--drain), the rest goes back.\n");
    options_help(stdout, set, 1);
}

/* Settings that are each right and together wrong. */
static int check_settings(const struct settings *settings, struct reason *why)
{
    char api_url[SETTINGS_URL_MAX], login_url[SETTINGS_URL_MAX];

    if (!settings->client_id || !settings->client_secret) {
        reason_set(why, "GENESYS_CLIENT_ID and GENESYS_CLIENT_SECRET must be set (or the files that their _FILE name)");
        return ERR_INVALID;
    }
    if (settings_urls(settings, api_url, login_url, why) != 0)
        return ERR_INVALID;
    if (settings->lease_ms <= settings->timeout_ms) {
        reason_set(why,
                   "--lease must be longer than --timeout: a worker would lose its messages while it still waits for "
                   "their answers");
        return ERR_INVALID;
    }
    if (settings->worker_id && (!id_is_valid(settings->worker_id, strlen(settings->worker_id)) ||
                                strlen(settings->worker_id) >= sizeof(((struct crew *)0)->worker_id))) {
        reason_set(why, "--worker-id must be 1 to 63 letters, digits and . _ : -");
        return ERR_INVALID;
    }
    return callbacks_check_settings(settings, why);
}

/* SIGHUP: the files and the command line are read again. What threads were made of (their number, addresses, time-outs,
 * names) stays as it is until the next start; everything else counts from now on. Settings that are no longer in force
 * are kept until the end, since a sender may be reading them. */
static void reload(struct worker *worker)
{
    struct generation *next = mem_zalloc(1, sizeof(*next));
    const struct settings *now = &worker->generation->settings;
    const struct option_set set = settings_set(&next->settings, SETTINGS_WORKER);
    struct option_words words;
    struct reason why = {""};

    if (options_load(&set, 1, worker->argc, worker->argv, &words, &why) != 0 ||
        check_settings(&next->settings, &why) != 0) {
        log_error("settings not read again; the old ones stay in force", LOG_TEXT("reason", why.text));
        options_clear(&set, 1);
        free(next);
        return;
    }
    next->settings.threads = now->threads;
    next->settings.in_flight = now->in_flight;
    next->settings.lease_ms = now->lease_ms;
    next->settings.timeout_ms = now->timeout_ms;
    next->settings.connect_timeout_ms = now->connect_timeout_ms;
    next->settings.poll_status = now->poll_status;
    next->settings.poll_first_ms = now->poll_first_ms;
    next->settings.poll_age_ms = now->poll_age_ms;
    next->settings.callback_timeout_ms = now->callback_timeout_ms;
    next->settings.callback_in_flight = now->callback_in_flight;
    next->older = worker->generation;
    worker->generation = next;
    worker->crew.settings = &next->settings;
    log_set_level(next->settings.log_level);
    token_set_credentials(worker->token, next->settings.client_id, next->settings.client_secret);
    log_info("settings read again");
    crew_wake_all(&worker->crew);
}

static void *wait_for_signals(void *argument)
{
    struct worker *worker = argument;
    int number;

    while (sigwait(&worker->signals, &number) == 0) {
        if (number == SIGUSR1) { /* ours at the end; anybody else's means nothing */
            if (atomic_load(&worker->crew.running) == 0)
                break;
            continue;
        }
        if (number == SIGHUP) {
            reload(worker);
            continue;
        }
        if (atomic_load(&worker->crew.is_stopping))
            atomic_store(&worker->crew.is_hurried, true);
        atomic_store(&worker->crew.is_stopping, true);
        log_info("stopping", LOG_TEXT("signal", strsignal(number)));
        crew_wake_all(&worker->crew);
    }
    return NULL;
}

static int start(struct worker *worker, struct reason *why)
{
    const struct settings *settings = &worker->generation->settings;
    char login_url[SETTINGS_URL_MAX], token_url[SETTINGS_URL_MAX + 16];
    struct token_config token = {
        .url = token_url,
        .client_id = settings->client_id,
        .client_secret = settings->client_secret,
        .in_body = settings->token_in_body,
    };

    (void)settings_urls(settings, worker->crew.api_url, login_url, why); /* checked before */
    (void)snprintf(token_url, sizeof(token_url), "%s" OAUTH_PATH, login_url);
    worker->token = worker->crew.token = token_create(&token);
    if (housekeeping_open(&worker->keeping, &worker->crew, why) != 0)
        return ERR_INVALID;
    for (unsigned i = 0; i < (unsigned)settings->threads; i++) {
        int rc = sender_start(&worker->senders[i], &worker->crew, i, why);

        if (rc != 0)
            return rc;
        worker->sender_count++;
    }
    if (settings->poll_status && poller_start(&worker->poller, &worker->crew, why) != 0)
        return ERR_LIMIT;
    return callbacks_start(&worker->callbacks, &worker->crew, why);
}

static int show(struct worker *worker, struct reason *why)
{
    struct admin_config pages = vitals_of_worker(&worker->crew);

    return admin_run(worker->admin, &pages, why);
}

static size_t stop(struct worker *worker)
{
    size_t lost = 0;

    atomic_store(&worker->crew.is_stopping, true);
    for (unsigned i = 0; i < worker->sender_count; i++)
        lost += sender_join(worker->senders[i]);
    poller_join(worker->poller);
    callbacks_join(worker->callbacks);
    return lost;
}

static int run(struct worker *worker)
{
    const struct settings *settings = &worker->generation->settings;
    struct reason why = {""};
    pthread_t signals;
    size_t lost;
    int rc;

    rc = start(worker, &why);
    if (rc == 0)
        rc = show(worker, &why);
    if (rc == 0 && pthread_create(&signals, NULL, wait_for_signals, worker) != 0) {
        reason_set(&why, "the system gives no more threads");
        rc = ERR_LIMIT;
    }
    if (rc == 0) {
        log_info("ready", LOG_TEXT("worker", worker->crew.worker_id), LOG_TEXT("org", settings->org),
                 LOG_NUMBER("threads", settings->threads), LOG_NUMBER("in_flight", settings->in_flight));
        housekeeping_run(worker->keeping);
        (void)pthread_kill(signals, SIGUSR1); /* ends wait_for_signals; the thread is there until joined */
        (void)pthread_join(signals, NULL);
    } else {
        log_error("cannot start", LOG_TEXT("reason", why.text));
    }
    lost = stop(worker);
    if (lost > 0)
        log_error("outcomes could not be recorded: Redis is away; their messages stay in flight",
                  LOG_NUMBER("count", (int64_t)lost));
    admin_close(worker->admin); /* before what it looks at */
    worker->admin = NULL;
    housekeeping_close(worker->keeping);
    token_destroy(worker->token);
    crew_clear(&worker->crew);
    log_finish();
    log_info("stopped");
    return rc == 0 && lost == 0 ? EXIT_DONE : EXIT_FAILED;
}

static int usage(const struct reason *why)
{
    (void)fprintf(stderr, "herald-worker: %s\n", why->text);
    return EXIT_USAGE;
}

/* Blocked from the first moment on, so that a signal during the start is an order to stop and not a sudden end. */
static void block_signals(struct worker *worker)
{
    (void)sigemptyset(&worker->signals);
    (void)sigaddset(&worker->signals, SIGTERM);
    (void)sigaddset(&worker->signals, SIGINT);
    (void)sigaddset(&worker->signals, SIGHUP);
    (void)sigaddset(&worker->signals, SIGUSR1);
    (void)pthread_sigmask(SIG_BLOCK, &worker->signals, NULL); /* inherited by every thread */
}

static int explain_start(int rc, const struct reason *why)
{
    if (rc == ERR_INVALID)
        return usage(why);
    if (rc == ERR_IO) {
        (void)fprintf(stderr, "herald-worker: %s\n", why->text);
        return EXIT_FAILED;
    }
    (void)fprintf(stderr, "herald-worker: %s. Is it running, and is --redis (HERALD_REDIS_URL) right?\n", why->text);
    return EXIT_UNREACHABLE;
}

static int prepare_and_run(struct worker *worker)
{
    const struct settings *settings = &worker->generation->settings;
    char login_url[SETTINGS_URL_MAX];
    struct reason why = {""};
    int rc;

    log_init("herald-worker", settings->log_level, settings->log_format);
    if (check_settings(settings, &why) != 0)
        return usage(&why);
    (void)signal(SIGPIPE, SIG_IGN); /* a closed connection is an error of its write, not the end of us */
    crew_init(&worker->crew, settings, NULL);
    if (settings_urls(settings, worker->crew.api_url, login_url, &why) != 0)
        return usage(&why);
    worker->crew.metrics = meters_create();
    identity_choose(&worker->crew, settings);
    rc = admin_open(&worker->admin, settings, &why);
    if (rc == 0)
        rc = identity_join(&worker->crew, settings, &why);
    if (rc == 0 && http_global_init(&why) != 0)
        rc = ERR_INVALID;
    if (rc == 0) {
        store_warn_of_risks(settings->redis_url, settings->org);
        rc = run(worker);
        http_global_clear();
    } else {
        rc = explain_start(rc, &why);
    }
    admin_close(worker->admin);
    metrics_destroy(worker->crew.metrics);
    return rc;
}

static void clear_generations(struct generation *generation)
{
    while (generation) {
        struct generation *older = generation->older;
        const struct option_set set = settings_set(&generation->settings, SETTINGS_WORKER);

        options_clear(&set, 1);
        free(generation);
        generation = older;
    }
}

int main(int argc, char **argv)
{
    struct worker *worker = mem_zalloc(1, sizeof(*worker));
    struct option_set set;
    struct option_words words;
    struct reason why = {""};
    int rc = EXIT_DONE;

    block_signals(worker);
    worker->generation = mem_zalloc(1, sizeof(*worker->generation));
    worker->argc = argc - 1;
    worker->argv = argv + 1;
    set = settings_set(&worker->generation->settings, SETTINGS_WORKER);
    if (options_load(&set, 1, worker->argc, worker->argv, &words, &why) != 0) {
        rc = usage(&why);
    } else if (words.wants_help) {
        print_help(&set);
    } else if (words.wants_version) {
        (void)printf("herald-worker %s\n", HERALD_VERSION);
    } else if (words.count > 0) {
        reason_set(&why, "`%.60s` is too much: there are only options; see --help", words.words[0]);
        rc = usage(&why);
    } else {
        rc = prepare_and_run(worker);
    }
    clear_generations(worker->generation);
    free(worker);
    return rc;
}
