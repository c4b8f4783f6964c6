#include "producer/template_file.h"

#include <stdio.h>
#include <string.h>

#include "common/ids.h"
#include "common/nearest.h"
#include "common/utf8.h"
#include "producer/language.h"

/* All fields that a file may have: the plain ones by their number, then those with an inside. */
enum { FIELD_TEXTS = TEMPLATE_FIELDS, FIELD_GREETINGS, FIELD_PARAMETERS, FIELD_LABELS, FIELD_COUNT };

static const char *const field_names[] = {
    [TEMPLATE_NAME] = "name",
    [TEMPLATE_ROUTE] = "route",
    [TEMPLATE_CHANNEL] = "channel",
    [TEMPLATE_FROM] = "from",
    [TEMPLATE_DEFAULT_LANGUAGE] = "default_language",
    [TEMPLATE_RESPONSE_ID] = "responseId",
    [TEMPLATE_PRIORITY] = "priority",
    [TEMPLATE_EXPIRES_AFTER] = "expires_after",
    [TEMPLATE_ON_UNKNOWN] = "on_unknown",
    [TEMPLATE_ORIGIN] = "origin",
    [TEMPLATE_CALLBACK_URL] = "callback_url",
    [FIELD_TEXTS] = "texts",
    [FIELD_GREETINGS] = "greetings",
    [FIELD_PARAMETERS] = "bodyParameters",
    [FIELD_LABELS] = "labels",
};
_Static_assert(sizeof(field_names) / sizeof(field_names[0]) == FIELD_COUNT, "every field has its name");

/* The tutorials' greetings; English first, for languages without one. */
static const char *const builtin_languages[] = {"en", "es", "fr", "de"};
static const char *const builtin_greetings[] = {"Hello", "Hola", "Bonjour", "Hallo"};
#define BUILTIN_GREETINGS (sizeof(builtin_languages) / sizeof(builtin_languages[0]))

/* Visits the members of an object for one of the loaders below: `rc` becomes not 0 at the first that is wrong. */
struct visit {
    struct template *t;
    struct reason *why;
    size_t count; /* members seen */
    int rc;
};

static bool refuse(struct visit *v, int rc)
{
    v->rc = rc;
    return false;
}

static bool check_known(void *context, const char *key, const struct json *value)
{
    struct visit *v = context;
    struct nearest nearest = {.word = {key, strnlen(key, NEAREST_MAX)}, .is_any = true};

    (void)value; /* looked at by the field's own loader */
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (strcmp(key, field_names[i]) == 0)
            return true;
        nearest_look_at(&nearest, field_names[i]);
    }
    reason_set(v->why, "the field '%.40s' is not known; the nearest one is '%s'", key, nearest.name);
    return refuse(v, ERR_INVALID);
}

static int load_plain_fields(struct template *t, struct reason *why)
{
    for (size_t i = 0; i < TEMPLATE_FIELDS; i++) {
        const struct json *value = json_get(t->file, field_names[i]);
        const char *text = json_get_text(t->file, field_names[i]);

        if (!value)
            continue;
        if (json_kind(value) != JSON_TEXT) {
            reason_set(why, "'%s' is %s; it must be a text in quotes", field_names[i],
                       json_kind_name(json_kind(value)));
            return ERR_INVALID;
        }
        if (!text || *text == '\0') {
            reason_set(why, "'%s' is %s: give it a value or leave it out", field_names[i],
                       text ? "empty" : "a text with a NUL character in it");
            return ERR_INVALID;
        }
        if (strlen(text) > TEMPLATE_MAX_FIELD) {
            reason_set(why, "'%s' is longer than %d bytes", field_names[i], TEMPLATE_MAX_FIELD);
            return ERR_LIMIT;
        }
        t->fields[i] = text;
    }
    return 0;
}

/* The text of one member of `greetings` or `texts`, whose key must be a language tag that is not yet among `others`. */
static bool take_language(struct visit *v, const char *field, const char *key, const struct json *value,
                          const char *const *others, size_t count, struct span *ret)
{
    ret->data = json_text(value, &ret->len);
    if (!language_is_tag(key)) {
        reason_set(v->why, "'%s' has '%.40s', which is not a language tag such as en or pt-BR", field, key);
        return refuse(v, ERR_INVALID);
    }
    for (size_t i = 0; i < count; i++) {
        if (language_is_same(key, others[i])) {
            reason_set(v->why, "'%s' has the language '%s' twice, as '%s' and '%s'", field, key, others[i], key);
            return refuse(v, ERR_INVALID);
        }
    }
    if (count == TEMPLATE_MAX_LANGUAGES) {
        reason_set(v->why, "'%s' has more than %d languages", field, TEMPLATE_MAX_LANGUAGES);
        return refuse(v, ERR_LIMIT);
    }
    if (!ret->data || ret->len == 0 || memchr(ret->data, '\0', ret->len)) {
        reason_set(v->why, "'%s' for %s must be a text that is not empty and has no NUL character", field, key);
        return refuse(v, ERR_INVALID);
    }
    return true;
}

static bool add_greeting(void *context, const char *key, const struct json *value)
{
    struct visit *v = context;
    struct template *t = v->t;
    struct span text;

    if (!take_language(v, "greetings", key, value, t->greeting_languages, t->greeting_count, &text))
        return false;
    if (memmem(text.data, text.len, "{{", 2)) {
        reason_set(v->why, "'greetings' for %s holds {{, but a greeting goes in as it is: use variables in 'texts'",
                   key);
        return refuse(v, ERR_INVALID);
    }
    t->greeting_languages[t->greeting_count] = key;
    t->greetings[t->greeting_count++] = text;
    return true;
}

static struct span find_greeting(const struct template *t, const char *language)
{
    const char *found = language_lookup(language, t->greeting_languages, t->greeting_count);

    for (size_t i = 0; i < t->greeting_count; i++) {
        if (t->greeting_languages[i] == found)
            return t->greetings[i];
    }
    found = language_lookup(language, builtin_languages, BUILTIN_GREETINGS);
    for (size_t i = 0; i < BUILTIN_GREETINGS; i++) {
        if (builtin_languages[i] == found)
            return span_of(builtin_greetings[i]);
    }
    return span_of(NULL);
}

struct span template_greeting(const struct template *t, const char *language)
{
    struct span greeting = find_greeting(t, language);

    return greeting.data ? greeting : find_greeting(t, "en"); /* which is built in */
}

static bool add_text(void *context, const char *key, const struct json *value)
{
    struct visit *v = context;
    struct template *t = v->t;
    struct template_entry *entry = &t->entries[t->entry_count];
    struct span text;
    char where[64];

    if (!take_language(v, "texts", key, value, t->languages, t->entry_count, &text))
        return false;
    (void)snprintf(where, sizeof(where), "the text for %s", key); /* a tag is short */
    v->rc = template_text_compile(&entry->text, text, where, &t->variables, v->why);
    if (v->rc != 0)
        return false;
    entry->language = key;
    entry->greeting = template_greeting(t, key);
    t->languages[t->entry_count++] = key;
    return true;
}

static bool check_label(void *context, const char *key, const struct json *value)
{
    struct visit *v = context;

    if (++v->count > TEMPLATE_MAX_LABELS) {
        reason_set(v->why, "'labels' has more than %d entries", TEMPLATE_MAX_LABELS);
        return refuse(v, ERR_LIMIT);
    }
    if (strlen(key) > ID_MAX) {
        reason_set(v->why, "the label '%.40s...' has a name longer than %d bytes", key, ID_MAX);
        return refuse(v, ERR_INVALID);
    }
    if (json_kind(value) == JSON_TEXT)
        return true;
    reason_set(v->why, "the label '%.40s' is %s; it must be a text in quotes", key, json_kind_name(json_kind(value)));
    return refuse(v, ERR_INVALID);
}

/* Calls `visit` for each member of the object `name`, which may be absent. */
static int load_object(struct template *t, const char *name,
                       bool (*visit)(void *context, const char *key, const struct json *value), struct reason *why)
{
    const struct json *object = json_get(t->file, name);
    struct visit v = {.t = t, .why = why};

    if (object && json_kind(object) != JSON_OBJECT) {
        reason_set(why, "'%s' is %s; it must be an object in braces", name, json_kind_name(json_kind(object)));
        return ERR_INVALID;
    }
    json_each(object, visit, &v);
    return v.rc;
}

static int load_parameters(struct template *t, struct reason *why)
{
    const struct json *array = json_get(t->file, field_names[FIELD_PARAMETERS]);
    size_t count = json_count(array);

    if (array && json_kind(array) != JSON_ARRAY) {
        reason_set(why, "'bodyParameters' is %s; it must be an array of texts", json_kind_name(json_kind(array)));
        return ERR_INVALID;
    }
    if (count > TEMPLATE_MAX_PARAMETERS) {
        reason_set(why, "'bodyParameters' has %zu entries, more than %d", count, TEMPLATE_MAX_PARAMETERS);
        return ERR_LIMIT;
    }
    for (size_t i = 0; i < count; i++) {
        struct span text;
        char where[64];
        int rc;

        (void)snprintf(where, sizeof(where), "'bodyParameters', entry %zu", i + 1); /* always fits */
        text.data = json_text(json_at(array, i), &text.len);
        if (!text.data || text.len == 0 || memchr(text.data, '\0', text.len)) {
            reason_set(why, "%s must be a text that is not empty and has no NUL character", where);
            return ERR_INVALID;
        }
        rc = template_text_compile(&t->parameters[i], text, where, &t->variables, why);
        if (rc != 0)
            return rc;
        t->parameter_count++;
    }
    return 0;
}

/* What no field says alone: something to send, on a channel, with a default language that has a text. */
static int check_whole(struct template *t, struct reason *why)
{
    const char **language = &t->fields[TEMPLATE_DEFAULT_LANGUAGE];

    const char *route = t->fields[TEMPLATE_ROUTE];

    if (!t->fields[TEMPLATE_CHANNEL] && !(route && strcmp(route, "conversation") == 0)) /* that one has no address */
        reason_set(why, "'channel' is missing: it is sms, whatsapp, facebook, web or open");
    else if (t->parameter_count > 0 && !t->fields[TEMPLATE_RESPONSE_ID])
        reason_set(why, "'bodyParameters' needs 'responseId', the approved template they belong to");
    else if (t->entry_count == 0 && !t->fields[TEMPLATE_RESPONSE_ID])
        reason_set(why, "'texts' is missing or empty: give one text for each language, such as {\"en\": \"...\"}");
    else if (t->entry_count > 1 && !*language)
        reason_set(why, "'default_language' is missing: name the language of 'texts' for people of any other");
    else if (t->entry_count > 0 && *language && !language_lookup(*language, t->languages, t->entry_count))
        reason_set(why, "'default_language' is '%.40s', for which 'texts' has no text", *language);
    else if (*language && !language_is_tag(*language))
        reason_set(why, "'default_language' is '%.40s', which is not a language tag such as en or pt-BR", *language);
    else {
        if (t->entry_count > 0)
            *language = *language ? language_lookup(*language, t->languages, t->entry_count) : t->languages[0];
        else if (!*language)
            *language = builtin_languages[0];
        return 0;
    }
    return ERR_INVALID;
}

/* Reports count by the label `template`: without one of its own it is the template's name. */
static void write_labels(struct template *t, struct span name)
{
    const struct json *labels = json_get(t->file, field_names[FIELD_LABELS]);
    struct json *all = NULL;

    if (t->fields[TEMPLATE_NAME])
        name = (struct span){t->fields[TEMPLATE_NAME], strlen(t->fields[TEMPLATE_NAME])};
    buf_init(&t->labels, JSON_MAX_BYTES);
    if (labels)
        json_print(labels, &t->labels);
    if (name.len == 0 || json_has(labels, "template") || !utf8_is_valid(name.data, name.len))
        return;
    if (!labels)
        all = json_new_object();
    else if (json_parse(&all, t->labels.data, t->labels.len, NULL) != 0)
        return; /* it was printed from what was read: never */
    json_set(all, "template", json_new_text(name.data, name.len));
    buf_reset(&t->labels);
    json_print(all, &t->labels);
    json_free(all);
}

int template_read_file(struct template *t, struct span name, struct reason *why)
{
    struct visit v = {.t = t, .why = why};
    int rc;

    if (json_kind(t->file) != JSON_OBJECT) {
        reason_set(why, "a template is a JSON object in braces, this is %s", json_kind_name(json_kind(t->file)));
        return ERR_INVALID;
    }
    json_each(t->file, check_known, &v);
    rc = v.rc;
    if (rc == 0)
        rc = load_plain_fields(t, why);
    if (rc == 0)
        rc = load_object(t, field_names[FIELD_GREETINGS], add_greeting,
                         why); /* before the texts, which choose from them */
    if (rc == 0)
        rc = load_object(t, field_names[FIELD_TEXTS], add_text, why);
    if (rc == 0)
        rc = load_parameters(t, why);
    if (rc == 0)
        rc = load_object(t, field_names[FIELD_LABELS], check_label, why);
    if (rc == 0)
        rc = check_whole(t, why);
    if (rc == 0)
        write_labels(t, name);
    return rc;
}

const char *template_field_name(enum template_field field)
{
    return field_names[field];
}
