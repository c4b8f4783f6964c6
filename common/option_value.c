#include "common/option_value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

static const struct {
    const char *suffix;
    int64_t ms;
} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}, {"d", 24 * 3600 * 1000}};

static bool number_parse(const char *text, const char **ret_end, int64_t *ret)
{
    char *end;

    if ((text[0] < '0' || text[0] > '9') && text[0] != '-')
        return false;
    errno = 0;
    *ret = strtoll(text, &end, 10);
    *ret_end = end;
    return errno == 0 && end != text;
}

bool duration_parse(const char *text, int64_t *ret_ms)
{
    const char *suffix;
    int64_t number;

    if (!number_parse(text, &suffix, &number) || number < 0)
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(suffix, units[i].suffix) == 0 && number <= INT64_MAX / units[i].ms) {
            *ret_ms = number * units[i].ms;
            return true;
        }
    }
    return false;
}

bool rate_parse(const char *text, struct rate *ret)
{
    struct rate rate;
    const char *slash;

    if (strcmp(text, "unlimited") == 0) {
        *ret = (struct rate){0, 0};
        return true;
    }
    if (!number_parse(text, &slash, &rate.limit) || *slash != '/' || !duration_parse(slash + 1, &rate.window_ms))
        return false;
    if (rate.limit < 1 || rate.limit > 1000000 || rate.window_ms < 1 || rate.window_ms > 24 * 3600 * INT64_C(1000))
        return false;
    *ret = rate;
    return true;
}

static bool is_choice(const char *choices, const char *text)
{
    size_t len = strlen(text);

    if (strchr(text, '|')) /* two of them are not one */
        return false;
    for (const char *at = choices; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL) {
        if (strncmp(at, text, len) == 0 && (at[len] == '|' || at[len] == '\0'))
            return true;
    }
    return false;
}

static void *place(const struct option *row, void *target)
{
    return (char *)target + row->offset;
}

void option_clear_value(const struct option *row, void *target)
{
    char **text = place(row, target);

    if (row->kind != OPTION_TEXT && row->kind != OPTION_SECRET)
        return;
    if (*text && row->kind == OPTION_SECRET)
        explicit_bzero(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

static int set_text(const struct option *row, void *target, const char *text, struct reason *why)
{
    if (row->choices && !is_choice(row->choices, text)) {
        reason_set(why, "must be one of %s", row->choices);
        return ERR_INVALID;
    }
    option_clear_value(row, target);
    /* Emptied on purpose is not absent where there is a default: those who read it need not expect NULL. */
    *(char **)place(row, target) = *text || row->fallback ? mem_text(text) : NULL;
    return 0;
}

static int set_number(const struct option *row, void *target, const char *text, struct reason *why)
{
    const char *end;
    int64_t number;

    if (!number_parse(text, &end, &number) || *end != '\0' || number < row->min || number > row->max) {
        reason_set(why, "must be a whole number from %" PRId64 " to %" PRId64, row->min, row->max);
        return ERR_INVALID;
    }
    *(int64_t *)place(row, target) = number;
    return 0;
}

static int set_duration(const struct option *row, void *target, const char *text, struct reason *why)
{
    int64_t ms;

    if (!duration_parse(text, &ms) || ms < row->min || ms > row->max) {
        reason_set(why, "must be a duration such as 500ms, 15s, 2m, 24h or 7d, from %" PRId64 "ms to %" PRId64 "s",
                   row->min, row->max / 1000);
        return ERR_INVALID;
    }
    *(int64_t *)place(row, target) = ms;
    return 0;
}

static int set_switch(const struct option *row, void *target, const char *text, struct reason *why)
{
    if (!is_choice("true|false|1|0|yes|no", text)) {
        reason_set(why, "must be true or false");
        return ERR_INVALID;
    }
    *(bool *)place(row, target) = strchr("t1y", text[0]) != NULL;
    return 0;
}

int option_set_value(const struct option *row, void *target, const char *text, struct reason *why)
{
    switch (row->kind) {
    case OPTION_TEXT:
    case OPTION_SECRET:
        return set_text(row, target, text, why);
    case OPTION_NUMBER:
        return set_number(row, target, text, why);
    case OPTION_DURATION:
        return set_duration(row, target, text, why);
    case OPTION_SWITCH:
        return set_switch(row, target, text, why);
    case OPTION_RATE:
        if (rate_parse(text, place(row, target)))
            return 0;
        reason_set(why, "must be a rate such as 300/60s (at most 300 in any 60 seconds) or `unlimited`");
        return ERR_INVALID;
    }
    return ERR_INVALID;
}

static void show_duration(int64_t ms, char *out, size_t size)
{
    for (size_t i = sizeof(units) / sizeof(units[0]); i-- > 0;) {
        if (ms % units[i].ms == 0 && (ms >= units[i].ms || i == 0)) {
            (void)snprintf(out, size, "%" PRId64 "%s", ms / units[i].ms, units[i].suffix);
            return;
        }
    }
}

/* A URL may have a user and a password before its host. */
static void show_text(const char *text, char *out, size_t size)
{
    const char *start = strstr(text, "://"), *at = start ? strrchr(start, '@') : NULL;

    if (at)
        (void)snprintf(out, size, "%.*s***%s", (int)(start + 3 - text), text, at);
    else
        (void)snprintf(out, size, "%s", text);
}

const char *option_show_value(const struct option *row, const void *target, char *out, size_t size)
{
    const void *at = (const char *)target + row->offset;
    const struct rate *rate = at;

    switch (row->kind) {
    case OPTION_TEXT:
        show_text(*(char *const *)at ? *(char *const *)at : "", out, size);
        break;
    case OPTION_SECRET:
        (void)snprintf(out, size, "%s", *(char *const *)at ? "(set)" : "(not set)");
        break;
    case OPTION_NUMBER:
        (void)snprintf(out, size, "%" PRId64, *(const int64_t *)at);
        break;
    case OPTION_DURATION:
        show_duration(*(const int64_t *)at, out, size);
        break;
    case OPTION_SWITCH:
        (void)snprintf(out, size, "%s", *(const bool *)at ? "true" : "false");
        break;
    case OPTION_RATE:
        if (rate->limit == 0)
            (void)snprintf(out, size, "unlimited");
        else
            (void)snprintf(out, size, "%" PRId64 "/%" PRId64 "ms", rate->limit, rate->window_ms);
        break;
    }
    return out;
}
