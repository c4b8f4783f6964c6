/* Options out of one table: each row is a flag, an environment variable and a line of an INI file, in that order of
 * precedence, and also a line of `--help` and of the settings page. Rows are checked when they are read, and a message
 * says which of the three places a bad value came from.
 *
 * A secret never stands on a command line, which is public to the machine: it may come from the file that NAME_FILE
 * names, or, where its row has a flag, from the file that this flag or INI line names. */
#ifndef HERALD_COMMON_OPTIONS_H
#define HERALD_COMMON_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/reason.h"

enum option_kind {
    OPTION_TEXT,     /* char *, NULL when absent */
    OPTION_SECRET,   /* char *, never printed */
    OPTION_NUMBER,   /* int64_t within min..max */
    OPTION_DURATION, /* int64_t in ms; `500ms`, `15s`, `2m`, `24h`, `7d` */
    OPTION_RATE,     /* struct rate; `300/60s` or `unlimited` */
    OPTION_SWITCH,   /* bool; a flag without a value, `true` or `false` elsewhere */
};

struct rate {
    int64_t limit;     /* 0: unlimited */
    int64_t window_ms; /* at most `limit` in any so many ms */
};

struct option {
    const char *flag; /* also the key in an INI file; NULL: neither */
    const char *env;  /* NULL: none */
    enum option_kind kind;
    size_t offset; /* of the value in the target struct */
    const char *fallback;
    int64_t min, max;    /* of numbers, and of durations in ms */
    const char *choices; /* `a|b|c`; NULL: any */
    const char *value;   /* what help calls the value: `N`, `FILE` */
    const char *help;
    unsigned programs; /* which programs have it; 0: all */
    bool has_file;     /* NAME_FILE may name a file with the value, as of every secret */
};

struct option_set {
    const char *title; /* the heading in --help */
    const struct option *rows;
    size_t count;
    void *target;
    unsigned program; /* rows of other programs are skipped */
};

#define OPTIONS_MAX_WORDS 4096 /* the daily files of ten years */

struct option_words {
    const char *words[OPTIONS_MAX_WORDS]; /* what is left of the command line; borrowed from argv */
    size_t count;
    bool wants_help;
    bool wants_version;
};

/* Fills the targets (which the caller has zeroed) from defaults, the INI file (`--config` or HERALD_CONFIG), the
 * environment and the command line. ERR_INVALID with a reason; the targets are to be cleared in any case. */
int options_load(const struct option_set *sets, size_t count, int argc, char *const *argv, struct option_words *ret,
                 struct reason *why);
void options_clear(const struct option_set *sets, size_t count); /* frees texts, wipes secrets */

void options_help(FILE *out, const struct option_set *sets, size_t count);
void options_markdown(FILE *out, const struct option_set *sets, size_t count);
void options_show(FILE *out, const struct option_set *sets, size_t count); /* values in force; secrets as `(set)` */

/* The value formats, for others who read them. */
bool duration_parse(const char *text, int64_t *ret_ms);
bool rate_parse(const char *text, struct rate *ret);

#endif
