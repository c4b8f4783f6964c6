#include "producer/report_groups.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/timestamp.h"

static const char *const by_names[] = {
    [REPORT_BY_NOTHING] = "",          [REPORT_BY_CHANNEL] = "channel", [REPORT_BY_CAMPAIGN] = "campaign",
    [REPORT_BY_TEMPLATE] = "template", [REPORT_BY_HOUR] = "hour",       [REPORT_BY_DAY] = "day",
};

const char *report_by_name(enum report_by by)
{
    return by_names[by];
}

enum report_by report_by_find(const char *name)
{
    for (int i = REPORT_BY_CHANNEL; name && i <= REPORT_BY_DAY; i++) {
        if (strcmp(by_names[i], name) == 0)
            return (enum report_by)i;
    }
    return REPORT_BY_NOTHING;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct report_group *)a)->name, ((const struct report_group *)b)->name);
}

void report_init(struct report *report, enum report_by by, const char *campaign)
{
    *report = (struct report){.by = by, .campaign = campaign};
}

void report_clear(struct report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        (void)tdelete(report->groups[i], &report->index, compare_names);
        free(report->groups[i]);
    }
    free(report->groups);
    *report = (struct report){.by = REPORT_BY_NOTHING};
}

static struct report_group *find_group(struct report *report, const char *name)
{
    struct report_group key = {.counts = {.sent = 0}};
    void *found;

    (void)snprintf(key.name, sizeof(key.name), "%s", name);
    found = tfind(&key, &report->index, compare_names);
    return found ? *(struct report_group **)found : NULL;
}

static struct report_group *group_of(struct report *report, const char *name)
{
    struct report_group *group = find_group(report, name);

    if (!group && report->count >= REPORT_GROUPS_MAX && strcmp(name, STORE_REPORT_OTHER) != 0)
        return group_of(report, STORE_REPORT_OTHER);
    if (group)
        return group;
    if (report->count == report->cap) {
        report->cap = report->cap ? 2 * report->cap : 64;
        report->groups = mem_resize(report->groups, report->cap, sizeof(struct report_group *));
    }
    group = mem_zalloc(1, sizeof(*group));
    (void)snprintf(group->name, sizeof(group->name), "%s", name);
    report->groups[report->count++] = group;
    (void)tsearch(group, &report->index, compare_names);
    return group;
}

struct report_counts *report_pick(void *context, const struct store_report_row *row)
{
    struct report *report = context;
    char instant[TIMESTAMP_SIZE] = "";
    const char *name = "";

    if (report->campaign && strcmp(report->campaign, row->campaign) != 0)
        return NULL;
    switch (report->by) {
    case REPORT_BY_NOTHING:
        break;
    case REPORT_BY_CHANNEL:
        name = row->channel;
        break;
    case REPORT_BY_CAMPAIGN:
        name = row->campaign;
        break;
    case REPORT_BY_TEMPLATE:
        name = row->template_name;
        break;
    case REPORT_BY_HOUR:
        name = timestamp_format(row->at_ms / STORE_HOUR_MS * STORE_HOUR_MS, instant);
        break;
    case REPORT_BY_DAY:
        (void)timestamp_format(row->at_ms, instant);
        instant[strcspn(instant, "T")] = '\0';
        name = instant;
        break;
    }
    return &group_of(report, name)->counts;
}

static int compare_by_name(const void *a, const void *b)
{
    return compare_names(*(struct report_group *const *)a, *(struct report_group *const *)b);
}

static int compare_by_size(const void *a, const void *b)
{
    const struct report_group *one = *(struct report_group *const *)a, *other = *(struct report_group *const *)b;

    if (one->counts.sent != other->counts.sent)
        return one->counts.sent < other->counts.sent ? 1 : -1;
    return compare_names(one, other);
}

void report_finish(struct report *report)
{
    bool is_time = report->by == REPORT_BY_HOUR || report->by == REPORT_BY_DAY;

    memset(&report->total, 0, sizeof(report->total));
    if (report->count > 0)
        qsort(report->groups, report->count, sizeof(struct report_group *),
              is_time ? compare_by_name : compare_by_size);
    for (size_t i = 0; i < report->count; i++)
        report_merge(&report->total, &report->groups[i]->counts);
}
