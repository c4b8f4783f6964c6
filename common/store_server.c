#include "common/store_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/store_request.h"

#define WARN_PATIENCE_MS 3000

struct question {
    struct store_server *server;
    int64_t asked_mono_ms;
};

/* The value of `name:value\r\n` in what INFO says, cut to fit; false when it is not there. */
static bool info_text(const char *info, const char *name, char *out, size_t size)
{
    size_t name_len = strlen(name);

    for (const char *line = info; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, name_len) == 0 && line[name_len] == ':') {
            const char *value = line + name_len + 1;

            (void)snprintf(out, size, "%.*s", (int)strcspn(value, "\r\n"), value);
            return true;
        }
    }
    return false;
}

static enum store_known info_is(const char *info, const char *name, const char *wanted)
{
    char value[32];

    if (!info_text(info, name, value, sizeof(value)))
        return STORE_UNKNOWN;
    return strcmp(value, wanted) == 0 ? STORE_YES : STORE_NO;
}

static int64_t info_number(const char *info, const char *name)
{
    char value[32];

    return info_text(info, name, value, sizeof(value)) ? strtoll(value, NULL, 10) : -1;
}

static int version_code(const char *version)
{
    char *end;
    long major = strtol(version, &end, 10), minor = *end == '.' ? strtol(end + 1, NULL, 10) : 0;

    return major > 0 && major < 1000 && minor >= 0 && minor < 100 ? (int)(major * 100 + minor) : 0;
}

static void on_info(struct request *request, const struct redis_reply *reply)
{
    struct question *question = request->context;
    struct store_server *server = question->server;
    const char *info = redis_reply_text(reply, NULL); /* hiredis ends texts with a NUL */

    server->round_trip_ms = clock_mono_ms() - question->asked_mono_ms;
    if (!info)
        return;
    (void)info_text(info, "redis_version", server->version, sizeof(server->version));
    server->version_code = version_code(server->version);
    server->is_master = info_is(info, "role", "master");
    server->has_aof = info_is(info, "aof_enabled", "1");
    server->is_writing_ok =
        info_is(info, server->has_aof == STORE_YES ? "aof_last_write_status" : "rdb_last_bgsave_status", "ok");
    (void)info_text(info, "maxmemory_policy", server->maxmemory_policy, sizeof(server->maxmemory_policy));
    server->used_bytes = info_number(info, "used_memory");
    server->max_bytes = info_number(info, "maxmemory");
}

static void on_appendfsync(struct request *request, const struct redis_reply *reply)
{
    struct question *question = request->context;

    request_copy_text(question->server->appendfsync, sizeof(question->server->appendfsync), redis_reply_at(reply, 1));
}

static void on_save(struct request *request, const struct redis_reply *reply)
{
    struct question *question = request->context;
    size_t len = 0;

    if (redis_reply_text(redis_reply_at(reply, 1), &len))
        question->server->has_snapshots = len > 0 ? STORE_YES : STORE_NO;
}

static void on_time(struct request *request, const struct redis_reply *reply)
{
    struct question *question = request->context;

    if (redis_reply_count(reply) != 2)
        return;
    question->server->clock_ahead_ms = clock_wall_ms() - redis_reply_integer(redis_reply_at(reply, 0)) * 1000 -
                                       redis_reply_integer(redis_reply_at(reply, 1)) / 1000;
    question->server->has_clock = true;
}

static void ask(struct store *store, struct question *question, const char *command, const char *word, const char *more,
                request_done done)
{
    struct request *request = request_command(store, command, done);

    if (word)
        request_text(request, word);
    if (more)
        request_text(request, more);
    request->may_be_refused = true;
    request->context = question;
    request_submit(request);
}

int store_read_server(struct store *store, struct store_server *ret, int64_t patience_ms, struct reason *why)
{
    struct question question;
    int rc;

    *ret = (struct store_server){.used_bytes = -1, .max_bytes = -1};
    rc = store_finish(store, 0, patience_ms, why); /* connecting is no part of the round trip */
    if (rc != 0)
        return rc;
    question = (struct question){ret, clock_mono_ms()};
    ask(store, &question, "INFO", NULL, NULL, on_info);
    ask(store, &question, "TIME", NULL, NULL, on_time);
    ask(store, &question, "CONFIG", "GET", "appendfsync", on_appendfsync);
    ask(store, &question, "CONFIG", "GET", "save", on_save);
    rc = store_finish(store, 0, patience_ms, why);
    if (rc != 0)
        store_drop(store); /* `question` ends here */
    return rc;
}

static bool is_evicting(const char *policy)
{
    return policy[0] != '\0' && strcmp(policy, "noeviction") != 0;
}

size_t store_server_risks(const struct store_server *server, struct reason ret[STORE_RISKS_MAX])
{
    size_t count = 0;

    if (server->has_aof == STORE_NO && server->has_snapshots == STORE_NO)
        reason_set(&ret[count++],
                   "Redis keeps nothing on disk (appendonly no, save \"\"): when it ends, every message, count and "
                   "opt-out is lost. Set `appendonly yes`");
    else if (server->has_aof == STORE_NO)
        reason_set(&ret[count++],
                   "Redis writes snapshots at best (appendonly no): when it crashes, what came or was sent since the "
                   "last one is lost, or sent again. Set `appendonly yes`");
    if (server->has_aof == STORE_YES && strcmp(server->appendfsync, "no") == 0)
        reason_set(&ret[count++],
                   "Redis leaves it to the system when its file reaches the disk (appendfsync no): when the machine "
                   "fails, the last half minute is lost, or sent again. Set `appendfsync always` or `everysec`");
    if (is_evicting(server->maxmemory_policy))
        reason_set(&ret[count++],
                   "Redis throws keys away when its memory is full (maxmemory-policy %s): opt-outs, idempotency keys, "
                   "messages. Set `maxmemory-policy noeviction`",
                   server->maxmemory_policy);
    if (server->is_writing_ok == STORE_NO)
        reason_set(&ret[count++], "Redis could not write to its disk the last time; is it full? See its log");
    return count;
}

void store_warn_of_risks(const char *redis_url, const char *org)
{
    struct store_server server;
    struct reason risks[STORE_RISKS_MAX], why = {""};
    struct store *store = NULL;
    size_t count = 0;

    if (store_open(&store, redis_url, org, &why) != 0)
        return;
    if (store_read_server(store, &server, WARN_PATIENCE_MS, &why) == 0)
        count = store_server_risks(&server, risks);
    for (size_t i = 0; i < count; i++)
        log_warning("messages are at risk", LOG_TEXT("reason", risks[i].text));
    store_close(store);
}
