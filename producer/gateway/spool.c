#include "producer/gateway/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *folder_of(const struct settings *settings)
{
    const char *folder = settings->spool_dir;

    if (!folder || !*folder)
        folder = getenv("TMPDIR");
    return folder && *folder ? folder : "/tmp";
}

/* Some file systems cannot make a file without a name; there it has one for a moment. */
static int open_nameless(const char *folder)
{
    char path[4096];
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
        return fd;
    if ((size_t)snprintf(path, sizeof(path), "%s/herald-spool-XXXXXX", folder) >= sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        (void)unlink(path); /* else an empty name stays behind, which hurts nobody */
    return fd;
}

static int refuse_folder(const struct settings *settings, struct reason *why)
{
    reason_set(why, "cannot make a file in %.200s (--spool-dir): %s", folder_of(settings), strerror(errno));
    return ERR_IO;
}

int spool_probe(const struct settings *settings, struct reason *why)
{
    int fd = open_nameless(folder_of(settings));

    if (fd < 0)
        return refuse_folder(settings, why);
    (void)close(fd); /* empty */
    return 0;
}

int spool_open(struct spool *ret, struct gateway *gateway, struct reason *why)
{
    *ret = (struct spool){.gateway = gateway, .fd = -1};
    buf_init(&ret->block, SPOOL_BLOCK);
    if (atomic_fetch_add(&gateway->spools, 1) >= SPOOLS_MAX) {
        (void)atomic_fetch_sub(&gateway->spools, 1);
        reason_set(why, "%d streams and uploads are under way already", SPOOLS_MAX);
        return ERR_LIMIT;
    }
    ret->fd = open_nameless(folder_of(gateway->settings));
    ret->is_counted = true;
    if (ret->fd >= 0)
        return 0;
    return refuse_folder(gateway->settings, why);
}

void spool_close(struct spool *spool)
{
    buf_clear(&spool->block);
    if (spool->fd >= 0)
        (void)close(spool->fd); /* nobody else reads it */
    if (spool->is_counted)
        (void)atomic_fetch_sub(&spool->gateway->spools, 1);
    spool->fd = -1;
    spool->is_counted = false;
}

static void fail(struct spool *spool, int failure)
{
    spool->rc = ERR_IO;
    reason_set(&spool->why, "cannot write to the spool folder (--spool-dir): %s", strerror(failure));
}

static void write_block(struct spool *spool)
{
    const char *at = buf_str(&spool->block);
    size_t left = spool->block.len;

    while (left > 0 && spool->rc == 0) {
        ssize_t written = write(spool->fd, at, left);

        if (written > 0) {
            at += written;
            left -= (size_t)written;
        } else if (written == 0 || errno != EINTR) {
            fail(spool, written == 0 ? ENOSPC : errno);
        }
    }
    buf_reset(&spool->block);
}

void spool_add(struct spool *spool, const char *data, size_t len)
{
    int64_t max = spool->gateway->settings->max_upload;

    if (spool->rc == 0 && (int64_t)len > max - spool->size) {
        spool->rc = ERR_LIMIT;
        reason_set(&spool->why, "there are more than %" PRId64 " bytes (--max-upload)", max);
    }
    while (len > 0 && spool->rc == 0) {
        size_t room = SPOOL_BLOCK - spool->block.len, part = len < room ? len : room;

        buf_add(&spool->block, data, part);
        spool->size += (int64_t)part;
        data += part;
        len -= part;
        if (spool->block.len == SPOOL_BLOCK)
            write_block(spool);
    }
}

int spool_finish(struct spool *spool)
{
    write_block(spool);
    if (spool->rc == 0 && lseek(spool->fd, 0, SEEK_SET) != 0)
        fail(spool, errno);
    return spool->rc;
}

int spool_take_fd(struct spool *spool)
{
    int fd = spool->fd;

    spool->fd = -1;
    return fd;
}
