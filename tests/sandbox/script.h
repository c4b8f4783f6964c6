#ifndef SANDBOX_SCRIPT_H
#define SANDBOX_SCRIPT_H

#include "tests/sandbox/body.h"
#include "tests/sandbox/fault.h"

/* What a step can be matched against. */
enum subject_part { SUBJECT_ROUTE, SUBJECT_TO, SUBJECT_FROM, SUBJECT_CHANNEL, SUBJECT_REQUEST_ID, SUBJECT_PARTS };

struct subject {
    struct span parts[SUBJECT_PARTS];
    bool by_name_only; /* no send */
};

/* Routes that are matched only by a step that names them: an empty match fits every send, and nothing else. */
#define SCRIPT_TOKEN_ROUTE    "token"
#define SCRIPT_STATUS_ROUTE   "status"
#define SCRIPT_WEBHOOKS_ROUTE "webhooks"
#define SCRIPT_REPORT_ROUTE   "report"

/* Scripted answers, in order. Thread-safe. */
struct script;

struct script *script_create(void);
void script_destroy(struct script *script);

/* script_replace: the steps of a JSON array take the place of all earlier ones. On a problem nothing changes. */
void script_replace(struct script *script, const struct json_object *array, struct problem *problem);

/* script_take: true and the verdict of the first step with turns left that matches; one turn of it is then used. */
bool script_take(struct script *script, const struct subject *subject, struct verdict *ret_verdict);

/* script_render: the steps as a JSON array: what they do and how many turns are left (-1: without end). */
void script_render(struct script *script, struct text *out);

#endif
