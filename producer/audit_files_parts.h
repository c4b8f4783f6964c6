/* The files of an exported audit from inside: what their opening and writing (audit_files.c) and their going on
 * (audit_resume.c) share. */
#ifndef HERALD_PRODUCER_AUDIT_FILES_PARTS_H
#define HERALD_PRODUCER_AUDIT_FILES_PARTS_H

#include "producer/audit_files.h"

#define AUDIT_NAME_LEN 112 /* of the name that was asked for: with a day in it, it fits */

struct audit_files {
    char *folder;
    char org[STORE_ORG_MAX + 1];
    char stem[AUDIT_NAME_LEN], suffix[AUDIT_NAME_LEN];
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

/* ERR_IO, and errno as the reason. */
int audit_files_fail(const struct audit_files *files, const char *what, const char *name, struct reason *why);
/* Opens this file, for writing behind its end. */
int audit_files_open_name(struct audit_files *files, const char *name, bool *ret_is_new, struct reason *why);
int audit_files_cut(struct audit_files *files, int64_t size, struct reason *why);     /* the open file */
void audit_files_note_end(struct audit_files *files, const char *name, int64_t size); /* the last line ends there */

int audit_files_list(struct audit_files *files, struct reason *why); /* fills `names` */
void audit_files_forget(struct audit_files *files);

#endif
