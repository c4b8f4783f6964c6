/* What the option table says of itself: --help, the settings page, the values in force. */
#include <string.h>

#include "common/option_value.h"
#include "common/options.h"

static bool is_here(const struct option_set *set, const struct option *row)
{
    return row->programs == 0 || (row->programs & set->program) != 0;
}

static void print_row_help(FILE *out, const struct option *row)
{
    char left[64];

    if (row->flag)
        (void)snprintf(left, sizeof(left), "--%s%s%s", row->flag, row->value ? " " : "", row->value ? row->value : "");
    else
        (void)snprintf(left, sizeof(left), "(environment only)");
    (void)fprintf(out, "  %-26s %s", left, row->help);
    if (row->fallback)
        (void)fprintf(out, " [%s]", row->fallback);
    if (row->env)
        (void)fprintf(out, "\n  %-26s %s%s", "", row->env,
                      row->kind == OPTION_SECRET || row->has_file ? " (or its _FILE)" : "");
    (void)fputc('\n', out);
}

void options_help(FILE *out, const struct option_set *sets, size_t count)
{
    for (size_t s = 0; s < count; s++) {
        (void)fprintf(out, "\n%s:\n", sets[s].title);
        for (size_t i = 0; i < sets[s].count; i++) {
            if (is_here(&sets[s], &sets[s].rows[i]))
                print_row_help(out, &sets[s].rows[i]);
        }
    }
    (void)fprintf(
        out,
        "\nEvery setting can also be a line `name = value` of the file that --config or HERALD_CONFIG names; a flag\n"
        "goes before the environment, which goes before the file. --version, --help.\n");
}

void options_markdown(FILE *out, const struct option_set *sets, size_t count)
{
    for (size_t s = 0; s < count; s++) {
        (void)fprintf(
            out, "\n## %s\n\n| flag and INI name | environment | default | what it does |\n| --- | --- | --- | --- |\n",
            sets[s].title);
        for (size_t i = 0; i < sets[s].count; i++) {
            const struct option *row = &sets[s].rows[i];

            (void)fprintf(out, "| %s%s%s%s%s | %s%s%s | %s | %s |\n", row->flag ? "`--" : "",
                          row->flag ? row->flag : "", row->flag && row->value ? " " : "",
                          row->flag && row->value ? row->value : "", row->flag ? "`" : "(none)", row->env ? "`" : "",
                          row->env ? row->env : "", row->env ? "`" : "",
                          row->fallback && *row->fallback ? row->fallback : "", row->help);
        }
    }
}

void options_show(FILE *out, const struct option_set *sets, size_t count)
{
    for (size_t s = 0; s < count; s++) {
        for (size_t i = 0; i < sets[s].count; i++) {
            const struct option *row = &sets[s].rows[i];
            char value[256];

            (void)fprintf(out, "%-24s %s\n", row->flag ? row->flag : row->env,
                          option_show_value(row, sets[s].target, value, sizeof(value)));
        }
    }
}
