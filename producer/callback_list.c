/* herald callback list, show: whom Herald could not tell. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/callback_url.h"
#include "common/mem.h"
#include "common/timestamp.h"
#include "producer/callback_report.h"
#include "producer/command.h"
#include "producer/terminal.h"

#define LIST_JSON_MAX ((size_t)1 << 20)

struct options {
    int64_t limit;
    bool is_json;
};

#define AT(member) .offset = offsetof(struct options, member)

static const struct option rows[] = {
    {"limit", NULL, OPTION_NUMBER, AT(limit), .fallback = "20", .min = 0, .max = STORE_CALLBACK_PAGE, .value = "N",
     .help = "name so many of the dead ones, the oldest first"},
    {"json", NULL, OPTION_SWITCH, AT(is_json), .help = "as JSON"},
};

static void print_table(const struct store_callback_look *look)
{
    terminal_heading(stdout, "Callbacks");
    terminal_row_number(stdout, "waiting", look->waiting);
    terminal_row_number(stdout, "in flight", look->under_way);
    terminal_row_number(stdout, "dead", look->dead);
    for (size_t i = 0; i < look->counter_count; i++) {
        char label[80];

        (void)snprintf(label, sizeof(label), "%s%.63s", strncmp(look->counters[i].name, "dead:", 5) == 0 ? "  " : "",
                       look->counters[i].name);
        terminal_row_number(stdout, label, look->counters[i].value);
    }
    if (look->host_count > 0)
        terminal_heading(stdout, "Hosts that fail");
    for (size_t i = 0; i < look->host_count; i++) {
        char clean[300];

        (void)printf("  %-40s %" PRId64 " failures in a row, left alone for another %.1f s\n",
                     terminal_clean(look->hosts[i].name, clean, sizeof(clean)), look->hosts[i].failures,
                     (double)look->hosts[i].hold_ms / 1000);
    }
    if (look->item_count > 0)
        terminal_heading(stdout, "Dead, the oldest first");
    for (size_t i = 0; i < look->item_count; i++) {
        struct callback_report report;
        char clean[4][160];

        callback_report_read(&report, &look->items[i]);
        (void)printf("  %s  %s of %s to %s: %s%s%s\n", look->items[i].id, terminal_clean(report.type, clean[0], 160),
                     terminal_clean(report.message, clean[1], 160), report.host,
                     terminal_clean(report.reason, clean[2], 160), report.detail[0] ? ": " : "",
                     terminal_clean(report.detail, clean[3], 160));
        callback_report_clear(&report);
    }
    if ((int64_t)look->item_count < look->dead)
        (void)printf("  and more; --limit shows up to %d\n", STORE_CALLBACK_PAGE);
}

static void print_json(const struct store_callback_look *look)
{
    struct buf json;

    buf_init(&json, LIST_JSON_MAX);
    buf_printf(&json, "{\"waiting\":%" PRId64 ",\"in_flight\":%" PRId64 ",\"dead_total\":%" PRId64 ",\"counters\":{",
               look->waiting, look->under_way, look->dead);
    for (size_t i = 0; i < look->counter_count; i++) {
        buf_text(&json, i ? "," : "");
        buf_json_text(&json, look->counters[i].name);
        buf_printf(&json, ":%" PRId64, look->counters[i].value);
    }
    buf_text(&json, "},\"hosts\":[");
    for (size_t i = 0; i < look->host_count; i++) {
        buf_text(&json, i ? ",{\"host\":" : "{\"host\":");
        buf_json_text(&json, look->hosts[i].name);
        buf_member_int(&json, "failures", look->hosts[i].failures);
        buf_member_int(&json, "hold_ms", look->hosts[i].hold_ms);
        buf_char(&json, '}');
    }
    buf_text(&json, "],\"dead\":[");
    for (size_t i = 0; i < look->item_count; i++) {
        struct callback_report report;

        buf_text(&json, i ? "," : "");
        callback_report_read(&report, &look->items[i]);
        callback_report_json(&report, &json);
        callback_report_clear(&report);
    }
    buf_text(&json, "]}\n");
    (void)fputs(buf_str(&json), stdout);
    buf_clear(&json);
}

static enum exit_status run_list(const struct command_call *call)
{
    const struct options *options = call->options;
    const struct store_callback_page page = {.after = "", .most = (size_t)options->limit};
    struct store_callback_look *look = mem_zalloc(1, sizeof(*look));
    struct store *store = NULL;
    struct reason why = {""};
    int rc = command_open_store(call->settings, &store, &why);

    if (rc == 0)
        rc = store_look_at_callbacks(store, &page, look, COMMAND_PATIENCE_MS, &why);
    if (rc == 0 && options->is_json)
        print_json(look);
    else if (rc == 0)
        print_table(look);
    store_callback_look_clear(look);
    store_close(store);
    free(look);
    return rc == 0 ? EXIT_DONE : command_fail(rc, &why);
}

const struct command command_callback_list = {
    .name = "callback list",
    .usage = "[OPTION]...",
    .summary = "who waits to be told what became of messages, and who could not be told",
    .help = "Of a URL only the host is shown: there may be a secret in the rest.\n",
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .options_size = sizeof(struct options),
    .run = run_list,
};

static void print_row(const char *label, const char *text)
{
    char clean[400];

    if (text[0])
        terminal_row(stdout, label, terminal_clean(text, clean, sizeof(clean)));
}

static void print_report(const struct callback_report *report)
{
    char number[24], at[TIMESTAMP_SIZE];

    terminal_heading(stdout, "Dead callback");
    print_row("id (webhook-id)", report->id);
    print_row("tells", report->type);
    print_row("of the message", report->message);
    print_row("to the host", report->host);
    print_row("reason", report->reason);
    print_row("detail", report->detail);
    (void)snprintf(number, sizeof(number), "%" PRId64, report->status);
    if (report->status > 0)
        print_row("last answer", number);
    (void)snprintf(number, sizeof(number), "%" PRId64, report->attempts);
    print_row("attempts", number);
    print_row("happened", timestamp_format(report->at_ms, at));
    print_row("given up", timestamp_format(report->dead_at_ms, at));
}

static enum exit_status run_show(const struct command_call *call)
{
    const struct options *options = call->options;
    struct store_callback_page page = {.only = call->words->words[0], .most = 1};
    struct store_callback_look *look;
    struct callback_report report;
    struct store *store = NULL;
    struct reason why = {""};
    int rc;

    if (call->words->count != 1) {
        reason_set(&why, "which one? Give its id: herald callback show ID");
        return command_fail(ERR_INVALID, &why);
    }
    look = mem_zalloc(1, sizeof(*look));
    rc = command_open_store(call->settings, &store, &why);
    if (rc == 0)
        rc = store_look_at_callbacks(store, &page, look, COMMAND_PATIENCE_MS, &why);
    if (rc == 0 && look->item_count == 0) {
        reason_set(&why, "there is no dead callback of this id");
        rc = ERR_STATE;
    }
    if (rc == 0) {
        callback_report_read(&report, &look->items[0]);
        if (options->is_json) {
            struct buf json;

            buf_init(&json, LIST_JSON_MAX);
            callback_report_json(&report, &json);
            (void)printf("%s\n", buf_str(&json));
            buf_clear(&json);
        } else {
            print_report(&report);
        }
        callback_report_clear(&report);
    }
    store_callback_look_clear(look);
    store_close(store);
    free(look);
    return rc == 0 ? EXIT_DONE : command_fail(rc, &why);
}

static const struct option show_rows[] = {
    {"json", NULL, OPTION_SWITCH, AT(is_json), .help = "as JSON, with what was to be posted"},
};

const struct command command_callback_show = {
    .name = "callback show",
    .usage = "ID [OPTION]...",
    .summary = "one callback that was given up",
    .help = "ID is its webhook-id, as herald callback list shows it.\n",
    .words_max = 1,
    .rows = show_rows,
    .row_count = sizeof(show_rows) / sizeof(show_rows[0]),
    .options_size = sizeof(struct options),
    .run = run_show,
};
