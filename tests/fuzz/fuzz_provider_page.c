/* Pages of what Genesys says it has sent, of whatever bytes: what comes out of them is what provider_page.h promises.
 * The first byte says whose page it is, which one, and after how many messages its reader has enough. */
#include "producer/provider_page.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/ids.h"
#include "common/utf8.h"

#define ENOUGH_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reader {
    size_t seen, enough; /* enough: 0, of all */
};

static void check_text(const char text[PROVIDER_TEXT_SIZE])
{
    size_t len = strnlen(text, PROVIDER_TEXT_SIZE);

    assert(len < PROVIDER_TEXT_SIZE && utf8_is_valid(text, len));
}

static bool check(void *context, const struct provider_message *message)
{
    struct reader *reader = context;
    char person[CHANNEL_PERSON_SIZE];
    struct refusal why;

    assert(reader->enough == 0 || reader->seen < reader->enough); /* it has said that it has enough */
    check_text(message->from);
    check_text(message->campaign);
    assert(id_is_valid(message->id, strlen(message->id)));
    assert(message->conversation_id[0] == '\0' ||
           id_is_valid(message->conversation_id, strlen(message->conversation_id)));
    assert(message->channel >= CHANNEL_NONE && message->channel < CHANNEL_COUNT);
    assert(message->delivery >= DELIVERY_PENDING && message->delivery < DELIVERY_COUNT);
    assert(message->created_ms > 0);
    if (message->to[0]) {
        assert(channel_read_person(span_of(message->to), CHANNEL_NONE, person, &why) == 0);
        assert(strcmp(person, message->to) == 0);
    }
    return ++reader->seen != reader->enough;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned choice = size > 0 ? data[0] : 0;
    size_t body_len = size > 0 ? size - 1 : 0;
    char *body = malloc(body_len ? body_len : 1); /* exactly as long: reading on is seen */
    struct reader reader = {.enough = choice / 16 % ENOUGH_MAX};
    struct provider_answer answer;
    struct reason why = {""};
    int rc;

    if (body_len)
        memcpy(body, data + 1, body_len);
    rc = provider_page_read((enum provider_api)(choice % PROVIDER_API_COUNT), choice / 2 % 8 + 1,
                            (struct span){body, body_len}, check, &reader, &answer, &why);
    free(body);
    assert((rc == 0) == (why.text[0] == '\0') && (rc == 0 || reader.seen == 0));
    assert(answer.total >= -1 && answer.skipped >= 0 && (size_t)answer.skipped + reader.seen <= size);
    assert(!answer.has_more || reader.seen + (size_t)answer.skipped > 0); /* else asking on would never end */
    assert(!answer.has_more || reader.enough == 0 || reader.seen < reader.enough);
    return 0;
}
