#ifndef SANDBOX_LOOP_H
#define SANDBOX_LOOP_H

struct MHD_Daemon;

/* A thread that runs an MHD daemon. */
struct loop;

/* loop_create: no thread yet, but loop_wake may be called from now on; NULL without memory or descriptors. */
struct loop *loop_create(void);

/* loop_start: takes `daemon`, which polls by epoll and has no thread of its own, and runs it. 0, or -1 if there can be
 * no thread: the daemon is then stopped by loop_destroy. Once at most. */
int loop_start(struct loop *loop, struct MHD_Daemon *daemon);

/* loop_wake: makes the thread look at its daemon now, as after MHD_resume_connection. From any thread. */
void loop_wake(struct loop *loop);

/* loop_destroy: ends the thread, then the daemon with its connections, none of which may be suspended. Takes NULL. */
void loop_destroy(struct loop *loop);

#endif
