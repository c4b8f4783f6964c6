/* Where the chain goes on after whatever has happened to the exporter before. */
#include <string.h>
#include <unistd.h>

#include "producer/audit_check.h"
#include "producer/audit_files_parts.h"
#include "producer/audit_lines.h"

#define BEGIN_MAX ((size_t)128) /* bytes of a line's number and the hash before it */

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

static int refuse_damage(const struct audit_files *files, const char *name, struct reason *why)
{
    reason_set(why, "%.100s/%.60s is damaged (herald audit verify says where): export to another place", files->folder,
               name);
    return ERR_STATE;
}

/* The first line of all files, if it is the first of its chain. */
static int find_begin(struct audit_files *files, struct store_audit_id *ret, struct reason *why)
{
    struct reason ignored;
    struct audit_link link;
    bool is_new;

    for (size_t i = 0; i < files->name_count; i++) {
        struct audit_lines *lines;
        struct audit_line line;
        int rc = audit_files_open_name(files, files->names[i], &is_new, why);

        if (rc != 0)
            return rc;
        lines = audit_lines_open(files->fd, 0);
        rc = audit_lines_next(lines, &line, why);
        if (rc == 1 && line.has_end && audit_chain_read(line.text, &link, &ignored) == 0 && link.seq == 1)
            *ret = link.id;
        audit_lines_close(lines);
        if (rc != 0)
            return rc < 0 ? rc : 0;
    }
    return 0;
}

/* Redis knows of no line. The last file with a line tells; all of it must be right. */
static int resume_by_files(struct audit_files *files, struct audit_resumed *ret, struct reason *why)
{
    struct audit_check check;
    bool is_new;
    int rc = find_begin(files, &ret->begin, why);

    for (size_t i = files->name_count; rc == 0 && i-- > 0;) {
        int64_t good = 0, torn;

        audit_check_init(&check, NULL);
        rc = audit_files_open_name(files, files->names[i], &is_new, why);
        if (rc == 0)
            rc = check_file(files, &check, 0, &good, why);
        if (rc == 0)
            rc = check_org(files, &check, why);
        torn = files->size - good;
        if (rc == 0 && (check.damage != AUDIT_FINE || torn > (int64_t)AUDIT_LINE_MAX))
            rc = refuse_damage(files, files->name, why);
        if (rc == 0 && torn > 0)
            rc = audit_files_cut(files, good, why);
        if (rc != 0)
            return rc;
        ret->cut += torn;
        if (check.count > 0) {
            ret->link = check.last;
            audit_files_note_end(files, files->name, good);
            return 0;
        }
    }
    return rc;
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

/* Whether the open file holds as much as Redis says, and the line of the mark ends there: a file of another place has
 * the same name, and what follows there was not written behind this line. */
static bool holds_mark(const struct audit_files *files, const struct store_audit_mark *mark)
{
    char expected[AUDIT_END_LEN], end[AUDIT_END_LEN];

    audit_chain_end(mark->sha256, expected);
    return mark->size > (int64_t)sizeof(end) && files->size >= mark->size &&
           pread(files->fd, end, sizeof(end), mark->size - (int64_t)sizeof(end)) == (ssize_t)sizeof(end) &&
           memcmp(end, expected, sizeof(end)) == 0;
}

/* Whether the files are what follows the mark, which is elsewhere: the export had moved here, and was killed before
 * Redis heard of it. Their beginning tells, torn or not. */
static int follows_mark(struct audit_files *files, const struct store_audit_mark *mark, bool *ret, struct reason *why)
{
    char begin[BEGIN_MAX];
    struct buf expected;
    bool is_new;
    int rc = 0;

    buf_init(&expected, BEGIN_MAX);
    audit_chain_begin(mark->seq + 1, mark->sha256, &expected);
    *ret = true;
    for (size_t i = 0; rc == 0 && i < files->name_count; i++) {
        size_t len;

        rc = audit_files_open_name(files, files->names[i], &is_new, why);
        if (rc != 0 || files->size == 0)
            continue;
        len = files->size < (int64_t)expected.len ? (size_t)files->size : expected.len;
        *ret = pread(files->fd, begin, len, 0) == (ssize_t)len && memcmp(begin, expected.data, len) == 0;
        break;
    }
    buf_clear(&expected);
    return rc;
}

/* Where in the files that begins which Redis has not heard of. */
struct unheard {
    size_t file;
    int64_t offset;
};

static int find_unheard(struct audit_files *files, const struct store_audit_mark *mark, struct unheard *ret,
                        struct reason *why)
{
    bool is_new, follows = false;
    size_t i = 0;
    int rc = 0;

    while (i < files->name_count && strcmp(files->names[i], mark->file) != 0)
        i++;
    if (i < files->name_count) {
        rc = audit_files_open_name(files, files->names[i], &is_new, why);
        if (rc == 0 && holds_mark(files, mark)) {
            *ret = (struct unheard){i, mark->size};
            return 0;
        }
    }
    if (rc == 0)
        rc = follows_mark(files, mark, &follows, why);
    if (rc == 0 && !follows)
        rc = refuse_mark(files, mark, why);
    *ret = (struct unheard){0, 0};
    return rc;
}

/* What is not good of the files: of one its end, and those behind it. */
struct bad_end {
    size_t file;
    int64_t good;  /* bytes of that file */
    int64_t bytes; /* in all; 0: everything is good */
};

static int find_bad_end(struct audit_files *files, const struct unheard *from, struct audit_check *check,
                        struct bad_end *ret, struct reason *why)
{
    bool is_new;
    int rc = 0;

    for (size_t i = from->file; rc == 0 && i < files->name_count; i++) {
        int64_t good = i == from->file ? from->offset : 0;

        rc = audit_files_open_name(files, files->names[i], &is_new, why);
        if (rc == 0 && ret->bytes == 0)
            rc = check_file(files, check, good, &good, why);
        if (rc == 0)
            rc = check_org(files, check, why);
        if (rc == 0 && good > 0)
            audit_files_note_end(files, files->name, good);
        if (ret->bytes == 0)
            *ret = (struct bad_end){.file = i, .good = good};
        ret->bytes += files->size - good;
    }
    return rc;
}

/* A crash leaves no more behind than what was being written. More than that has another reason, and may be all there
 * is. */
static int cut_bad_end(struct audit_files *files, const struct bad_end *bad, uint64_t count, struct reason *why)
{
    bool is_new;
    int rc = 0;

    if (bad->bytes > (int64_t)AUDIT_APPEND_BYTES || count > AUDIT_APPEND_LINES)
        return refuse_damage(files, files->names[bad->file], why);
    for (size_t i = bad->file; rc == 0 && i < files->name_count; i++) {
        rc = audit_files_open_name(files, files->names[i], &is_new, why);
        if (rc == 0)
            rc = audit_files_cut(files, i == bad->file ? bad->good : 0, why);
    }
    return rc;
}

/* What follows the mark was written and not acknowledged: it is good as far as it goes on from there. */
static int resume_by_mark(struct audit_files *files, const struct store_audit_mark *mark, struct audit_resumed *ret,
                          struct reason *why)
{
    struct audit_check check;
    struct bad_end bad = {.bytes = 0};
    struct unheard from;
    int rc = find_unheard(files, mark, &from, why);

    audit_check_init(&check, mark->sha256);
    if (rc == 0)
        rc = find_bad_end(files, &from, &check, &bad, why);
    if (rc == 0 && bad.bytes > 0)
        rc = cut_bad_end(files, &bad, check.count, why);
    if (rc == 0 && check.count > 0)
        ret->link = check.last;
    ret->cut = bad.bytes;
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
        resumed.link.lost = mark->lost;
        memcpy(resumed.link.sha256, mark->sha256, sizeof(resumed.link.sha256));
    }
    rc = audit_files_list(files, why);
    if (rc == 0 && files->name_count > 0)
        rc = mark->seq > 0 ? resume_by_mark(files, mark, &resumed, why) : resume_by_files(files, &resumed, why);
    audit_files_forget(files);
    resumed.has_lines = files->last_name[0] != '\0';
    if (rc == 0)
        *ret = resumed;
    return rc;
}
