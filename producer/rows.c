#include "producer/rows.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/utf8.h"

void columns_clear(struct columns *columns)
{
    for (size_t i = 0; i < columns->count; i++)
        free((void *)(uintptr_t)columns->names[i]); /* const for all but their owner, which this is */
    columns->count = 0;
}

size_t columns_add(struct columns *columns, const char *name, size_t len)
{
    columns->names[columns->count] = mem_copy(name, len);
    return columns->count++;
}

size_t columns_find(const struct columns *columns, const char *name, size_t hint)
{
    if (hint < columns->count && strcmp(columns->names[hint], name) == 0)
        return hint;
    for (size_t i = 0; i < columns->count; i++) {
        if (strcmp(columns->names[i], name) == 0)
            return i;
    }
    return ROWS_NO_COLUMN;
}

void row_refuse(struct row *row, struct row_fault *fault, const char *column, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(fault->text, sizeof(fault->text), format, args); /* a cut reason is still a reason */
    va_end(args);
    utf8_repair(fault->text);
    fault->column = column;
    row->fault = fault;
    row->fields = NULL;
    row->count = 0;
}

void row_refuse_long(struct row *row, struct row_fault *fault, const struct lines *lines)
{
    row->raw = lines_at(lines);
    row->raw_len = lines_available(lines);
    if (row->raw_len > RECIPIENTS_MAX_ROW)
        row->raw_len = RECIPIENTS_MAX_ROW;
    row->raw_is_cut = true;
    row_refuse(row, fault, NULL, "the row is longer than %zu KiB", RECIPIENTS_MAX_ROW >> 10);
}

static bool is_blank(const char *line, size_t len, bool has_tabs)
{
    for (size_t i = 0; i < len; i++) {
        if (line[i] != ' ' && line[i] != '\r' && line[i] != '\n' && (has_tabs || line[i] != '\t'))
            return false;
    }
    return true;
}

int rows_skip_blank(struct lines *lines, bool has_tabs, size_t *ret_len, struct reason *why)
{
    int rc = lines_peek(lines, 0, ret_len, why);

    while (rc == 1 && is_blank(lines_at(lines), *ret_len, has_tabs)) {
        lines_take(lines, *ret_len, 1);
        rc = lines_peek(lines, 0, ret_len, why);
    }
    return rc;
}
