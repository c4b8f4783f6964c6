#include "common/delivery.h"

#include <strings.h>

static const char *const names[] = {
    [DELIVERY_PENDING] = "pending",     [DELIVERY_QUEUED] = "queued", [DELIVERY_SENT] = "sent",
    [DELIVERY_DELIVERED] = "delivered", [DELIVERY_READ] = "read",     [DELIVERY_FAILED] = "failed",
};
_Static_assert(sizeof(names) / sizeof(names[0]) == DELIVERY_COUNT, "each state has a name");

/* Which words mean which state; where a word stands in several vocabularies it means the same in all. */
static const struct {
    const char *word;
    enum delivery delivery;
} words[] = {
    {"queued", DELIVERY_QUEUED},
    {"sent", DELIVERY_SENT},
    {"published", DELIVERY_SENT}, /* handed to the provider */
    {"DeliveryPushed", DELIVERY_SENT},
    {"delivered", DELIVERY_DELIVERED},
    {"delivery-success", DELIVERY_DELIVERED},
    {"DeliverySuccess", DELIVERY_DELIVERED},
    {"read", DELIVERY_READ},
    {"failed", DELIVERY_FAILED},
    {"delivery-failed", DELIVERY_FAILED},
    {"DeliveryFailed", DELIVERY_FAILED},
};

/* The words are ASCII, and the programs set no locale, so that strncasecmp folds ASCII letters and nothing else. */
static bool is_word(struct span name, const char *word)
{
    return name.data && name.len == strlen(word) && strncasecmp(name.data, word, name.len) == 0;
}

bool delivery_parse(struct span name, enum delivery *ret)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (is_word(name, words[i].word)) {
            *ret = words[i].delivery;
            return true;
        }
    }
    return false;
}

const char *delivery_name(enum delivery delivery)
{
    return names[delivery];
}

bool delivery_code_opts_out(struct span code)
{
    return is_word(code, "RecipientOptedOut") || is_word(code, "InvalidDestination");
}
