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
    const struct json *variables;
    struct buf printed; /* the variable that was looked up last, when it is no text */
};

/* The members that the envelope is made of; all others go over to it. */
static const char *const own_members[] = {"template", "to",    "variables", "language",
                                          "from",     "route", "payload",   "consentVerified"};

static bool is_own(const char *name)
{
    for (size_t i = 0; i < sizeof(own_members) / sizeof(own_members[0]); i++) {
        if (strcmp(own_members[i], name) == 0)
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
    return strcmp(why->field, "/payload") == 0 && json_get(asked->json, "template") &&
           !json_get(asked->json, "payload");
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

static int find_template(struct composer *composer, const struct json *member, struct refusal *why)
{
    struct span name;

    name.data = json_text(member, &name.len);
    composer->asked = template_set_find(composer->set, name);
    if (composer->asked)
        return 0;
    return refuse(why, "template_unknown", "/template", "this gateway has no template of that name (--templates)");
}

static int parse_template(const struct json *member, struct template **ret, struct refusal *why)
{
    struct reason reason = {""};
    struct buf text;
    int rc;

    buf_init(&text, JSON_MAX_BYTES);
    json_print(member, &text);
    rc = template_parse(ret, buf_str(&text), text.len, &reason);
    buf_clear(&text);
    return rc == 0 ? 0 : refuse(why, "template_invalid", "/template", "%s", reason.text);
}

static bool is_same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
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

static int make_ready(struct composer *composer, const struct json *message, struct refusal *why)
{
    const char *from = json_get_text(message, "from"), *route = json_get_text(message, "route");
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
    composer->from = mem_text(from);
    composer->route = mem_text(route);
    config.from = composer->from;
    config.route = composer->route;
    if (personaliser_create(&composer->personaliser, &config, &reason) != 0)
        return refuse_template(from, route, &reason, why);
    composer->template = composer->asked;
    return 0;
}

/* --- the person --- */

static const char *look_up(void *context, size_t variable, size_t *ret_len)
{
    struct composer *composer = context;
    const struct json *value = json_get(composer->variables, template_variable_name(composer->asked, variable));

    *ret_len = 0;
    if (!value)
        return NULL;
    if (json_kind(value) == JSON_TEXT)
        return json_text(value, ret_len);
    buf_reset(&composer->printed);
    json_print(value, &composer->printed);
    *ret_len = composer->printed.len;
    return buf_str(&composer->printed);
}

/* A name in a JSON pointer (RFC 6901, section 3). */
static void point_to_variable(const char *name, char *out, size_t size)
{
    size_t len = (size_t)snprintf(out, size, "/variables/");

    for (; *name && len + 3 < size; name++) {
        if (*name == '~' || *name == '/') {
            out[len++] = '~';
            out[len++] = *name == '~' ? '0' : '1';
        } else {
            out[len++] = *name;
        }
    }
    out[len] = '\0';
}

struct check {
    struct refusal *why;
    int rc;
};

/* As in a line of recipients: texts, numbers and booleans; null is the same as absent. */
static bool check_variable(void *context, const char *name, const struct json *value)
{
    struct check *check = context;
    enum json_kind kind = json_kind(value);
    size_t len = 0;
    const char *text = json_text(value, &len), *fault = NULL;
    char field[sizeof(check->why->field)];

    if (kind == JSON_ARRAY || kind == JSON_OBJECT)
        fault = "may be text, a number, true or false";
    else if (text && memchr(text, '\0', len))
        fault = "there is a NUL character in the value";
    else if (len > RECIPIENTS_MAX_FIELD)
        fault = "the value is longer than 64 KiB";
    if (!fault)
        return true;
    point_to_variable(name, field, sizeof(field));
    check->rc = refuse(check->why, "field_invalid", field, "%s", fault);
    return false;
}
_Static_assert(RECIPIENTS_MAX_FIELD == 64 << 10, "the message above names this limit");

static int read_variables(struct composer *composer, const struct json *message, struct refusal *why)
{
    struct check check = {why, 0};

    composer->variables = json_get(message, "variables");
    if (composer->variables && json_kind(composer->variables) != JSON_OBJECT)
        return refuse(why, "field_invalid", "/variables", "must be an object");
    json_each(composer->variables, check_variable, &check);
    return check.rc;
}

/* An explicit answer that is not true, in either place, is a no. */
static void read_consent(const struct json *message, struct person *person)
{
    const struct json *here = json_get(message, "consentVerified");
    const struct json *there = json_get(json_get(message, "metadata"), "consentVerified");
    bool is_no = (here && !json_is_true(here)) || (there && !json_is_true(there));

    person->consent = is_no ? CONSENT_REFUSED : here || there ? CONSENT_GIVEN : CONSENT_ABSENT;
    person->consent_name = there && !here ? "/metadata/consentVerified" : "/consentVerified";
}

static int read_person(struct composer *composer, const struct json *message, struct person *ret, struct refusal *why)
{
    *ret = (struct person){.to_name = "/to", .look_up = look_up, .context = composer};
    if (!json_get(message, "to"))
        return refuse(why, "field_missing", "/to", "must be the address of the person who is written to");
    if (route_read_text(message, "to", "/to", &ret->to, why) != 0 ||
        route_read_text(message, "language", "/language", &ret->language, why) != 0)
        return ERR_INVALID;
    read_consent(message, ret);
    return read_variables(composer, message, why);
}

/* --- the envelope --- */

static bool carry(void *context, const char *name, const struct json *value)
{
    struct json *envelope = context;

    if (!is_own(name) && json_kind(value) != JSON_ABSENT && json_kind(value) != JSON_NULL)
        json_set(envelope, name, json_ref(value));
    return true;
}

/* What was drafted out of the template, and over it what the message says of itself. */
static int write_envelope(struct composer *composer, const struct json *message, const struct personal *personal,
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
    json_each(message, carry, envelope);
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
    point_to_variable(refusal->column, field, sizeof(field));
    return refuse(why, refusal->code, field, "%s", refusal->text);
}

static int compose_with(struct composer *composer, const struct envelope *asked, int64_t now_ms, struct buf *out,
                        struct refusal *why)
{
    const struct json *message = asked->json;
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
    const struct json *member = json_get(asked->json, "template");
    struct template *inline_one = NULL;
    int rc;

    renew_set(composer);
    if (json_kind(member) == JSON_TEXT)
        rc = find_template(composer, member, why);
    else if (json_kind(member) == JSON_OBJECT)
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

void compose_print(const struct json *message, struct buf *out)
{
    for (size_t i = 0; i < sizeof(own_members) / sizeof(own_members[0]); i++) {
        const struct json *member = json_get(message, own_members[i]);

        if (member)
            json_print(member, out);
        buf_char(out, '\n');
    }
}

void compose_point(struct refusal *why)
{
    static const char prefix[] = "/payload";

    if (strncmp(why->field, prefix, sizeof(prefix) - 1) == 0)
        (void)snprintf(why->field, sizeof(why->field), "/template");
}
