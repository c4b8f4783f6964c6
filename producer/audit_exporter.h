/* The exporter of the audit: takes entries out of Redis, has them on the disk as lines, and only then lets them go.
 * Ends by itself when all is there that was when it began, or follows until SIGTERM or SIGINT, which it takes from then
 * on. */
#ifndef HERALD_PRODUCER_AUDIT_EXPORTER_H
#define HERALD_PRODUCER_AUDIT_EXPORTER_H

#include "producer/audit_files.h"

struct audit_exporter;

struct audit_exporter_config {
    struct store *store;  /* borrowed; for nothing else meanwhile */
    const char *to, *org; /* see audit_files_open */
    bool is_followed;
    bool has_bar;
};

struct audit_exported {
    bool has_begun;                   /* false: another one has the audit, and nothing was done */
    int64_t count;                    /* entries that were written and acknowledged, or are on the disk at least */
    int64_t cut;                      /* bytes of a torn end */
    struct audit_link last;           /* of the last line that Redis knows to be on the disk; seq 0: there is none */
    char file[STORE_AUDIT_FILE_SIZE]; /* in which the last line is; "" when it is elsewhere */
};

/* Takes the lock of the files. */
int audit_exporter_open(struct audit_exporter **ret, const struct audit_exporter_config *config, struct reason *why);
/* ERR_STATE: another exporter has the audit, or the files are not those that Redis knows; ERR_IO: the disk is full or
 * fails; ERR_UNREACHABLE, ERR_DENIED: Redis. `ret` is true in each case. */
int audit_exporter_run(struct audit_exporter *exporter, struct audit_exported *ret, struct reason *why);
void audit_exporter_close(struct audit_exporter *exporter); /* takes NULL */

#endif
