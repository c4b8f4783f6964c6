#include "common/log_spacing.h"

static bool is_forgotten(const struct log_spacing_entry *entry, int64_t now_ms)
{
    return !entry->what || (entry->held == 0 && now_ms - entry->last_ms > entry->interval_ms + LOG_SPACING_FORGET_MS);
}

static void space_out(struct log_spacing_entry *entry, int64_t now_ms)
{
    entry->held = 0;
    entry->interval_ms = entry->interval_ms < LOG_SPACING_MOST_MS / 2 ? 2 * entry->interval_ms : LOG_SPACING_MOST_MS;
    entry->next_ms = now_ms + entry->interval_ms;
}

bool log_spacing_admit(struct log_spacing *spacing, uint64_t key, int level, const char *what, int64_t now_ms,
                       uint64_t *ret_held)
{
    struct log_spacing_entry *place = NULL;

    *ret_held = 0;
    for (size_t i = 0; i < LOG_SPACING_PLACES; i++) {
        struct log_spacing_entry *entry = &spacing->entries[i];

        if (is_forgotten(entry, now_ms)) {
            place = entry;
        } else if (entry->key == key) {
            entry->last_ms = now_ms;
            if (now_ms < entry->next_ms) {
                entry->held++;
                return false;
            }
            *ret_held = entry->held;
            space_out(entry, now_ms);
            return true;
        }
    }
    if (place)
        *place = (struct log_spacing_entry){
            key, what, level, now_ms, now_ms + LOG_SPACING_FIRST_MS, LOG_SPACING_FIRST_MS, 0};
    return true;
}

bool log_spacing_next(struct log_spacing *spacing, int64_t now_ms, bool all, struct log_spacing_due *ret)
{
    for (size_t i = 0; i < LOG_SPACING_PLACES; i++) {
        struct log_spacing_entry *entry = &spacing->entries[i];

        if (entry->held == 0 || (!all && now_ms < entry->next_ms))
            continue;
        *ret = (struct log_spacing_due){entry->what, entry->level, entry->held};
        space_out(entry, now_ms);
        return true;
    }
    return false;
}

int64_t log_spacing_due_ms(const struct log_spacing *spacing)
{
    int64_t due_ms = INT64_MAX;

    for (size_t i = 0; i < LOG_SPACING_PLACES; i++) {
        if (spacing->entries[i].held > 0 && spacing->entries[i].next_ms < due_ms)
            due_ms = spacing->entries[i].next_ms;
    }
    return due_ms;
}
