/* herald webhook register: tells Genesys where to deliver receipts. Safe to repeat. */
#include <stdio.h>
#include <string.h>

#include "common/ids.h"
#include "producer/terminal.h"
#include "producer/webhooks.h"

#define NAME         "messaging-status-tracker"
#define DESCRIPTION  "Tracks message delivery and updates audit logs"
#define SECRET_FIELD "outboundNotificationWebhookSignatureSecretToken"
#define SECRET_LEAST 16 /* the platform wants more than 15 characters */
#define URL_MAX      2048
#define JSON_OUT_MAX ((size_t)64 << 10)
#define PATH_SIZE    (sizeof(INTEGRATIONS_PATH) + ID_SIZE)

struct options {
    char *open_id, *open_name;
    bool is_json;
};

static const struct option rows[] = {
    {"open", NULL, OPTION_TEXT, .offset = offsetof(struct options, open_id), .value = "ID",
     .help = "set the webhook of this open messaging integration, and the secret"},
    {"open-name", NULL, OPTION_TEXT, .offset = offsetof(struct options, open_name), .value = "NAME",
     .help = "the same for the open integration of this name, which is made if there is none"},
    {"json", NULL, OPTION_SWITCH, .offset = offsetof(struct options, is_json), .help = "as JSON"},
};

/* What has come of it. */
struct outcome {
    const char *what; /* `webhook`, `integration` */
    const char *done; /* `registered`, `unchanged`, `updated`, `created` */
    char id[ID_SIZE];
};

/* --- checks before anything is asked --- */

static int check_url(const char *url, struct reason *why)
{
    size_t len = url ? strlen(url) : 0;
    bool is_good = len > 0 && len <= URL_MAX && (strncmp(url, "https://", 8) == 0 || strncmp(url, "http://", 7) == 0);

    for (size_t i = 0; i < len; i++)
        is_good = is_good && url[i] > ' ' && url[i] <= '~';
    if (is_good)
        return 0;
    reason_set(why,
               "--webhook-url (GENESYS_WEBHOOK_URL) must be the https URL of herald-gateway as Genesys can reach it");
    return ERR_INVALID;
}

static int check_secret(struct span secret, struct reason *why)
{
    if (secret.len >= SECRET_LEAST)
        return 0;
    reason_set(why, "an open integration wants a secret of more than 15 characters: --webhook-secret-file, "
                    "GENESYS_WEBHOOK_SECRET or its _FILE");
    return ERR_INVALID;
}

static int check(const struct options *options, const struct settings *settings, struct reason *why)
{
    int rc = check_url(settings->webhook_url, why);

    if (rc == 0 && options->open_id && options->open_name) {
        reason_set(why, "--open names an integration by its id, --open-name by its name: one of them is enough");
        rc = ERR_INVALID;
    }
    if (rc == 0 && options->open_id && !id_is_valid(options->open_id, strlen(options->open_id))) {
        reason_set(why, "--open: this is no id of an integration");
        rc = ERR_INVALID;
    }
    if (rc == 0 && (options->open_id || options->open_name))
        rc = check_secret(settings_webhook_secret(settings, 0), why);
    return rc;
}

/* --- the tutorial's webhooks --- */

struct search {
    const char *url, *name;
    char id[ID_SIZE]; /* "" until it is found */
};

static void keep_id(char out[ID_SIZE], const struct json *entity)
{
    const char *id = webhooks_text(entity, "id");

    if (id_is_valid(id, strlen(id)))
        (void)snprintf(out, ID_SIZE, "%s", id);
}

static bool look_for_webhook(void *context, const struct json *webhook)
{
    struct search *search = context;

    if (json_is_true(json_get(webhook, "enabled")) && strcmp(webhooks_text(webhook, "event"), WEBHOOKS_EVENT) == 0 &&
        strcmp(webhooks_url(webhook), search->url) == 0)
        keep_id(search->id, webhook);
    return search->id[0] == '\0';
}

static struct json *new_text(const char *text)
{
    return json_new_text(text, strlen(text));
}

static struct json *new_webhook(const char *url)
{
    struct json *webhook = json_new_object(), *target = json_new_object();

    json_set(target, "url", new_text(url));
    json_set(target, "method", new_text("POST"));
    json_set(webhook, "name", new_text(NAME));
    json_set(webhook, "description", new_text(DESCRIPTION));
    json_set(webhook, "apiVersion", new_text("v2"));
    json_set(webhook, "domain", new_text("messaging"));
    json_set(webhook, "event", new_text(WEBHOOKS_EVENT));
    json_set(webhook, "httpTarget", target);
    json_set(webhook, "enabled", json_new_bool(true));
    return webhook;
}

/* Sends it and keeps the id of the answer. */
static int send_entity(struct fetch *fetch, const char *method, const char *path, struct json *body,
                       struct outcome *outcome, struct reason *why)
{
    struct json *answer = NULL;
    int rc = webhooks_call(fetch, method, path, body, &answer, why);

    if (rc == 0)
        keep_id(outcome->id, answer);
    json_free(answer);
    json_free(body);
    return rc;
}

static int register_webhook(struct fetch *fetch, const char *url, struct outcome *outcome, struct reason *why)
{
    struct search search = {.url = url};
    long status;
    int rc = webhooks_each(fetch, WEBHOOKS_PATH, look_for_webhook, &search, &status, why);

    if (rc != 0)
        return rc;
    outcome->what = "webhook";
    outcome->done = "unchanged";
    memcpy(outcome->id, search.id, sizeof(search.id));
    if (search.id[0] != '\0')
        return 0;
    outcome->done = "registered";
    return send_entity(fetch, "POST", WEBHOOKS_PATH, new_webhook(url), outcome, why);
}

/* --- open integrations --- */

static bool look_for_integration(void *context, const struct json *integration)
{
    struct search *search = context;

    if (strcmp(webhooks_text(integration, "name"), search->name) == 0)
        keep_id(search->id, integration);
    return search->id[0] == '\0';
}

static int set_integration(struct fetch *fetch, const struct settings *settings, const struct options *options,
                           struct outcome *outcome, struct reason *why)
{
    struct span secret = settings_webhook_secret(settings, 0);
    struct search search = {.name = options->open_name};
    struct json *body;
    char path[PATH_SIZE];
    long status;
    int rc = 0;

    outcome->what = "integration";
    if (options->open_id)
        (void)snprintf(search.id, sizeof(search.id), "%s", options->open_id);
    else
        rc = webhooks_each(fetch, INTEGRATIONS_PATH, look_for_integration, &search, &status, why);
    if (rc != 0)
        return rc;
    body = json_new_object();
    json_set(body, "outboundNotificationWebhookUrl", new_text(settings->webhook_url));
    json_set(body, SECRET_FIELD, json_new_text(secret.data, secret.len));
    memcpy(outcome->id, search.id, sizeof(search.id));
    if (search.id[0] == '\0') {
        outcome->done = "created";
        json_set(body, "name", new_text(options->open_name));
        return send_entity(fetch, "POST", INTEGRATIONS_PATH, body, outcome, why);
    }
    outcome->done = "updated";
    (void)snprintf(path, sizeof(path), "%s/%s", INTEGRATIONS_PATH, search.id);
    return send_entity(fetch, "PATCH", path, body, outcome, why);
}

/* --- the command --- */

static void print_json(const struct outcome *outcome, const char *url)
{
    struct buf json;

    buf_init(&json, JSON_OUT_MAX);
    buf_printf(&json, "{\"what\":\"%s\",\"done\":\"%s\",\"id\":", outcome->what, outcome->done);
    buf_json_text(&json, outcome->id);
    buf_text(&json, ",\"url\":");
    buf_json_text(&json, url);
    buf_text(&json, "}\n");
    (void)fputs(buf_str(&json), stdout);
    buf_clear(&json);
}

static void print_text(const struct outcome *outcome, const char *url)
{
    if (strcmp(outcome->done, "unchanged") == 0)
        (void)printf("webhook %s delivers to %s already: nothing was registered\n", outcome->id, url);
    else
        (void)printf("%s %s %s: receipts go to %s\n", outcome->what, outcome->id, outcome->done, url);
}

static enum exit_status run_command(const struct command_call *call)
{
    const struct options *options = call->options;
    const struct settings *settings = call->settings;
    struct outcome outcome = {.what = ""};
    struct fetch *fetch = NULL;
    struct reason why = {""};
    enum exit_status result = EXIT_DONE;
    int rc = check(options, settings, &why);

    if (rc == 0)
        rc = webhooks_open(settings, &fetch, &why);
    if (rc == 0 && (options->open_id || options->open_name))
        rc = set_integration(fetch, settings, options, &outcome, &why);
    else if (rc == 0)
        rc = register_webhook(fetch, settings->webhook_url, &outcome, &why);
    if (rc != 0) {
        result = webhooks_fail(rc, &why);
        if (rc == ERR_UNREACHABLE && outcome.done)
            (void)fprintf(stderr, "herald: it may have been done all the same: herald webhook list\n");
    } else if (options->is_json) {
        print_json(&outcome, settings->webhook_url);
    } else {
        print_text(&outcome, settings->webhook_url);
    }
    fetch_close(fetch);
    return result;
}

const struct command command_webhook_register = {
    .name = "webhook register",
    .usage = "[OPTION]...",
    .summary = "have Genesys deliver receipts to the gateway",
    .help = "Registers --webhook-url for " WEBHOOKS_EVENT " events, unless an enabled webhook has that URL and event\n"
            "already. With --open or --open-name it sets the URL and the first webhook secret of an open messaging\n"
            "integration instead (an integration does not show its secret, so it is set each time).\n",
    .programs = SETTINGS_GENESYS,
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .options_size = sizeof(struct options),
    .run = run_command,
};
