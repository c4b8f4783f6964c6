/* The codes of why a message is a dead letter, as docs/wire-format.md explains them (a test compares the two): for
 * those who need a fixed list. The code at fault names its reason itself. */
#ifndef HERALD_COMMON_DEAD_REASONS_H
#define HERALD_COMMON_DEAD_REASONS_H

#include <stddef.h>

#define DEAD_REASONS(X)                                                                                                \
    X(json_invalid)                                                                                                    \
    X(version_unknown)                                                                                                 \
    X(field_missing)                                                                                                   \
    X(field_invalid)                                                                                                   \
    X(route_unknown)                                                                                                   \
    X(channel_unknown)                                                                                                 \
    X(address_missing)                                                                                                 \
    X(address_invalid)                                                                                                 \
    X(from_missing)                                                                                                    \
    X(from_invalid)                                                                                                    \
    X(conversation_missing)                                                                                            \
    X(template_missing)                                                                                                \
    X(text_missing)                                                                                                    \
    X(text_invalid)                                                                                                    \
    X(text_too_long)                                                                                                   \
    X(placeholder_unresolved)                                                                                          \
    X(html_forbidden)                                                                                                  \
    X(origin_forbidden)                                                                                                \
    X(consent_missing)                                                                                                 \
    X(rejected)                                                                                                        \
    X(forbidden)                                                                                                       \
    X(outcome_unknown)                                                                                                 \
    X(suppressed)                                                                                                      \
    X(attempts_exhausted)                                                                                              \
    X(expired)                                                                                                         \
    X(other)

#define DEAD_REASON_ENUM(name) DEAD_REASON_##name,
enum dead_reason { DEAD_REASONS(DEAD_REASON_ENUM) DEAD_REASON_COUNT };

const char *dead_reason_name(size_t index);
size_t dead_reason_find(const char *name); /* `other` for one that is none */

#endif
