#include "producer/report_range.h"

#include <stdio.h>
#include <string.h>

#include "common/options.h"
#include "common/timestamp.h"

#define DATE_LEN 10 /* 2026-01-15 */

static int64_t down(int64_t ms, int64_t unit_ms)
{
    return ms / unit_ms * unit_ms;
}

static int64_t up(int64_t ms, int64_t unit_ms)
{
    return down(ms + unit_ms - 1, unit_ms);
}

int report_read_time(const char *text, const char *flag, int64_t now_ms, int64_t *ret_ms, struct reason *why)
{
    char instant[TIMESTAMP_SIZE + 16];
    int64_t age_ms;

    (void)snprintf(instant, sizeof(instant), "%.*s%s", (int)(sizeof(instant) - 16), text,
                   strlen(text) == DATE_LEN ? "T00:00:00Z" : "");
    if (timestamp_parse(instant, ret_ms))
        return 0;
    if (duration_parse(text, &age_ms) && age_ms >= 0) {
        *ret_ms = age_ms < now_ms ? now_ms - age_ms : 0;
        return 0;
    }
    reason_set(why, "--%s: `%.40s` is neither a time such as 2026-01-15T10:00:00Z, nor a date, nor an age such as 12h",
               flag, text);
    return ERR_INVALID;
}

int report_range_parse(struct report_range *ret, int64_t days, const char *from, const char *to, int64_t now_ms,
                       struct reason *why)
{
    int64_t from_ms = now_ms - days * STORE_DAY_MS, to_ms = now_ms + 1, age_ms = 0, unit_ms = STORE_HOUR_MS;

    if (to && !from) {
        reason_set(why, "--to wants --from");
        return ERR_INVALID;
    }
    if ((from && report_read_time(from, "from", now_ms, &from_ms, why) != 0) ||
        (to && report_read_time(to, "to", now_ms, &to_ms, why) != 0))
        return ERR_INVALID;
    if (to_ms <= from_ms) {
        reason_set(why, to ? "--to is not after --from" : "--from is not in the past");
        return ERR_INVALID;
    }
    if (to_ms - from_ms > REPORT_DAYS_MAX * STORE_DAY_MS + 1) { /* up to now, and that is in it */
        reason_set(why, "a report is about %d days at most", REPORT_DAYS_MAX);
        return ERR_INVALID;
    }
    if ((!from || duration_parse(from, &age_ms)) && from_ms < now_ms - (int64_t)STORE_HOURS_KEPT_DAYS * STORE_DAY_MS)
        unit_ms = STORE_DAY_MS; /* `60d` is no instant that somebody means, and its hours are not kept */
    ret->from_ms = down(from_ms > 0 ? from_ms : 0, unit_ms);
    ret->to_ms = up(to_ms, STORE_HOUR_MS);
    return 0;
}

static void add_piece(struct report_piece *pieces, size_t *count, enum store_report_span span, int64_t from_ms,
                      int64_t to_ms)
{
    const int64_t unit_ms = span == STORE_REPORT_HOUR ? STORE_HOUR_MS : STORE_DAY_MS;

    if (from_ms < to_ms)
        pieces[(*count)++] = (struct report_piece){span, from_ms / unit_ms, to_ms / unit_ms - 1};
}

int report_range_pieces(const struct report_range *range, bool by_hour, int64_t now_ms,
                        struct report_piece ret[REPORT_PIECES_MAX], size_t *ret_count, struct reason *why)
{
    int64_t first_day_ms = up(range->from_ms, STORE_DAY_MS), last_day_ms = down(range->to_ms, STORE_DAY_MS);
    size_t count = 0;

    /* An hour is kept for so long from its end on. */
    const int64_t kept_ms = now_ms - (int64_t)STORE_HOURS_KEPT_DAYS * STORE_DAY_MS - STORE_HOUR_MS;

    if (by_hour || first_day_ms >= last_day_ms) {
        add_piece(ret, &count, STORE_REPORT_HOUR, range->from_ms, range->to_ms);
    } else {
        add_piece(ret, &count, STORE_REPORT_HOUR, range->from_ms, first_day_ms);
        add_piece(ret, &count, STORE_REPORT_DAY, first_day_ms, last_day_ms);
        add_piece(ret, &count, STORE_REPORT_HOUR, last_day_ms, range->to_ms);
    }
    for (size_t i = 0; i < count; i++) {
        if (ret[i].span == STORE_REPORT_HOUR && ret[i].first * STORE_HOUR_MS < kept_ms) {
            reason_set(why,
                       "hours are kept for %d days: for what is older, name whole days (UTC), such as --from "
                       "2026-01-15 --to 2026-01-22, and not --by hour",
                       STORE_HOURS_KEPT_DAYS);
            return ERR_INVALID;
        }
    }
    *ret_count = count;
    return 0;
}
