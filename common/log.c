#include "common/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/json_plain.h"
#include "common/log_spacing.h"
#include "common/timestamp.h"

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
static _Thread_local struct log_lines *held_lines; /* of the thread; NULL: each line is written at once */

static struct {
    pthread_mutex_t lock; /* guards the table */
    struct log_spacing table;
    atomic_llong due_ms; /* when something that was held back is to be told; looked at without the lock */
} spacing = {.lock = PTHREAD_MUTEX_INITIALIZER, .due_ms = INT64_MAX};

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

/* --- a line: written for every message, so it is put together by hand --- */

static void add(struct log_lines *lines, const char *data, size_t len)
{
    if (len > sizeof(lines->data) - lines->len) {
        lines->is_full = true;
        return;
    }
    memcpy(lines->data + lines->len, data, len);
    lines->len += len;
}

static void add_words(struct log_lines *lines, const char *text)
{
    add(lines, text, strlen(text));
}

/* Needs no escape, and in logfmt no quotes. */
static bool is_plain(const char *text, size_t len)
{
    if (json_plain_length(text, len) < len)
        return false;
    return config.json || (len > 0 && !memchr(text, ' ', len) && !memchr(text, '=', len));
}

static void add_escaped(struct log_lines *lines, const char *text, size_t len)
{
    struct buf escaped;

    buf_init(&escaped, LOG_LINES_MAX);
    buf_json(&escaped, text, len);
    lines->is_full = lines->is_full || escaped.overflow;
    add(lines, buf_str(&escaped), escaped.len);
    buf_clear(&escaped);
}

static void add_key(struct log_lines *lines, const char *key)
{
    add(lines, config.json ? ",\"" : " ", config.json ? 2 : 1);
    add_words(lines, key);
    add(lines, config.json ? "\":" : "=", config.json ? 2 : 1);
}

static void add_text(struct log_lines *lines, const char *key, const char *text)
{
    size_t len = strlen(text);

    add_key(lines, key);
    if (!is_plain(text, len)) {
        add_escaped(lines, text, len);
        return;
    }
    add(lines, "\"", config.json);
    add(lines, text, len);
    add(lines, "\"", config.json);
}

static void add_number(struct log_lines *lines, const char *key, int64_t number)
{
    char digits[BUF_DIGITS];
    size_t len = buf_digits(number, digits);

    add_key(lines, key);
    add(lines, digits, len);
}

/* The seconds are printed once for all lines that have them in common: that costs more than all the rest. */
static void add_time(struct log_lines *lines)
{
    static _Thread_local int64_t second = -1;
    static _Thread_local char text[TIMESTAMP_SIZE];
    int64_t now_ms = clock_wall_ms();
    char *dot;

    if (second != now_ms / 1000) {
        second = now_ms / 1000;
        timestamp_format(now_ms, text);
    }
    dot = strchr(text, '.');
    if (dot) {
        dot[1] = (char)('0' + now_ms / 100 % 10);
        dot[2] = (char)('0' + now_ms / 10 % 10);
        dot[3] = (char)('0' + now_ms % 10);
    }
    add_words(lines, config.json ? "{\"time\":\"" : "time=");
    add_words(lines, text);
    add(lines, "\"", config.json);
}

static void compose(struct log_lines *lines, enum log_level level, const char *what, const struct log_field *fields,
                    size_t count, uint64_t repeated)
{
    add_time(lines);
    add_text(lines, "level", level_names[level]);
    add_text(lines, "program", config.program);
    add_text(lines, "event", what);
    for (size_t i = 0; i < count; i++) {
        if (!fields[i].text)
            add_number(lines, fields[i].key, fields[i].number);
        else if (!fields[i].is_optional || fields[i].text[0])
            add_text(lines, fields[i].key, fields[i].text);
    }
    if (repeated > 0)
        add_number(lines, "repeated", (int64_t)repeated);
    add(lines, config.json ? "}\n" : "\n", config.json ? 2 : 1);
}

/* --- writing --- */

static void write_lines(struct log_lines *lines)
{
    ssize_t written = lines->len > 0 ? write(STDERR_FILENO, lines->data, lines->len) : 0;

    (void)written; /* when nobody reads the log, there is nowhere left to say so */
    lines->len = 0;
    lines->is_full = false;
}

static void put_on(struct log_lines *lines, enum log_level level, const char *what, const struct log_field *fields,
                   size_t count, uint64_t repeated)
{
    size_t before = lines->len;

    (void)atomic_fetch_add_explicit(&lines_of[level], 1, memory_order_relaxed);
    compose(lines, level, what, fields, count, repeated);
    if (lines->is_full && before > 0) { /* those that wait go first, and then there is room */
        lines->len = before;
        write_lines(lines);
        compose(lines, level, what, fields, count, repeated);
    }
    if (lines->is_full) {
        lines->len = lines->is_full = 0;
        compose(lines, LOG_LEVEL_ERROR, "a log line was too long and was left out", NULL, 0, 0);
    }
    if (lines != held_lines || level <= LOG_LEVEL_WARNING)
        write_lines(lines);
    else if (before == 0 || lines->len < before)
        lines->since_ms = clock_mono_ms();
}

static void put(enum log_level level, const char *what, const struct log_field *fields, size_t count, uint64_t repeated)
{
    struct log_lines own;

    if (held_lines) {
        put_on(held_lines, level, what, fields, count, repeated);
    } else {
        own.len = own.is_full = 0;
        put_on(&own, level, what, fields, count, repeated);
    }
}

/* What makes two lines the same. */
static uint64_t key_of(enum log_level level, const char *what, const struct log_field *fields, size_t count)
{
    uint64_t key = digest_hash64(what, strlen(what)) + (uint64_t)level;

    for (size_t i = 0; i < count; i++) {
        if (fields[i].text && !fields[i].is_one)
            key = key * 31 + digest_hash64(fields[i].text, strlen(fields[i].text));
    }
    return key;
}

static bool is_admitted(enum log_level level, const char *what, const struct log_field *fields, size_t count,
                        uint64_t *ret_repeated)
{
    uint64_t key = key_of(level, what, fields, count);
    bool is_in;

    (void)pthread_mutex_lock(&spacing.lock);
    is_in = log_spacing_admit(&spacing.table, key, (int)level, what, clock_mono_ms(), ret_repeated);
    atomic_store(&spacing.due_ms, log_spacing_due_ms(&spacing.table));
    (void)pthread_mutex_unlock(&spacing.lock);
    return is_in;
}

void log_write(enum log_level level, const char *what, const struct log_field *fields, size_t count)
{
    uint64_t repeated = 0;

    if (level > LOG_LEVEL_WARNING || is_admitted(level, what, fields, count, &repeated))
        put(level, what, fields, count, repeated);
}

static bool take_due(bool all, struct log_spacing_due *ret)
{
    bool is_there;

    (void)pthread_mutex_lock(&spacing.lock);
    is_there = log_spacing_next(&spacing.table, clock_mono_ms(), all, ret);
    atomic_store(&spacing.due_ms, log_spacing_due_ms(&spacing.table));
    (void)pthread_mutex_unlock(&spacing.lock);
    return is_there;
}

static void tell_held(bool all)
{
    struct log_spacing_due due;

    while (take_due(all, &due))
        put((enum log_level)due.level, due.what, NULL, 0, due.held);
}

void log_hold(struct log_lines *lines)
{
    if (held_lines)
        write_lines(held_lines);
    held_lines = lines;
    if (lines)
        lines->len = lines->is_full = 0;
}

int64_t log_flush(void)
{
    int64_t now_ms = clock_mono_ms(), left_ms;

    if (atomic_load_explicit(&spacing.due_ms, memory_order_relaxed) <= now_ms)
        tell_held(false);
    if (!held_lines || held_lines->len == 0)
        return INT64_MAX;
    left_ms = held_lines->since_ms + LOG_LINGER_MS - now_ms;
    if (left_ms > 0)
        return left_ms;
    write_lines(held_lines);
    return INT64_MAX;
}

void log_finish(void)
{
    tell_held(true);
}
