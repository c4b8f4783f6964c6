/* herald metrics: what the programs' /metrics have to tell; or the reference page of docs/metrics.md. */
#include "common/metrics.h"
#include "producer/command.h"

struct options {
    bool is_markdown;
};

static const struct option rows[] = {
    {"markdown", NULL, OPTION_SWITCH, .offset = offsetof(struct options, is_markdown),
     .help = "the same, as docs/metrics.md has it"},
};

static const char *kind_name(enum metric_kind kind)
{
    switch (kind) {
    case METRIC_KIND_COUNTER:
    case METRIC_KIND_TOTAL:
        return "counter";
    case METRIC_KIND_HISTOGRAM:
        return "histogram";
    case METRIC_KIND_GAUGE:
        return "gauge";
    }
    return "";
}

static const char *programs_of(const struct metric_about *about)
{
    if (about->is_of_worker && about->is_of_gateway)
        return "both";
    return about->is_of_worker ? "worker" : "gateway";
}

static void print_labels(const struct metric_about *about, const char *mark)
{
    for (size_t i = 0; i < METRIC_DIMENSIONS && about->labels[i] != LABEL_NONE; i++)
        (void)printf("%s%s%s%s", i ? ", " : "", mark, metric_label_name(about->labels[i]), mark);
}

static void print_label_rows(void)
{
    (void)printf("\n## Labels\n\nValues come from fixed tables; a campaign, a client or an address is never one.\n\n"
                 "| label | values | of |\n| --- | --- | --- |\n");
    for (int label = LABEL_NONE + 1; label < LABEL_COUNT; label++) {
        const char *between = "";

        (void)printf("| `%s` | %s | ", metric_label_name((enum metric_label)label),
                     metric_label_help((enum metric_label)label));
        for (int i = 0; i < METRIC_COUNT; i++) {
            const struct metric_about *about = metric_about((enum metric)i);

            for (size_t at = 0; at < METRIC_DIMENSIONS; at++) {
                if (about->labels[at] != (enum metric_label)label)
                    continue;
                (void)printf("%s`%s`", between, about->name);
                between = ", ";
            }
        }
        (void)printf(" |\n");
    }
}

static void print_markdown(void)
{
    (void)printf(
        "# Metrics\n\n"
        "Made by `herald metrics --markdown`; a test holds it to the code. `herald-worker` and `herald-gateway` show\n"
        "them at `/metrics` of `--admin`, in Prometheus' text format 0.0.4.\n\n"
        "- What is said of Redis (from `herald_ready_messages` to `herald_audit_cut_entries`) is the organisation's "
        "and\n"
        "  the same from every program: take `max`, never `sum`. Everything else is the program's own: take `sum`.\n"
        "- Redis is asked when somebody looks, at most once a second, by one step that does not grow with the "
        "backlog.\n"
        "  Without an answer `herald_redis_up` is 0 and those metrics are absent.\n"
        "- `herald_backlog_sendable` is the number to scale workers by: messages on the lists and due ones, at most "
        "as\n"
        "  many as the rate window has free at this moment (`herald_window_limit_requests` less\n"
        "  `herald_window_used_requests`), 0 while the organisation is paused. It is near 0 while the window is full,\n"
        "  however much waits, because more workers would not send more. Gateways say it too, so that it is there "
        "while\n"
        "  no worker runs: give them the `HERALD_RATE` of the workers.\n"
        "- deploy/ has what goes with them: `prometheus.yml`, `alerts.yml` with its tests, `grafana-dashboard.json`.\n"
        "- Counters begin at 0 with the program. What was ever sent, over all workers, is in `herald status`.\n\n"
        "| metric | type | of | labels | what |\n| --- | --- | --- | --- | --- |\n");
    for (int i = 0; i < METRIC_COUNT; i++) {
        const struct metric_about *about = metric_about((enum metric)i);

        (void)printf("| `%s` | %s | %s | ", about->name, kind_name(about->kind), programs_of(about));
        print_labels(about, "`");
        (void)printf(" | %s |\n", about->help);
    }
    print_label_rows();
}

static void print_table(void)
{
    for (int i = 0; i < METRIC_COUNT; i++) {
        const struct metric_about *about = metric_about((enum metric)i);

        (void)printf("%-34s %-9s %-7s ", about->name, kind_name(about->kind), programs_of(about));
        print_labels(about, "");
        (void)printf("\n    %s\n", about->help);
    }
}

static enum exit_status run_command(const struct command_call *call)
{
    const struct options *options = call->options;

    if (options->is_markdown)
        print_markdown();
    else
        print_table();
    return EXIT_DONE;
}

const struct command command_metrics = {
    .name = "metrics",
    .usage = "[OPTION]...",
    .summary = "what /metrics of the worker and the gateway have to tell",
    .help = "",
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .options_size = sizeof(struct options),
    .run = run_command,
};
