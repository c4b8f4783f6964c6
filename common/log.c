#include "common/log.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/timestamp.h"

#define LOG_LINE_MAX 4096

static const char *const level_names[] = {
    [LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARNING] = "warning",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug",
};

/* Set once by log_init before any thread starts. */
static struct {
    const char *program;
    bool json;
} config = {"herald", false};

static atomic_int level_now = LOG_LEVEL_INFO;
static atomic_uint_least64_t lines_of[LOG_LEVEL_DEBUG + 1];

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

uint64_t log_lines(enum log_level level)
{
    return atomic_load_explicit(&lines_of[level], memory_order_relaxed);
}

void log_set_level(const char *level)
{
    for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        if (strcmp(level, level_names[i]) == 0)
            atomic_store(&level_now, (int)i);
    }
}

void log_init(const char *program, const char *level, const char *format)
{
    config.program = program;
    log_set_level(level);
    config.json = strcmp(format, "json") == 0 || (strcmp(format, "auto") == 0 && !isatty(STDERR_FILENO));
}

bool log_is_on(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&level_now, memory_order_relaxed);
}

static bool needs_quotes(const char *text)
{
    if (*text == '\0')
        return true;
    for (const char *c = text; *c; c++) {
        if (*c <= ' ' || *c == '"' || *c == '=' || *c == '\\' || *c == 0x7f)
            return true;
    }
    return false;
}

static void add_field(struct buf *line, const char *key, const struct log_field *field)
{
    if (config.json) {
        buf_text(line, ",\"");
        buf_text(line, key);
        buf_text(line, "\":");
    } else {
        buf_char(line, ' ');
        buf_text(line, key);
        buf_char(line, '=');
    }
    if (!field->text)
        buf_int(line, field->number);
    else if (config.json || needs_quotes(field->text))
        buf_json_text(line, field->text);
    else
        buf_text(line, field->text);
}

void log_write(enum log_level level, const char *what, const struct log_field *fields, size_t count)
{
    char time[TIMESTAMP_SIZE];
    struct buf line;
    const struct log_field event = LOG_TEXT("event", what);

    (void)atomic_fetch_add_explicit(&lines_of[level], 1, memory_order_relaxed);
    buf_init(&line, LOG_LINE_MAX);
    timestamp_format(clock_wall_ms(), time);
    if (config.json)
        buf_printf(&line, "{\"time\":\"%s\",\"level\":\"%s\",\"program\":\"%s\"", time, level_names[level],
                   config.program);
    else
        buf_printf(&line, "%s %s %s", time, config.program, level_names[level]);
    add_field(&line, "event", &event);
    for (size_t i = 0; i < count; i++) {
        if (!fields[i].is_optional || fields[i].text[0])
            add_field(&line, fields[i].key, &fields[i]);
    }
    buf_text(&line, config.json ? "}\n" : "\n");
    if (line.overflow) {
        buf_reset(&line);
        buf_text(&line, "{\"level\":\"error\",\"event\":\"a log line was too long and was left out\"}\n");
    }
    if (write(STDERR_FILENO, line.data, line.len) < 0)
        buf_reset(&line); /* nobody reads the log; there is nowhere left to say so */
    buf_clear(&line);
}
