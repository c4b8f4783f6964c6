/* herald suppress list: everybody who must not be written to. */
#include <stdio.h>

#include "common/buf.h"
#include "producer/command.h"
#include "producer/suppression.h"
#include "producer/terminal.h"

#define LINE_MAX_BYTES ((size_t)1 << 20) /* whatever somebody else has put there */

struct options {
    char *channel;
    bool is_json;
};

#define AT(member) .offset = offsetof(struct options, member)

static const struct option rows[] = {
    {"channel", NULL, OPTION_TEXT, AT(channel), .choices = SUPPRESSION_CHANNELS, .help = "these only"},
    {"json", NULL, OPTION_SWITCH, AT(is_json), .help = "as JSON lines"},
};

struct listing {
    const struct options *options;
    struct buf line;
};

/* Entries that are none of ours are shown as they are: they are on the set, and do nothing. */
static void write_line(struct listing *listing, struct span person, struct span channel)
{
    struct span address = {person.data + channel.len + 1, person.len - channel.len - 1};

    if (!listing->options->is_json) {
        buf_add(&listing->line, person.data, person.len);
    } else if (channel.len == 0) {
        buf_text(&listing->line, "{\"channel\":null,\"address\":");
        buf_json(&listing->line, person.data, person.len);
        buf_char(&listing->line, '}');
    } else {
        buf_printf(&listing->line, "{\"channel\":\"%.*s\",\"address\":", (int)channel.len, channel.data);
        buf_json(&listing->line, address.data, address.len);
        buf_char(&listing->line, '}');
    }
}

static bool show(void *context, struct span person)
{
    struct listing *listing = context;
    const char *colon = memchr(person.data, ':', person.len);
    struct span channel = {person.data, colon ? (size_t)(colon - person.data) : 0};

    if (channel_find(channel) == CHANNEL_NONE)
        channel.len = 0;
    if (listing->options->channel && !span_is(channel, listing->options->channel))
        return true;
    buf_reset(&listing->line);
    write_line(listing, person, channel);
    if (listing->options->is_json)
        (void)fputs(buf_str(&listing->line), stdout);
    else
        terminal_text(stdout, buf_str(&listing->line));
    return putchar('\n') != EOF; /* whoever reads it may have had enough */
}

static enum exit_status run_list(const struct command_call *call)
{
    struct listing listing = {.options = call->options};
    struct store *store = NULL;
    struct reason why = {""};
    int rc = command_open_store(call->settings, &store, &why);

    buf_init(&listing.line, LINE_MAX_BYTES);
    if (rc == 0)
        rc = store_list_suppressed(store, show, &listing, COMMAND_PATIENCE_MS, &why);
    buf_clear(&listing.line);
    store_close(store);
    return rc == 0 ? EXIT_DONE : command_fail(rc, &why);
}

const struct command command_suppress_list = {
    .name = "suppress list",
    .usage = "[OPTION]...",
    .summary = "everybody who must not be written to, one a line",
    .help = "The addresses are shown in full. In no order; somebody may be shown twice while the set changes.\n",
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .options_size = sizeof(struct options),
    .run = run_list,
};
