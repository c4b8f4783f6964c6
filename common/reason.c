#include "common/reason.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/utf8.h"

void reason_set(struct reason *why, const char *format, ...)
{
    va_list args;

    if (!why)
        return;
    va_start(args, format);
    (void)vsnprintf(why->text, sizeof(why->text), format, args); /* a cut reason is still a reason */
    va_end(args);
    utf8_repair(why->text);
}
