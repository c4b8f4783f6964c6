/* A file without a name in --spool-dir, for what is too long for memory: an upload as it comes, the results of a
 * stream. It is gone when it is closed, however the gateway ends. Written in the lane's thread, into the page cache. */
#ifndef HERALD_PRODUCER_GATEWAY_SPOOL_H
#define HERALD_PRODUCER_GATEWAY_SPOOL_H

#include "common/buf.h"
#include "common/reason.h"
#include "producer/gateway/gateway.h"

#define SPOOLS_MAX  32 /* at once, of the whole gateway: each has a descriptor, and SPOOL_BLOCK bytes */
#define SPOOL_BLOCK ((size_t)64 << 10)

struct spool {
    struct gateway *gateway;
    int fd;            /* -1: none */
    bool is_counted;   /* among SPOOLS_MAX */
    int64_t size;      /* bytes, those of the block included */
    struct buf block;  /* not written yet */
    int rc;            /* ERR_IO or ERR_LIMIT once something could not be written; then nothing more is */
    struct reason why; /* of that */
};

/* Can there be any? ERR_IO with why not: then uploads and streams are refused, and all else goes on. */
int spool_probe(const struct settings *settings, struct reason *why);

/* ERR_LIMIT when there are too many already, ERR_IO with why. The spool may be closed in any case. */
int spool_open(struct spool *ret, struct gateway *gateway, struct reason *why);
void spool_close(struct spool *spool); /* any thread */

/* What cannot be written is remembered in `rc`: ERR_LIMIT when it is more than --max-upload. */
void spool_add(struct spool *spool, const char *data, size_t len);
int spool_finish(struct spool *spool);  /* all of it is in the file, which is to be read from its beginning; or `rc` */
int spool_take_fd(struct spool *spool); /* after that; the caller closes it, then the spool */

#endif
