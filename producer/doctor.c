/* herald doctor: looks at everything that sending needs, and says what is wrong. */
#include <stdio.h>

#include "common/buf.h"
#include "producer/checkup.h"
#include "producer/terminal.h"

#define JSON_OUT_MAX ((size_t)64 << 10)

struct options {
    char *admin;
    bool is_json;
};

static const struct option rows[] = {
    {"admin", NULL, OPTION_TEXT, .offset = offsetof(struct options, admin), .value = "URL",
     .help = "only ask the worker or gateway with this --admin whether it is ready: http://127.0.0.1:9464"},
    {"json", NULL, OPTION_SWITCH, .offset = offsetof(struct options, is_json), .help = "as JSON"},
};

static enum paint paint_of(enum health health)
{
    switch (health) {
    case HEALTH_GOOD:
        return PAINT_GREEN;
    case HEALTH_UNKNOWN:
        return PAINT_DIM;
    case HEALTH_WARNING:
        return PAINT_YELLOW;
    case HEALTH_BAD:
    case HEALTH_AWAY:
    case HEALTH_COUNT:
        break;
    }
    return PAINT_RED;
}

static void print_table(const struct checkup *checkup)
{
    for (size_t i = 0; i < checkup->count; i++) {
        const struct finding *finding = &checkup->findings[i];
        char clean[sizeof(finding->text.text)];

        (void)printf("  %s%-8s%s %-12s %s\n", terminal_paint(stdout, paint_of(finding->health)),
                     health_name(finding->health), terminal_paint(stdout, PAINT_PLAIN), finding->what,
                     terminal_clean(finding->text.text, clean, sizeof(clean)));
    }
}

static void print_json(const struct checkup *checkup)
{
    struct buf json;

    buf_init(&json, JSON_OUT_MAX);
    buf_printf(&json, "{\"well\":%s,\"findings\":[", checkup_status(checkup) == EXIT_DONE ? "true" : "false");
    for (size_t i = 0; i < checkup->count; i++) {
        const struct finding *finding = &checkup->findings[i];
        char clean[sizeof(finding->text.text)];

        buf_printf(&json, "%s{\"what\":\"%s\",\"health\":\"%s\",\"text\":", i ? "," : "", finding->what,
                   health_name(finding->health));
        buf_json_text(&json, terminal_clean(finding->text.text, clean, sizeof(clean)));
        buf_char(&json, '}');
    }
    buf_text(&json, "]}\n");
    (void)fputs(buf_str(&json), stdout);
    buf_clear(&json);
}

static enum exit_status run_command(const struct command_call *call)
{
    const struct options *options = call->options;
    struct checkup checkup = {.count = 0};
    struct reason why = {""};

    if (options->admin) {
        if (checkup_admin(&checkup, options->admin, &why) != 0)
            return command_fail(ERR_INVALID, &why);
    } else {
        checkup_redis(&checkup, call->settings);
        checkup_genesys(&checkup, call->settings);
    }
    if (options->is_json)
        print_json(&checkup);
    else
        print_table(&checkup);
    return checkup_status(&checkup);
}

const struct command command_doctor = {
    .name = "doctor",
    .usage = "[OPTION]...",
    .summary = "is everything there that sending needs: Redis and its disk, credentials, workers, clocks",
    .help =
        "Give it the settings of a worker. Changes nothing and sends nothing; asks Genesys for a token when there are\n"
        "credentials. Exit status 1 when something is bad, 4 when Redis or Genesys is out of reach; warnings and\n"
        "what nobody may ask leave it 0. With --admin it is what a container's health check wants.\n",
    .programs = SETTINGS_GENESYS,
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .options_size = sizeof(struct options),
    .run = run_command,
};
