/* The template of a campaign: a JSON file with one text per language, and how a text becomes one person's message.
 *
 *     {"name": "appointment", "channel": "sms", "from": "+15551234567", "default_language": "en",
 *      "greetings": {"de": "Guten Tag"},
 *      "texts": {"en": "{{greeting}} {{name|friend}}, see you on {{date}}.", "de": "..."}}
 *
 * Placeholders. {{name}} is replaced by the variable `name`; blanks inside the braces do not matter; names are
 * [A-Za-z_][A-Za-z0-9_.-]*. {{name|friend}} gives a default for a variable that is absent or empty, {{name|}} an empty
 * one. {{greeting}} is built in: the greeting of the text's language by RFC 4647 lookup in `greetings`, then in the
 * built-in ones (en Hello, es Hola, fr Bonjour, de Hallo), else English's. A stray }} is ordinary text; an unclosed {{,
 * an empty name and a {{ inside a placeholder are errors at load, with language, line and column.
 *
 * Values are inserted as they are and never looked at again: a value that holds "{{x}}" is that text, so what is in a
 * spreadsheet's cell cannot pull in another cell.
 *
 * Each text is compiled once at load and each variable gets an index, so that a caller binds indexes to columns once
 * and a million rows cost no search by name.
 *
 * Route, channel, priority, on_unknown, expires_after, origin and callback_url are kept as text: their rules belong to
 * the modules that use them. */
#ifndef HERALD_PRODUCER_TEMPLATE_H
#define HERALD_PRODUCER_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/json.h"
#include "common/reason.h"

#define TEMPLATE_MAX_BYTES      ((size_t)256 << 10) /* of the file */
#define TEMPLATE_MAX_LANGUAGES  64
#define TEMPLATE_MAX_VARIABLES  128
#define TEMPLATE_MAX_NAME       64   /* characters of a variable's name */
#define TEMPLATE_MAX_PARAMETERS 32   /* entries of bodyParameters */
#define TEMPLATE_MAX_FIELD      2048 /* bytes of a plain field such as callback_url */
#define TEMPLATE_MAX_LABELS     32   /* entries of labels */

struct template; /* does not change once loaded */

/* The plain fields, see template_field. */
enum template_field {
    TEMPLATE_NAME,
    TEMPLATE_ROUTE,
    TEMPLATE_CHANNEL, /* there unless the route is "conversation", which has no address */
    TEMPLATE_FROM,
    TEMPLATE_DEFAULT_LANGUAGE, /* always there: the only language of `texts` when it is not given */
    TEMPLATE_RESPONSE_ID,      /* an approved WhatsApp template: bodyParameters are sent, texts are not needed */
    TEMPLATE_PRIORITY,
    TEMPLATE_EXPIRES_AFTER, /* as written, such as "24h" */
    TEMPLATE_ON_UNKNOWN,
    TEMPLATE_ORIGIN,
    TEMPLATE_CALLBACK_URL,
    TEMPLATE_FIELDS /* how many there are */
};

/* The value of variable number `variable` and its length, borrowed until the rendering ends; NULL or length 0: absent.
 */
typedef const char *(*template_lookup_fn)(void *context, size_t variable, size_t *ret_len);

/* What stopped a rendering; borrowed from the template. */
struct template_missing {
    const char *name;     /* the variable without value and default */
    const char *language; /* of the text; "bodyParameters" for those */
};

/* Returns 0 and the template (caller frees with template_free), or ERR_IO, ERR_LIMIT or ERR_INVALID with what is wrong,
 * where and what to do. `path` is a file; "-" is not taken, because standard input is for the recipients. */
int template_load(struct template **ret, const char *path, struct reason *why);
int template_parse(struct template **ret, const char *data, size_t len, struct reason *why);
void template_free(struct template *t); /* takes NULL */

const char *template_field(const struct template *t, enum template_field field); /* NULL: not in the file */
const char *template_field_name(enum template_field field);                      /* as in the file: "expires_after" */
/* A JSON object of texts, written once when the file is read: json-c keeps what it prints in the value, so several
 * threads may look at one but not print it. "": none. */
const char *template_labels(const struct template *t);

/* The languages of `texts`, in the file's order. None when the file has bodyParameters or responseId instead. */
size_t template_language_count(const struct template *t);
const char *template_language_at(const struct template *t, size_t index);

/* The language that a person who wants `wanted` (may be NULL) is written to in: that of one of the texts. */
const char *template_language(const struct template *t, const char *wanted);

/* The variables of all texts and parameters, without `greeting`; an index is valid for the template's life. */
size_t template_variable_count(const struct template *t);
const char *template_variable_name(const struct template *t, size_t variable);
bool template_variable_has_default(const struct template *t, size_t variable); /* true when each use of it has one */

/* Adds the text for `wanted` to `out`. Returns 0, ERR_INVALID when a variable has neither value nor default (named in
 * `missing`), ERR_LIMIT when `out` overflowed, ERR_STATE when the template has no texts. `out` then holds a part. */
int template_render(const struct template *t, const char *wanted, template_lookup_fn lookup, void *context,
                    struct buf *out, struct template_missing *missing);

/* The same for one of the bodyParameters; a {{greeting}} in it is for `wanted` (NULL: the default language). */
size_t template_parameter_count(const struct template *t);
int template_render_parameter(const struct template *t, size_t index, const char *wanted, template_lookup_fn lookup,
                              void *context, struct buf *out, struct template_missing *missing);

#endif
