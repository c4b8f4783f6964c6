/* Every metric of every program, in the order in which they are shown: what code, docs/metrics.md and tests are made
 * of. Names follow Prometheus' conventions: base units, `_total` for what only goes up. Label values come from fixed
 * tables; never from a message, a campaign or a client, of which there may be any number. */
#ifndef HERALD_COMMON_METRICS_TABLE_H
#define HERALD_COMMON_METRICS_TABLE_H

/* name, as it is shown, its values in words */
#define METRIC_LABELS(X)                                                                                               \
    X(NONE, "", "")                                                                                                    \
    X(ROUTE, "route", "way to send: `agentless`, `messaging`, `conversation`")                                         \
    X(CHANNEL, "channel", "`none` (into a conversation), `sms`, `whatsapp`, `facebook`, `web`, `open`, `apple`")       \
    X(OUTCOME, "outcome", "what an attempt came to: `sent`, `deferred`, `dead`, `returned` (429, 401: not its fault)") \
    X(VERDICT, "verdict", "what an answer meant: `sent`, `rate_limited`, `server_error`, `no_answer`, ...")            \
    X(REASON, "reason", "of a dead letter, as in docs/wire-format.md; `other` should not be seen")                     \
    X(PRIORITY, "priority", "`high`, `normal`, `low`")                                                                 \
    X(STEP, "step", "a state change or a look in Redis, by the name of its script")                                    \
    X(FETCH, "result", "`ok`, `refused` (wrong credentials), `failed`")                                                \
    X(CAUSE, "cause", "`rate` (a 429), `denied` (credentials or a permission)")                                        \
    X(BREAKER, "state", "`closed`, `open`, `half_open`: 1 for the one it is in, else 0")                               \
    X(LEVEL, "level", "`error`, `warning`, `info`, `debug`")                                                           \
    X(ENDPOINT, "endpoint", "path, `{}` for an id; `other` for what is no endpoint")                                   \
    X(STATUS, "status", "of the answer; `other` for one that is not expected")                                         \
    X(ACCEPTANCE, "result", "`accepted`, `repeated` (its key was seen before), `refused`, `put_off` (503)")            \
    X(RECEIPT, "outcome",                                                                                              \
      "`recorded`, `repeated`, `early` (before the answer to its send), `ignored`, `bad_signature`")                   \
    X(VERSION, "version", "of Herald")

/* Upper ends of the buckets of histograms, microseconds. */
#define METRIC_BUCKETS(X)                                                                                              \
    X(NONE, 0)                                                                                                         \
    X(STEP, 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 100000, 250000, 1000000)                                    \
    X(REQUEST, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000)                 \
    X(SERVED, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 1000000, 2500000, 8000000)                        \
    X(WAIT, 10000, 50000, 100000, 500000, 1000000, 5000000, 15000000, 60000000, 300000000, 900000000, 3600000000,      \
      14400000000, 86400000000)

/* What they are, and who fills them: counters and histograms by the blocks of threads; totals (counters that are kept
 * elsewhere) and gauges when somebody looks. */
#define METRICS(X)                                                                                                     \
    X(ATTEMPTS, COUNTER, NONE, ROUTE, CHANNEL, OUTCOME, W, "herald_attempts_total",                                    \
      "Requests that carried a message, by what became of it.")                                                        \
    X(ANSWERS, COUNTER, NONE, VERDICT, NONE, NONE, W, "herald_answers_total",                                          \
      "Requests that carried a message, by what the answer meant.")                                                    \
    X(DEAD_LETTERS, COUNTER, NONE, REASON, NONE, NONE, W, "herald_dead_letters_total",                                 \
      "Messages that this worker made dead letters.")                                                                  \
    X(API_LATENCY, HISTOGRAM, REQUEST, ROUTE, NONE, NONE, W, "herald_api_latency_seconds",                             \
      "How long Genesys took to answer a request that carried a message.")                                             \
    X(QUEUE_WAIT, HISTOGRAM, WAIT, NONE, NONE, NONE, W, "herald_queue_wait_seconds",                                   \
      "From a message's acceptance (its send_at, its replay) until it was sent.")                                      \
    X(REDIS_STEP, HISTOGRAM, STEP, STEP, NONE, NONE, WG, "herald_redis_step_seconds",                                  \
      "From a step's way to Redis until its answer; a batch is one step.")                                             \
    X(TOKEN_FETCHES, COUNTER, NONE, FETCH, NONE, NONE, W, "herald_token_fetches_total",                                \
      "Times that the OAuth token was asked for.")                                                                     \
    X(REAPED, COUNTER, NONE, NONE, NONE, NONE, W, "herald_reaped_messages_total",                                      \
      "Messages that this worker took back from others that had lost their lease.")                                    \
    X(PAUSES, COUNTER, NONE, CAUSE, NONE, NONE, W, "herald_pauses_total",                                              \
      "Pauses of the organisation that this worker asked for.")                                                        \
    X(SENDING, GAUGE, NONE, NONE, NONE, NONE, W, "herald_requests_in_progress",                                        \
      "Requests that carry a message and have no answer yet, of this worker.")                                         \
    X(BREAKER, GAUGE, NONE, BREAKER, NONE, NONE, W, "herald_breaker_state", "State of this worker's circuit breaker.") \
    X(TOKEN, GAUGE, NONE, NONE, NONE, NONE, W, "herald_token_valid", "1 when this worker has a token, else 0.")        \
    X(LEASE_AGE, GAUGE, NONE, NONE, NONE, NONE, W, "herald_lease_age_seconds",                                         \
      "How long ago the heartbeat was sent that Redis confirmed last.")                                                \
    X(LEASE_LEFT, GAUGE, NONE, NONE, NONE, NONE, W, "herald_lease_left_seconds",                                       \
      "For how long this worker still owns what it took; 0 when it has lost its lease.")                               \
    X(REDIS_UP, GAUGE, NONE, NONE, NONE, NONE, WG, "herald_redis_up",                                                  \
      "1 when Redis has answered just now, else 0; then nothing is said of what is in it.")                            \
    X(READY, GAUGE, NONE, PRIORITY, NONE, NONE, WG, "herald_ready_messages", "Messages on the lists, of all workers.") \
    X(OLDEST, GAUGE, NONE, PRIORITY, NONE, NONE, WG, "herald_oldest_ready_age_seconds",                                \
      "Age of the message that is next on a list since its acceptance, or since it is next; 0: the list is empty.")    \
    X(DELAYED, GAUGE, NONE, NONE, NONE, NONE, WG, "herald_delayed_messages",                                           \
      "Messages that wait for their time: scheduled, or to be tried again.")                                           \
    X(DUE, GAUGE, NONE, NONE, NONE, NONE, WG, "herald_due_messages", "Of those, the ones whose time has come.")        \
    X(IN_FLIGHT, GAUGE, NONE, NONE, NONE, NONE, WG, "herald_in_flight_messages", "Messages that workers hold.")        \
    X(PARKED, GAUGE, NONE, NONE, NONE, NONE, WG, "herald_parked_messages", "Messages of campaigns that are paused.")   \
    X(DEAD, GAUGE, NONE, NONE, NONE, NONE, WG, "herald_dead_messages", "Dead letters that are kept.")                  \
    X(CALLBACKS, GAUGE, NONE, NONE, NONE, NONE, WG, "herald_waiting_callbacks",                                        \
      "Callbacks that wait or are under way: who is to be told what became of messages.")                              \
    X(CALLBACKS_DEAD, GAUGE, NONE, NONE, NONE, NONE, WG, "herald_dead_callbacks", "Callbacks that were given up.")     \
    X(CALLBACKS_DROPPED, GAUGE, NONE, NONE, NONE, NONE, WG, "herald_dropped_callbacks",                                \
      "Callbacks that were dropped since ever, because more waited or were dead than --callback-max, or could not be " \
      "queued.")                                                                                                       \
    X(SENDABLE, GAUGE, NONE, NONE, NONE, NONE, WG, "herald_backlog_sendable",                                          \
      "Messages that could leave now if there were more workers: what is ready or due, at most what the window has "   \
      "free, and none while the organisation is paused.")                                                              \
    X(WINDOW_USED, GAUGE, NONE, NONE, NONE, NONE, WG, "herald_window_used_requests",                                   \
      "Requests of the organisation that count in its rate window.")                                                   \
    X(WINDOW_LIMIT, GAUGE, NONE, NONE, NONE, NONE, WG, "herald_window_limit_requests",                                 \
      "How many may (--rate); absent when any number may.")                                                            \
    X(HOLD, GAUGE, NONE, NONE, NONE, NONE, WG, "herald_hold_seconds",                                                  \
      "For how long the organisation is still paused; 0: it is not.")                                                  \
    X(WORKERS, GAUGE, NONE, NONE, NONE, NONE, WG, "herald_workers", "Workers that have a lease.")                      \
    X(AUDIT_BACKLOG, GAUGE, NONE, NONE, NONE, NONE, WG, "herald_audit_backlog_entries",                                \
      "Entries of the audit in Redis, that is: not exported.")                                                         \
    X(AUDIT_LIMIT, GAUGE, NONE, NONE, NONE, NONE, WG, "herald_audit_limit_entries",                                    \
      "How many may be there (--audit-max).")                                                                          \
    X(AUDIT_OLDEST, GAUGE, NONE, NONE, NONE, NONE, WG, "herald_audit_oldest_age_seconds",                              \
      "Age of the oldest of them; 0: there is none.")                                                                  \
    X(AUDIT_CUT, GAUGE, NONE, NONE, NONE, NONE, WG, "herald_audit_cut_entries",                                        \
      "Entries that were cut off since ever before they were exported, because more were there than --audit-max (0 "   \
      "with a Redis older than 7, which does not tell).")                                                              \
    X(GATEWAY_REQUESTS, COUNTER, NONE, ENDPOINT, STATUS, NONE, G, "herald_gateway_requests_total",                     \
      "Requests that the gateway has answered.")                                                                       \
    X(GATEWAY_TIME, HISTOGRAM, SERVED, ENDPOINT, NONE, NONE, G, "herald_gateway_request_seconds",                      \
      "From a request's headers until its answer was ready.")                                                          \
    X(GATEWAY_MESSAGES, TOTAL, NONE, ACCEPTANCE, NONE, NONE, G, "herald_gateway_messages_total",                       \
      "Messages that clients handed in, by what became of them.")                                                      \
    X(GATEWAY_RECEIPTS, TOTAL, NONE, RECEIPT, NONE, NONE, G, "herald_gateway_receipts_total",                          \
      "Receipts that webhooks brought, by what became of them.")                                                       \
    X(LOG_LINES, TOTAL, NONE, LEVEL, NONE, NONE, WG, "herald_log_lines_total", "Lines of the log.")                    \
    X(BUILD, GAUGE, NONE, VERSION, NONE, NONE, WG, "herald_build_info", "Always 1.")                                   \
    X(PROCESS_CPU, TOTAL, NONE, NONE, NONE, NONE, WG, "process_cpu_seconds_total", "User and system CPU time.")        \
    X(PROCESS_RESIDENT, GAUGE, NONE, NONE, NONE, NONE, WG, "process_resident_memory_bytes", "Resident memory.")        \
    X(PROCESS_VIRTUAL, GAUGE, NONE, NONE, NONE, NONE, WG, "process_virtual_memory_bytes", "Virtual memory.")           \
    X(PROCESS_FDS, GAUGE, NONE, NONE, NONE, NONE, WG, "process_open_fds", "Open file descriptors.")                    \
    X(PROCESS_MAX_FDS, GAUGE, NONE, NONE, NONE, NONE, WG, "process_max_fds", "How many there may be.")                 \
    X(PROCESS_THREADS, GAUGE, NONE, NONE, NONE, NONE, WG, "process_threads", "Threads.")                               \
    X(PROCESS_START, GAUGE, NONE, NONE, NONE, NONE, WG, "process_start_time_seconds", "Start, since 1970.")

#endif
