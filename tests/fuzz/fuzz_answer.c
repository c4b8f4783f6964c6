/* Answers of whatever bytes: answer_read and retry_after_parse keep what their headers promise.
 *
 * An input is five lines and a body: the status, Retry-After, ININ-Correlation-Id, X-Genesys-Request-Id, the route's
 * flag (`1`) with the clock behind it, then everything else. Missing lines are absent headers. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/answer.h"
#include "common/mem.h"
#include "common/retry_after.h"
#include "common/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next line as a text of its own (cut at a NUL, as a header is), or NULL when there is none left. */
static char *take_line(const char **at, size_t *left)
{
    const char *end = *left ? memchr(*at, '\n', *left) : NULL;
    size_t len = end ? (size_t)(end - *at) : 0;
    char *line;

    if (!end)
        return NULL;
    line = mem_copy(*at, len);
    *at += len + 1;
    *left -= len + 1;
    return line;
}

static void check_text(const char *text, size_t size, bool is_id)
{
    size_t len = strnlen(text, size);

    assert(len < size);
    assert(utf8_is_valid(text, len));
    for (size_t i = 0; i < len; i++) {
        assert((unsigned char)text[i] >= ' ' && text[i] != 0x7f);
        assert(!is_id || (text[i] > ' ' && text[i] <= '~' && text[i] != '"' && text[i] != '\\'));
    }
}

static void check(const struct answer *answer)
{
    bool is_success = answer->status >= 200 && answer->status <= 299;

    check_text(answer->message_id, sizeof(answer->message_id), true);
    check_text(answer->conversation_id, sizeof(answer->conversation_id), true);
    check_text(answer->error_code, sizeof(answer->error_code), true);
    check_text(answer->correlation_id, sizeof(answer->correlation_id), true);
    check_text(answer->error_message, sizeof(answer->error_message), false);
    assert(answer->retry_after_ms >= -1 && answer->retry_after_ms <= RETRY_AFTER_MAX_MS);
    if (is_success)
        assert(answer->error_code[0] == '\0' && answer->error_message[0] == '\0');
    else
        assert(answer->message_id[0] == '\0' && answer->conversation_id[0] == '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *at = (const char *)data;
    char *status = take_line(&at, &size);
    char *retry_after = take_line(&at, &size);
    char *correlation_id = take_line(&at, &size);
    char *request_id = take_line(&at, &size);
    char *flag = take_line(&at, &size);
    int64_t now_ms = flag && flag[0] ? strtoll(flag + 1, NULL, 10) : 0;
    char *body = size ? malloc(size) : NULL; /* exactly as long: reading on is seen */
    struct answer_raw raw = {
        .status = status ? strtol(status, NULL, 10) : 0,
        .retry_after = retry_after,
        .correlation_id = correlation_id,
        .request_id = request_id,
        .id_from_request_id = flag && flag[0] == '1',
        .body = body,
        .body_len = size,
    };
    struct answer answer;
    int64_t wait_ms;

    if (body)
        memcpy(body, at, size);
    memset(&answer, 'x', sizeof(answer));
    answer_read(&answer, &raw, now_ms);
    assert(answer.status == raw.status);
    check(&answer);
    if (retry_after_parse(retry_after, now_ms, &wait_ms))
        assert(wait_ms >= 0 && wait_ms == answer.retry_after_ms);
    free(status);
    free(retry_after);
    free(correlation_id);
    free(request_id);
    free(flag);
    free(body);
    return 0;
}
