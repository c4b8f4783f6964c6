#ifndef SANDBOX_API_H
#define SANDBOX_API_H

#include "tests/sandbox/request.h"

#define API_ARGUMENTS 2

struct json_object;

/* One call: what stood in the path where its pattern has a star, and the body where there is one. */
struct api_call {
    struct request *request;
    struct span arguments[API_ARGUMENTS];
    const struct json_object *body;
};

void webhook_list(const struct api_call *call);
void webhook_create(const struct api_call *call);
void webhook_show(const struct api_call *call);
void webhook_delete(const struct api_call *call);

void integration_list(const struct api_call *call);
void integration_create(const struct api_call *call);
void integration_show(const struct api_call *call);
void integration_change(const struct api_call *call);
void integration_delete(const struct api_call *call);

void status_show(const struct api_call *call);
void status_bulk(const struct api_call *call);

void report_messages(const struct api_call *call);
void report_details(const struct api_call *call);

#endif
