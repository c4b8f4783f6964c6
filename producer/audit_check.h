/* Whether the lines of an audit are those that were exported, all of them and in their order: fed line by line, in no
 * more memory than a few links. What is wrong first is named; the lines behind it tell what it was. Pure. */
#ifndef HERALD_PRODUCER_AUDIT_CHECK_H
#define HERALD_PRODUCER_AUDIT_CHECK_H

#include "producer/audit_chain.h"

enum audit_damage {
    AUDIT_FINE,
    AUDIT_CHANGED,   /* the line is not what it was */
    AUDIT_REMOVED,   /* lines before it are not there */
    AUDIT_ADDED,     /* it does not belong there */
    AUDIT_REORDERED, /* lines before it stand further behind */
    AUDIT_FOREIGN,   /* it does not go on from the hash that was given */
    AUDIT_CUT,       /* the end is not the one that was given: lines are missing there, or were changed */
    AUDIT_DAMAGE_COUNT
};
const char *audit_damage_name(enum audit_damage damage);

struct audit_place {
    size_t file;   /* from 0 */
    uint64_t line; /* from 1 */
};

struct audit_check {
    struct audit_link last, before; /* of the chain so far; `count` tells whether they are there */
    struct audit_place last_place;
    uint64_t count;        /* lines of the chain that were right */
    bool begins_in_middle; /* the first line goes on from one that was not looked at */
    struct audit_link first;
    struct audit_place first_place;
    bool has_from;
    char from[DIGEST_HEX_SIZE];

    enum audit_damage damage;             /* the first that was found */
    struct audit_place place;             /* of the line at fault; of REMOVED the one behind the gap */
    uint64_t missing_first, missing_last; /* of REMOVED and REORDERED: numbers of the lines */
    struct audit_place found;             /* of REORDERED: where the first of them is */
    char detail[160];
    bool is_settled;       /* nothing that follows changes what was found */
    struct audit_link odd; /* the line at fault, when it could be read; for what is not settled */
    bool is_odd_known;
};

/* `from`: the hash that the first line goes on from; NULL when it is not known. */
void audit_check_init(struct audit_check *check, const char *from);
/* The next line, without its line break. False: what was found is settled, more lines change nothing. */
bool audit_check_line(struct audit_check *check, struct audit_place place, struct span line);
/* The line before has no line break and is not the last of all. False as above. */
bool audit_check_unended(struct audit_check *check);
/* There is no further line. `until`: hash of the last line; NULL when it is not known. */
void audit_check_end(struct audit_check *check, const char *until);

#endif
