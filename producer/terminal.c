#include "producer/terminal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"

#define BAR_CELLS    30
#define DRAW_EACH_MS 100
#define CELL_SIZE    160 /* of a table; longer labels and values are cut */

bool terminal_is_one(FILE *out)
{
    return isatty(fileno(out)) == 1;
}

const char *terminal_paint(FILE *out, enum paint paint)
{
    static const char *const codes[] = {
        [PAINT_PLAIN] = "\033[0m", [PAINT_BOLD] = "\033[1m",   [PAINT_DIM] = "\033[2m",
        [PAINT_RED] = "\033[31m",  [PAINT_GREEN] = "\033[32m", [PAINT_YELLOW] = "\033[33m",
    };
    const char *no_color = getenv("NO_COLOR");

    return terminal_is_one(out) && (!no_color || !*no_color) ? codes[paint] : "";
}

void terminal_heading(FILE *out, const char *text)
{
    char clean[CELL_SIZE];

    (void)fprintf(out, "%s%s%s\n", terminal_paint(out, PAINT_BOLD), terminal_clean(text, clean, sizeof(clean)),
                  terminal_paint(out, PAINT_PLAIN));
}

void terminal_row(FILE *out, const char *label, const char *value)
{
    char clean_label[CELL_SIZE], clean_value[CELL_SIZE];

    (void)fprintf(out, "  %-28s %12s\n", terminal_clean(label, clean_label, sizeof(clean_label)),
                  terminal_clean(value, clean_value, sizeof(clean_value)));
}

void terminal_row_number(FILE *out, const char *label, int64_t number)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%" PRId64, number);
    terminal_row(out, label, text);
}

/* How many bytes at `at` are a control character: C0, DEL, or C1 (U+0080 to U+009F), with which terminals that read
 * UTF-8 begin a sequence just as they do with ESC [. 0: none. */
static size_t control_length(const char *at)
{
    unsigned char first = (unsigned char)at[0], second = first ? (unsigned char)at[1] : 0;

    if (first < ' ' || first == 0x7f)
        return 1;
    return first == 0xc2 && second >= 0x80 && second <= 0x9f ? 2 : 0;
}

const char *terminal_clean(const char *text, char *out, size_t size)
{
    size_t len = 0;

    while (*text && len + 1 < size) {
        size_t control = control_length(text);

        out[len++] = control ? '?' : *text;
        text += control ? control : 1;
    }
    out[len] = '\0';
    return out;
}

void terminal_text(FILE *out, const char *text)
{
    while (*text) {
        size_t control = *text == '\n' ? 0 : control_length(text);

        (void)fputc(control ? '?' : *text, out);
        text += control ? control : 1;
    }
}

void progress_begin(struct progress *progress, const char *what, bool is_wanted)
{
    *progress = (struct progress){
        .what = what,
        .is_shown = is_wanted && terminal_is_one(stderr),
        .started_ms = clock_mono_ms(),
    };
}

/* `12s`, `3m 05s`, `2h 07m`. */
static void format_left(int64_t seconds, char *out, size_t size)
{
    if (seconds >= 3600)
        (void)snprintf(out, size, "%" PRId64 "h %02" PRId64 "m", seconds / 3600, seconds / 60 % 60);
    else if (seconds >= 60)
        (void)snprintf(out, size, "%" PRId64 "m %02" PRId64 "s", seconds / 60, seconds % 60);
    else
        (void)snprintf(out, size, "%" PRId64 "s", seconds);
}

static void draw(const struct progress *progress, uint64_t done, uint64_t total, uint64_t items, int64_t elapsed_ms)
{
    double share = total > 0 ? (double)done / (double)total : 0;
    double rate = elapsed_ms > 0 ? (double)items * 1000 / (double)elapsed_ms : 0;
    int cells = (int)(share * BAR_CELLS);
    char left[32] = "";

    if (total == 0) {
        (void)fprintf(stderr, "\r\033[K%s  %" PRIu64 "  %.0f/s", progress->what, items, rate);
        return;
    }
    if (done > 0)
        format_left((int64_t)((double)elapsed_ms / 1000 * (1 - share) / share), left, sizeof(left));
    (void)fprintf(stderr, "\r\033[K%s  [%.*s%*s] %3.0f%%  %" PRIu64 "  %.0f/s  %s%s", progress->what, cells,
                  "##############################", BAR_CELLS - cells, "", share * 100, items, rate, left,
                  left[0] ? " left" : "");
}

void progress_update(struct progress *progress, uint64_t done, uint64_t total, uint64_t items)
{
    int64_t now_ms;

    if (!progress->is_shown)
        return;
    now_ms = clock_mono_ms();
    if (now_ms - progress->drawn_ms < DRAW_EACH_MS)
        return;
    progress->drawn_ms = now_ms;
    draw(progress, done > total && total > 0 ? total : done, total, items, now_ms - progress->started_ms);
    (void)fflush(stderr);
}

void progress_end(struct progress *progress)
{
    if (progress->is_shown && progress->drawn_ms > 0)
        (void)fprintf(stderr, "\r\033[K");
    progress->is_shown = false;
}
