#include "producer/gateway/visitors.h"

#include <stddef.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "producer/gateway/exchange_mhd.h"

#define SILENT_MS 1000 /* after which an idle one is asked whether it still sends */

static struct visitor_list *list_of(struct visitors *visitors, const struct visitor *visitor)
{
    return visitor->exchange ? &visitors->busy : &visitors->idle;
}

void visitors_add(struct visitors *visitors, struct visitor *visitor)
{
    struct visitor_list *list = list_of(visitors, visitor);

    visitor->since_ms = clock_mono_ms();
    visitor->is_looked_at = false;
    visitor->older = list->newest;
    visitor->newer = NULL;
    if (list->newest)
        list->newest->newer = visitor;
    else
        list->oldest = visitor;
    list->newest = visitor;
}

void visitors_remove(struct visitors *visitors, struct visitor *visitor)
{
    struct visitor_list *list = list_of(visitors, visitor);

    if (visitor->older)
        visitor->older->newer = visitor->newer;
    else
        list->oldest = visitor->newer;
    if (visitor->newer)
        visitor->newer->older = visitor->older;
    else
        list->newest = visitor->older;
}

void visitors_move(struct visitors *visitors, struct visitor *visitor, struct exchange *exchange)
{
    visitors_remove(visitors, visitor);
    visitor->exchange = exchange;
    visitors_add(visitors, visitor);
}

static void hang_up(const struct visitor *visitor)
{
    (void)shutdown(visitor->fd, SHUT_RDWR); /* one that is closed already needs nothing */
}

/* MHD's own time-out knows only silence, not headers at a byte a second. */
static void close_idle(const struct visitors *visitors, int64_t latest_ms)
{
    for (const struct visitor *visitor = visitors->idle.oldest; visitor && visitor->since_ms <= latest_ms;
         visitor = visitor->newer)
        hang_up(visitor);
}

/* libmicrohttpd does not see the end of what a client sends when it comes together with a request, so who asks for
 * nothing after that is looked at once. */
static void close_half_closed(const struct visitors *visitors, int64_t latest_ms)
{
    char byte;

    for (struct visitor *visitor = visitors->idle.newest; visitor && !visitor->is_looked_at; visitor = visitor->older) {
        if (visitor->since_ms > latest_ms)
            continue;
        visitor->is_looked_at = true;
        if (recv(visitor->fd, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT) == 0)
            hang_up(visitor);
    }
}

/* A body at a byte a second, and an answer that is not fetched. */
static void close_slow(const struct visitors *visitors, int64_t now_ms)
{
    for (const struct visitor *visitor = visitors->busy.oldest; visitor; visitor = visitor->newer) {
        if (exchange_is_too_slow(visitor->exchange, now_ms))
            hang_up(visitor);
    }
}

void visitors_close(struct visitors *visitors, int64_t idle_ms, int64_t now_ms)
{
    close_idle(visitors, now_ms - idle_ms);
    close_half_closed(visitors, now_ms - SILENT_MS);
    close_slow(visitors, now_ms);
}
