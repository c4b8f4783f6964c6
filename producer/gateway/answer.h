/* What a request is answered with. Pure; bodies are JSON, errors are problem details (RFC 9457). */
#ifndef HERALD_PRODUCER_GATEWAY_ANSWER_H
#define HERALD_PRODUCER_GATEWAY_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

#define ANSWER_BODY_MAX ((size_t)8 << 20) /* bytes of an answer that is made in memory */

struct answer {
    int status; /* 0: none yet */
    const char *content_type;
    struct buf body;
    int file_fd;          /* instead of the body: a file from its beginning, taken; -1: none */
    int64_t file_size;    /* bytes */
    int retry_after_s;    /* 0: no header */
    bool is_replayed;     /* `Idempotency-Replayed: true` */
    bool asks_for_bearer; /* `WWW-Authenticate: Bearer` */
    char allow[64];       /* "": no header */
};

void answer_init(struct answer *answer);
void answer_clear(struct answer *answer);

/* A JSON answer whose body the caller then writes to the returned buffer. */
struct buf *answer_json(struct answer *answer, int status);

/* A problem: `code` is for programs (snake_case), `detail` a sentence for people that says what to do, `pointer` the
 * JSON pointer of the field at fault or NULL. */
void answer_problem(struct answer *answer, int status, const char *code, const char *pointer, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

const char *answer_phrase(int status); /* the reason phrase of the statuses that the gateway uses */

#endif
