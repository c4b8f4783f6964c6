#include "common/options.h"

#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "common/nearest.h"
#include "common/option_value.h"

#define SECRET_FILE_MAX 4096

static bool is_here(const struct option_set *set, const struct option *row)
{
    return row->programs == 0 || (row->programs & set->program) != 0;
}

struct target {
    const struct option *row;
    void *into;
};

/* The row with this flag and where its value goes; row is NULL when there is none. */
static struct target find_flag(const struct option_set *sets, size_t count, const char *flag, size_t len)
{
    for (size_t s = 0; s < count; s++) {
        for (size_t i = 0; i < sets[s].count; i++) {
            const struct option *row = &sets[s].rows[i];

            if (row->flag && is_here(&sets[s], row) && strlen(row->flag) == len && memcmp(row->flag, flag, len) == 0)
                return (struct target){row, sets[s].target};
        }
    }
    return (struct target){NULL, NULL};
}

/* No such flag; which one may have been meant. */
static void refuse_flag(const struct option_set *sets, size_t count, struct span flag, struct reason *why)
{
    struct nearest nearest = {.word = flag};

    for (size_t s = 0; s < count; s++) {
        for (size_t i = 0; i < sets[s].count; i++) {
            if (sets[s].rows[i].flag && is_here(&sets[s], &sets[s].rows[i]))
                nearest_look_at(&nearest, sets[s].rows[i].flag);
        }
    }
    if (nearest.name)
        reason_set(why, "--%.*s is not an option here; did you mean --%s?", (int)flag.len, flag.data, nearest.name);
    else
        reason_set(why, "--%.*s is not an option here; see --help", (int)(flag.len < 60 ? flag.len : 60), flag.data);
}

/* Sets one value; a failure says where the bad value stands. */
static int set_from(struct target t, const char *text, const char *place, const char *name, struct reason *why)
{
    struct reason detail = {""};
    int rc = option_set_value(t.row, t.into, text, &detail);

    if (rc != 0)
        reason_set(why, "%s%s: %s", place, name, detail.text);
    return rc;
}

static int read_secret_file(const char *path, char out[SECRET_FILE_MAX], struct reason *why)
{
    FILE *file = fopen(path, "re");
    size_t len = file ? fread(out, 1, SECRET_FILE_MAX, file) : 0;
    int failure = !file || ferror(file) ? errno : 0; /* of a folder, which container systems make of a missing file */

    if (file)
        (void)fclose(file); /* only read */
    if (failure) {
        reason_set(why, "cannot read %.200s: %s", path, strerror(failure));
        return ERR_INVALID;
    }
    if (len == SECRET_FILE_MAX) {
        reason_set(why, "%s has more than %d bytes", path, SECRET_FILE_MAX - 1);
        return ERR_INVALID;
    }
    while (len > 0 && (out[len - 1] == '\n' || out[len - 1] == '\r'))
        len--;
    out[len] = '\0';
    if (strspn(out, " \t\r\n") == len || strlen(out) != len) {
        reason_set(why, "%s %s", path, strlen(out) == len ? "is empty" : "has a NUL byte in it");
        return ERR_INVALID;
    }
    return 0;
}

/* The same out of a file. */
static int set_from_file(struct target t, const char *path, const char *place, const char *name, struct reason *why)
{
    char text[SECRET_FILE_MAX];
    struct reason detail = {""};
    int rc = read_secret_file(path, text, &detail);

    if (rc == 0)
        rc = option_set_value(t.row, t.into, text, &detail);
    explicit_bzero(text, sizeof(text));
    if (rc != 0)
        reason_set(why, "%s%s: %s", place, name, detail.text);
    return rc;
}

/* A flag or an INI line names the file of a secret; of anything else it is the value. */
static int set_from_word(struct target t, const char *word, const char *place, const char *name, struct reason *why)
{
    bool is_file = t.row->kind == OPTION_SECRET && t.row->flag;

    return (is_file ? set_from_file : set_from)(t, word, place, name, why);
}

static int apply_defaults(const struct option_set *sets, size_t count, struct reason *why)
{
    for (size_t s = 0; s < count; s++) {
        for (size_t i = 0; i < sets[s].count; i++) {
            const struct option *row = &sets[s].rows[i];
            struct target t = {row, sets[s].target};

            if (row->fallback && set_from(t, row->fallback, "default of ", row->flag ? row->flag : row->env, why) != 0)
                return ERR_INVALID;
        }
    }
    return 0;
}

struct ini_context {
    const struct option_set *sets;
    size_t count;
    struct reason *why;
    FILE *file;
    int line;        /* being read */
    int failed_line; /* of the first value that was refused, 0: none; `why` is about that one */
};

static char *read_ini_line(char *out, int size, void *stream)
{
    struct ini_context *context = stream;

    context->line++;
    return fgets(out, size, context->file);
}

static int set_from_ini(struct ini_context *context, const char *name, const char *value)
{
    struct target t;

    for (size_t s = 0; s < context->count; s++) {
        for (size_t i = 0; i < context->sets[s].count; i++) {
            const struct option *row = &context->sets[s].rows[i];
            const char *key = row->flag ? row->flag : row->env;

            if (key && strcmp(key, name) == 0) {
                t = (struct target){row, context->sets[s].target};
                return set_from_word(t, value, "", name, context->why);
            }
        }
    }
    reason_set(context->why, "`%.60s` is not a setting; see --help for the names", name);
    return ERR_INVALID;
}

/* inih goes on after a bad line; only the first is told. */
static int on_ini_line(void *user, const char *section, const char *name, const char *value)
{
    struct ini_context *context = user;

    if (*section != '\0' && strcmp(section, "herald") != 0)
        return 1; /* another program's part of a shared file */
    if (context->failed_line != 0)
        return 0;
    if (set_from_ini(context, name, value) == 0)
        return 1;
    context->failed_line = context->line;
    return 0;
}

static int apply_ini(const struct option_set *sets, size_t count, const char *path, struct reason *why)
{
    struct reason detail = {""};
    struct ini_context context = {.sets = sets, .count = count, .why = &detail, .file = fopen(path, "re")};
    int line;

    if (!context.file) {
        reason_set(why, "cannot read the settings file %s", path);
        return ERR_INVALID;
    }
    line = ini_parse_stream(read_ini_line, &context, on_ini_line, &context);
    if (line == 0 && ferror(context.file))
        line = context.line;
    (void)fclose(context.file); /* only read */
    if (line == 0)
        return 0;
    reason_set(why, "%s, line %d: %s", path, line,
               line == context.failed_line ? detail.text : "not a line of the form `name = value`");
    return ERR_INVALID;
}

static int apply_secret_file(struct target t, struct reason *why)
{
    char name[96];
    const char *path;

    (void)snprintf(name, sizeof(name), "%s_FILE", t.row->env);
    path = getenv(name);
    return path && *path ? set_from_file(t, path, "environment variable ", name, why) : 0;
}

static int apply_environment(const struct option_set *sets, size_t count, struct reason *why)
{
    for (size_t s = 0; s < count; s++) {
        for (size_t i = 0; i < sets[s].count; i++) {
            struct target t = {&sets[s].rows[i], sets[s].target};
            const char *text = t.row->env && is_here(&sets[s], t.row) ? getenv(t.row->env) : NULL;

            if (!t.row->env || !is_here(&sets[s], t.row))
                continue;
            if ((t.row->kind == OPTION_SECRET || t.row->has_file) && apply_secret_file(t, why) != 0)
                return ERR_INVALID;
            if (text && *text && set_from(t, text, "environment variable ", t.row->env, why) != 0)
                return ERR_INVALID;
        }
    }
    return 0;
}

/* One `--flag value`, `--flag=value` or `--switch`; moves *at past what it used. */
static int apply_flag(const struct option_set *sets, size_t count, int argc, char *const *argv, int *at,
                      struct reason *why)
{
    const char *word = argv[*at] + 2;
    const char *equals = strchr(word, '=');
    size_t len = equals ? (size_t)(equals - word) : strlen(word);
    struct target t = find_flag(sets, count, word, len);
    const char *value = equals ? equals + 1 : NULL;

    if (len == strlen("config") && strncmp(word, "config", len) == 0) { /* read before all others */
        *at += equals ? 0 : 1;
        if (*at < argc)
            return 0;
        reason_set(why, "--config wants a value (FILE)");
        return ERR_INVALID;
    }
    if (!t.row) {
        refuse_flag(sets, count, (struct span){word, len}, why);
        return ERR_INVALID;
    }
    if (t.row->kind == OPTION_SWITCH && !value)
        value = "true";
    if (!value && *at + 1 < argc)
        value = argv[++*at];
    if (!value) {
        reason_set(why, "--%s wants a value (%s)", t.row->flag, t.row->value);
        return ERR_INVALID;
    }
    return set_from_word(t, value, "--", t.row->flag, why);
}

static int apply_command_line(const struct option_set *sets, size_t count, int argc, char *const *argv,
                              struct option_words *ret, struct reason *why)
{
    bool only_words = false;

    for (int i = 0; i < argc; i++) {
        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;
        } else if (!only_words && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
            ret->wants_help = true;
        } else if (!only_words && strcmp(argv[i], "--version") == 0) {
            ret->wants_version = true;
        } else if (!only_words && strncmp(argv[i], "--", 2) == 0) {
            if (apply_flag(sets, count, argc, argv, &i, why) != 0)
                return ERR_INVALID;
        } else if (!only_words && argv[i][0] == '-' && argv[i][1] != '\0') {
            reason_set(why, "%.60s is not an option here; see --help", argv[i]);
            return ERR_INVALID;
        } else if (ret->count == OPTIONS_MAX_WORDS) {
            reason_set(why, "too many words on the command line");
            return ERR_INVALID;
        } else {
            ret->words[ret->count++] = argv[i];
        }
    }
    return 0;
}

static const char *config_path(int argc, char *const *argv)
{
    const char *path = getenv("HERALD_CONFIG");

    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], "--config=", 9) == 0)
            path = argv[i] + 9;
        else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
            path = argv[i + 1];
    }
    return path && *path ? path : NULL;
}

int options_load(const struct option_set *sets, size_t count, int argc, char *const *argv, struct option_words *ret,
                 struct reason *why)
{
    const char *path = config_path(argc, argv);

    *ret = (struct option_words){.count = 0};
    if (apply_defaults(sets, count, why) != 0)
        return ERR_INVALID;
    if (path && apply_ini(sets, count, path, why) != 0)
        return ERR_INVALID;
    if (apply_environment(sets, count, why) != 0)
        return ERR_INVALID;
    return apply_command_line(sets, count, argc, argv, ret, why);
}

void options_clear(const struct option_set *sets, size_t count)
{
    for (size_t s = 0; s < count; s++) {
        for (size_t i = 0; i < sets[s].count; i++)
            option_clear_value(&sets[s].rows[i], sets[s].target);
    }
}
