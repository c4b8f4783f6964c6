#ifndef SANDBOX_HANDLER_H
#define SANDBOX_HANDLER_H

#include "tests/sandbox/app.h"
#include "tests/sandbox/loop.h"

#include <microhttpd.h>

/* One serving thread; what its daemon's callbacks are given. */
struct lane {
    struct app *app;
    struct loop *loop;
};

/* MHD's callbacks; `context` is the lane. Called in the lane's thread, and in the one that stops its daemon. */
enum MHD_Result handler_on_request(void *context, struct MHD_Connection *connection, const char *path,
                                   const char *method, const char *version, const char *data, size_t *size,
                                   void **state);
void handler_on_completed(void *context, struct MHD_Connection *connection, void **state,
                          enum MHD_RequestTerminationCode code);
void handler_on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
                           enum MHD_ConnectionNotificationCode code);

/* The delay thread's: see delay_wake. */
int64_t handler_on_due(void *item, bool stopping);

#endif
