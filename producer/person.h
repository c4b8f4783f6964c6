/* One person's values for a template, wherever they come from; and how they come out of a row of recipients.
 *
 * Columns with a meaning: `to` (the address), `language`, `consentVerified` (also `consent`); every other one is a
 * variable of the template. Variables are bound to columns once, not for each row. */
#ifndef HERALD_PRODUCER_PERSON_H
#define HERALD_PRODUCER_PERSON_H

#include "common/content.h"
#include "producer/recipients.h"
#include "producer/template.h"

struct person {
    struct span to, language, key; /* as written; the key: what a person is recognised by, when it is not the address */
    enum consent consent;
    const char *to_name, *consent_name; /* what a refusal calls them */
    template_lookup_fn look_up;         /* the variables of the template */
    void *context;
};

/* Where a row has what. */
struct person_columns {
    size_t count; /* of columns when they were bound */
    size_t to, language, consent, key;
    const char *to_name, *consent_name; /* as the file calls them; borrowed from the source */
    size_t variables[TEMPLATE_MAX_VARIABLES];
};

void person_columns_bind(struct person_columns *columns, const struct template *t, const char *key_column,
                         const struct recipients *source);
/* ERR_INVALID when a CSV lacks a column that the template cannot do without. */
int person_columns_check(const struct person_columns *columns, const struct template *t, const char *key_column,
                         bool needs_consent, struct reason *why);

struct person_row {
    const struct person_columns *columns;
    const struct row *row; /* without a fault */
};
/* Borrows from the row, and `from` for its variables. */
void person_of_row(struct person_row *from, struct person *ret);

#endif
