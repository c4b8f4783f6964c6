/* A body of multipart/form-data (RFC 7578), handed out in parts as it comes. */
#ifndef HERALD_PRODUCER_GATEWAY_FORM_H
#define HERALD_PRODUCER_GATEWAY_FORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct exchange;
struct form;

/* Some bytes of a part; borrowed until the callback returns. */
struct form_piece {
    const char *name; /* of the part; "" when it has none */
    const char *type; /* its Content-Type; "" */
    uint64_t offset;  /* of the bytes in the part: 0 begins one */
    const char *data;
    size_t len;
};

/* False ends the reading. */
typedef bool (*form_take_fn)(void *context, const struct form_piece *piece);

struct form *form_open(struct exchange *exchange, form_take_fn take, void *context); /* NULL: it is none */
bool form_add(struct form *form, const char *data, size_t len); /* false: it is broken, or the taker has ended it */
bool form_close(struct form *form);                             /* takes NULL; false: its end is missing */

#endif
