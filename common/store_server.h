/* What Redis says of itself: how well it keeps what it is given, and how it is doing. What it may not be asked for (an
 * ACL without CONFIG, a service that has no such command) is unknown, never an error. */
#ifndef HERALD_COMMON_STORE_SERVER_H
#define HERALD_COMMON_STORE_SERVER_H

#include "common/store.h"

enum store_known { STORE_UNKNOWN, STORE_NO, STORE_YES };

struct store_server {
    char version[32]; /* "": unknown */
    int version_code; /* 602 for 6.2; 0: unknown */
    enum store_known is_master;
    enum store_known has_aof;       /* an append-only file is written */
    enum store_known is_writing_ok; /* the last write of that file, or the last snapshot without one, went well */
    char appendfsync[16];           /* "": unknown */
    enum store_known has_snapshots; /* `save` names at least one */
    char maxmemory_policy[32];      /* "": unknown */
    int64_t used_bytes, max_bytes;  /* -1: unknown; max 0: as much as there is */
    int64_t round_trip_ms;
    int64_t clock_ahead_ms; /* of this machine's clock, give or take the round trip */
    bool has_clock;
};

/* May wait. */
int store_read_server(struct store *store, struct store_server *ret, int64_t patience_ms, struct reason *why);

/* What may be lost with this Redis as it is set up, one sentence each; returns how many. Pure. */
#define STORE_RISKS_MAX 4
size_t store_server_risks(const struct store_server *server, struct reason ret[STORE_RISKS_MAX]);

/* For programs that start: asks on a connection of its own, and logs each risk as a warning. That Redis does not answer
 * is not said here. */
void store_warn_of_risks(const char *redis_url, const char *org);

#endif
