#include "producer/gateway/line_feed.h"

#include <string.h>

#define MARK      "\xef\xbb\xbf"
#define MARK_LEN  (sizeof(MARK) - 1)
#define ROOM_MORE (MARK_LEN + 1) /* what a line may have besides its own bytes: the mark and a CR */

void line_feed_init(struct line_feed *feed, size_t max)
{
    *feed = (struct line_feed){.max = max};
    buf_init(&feed->held, max + ROOM_MORE);
}

void line_feed_clear(struct line_feed *feed)
{
    buf_clear(&feed->held);
}

static bool is_blank(struct span line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (!strchr(" \t\r", line.data[i]) || line.data[i] == '\0')
            return false;
    }
    return true;
}

/* A line has ended: what it is. `line` is without its LF. */
static enum line_fed judge(struct line_feed *feed, struct span line, struct span *ret_line)
{
    bool was_skipping = feed->is_skipping;

    feed->number++;
    feed->is_skipping = false;
    if (was_skipping)
        return LINE_TOO_LONG;
    if (feed->number == 1 && span_starts(line, MARK))
        line = (struct span){line.data + MARK_LEN, line.len - MARK_LEN};
    if (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    if (line.len > feed->max)
        return LINE_TOO_LONG;
    *ret_line = line;
    return is_blank(line) ? LINE_NONE : LINE_WHOLE;
}

static void hold(struct line_feed *feed, const char *data, size_t len)
{
    if (!feed->is_skipping)
        buf_add(&feed->held, data, len);
    if (feed->held.overflow) {
        feed->is_skipping = true;
        buf_reset(&feed->held);
    }
}

/* The line whose last bytes these are. They are joined to the first ones only when there are such. */
static enum line_fed end_line(struct line_feed *feed, const char *data, size_t len, struct span *ret_line)
{
    struct span line = {data, len};

    if (feed->held.len > 0) {
        hold(feed, data, len);
        line = (struct span){buf_str(&feed->held), feed->held.len};
        feed->is_given = true;
    }
    return judge(feed, line, ret_line);
}

static void forget_given(struct line_feed *feed)
{
    if (feed->is_given)
        buf_reset(&feed->held);
    feed->is_given = false;
}

enum line_fed line_feed_take(struct line_feed *feed, const char *data, size_t len, size_t *ret_taken,
                             struct span *ret_line)
{
    enum line_fed fed = LINE_NONE;
    size_t at = 0;

    while (fed == LINE_NONE && at < len) {
        const char *end = memchr(data + at, '\n', len - at);

        forget_given(feed);
        if (end) {
            fed = end_line(feed, data + at, (size_t)(end - data) - at, ret_line);
            at = (size_t)(end - data) + 1;
        } else {
            hold(feed, data + at, len - at);
            at = len;
        }
    }
    *ret_taken = at;
    return fed;
}

enum line_fed line_feed_finish(struct line_feed *feed, struct span *ret_line)
{
    forget_given(feed);
    if (feed->held.len == 0 && !feed->is_skipping)
        return LINE_NONE;
    return end_line(feed, "", 0, ret_line);
}
