/* One text with placeholders, compiled into segments: used by producer/template.c, whose header has the rules. */
#ifndef HERALD_PRODUCER_TEMPLATE_TEXT_H
#define HERALD_PRODUCER_TEMPLATE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/reason.h"
#include "common/span.h"
#include "producer/template.h"

/* The variables of a whole template, numbered as they are met. */
struct template_variables {
    struct {
        char *name;
        bool needs_value; /* at least one use has no default */
    } at[TEMPLATE_MAX_VARIABLES];
    size_t count;
};

struct template_segment;

struct template_text {
    struct template_segment *segments; /* owned; their bytes belong to the text that was compiled */
    size_t count;
};

/* Compiles `source`, which must outlive the result, and adds its variables. Returns 0 (clear with template_text_clear)
 * or ERR_INVALID / ERR_LIMIT with line and column after `where`, which names the text ("the text for en"). */
int template_text_compile(struct template_text *ret, struct span source, const char *where,
                          struct template_variables *variables, struct reason *why);
void template_text_clear(struct template_text *text);
void template_variables_clear(struct template_variables *variables);

/* Adds the text to `out`. Returns 0, or ERR_INVALID and through ret_missing the variable that has no value and no
 * default. */
int template_text_render(const struct template_text *text, struct span greeting, template_lookup_fn lookup,
                         void *context, struct buf *out, size_t *ret_missing);

#endif
