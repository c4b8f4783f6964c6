#include "producer/report_print.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/timestamp.h"
#include "producer/csv_cell.h"
#include "producer/terminal.h"

#define OUT_MAX   ((size_t)64 << 20)
#define CELL_SIZE 24

/* --- for people --- */

/* `850ms`, `12.3s`, `4m10s`, `3h05m`, `2d04h`; `-` for none. */
static const char *time_text(int64_t ms, char out[CELL_SIZE])
{
    const int64_t seconds = ms / 1000;

    if (ms < 0)
        (void)snprintf(out, CELL_SIZE, "-");
    else if (ms < 1000)
        (void)snprintf(out, CELL_SIZE, "%" PRId64 "ms", ms);
    else if (seconds < 100)
        (void)snprintf(out, CELL_SIZE, "%.1fs", (double)ms / 1000);
    else if (seconds < 6000)
        (void)snprintf(out, CELL_SIZE, "%" PRId64 "m%02" PRId64 "s", seconds / 60, seconds % 60);
    else if (seconds < 100 * 3600)
        (void)snprintf(out, CELL_SIZE, "%" PRId64 "h%02" PRId64 "m", seconds / 3600, seconds / 60 % 60);
    else
        (void)snprintf(out, CELL_SIZE, "%" PRId64 "d%02" PRId64 "h", seconds / 86400, seconds / 3600 % 24);
    return out;
}

static const char *minute_text(int64_t ms, char out[TIMESTAMP_SIZE])
{
    (void)timestamp_format(ms, out);
    out[10] = ' ';
    out[16] = '\0'; /* 2026-01-15 10:00 */
    return out;
}

static void print_line(const char *name, const struct report_counts *counts)
{
    char clean[REPORT_NAME_MAX + 1], success[REPORT_RATE_SIZE], delivery[REPORT_RATE_SIZE];
    char waited[2][CELL_SIZE], travelled[2][CELL_SIZE];

    (void)printf("  %-24s %9" PRId64 " %9" PRId64 " %8" PRId64 " %7" PRId64 " %7" PRId64 " %8s %8s %9" PRId64
                 " %8s %8s %8s %8s\n",
                 terminal_clean(name, clean, sizeof(clean)), counts->sent, counts->delivered, counts->read,
                 counts->failed, counts->dead, report_rate_text(report_success_rate(counts), "-", success),
                 report_rate_text(report_delivery_rate(counts), "-", delivery), counts->segments,
                 time_text(latency_quantile_ms(&counts->waited, 0.5), waited[0]),
                 time_text(latency_quantile_ms(&counts->waited, 0.95), waited[1]),
                 time_text(latency_quantile_ms(&counts->travelled, 0.5), travelled[0]),
                 time_text(latency_quantile_ms(&counts->travelled, 0.95), travelled[1]));
}

static void print_lines(const struct report *report)
{
    (void)printf("  %-24s %9s %9s %8s %7s %7s %8s %8s %9s %17s %17s\n", "", "", "", "", "", "", "", "", "", "to sent",
                 "to delivered");
    (void)printf("  %-24s %9s %9s %8s %7s %7s %8s %8s %9s %8s %8s %8s %8s\n", report_by_name(report->by), "sent",
                 "delivered", "read", "failed", "dead", "success", "delivery", "segments", "p50", "p95", "p50", "p95");
    for (size_t i = 0; i < report->count; i++)
        print_line(report->groups[i]->name[0] ? report->groups[i]->name : "(none)", &report->groups[i]->counts);
    print_line("in all", &report->total);
}

static void print_latency(const char *what, const struct latency *latency)
{
    static const struct {
        const char *name;
        double quantile;
    } quantiles[] = {{"half within", 0.5}, {"95 % within", 0.95}, {"99 % within", 0.99}};
    char text[CELL_SIZE];

    terminal_heading(stdout, what);
    terminal_row_number(stdout, "measured", latency->count);
    terminal_row(stdout, "mean", time_text(latency_mean_ms(latency), text));
    for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
        terminal_row(stdout, quantiles[i].name, time_text(latency_quantile_ms(latency, quantiles[i].quantile), text));
}

static void print_total(const struct report_counts *total)
{
    char text[REPORT_RATE_SIZE];

    terminal_row_number(stdout, "sent", total->sent);
    terminal_row_number(stdout, "delivered", total->delivered);
    terminal_row_number(stdout, "read", total->read);
    terminal_row_number(stdout, "failed", total->failed);
    terminal_row_number(stdout, "dead", total->dead);
    for (size_t i = 0; i < total->reason_count; i++) {
        char label[REPORT_REASON_MAX + 8];

        (void)snprintf(label, sizeof(label), "  %s", total->reasons[i].name);
        terminal_row_number(stdout, label, total->reasons[i].count);
    }
    terminal_row(stdout, "success rate", report_rate_text(report_success_rate(total), "-", text));
    terminal_row(stdout, "delivery rate", report_rate_text(report_delivery_rate(total), "-", text));
    terminal_row_number(stdout, "SMS segments", total->segments);
    print_latency("From enqueued to sent", &total->waited);
    print_latency("From sent to delivered", &total->travelled);
}

void report_print_table(const struct report_heading *heading, const struct report *report)
{
    char title[200], from[TIMESTAMP_SIZE], to[TIMESTAMP_SIZE];

    (void)snprintf(title, sizeof(title), "Report of %s, %s to %s (UTC)%s%s%s%s", heading->org,
                   minute_text(heading->range.from_ms, from), minute_text(heading->range.to_ms, to),
                   strcmp(heading->source, "herald") != 0 ? ", by " : "",
                   strcmp(heading->source, "herald") != 0 ? heading->source : "", report->campaign ? ", campaign " : "",
                   report->campaign ? report->campaign : "");
    terminal_heading(stdout, title);
    if (report->by == REPORT_BY_NOTHING)
        print_total(&report->total);
    else
        print_lines(report);
}

/* --- for machines --- */

static void add_rate(struct buf *json, const char *key, double rate)
{
    if (rate < 0)
        buf_printf(json, ",\"%s\":null", key);
    else
        buf_printf(json, ",\"%s\":%.2f", key, rate);
}

static void add_ms(struct buf *json, const char *key, int64_t ms)
{
    if (ms < 0)
        buf_printf(json, ",\"%s\":null", key);
    else
        buf_printf(json, ",\"%s\":%" PRId64, key, ms);
}

static void add_latency(struct buf *json, const char *key, const struct latency *latency)
{
    buf_printf(json, ",\"%s\":{\"count\":%" PRId64, key, latency->count);
    add_ms(json, "mean", latency_mean_ms(latency));
    add_ms(json, "p50", latency_quantile_ms(latency, 0.5));
    add_ms(json, "p95", latency_quantile_ms(latency, 0.95));
    add_ms(json, "p99", latency_quantile_ms(latency, 0.99));
    buf_char(json, '}');
}

static void add_counts(struct buf *json, const struct report_counts *counts)
{
    buf_printf(json,
               "\"sent\":%" PRId64 ",\"delivered\":%" PRId64 ",\"read\":%" PRId64 ",\"failed\":%" PRId64
               ",\"dead\":%" PRId64 ",\"reasons\":{",
               counts->sent, counts->delivered, counts->read, counts->failed, counts->dead);
    for (size_t i = 0; i < counts->reason_count; i++) {
        buf_text(json, i ? "," : "");
        buf_json_text(json, counts->reasons[i].name);
        buf_printf(json, ":%" PRId64, counts->reasons[i].count);
    }
    buf_printf(json, "},\"segments\":%" PRId64, counts->segments);
    add_rate(json, "success_rate", report_success_rate(counts));
    add_rate(json, "delivery_rate", report_delivery_rate(counts));
    add_latency(json, "enqueue_to_sent_ms", &counts->waited);
    add_latency(json, "sent_to_delivered_ms", &counts->travelled);
}

/* The outbound tutorial's object, under its own names. */
static void add_metrics(struct buf *json, const struct report_counts *total)
{
    char rate[REPORT_RATE_SIZE];
    int64_t mean_ms = latency_mean_ms(&total->waited);

    buf_printf(json,
               "{\"totalSent\":%" PRId64 ",\"delivered\":%" PRId64 ",\"failed\":%" PRId64
               ",\"successRate\":\"%s\",\"averageLatencyMs\":%" PRId64 "}",
               total->sent, total->delivered, total->failed,
               report_rate_text(report_success_rate(total), "0.00%", rate), mean_ms > 0 ? mean_ms : 0);
}

void report_print_json(const struct report_heading *heading, const struct report *report)
{
    char instant[TIMESTAMP_SIZE];
    struct buf json;

    buf_init(&json, OUT_MAX);
    buf_text(&json, "{\"source\":");
    buf_json_text(&json, heading->source);
    buf_text(&json, ",\"org\":");
    buf_json_text(&json, heading->org);
    buf_printf(&json, ",\"from\":\"%s\"", timestamp_format(heading->range.from_ms, instant));
    buf_printf(&json, ",\"to\":\"%s\",\"campaign\":", timestamp_format(heading->range.to_ms, instant));
    buf_json_text(&json, report->campaign);
    buf_text(&json, ",\"by\":");
    buf_json_text(&json, report->by == REPORT_BY_NOTHING ? NULL : report_by_name(report->by));
    buf_text(&json, ",\"total\":{");
    add_counts(&json, &report->total);
    buf_text(&json, "},\"metrics\":");
    add_metrics(&json, &report->total);
    buf_text(&json, ",\"rows\":[");
    for (size_t i = 0; report->by != REPORT_BY_NOTHING && i < report->count; i++) {
        buf_printf(&json, "%s{\"%s\":", i ? "," : "", report_by_name(report->by));
        buf_json_text(&json, report->groups[i]->name);
        buf_char(&json, ',');
        add_counts(&json, &report->groups[i]->counts);
        buf_char(&json, '}');
    }
    buf_text(&json, "]}\n");
    (void)fputs(buf_str(&json), stdout);
    buf_clear(&json);
}

static void add_csv_latency(struct buf *line, const struct latency *latency)
{
    const int64_t numbers[] = {latency->count, latency_mean_ms(latency), latency_quantile_ms(latency, 0.5),
                               latency_quantile_ms(latency, 0.95), latency_quantile_ms(latency, 0.99)};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        buf_char(line, ',');
        if (numbers[i] >= 0)
            buf_int(line, numbers[i]);
    }
}

static void print_csv_line(const char *name, const struct report_counts *counts)
{
    const double rates[] = {report_success_rate(counts), report_delivery_rate(counts)};
    struct buf line;

    buf_init(&line, OUT_MAX);
    csv_cell(&line, name);
    buf_printf(&line, ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64, counts->sent,
               counts->delivered, counts->read, counts->failed, counts->dead, counts->segments);
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        buf_char(&line, ',');
        if (rates[i] >= 0)
            buf_printf(&line, "%.2f", rates[i]);
    }
    add_csv_latency(&line, &counts->waited);
    add_csv_latency(&line, &counts->travelled);
    buf_char(&line, '\n');
    (void)fputs(buf_str(&line), stdout);
    buf_clear(&line);
}

void report_print_csv(const struct report *report)
{
    bool has_rows = report->by != REPORT_BY_NOTHING;

    (void)printf("%s,sent,delivered,read,failed,dead,segments,success_rate,delivery_rate,enqueue_to_sent_count,"
                 "enqueue_to_sent_mean_ms,enqueue_to_sent_p50_ms,enqueue_to_sent_p95_ms,enqueue_to_sent_p99_ms,"
                 "sent_to_delivered_count,sent_to_delivered_mean_ms,sent_to_delivered_p50_ms,sent_to_delivered_p95_ms,"
                 "sent_to_delivered_p99_ms\n",
                 has_rows ? report_by_name(report->by) : "rows");
    for (size_t i = 0; has_rows && i < report->count; i++)
        print_csv_line(report->groups[i]->name, &report->groups[i]->counts);
    if (!has_rows)
        print_csv_line("all", &report->total);
}
