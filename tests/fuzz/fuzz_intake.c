/* Whatever a client of the gateway hands in ends as a message that a worker can read, the same one, or as a refusal.
 * The first byte chooses the request's key and the message's place; the rest is the message. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "producer/gateway/intake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_MS INT64_C(1800000000000)

static void read_again(const struct intake *intake, const struct envelope_rules *rules)
{
    const struct store_offer *offer = &intake->offer;
    struct envelope again;
    struct refusal why = {.code = ""};

    assert(envelope_read(&again, offer->message.envelope.data, offer->message.envelope.len, rules, NOW_MS, &why) == 0);
    assert(strcmp(again.id, offer->id) == 0 && strcmp(again.campaign, offer->campaign) == 0);
    assert(again.priority == offer->message.priority && again.send_at_ms == offer->message.due_ms);
    assert(again.progress.accepted_at_ms == NOW_MS && again.progress.attempts == 0 && again.progress.redelivered == 0);
    envelope_clear(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct envelope_rules envelope_rules = {.origins = "genesys.cloud,example.com"};
    struct intake_rules rules = {.origins = envelope_rules.origins, .client = "crm"};
    struct refusal why = {.code = NULL};
    struct intake intake;
    char *bytes;

    if (size == 0)
        return 0;
    rules.request_key = data[0] & 1 ? "key" : NULL;
    bytes = malloc(size); /* exactly as long: reading on is seen */
    memcpy(bytes, data + 1, size - 1);
    if (intake_read(&intake, &rules, data[0] >> 1, (struct span){bytes, size - 1}, NOW_MS, &why) == 0)
        read_again(&intake, &envelope_rules);
    else
        assert(why.code && why.text[0] != '\0' && (why.field[0] == '\0' || why.field[0] == '/'));
    intake_clear(&intake);
    free(bytes);
    return 0;
}
