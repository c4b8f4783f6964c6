#include "common/refusal.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/reason.h"
#include "common/utf8.h"

int refuse(struct refusal *why, const char *code, const char *field, const char *format, ...)
{
    va_list args;

    why->code = code;
    (void)snprintf(why->field, sizeof(why->field), "%s", field);
    va_start(args, format);
    (void)vsnprintf(why->text, sizeof(why->text), format, args); /* a cut sentence is still one */
    va_end(args);
    utf8_repair(why->field);
    utf8_repair(why->text);
    return ERR_INVALID;
}
