/* POST /oauth/token: the client credentials grant, in the form every Genesys SDK uses it.
 *
 * Errors have the form of OAuth (error, description, error_description), not that of the API. Credentials are taken
 * from Basic authorization or from the form, as --token-auth says. */
#include "tests/sandbox/request.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#define FORM_MAX   8192
#define SECRET_MAX 1024

/* A decoded form: the three fields that matter; NULL if absent. They point into `room`. */
struct form {
    const char *grant_type;
    const char *client_id;
    const char *client_secret;
    char room[FORM_MAX + 1];
};

static void fail(struct request *request, int status, const char *error, const char *description)
{
    struct text *out = reply_json(request, status);
    text_printf(out, "{\"error\":\"%s\",\"description\":\"%s\",\"error_description\":\"%s\"}", error, description,
                description);
    request->reply.has_challenge = status == 401;
}

static int hex_digit(char digit)
{
    const char *digits = "0123456789abcdef";
    const char *at = digit == '\0' ? NULL : strchr(digits, digit >= 'A' && digit <= 'F' ? digit + 32 : digit);
    return at == NULL ? -1 : (int)(at - digits);
}

/* decode: percent-decoding in place; false for a broken escape or a NUL. */
static bool decode(char *string)
{
    char *out = string;
    for (const char *in = string; *in != '\0'; in++) {
        if (*in != '%') {
            *out++ = *in == '+' ? ' ' : *in;
            continue;
        }
        int high = hex_digit(in[1]);
        int low = high < 0 ? -1 : hex_digit(in[2]);
        if (low < 0 || high * 16 + low == 0) {
            return false;
        }
        *out++ = (char)(high * 16 + low);
        in += 2;
    }
    *out = '\0';
    return true;
}

/* read_form: false for a form that is broken or names a field twice. */
static bool read_form(const struct text *body, struct form *form)
{
    form->grant_type = form->client_id = form->client_secret = NULL;
    if (body->length > FORM_MAX || !text_is_utf8(body->data, body->length)) {
        return false;
    }
    if (body->length > 0) {
        memcpy(form->room, body->data, body->length);
    }
    form->room[body->length] = '\0';
    char *rest = form->room;
    for (char *pair; (pair = strsep(&rest, "&")) != NULL;) {
        char *name = strsep(&pair, "=");
        const char **field = strcmp(name, "grant_type") == 0      ? &form->grant_type
                             : strcmp(name, "client_id") == 0     ? &form->client_id
                             : strcmp(name, "client_secret") == 0 ? &form->client_secret
                                                                  : NULL;
        if (field == NULL) {
            continue;
        }
        if (pair == NULL || *field != NULL || !decode(pair)) {
            return false;
        }
        *field = pair;
    }
    return true;
}

static bool is_same(const char *given, const char *wanted)
{
    size_t length = strlen(wanted);
    return strlen(given) == length && CRYPTO_memcmp(given, wanted, length) == 0;
}

static bool are_credentials(const struct request *request, const char *id, const char *secret)
{
    const struct settings *settings = request->app->settings;
    return id != NULL && secret != NULL && is_same(id, settings->client_id) && is_same(secret, settings->client_secret);
}

/* is_basic_good: decodes "Basic BASE64" and compares. */
static bool is_basic_good(const struct request *request)
{
    unsigned char pair[SECRET_MAX + 4];
    const char *encoded = request->authorization + strlen("Basic ");
    size_t length = strlen(encoded);
    if (length == 0 || length % 4 != 0 || length / 4 * 3 > SECRET_MAX) {
        return false;
    }
    int decoded = EVP_DecodeBlock(pair, (const unsigned char *)encoded, (int)length);
    if (decoded < 0) {
        return false;
    }
    /* EVP_DecodeBlock counts the padding as bytes. */
    decoded -= encoded[length - 1] == '=';
    decoded -= encoded[length - 2] == '=';
    pair[decoded] = '\0';
    char *id = (char *)pair;
    char *colon = strchr(id, ':');
    if (colon == NULL || strlen(id) != (size_t)decoded) {
        return false;
    }
    *colon = '\0';
    return are_credentials(request, id, colon + 1);
}

/* is_client: false with the refusal in the reply. */
static bool is_client(struct request *request, const struct form *form)
{
    enum token_auth auth = request->app->settings->token_auth;
    if (request->authorization != NULL) {
        if (form->client_secret != NULL) {
            fail(request, 400, "invalid_request", "more than one form of client authentication");
        } else if (auth == TOKEN_AUTH_BODY || strncasecmp(request->authorization, "Basic ", 6) != 0 ||
                   !is_basic_good(request)) {
            fail(request, 401, "invalid_client", "client authentication failed");
        } else {
            return true;
        }
        return false;
    }
    if (auth == TOKEN_AUTH_BASIC || !are_credentials(request, form->client_id, form->client_secret)) {
        fail(request, 400, "invalid_client", "client authentication failed");
        return false;
    }
    return true;
}

static void issue(struct request *request, const struct tuning *tuning)
{
    char token[TOKEN_SIZE];
    int64_t expires_us = clock_mono_us() + tuning->token_seconds * 1000000;
    if (tokens_issue(request->app->tokens, expires_us, token) != 0) {
        fail(request, 503, "temporarily_unavailable", "the sandbox holds too many tokens");
        return;
    }
    count_up(&request->app->counters.tokens_issued);
    text_printf(reply_json(request, 200),
                "{\"access_token\":\"%s\",\"token_type\":\"bearer\",\"expires_in\":%" PRId64 "}", token,
                tuning->token_seconds);
}

static bool is_form(const char *content_type)
{
    static const char form[] = "application/x-www-form-urlencoded";
    return content_type != NULL && strncasecmp(content_type, form, sizeof form - 1) == 0 &&
           (content_type[sizeof form - 1] == '\0' || strchr("; \t", content_type[sizeof form - 1]) != NULL);
}

static void apply_verdict(struct request *request, const struct tuning *tuning, const struct verdict *verdict)
{
    if (verdict->how == HOW_PLAIN && verdict->status == 0) {
        issue(request, tuning);
    } else if (verdict->how == HOW_PLAIN) {
        fail(request, verdict->status, "server_error", "scripted");
    } else {
        reply_broken(request, verdict);
    }
    if (verdict->retry_after_s >= 0) {
        reply_retry_after(request, tuning, verdict->retry_after_s * 1000000);
    }
    request->reply.delay_us += verdict->delay_us;
}

void oauth_answer(struct request *request)
{
    struct app *app = request->app;
    struct tuning tuning;
    tuner_get(&app->tuner, &tuning);
    count_up(&app->counters.token_requests);
    request->reply.delay_us = latency_sample(&tuning.token_latency, &app->latency_dice);
    struct verdict verdict;
    const struct subject subject = {.parts[SUBJECT_ROUTE] = {SCRIPT_TOKEN_ROUTE, strlen(SCRIPT_TOKEN_ROUTE)},
                                    .by_name_only = true};
    struct form form;
    if (script_take(app->script, &subject, &verdict)) {
        count_up(&app->counters.scripted);
        apply_verdict(request, &tuning, &verdict);
    } else if (!is_form(request->content_type)) {
        fail(request, 400, "invalid_request", "the content type must be application/x-www-form-urlencoded");
    } else if (request->received > FORM_MAX || !read_form(&request->body, &form)) {
        fail(request, 400, "invalid_request", "the form cannot be read");
    } else if (form.grant_type == NULL) {
        fail(request, 400, "invalid_request", "grant_type is required");
    } else if (strcmp(form.grant_type, "client_credentials") != 0) {
        fail(request, 400, "unsupported_grant_type", "only client_credentials is supported");
    } else if (is_client(request, &form)) {
        issue(request, &tuning);
    }
}
