/* What a template file holds once it is read: shared by producer/template_file.c, which reads it, and
 * producer/template.c, which answers for it. */
#ifndef HERALD_PRODUCER_TEMPLATE_FILE_H
#define HERALD_PRODUCER_TEMPLATE_FILE_H

#include "common/json.h"
#include "common/reason.h"
#include "common/span.h"
#include "producer/template.h"
#include "producer/template_text.h"

struct template_entry { /* a text in one language */
    const char *language;
    struct template_text text;
    struct span greeting; /* of that language, chosen once */
};

struct template
{
    struct json *file; /* owns every byte that the rest borrows */
    const char *fields[TEMPLATE_FIELDS];
    struct template_entry entries[TEMPLATE_MAX_LANGUAGES];
    const char *languages[TEMPLATE_MAX_LANGUAGES]; /* of the entries, as language_lookup wants them */
    size_t entry_count;
    const char *greeting_languages[TEMPLATE_MAX_LANGUAGES]; /* those of the file, without the built-in ones */
    struct span greetings[TEMPLATE_MAX_LANGUAGES];
    size_t greeting_count;
    struct template_text parameters[TEMPLATE_MAX_PARAMETERS];
    size_t parameter_count;
    struct buf labels; /* as JSON; empty: none */
    struct template_variables variables;
};

/* Reads t->file, an object or anything else, into the rest of `t`, which is zeroed. `name` is what it is called when it
 * does not say so itself; may be absent. On a failure `t` holds a part, and template_free gives it back. */
int template_read_file(struct template *t, struct span name, struct reason *why);

/* The greeting for a language: the file's, else the built-in one, else English's. */
struct span template_greeting(const struct template *t, const char *language);

#endif
