#include "producer/person.h"

#include <string.h>
#include <strings.h>

#define NO_COLUMN SIZE_MAX

static size_t find_column(const struct recipients *source, const char *const *names)
{
    size_t index;

    for (; *names; names++) {
        if (recipients_column(source, *names, &index))
            return index;
    }
    return NO_COLUMN;
}

static const char *name_of_column(const struct recipients *source, size_t column, const char *fallback)
{
    return column == NO_COLUMN ? fallback : recipients_columns(source)[column];
}

void person_columns_bind(struct person_columns *columns, const struct template *t, const char *key_column,
                         const struct recipients *source)
{
    columns->to = find_column(source, (const char *const[]){"to", "address", NULL});
    columns->language = find_column(source, (const char *const[]){"language", "lang", "locale", NULL});
    columns->consent =
        find_column(source, (const char *const[]){"consentVerified", "consent_verified", "consent", NULL});
    columns->key = key_column ? find_column(source, (const char *const[]){key_column, NULL}) : NO_COLUMN;
    for (size_t i = 0; i < template_variable_count(t); i++)
        columns->variables[i] = find_column(source, (const char *const[]){template_variable_name(t, i), NULL});
    columns->to_name = name_of_column(source, columns->to, "to");
    columns->consent_name = name_of_column(source, columns->consent, "consentVerified");
    columns->count = recipients_column_count(source);
}

static int miss(const char *column, const char *what, struct reason *why)
{
    reason_set(why, "the recipients have no column `%.60s`, %s; the first line must name the columns", column, what);
    return ERR_INVALID;
}

int person_columns_check(const struct person_columns *columns, const struct template *t, const char *key_column,
                         bool needs_consent, struct reason *why)
{
    if (columns->to == NO_COLUMN)
        return miss("to", "the address of each person", why);
    if (needs_consent && columns->consent == NO_COLUMN)
        return miss("consentVerified", "true for each person who has agreed to be written to", why);
    if (key_column && columns->key == NO_COLUMN)
        return miss(key_column, "which --key names", why);
    for (size_t i = 0; i < template_variable_count(t); i++) {
        if (columns->variables[i] == NO_COLUMN && !template_variable_has_default(t, i))
            return miss(template_variable_name(t, i), "which the template needs and has no default for", why);
    }
    return 0;
}

static struct span value_at(const struct row *row, size_t column)
{
    if (column >= row->count)
        return (struct span){NULL, 0};
    return (struct span){row->fields[column].data, row->fields[column].len};
}

static const char *look_up(void *context, size_t variable, size_t *ret_len)
{
    const struct person_row *from = context;
    struct span value = value_at(from->row, from->columns->variables[variable]);

    *ret_len = value.len;
    return value.data;
}

/* A spreadsheet says yes in several ways. */
static enum consent consent_of(struct span value)
{
    bool is_given = (value.len == 4 && strncasecmp(value.data, "true", 4) == 0) ||
                    (value.len == 3 && strncasecmp(value.data, "yes", 3) == 0) || span_is(value, "1");

    if (value.len == 0)
        return CONSENT_ABSENT;
    return is_given ? CONSENT_GIVEN : CONSENT_REFUSED;
}

void person_of_row(struct person_row *from, struct person *ret)
{
    const struct person_columns *columns = from->columns;

    *ret = (struct person){
        .to = value_at(from->row, columns->to),
        .language = value_at(from->row, columns->language),
        .key = value_at(from->row, columns->key),
        .consent = consent_of(value_at(from->row, columns->consent)),
        .to_name = columns->to_name,
        .consent_name = columns->consent_name,
        .look_up = look_up,
        .context = from,
    };
}
