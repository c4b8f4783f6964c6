/* The log: one event a line, the event first, then `key=value` (logfmt) or a JSON object, to standard error. Never a
 * token, a credential or a text of a message; addresses only masked. A line is one write, so lines of several threads
 * do not mix. Severities mean: error = a person must act; warning = it is being handled, know of it; info = normal. */
#ifndef HERALD_COMMON_LOG_H
#define HERALD_COMMON_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

struct log_field {
    const char *key;
    const char *text; /* NULL: the number counts */
    int64_t number;
    bool is_optional; /* left out when its text is empty */
};

#define LOG_TEXT(k, v)   ((struct log_field){.key = (k), .text = (v)})
#define LOG_IF_ANY(k, v) ((struct log_field){.key = (k), .text = (v), .is_optional = true})
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
void log_write(enum log_level level, const char *what, const struct log_field *fields, size_t count);

#endif
