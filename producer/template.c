#include "producer/template.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "producer/language.h"
#include "producer/template_file.h"

static int parse(struct template **ret, const char *data, size_t len, struct span name, struct reason *why)
{
    struct template *t;
    int rc;

    if (len > TEMPLATE_MAX_BYTES) {
        reason_set(why, "a template has %zu KiB at most", TEMPLATE_MAX_BYTES >> 10);
        return ERR_LIMIT;
    }
    t = mem_zalloc(1, sizeof(*t));
    rc = json_parse(&t->file, data, len, why);
    if (rc == 0)
        rc = template_read_file(t, name, why);
    if (rc != 0)
        template_free(t);
    else
        *ret = t;
    return rc;
}

int template_parse(struct template **ret, const char *data, size_t len, struct reason *why)
{
    return parse(ret, data, len, (struct span){NULL, 0}, why);
}

/* `offers/spring.json` is `spring`. */
static struct span name_of_file(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');

    return (struct span){name, dot && dot > name ? (size_t)(dot - name) : strlen(name)};
}

int template_load(struct template **ret, const char *path, struct reason *why)
{
    struct reason inner = {""};
    FILE *file = NULL;
    char *data = NULL;
    size_t len;
    int rc = ERR_IO;

    if (strcmp(path, "-") == 0) {
        reason_set(why, "the template must be a file: standard input is for the recipients");
        return ERR_INVALID;
    }
    errno = 0;
    file = fopen(path, "rbe");
    if (!file) {
        reason_set(why, "cannot open the template %s: %s", path, strerror(errno));
        goto out;
    }
    data = mem_zalloc(TEMPLATE_MAX_BYTES + 1, 1);
    len = fread(data, 1, TEMPLATE_MAX_BYTES + 1, file);
    if (ferror(file)) {
        reason_set(why, "cannot read the template %s: %s", path, strerror(errno));
        goto out;
    }
    rc = parse(ret, data, len, name_of_file(path), &inner);
    if (rc != 0)
        reason_set(why, "template %.100s: %s", path, inner.text);
out:
    free(data);
    if (file)
        (void)fclose(file); /* it was only read */
    return rc;
}

void template_free(struct template *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->entry_count; i++)
        template_text_clear(&t->entries[i].text);
    for (size_t i = 0; i < t->parameter_count; i++)
        template_text_clear(&t->parameters[i]);
    template_variables_clear(&t->variables);
    buf_clear(&t->labels);
    json_free(t->file);
    free(t);
}

const char *template_field(const struct template *t, enum template_field field)
{
    return t->fields[field];
}

const char *template_labels(const struct template *t)
{
    return buf_str(&t->labels);
}

size_t template_language_count(const struct template *t)
{
    return t->entry_count;
}

const char *template_language_at(const struct template *t, size_t index)
{
    return index < t->entry_count ? t->languages[index] : NULL;
}

const char *template_language(const struct template *t, const char *wanted)
{
    const char *found = language_lookup(wanted, t->languages, t->entry_count);

    return found ? found : t->fields[TEMPLATE_DEFAULT_LANGUAGE];
}

size_t template_variable_count(const struct template *t)
{
    return t->variables.count;
}

const char *template_variable_name(const struct template *t, size_t variable)
{
    return variable < t->variables.count ? t->variables.at[variable].name : NULL;
}

bool template_variable_has_default(const struct template *t, size_t variable)
{
    return variable < t->variables.count && !t->variables.at[variable].needs_value;
}

static int render(const struct template *t, const struct template_text *text, struct span greeting,
                  const char *language, template_lookup_fn lookup, void *context, struct buf *out,
                  struct template_missing *missing)
{
    size_t variable = 0;

    if (template_text_render(text, greeting, lookup, context, out, &variable) != 0) {
        *missing = (struct template_missing){template_variable_name(t, variable), language};
        return ERR_INVALID;
    }
    return out->overflow ? ERR_LIMIT : 0;
}

int template_render(const struct template *t, const char *wanted, template_lookup_fn lookup, void *context,
                    struct buf *out, struct template_missing *missing)
{
    const char *language = template_language(t, wanted);

    for (size_t i = 0; i < t->entry_count; i++) {
        const struct template_entry *entry = &t->entries[i];

        if (entry->language == language)
            return render(t, &entry->text, entry->greeting, language, lookup, context, out, missing);
    }
    return ERR_STATE;
}

size_t template_parameter_count(const struct template *t)
{
    return t->parameter_count;
}

int template_render_parameter(const struct template *t, size_t index, const char *wanted, template_lookup_fn lookup,
                              void *context, struct buf *out, struct template_missing *missing)
{
    const char *language = wanted && *wanted ? wanted : t->fields[TEMPLATE_DEFAULT_LANGUAGE];

    if (index >= t->parameter_count)
        return ERR_STATE;
    return render(t, &t->parameters[index], template_greeting(t, language), "bodyParameters", lookup, context, out,
                  missing);
}
