#include "producer/json_rows.h"

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/json.h"
#include "common/mem.h"

struct json_rows {
    struct lines *lines;     /* borrowed */
    struct columns *columns; /* borrowed */

    /* the row that was read last */
    struct json *object;                         /* owns the texts */
    struct buf printed;                          /* numbers and booleans as text, each with a NUL behind it */
    struct field fields[RECIPIENTS_MAX_COLUMNS]; /* data NULL while the row is read: it is in `printed` */
    size_t printed_at[RECIPIENTS_MAX_COLUMNS];   /* where, for those */
    struct row_fault fault;

    struct row *row; /* that is being filled */
    size_t members;  /* of it, so far */
    bool must_skip;  /* the current line is too long and was handed out */
};

struct json_rows *json_rows_create(struct lines *lines, struct columns *columns)
{
    struct json_rows *j = mem_zalloc(1, sizeof(*j));

    j->lines = lines;
    j->columns = columns;
    buf_init(&j->printed, RECIPIENTS_MAX_ROW);
    return j;
}

void json_rows_destroy(struct json_rows *j)
{
    if (!j)
        return;
    json_free(j->object);
    buf_clear(&j->printed);
    free(j);
}

static bool refuse(struct json_rows *j, const char *column, const char *what)
{
    row_refuse(j->row, &j->fault, column, "%s", what);
    return false;
}

static bool add_text(struct json_rows *j, size_t column, const struct json *value)
{
    struct field *field = &j->fields[column];
    const char *name = j->columns->names[column];

    field->data = json_text(value, &field->len);
    if (field->len > RECIPIENTS_MAX_FIELD)
        return refuse(j, name, "the value is longer than 64 KiB");
    if (memchr(field->data, '\0', field->len))
        return refuse(j, name, "there is a NUL character in the value");
    return true;
}
_Static_assert(RECIPIENTS_MAX_FIELD == 64 << 10, "the message above names this limit");

static void add_printed(struct json_rows *j, size_t column, const struct json *value)
{
    size_t at = j->printed.len;

    j->printed_at[column] = at;
    json_print(value, &j->printed);
    j->fields[column] = (struct field){NULL, j->printed.len - at};
    buf_char(&j->printed, '\0');
}

static bool add_member(void *context, const char *key, const struct json *value)
{
    struct json_rows *j = context;
    size_t len = strnlen(key, RECIPIENTS_MAX_NAME + 1);
    size_t column = columns_find(j->columns, key, j->members++);
    enum json_kind kind = json_kind(value);

    if (column == ROWS_NO_COLUMN) {
        if (len == 0)
            return refuse(j, NULL, "a member has no name");
        if (len > RECIPIENTS_MAX_NAME)
            return refuse(j, NULL, "the name of a member is longer than 128 bytes");
        if (j->columns->count == RECIPIENTS_MAX_COLUMNS)
            return refuse(j, NULL, "with this row there are more than 256 different member names in the file");
        column = columns_add(j->columns, key, len);
        j->fields[column] = (struct field){"", 0};
    }
    switch (kind) {
    case JSON_TEXT:
        return add_text(j, column, value);
    case JSON_BOOL:
    case JSON_INTEGER:
    case JSON_REAL:
        add_printed(j, column, value);
        return true;
    case JSON_ABSENT:
    case JSON_NULL:
        return true;
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    row_refuse(j->row, &j->fault, j->columns->names[column], "the value is %s; it may be text, a number, true or false",
               json_kind_name(kind));
    return false;
}
_Static_assert(RECIPIENTS_MAX_NAME == 128 && RECIPIENTS_MAX_COLUMNS == 256, "the messages above name these limits");

/* Reads the line in row->raw into the fields, or refuses it. */
static void read_line(struct json_rows *j, struct row *row)
{
    struct reason inner = {""};

    json_free(j->object);
    j->object = NULL;
    buf_reset(&j->printed);
    for (size_t i = 0; i < j->columns->count; i++)
        j->fields[i] = (struct field){"", 0};
    j->row = row;
    j->members = 0;
    if (json_parse(&j->object, row->raw, row->raw_len, &inner) != 0) {
        row_refuse(row, &j->fault, NULL, "%.180s", inner.text);
        return;
    }
    if (json_kind(j->object) != JSON_OBJECT) {
        row_refuse(row, &j->fault, NULL, "a line is one object in braces, this is %s",
                   json_kind_name(json_kind(j->object)));
        return;
    }
    json_each(j->object, add_member, j);
    if (!row->fault && j->printed.overflow)
        (void)refuse(j, NULL, "the row's numbers are too long"); /* the row says so */
    if (row->fault)
        return;
    row->count = j->columns->count;
    row->fields = j->fields;
    for (size_t i = 0; i < row->count; i++) {
        if (!j->fields[i].data)
            j->fields[i].data = j->printed.data + j->printed_at[i];
    }
}

int json_rows_next(struct json_rows *j, struct row *ret, struct reason *why)
{
    size_t len = 0;
    int rc;

    if (j->must_skip && lines_skip(j->lines, why) != 0)
        return ERR_IO;
    j->must_skip = false;
    rc = rows_skip_blank(j->lines, false, &len, why);
    ret->line = lines_number(j->lines);
    if (rc == ERR_LIMIT) {
        row_refuse_long(ret, &j->fault, j->lines);
        j->must_skip = true;
        return 1;
    }
    if (rc != 1)
        return rc;
    ret->raw = lines_at(j->lines);
    ret->raw_len = len - lines_end_length(ret->raw, len);
    read_line(j, ret);
    lines_take(j->lines, len, 1);
    return 1;
}
