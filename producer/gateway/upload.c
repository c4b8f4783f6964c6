#include "producer/gateway/upload.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "producer/gateway/endpoints.h"
#include "producer/gateway/exchange.h"

#define FIELD_MAX  ((size_t)256) /* bytes of a plain field */

#define RECIPIENTS UPLOAD_FIELDS /* the part that goes to the spool */

static const char *const names[] = {
    [UPLOAD_CAMPAIGN] = "campaign", [UPLOAD_TEMPLATE] = "template", [UPLOAD_KEY] = "key",        [UPLOAD_FROM] = "from",
    [UPLOAD_ROUTE] = "route",       [UPLOAD_SEND_AT] = "send_at",   [RECIPIENTS] = "recipients",
};

const char *upload_field(const struct upload *upload, enum upload_field field)
{
    return upload->fields[field].len > 0 ? upload->fields[field].data : NULL;
}

/* --- what is wrong with it --- */

static void refuse_spool(struct upload *upload)
{
    if (upload->spool.rc == ERR_LIMIT)
        exchange_problem(upload->exchange, 413, "body_too_large", NULL, upload->spool.why.text);
    else
        exchange_problem(upload->exchange, 507, "spool_full", NULL, upload->spool.why.text);
}

static bool refuse_field(struct upload *upload, const char *name, const char *code, const char *detail)
{
    char pointer[32];

    (void)snprintf(pointer, sizeof(pointer), "/%s", name);
    exchange_problem(upload->exchange, 422, code, pointer, detail);
    return false;
}

/* --- a form --- */

static enum recipients_format format_of_type(const char *type)
{
    static const struct {
        const char *type;
        enum recipients_format format;
    } types[] = {
        {"text/csv", RECIPIENTS_CSV},
        {"application/x-ndjson", RECIPIENTS_JSONL},
        {"application/jsonl", RECIPIENTS_JSONL},
        {"application/x-jsonlines", RECIPIENTS_JSONL},
    };
    size_t len = strcspn(type, "; \t");

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strncasecmp(types[i].type, type, len) == 0 && types[i].type[len] == '\0')
            return types[i].format;
    }
    return RECIPIENTS_AUTO;
}

static bool begin_part(struct upload *upload, size_t field, const char *type)
{
    bool was_there = field == RECIPIENTS ? upload->spool.size > 0 : upload->fields[field].len > 0;

    if (was_there) /* libmicrohttpd may begin a part with no bytes and then once more with some */
        return refuse_field(upload, names[field], "field_repeated", "is there twice");
    if (field == RECIPIENTS) {
        upload->format = format_of_type(type);
        upload->has_recipients = true;
    }
    return true;
}

static bool take_piece(void *context, const struct form_piece *piece)
{
    struct upload *upload = context;
    size_t field = 0;

    while (field <= RECIPIENTS && strcmp(names[field], piece->name) != 0)
        field++;
    if (field > RECIPIENTS) {
        exchange_problem(upload->exchange, 422, "field_unknown", NULL,
                         "the parts are template, recipients, campaign, key, from, route and send_at");
        return false;
    }
    if (piece->offset == 0 && !begin_part(upload, field, piece->type))
        return false;
    if (field == RECIPIENTS) {
        spool_add(&upload->spool, piece->data, piece->len);
        if (upload->spool.rc != 0)
            refuse_spool(upload);
        return upload->spool.rc == 0;
    }
    buf_add(&upload->fields[field], piece->data, piece->len);
    if (upload->fields[field].overflow)
        return refuse_field(upload, names[field], "field_invalid", "is too long");
    return true;
}

/* --- the sink --- */

static size_t take(struct exchange *exchange, void *state, const char *data, size_t len)
{
    struct upload *upload = state;

    if (!upload->form) {
        spool_add(&upload->spool, data, len);
        if (upload->spool.rc != 0)
            refuse_spool(upload);
    } else if (!form_add(upload->form, data, len)) {
        exchange_problem(exchange, 400, "form_invalid", NULL,
                         "the body is not multipart/form-data"); /* the first counts */
    }
    return len;
}

/* False when it was answered. */
static bool is_whole(struct upload *upload)
{
    bool has_form = upload->form != NULL, is_form_whole = form_close(upload->form);

    upload->form = NULL;
    if (!exchange_answer(upload->exchange))
        return false; /* the rest of the form was wrong */
    if (!is_form_whole)
        exchange_problem(upload->exchange, 400, "form_invalid", NULL,
                         "the form ends before its closing boundary: nothing of it was taken");
    else if (has_form && !upload->has_recipients)
        (void)refuse_field(upload, names[RECIPIENTS], "field_missing", "is missing: CSV or lines of JSON");
    else if (!upload_field(upload, UPLOAD_TEMPLATE))
        (void)refuse_field(upload, names[UPLOAD_TEMPLATE], "field_missing",
                           "is missing: the name of a template, or in a form the template itself");
    else if (spool_finish(&upload->spool) != 0)
        refuse_spool(upload);
    else
        return true;
    return false;
}

static void finish(struct exchange *exchange, void *state)
{
    struct upload *upload = state;

    for (size_t i = 0; i < UPLOAD_FIELDS; i++) {
        if (memchr(buf_str(&upload->fields[i]), '\0', upload->fields[i].len)) {
            (void)refuse_field(upload, names[i], "field_invalid", "there is a NUL character in it");
            return;
        }
    }
    if (is_whole(upload))
        clerks_ask(exchange, &upload_job, upload);
}

static void destroy(void *state)
{
    struct upload *upload = state;

    (void)form_close(upload->form);
    spool_close(&upload->spool);
    for (size_t i = 0; i < UPLOAD_FIELDS; i++)
        buf_clear(&upload->fields[i]);
    buf_clear(&upload->refused);
    buf_clear(&upload->tally);
    free(upload);
}

/* --- the beginning --- */

static bool read_query(struct upload *upload)
{
    for (size_t i = 0; i < UPLOAD_FIELDS; i++) {
        const char *value = exchange_query(upload->exchange, names[i]);

        buf_init(&upload->fields[i], i == UPLOAD_TEMPLATE ? TEMPLATE_MAX_BYTES : FIELD_MAX);
        if (value)
            buf_text(&upload->fields[i], value);
        if (upload->fields[i].overflow)
            return refuse_field(upload, names[i], "field_invalid", "is too long");
    }
    return true;
}

static bool read_type(struct upload *upload)
{
    const char *type = exchange_header(upload->exchange, "Content-Type");

    if (exchange_is_type(upload->exchange, "multipart/form-data"))
        upload->form = form_open(upload->exchange, take_piece, upload);
    else
        upload->format = format_of_type(type ? type : "");
    if (upload->form || upload->format != RECIPIENTS_AUTO)
        return true;
    exchange_problem(upload->exchange, 415, "type_unsupported", NULL,
                     "Content-Type must be text/csv or application/x-ndjson, or multipart/form-data with a boundary");
    return false;
}

static bool check_length(struct upload *upload)
{
    const char *length = exchange_header(upload->exchange, "Content-Length");
    int64_t max = exchange_gateway(upload->exchange)->settings->max_upload;

    if (!length || (strlen(length) <= 18 && strtoll(length, NULL, 10) <= max))
        return true;
    upload->spool.rc = ERR_LIMIT;
    reason_set(&upload->spool.why, "an upload has at most %" PRId64 " bytes (--max-upload)", max);
    refuse_spool(upload);
    return false;
}

static bool open_spool(struct upload *upload)
{
    struct reason why = {""};
    int rc = spool_open(&upload->spool, exchange_gateway(upload->exchange), &why);

    if (rc == ERR_LIMIT)
        exchange_unavailable(upload->exchange, "busy", why.text);
    else if (rc != 0)
        exchange_problem(upload->exchange, 507, "spool_full", NULL, why.text);
    return rc == 0;
}

static void read_trace(struct upload *upload)
{
    const char *text = exchange_header(upload->exchange, "traceparent");
    struct trace trace;

    if (text && trace_parse(text, strlen(text), &trace)) /* of a later version no more than what this one has */
        (void)snprintf(upload->traceparent, sizeof(upload->traceparent), "%s", text);
}

void campaigns_begin(struct exchange *exchange)
{
    static const struct sink sink = {.take = take, .finish = finish, .destroy = destroy};
    struct upload *upload = mem_zalloc(1, sizeof(*upload));

    upload->exchange = exchange;
    exchange_actor(exchange, upload->actor);
    read_trace(upload);
    upload->spool.fd = -1;
    if (read_query(upload) && read_type(upload) && check_length(upload) && open_spool(upload))
        exchange_set_sink(exchange, &sink, upload);
    else
        destroy(upload);
}
