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
#include "producer/audit_check.h"
#include "producer/audit_lines.h"

#define DAY_LEN  10 /* 2026-01-15 */
#define MODE     0640
#define NAME_LEN 112 /* of the name that was asked for: with a day in it, it fits */

struct audit_files {
    char *folder;
    char org[STORE_ORG_MAX + 1];
    char stem[NAME_LEN], suffix[NAME_LEN];
    char place[STORE_AUDIT_PLACE_SIZE];
    int folder_fd, lock_fd;
    char **names; /* in order of their days */
    size_t name_count;

    int fd; /* of `name`; -1: none is open */
    char name[STORE_AUDIT_FILE_SIZE];
    int64_t size;
    int64_t size_before; /* of the last append */

    char last_name[STORE_AUDIT_FILE_SIZE]; /* of the file with the last line, "": there is none; and up to where */
    int64_t last_size;
};

static int fail_io(const struct audit_files *files, const char *what, const char *name, struct reason *why)
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
    if (strlen(base) + 2 > NAME_LEN) {
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

static int list_names(struct audit_files *files, struct reason *why)
{
    DIR *folder = opendir(files->folder);
    const struct dirent *entry;
    size_t cap = 0;

    if (!folder)
        return fail_io(files, "read the folder", "", why);
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

static void forget_names(struct audit_files *files)
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
        return fail_io(files, "write", name, why);
    if (flock(files->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno != EWOULDBLOCK)
        return fail_io(files, "lock", name, why);
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
            rc = fail_io(files, "open the folder", "", why);
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
    forget_names(files);
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

/* --- going on --- */

/* Opens this file for writing behind its end. */
static int open_file(struct audit_files *files, const char *name, bool *ret_is_new, struct reason *why)
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
        return fail_io(files, "write", name, why);
    if (!S_ISREG(about.st_mode)) {
        reason_set(why, "%.120s/%.100s is no file", files->folder, name);
        return ERR_IO;
    }
    files->size = files->size_before = about.st_size;
    return 0;
}

static int cut_to(struct audit_files *files, int64_t size, struct reason *why)
{
    if (ftruncate(files->fd, size) != 0 || fsync(files->fd) != 0)
        return fail_io(files, "cut", files->name, why);
    files->size = files->size_before = size;
    return 0;
}

/* Feeds the open file from `offset` to the check. `ret_size`: bytes that are good, before a torn or a wrong line. */
static int check_file(struct audit_files *files, struct audit_check *check, int64_t offset, int64_t *ret_size,
                      struct reason *why)
{
    struct audit_lines *lines = audit_lines_open(files->fd, offset);
    struct audit_line line;
    int rc;

    *ret_size = offset;
    while ((rc = audit_lines_next(lines, &line, why)) == 1) {
        if (!line.has_end)
            continue; /* the last one, torn */
        (void)audit_check_line(check, (struct audit_place){0, 0}, line.text);
        if (check->damage != AUDIT_FINE)
            break;
        *ret_size = line.offset + (int64_t)line.text.len + 1;
    }
    audit_lines_close(lines);
    return rc < 0 ? rc : 0;
}

static int check_org(const struct audit_files *files, const struct audit_check *check, struct reason *why)
{
    if (check->count == 0 || strcmp(check->last.org, files->org) == 0)
        return 0;
    reason_set(why, "%.100s/%.60s holds the audit of the organisation %.64s: export to another place", files->folder,
               files->name, check->last.org);
    return ERR_STATE;
}

static void note_end(struct audit_files *files, const char *name, int64_t size)
{
    (void)snprintf(files->last_name, sizeof(files->last_name), "%s", name);
    files->last_size = size;
}

/* Redis knows of no line. The last file with a line tells; all of it must be right. */
static int resume_by_files(struct audit_files *files, struct audit_resumed *ret, struct reason *why)
{
    struct audit_check check;
    bool is_new;

    for (size_t i = files->name_count; i-- > 0;) {
        int64_t good = 0, torn;
        int rc;

        audit_check_init(&check, NULL);
        rc = open_file(files, files->names[i], &is_new, why);
        if (rc == 0)
            rc = check_file(files, &check, 0, &good, why);
        if (rc == 0)
            rc = check_org(files, &check, why);
        if (rc == 0 && check.damage != AUDIT_FINE) {
            reason_set(why, "%.100s/%.60s is damaged (herald audit verify says where): export to another place",
                       files->folder, files->name);
            rc = ERR_STATE;
        }
        torn = files->size - good;
        if (rc == 0 && torn > 0)
            rc = cut_to(files, good, why);
        if (rc != 0)
            return rc;
        ret->cut += torn;
        if (check.count > 0) {
            ret->link = check.last;
            ret->unacknowledged = check.count;
            note_end(files, files->name, good);
            return 0;
        }
    }
    return 0;
}

static int refuse_mark(const struct audit_files *files, const struct store_audit_mark *mark, struct reason *why)
{
    reason_set(
        why,
        "%.90s does not hold what Redis says was exported (line %llu, in %.80s): bring that file there, or export "
        "to an empty folder",
        files->folder, (unsigned long long)mark->seq, mark->file);
    return ERR_STATE;
}

/* Whether the open file holds as much as Redis says, and a line ends there. */
static bool holds_mark(const struct audit_files *files, const struct store_audit_mark *mark)
{
    char end = '\0';

    return mark->size > 0 && files->size >= mark->size && pread(files->fd, &end, 1, mark->size - 1) == 1 && end == '\n';
}

/* What follows the mark was written and not acknowledged: it is good as far as it goes on from there. */
static int resume_by_mark(struct audit_files *files, const struct store_audit_mark *mark, struct audit_resumed *ret,
                          struct reason *why)
{
    struct audit_check check;
    size_t i = 0;
    bool is_new;
    int rc = 0;

    audit_check_init(&check, mark->sha256);
    while (i < files->name_count && strcmp(files->names[i], mark->file) != 0)
        i++;
    if (i == files->name_count)
        return refuse_mark(files, mark, why);
    for (size_t first = i; rc == 0 && i < files->name_count; i++) {
        int64_t good = i == first ? mark->size : 0;

        rc = open_file(files, files->names[i], &is_new, why);
        if (rc == 0 && i == first && !holds_mark(files, mark))
            rc = refuse_mark(files, mark, why);
        if (rc == 0 && check.damage == AUDIT_FINE)
            rc = check_file(files, &check, good, &good, why);
        if (rc == 0)
            rc = check_org(files, &check, why);
        if (rc == 0 && (i == first || good > 0))
            note_end(files, files->name, good);
        if (rc == 0 && files->size > good) {
            ret->cut += files->size - good;
            rc = cut_to(files, good, why);
        }
    }
    if (rc == 0 && check.count > 0)
        ret->link = check.last;
    ret->unacknowledged = check.count;
    return rc;
}

int audit_files_resume(struct audit_files *files, const struct store_audit_mark *mark, struct audit_resumed *ret,
                       struct reason *why)
{
    struct audit_resumed resumed = {.cut = 0};
    int rc;

    audit_link_start(&resumed.link, files->org);
    if (mark->seq > 0) {
        resumed.link.seq = mark->seq;
        resumed.link.id = mark->id;
        memcpy(resumed.link.sha256, mark->sha256, sizeof(resumed.link.sha256));
    }
    rc = list_names(files, why);
    resumed.has_files = files->name_count > 0;
    if (rc == 0 && resumed.has_files)
        rc = mark->seq > 0 ? resume_by_mark(files, mark, &resumed, why) : resume_by_files(files, &resumed, why);
    forget_names(files);
    if (rc == 0)
        *ret = resumed;
    return rc;
}

/* --- writing --- */

static int write_all(struct audit_files *files, const char *data, size_t len, struct reason *why)
{
    while (len > 0) {
        ssize_t written = write(files->fd, data, len);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return fail_io(files, "write", files->name, why);
        data += written;
        len -= (size_t)written;
        files->size += written;
    }
    if (fsync(files->fd) != 0)
        return fail_io(files, "write", files->name, why);
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
        rc = open_file(files, name, &is_new, why);
    if (rc != 0)
        return rc;
    files->size_before = files->size;
    rc = write_all(files, data, len, why);
    if (rc == 0 && is_new && fsync(files->folder_fd) != 0)
        rc = fail_io(files, "write the folder of", name, why);
    if (rc != 0)
        (void)cut_to(files, files->size_before, &ignored); /* else the next start does */
    else
        note_end(files, files->name, files->size);
    return rc;
}

int audit_files_undo(struct audit_files *files, struct reason *why)
{
    return files->fd >= 0 ? cut_to(files, files->size_before, why) : 0;
}

void audit_files_mark(const struct audit_files *files, struct store_audit_mark *mark)
{
    if (files->last_name[0] == '\0')
        return;
    memcpy(mark->file, files->last_name, sizeof(mark->file));
    mark->size = files->last_size;
}
