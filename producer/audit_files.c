#include "producer/audit_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"
#include "common/timestamp.h"
#include "producer/audit_files_parts.h"

#define DAY_LEN 10 /* 2026-01-15 */
#define MODE    0640

int audit_files_fail(const struct audit_files *files, const char *what, const char *name, struct reason *why)
{
    reason_set(why, "cannot %s %.120s/%.100s: %s", what, files->folder, name, strerror(errno));
    return ERR_IO;
}

/* --- names --- */

static int split_name(struct audit_files *files, const char *to, const char *org, struct reason *why)
{
    struct stat about;
    const char *slash = strrchr(to, '/'), *base = slash ? slash + 1 : to, *dot;
    size_t len;

    if (to[0] == '\0') {
        reason_set(why, "--to must name a folder or a file");
        return ERR_INVALID;
    }
    if (base[0] == '\0' || (stat(to, &about) == 0 && S_ISDIR(about.st_mode))) {
        files->folder = mem_text(to);
        (void)snprintf(files->stem, sizeof(files->stem), "audit-%s-", org); /* fits: STORE_ORG_MAX */
        (void)snprintf(files->suffix, sizeof(files->suffix), ".jsonl");
        return 0;
    }
    files->folder = slash ? mem_copy(to, slash == to ? 1 : (size_t)(slash - to)) : mem_text(".");
    dot = strrchr(base, '.');
    if (!dot || dot == base)
        dot = base + strlen(base);
    len = (size_t)(dot - base);
    if (strlen(base) + 2 > AUDIT_NAME_LEN) {
        reason_set(why, "--to: the name of the file is too long");
        return ERR_INVALID;
    }
    memcpy(files->stem, base, len);
    memcpy(files->stem + len, "-", 2);
    memcpy(files->suffix, dot, strlen(dot) + 1);
    return 0;
}

static void name_of_day(const struct audit_files *files, uint64_t ms, char out[STORE_AUDIT_FILE_SIZE])
{
    char time[TIMESTAMP_SIZE];
    int64_t at_ms = ms > (uint64_t)TIMESTAMP_MAX_MS ? TIMESTAMP_MAX_MS : (int64_t)ms;

    (void)snprintf(out, STORE_AUDIT_FILE_SIZE, "%s%.*s%s", files->stem, DAY_LEN, timestamp_format(at_ms, time),
                   files->suffix);
}

static bool is_ours(const struct audit_files *files, const char *name)
{
    size_t stem = strlen(files->stem), suffix = strlen(files->suffix), len = strlen(name);

    if (len != stem + DAY_LEN + suffix || strncmp(name, files->stem, stem) != 0 ||
        strcmp(name + stem + DAY_LEN, files->suffix) != 0)
        return false;
    for (size_t i = 0; i < DAY_LEN; i++) {
        char c = name[stem + i];

        if (i == 4 || i == 7 ? c != '-' : c < '0' || c > '9')
            return false;
    }
    return true;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int audit_files_list(struct audit_files *files, struct reason *why)
{
    DIR *folder = opendir(files->folder);
    const struct dirent *entry;
    size_t cap = 0;

    if (!folder)
        return audit_files_fail(files, "read the folder", "", why);
    while ((entry = readdir(folder)) != NULL) {
        if (!is_ours(files, entry->d_name))
            continue;
        if (files->name_count == cap) {
            cap = cap ? 2 * cap : 16;
            files->names = mem_resize(files->names, cap, sizeof(*files->names));
        }
        files->names[files->name_count++] = mem_text(entry->d_name);
    }
    (void)closedir(folder); /* nothing was written through it */
    if (files->name_count > 0)
        qsort(files->names, files->name_count, sizeof(*files->names), compare_names);
    return 0;
}

void audit_files_forget(struct audit_files *files)
{
    for (size_t i = 0; i < files->name_count; i++)
        free(files->names[i]);
    free(files->names);
    files->names = NULL;
    files->name_count = 0;
}

/* --- opening --- */

static int lock(struct audit_files *files, struct reason *why)
{
    char name[STORE_AUDIT_FILE_SIZE];
    size_t len = strlen(files->stem) - 1; /* without the dash */

    (void)snprintf(name, sizeof(name), ".%.*s.lock", (int)len, files->stem);
    files->lock_fd = openat(files->folder_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, MODE);
    if (files->lock_fd < 0)
        return audit_files_fail(files, "write", name, why);
    if (flock(files->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno != EWOULDBLOCK)
        return audit_files_fail(files, "lock", name, why);
    reason_set(why, "another exporter is writing these files (it has the lock of %.120s/%.100s)", files->folder, name);
    return ERR_STATE;
}

static void describe(struct audit_files *files)
{
    char host[65] = "";
    char *path = realpath(files->folder, NULL);

    (void)gethostname(host, sizeof(host) - 1); /* a host without a name has none */
    (void)snprintf(files->place, sizeof(files->place), "%s:%.120s/%.60s*", host, path ? path : files->folder,
                   files->stem);
    free(path);
}

int audit_files_open(struct audit_files **ret, const char *to, const char *org, struct reason *why)
{
    struct audit_files *files = mem_zalloc(1, sizeof(*files));
    int rc;

    files->folder_fd = files->lock_fd = files->fd = -1;
    (void)snprintf(files->org, sizeof(files->org), "%s", org);
    rc = split_name(files, to, org, why);
    if (rc == 0) {
        files->folder_fd = open(files->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (files->folder_fd < 0)
            rc = audit_files_fail(files, "open the folder", "", why);
    }
    if (rc == 0)
        rc = lock(files, why);
    if (rc != 0) {
        audit_files_close(files);
        return rc;
    }
    describe(files);
    *ret = files;
    return 0;
}

void audit_files_close(struct audit_files *files)
{
    if (!files)
        return;
    audit_files_forget(files);
    if (files->fd >= 0)
        (void)close(files->fd); /* what it holds was synced */
    if (files->lock_fd >= 0)
        (void)close(files->lock_fd);
    if (files->folder_fd >= 0)
        (void)close(files->folder_fd);
    free(files->folder);
    free(files);
}

const char *audit_files_place(const struct audit_files *files)
{
    return files->place;
}

/* --- one file --- */

/* Opens this file for writing behind its end. */
int audit_files_open_name(struct audit_files *files, const char *name, bool *ret_is_new, struct reason *why)
{
    struct stat about;
    const int flags = O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW;

    if (files->fd >= 0)
        (void)close(files->fd); /* what it holds was synced */
    (void)snprintf(files->name, sizeof(files->name), "%s", name);
    *ret_is_new = false;
    files->fd = openat(files->folder_fd, name, flags);
    if (files->fd < 0 && errno == ENOENT) {
        *ret_is_new = true;
        files->fd = openat(files->folder_fd, name, flags | O_CREAT | O_EXCL, MODE);
    }
    if (files->fd < 0 || fstat(files->fd, &about) != 0)
        return audit_files_fail(files, "write", name, why);
    if (!S_ISREG(about.st_mode)) {
        reason_set(why, "%.120s/%.100s is no file", files->folder, name);
        return ERR_IO;
    }
    files->size = files->size_before = about.st_size;
    return 0;
}

int audit_files_cut(struct audit_files *files, int64_t size, struct reason *why)
{
    if (ftruncate(files->fd, size) != 0 || fsync(files->fd) != 0)
        return audit_files_fail(files, "cut", files->name, why);
    files->size = files->size_before = size;
    return 0;
}

void audit_files_note_end(struct audit_files *files, const char *name, int64_t size)
{
    (void)snprintf(files->last_name, sizeof(files->last_name), "%s", name);
    files->last_size = size;
}

/* --- writing --- */

static int write_all(struct audit_files *files, const char *data, size_t len, struct reason *why)
{
    while (len > 0) {
        ssize_t written = write(files->fd, data, len);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return audit_files_fail(files, "write", files->name, why);
        data += written;
        len -= (size_t)written;
        files->size += written;
    }
    if (fsync(files->fd) != 0)
        return audit_files_fail(files, "write", files->name, why);
    return 0;
}

int audit_files_append(struct audit_files *files, uint64_t ms, const char *data, size_t len, struct reason *why)
{
    char name[STORE_AUDIT_FILE_SIZE];
    struct reason ignored;
    bool is_new = false;
    int rc = 0;

    name_of_day(files, ms, name);
    if (files->fd < 0 || strcmp(name, files->name) != 0)
        rc = audit_files_open_name(files, name, &is_new, why);
    if (rc != 0)
        return rc;
    files->size_before = files->size;
    rc = write_all(files, data, len, why);
    if (rc == 0 && is_new && fsync(files->folder_fd) != 0)
        rc = audit_files_fail(files, "write the folder of", name, why);
    if (rc != 0)
        (void)audit_files_cut(files, files->size_before, &ignored); /* else the next start does */
    else
        audit_files_note_end(files, files->name, files->size);
    return rc;
}

int audit_files_undo(struct audit_files *files, struct reason *why)
{
    return files->fd >= 0 ? audit_files_cut(files, files->size_before, why) : 0;
}

void audit_files_mark(const struct audit_files *files, struct store_audit_mark *mark)
{
    if (files->last_name[0] == '\0')
        return;
    memcpy(mark->file, files->last_name, sizeof(mark->file));
    mark->size = files->last_size;
}
