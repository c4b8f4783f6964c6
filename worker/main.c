/* herald-worker: takes messages off the lists of one organisation and sends them.
 *
 * Start: settings, connections checked, housekeeping, senders. Stop, on SIGTERM or SIGINT: senders take nothing more,
 * finish what is under way within --drain, give the rest back; the housekeeping ends when they have. A second signal
 * ends what is under way at once. Exit status: 0 done, 1 failed, 2 wrong use, 4 Redis out of reach at the start. */
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
#include "common/store.h"
#include "worker/crew.h"
#include "worker/housekeeping.h"
#include "worker/sender.h"

#define EXIT_DONE         0
#define EXIT_FAILED       1
#define EXIT_USAGE        2
#define EXIT_UNREACHABLE  4

#define START_PATIENCE_MS 5000

struct worker {
    struct settings settings;
    struct crew crew;
    struct token *token;
    struct housekeeping *keeping;
    struct sender *senders[CREW_THREADS_MAX];
    unsigned sender_count;
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
    return 0;
}

static void name_worker(struct crew *crew, const struct settings *settings)
{
    char host[24] = "";

    if (settings->worker_id) {
        (void)snprintf(crew->worker_id, sizeof(crew->worker_id), "%s", settings->worker_id);
        return;
    }
    if (gethostname(host, sizeof(host) - 1) != 0 || !id_is_valid(host, strlen(host)))
        (void)snprintf(host, sizeof(host), "worker");
    (void)snprintf(crew->worker_id, sizeof(crew->worker_id), "%s.%ld.%08" PRIx32, host, (long)getpid(),
                   (uint32_t)random_u64());
}

/* One look at Redis before anything starts, so that a wrong URL or password is said at once and not for ever. */
static int check_redis(const struct settings *settings, struct reason *why)
{
    struct store *store = NULL;
    int rc = store_open(&store, settings->redis_url, settings->org, why);

    if (rc == 0)
        rc = store_finish(store, 0, START_PATIENCE_MS, why);
    store_close(store);
    return rc;
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
    char login_url[SETTINGS_URL_MAX], token_url[SETTINGS_URL_MAX + 16];
    struct token_config token = {
        .url = token_url,
        .client_id = worker->settings.client_id,
        .client_secret = worker->settings.client_secret,
        .in_body = worker->settings.token_in_body,
    };

    if (settings_urls(&worker->settings, worker->crew.api_url, login_url, why) != 0)
        return ERR_INVALID;
    (void)snprintf(token_url, sizeof(token_url), "%s/oauth/token", login_url);
    worker->token = worker->crew.token = token_create(&token);
    if (housekeeping_open(&worker->keeping, &worker->crew, why) != 0)
        return ERR_INVALID;
    for (unsigned i = 0; i < (unsigned)worker->settings.threads; i++) {
        int rc = sender_start(&worker->senders[i], &worker->crew, i, why);

        if (rc != 0)
            return rc;
        worker->sender_count++;
    }
    return 0;
}

static size_t stop(struct worker *worker)
{
    size_t lost = 0;

    atomic_store(&worker->crew.is_stopping, true);
    for (unsigned i = 0; i < worker->sender_count; i++)
        lost += sender_join(worker->senders[i]);
    return lost;
}

static int run(struct worker *worker)
{
    struct reason why = {""};
    pthread_t signals;
    size_t lost;
    int rc;

    crew_init(&worker->crew, &worker->settings, NULL);
    name_worker(&worker->crew, &worker->settings);
    rc = start(worker, &why);
    if (rc == 0 && pthread_create(&signals, NULL, wait_for_signals, worker) != 0) {
        reason_set(&why, "the system gives no more threads");
        rc = ERR_LIMIT;
    }
    if (rc == 0) {
        log_info("ready", LOG_TEXT("worker", worker->crew.worker_id), LOG_TEXT("org", worker->settings.org),
                 LOG_NUMBER("threads", worker->settings.threads), LOG_NUMBER("in_flight", worker->settings.in_flight));
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
    housekeeping_close(worker->keeping);
    token_destroy(worker->token);
    crew_clear(&worker->crew);
    log_info("stopped");
    return rc == 0 && lost == 0 ? EXIT_DONE : EXIT_FAILED;
}

static int usage(const struct reason *why)
{
    (void)fprintf(stderr, "herald-worker: %s\n", why->text);
    return EXIT_USAGE;
}

static int prepare_and_run(struct worker *worker)
{
    struct reason why = {""};
    int rc;

    log_init("herald-worker", worker->settings.log_level, worker->settings.log_format);
    if (check_settings(&worker->settings, &why) != 0)
        return usage(&why);
    (void)signal(SIGPIPE, SIG_IGN); /* a closed connection is an error of its write, not the end of us */
    (void)sigemptyset(&worker->signals);
    (void)sigaddset(&worker->signals, SIGTERM);
    (void)sigaddset(&worker->signals, SIGINT);
    (void)sigaddset(&worker->signals, SIGUSR1);
    (void)pthread_sigmask(SIG_BLOCK, &worker->signals, NULL); /* inherited by every thread */
    rc = check_redis(&worker->settings, &why);
    if (rc == ERR_INVALID)
        return usage(&why);
    if (rc != 0) {
        (void)fprintf(stderr, "herald-worker: %s. Is it running, and is --redis (HERALD_REDIS_URL) right?\n", why.text);
        return EXIT_UNREACHABLE;
    }
    if (http_global_init(&why) != 0)
        return usage(&why);
    rc = run(worker);
    http_global_clear();
    return rc;
}

int main(int argc, char **argv)
{
    struct worker *worker = mem_zalloc(1, sizeof(*worker));
    const struct option_set set = settings_set(&worker->settings, SETTINGS_WORKER);
    struct option_words words;
    struct reason why = {""};
    int rc = EXIT_DONE;

    if (options_load(&set, 1, argc - 1, argv + 1, &words, &why) != 0) {
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
    options_clear(&set, 1);
    free(worker);
    return rc;
}
