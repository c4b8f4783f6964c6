#include "common/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* `vv-<32 of the trace>-<16 of the span>-ff` */
#define TEXT_LEN (TRACE_PARENT_SIZE - 1)
#define AT_ID    3
#define AT_SPAN  36
#define AT_FLAGS 53
#define ID_LEN   (TRACE_ID_SIZE - 1)
#define SPAN_LEN 16
#define SAMPLED  1

static bool is_hex(const char *text, size_t len)
{
    return strspn(text, "0123456789abcdef") >= len;
}

static bool is_zero(const char *text, size_t len)
{
    return strspn(text, "0") >= len;
}

bool trace_parse(const char *text, size_t len, struct trace *ret)
{
    char copy[TRACE_PARENT_SIZE];

    *ret = (struct trace){.id = ""};
    if (!text || len < TEXT_LEN)
        return false;
    memcpy(copy, text, TEXT_LEN);
    copy[TEXT_LEN] = '\0';
    if (!is_hex(copy, 2) || memcmp(copy, "ff", 2) == 0 || copy[2] != '-' || !is_hex(copy + AT_ID, ID_LEN) ||
        copy[AT_SPAN - 1] != '-' || !is_hex(copy + AT_SPAN, SPAN_LEN) || copy[AT_FLAGS - 1] != '-' ||
        !is_hex(copy + AT_FLAGS, 2))
        return false;
    if (len > TEXT_LEN && (memcmp(copy, "00", 2) == 0 || text[TEXT_LEN] != '-'))
        return false;
    if (is_zero(copy + AT_ID, ID_LEN) || is_zero(copy + AT_SPAN, SPAN_LEN))
        return false;
    memcpy(ret->id, copy + AT_ID, ID_LEN);
    ret->is_sampled = strchr("13579bdf", copy[AT_FLAGS + 1]) != NULL;
    return true;
}

void trace_write(const struct trace *trace, uint64_t span, char out[TRACE_PARENT_SIZE])
{
    (void)snprintf(out, TRACE_PARENT_SIZE, "00-%s-%016" PRIx64 "-%02x", trace->id, span == 0 ? 1 : span,
                   trace->is_sampled ? SAMPLED : 0U);
}
