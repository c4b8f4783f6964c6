/* The templates that clients may name: NAME.json in --templates is NAME. All are read and checked at once, at the start
 * and again on SIGHUP; whoever uses them holds the set that was there when it began. Any thread. */
#ifndef HERALD_PRODUCER_GATEWAY_TEMPLATES_H
#define HERALD_PRODUCER_GATEWAY_TEMPLATES_H

#include "common/settings.h"
#include "common/span.h"
#include "producer/template.h"

#define TEMPLATES_MAX 1000

struct templates;
struct template_set;

/* 0, or ERR_IO, ERR_LIMIT or ERR_INVALID with which file is wrong and why. Without a folder there are none. */
int templates_open(struct templates **ret, const struct settings *settings, struct reason *why);
void templates_close(struct templates *templates);                     /* takes NULL */
int templates_reload(struct templates *templates, struct reason *why); /* on an error the old ones stay */
size_t templates_count(struct templates *templates);

struct template_set *templates_take(struct templates *templates);                           /* release it */
void template_set_release(struct template_set *set);                                        /* takes NULL */
const struct template *template_set_find(const struct template_set *set, struct span name); /* NULL: none; borrowed */

#endif
