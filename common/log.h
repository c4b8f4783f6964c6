/* The log: one event a line, `key=value` (logfmt) or a JSON object, to standard error. Never a token, a credential or a
 * text of a message; addresses only masked. A line is one write, or one of several whole lines of at most 4 KiB, so
 * lines of several threads and programs do not mix. Severities mean: error = a person must act; warning = it is being
 * handled, know of it; info = normal. Errors and warnings that repeat are spaced out and counted (`repeated`): see
 * log_spacing.h. Two are the same when they differ in numbers only, or in what LOG_ONE names. */
#ifndef HERALD_COMMON_LOG_H
#define HERALD_COMMON_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_LINES_MAX 4096 /* bytes; a pipe takes so many at once without mixing them with others' */

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

struct log_field {
    const char *key;
    const char *text; /* NULL: the number counts */
    int64_t number;
    bool is_optional; /* left out when its text is empty */
    bool is_one;      /* names one of many, such as an id: a line that differs in it is a repetition */
};

#define LOG_TEXT(k, v)   ((struct log_field){.key = (k), .text = (v)})
#define LOG_IF_ANY(k, v) ((struct log_field){.key = (k), .text = (v), .is_optional = true})
#define LOG_ONE(k, v)    ((struct log_field){.key = (k), .text = (v), .is_one = true})
#define LOG_NUMBER(k, v) ((struct log_field){.key = (k), .number = (v)})

#define log_event(level, what, ...)                                                                                    \
    do {                                                                                                               \
        if (log_is_on(level)) {                                                                                        \
            const struct log_field log_fields_[] = {__VA_ARGS__};                                                      \
            log_write((level), (what), log_fields_, sizeof(log_fields_) / sizeof(log_fields_[0]));                     \
        }                                                                                                              \
    } while (0)
#define log_error(...)   log_event(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_event(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_event(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_event(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* Once, before any thread: `level` and `format` are the texts of the settings, already checked. */
void log_init(const char *program, const char *level, const char *format);
void log_set_level(const char *level); /* any time */
bool log_is_on(enum log_level level);
const char *log_level_name(enum log_level level);
uint64_t log_lines(enum log_level level); /* written so far */
void log_write(enum log_level level, const char *what, const struct log_field *fields,
               size_t count); /* static `what` */

/* A thread that writes many lines lets them wait in `lines`, which is its own, until there are 4 KiB, LOG_LINGER_MS
 * have passed, or an error or a warning comes: one write for a dozen. A program that is killed loses what waits. NULL:
 * no more; what waits is written. */
#define LOG_LINGER_MS 25
struct log_lines {
    size_t len;
    bool is_full; /* something did not fit */
    int64_t since_ms;
    char data[LOG_LINES_MAX];
};
void log_hold(struct log_lines *lines);
/* Once in each turn of a loop: writes what has waited for long enough, and what spacing has held back. Returns for how
 * long the rest may wait, ms; INT64_MAX: there is none. */
int64_t log_flush(void);
void log_finish(void); /* at the end: all that is held back */

#endif
