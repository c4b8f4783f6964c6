/* What Genesys said: the few fields of an HTTP answer that Herald keeps, made safe to store.
 *
 * The other side is not trusted: it may be a proxy with an HTML page, or cut short, or hostile. Whatever the bytes are,
 * every text here is valid UTF-8 without control characters, ends with a NUL and fits its field. Ids and codes
 * are printable ASCII without blanks, quotes or backslashes; an error message may hold quotes and backslashes, which
 * the writer of JSON or of a log line escapes. An error message may also repeat an address or a text of the request:
 * mask it before it goes to a log. */
#ifndef HERALD_COMMON_ANSWER_H
#define HERALD_COMMON_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ANSWER_ID_MAX      64  /* bytes with the NUL; Genesys' ids are UUIDs, 36 characters */
#define ANSWER_MESSAGE_MAX 200 /* bytes with the NUL */

/* The answer as the transfer collected it; everything borrowed. Headers are NULL when absent. */
struct answer_raw {
    long status;                /* HTTP status; 0 when there was none */
    const char *retry_after;    /* Retry-After */
    const char *correlation_id; /* ININ-Correlation-Id */
    const char *request_id;     /* X-Genesys-Request-Id */
    bool id_from_request_id;    /* of the route: the request id stands in for a missing `id` (the tutorial on bots) */
    const char *body;           /* may be NULL when body_len is 0 */
    size_t body_len;            /* bytes */
};

/* Texts are "" when absent. Ids are filled for 2xx only, error fields for everything else. An id that is longer than
 * its field or not an id at all is absent: a cut id would name something else. */
struct answer {
    long status;
    char message_id[ANSWER_ID_MAX];         /* `id`; nothing is invented for a 202 without a body */
    char conversation_id[ANSWER_ID_MAX];    /* `conversationId` */
    char error_code[ANSWER_ID_MAX];         /* `code`, else errors[0].code, else OAuth's `error`; cut when too long */
    char error_message[ANSWER_MESSAGE_MAX]; /* `message`, else errors[0].message, else OAuth's `error_description` or
                                               `description`, else the first line of a body that is not JSON; cut at a
                                               character when too long */
    char correlation_id[ANSWER_ID_MAX];     /* ININ-Correlation-Id, else `contextId` of an error */
    int64_t retry_after_ms;                 /* a wait, 0 to RETRY_AFTER_MAX_MS; -1: absent or not understood */
};

/* Fills all of *ret. `now_ms` is the wall clock (Unix epoch), for a Retry-After that is a date. The error body is the
 * platform's ErrorBody (vendor SDK; no field of it is required) or OAuth's (RFC 6749, section 5.2). */
void answer_read(struct answer *ret, const struct answer_raw *raw, int64_t now_ms);

#endif
