#include "producer/gateway/compose.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "producer/personalise.h"

struct composer {
    struct templates *templates;
    const char *origins;

    /* Used last. */
    struct template_set *set;
    struct personaliser *personaliser; /* of a template of the set */
    const struct template *template;
    char *from, *route;

    /* Of the message under work. */
    const struct template *asked; /* its template */
    const struct json_value *variables;
    struct buf printed; /* the variable that was looked up last, when it is no text */
};

/* The members that the envelope is made of; all others go over to it. */
static const char *const own_members[] = {"template", "to",    "variables", "language",
                                          "from",     "route", "payload",   "consentVerified"};

static bool is_own(struct span name)
{
    for (size_t i = 0; i < sizeof(own_members) / sizeof(own_members[0]); i++) {
        if (span_is(name, own_members[i]))
            return true;
    }
    return false;
}

struct composer *composer_create(struct templates *templates, const char *origins)
{
    struct composer *composer = mem_zalloc(1, sizeof(*composer));

    composer->templates = templates;
    composer->origins = origins;
    buf_init(&composer->printed, JSON_MAX_BYTES);
    return composer;
}

static void forget(struct composer *composer)
{
    personaliser_destroy(composer->personaliser);
    free(composer->from);
    free(composer->route);
    composer->personaliser = NULL;
    composer->template = NULL;
    composer->from = composer->route = NULL;
}

void composer_destroy(struct composer *composer)
{
    if (!composer)
        return;
    forget(composer);
    template_set_release(composer->set);
    buf_clear(&composer->printed);
    free(composer);
}

bool compose_is_wanted(const struct envelope *asked, const struct refusal *why)
{
    return strcmp(why->field, "/payload") == 0 && envelope_get(asked, "template") && !envelope_get(asked, "payload");
}

/* --- the template --- */

/* SIGHUP may have brought others. */
static void renew_set(struct composer *composer)
{
    struct template_set *set = templates_take(composer->templates);

    if (set != composer->set)
        forget(composer);
    template_set_release(composer->set);
    composer->set = set;
}

static int find_template(struct composer *composer, const struct json_value *member, struct refusal *why)
{
    composer->asked = template_set_find(composer->set, value_text(member));
    if (composer->asked)
        return 0;
    return refuse(why, "template_unknown", "/template", "this gateway has no template of that name (--templates)");
}

static int parse_template(const struct json_value *member, struct template **ret, struct refusal *why)
{
    struct reason reason = {""};
    struct buf text;
    int rc;

    buf_init(&text, JSON_MAX_BYTES);
    value_print(member, &text);
    rc = template_parse(ret, buf_str(&text), text.len, &reason);
    buf_clear(&text);
    return rc == 0 ? 0 : refuse(why, "template_invalid", "/template", "%s", reason.text);
}

/* Both may be absent. */
static bool is_same_text(const char *kept, struct span text)
{
    return kept ? span_is(text, kept) : !text.data;
}

/* What is wrong does not depend on the person: the template, or what the message says instead of it. */
static int refuse_template(const char *from, const char *route, const struct reason *reason, struct refusal *why)
{
    static const char prefix[] = "template: ";
    const char *text = reason->text, *field = from ? "/from" : route ? "/route" : "/template";

    if (strncmp(text, prefix, sizeof(prefix) - 1) == 0)
        text += sizeof(prefix) - 1;
    return refuse(why, from || route ? "field_invalid" : "template_invalid", field, "%s", text);
}

static int make_ready(struct composer *composer, const struct json_value *message, struct refusal *why)
{
    struct span from = value_get_text(message, "from"), route = value_get_text(message, "route");
    struct personaliser_config config = {.template = composer->asked, .origins = composer->origins};
    struct span text = {NULL, 0};
    struct reason reason = {""};

    if (route_read_text(message, "from", "/from", &text, why) != 0 ||
        route_read_text(message, "route", "/route", &text, why) != 0)
        return ERR_INVALID;
    if (composer->template == composer->asked && is_same_text(composer->from, from) &&
        is_same_text(composer->route, route))
        return 0;
    forget(composer);
    composer->from = from.data ? mem_copy(from.data, from.len) : NULL;
    composer->route = route.data ? mem_copy(route.data, route.len) : NULL;
    config.from = composer->from;
    config.route = composer->route;
    if (personaliser_create(&composer->personaliser, &config, &reason) != 0)
        return refuse_template(composer->from, composer->route, &reason, why);
    composer->template = composer->asked;
    return 0;
}

/* --- the person --- */

static const char *look_up(void *context, size_t variable, size_t *ret_len)
{
    struct composer *composer = context;
    const struct json_value *value = value_get(composer->variables, template_variable_name(composer->asked, variable));

    *ret_len = 0;
    if (!value)
        return NULL;
    if (value_kind(value) == JSON_TEXT) {
        *ret_len = value->text.len;
        return value->text.data;
    }
    buf_reset(&composer->printed);
    value_print(value, &composer->printed);
    *ret_len = composer->printed.len;
    return buf_str(&composer->printed);
}

/* A name in a JSON pointer (RFC 6901, section 3). */
static void point_to_variable(struct span name, char *out, size_t size)
{
    size_t len = (size_t)snprintf(out, size, "/variables/");

    for (size_t i = 0; i < name.len && len + 3 < size; i++) {
        char c = name.data[i];

        if (c == '~' || c == '/') {
            out[len++] = '~';
            out[len++] = c == '~' ? '0' : '1';
        } else {
            out[len++] = c;
        }
    }
    out[len] = '\0';
}

/* As in a line of recipients: texts, numbers and booleans; null is the same as absent. */
static int check_variable(const struct json_value *value, struct refusal *why)
{
    enum json_kind kind = value_kind(value);
    struct span text = value_text(value);
    const char *fault = NULL;
    char field[sizeof(why->field)];

    if (kind == JSON_ARRAY || kind == JSON_OBJECT)
        fault = "may be text, a number, true or false";
    else if (text.data && memchr(text.data, '\0', text.len))
        fault = "there is a NUL character in the value";
    else if (text.len > RECIPIENTS_MAX_FIELD)
        fault = "the value is longer than 64 KiB";
    if (!fault)
        return 0;
    point_to_variable(value->name, field, sizeof(field));
    return refuse(why, "field_invalid", field, "%s", fault);
}
_Static_assert(RECIPIENTS_MAX_FIELD == 64 << 10, "the message above names this limit");

static int read_variables(struct composer *composer, const struct json_value *message, struct refusal *why)
{
    int rc = 0;

    composer->variables = value_get(message, "variables");
    if (composer->variables && value_kind(composer->variables) != JSON_OBJECT)
        return refuse(why, "field_invalid", "/variables", "must be an object");
    for (const struct json_value *at = value_first(composer->variables); at && rc == 0;
         at = value_next(composer->variables, at))
        rc = check_variable(at, why);
    return rc;
}

/* An explicit answer that is not true, in either place, is a no. */
static void read_consent(const struct json_value *message, struct person *person)
{
    const struct json_value *here = value_get(message, "consentVerified");
    const struct json_value *there = value_get(value_get(message, "metadata"), "consentVerified");
    bool is_no = (here && !value_is_true(here)) || (there && !value_is_true(there));

    person->consent = is_no ? CONSENT_REFUSED : here || there ? CONSENT_GIVEN : CONSENT_ABSENT;
    person->consent_name = there && !here ? "/metadata/consentVerified" : "/consentVerified";
}

static int read_person(struct composer *composer, const struct json_value *message, struct person *ret,
                       struct refusal *why)
{
    *ret = (struct person){.to_name = "/to", .look_up = look_up, .context = composer};
    if (!value_get(message, "to"))
        return refuse(why, "field_missing", "/to", "must be the address of the person who is written to");
    if (route_read_text(message, "to", "/to", &ret->to, why) != 0 ||
        route_read_text(message, "language", "/language", &ret->language, why) != 0)
        return ERR_INVALID;
    read_consent(message, ret);
    return read_variables(composer, message, why);
}

/* --- the envelope --- */

static void carry(const struct json_value *message, struct json *envelope)
{
    for (const struct json_value *at = value_first(message); at; at = value_next(message, at)) {
        char *name;

        if (is_own(at->name) || value_kind(at) == JSON_NULL)
            continue;
        name = mem_copy(at->name.data, at->name.len);
        json_set(envelope, name, value_tree(at));
        free(name);
    }
}

/* What was drafted out of the template, and over it what the message says of itself. */
static int write_envelope(struct composer *composer, const struct json_value *message, const struct personal *personal,
                          struct buf *out, struct refusal *why)
{
    struct json *envelope = NULL;
    struct json *metadata;
    struct reason reason = {""};
    struct buf draft;
    int rc;

    buf_init(&draft, JSON_MAX_BYTES);
    personaliser_write(composer->personaliser, personal, &draft);
    rc = json_parse(&envelope, buf_str(&draft), draft.len, &reason);
    buf_clear(&draft);
    if (rc != 0)
        return refuse(why, "json_invalid", "", "%s", reason.text);
    carry(message, envelope);
    metadata = json_edit(envelope, "metadata");
    if (json_kind(metadata) == JSON_OBJECT && personal->content.consent == CONSENT_GIVEN)
        json_set(metadata, "consentVerified", json_new_bool(true));
    json_print(envelope, out);
    json_free(envelope);
    return out->overflow ? refuse(why, "json_invalid", "", "the message is too large") : 0;
}

/* Names of `person` are pointers already; others are variables. */
static int refuse_person(const struct row_refusal *refusal, struct refusal *why)
{
    char field[sizeof(why->field)];

    if (refusal->column[0] == '/' || !refusal->column[0])
        return refuse(why, refusal->code, refusal->column[0] ? refusal->column : "/template", "%s", refusal->text);
    point_to_variable(span_of(refusal->column), field, sizeof(field));
    return refuse(why, refusal->code, field, "%s", refusal->text);
}

static int compose_with(struct composer *composer, const struct envelope *asked, int64_t now_ms, struct buf *out,
                        struct refusal *why)
{
    const struct json_value *message = json_view_whole(&asked->view);
    struct row_refusal refusal;
    struct personal personal;
    struct person person;

    if (make_ready(composer, message, why) != 0 || read_person(composer, message, &person, why) != 0)
        return ERR_INVALID;
    if (personaliser_apply_to(composer->personaliser, &person, &personal, &refusal) != 0)
        return refuse_person(&refusal, why);
    personaliser_set_time(composer->personaliser, asked->send_at_ms, now_ms);
    return write_envelope(composer, message, &personal, out, why);
}

int compose(struct composer *composer, const struct envelope *asked, int64_t now_ms, struct buf *out,
            struct refusal *why)
{
    const struct json_value *member = envelope_get(asked, "template");
    struct template *inline_one = NULL;
    int rc;

    renew_set(composer);
    if (value_kind(member) == JSON_TEXT)
        rc = find_template(composer, member, why);
    else if (value_kind(member) == JSON_OBJECT)
        rc = parse_template(member, &inline_one, why);
    else
        return refuse(why, "field_invalid", "/template", "must be the name of a template, or a template");
    if (inline_one)
        composer->asked = inline_one;
    if (rc == 0)
        rc = compose_with(composer, asked, now_ms, out, why);
    if (inline_one)
        forget(composer);
    template_free(inline_one);
    return rc;
}

void compose_print(const struct envelope *asked, struct buf *out)
{
    for (size_t i = 0; i < sizeof(own_members) / sizeof(own_members[0]); i++) {
        const struct json_value *member = envelope_get(asked, own_members[i]);

        if (member)
            value_print(member, out);
        buf_char(out, '\n');
    }
}

void compose_point(struct refusal *why)
{
    static const char prefix[] = "/payload";

    if (strncmp(why->field, prefix, sizeof(prefix) - 1) == 0)
        (void)snprintf(why->field, sizeof(why->field), "/template");
}
