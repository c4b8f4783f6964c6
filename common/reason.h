/* What went wrong, in words a person can act on: lent by the caller, filled by whoever fails, logged once by the top.
 *
 * Functions that can fail return 0 or one of `enum err`; when they take a `struct reason` they fill it on every failure
 * and leave it alone on success. A reason never holds a secret, an address or a text of a message. */
#ifndef HERALD_COMMON_REASON_H
#define HERALD_COMMON_REASON_H

enum err {
    ERR_NONE = 0,
    ERR_INVALID = -1,     /* the input breaks a rule: trying again changes nothing */
    ERR_UNREACHABLE = -2, /* Redis, Genesys or a host does not answer: later may do */
    ERR_DENIED = -3,      /* it answers and refuses us: wrong password, secret or right */
    ERR_IO = -4,          /* a file or a descriptor of this machine */
    ERR_LIMIT = -5,       /* a named bound was reached */
    ERR_STATE = -6,       /* the other side is in a state in which this cannot be done */
};

struct reason {
    char text[320];
};

void reason_set(struct reason *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
