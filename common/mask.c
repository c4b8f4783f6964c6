#include "common/mask.h"

#include "common/channel.h"

static bool is_shown(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' || c == ':';
}

const char *mask_address(struct span address, char out[MASK_SIZE])
{
    const char *colon = address.len ? memchr(address.data, ':', address.len) : NULL;
    struct span prefix = {address.data, colon ? (size_t)(colon - address.data) : 0};
    size_t len = address.len < MASK_SIZE - 1 ? address.len : MASK_SIZE - 1;
    size_t head = channel_find(prefix) == CHANNEL_NONE ? 0 : prefix.len + 1; /* says nothing about the person */
    bool is_number = false;

    if (head < len)
        is_number = address.data[head] == '+' || (address.data[head] >= '0' && address.data[head] <= '9');
    head += is_number ? 3 : 2;
    for (size_t i = 0; i < len; i++) {
        bool is_tail = is_number && i + 2 >= address.len && address.len > head + 4;
        bool is_head = i < head && address.len > head + 2;

        out[i] = (is_tail || is_head) && is_shown(address.data[i]) ? address.data[i] : '*';
    }
    out[len] = '\0';
    return out;
}
