#include "producer/checkup.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/fetch.h"
#include "common/mem.h"
#include "producer/status_report.h"
#include "producer/webhooks.h"

#define VERSION_LEAST     602  /* Redis 6.2 */
#define CLOCK_DOUBT_MS    1000 /* a step of less is not noticed: docs/architecture.md */
#define SLOW_ROUND_MS     100
#define MEMORY_WARN       90 /* per cent of maxmemory */
#define ADMIN_PATIENCE_MS 3000
#define HOST_MAX          260 /* a host's name and a port */
#define URL_MAX           (HOST_MAX + 16)
#define READY_PATH        "/readyz"
#define STATUS_READY      200

const char *health_name(enum health health)
{
    static const char *const names[HEALTH_COUNT] = {
        [HEALTH_GOOD] = "good", [HEALTH_UNKNOWN] = "unknown", [HEALTH_WARNING] = "warning",
        [HEALTH_BAD] = "bad",   [HEALTH_AWAY] = "away",
    };

    return names[health];
}

__attribute__((format(printf, 4, 5))) static void find(struct checkup *checkup, const char *what, enum health health,
                                                       const char *format, ...)
{
    struct finding *finding;
    va_list arguments;

    if (checkup->count == FINDINGS_MAX)
        return;
    finding = &checkup->findings[checkup->count++];
    finding->what = what;
    finding->health = health;
    va_start(arguments, format);
    (void)vsnprintf(finding->text.text, sizeof(finding->text.text), format, arguments);
    va_end(arguments);
}

static enum health health_of(int rc)
{
    return rc == 0 ? HEALTH_GOOD : rc == ERR_UNREACHABLE ? HEALTH_AWAY : HEALTH_BAD;
}

/* --- Redis itself --- */

static void look_at_version(struct checkup *checkup, const struct store_server *server)
{
    if (server->version_code == 0)
        find(checkup, "redis", HEALTH_UNKNOWN, "it answers, and may not be asked for its version (INFO)");
    else if (server->version_code < VERSION_LEAST)
        find(checkup, "redis", HEALTH_BAD, "version %s is too old: 6.2 or newer is needed", server->version);
    else if (server->is_master == STORE_NO)
        find(checkup, "redis", HEALTH_BAD,
             "this one is a replica and cannot be written to: --redis must name the master");
    else if (server->round_trip_ms > SLOW_ROUND_MS)
        find(checkup, "redis", HEALTH_WARNING, "version %s, and slow: an answer took %" PRId64 " ms", server->version,
             server->round_trip_ms);
    else
        find(checkup, "redis", HEALTH_GOOD, "version %s, answers in %" PRId64 " ms", server->version,
             server->round_trip_ms);
}

static void look_at_disk(struct checkup *checkup, const struct store_server *server)
{
    struct reason risks[STORE_RISKS_MAX];
    size_t count = store_server_risks(server, risks);

    for (size_t i = 0; i < count; i++)
        find(checkup, "persistence", server->is_writing_ok == STORE_NO && i == count - 1 ? HEALTH_BAD : HEALTH_WARNING,
             "%s", risks[i].text);
    if (count > 0)
        return;
    if (server->has_aof == STORE_UNKNOWN)
        find(checkup, "persistence", HEALTH_UNKNOWN, "Redis may not be asked (INFO) whether it writes to its disk");
    else if (server->appendfsync[0] == '\0')
        find(checkup, "persistence", HEALTH_UNKNOWN,
             "an append-only file is written; Redis may not be asked (CONFIG GET) when it reaches the disk");
    else
        find(checkup, "persistence", HEALTH_GOOD, "appendfsync %s: %s", server->appendfsync,
             strcmp(server->appendfsync, "always") == 0 ? "on the disk before anybody is told yes"
                                                        : "the last second or two can go down with the machine");
}

static void look_at_memory(struct checkup *checkup, const struct store_server *server)
{
    int64_t used_mib = server->used_bytes >> 20, max_mib = server->max_bytes >> 20;

    if (server->used_bytes < 0 || server->max_bytes < 0)
        find(checkup, "memory", HEALTH_UNKNOWN, "Redis may not be asked (INFO) how much it uses");
    else if (server->max_bytes == 0)
        find(checkup, "memory", HEALTH_GOOD, "%" PRId64 " MiB in use, no maxmemory", used_mib);
    else
        find(checkup, "memory",
             server->used_bytes / MEMORY_WARN * 100 >= server->max_bytes ? HEALTH_WARNING : HEALTH_GOOD,
             "%" PRId64 " of %" PRId64 " MiB (maxmemory) in use; when it is full, nothing is accepted", used_mib,
             max_mib);
}

static void look_at_clock(struct checkup *checkup, const struct store_server *server)
{
    int64_t ahead = server->clock_ahead_ms, apart = ahead < 0 ? -ahead : ahead;

    if (!server->has_clock)
        find(checkup, "clock", HEALTH_UNKNOWN, "Redis may not be asked for its time");
    else if (apart - server->round_trip_ms > CLOCK_DOUBT_MS)
        find(checkup, "clock", HEALTH_WARNING,
             "this machine's clock is %" PRId64
             " ms %s that of Redis: messages with a send_at or an end wait until they "
             "agree",
             apart, ahead < 0 ? "behind" : "ahead of");
    else
        find(checkup, "clock", HEALTH_GOOD, "within %" PRId64 " ms of that of Redis",
             apart > server->round_trip_ms ? apart : server->round_trip_ms);
}

void checkup_server(struct checkup *checkup, const struct store_server *server)
{
    look_at_version(checkup, server);
    look_at_disk(checkup, server);
    look_at_memory(checkup, server);
    look_at_clock(checkup, server);
}

/* --- what is in it --- */

static void look_at_workers(struct checkup *checkup, const struct store_status *status)
{
    size_t overdue = 0, unwell = 0;

    for (size_t i = 0; i < status->worker_count; i++) {
        overdue += status->workers[i].lease_left_ms < 0;
        unwell += strcmp(status->workers[i].breaker, "open") == 0 || status->workers[i].note[0] != '\0';
    }
    if (status->worker_total == 0)
        find(checkup, "workers", HEALTH_WARNING, "none is running: nothing is sent");
    else if (overdue > 0)
        find(checkup, "workers", HEALTH_WARNING,
             "%zu of %zu have lost their lease: killed, frozen or cut off; others take their messages back", overdue,
             status->worker_total);
    else if (unwell > 0)
        find(checkup, "workers", HEALTH_WARNING, "%zu of %zu have something to say: herald status", unwell,
             status->worker_total);
    else
        find(checkup, "workers", HEALTH_GOOD, "%zu, all with a lease", status->worker_total);
}

static void look_at_audit(struct checkup *checkup, const struct store_status *status)
{
    if (status->audit_cut > 0)
        find(checkup, "audit", HEALTH_WARNING, "%" PRId64 " entries were cut off unexported (--audit-max)",
             status->audit_cut);
    else if (status->audit_export_age_ms >= 0 && status->audit_lease_ms == 0)
        find(checkup, "audit", HEALTH_WARNING,
             "%" PRId64 " entries wait, and no exporter runs: herald audit export --follow", status->audit_kept);
    else
        find(checkup, "audit", HEALTH_GOOD, "%" PRId64 " entries in Redis, %s", status->audit_kept,
             status->audit_lease_ms > 0 ? "and an exporter runs" : "never exported");
}

void checkup_org(struct checkup *checkup, const struct store_status *status)
{
    const struct status_sum sum = status_sum(status);

    if (sum.is_balanced)
        find(checkup, "sum", HEALTH_GOOD, "accepted %" PRId64 ", every one is somewhere", sum.accepted);
    else
        find(checkup, "sum", HEALTH_BAD, "%" PRId64 " accepted messages are nowhere: has Redis lost data?",
             sum.accepted - sum.places);
    if (status->hold_ms > 0)
        find(checkup, "sending", HEALTH_WARNING, "paused for another %.1f s: %s", (double)status->hold_ms / 1000,
             status->hold_reason);
    look_at_audit(checkup, status);
    look_at_workers(checkup, status);
}

void checkup_redis(struct checkup *checkup, const struct settings *settings)
{
    struct store_status *status = mem_zalloc(1, sizeof(*status));
    struct store_server server;
    struct store *store = NULL;
    struct reason why = {""};
    int rc = command_open_store(settings, &store, &why);

    if (rc == 0)
        rc = store_read_server(store, &server, COMMAND_PATIENCE_MS, &why);
    if (rc == 0)
        checkup_server(checkup, &server);
    else
        find(checkup, "redis", HEALTH_AWAY, "%s", why.text);
    if (rc == 0) {
        rc = store_read_status(store, status, COMMAND_PATIENCE_MS, &why);
        if (rc == 0)
            checkup_org(checkup, status);
        else
            find(checkup, "sum", health_of(rc), "the queues of %s cannot be read: %s", settings->org, why.text);
    }
    store_close(store);
    free(status);
}

/* --- Genesys, and our own programs --- */

void checkup_genesys(struct checkup *checkup, const struct settings *settings)
{
    struct fetch *fetch = NULL;
    struct reason why = {""};
    int rc;

    if (!settings->client_id && !settings->client_secret) {
        find(checkup, "credentials", HEALTH_UNKNOWN, "not looked at: GENESYS_CLIENT_ID and _SECRET are not set here");
        return;
    }
    rc = webhooks_open(settings, &fetch, &why);
    if (rc == 0)
        rc = fetch_prove(fetch, &why);
    if (rc == 0)
        find(checkup, "credentials", HEALTH_GOOD, "Genesys gives a token for them");
    else
        find(checkup, "credentials", health_of(rc), "%s", why.text);
    fetch_close(fetch);
}

int checkup_admin(struct checkup *checkup, const char *admin, struct reason *why)
{
    const char *first = strncmp(admin, "http://", 7) == 0 ? admin + 7 : admin;
    char base[URL_MAX], line[200];
    struct reason reason = {""};
    struct buf body;
    long status = 0;
    int rc;

    if (*first == '\0' || strchr(first, '/') || strlen(first) > HOST_MAX) {
        reason_set(why, "--admin must be HOST:PORT or http://HOST:PORT: the --admin of a worker or gateway");
        return ERR_INVALID;
    }
    (void)snprintf(base, sizeof(base), "http://%s", first);
    buf_init(&body, FETCH_BODY_MAX);
    rc = fetch_page(base, READY_PATH, ADMIN_PATIENCE_MS, &status, &body, &reason);
    (void)snprintf(line, sizeof(line), "%.*s", (int)strcspn(buf_str(&body), "\r\n"), buf_str(&body));
    if (rc != 0)
        find(checkup, "ready", health_of(rc), "%s", reason.text);
    else if (status == STATUS_READY)
        find(checkup, "ready", HEALTH_GOOD, "%s", line[0] ? line : "it says so");
    else
        find(checkup, "ready", HEALTH_BAD, "it answers %ld: %s", status, line);
    buf_clear(&body);
    return 0;
}

enum exit_status checkup_status(const struct checkup *checkup)
{
    enum health worst = HEALTH_GOOD;

    for (size_t i = 0; i < checkup->count; i++) {
        if (checkup->findings[i].health > worst)
            worst = checkup->findings[i].health;
    }
    return worst == HEALTH_AWAY ? EXIT_UNREACHABLE : worst == HEALTH_BAD ? EXIT_FAILED : EXIT_DONE;
}
