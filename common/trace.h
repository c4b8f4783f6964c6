/* Trace context (W3C Trace Context, level 1): the `traceparent` that a request came with, which goes along with its
 * message so that one trace shows the way from the service that asked to Genesys. Herald makes no trace of its own:
 * what came with none, or with one that the rules call invalid, goes without. Pure. */
#ifndef HERALD_COMMON_TRACE_H
#define HERALD_COMMON_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_ID_SIZE     33 /* hex, with its NUL */
#define TRACE_PARENT_SIZE 56

struct trace {
    char id[TRACE_ID_SIZE]; /* "" when there is none */
    bool is_sampled;
};

/* False, and none, when it is not valid: versions above 00 are read as far as 00 goes (section 4.3). `text` may be
 * NULL. */
bool trace_parse(const char *text, size_t len, struct trace *ret);

/* The `traceparent` of a step of our own in the trace; `span` is 64 bits of chance. There must be a trace. */
void trace_write(const struct trace *trace, uint64_t span, char out[TRACE_PARENT_SIZE]);

#endif
