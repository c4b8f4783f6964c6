/* The text forms of option values. Internal to options.c; the two parsers that others use are in options.h. */
#ifndef HERALD_COMMON_OPTION_VALUE_H
#define HERALD_COMMON_OPTION_VALUE_H

#include "common/options.h"

int option_set_value(const struct option *row, void *target, const char *text, struct reason *why);
void option_clear_value(const struct option *row, void *target);
const char *option_show_value(const struct option *row, const void *target, char *out, size_t size);

#endif
