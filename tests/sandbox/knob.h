#ifndef SANDBOX_KNOB_H
#define SANDBOX_KNOB_H

#include "tests/sandbox/tuning.h"

/* The settings of statuses and receipts: each is a flag (--sent-after) and a member of /sandbox/config (sent_after). */
struct knob;

/* knob_find: by the name of the flag without its dashes, or of the member; NULL if there is none. */
const struct knob *knob_find(const char *name);

/* knob_set: 0, or -1 with `tuning` unchanged. */
int knob_set(const struct knob *knob, const char *value, struct tuning *tuning);

/* knob_render: all of them as members of a JSON object, each with a comma before it. */
void knob_render(const struct tuning *tuning, struct text *out);

/* knob_print_help: their lines of --help. */
void knob_print_help(void);

#endif
