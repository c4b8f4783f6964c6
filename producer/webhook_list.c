/* herald webhook list, delete: what Genesys delivers where, and an end to one of the webhooks. */
#include <stdio.h>
#include <string.h>

#include "common/ids.h"
#include "producer/terminal.h"
#include "producer/webhooks.h"

#define CELL_SIZE    2100 /* a URL has at most 2048 bytes */
#define JSON_OUT_MAX ((size_t)16 << 20)
#define PATH_SIZE    (sizeof(WEBHOOKS_PATH) + ID_SIZE)

struct options {
    bool is_json;
};

static const struct option rows[] = {
    {"json", NULL, OPTION_SWITCH, .offset = offsetof(struct options, is_json), .help = "as JSON"},
};

/* One listing on its way out. */
struct listing {
    const char *heading;
    struct buf json; /* an array without its brackets */
    size_t count;
    bool is_json, is_there; /* there: the organisation has such an API */
};

static void print_line(const struct listing *listing, const char *id, const char *url, const char *name,
                       const char *more)
{
    char clean_id[64], clean_url[CELL_SIZE], clean_name[300];

    if (listing->count == 1)
        terminal_heading(stdout, listing->heading);
    (void)printf("  %-36s  %s  %s%s\n", terminal_clean(id, clean_id, sizeof(clean_id)),
                 terminal_clean(url, clean_url, sizeof(clean_url)),
                 terminal_clean(name, clean_name, sizeof(clean_name)), more);
}

/* A member of the JSON form; whatever else the entity has stays out, secrets above all. */
static void add_member(struct buf *json, const char *before, const char *text)
{
    buf_text(json, before);
    buf_json_text(json, text);
}

static bool show_webhook(void *context, const struct json *webhook)
{
    struct listing *listing = context;
    bool is_enabled = json_is_true(json_get(webhook, "enabled"));

    listing->count++;
    if (!listing->is_json) {
        print_line(listing, webhooks_text(webhook, "id"), webhooks_url(webhook), webhooks_text(webhook, "event"),
                   is_enabled ? "" : "  (disabled)");
        return true;
    }
    add_member(&listing->json, listing->count > 1 ? ",{\"id\":" : "{\"id\":", webhooks_text(webhook, "id"));
    add_member(&listing->json, ",\"name\":", webhooks_text(webhook, "name"));
    add_member(&listing->json, ",\"event\":", webhooks_text(webhook, "event"));
    add_member(&listing->json, ",\"url\":", webhooks_url(webhook));
    buf_text(&listing->json, is_enabled ? ",\"enabled\":true}" : ",\"enabled\":false}");
    return true;
}

static bool show_integration(void *context, const struct json *integration)
{
    static const char url_field[] = "outboundNotificationWebhookUrl";
    struct listing *listing = context;

    listing->count++;
    if (!listing->is_json) {
        print_line(listing, webhooks_text(integration, "id"), webhooks_text(integration, url_field),
                   webhooks_text(integration, "name"), "");
        return true;
    }
    add_member(&listing->json, listing->count > 1 ? ",{\"id\":" : "{\"id\":", webhooks_text(integration, "id"));
    add_member(&listing->json, ",\"name\":", webhooks_text(integration, "name"));
    add_member(&listing->json, ",\"url\":", webhooks_text(integration, url_field));
    buf_char(&listing->json, '}');
    return true;
}

/* The tutorial's API is not part of the real one, which answers 404: then there is nothing to list, and no error. */
static int list(struct fetch *fetch, const char *path, bool (*show)(void *context, const struct json *entity),
                struct listing *listing, struct reason *why)
{
    long status;
    int rc;

    rc = webhooks_each(fetch, path, show, listing, &status, why);
    listing->is_there = status != 404;
    if (rc != 0 && listing->is_there)
        return rc;
    if (!listing->is_json && listing->count == 0) {
        terminal_heading(stdout, listing->heading);
        (void)printf("  %s\n", listing->is_there ? "none" : "this organisation's API has none (404)");
    }
    return 0;
}

static void print_json(const struct listing *webhooks, const struct listing *integrations)
{
    (void)printf("{\"webhooks\":%s%s%s,\"integrations\":%s%s%s}\n", webhooks->is_there ? "[" : "null",
                 buf_str(&webhooks->json), webhooks->is_there ? "]" : "", integrations->is_there ? "[" : "null",
                 buf_str(&integrations->json), integrations->is_there ? "]" : "");
}

static enum exit_status run_list(const struct command_call *call)
{
    const struct options *options = call->options;
    struct listing webhooks = {.heading = "Webhooks", .is_json = options->is_json},
                   integrations = {.heading = "Open integrations", .is_json = options->is_json};
    struct fetch *fetch = NULL;
    struct reason why = {""};
    enum exit_status result = EXIT_DONE;
    int rc = webhooks_open(call->settings, &fetch, &why);

    buf_init(&webhooks.json, JSON_OUT_MAX);
    buf_init(&integrations.json, JSON_OUT_MAX);
    if (rc == 0)
        rc = list(fetch, WEBHOOKS_PATH, show_webhook, &webhooks, &why);
    if (rc == 0)
        rc = list(fetch, INTEGRATIONS_PATH, show_integration, &integrations, &why);
    if (rc == 0 && (webhooks.json.overflow || integrations.json.overflow)) {
        reason_set(&why, "there are more webhooks than fit %zu bytes", JSON_OUT_MAX);
        rc = ERR_LIMIT;
    }
    if (rc != 0)
        result = webhooks_fail(rc, &why);
    else if (options->is_json)
        print_json(&webhooks, &integrations);
    buf_clear(&webhooks.json);
    buf_clear(&integrations.json);
    fetch_close(fetch);
    return result;
}

/* --- delete --- */

struct search {
    const char *id;
    char url[CELL_SIZE];
    bool is_found;
};

static bool look_for(void *context, const struct json *webhook)
{
    struct search *search = context;

    if (strcmp(webhooks_text(webhook, "id"), search->id) != 0)
        return true;
    (void)snprintf(search->url, sizeof(search->url), "%s", webhooks_url(webhook));
    search->is_found = true;
    return false;
}

static int delete_webhook(struct fetch *fetch, struct search *search, struct reason *why)
{
    char path[PATH_SIZE];
    struct json *answer = NULL;
    long status;
    int rc = webhooks_each(fetch, WEBHOOKS_PATH, look_for, search, &status, why);

    if (rc == 0 && !search->is_found) {
        reason_set(why, "there is no webhook %s: herald webhook list shows those there are", search->id);
        rc = ERR_STATE;
    }
    if (rc != 0)
        return rc;
    (void)snprintf(path, sizeof(path), "%s/%s", WEBHOOKS_PATH, search->id);
    rc = webhooks_call(fetch, "DELETE", path, NULL, &answer, why);
    json_free(answer);
    return rc;
}

static enum exit_status run_delete(const struct command_call *call)
{
    struct search search = {.id = call->words->count > 0 ? call->words->words[0] : ""};
    struct fetch *fetch = NULL;
    struct reason why = {""};
    char clean[CELL_SIZE];
    enum exit_status result = EXIT_DONE;
    int rc = 0;

    if (!id_is_valid(search.id, strlen(search.id))) {
        reason_set(&why, "which webhook? herald webhook delete ID");
        rc = ERR_INVALID;
    }
    if (rc == 0)
        rc = webhooks_open(call->settings, &fetch, &why);
    if (rc == 0)
        rc = delete_webhook(fetch, &search, &why);
    if (rc != 0)
        result = webhooks_fail(rc, &why);
    else
        (void)printf("webhook %s deleted: nothing more goes to %s\n", search.id,
                     terminal_clean(search.url, clean, sizeof(clean)));
    fetch_close(fetch);
    return result;
}

const struct command command_webhook_list = {
    .name = "webhook list",
    .usage = "[OPTION]...",
    .summary = "where Genesys delivers receipts",
    .help = "The registered webhooks, and the open messaging integrations with theirs. Secrets are never shown.\n",
    .programs = SETTINGS_GENESYS,
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .options_size = sizeof(struct options),
    .run = run_list,
};

const struct command command_webhook_delete = {
    .name = "webhook delete",
    .usage = "ID [OPTION]...",
    .summary = "end the deliveries of a registered webhook",
    .help = "Does not touch open integrations: `herald webhook register --open` gives one another URL.\n",
    .words_max = 1,
    .programs = SETTINGS_GENESYS,
    .run = run_delete,
};
