/* The files of an exported audit: one a day, under a lock, written so that what was acknowledged is on the disk and
 * what a crash left half done is found and cut off. Knows of Redis only the mark that is kept there. */
#ifndef HERALD_PRODUCER_AUDIT_FILES_H
#define HERALD_PRODUCER_AUDIT_FILES_H

#include "producer/audit_chain.h"

/* Of one append, at most. */
#define AUDIT_APPEND_LINES 2048
#define AUDIT_APPEND_BYTES ((size_t)24 << 20)

struct audit_files;

/* `to` is a folder (the files are audit-<org>-2026-01-15.jsonl) or a name such as /var/audit/sent.jsonl (the files are
 * sent-2026-01-15.jsonl in that folder). Takes the lock. ERR_INVALID, ERR_IO, or ERR_STATE when another exporter has
 * it. */
int audit_files_open(struct audit_files **ret, const char *to, const char *org, struct reason *why);
void audit_files_close(struct audit_files *files);              /* takes NULL; gives the lock back */
const char *audit_files_place(const struct audit_files *files); /* host and path, for people */

struct audit_resumed {
    struct audit_link link; /* of the last line that is on the disk */
    int64_t cut;            /* bytes of a torn end that were cut off */
    bool has_lines;
    struct store_audit_id begin; /* mark of seq 0: of the line 1 that the files begin with; 0-0: with no such line */
};
/* Where the chain goes on. `mark` is what Redis knows of it (seq 0: nothing): what follows it in the files must go on
 * from it, and is cut off from where it does not, because all of that is still in the stream. ERR_STATE: the files do
 * not hold what Redis says was exported, nor go on from it, or are another chain's; nothing was changed. */
int audit_files_resume(struct audit_files *files, const struct store_audit_mark *mark, struct audit_resumed *ret,
                       struct reason *why);

/* Whole lines, all of the day of this instant: they are on the disk when this returns 0. On a failure the file is as it
 * was before, ERR_IO. */
int audit_files_append(struct audit_files *files, uint64_t ms, const char *data, size_t len, struct reason *why);
/* Takes the last append back. */
int audit_files_undo(struct audit_files *files, struct reason *why);
/* The file with the last line, and its size with that; untouched when there is none. */
void audit_files_mark(const struct audit_files *files, struct store_audit_mark *mark);

#endif
