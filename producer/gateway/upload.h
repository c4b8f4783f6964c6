/* POST /v1/campaigns: what a client uploads for a campaign, taken into a spool as it comes (upload.c); and when it is
 * whole, never before, a clerk's run over it (upload_run.c). */
#ifndef HERALD_PRODUCER_GATEWAY_UPLOAD_H
#define HERALD_PRODUCER_GATEWAY_UPLOAD_H

#include "common/trace.h"
#include "producer/gateway/clerks.h"
#include "producer/gateway/form.h"
#include "producer/gateway/spool.h"
#include "producer/recipients.h"
#include "producer/template.h"

enum upload_field {
    UPLOAD_CAMPAIGN,
    UPLOAD_TEMPLATE, /* a name, or the template itself */
    UPLOAD_KEY,
    UPLOAD_FROM,
    UPLOAD_ROUTE,
    UPLOAD_SEND_AT,
    UPLOAD_FIELDS,
};

struct upload {
    struct exchange *exchange; /* not for the clerk */
    struct form *form;         /* NULL: the body is the recipients */
    struct spool spool;        /* the recipients */
    enum recipients_format format;
    struct buf fields[UPLOAD_FIELDS]; /* empty: absent */
    bool has_recipients;              /* the form had that part */

    char actor[AUDIT_ACTOR_MAX + 1];     /* whose it is */
    char traceparent[TRACE_PARENT_SIZE]; /* of the request, for each message; "": none */

    /* Of the run. */
    int status;                 /* of the answer */
    const char *code, *pointer; /* of a problem; code NULL: there is none */
    struct reason why;          /* of that */
    int refused_shown;
    struct buf refused; /* rows, as members of an array */
    struct buf tally;   /* members; empty: the run was not begun */
};

const char *upload_field(const struct upload *upload, enum upload_field field); /* NULL: absent */

extern const struct clerk_job upload_job; /* of an upload, which its exchange destroys */

#endif
