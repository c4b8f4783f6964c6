/* herald status: where every message is, and that the counts add up. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/mem.h"
#include "producer/command.h"
#include "producer/status_report.h"
#include "producer/terminal.h"

struct options {
    bool is_json;
};

static const struct option rows[] = {
    {"json", NULL, OPTION_SWITCH, .offset = offsetof(struct options, is_json), .help = "as JSON"},
};

static void print_places(const struct store_status *status, const struct status_sum *sum)
{
    char text[96];

    terminal_row_number(stdout, "accepted", sum->accepted);
    if (sum->uncounted > 0)
        terminal_row_number(stdout, "  pushed by others, not met", sum->uncounted);
    for (int i = 0; i < PRIORITY_COUNT; i++) {
        (void)snprintf(text, sizeof(text), "ready, %s", priority_name((enum priority)i));
        terminal_row_number(stdout, text, status->ready[i]);
    }
    terminal_row_number(stdout, "delayed", status->delayed);
    if (status->due_in_ms >= 0) {
        (void)snprintf(text, sizeof(text), "%.1f s", (double)status->due_in_ms / 1000);
        terminal_row(stdout, "  the next in", text);
    }
    terminal_row_number(stdout, "in paused campaigns", status->parked);
    terminal_row_number(stdout, "in flight", status->in_flight);
    terminal_row_number(stdout, "sent", sum->sent);
    terminal_row_number(stdout, "dead", status->dead);
    terminal_row_number(stdout, "cancelled", sum->cancelled);
    if (sum->purged > 0)
        terminal_row_number(stdout, "purged", sum->purged);
    terminal_row_number(stdout, "sum of the places", sum->places);
    (void)printf("  %s%s%s\n", terminal_paint(stdout, sum->is_balanced ? PAINT_GREEN : PAINT_RED),
                 sum->is_balanced ? "the sum is right: every message is somewhere"
                                  : "THE SUM IS WRONG: messages were accepted that are nowhere; has Redis lost data?",
                 terminal_paint(stdout, PAINT_PLAIN));
}

/* The counters whose names begin so, without that beginning; nothing at all when there is none. */
static void print_parts(const struct store_status *status, const char *heading, const char *prefix)
{
    bool has_heading = false;

    for (size_t i = 0; i < status->counter_count; i++) {
        if (strncmp(status->counters[i].name, prefix, strlen(prefix)) != 0 || status->counters[i].value == 0)
            continue;
        if (!has_heading)
            terminal_heading(stdout, heading);
        has_heading = true;
        terminal_row_number(stdout, status->counters[i].name + strlen(prefix), status->counters[i].value);
    }
}

static void print_hold(const char *what, int64_t hold_ms, const char *reason)
{
    char clean[200];

    if (hold_ms > 0)
        (void)printf("  %s%s for another %.1f s: %s%s\n", terminal_paint(stdout, PAINT_YELLOW), what,
                     (double)hold_ms / 1000, terminal_clean(reason, clean, sizeof(clean)),
                     terminal_paint(stdout, PAINT_PLAIN));
}

static void print_sending(const struct store_status *status)
{

    terminal_heading(stdout, "Sending");
    terminal_row_number(stdout, "retries", status_counter(status, "retries"));
    terminal_row_number(stdout, "given back unsent", status_counter(status, "returned"));
    terminal_row_number(stdout, "rate window in use", status->window_used);
    print_hold("paused", status->hold_ms, status->hold_reason);
    if (status->polled > 0)
        terminal_row_number(stdout, "asked for their status", status->polled);
    print_hold("asking for statuses is paused", status->poll_hold_ms, status->poll_hold_reason);
}

/* Nothing at all where nobody is told anything. */
static void print_callbacks(const struct store_status *status)
{
    int64_t lost = status->callbacks.dropped + status->callbacks.unqueued + status->callbacks.forgotten;

    if (status->callbacks.waiting + status->callbacks.in_flight + status->callbacks.dead + status->callbacks.delivered +
            lost ==
        0)
        return;
    terminal_heading(stdout, "Callbacks");
    terminal_row_number(stdout, "waiting", status->callbacks.waiting);
    terminal_row_number(stdout, "in flight", status->callbacks.in_flight);
    terminal_row_number(stdout, "delivered", status->callbacks.delivered);
    terminal_row_number(stdout, "dead", status->callbacks.dead);
    if (lost > 0)
        (void)printf("  %s%" PRId64 " were dropped: more waited, or were dead, than --callback-max%s\n",
                     terminal_paint(stdout, PAINT_RED), lost, terminal_paint(stdout, PAINT_PLAIN));
}

static void print_workers(const struct store_status *status)
{
    char clean[200], clean_id[64];

    terminal_heading(stdout, "Workers");
    if (status->worker_count == 0)
        (void)printf("  none is running; start herald-worker\n");
    for (size_t i = 0; i < status->worker_count; i++) {
        const struct store_worker_info *worker = &status->workers[i];

        (void)printf("  %-32s %6" PRId64 " in flight  up %.0f s  beat %.1f s ago  breaker %s%s%s%s%s\n",
                     terminal_clean(worker->id, clean_id, sizeof(clean_id)), worker->in_flight,
                     (double)worker->age_ms / 1000, (double)worker->beat_age_ms / 1000, worker->breaker,
                     worker->lease_left_ms < 0 ? "  LEASE RUN OUT" : "", terminal_paint(stdout, PAINT_YELLOW),
                     worker->note[0] ? "  " : "", terminal_clean(worker->note, clean, sizeof(clean)));
        (void)fputs(terminal_paint(stdout, PAINT_PLAIN), stdout);
    }
    if (status->worker_total > status->worker_count)
        (void)printf("  and %zu more\n", status->worker_total - status->worker_count);
}

static void print_table(const struct settings *settings, const struct store_status *status)
{
    const struct status_sum sum = status_sum(status);
    char heading[STORE_ORG_MAX + 32];

    (void)snprintf(heading, sizeof(heading), "Organisation %s", settings->org);
    terminal_heading(stdout, heading);
    print_places(status, &sum);
    print_parts(status, "Dead letters, by reason", "dead:");
    print_parts(status, "Messages with a receipt, by what it says", "receipt:");
    print_sending(status);
    print_callbacks(status);
    status_print_audit(status, settings);
    print_workers(status);
}

static void print_json(const char *org, const struct store_status *status)
{
    struct buf json;

    buf_init(&json, STATUS_REPORT_MAX);
    status_begin_json(org, status, &json);
    buf_text(&json, "}\n");
    (void)fputs(buf_str(&json), stdout);
    buf_clear(&json);
}

static enum exit_status run_command(const struct command_call *call)
{
    const struct options *options = call->options;
    struct store_status *status = mem_zalloc(1, sizeof(*status));
    struct store *store = NULL;
    struct reason why = {""};
    enum exit_status result = EXIT_DONE;
    int rc = command_open_store(call->settings, &store, &why);

    if (rc == 0)
        rc = store_read_status(store, status, COMMAND_PATIENCE_MS, &why);
    if (rc != 0)
        result = command_fail(rc, &why);
    else if (options->is_json)
        print_json(call->settings->org, status);
    else
        print_table(call->settings, status);
    if (rc == 0 && !status_sum(status).is_balanced)
        result = EXIT_FAILED;
    store_close(store);
    free(status);
    return result;
}

const struct command command_status = {
    .name = "status",
    .usage = "[OPTION]...",
    .summary = "where every message of the organisation is, and that the counts add up",
    .help = "Exit status 1 when the sum is wrong: fewer messages are there than were accepted.\n",
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .options_size = sizeof(struct options),
    .run = run_command,
};
