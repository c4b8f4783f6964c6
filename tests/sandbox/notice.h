#ifndef SANDBOX_NOTICE_H
#define SANDBOX_NOTICE_H

#include "tests/sandbox/events.h"

#define NOTICE_SIGNATURE_SIZE 64 /* "sha256=", 44 characters of base64, the NUL */

/* notice_render: the JSON that the receiver of an event gets. */
void notice_render(const struct event *event, struct text *out);

/* notice_sign: the value of X-Hub-Signature-256 for these bytes; "" when the secret is "". */
void notice_sign(const char *secret, const char *bytes, size_t length, char ret_signature[NOTICE_SIGNATURE_SIZE]);

#endif
