/* An exchange and libmicrohttpd. Internal to exchange*.c and lane.c. */
#ifndef HERALD_PRODUCER_GATEWAY_EXCHANGE_MHD_H
#define HERALD_PRODUCER_GATEWAY_EXCHANGE_MHD_H

#include <microhttpd.h>

#include "producer/gateway/exchange.h"
#include "producer/gateway/visitors.h"

#define EXCHANGE_HEADERS_MAX 3072 /* bytes of libmicrohttpd's memory that the headers of a request may take */

enum phase {
    PHASE_READING, /* its body is coming in */
    PHASE_WAITING, /* until it is answered or its sink goes on */
    PHASE_READY,   /* answered */
};

struct exchange {
    struct lane *lane;
    struct MHD_Connection *connection; /* NULL once libmicrohttpd has done with it */
    const struct endpoint *endpoint;   /* NULL when it is answered without one */
    const struct client *client;
    enum phase phase;
    bool is_whole;     /* all of it came in */
    bool is_suspended; /* waiting, and out of libmicrohttpd's sight */
    unsigned visits;   /* of libmicrohttpd, while it lingered */
    unsigned holders;  /* libmicrohttpd, and whoever keeps it */
    char segment[ID_SIZE];
    const char *origin; /* of the page that asks, when it is allowed to, else NULL; the connection's */
    struct buf body;
    size_t received, dropped; /* bytes of the body: taken, and read only because the answer was there before its end */
    bool must_close;          /* nobody knows where its body ends, so nothing after it is read */
    int64_t opened_us;        /* monotonic */
    int64_t begun_ms;         /* monotonic; moved on by the time that we let it wait */
    int64_t answered_ms;      /* monotonic; when libmicrohttpd got an answer out of memory, else 0 */
    int64_t waits_since_ms, due_ms; /* since when it waits, and when it is answered 503 */
    int64_t patience_ms;
    const struct sink *sink;
    void *sink_state;
    struct answer answer;
    struct exchange *previous, *next; /* of those that wait, or of the orphans, in their lane */
};

struct waiting {
    struct exchange *first, *last;
};

/* exchange.c: an exchange's life. */
struct exchange *exchange_open(struct lane *lane, struct MHD_Connection *connection);
void exchange_note_whole(struct exchange *exchange); /* all of it came in, or nothing more of it will */
void exchange_close(struct exchange *exchange);      /* libmicrohttpd has done with it */
void exchange_wait(struct exchange *exchange);       /* suspends it */
/* Waits without being suspended, which costs three system calls: libmicrohttpd visits it each time that it runs, and
 * mostly the answer is there after some visits. After the last of them it is suspended all the same. */
void exchange_linger(struct exchange *exchange);
void exchange_visit(struct exchange *exchange);
/* Whether its client brings its body, or takes its answer, slower than anybody has to. */
bool exchange_is_too_slow(const struct exchange *exchange, int64_t now_ms);
void exchange_end_orphans(struct waiting *orphans);
/* Answers 503 to those that have waited too long (or, `all`, at once). Returns when the next one is due; -1: none. */
int64_t exchange_sweep(struct waiting *waiting, int64_t now_ms, bool all);

/* exchange_http.c: libmicrohttpd's callbacks; the context is the lane. */
enum MHD_Result exchange_on_request(void *lane, struct MHD_Connection *connection, const char *path, const char *method,
                                    const char *version, const char *data, size_t *size, void **state);
void exchange_on_completed(void *lane, struct MHD_Connection *connection, void **state,
                           enum MHD_RequestTerminationCode code);
void exchange_on_connection(void *lane, struct MHD_Connection *connection, void **visitor,
                            enum MHD_ConnectionNotificationCode code);
size_t exchange_unescape(void *lane, struct MHD_Connection *connection, char *text);

/* lane.c: what it keeps for those. */
struct waiting *lane_waiting(struct lane *lane);
struct waiting *lane_orphans(struct lane *lane);
void lane_count(struct lane *lane, int by); /* exchanges under way */
bool lane_is_stopping(const struct lane *lane);
bool lane_is_over(const struct lane *lane);           /* nothing may wait any more */
void lane_note_stirred(struct lane *lane);            /* libmicrohttpd has something to do that no socket tells of */
void lane_count_incoming(struct lane *lane, int by);  /* exchanges that are not whole */
void lane_count_lingering(struct lane *lane, int by); /* that wait without being suspended */
/* Memory for bodies: false when there is no more. Given back with a negative number. */
bool lane_hold_bytes(struct lane *lane, int64_t bytes);
struct visitors *lane_visitors(struct lane *lane);

#endif
