/* Lines out of bytes that come as they come, the longest one in memory. A line ends in LF, with or without a CR before
 * it; a UTF-8 byte order mark in front of the first is no part of it; blank lines are counted and passed over. Pure. */
#ifndef HERALD_PRODUCER_GATEWAY_LINE_FEED_H
#define HERALD_PRODUCER_GATEWAY_LINE_FEED_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/span.h"

struct line_feed {
    size_t max;       /* bytes of a line, its end and the mark not counted */
    size_t number;    /* of the line that was given last, from 1 */
    struct buf held;  /* the beginning of a line whose end has not come yet */
    bool is_given;    /* what is held was given as a line, and goes at the next call */
    bool is_skipping; /* the line is longer than `max` already, and not kept */
};

enum line_fed {
    LINE_NONE,     /* all bytes are taken and no line has ended in them */
    LINE_WHOLE,    /* `ret_line`, borrowed until the next call */
    LINE_TOO_LONG, /* one has ended that is longer than `max` */
};

void line_feed_init(struct line_feed *feed, size_t max);
void line_feed_clear(struct line_feed *feed);

/* Takes bytes up to the end of the next line that is not blank; `ret_taken`: how many. */
enum line_fed line_feed_take(struct line_feed *feed, const char *data, size_t len, size_t *ret_taken,
                             struct span *ret_line);
/* Nothing follows: the last line may be without an end. */
enum line_fed line_feed_finish(struct line_feed *feed, struct span *ret_line);

#endif
