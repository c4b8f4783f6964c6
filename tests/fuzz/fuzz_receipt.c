/* Bodies of webhooks of whatever bytes: what comes out of them is what receipt.h promises. The first byte says which
 * kind (`o`: Open Messaging), the rest is the body. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/reason.h"
#include "common/utf8.h"
#include "producer/gateway/receipt.h"

#define NOW_MS INT64_C(1768473100000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct receipt *receipt)
{
    const struct store_receipt *record = &receipt->record;
    struct json *audit = NULL;
    struct reason why;

    assert(id_is_valid(record->provider_id, strlen(record->provider_id)));
    assert(record->delivery > DELIVERY_PENDING && record->delivery < DELIVERY_COUNT);
    assert(record->at_ms >= 0 && record->at_ms <= NOW_MS + RECEIPT_AHEAD_MS);
    assert(strlen(record->code) < RECEIPT_CODE_SIZE && utf8_is_valid(record->code, strlen(record->code)));
    assert(record->code[0] == '\0' || record->delivery == DELIVERY_FAILED);
    assert(!record->opts_out || record->delivery == DELIVERY_FAILED);
    assert(record->person.len < sizeof(receipt->person));
    assert(!receipt->audit.overflow);
    assert(json_parse(&audit, record->audit.data, record->audit.len, &why) == 0);
    assert(json_kind(audit) == JSON_OBJECT);
    json_free(audit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *body;
    struct receipt receipt;
    struct refusal why = {.code = ""};
    int rc;

    if (size == 0)
        return 0;
    body = malloc(size); /* the body is one byte shorter, and ends with the memory */
    memcpy(body, data, size);
    rc = (data[0] == 'o' ? receipt_read_open : receipt_read_messaging)(&receipt, (struct span){body + 1, size - 1},
                                                                       NOW_MS, &why);
    assert(rc == 0 || rc == RECEIPT_NOTHING || rc == ERR_INVALID);
    free(body);
    if (rc == 0)
        check(&receipt);
    if (rc == ERR_INVALID)
        assert(why.code[0] != '\0' && why.text[0] != '\0');
    receipt_clear(&receipt);
    return 0;
}
