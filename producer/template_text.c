#include "producer/template_text.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

enum segment_kind { SEGMENT_LITERAL, SEGMENT_GREETING, SEGMENT_VARIABLE };

struct template_segment {
    enum segment_kind kind;
    bool has_default;
    size_t variable;  /* SEGMENT_VARIABLE: its number */
    struct span text; /* SEGMENT_LITERAL: itself; SEGMENT_VARIABLE: the default */
};

/* A text under compilation. */
struct compiler {
    struct span source;
    const char *where;
    struct template_text *text;
    struct template_variables *variables;
    struct reason *why;
    size_t room; /* segments that fit text->segments */
};

static struct template_segment *add_segment(struct compiler *c, enum segment_kind kind)
{
    struct template_text *text = c->text;

    if (text->count == c->room) {
        c->room = c->room ? c->room * 2 : 8;
        text->segments = mem_resize(text->segments, c->room, sizeof(*text->segments));
    }
    text->segments[text->count] = (struct template_segment){.kind = kind};
    return &text->segments[text->count++];
}

/* Says what is wrong at byte `at`, as line and column (in characters) counted from 1. */
static int fail(struct compiler *c, size_t at, const char *what)
{
    size_t line = 1, column = 1;

    for (size_t i = 0; i < at; i++) {
        unsigned char byte = (unsigned char)c->source.data[i];

        if (byte == '\n') {
            line++;
            column = 1;
        } else if ((byte & 0xc0) != 0x80) { /* the other bytes of a UTF-8 sequence are no characters of their own */
            column++;
        }
    }
    reason_set(c->why, "%s, line %zu, column %zu: %s", c->where, line, column, what);
    return ERR_INVALID;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct span trim(struct span span)
{
    while (span.len > 0 && is_blank(span.data[0])) {
        span.data++;
        span.len--;
    }
    while (span.len > 0 && is_blank(span.data[span.len - 1]))
        span.len--;
    return span;
}

static bool is_name(struct span name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';

        if (!is_letter && (i == 0 || !strchr("0123456789.-", c) || c == '\0'))
            return false;
    }
    return name.len > 0;
}

/* The number of the variable `name`, which is added when it is new; TEMPLATE_MAX_VARIABLES when there are too many. */
static size_t number_of(struct template_variables *variables, struct span name)
{
    for (size_t i = 0; i < variables->count; i++) {
        if (span_is(name, variables->at[i].name))
            return i;
    }
    if (variables->count == TEMPLATE_MAX_VARIABLES)
        return TEMPLATE_MAX_VARIABLES;
    variables->at[variables->count].name = mem_copy(name.data, name.len);
    return variables->count++;
}

/* The inside of a placeholder whose {{ is at byte `at`: "name" or "name|default". */
static int add_placeholder(struct compiler *c, struct span inside, size_t at)
{
    const char *bar = inside.len ? memchr(inside.data, '|', inside.len) : NULL;
    struct span name = trim((struct span){inside.data, bar ? (size_t)(bar - inside.data) : inside.len});
    struct template_segment *segment;
    size_t variable;

    if (name.len == 0)
        return fail(c, at, "there is no name after this {{");
    if (!is_name(name))
        return fail(c, at, "a name has letters, digits, '_', '.' and '-' and begins with a letter or '_'");
    if (name.len > TEMPLATE_MAX_NAME)
        return fail(c, at, "this name is longer than 64 characters");
    if (span_is(name, "greeting")) {            /* there is one for every language, so a default would never be used */
        (void)add_segment(c, SEGMENT_GREETING); /* nothing more to fill in */
        return 0;
    }
    variable = number_of(c->variables, name);
    if (variable == TEMPLATE_MAX_VARIABLES) {
        (void)fail(c, at, "more than 128 different variables"); /* the place matters, its code does not */
        return ERR_LIMIT;
    }
    segment = add_segment(c, SEGMENT_VARIABLE);
    segment->variable = variable;
    segment->has_default = bar != NULL;
    if (bar)
        segment->text = trim((struct span){bar + 1, inside.len - (size_t)(bar + 1 - inside.data)});
    else
        c->variables->at[variable].needs_value = true;
    return 0;
}

/* The place of `pair` (two equal characters) at or after byte `from`; the length of the source when it is nowhere. */
static size_t find_pair(struct span source, size_t from, const char *pair)
{
    const char *found = from < source.len ? memmem(source.data + from, source.len - from, pair, 2) : NULL;

    return found ? (size_t)(found - source.data) : source.len;
}

static int compile(struct compiler *c)
{
    struct span source = c->source;
    size_t at = 0;

    while (at < source.len) {
        size_t open = find_pair(source, at, "{{");
        size_t close, nested;
        int rc;

        if (open > at)
            add_segment(c, SEGMENT_LITERAL)->text = (struct span){source.data + at, open - at};
        if (open == source.len)
            return 0;
        close = find_pair(source, open + 2, "}}");
        if (close == source.len)
            return fail(c, open, "this {{ is never closed: write }} after the name");
        nested = find_pair((struct span){source.data, close}, open + 2, "{{");
        if (nested < close)
            return fail(c, nested, "{{ inside a placeholder: close the one before with }} first");
        rc = add_placeholder(c, (struct span){source.data + open + 2, close - open - 2}, open);
        if (rc != 0)
            return rc;
        at = close + 2;
    }
    return 0;
}

_Static_assert(TEMPLATE_MAX_NAME == 64 && TEMPLATE_MAX_VARIABLES == 128, "the messages above name these limits");

int template_text_compile(struct template_text *ret, struct span source, const char *where,
                          struct template_variables *variables, struct reason *why)
{
    struct template_text text = {.segments = NULL};
    struct compiler c = {.source = source, .where = where, .text = &text, .variables = variables, .why = why};
    int rc = compile(&c);

    if (rc != 0)
        template_text_clear(&text);
    else
        *ret = text;
    return rc;
}

void template_text_clear(struct template_text *text)
{
    free(text->segments);
    *text = (struct template_text){.segments = NULL};
}

void template_variables_clear(struct template_variables *variables)
{
    for (size_t i = 0; i < variables->count; i++)
        free(variables->at[i].name);
    variables->count = 0;
}

int template_text_render(const struct template_text *text, struct span greeting, template_lookup_fn lookup,
                         void *context, struct buf *out, size_t *ret_missing)
{
    for (size_t i = 0; i < text->count; i++) {
        const struct template_segment *segment = &text->segments[i];
        struct span value = segment->text;
        const char *own = NULL;
        size_t own_len = 0;

        if (segment->kind == SEGMENT_VARIABLE)
            own = lookup(context, segment->variable, &own_len);
        if (segment->kind == SEGMENT_GREETING) {
            value = greeting;
        } else if (own && own_len > 0) {
            value = (struct span){own, own_len};
        } else if (segment->kind == SEGMENT_VARIABLE && !segment->has_default) {
            *ret_missing = segment->variable;
            return ERR_INVALID;
        }
        buf_add(out, value.data, value.len);
    }
    return 0;
}
