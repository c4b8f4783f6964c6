/* Any bytes are rows, refused rows or an end with a reason, and the same ones however few bytes a read gives.
 * The first byte of the input chooses the format; the rest is the file. */
#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"
#include "producer/recipients.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add_bytes(uint64_t *hash, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        *hash = (*hash ^ (unsigned char)data[i]) * 1099511628211u;
    *hash = (*hash ^ len) * 1099511628211u;
}

static void check_row(const struct recipients *r, const struct row *row, uint64_t *hash)
{
    add_bytes(hash, row->raw, row->raw_len);
    add_bytes(hash, (const char *)&row->line, sizeof(row->line));
    if (row->raw_len > RECIPIENTS_MAX_ROW || row->raw_len == 0)
        abort();
    if (row->fault) {
        if (row->count != 0 || row->fault->text[0] == '\0')
            abort();
        add_bytes(hash, row->fault->text, strlen(row->fault->text));
        return;
    }
    if (row->count != recipients_column_count(r))
        abort();
    for (size_t i = 0; i < row->count; i++) {
        const struct field *field = &row->fields[i];

        if (field->len > RECIPIENTS_MAX_FIELD || strlen(field->data) != field->len ||
            !utf8_is_valid(field->data, field->len))
            abort();
        add_bytes(hash, field->data, field->len);
    }
}

/* Reads all and returns a digest of what came out. */
static uint64_t digest(const char *data, size_t len, size_t chunk, enum recipients_format format)
{
    uint64_t hash = 14695981039346656037u;
    struct reason why = {""};
    struct recipients *r = NULL;
    struct row row;
    size_t line = 0;
    int rc = recipients_open_memory(&r, data, len, chunk, format, &why);

    if (rc == 0) {
        while ((rc = recipients_next(r, &row, &why)) == 1) {
            if (row.line <= line)
                abort();
            line = row.line;
            check_row(r, &row, &hash);
        }
        if (rc == 0 && recipients_bytes_read(r) != len)
            abort();
        recipients_close(r);
    } else if (r) {
        abort();
    }
    if (rc != 0 && why.text[0] == '\0')
        abort();
    add_bytes(&hash, why.text, strlen(why.text));
    return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum recipients_format format;
    const char *text = (const char *)data + 1;

    if (size == 0)
        return 0;
    format = data[0] % 4 == 1 ? RECIPIENTS_JSONL : data[0] % 4 == 2 ? RECIPIENTS_AUTO : RECIPIENTS_CSV;
    if (digest(text, size - 1, 0, format) != digest(text, size - 1, 1 + data[0] / 4, format))
        abort();
    return 0;
}
