#include "producer/csv_rows.h"

#include <assert.h>
#include <csv.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/utf8.h"

#define BLOCK 4096                      /* bytes by which libcsv's buffer grows */
#define ARENA (RECIPIENTS_MAX_ROW + 64) /* a row's values and a NUL for each, which its delimiters pay for */

struct csv_rows {
    struct lines *lines;     /* borrowed */
    struct columns *columns; /* borrowed */
    struct csv_parser parser;
    char delimiter;
    char *header; /* as it is in the file; owned */
    size_t header_len;

    /* the row that was read last */
    char *arena; /* its values; owned */
    size_t arena_len;
    struct field fields[RECIPIENTS_MAX_COLUMNS];
    size_t count;     /* fields met; only the first RECIPIENTS_MAX_COLUMNS are kept */
    bool is_complete; /* libcsv has seen its end */
    struct row_fault fault;

    bool must_skip;        /* the current line is too long and was handed out */
    size_t recoveries;     /* rows after which reading went on at their second line */
    size_t first_recovery; /* the line of the first */
};

static void *resize(void *memory, size_t size)
{
    return mem_resize(memory, size, 1);
}

static void reset_parser(struct csv_rows *c)
{
    csv_free(&c->parser);
    if (csv_init(&c->parser, CSV_STRICT) != 0)
        abort(); /* only for a NULL pointer */
    csv_set_delim(&c->parser, (unsigned char)c->delimiter);
    csv_set_blk_size(&c->parser, BLOCK);
    csv_set_realloc_func(&c->parser, resize);
}

struct csv_rows *csv_rows_create(struct lines *lines, struct columns *columns)
{
    struct csv_rows *c = mem_zalloc(1, sizeof(*c));

    c->lines = lines;
    c->columns = columns;
    c->delimiter = ',';
    c->arena = mem_zalloc(ARENA, 1);
    if (csv_init(&c->parser, 0) != 0)
        abort(); /* only for a NULL pointer */
    reset_parser(c);
    return c;
}

void csv_rows_destroy(struct csv_rows *c)
{
    if (!c)
        return;
    csv_free(&c->parser);
    free(c->header);
    free(c->arena);
    free(c);
}

static void on_field(void *data, size_t len, void *context)
{
    struct csv_rows *c = context;

    assert(len < ARENA - c->arena_len);
    if (c->count < RECIPIENTS_MAX_COLUMNS) {
        char *value = c->arena + c->arena_len;

        if (len)
            memcpy(value, data, len);
        value[len] = '\0';
        c->fields[c->count] = (struct field){value, len};
        c->arena_len += len + 1;
    }
    c->count++;
}

static void on_row(int end, void *context)
{
    struct csv_rows *c = context;

    (void)end; /* which character it was does not matter */
    c->is_complete = true;
}

enum parsed { PARSED_END, PARSED_ROW, PARSED_BROKEN, PARSED_LONG, PARSED_FAILED };

struct extent { /* of the row at the current place */
    size_t bytes, lines;
    size_t first_line; /* bytes of its first line */
};

/* Parses the row at the current place, line by line until libcsv has seen its end, and takes nothing. */
static enum parsed parse(struct csv_rows *c, struct extent *extent, struct reason *why)
{
    size_t len = 0;
    int rc = rows_skip_blank(c->lines, c->delimiter == '\t', &len, why);

    if (rc != 1)
        return rc == 0 ? PARSED_END : rc == ERR_LIMIT ? PARSED_LONG : PARSED_FAILED;
    extent->first_line = len;
    c->arena_len = c->count = 0;
    c->is_complete = false;
    while (!c->is_complete) {
        const char *line;

        if (rc == 0 || rc == ERR_LIMIT || extent->lines == RECIPIENTS_MAX_ROW_LINES)
            return PARSED_BROKEN; /* the file, or all that a row may have, ends before a quote is closed */
        if (rc != 1)
            return PARSED_FAILED;
        line = lines_at(c->lines) + extent->bytes;
        if (csv_parse(&c->parser, line, len, on_field, on_row, c) != len)
            return PARSED_BROKEN;
        extent->bytes += len;
        extent->lines++;
        if (lines_end_length(line, len) == 0 && csv_parse(&c->parser, "\n", 1, on_field, on_row, c) != 1)
            return PARSED_BROKEN;
        if (!c->is_complete)
            rc = lines_peek(c->lines, extent->bytes, &len, why);
    }
    return PARSED_ROW;
}

/* The delimiter of a header: a comma unless there is none outside quotes, then a semicolon, then a tab. */
static char find_delimiter(const char *line, size_t len)
{
    bool is_quoted = false, has_semicolon = false, has_tab = false;

    for (size_t i = 0; i < len; i++) {
        if (line[i] == '"')
            is_quoted = !is_quoted;
        else if (is_quoted)
            continue;
        else if (line[i] == ',')
            return ',';
        else if (line[i] == ';')
            has_semicolon = true;
        else if (line[i] == '\t')
            has_tab = true;
    }
    return has_semicolon ? ';' : has_tab ? '\t' : ',';
}

static int add_column(struct csv_rows *c, size_t index, struct reason *why)
{
    const struct field *name = &c->fields[index];

    if (name->len == 0)
        reason_set(why, "column %zu of the header has no name: name it or remove it", index + 1);
    else if (memchr(name->data, '\0', name->len))
        reason_set(why, "column %zu of the header has a NUL byte: is the file UTF-16? Save it as CSV UTF-8", index + 1);
    else if (!utf8_is_valid(name->data, name->len))
        reason_set(why, "column %zu of the header is not UTF-8: save the file as CSV UTF-8", index + 1);
    else if (name->len > RECIPIENTS_MAX_NAME)
        reason_set(why, "the name of column %zu is longer than %d bytes: does the file begin with a header?", index + 1,
                   RECIPIENTS_MAX_NAME);
    else if (columns_find(c->columns, name->data, ROWS_NO_COLUMN) != ROWS_NO_COLUMN)
        reason_set(why, "two columns of the header, %zu and %zu, have the name '%s': rename or remove one",
                   columns_find(c->columns, name->data, ROWS_NO_COLUMN) + 1, index + 1, name->data);
    else {
        (void)columns_add(c->columns, name->data, name->len); /* the index is known */
        return 0;
    }
    return ERR_INVALID;
}

int csv_rows_read_header(struct csv_rows *c, struct reason *why)
{
    struct extent extent = {0};
    size_t len = 0;
    int rc = rows_skip_blank(c->lines, false, &len, why);

    if (rc == 1) {
        c->delimiter = find_delimiter(lines_at(c->lines), len);
        reset_parser(c);
    }
    switch (parse(c, &extent, why)) {
    case PARSED_ROW:
        break;
    case PARSED_FAILED:
        return ERR_IO;
    case PARSED_END:
        reason_set(why, "there is nothing in it: the first line must name the columns");
        return ERR_INVALID;
    case PARSED_BROKEN:
        reason_set(why, "the header on line %zu has a broken quote", lines_number(c->lines));
        return ERR_INVALID;
    case PARSED_LONG:
        reason_set(why, "the first line is longer than %zu KiB: is this CSV?", RECIPIENTS_MAX_ROW >> 10);
        return ERR_LIMIT;
    }
    if (c->count > RECIPIENTS_MAX_COLUMNS) {
        reason_set(why, "the header has %zu columns, more than %d", c->count, RECIPIENTS_MAX_COLUMNS);
        return ERR_LIMIT;
    }
    for (size_t i = 0; i < c->count; i++) {
        rc = add_column(c, i, why);
        if (rc != 0)
            return rc;
    }
    c->header_len = extent.bytes - lines_end_length(lines_at(c->lines), extent.bytes);
    c->header = mem_copy(lines_at(c->lines), c->header_len);
    lines_take(c->lines, extent.bytes, extent.lines);
    return 0;
}

/* Hands out the row's first line alone, whatever the row looked like, so that the lines behind it are read on their
 * own. `ret` is refused already. */
static int recover(struct csv_rows *c, size_t first_line, struct row *ret, struct reason *why)
{
    if (c->recoveries++ == 0)
        c->first_recovery = ret->line;
    if (c->recoveries > RECIPIENTS_MAX_RECOVERIES) {
        reason_set(why, "more than %d rows have a broken quote, the first on line %zu: correct the file",
                   RECIPIENTS_MAX_RECOVERIES, c->first_recovery);
        return ERR_LIMIT;
    }
    ret->raw = lines_at(c->lines);
    ret->raw_len = first_line - lines_end_length(ret->raw, first_line);
    lines_take(c->lines, first_line, 1);
    return 1;
}

/* A row with a broken quote: libcsv stopped in the field that has it. */
static int refuse_broken(struct csv_rows *c, const struct extent *extent, struct row *ret, struct reason *why)
{
    const char *column = c->count < c->columns->count ? c->columns->names[c->count] : NULL;

    row_refuse(ret, &c->fault, column, "%s",
               extent->lines == 0 ? "a quote inside a value: put the value in quotes and write the quote twice"
                                  : "the quote that opens the value is not closed");
    reset_parser(c);
    return recover(c, extent->first_line, ret, why);
}

/* A row with too few or too many fields. Where it goes over several lines, a quote may have swallowed the line breaks
 * of other people's rows. */
static int refuse_ragged(struct csv_rows *c, const struct extent *extent, struct row *ret, struct reason *why)
{
    size_t count = c->count, columns = c->columns->count;

    if (extent->lines == 1) {
        row_refuse(ret, &c->fault, NULL, "%zu field%s where the header has %zu", count, count == 1 ? "" : "s", columns);
        lines_take(c->lines, extent->bytes, 1);
        return 1;
    }
    row_refuse(ret, &c->fault, NULL, "%zu field%s where the header has %zu, over %zu lines: is a quote not closed?",
               count, count == 1 ? "" : "s", columns, extent->lines);
    return recover(c, extent->first_line, ret, why);
}

/* What is wrong with the values of a row that has the right number of them; most rows pass with two quick looks. */
static void check_values(struct csv_rows *c, struct row *row)
{
    bool is_clean = !memchr(row->raw, '\0', row->raw_len) && utf8_is_valid(row->raw, row->raw_len);

    if (is_clean && row->raw_len <= RECIPIENTS_MAX_FIELD)
        return;
    for (size_t i = 0; i < c->count; i++) {
        const struct field *f = &c->fields[i];
        const char *column = c->columns->names[i];
        size_t valid = utf8_valid_prefix(f->data, f->len);

        if (f->len > RECIPIENTS_MAX_FIELD)
            row_refuse(row, &c->fault, column, "the value is longer than %zu KiB", RECIPIENTS_MAX_FIELD >> 10);
        else if (memchr(f->data, '\0', f->len))
            row_refuse(row, &c->fault, column, "there is a NUL byte in the value");
        else if (valid < f->len)
            row_refuse(row, &c->fault, column, "byte %zu of the value is not UTF-8: save the file as CSV UTF-8",
                       valid + 1);
        if (row->fault)
            return;
    }
}

int csv_rows_next(struct csv_rows *c, struct row *ret, struct reason *why)
{
    struct extent extent = {0};
    enum parsed parsed;

    if (c->must_skip && lines_skip(c->lines, why) != 0)
        return ERR_IO;
    c->must_skip = false;
    parsed = parse(c, &extent, why);
    ret->line = lines_number(c->lines);
    switch (parsed) {
    case PARSED_ROW:
        break;
    case PARSED_END:
        return 0;
    case PARSED_FAILED:
        return ERR_IO;
    case PARSED_LONG:
        row_refuse_long(ret, &c->fault, c->lines);
        c->must_skip = true;
        return 1;
    case PARSED_BROKEN:
        return refuse_broken(c, &extent, ret, why);
    }
    ret->raw = lines_at(c->lines);
    ret->raw_len = extent.bytes - lines_end_length(ret->raw, extent.bytes);
    if (c->count != c->columns->count)
        return refuse_ragged(c, &extent, ret, why);
    ret->count = c->count;
    ret->fields = c->fields;
    check_values(c, ret);
    lines_take(c->lines, extent.bytes, extent.lines);
    return 1;
}

char csv_rows_delimiter(const struct csv_rows *c)
{
    return c->delimiter;
}

const char *csv_rows_header(const struct csv_rows *c, size_t *ret_len)
{
    *ret_len = c->header_len;
    return c->header ? c->header : "";
}
