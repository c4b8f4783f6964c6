/* Why a message may not be sent as it is: a code for programs, the field as a JSON pointer (RFC 6901) for whoever wrote
 * it, a sentence for people. Never holds an address or a text of the message. */
#ifndef HERALD_COMMON_REFUSAL_H
#define HERALD_COMMON_REFUSAL_H

struct refusal {
    const char *code; /* snake_case, static; becomes the dead letter's reason detail */
    char field[96];   /* "" when it is about the whole */
    char text[240];
};

/* Fills `why` and returns ERR_INVALID, so that a check can end in `return refuse(...)`. */
int refuse(struct refusal *why, const char *code, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
