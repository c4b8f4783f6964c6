#ifndef SANDBOX_REQUEST_H
#define SANDBOX_REQUEST_H

#include "tests/sandbox/app.h"

struct loop;
struct MHD_Connection;
struct MHD_Response;

#define REQUEST_ID_MAX 256

enum method { METHOD_GET, METHOD_POST, METHOD_PATCH, METHOD_DELETE, METHOD_OTHER };

/* A body of JSON lines that are rendered while it is sent: of the ledger, or of the events. */
struct lines {
    struct ledger *ledger; /* NULL: the events are meant */
    struct ledger_cursor ledger_at;
    struct events *events;
    struct events_cursor events_at;
};

/* What is to be answered, and when. */
struct reply {
    enum how how;
    int status;
    const char *content_type;
    struct text body;
    struct lines *lines; /* owned: what the body is, in place of `body` */
    char retry_after[TEXT_HTTP_SIZE];
    char allow[32]; /* of a 405 */
    bool has_challenge;
    bool echoes_request_id;
    int64_t delay_us;
};

enum phase {
    PHASE_READING,
    PHASE_WAITING, /* suspended: only the delay thread may touch the request */
    PHASE_READY,
};

/* One HTTP request from its first header to the last byte of its answer. Header values and the path are borrowed from
 * the connection and are NULL if absent. */
struct request {
    struct app *app;
    enum phase phase;
    int fd;
    struct loop *loop; /* of the thread that serves the connection */
    struct MHD_Connection *connection;
    enum method method;
    const char *path;
    const char *authorization;
    const char *content_type;
    const char *content_encoding;
    const char *request_id;
    const char *traceparent;
    size_t received; /* bytes of the body, also those over the limit, which are not kept */
    struct text body;
    char correlation[TEXT_UUID_SIZE];
    struct reply reply;
    char body_room[1024];
    char reply_room[1024];
};

/* request_query: an argument of the URL, or NULL. */
const char *request_query(const struct request *request, const char *name);

/* request_is_json: true, or false with a 413 or 415 in the reply. */
bool request_is_json(struct request *request);

/* The families of paths; each fills in request->reply. send_answer hands over to api_answer what is no send. */
void oauth_answer(struct request *request);
void send_answer(struct request *request, const struct tuning *tuning);
void api_answer(struct request *request, const struct tuning *tuning);
void control_answer(struct request *request);

/* What every call of the API meets on its way (gate.c). The first two are false with the refusal in the reply. */
bool gate_is_authentic(struct request *request);
bool gate_is_in_window(struct request *request, const struct tuning *tuning);

/* gate_apply: what a script or a fault wants, into the reply; false if the route itself has to answer. */
bool gate_apply(struct request *request, const struct tuning *tuning, const struct verdict *verdict);

/* request_answer: picks the family, and counts what was answered. */
void request_answer(struct request *request);

/* reply_error: an ErrorBody. Empty or NULL code and message: the usual ones of the status. `field` may be NULL. */
void reply_error(struct request *request, int status, const char *code, const char *field, const char *message);
void reply_problem(struct request *request, const struct problem *problem);

/* reply_not_allowed: a 405 that names the methods there are. */
void reply_not_allowed(struct request *request, const char *allow);

/* reply_json: a status whose JSON the caller then writes to request->reply.body. */
struct text *reply_json(struct request *request, int status);

/* reply_retry_after: sets the header from a wait that is rounded up to whole seconds. */
void reply_retry_after(struct request *request, const struct tuning *tuning, int64_t wait_us);

/* reply_broken: a verdict that is no ordinary answer (reset, hang, HTML, huge, empty). */
void reply_broken(struct request *request, const struct verdict *verdict);

/* reply_render: the MHD response of request->reply, or NULL without memory. The caller destroys it. */
struct MHD_Response *reply_render(struct request *request);

#endif
