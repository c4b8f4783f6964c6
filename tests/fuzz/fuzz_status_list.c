/* Answers to questions about messages, of whatever bytes: what comes out of them is what status_list.h promises. The
 * first line is what was asked for, ids with a blank behind each, the rest is the answer. */
#include "worker/status_list.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/utf8.h"

#define NOW_MS INT64_C(1768473100000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct receipt *receipt)
{
    const struct store_receipt *record = &receipt->record;
    struct json *audit = NULL;
    struct reason why;

    assert(record->delivery > DELIVERY_PENDING && record->delivery < DELIVERY_COUNT);
    assert(record->at_ms >= 0 && record->at_ms <= NOW_MS + RECEIPT_AHEAD_MS);
    assert(strlen(record->code) < RECEIPT_CODE_SIZE && utf8_is_valid(record->code, strlen(record->code)));
    assert(!record->opts_out || record->delivery == DELIVERY_FAILED);
    assert(!receipt->audit.overflow);
    assert(json_parse(&audit, record->audit.data, record->audit.len, &why) == 0);
    json_free(audit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, '\n', size);
    size_t asked_len = end ? (size_t)(end - data) : 0, body_len = end ? size - asked_len - 1 : 0;
    struct span asked = {(const char *)data, asked_len};
    char *body = malloc(body_len ? body_len : 1); /* exactly as long: reading on is seen */
    struct status_list list;
    size_t ids = 0;

    for (size_t i = 0; i < asked_len; i++) { /* what the store lets through */
        if (data[i] < ' ' || data[i] > '~' || data[i] == '"' || data[i] == '\\')
            asked.len = 0;
        ids += data[i] == ' ';
    }
    if (body_len)
        memcpy(body, end + 1, body_len);
    (void)status_list_read(&list, asked, (struct span){body, body_len}, NOW_MS);
    free(body);
    assert(list.known <= ids && list.count <= list.known * DELIVERY_COUNT && !list.ended.overflow);
    for (size_t i = 0; i < list.count; i++)
        check(&list.receipts[i]);
    status_list_clear(&list);
    return 0;
}
