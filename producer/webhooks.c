#include "producer/webhooks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "producer/terminal.h"

#define PAGE_SIZE     100
#define PAGES_MAX     1000 /* a listing that never ends is a mistake of the other side */
#define PATIENCE_MS   INT64_C(60000)
#define BODY_MAX      ((size_t)64 << 10)
#define PAGE_PATH_MAX 512

static void say_wait(int64_t wait_ms)
{
    (void)fprintf(stderr, "herald: Genesys asks to wait %" PRId64 " s\n", (wait_ms + 999) / 1000);
}

int webhooks_open(const struct settings *settings, struct fetch **ret, struct reason *why)
{
    static char api[SETTINGS_URL_MAX], login[SETTINGS_URL_MAX]; /* borrowed by fetch; a command opens one */
    int rc = settings_urls(settings, api, login, why);

    if (rc != 0)
        return rc;
    return fetch_open(ret,
                      &(struct fetch_config){
                          .api_url = api,
                          .login_url = login,
                          .credentials = {settings->client_id, settings->client_secret, settings->token_in_body},
                          .ca_file = settings->ca_file,
                          .timeout_ms = settings->timeout_ms,
                          .connect_timeout_ms = settings->connect_timeout_ms,
                          .patience_ms = PATIENCE_MS,
                          .on_wait = say_wait,
                      },
                      why);
}

/* Calls `visit` for the entities of one page. Whether another page is to be asked for. */
static bool visit_page(const struct json *page, int64_t number, bool (*visit)(void *context, const struct json *entity),
                       void *context)
{
    const struct json *entities = json_get(page, "entities");
    size_t count = json_count(entities);
    int64_t pages = 1;

    for (size_t i = 0; i < count; i++) {
        if (!visit(context, json_at(entities, i)))
            return false;
    }
    (void)json_integer(json_get(page, "pageCount"), &pages); /* absent: all there is came at once */
    return count > 0 && number < pages;
}

int webhooks_each(struct fetch *fetch, const char *path, bool (*visit)(void *context, const struct json *entity),
                  void *context, long *ret_status, struct reason *why)
{
    bool goes_on = true;
    int rc = 0;

    *ret_status = 0;
    for (int64_t number = 1; rc == 0 && goes_on && number <= PAGES_MAX; number++) {
        char page_path[PAGE_PATH_MAX];
        struct fetch_answer answer;
        struct json *page = NULL;

        (void)snprintf(page_path, sizeof(page_path), "%s?pageSize=%d&pageNumber=%" PRId64, path, PAGE_SIZE, number);
        rc = fetch_call(fetch, "GET", page_path, (struct span){NULL, 0}, &answer, why);
        *ret_status = answer.answer.status;
        if (rc != 0)
            return rc;
        if (json_parse(&page, answer.body.data, answer.body.len, NULL) != 0 ||
            json_kind(json_get(page, "entities")) != JSON_ARRAY) {
            reason_set(why, "the answer to GET %s is no listing", path);
            rc = ERR_STATE;
        } else {
            goes_on = visit_page(page, number, visit, context);
        }
        json_free(page);
    }
    return rc;
}

int webhooks_call(struct fetch *fetch, const char *method, const char *path, const struct json *body, struct json **ret,
                  struct reason *why)
{
    struct fetch_answer answer;
    struct buf text;
    int rc;

    *ret = NULL;
    buf_init(&text, BODY_MAX);
    if (body)
        json_print(body, &text);
    rc = fetch_call(fetch, method, path, (struct span){text.data, text.len}, &answer, why);
    if (rc == 0 && answer.body.len > 0)
        (void)json_parse(ret, answer.body.data, answer.body.len, NULL); /* a failure leaves NULL */
    buf_wipe(&text);                                                    /* a secret may be in it */
    buf_clear(&text);
    return rc;
}

const char *webhooks_text(const struct json *entity, const char *key)
{
    const char *text = json_get_text(entity, key);

    return text ? text : "";
}

const char *webhooks_url(const struct json *webhook)
{
    return webhooks_text(json_get(webhook, "httpTarget"), "url");
}

enum exit_status webhooks_fail(int rc, const struct reason *why)
{
    char clean[sizeof(why->text)];

    if (rc == ERR_INVALID)
        return command_fail(rc, why);
    (void)fprintf(stderr, "herald: %s\n", terminal_clean(why->text, clean, sizeof(clean)));
    return rc == ERR_UNREACHABLE ? EXIT_UNREACHABLE : EXIT_FAILED;
}
