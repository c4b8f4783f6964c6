#include "producer/audit_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *audit_damage_name(enum audit_damage damage)
{
    static const char *const names[] = {
        [AUDIT_FINE] = "fine",   [AUDIT_CHANGED] = "changed",     [AUDIT_REMOVED] = "removed",
        [AUDIT_ADDED] = "added", [AUDIT_REORDERED] = "reordered", [AUDIT_FOREIGN] = "foreign",
        [AUDIT_CUT] = "cut",
    };
    _Static_assert(sizeof(names) / sizeof(names[0]) == AUDIT_DAMAGE_COUNT, "each damage has its name");

    return names[damage];
}

void audit_check_init(struct audit_check *check, const char *from)
{
    memset(check, 0, sizeof(*check));
    check->has_from = from != NULL;
    if (from)
        (void)snprintf(check->from, sizeof(check->from), "%s", from);
}

static void find(struct audit_check *check, enum audit_damage damage, struct audit_place place, const char *detail)
{
    check->damage = damage;
    check->place = place;
    (void)snprintf(check->detail, sizeof(check->detail), "%s", detail);
}

static bool is_same(const char *a, const char *b)
{
    return memcmp(a, b, DIGEST_HEX_SIZE) == 0;
}

static void take(struct audit_check *check, const struct audit_link *link, struct audit_place place)
{
    if (check->count == 0) {
        check->first = *link;
        check->first_place = place;
    }
    check->before = check->last;
    check->last = *link;
    check->last_place = place;
    check->count++;
}

static void begin(struct audit_check *check, const struct audit_link *link, struct audit_place place)
{
    bool is_first = link->seq == 1;

    if (check->has_from && !is_same(link->prev, check->from)) {
        find(check, AUDIT_FOREIGN, place,
             "it does not go on from the hash that was given: lines before it are missing");
        check->is_settled = true;
    } else if (is_first != is_same(link->prev, AUDIT_START)) {
        find(check, AUDIT_CHANGED, place, "its number and what it goes on from do not fit");
        check->is_settled = true;
    } else {
        check->begins_in_middle = !is_first && !check->has_from;
        take(check, link, place);
    }
}

/* The chain begins further behind, at the line that was found odd: so the first of all does not belong where it is. */
static void misplace_first(struct audit_check *check)
{
    check->found = check->place;
    find(check, AUDIT_REORDERED, check->first_place, "");
    check->missing_first = check->odd.seq;
    check->missing_last = check->first.seq - 1;
    check->count = 0;
    check->is_settled = true;
}

/* A line that can be read and does not follow the last one. What it is the numbers say, or the line after it. */
static void suspect(struct audit_check *check, const struct audit_link *link, struct audit_place place)
{
    uint64_t next = check->last.seq + 1;

    check->odd = *link;
    check->is_odd_known = true;
    if (link->seq > next) {
        find(check, AUDIT_REMOVED, place, "");
        check->missing_first = next;
        check->missing_last = link->seq - 1;
        return;
    }
    check->is_settled = link->seq >= check->first.seq && link->seq != next;
    if (link->seq == next)
        find(check, AUDIT_CHANGED, place, "it does not go on from the line before it");
    else if (link->seq == check->last.seq && check->count > 1 && is_same(link->prev, check->before.sha256) &&
             !is_same(link->sha256, check->last.sha256))
        find(check, AUDIT_ADDED, check->last_place,
             "the line behind it has its number and goes on from the one before");
    else
        find(check, AUDIT_ADDED, place,
             link->seq < check->first.seq ? "it is older than the first line"
                                          : "a line of its number stands before it");
    if (link->seq + 1 == check->first.seq && is_same(check->first.prev, link->sha256))
        misplace_first(check);
}

/* Lines behind the first damage, until it is settled what that was. */
static void look_back(struct audit_check *check, const struct audit_link *link, struct audit_place place)
{
    bool goes_on = link && check->count > 0 && is_same(link->prev, check->last.sha256);

    if (check->damage == AUDIT_REMOVED) {
        if (goes_on && link->seq == check->missing_first) {
            check->damage = AUDIT_REORDERED;
            check->found = place;
            check->is_settled = true;
        }
        return;
    }
    check->is_settled = true;
    if (!check->is_odd_known) { /* it could not be read */
        if (goes_on && link->seq == check->last.seq + 1)
            find(check, AUDIT_ADDED, check->place, "it is no line of the audit: those around it belong together");
    } else if (link && is_same(link->prev, check->odd.sha256)) {
        if (check->odd.seq < check->first.seq)
            misplace_first(check);
        else
            find(check, AUDIT_CHANGED, check->last_place, "the line behind it goes on from another one");
    }
}

bool audit_check_line(struct audit_check *check, struct audit_place place, struct span line)
{
    struct audit_link link;
    struct reason why = {""};
    bool is_read = audit_chain_read(line, &link, &why) == 0;

    if (check->damage != AUDIT_FINE)
        look_back(check, is_read ? &link : NULL, place);
    else if (!is_read)
        find(check, AUDIT_CHANGED, place, why.text);
    else if (check->count == 0)
        begin(check, &link, place);
    else if (link.seq == check->last.seq + 1 && is_same(link.prev, check->last.sha256))
        take(check, &link, place);
    else
        suspect(check, &link, place);
    return !check->is_settled;
}

bool audit_check_unended(struct audit_check *check)
{
    if (check->damage == AUDIT_FINE && check->count > 0) {
        find(check, AUDIT_CHANGED, check->last_place, "its line break is missing");
        check->is_settled = true;
    }
    return !check->is_settled;
}

void audit_check_end(struct audit_check *check, const char *until)
{
    if (check->damage == AUDIT_CHANGED && check->is_odd_known && !check->is_settled) /* it was the last line */
        find(check, AUDIT_CHANGED, check->last_place, "the line behind it goes on from another one");
    check->is_settled = true;
    if (check->damage != AUDIT_FINE || !until)
        return;
    if (!is_same(check->count > 0 ? check->last.sha256 : check->has_from ? check->from : AUDIT_START, until))
        find(check, AUDIT_CUT, check->last_place,
             "the end is another one than was given: lines behind it are missing, or it was changed");
}
