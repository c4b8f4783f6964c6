#include "common/fetch.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"

#define URL_MAX      4096
#define WAIT_MIN_MS  1000 /* of a 429 that does not say how long */
#define WAITS_MAX    5    /* in a row, for one call */
#define TOKENS_MAX   2    /* for one call: the one at hand, and a fresh one when that is refused */
#define STATUS_LIMIT 429

struct fetch {
    struct fetch_config config;
    CURL *easy;
    struct buf url, body, token_body, authorization;
    struct oauth_token token;
    bool has_token;
    char error[CURL_ERROR_SIZE];
};

/* One request as it goes out. */
struct exchange {
    const char *method, *base, *path;
    const char *authorization; /* the whole value; NULL: none */
    const char *content_type;  /* NULL: no body */
    struct span body;
    bool is_ours; /* no proxy stands between: that is the way to Genesys */
};

static int open_without_credentials(struct fetch **ret, const struct fetch_config *config, struct reason *why)
{
    struct fetch *fetch;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        reason_set(why, "libcurl cannot be initialised");
        return ERR_STATE;
    }
    fetch = mem_zalloc(1, sizeof(*fetch));
    fetch->config = *config;
    fetch->easy = curl_easy_init();
    buf_init(&fetch->url, URL_MAX);
    buf_init(&fetch->body, FETCH_BODY_MAX);
    buf_init(&fetch->token_body, OAUTH_REQUEST_MAX);
    buf_init(&fetch->authorization, OAUTH_REQUEST_MAX);
    if (!fetch->easy) {
        reason_set(why, "libcurl cannot be set up");
        fetch_close(fetch);
        return ERR_STATE;
    }
    *ret = fetch;
    return 0;
}

int fetch_open(struct fetch **ret, const struct fetch_config *config, struct reason *why)
{
    if (!config->credentials.client_id || !config->credentials.client_secret) {
        reason_set(why, "GENESYS_CLIENT_ID and GENESYS_CLIENT_SECRET (or their _FILE) must be set");
        return ERR_INVALID;
    }
    return open_without_credentials(ret, config, why);
}

void fetch_close(struct fetch *fetch)
{
    if (!fetch)
        return;
    curl_easy_cleanup(fetch->easy); /* takes NULL */
    buf_wipe(&fetch->body);         /* a token may have been in it */
    buf_wipe(&fetch->token_body);
    buf_wipe(&fetch->authorization);
    buf_clear(&fetch->url);
    buf_clear(&fetch->body);
    buf_clear(&fetch->token_body);
    buf_clear(&fetch->authorization);
    explicit_bzero(&fetch->token, sizeof(fetch->token));
    free(fetch);
    curl_global_cleanup();
}

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    struct buf *body = user;

    buf_add(body, data, size * count);
    return body->overflow ? 0 : size * count; /* 0 ends the transfer */
}

static bool add_header(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);

    if (longer)
        *list = longer;
    return longer != NULL;
}

static bool add_header_value(struct curl_slist **list, const char *name, const char *value)
{
    struct buf line;
    bool is_added;

    buf_init(&line, OAUTH_REQUEST_MAX);
    buf_printf(&line, "%s: %s", name, value);
    is_added = !line.overflow && add_header(list, buf_str(&line));
    buf_wipe(&line);
    buf_clear(&line);
    return is_added;
}

static bool set_headers(struct curl_slist **list, const struct exchange *exchange)
{
    return add_header(list, "Accept: application/json") && add_header(list, "Expect:") &&
           (!exchange->content_type || add_header_value(list, "Content-Type", exchange->content_type)) &&
           (!exchange->authorization || add_header_value(list, "Authorization", exchange->authorization));
}

static bool set_up(struct fetch *fetch, const struct exchange *exchange, struct curl_slist *headers)
{
    const struct fetch_config *config = &fetch->config;
    CURL *easy = fetch->easy;

    buf_reset(&fetch->url);
    buf_printf(&fetch->url, "%s%s", exchange->base, exchange->path);
    buf_reset(&fetch->body);
    fetch->error[0] = '\0';
    curl_easy_reset(easy);
    return !fetch->url.overflow && curl_easy_setopt(easy, CURLOPT_URL, buf_str(&fetch->url)) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK && /* else libcurl may send again by itself */
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)config->timeout_ms) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)config->connect_timeout_ms) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, &fetch->body) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, fetch->error) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_USERAGENT, "herald/" HERALD_VERSION) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
           (!config->ca_file || curl_easy_setopt(easy, CURLOPT_CAINFO, config->ca_file) == CURLE_OK) &&
           (!exchange->is_ours || curl_easy_setopt(easy, CURLOPT_NOPROXY, "*") == CURLE_OK) &&
           (!exchange->content_type ||
            (curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)exchange->body.len) == CURLE_OK &&
             curl_easy_setopt(easy, CURLOPT_POSTFIELDS, exchange->body.data) == CURLE_OK)) &&
           curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, exchange->method) == CURLE_OK;
}

static const char *header(const struct fetch *fetch, const char *name)
{
    struct curl_header *found = NULL;

    if (curl_easy_header(fetch->easy, name, 0, CURLH_HEADER, -1, &found) != CURLHE_OK)
        return NULL;
    return found->value;
}

/* Sends it once. 0 with whatever answer, else ERR_UNREACHABLE. */
static int exchange_once(struct fetch *fetch, const struct exchange *exchange, struct answer *ret, struct reason *why)
{
    struct answer_raw raw = {.status = 0};
    struct curl_slist *headers = NULL;
    CURLcode code = CURLE_OUT_OF_MEMORY;

    if (set_headers(&headers, exchange) && set_up(fetch, exchange, headers))
        code = curl_easy_perform(fetch->easy);
    (void)curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &raw.status); /* leaves 0 when there is none */
    curl_slist_free_all(headers);
    if (fetch->body.overflow) {
        reason_set(why, "%s answers more than %zu bytes", exchange->base, FETCH_BODY_MAX);
        return ERR_LIMIT;
    }
    if (code != CURLE_OK) {
        reason_set(why, "%s cannot be reached: %.180s", exchange->base,
                   fetch->error[0] ? fetch->error : curl_easy_strerror(code));
        return ERR_UNREACHABLE;
    }
    raw.retry_after = header(fetch, "Retry-After");
    raw.correlation_id = header(fetch, "ININ-Correlation-Id");
    raw.body = fetch->body.data;
    raw.body_len = fetch->body.len;
    answer_read(ret, &raw, clock_wall_ms());
    return 0;
}

/* The same, waiting as often as a 429 asks for it, within our patience. */
static int exchange_patiently(struct fetch *fetch, const struct exchange *exchange, struct answer *ret,
                              struct reason *why)
{
    int64_t left_ms = fetch->config.patience_ms, wait_ms;

    for (int waits = 0;; waits++) {
        int rc = exchange_once(fetch, exchange, ret, why);

        if (rc != 0 || ret->status != STATUS_LIMIT)
            return rc;
        wait_ms = ret->retry_after_ms > WAIT_MIN_MS ? ret->retry_after_ms : WAIT_MIN_MS;
        if (waits == WAITS_MAX || wait_ms > left_ms)
            return 0;
        left_ms -= wait_ms;
        if (fetch->config.on_wait)
            fetch->config.on_wait(wait_ms);
        (void)poll(NULL, 0, (int)wait_ms); /* patience_ms fits; a signal only ends the wait early */
    }
}

static int fetch_token(struct fetch *fetch, struct reason *why)
{
    struct answer answer;
    struct exchange exchange = {
        .method = "POST",
        .base = fetch->config.login_url,
        .path = OAUTH_PATH,
        .content_type = OAUTH_CONTENT_TYPE,
    };
    int rc;

    oauth_request(&fetch->config.credentials, &fetch->token_body, &fetch->authorization);
    exchange.body = (struct span){fetch->token_body.data, fetch->token_body.len};
    exchange.authorization = fetch->authorization.len > 0 ? buf_str(&fetch->authorization) : NULL;
    rc = exchange_patiently(fetch, &exchange, &answer, why);
    if (rc == 0 && answer.status == 200)
        rc = oauth_read_token(&fetch->token, (struct span){fetch->body.data, fetch->body.len}, why);
    else if (rc == 0)
        rc = oauth_explain(answer.status, answer.error_code, why);
    fetch->has_token = rc == 0;
    return rc == ERR_INVALID ? ERR_UNREACHABLE : rc; /* no token in it: not our input's fault */
}

int fetch_prove(struct fetch *fetch, struct reason *why)
{
    return fetch_token(fetch, why);
}

int fetch_page(const char *base, const char *path, int64_t timeout_ms, long *ret_status, struct buf *ret,
               struct reason *why)
{
    const struct fetch_config config = {.timeout_ms = timeout_ms, .connect_timeout_ms = timeout_ms};
    const struct exchange exchange = {.method = "GET", .base = base, .path = path, .is_ours = true};
    struct fetch *fetch = NULL;
    struct answer answer;
    int rc = open_without_credentials(&fetch, &config, why);

    if (rc == 0)
        rc = exchange_once(fetch, &exchange, &answer, why);
    if (rc == 0) {
        *ret_status = answer.status;
        buf_add(ret, fetch->body.data, fetch->body.len);
    }
    fetch_close(fetch);
    return rc;
}

static int judge(const struct answer *answer, struct reason *why)
{
    long status = answer->status;
    bool has_id = answer->correlation_id[0] != '\0';

    if (status >= 200 && status <= 299)
        return 0;
    if (status == STATUS_LIMIT && answer->retry_after_ms > 0) {
        reason_set(why, "Genesys asks to wait %" PRId64 " s (429 %s)%s%s%s: try again then",
                   (answer->retry_after_ms + 999) / 1000, answer->error_code, has_id ? " (correlation id " : "",
                   answer->correlation_id, has_id ? ")" : "");
        return ERR_UNREACHABLE;
    }
    reason_set(why, "Genesys answers %ld %s%s%.180s%s%s%s", status, answer->error_code,
               answer->error_code[0] && answer->error_message[0] ? ": " : "", answer->error_message,
               has_id ? " (correlation id " : "", answer->correlation_id, has_id ? ")" : "");
    if (status == 401 || status == 403)
        return ERR_DENIED;
    return status >= 500 || status == 408 || status == STATUS_LIMIT ? ERR_UNREACHABLE : ERR_STATE;
}

int fetch_call(struct fetch *fetch, const char *method, const char *path, struct span body, struct fetch_answer *ret,
               struct reason *why)
{
    struct exchange exchange = {
        .method = method,
        .base = fetch->config.api_url,
        .path = path,
        .content_type = body.data ? "application/json" : NULL,
        .body = body,
    };
    int rc = 0;

    *ret = (struct fetch_answer){.answer = {.status = 0}};
    for (int tokens = 0; tokens < TOKENS_MAX && rc == 0; tokens++) {
        if (!fetch->has_token)
            rc = fetch_token(fetch, why);
        exchange.authorization = fetch->token.header;
        if (rc == 0)
            rc = exchange_patiently(fetch, &exchange, &ret->answer, why);
        fetch->has_token = rc == 0 && ret->answer.status != 401;
        if (fetch->has_token)
            break;
    }
    if (rc != 0) {
        ret->answer = (struct answer){.status = 0}; /* a 401 before that is no answer to the call */
        return rc;
    }
    ret->body = (struct span){fetch->body.data, fetch->body.len};
    return judge(&ret->answer, why);
}
