#include "producer/tally.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/mem.h"
#include "producer/terminal.h"

#define JSON_MAX ((size_t)4 << 20)

void tally_clear(struct tally *tally)
{
    for (size_t i = 0; i < tally->language_count; i++) {
        for (size_t e = 0; e < TALLY_EXAMPLES; e++)
            free(tally->languages[i].examples[e].text);
    }
    *tally = (struct tally){.rows = 0};
}

void tally_refused(struct tally *tally, const char *code)
{
    size_t i = 0;

    tally->refused++;
    while (i < tally->reason_count && strcmp(tally->reasons[i].code, code) != 0)
        i++;
    if (i == TALLY_REASONS_MAX)
        return; /* there are fewer codes than that; the total counts anyway */
    if (i == tally->reason_count)
        tally->reasons[tally->reason_count++].code = code;
    tally->reasons[i].count++;
}

void tally_language(struct tally *tally, const char *tag, struct span to, struct span text)
{
    struct tally_language *language;
    size_t i = 0;

    while (i < tally->language_count && strcmp(tally->languages[i].tag, tag) != 0)
        i++;
    if (i == TALLY_LANGUAGES_MAX)
        return;
    if (i == tally->language_count)
        tally->languages[tally->language_count++].tag = tag;
    language = &tally->languages[i];
    if (language->count < TALLY_EXAMPLES) {
        struct tally_example *example = &language->examples[language->count];

        (void)mask_address(to, example->to); /* returns its argument */
        example->text = mem_copy(text.data ? text.data : "", text.len);
    }
    language->count++;
}

void tally_sms(struct tally *tally, const struct sms_cost *cost)
{
    switch (cost->encoding) {
    case SMS_GSM7:
        tally->gsm7++;
        break;
    case SMS_UCS2:
        tally->ucs2++;
        break;
    }
    tally->segments += cost->segments;
}

static double rows_per_second(const struct tally *tally)
{
    return tally->elapsed_ms > 0 ? (double)tally->rows * 1000 / (double)tally->elapsed_ms : 0;
}

static void print_examples(FILE *out, const struct tally *tally)
{
    for (size_t i = 0; i < tally->language_count; i++) {
        const struct tally_language *language = &tally->languages[i];

        (void)fprintf(out, "\n");
        terminal_heading(out, language->tag);
        for (size_t e = 0; e < TALLY_EXAMPLES && language->examples[e].text; e++) {
            (void)fprintf(out, "  to %s\n    ", language->examples[e].to);
            terminal_text(out, language->examples[e].text);
            (void)fputc('\n', out);
        }
    }
}

void tally_print(FILE *out, const struct tally *tally, const struct tally_about *about)
{
    char line[96];

    (void)snprintf(line, sizeof(line), "%s%s%s", about->is_dry_run ? "Dry run, nothing enqueued" : "Enqueued",
                   about->campaign ? ": campaign " : "", about->campaign ? about->campaign : "");
    terminal_heading(out, line);
    terminal_row_number(out, "rows", (int64_t)tally->rows);
    if (about->is_dry_run) {
        terminal_row_number(out, "would be sent", (int64_t)tally->valid);
    } else {
        terminal_row_number(out, "accepted", (int64_t)tally->accepted);
        terminal_row_number(out, "accepted before", (int64_t)tally->duplicates);
    }
    terminal_row_number(out, about->is_dry_run ? "would be refused" : "refused", (int64_t)tally->refused);
    for (size_t i = 0; i < tally->reason_count; i++) {
        (void)snprintf(line, sizeof(line), "  %s", tally->reasons[i].code);
        terminal_row_number(out, line, (int64_t)tally->reasons[i].count);
    }
    for (size_t i = 0; i < tally->language_count; i++) {
        (void)snprintf(line, sizeof(line), "in %.40s", tally->languages[i].tag);
        terminal_row_number(out, line, (int64_t)tally->languages[i].count);
    }
    if (about->has_sms) {
        terminal_row_number(out, "SMS segments", (int64_t)tally->segments);
        terminal_row_number(out, "  texts in GSM-7", (int64_t)tally->gsm7);
        terminal_row_number(out, "  texts in UCS-2", (int64_t)tally->ucs2);
    }
    (void)snprintf(line, sizeof(line), "%.2f s", (double)tally->elapsed_ms / 1000);
    terminal_row(out, "time", line);
    (void)snprintf(line, sizeof(line), "%.0f/s", rows_per_second(tally));
    terminal_row(out, "rate", line);
    if (about->rejects_path && tally->refused > 0) {
        (void)fprintf(out, "  refused rows, with line, column and reason, are in ");
        terminal_text(out, about->rejects_path);
        (void)fputc('\n', out);
    }
    if (about->is_dry_run)
        print_examples(out, tally);
}

/* Examples may be long: what is written so far goes out, so that no bound ever cuts the JSON in two. */
static void flush_json(FILE *out, struct buf *json)
{
    if (!out)
        return;
    (void)fwrite(buf_str(json), 1, json->len, out); /* main looks at the stream's state at the end */
    buf_reset(json);
}

static void add_languages(FILE *out, struct buf *json, const struct tally *tally, bool with_examples)
{
    for (size_t i = 0; i < tally->language_count; i++) {
        const struct tally_language *language = &tally->languages[i];

        buf_text(json, i ? "," : "");
        buf_json_text(json, language->tag);
        buf_printf(json, ":{\"count\":%" PRIu64, language->count);
        if (with_examples) {
            buf_text(json, ",\"examples\":[");
            for (size_t e = 0; e < TALLY_EXAMPLES && language->examples[e].text; e++) {
                buf_text(json, e ? ",{\"to\":" : "{\"to\":");
                buf_json_text(json, language->examples[e].to);
                buf_text(json, ",\"text\":");
                buf_json_text(json, language->examples[e].text);
                buf_char(json, '}');
                flush_json(out, json);
            }
            buf_char(json, ']');
        }
        buf_char(json, '}');
    }
}

/* With examples when there is somewhere to write them to as they come. */
static void write_members(FILE *out, struct buf *json, const struct tally *tally, const struct tally_about *about)
{
    buf_text(json, "\"campaign\":");
    buf_json_text(json, about->campaign);
    buf_printf(json, ",\"dry_run\":%s,\"rows\":%" PRIu64 ",\"valid\":%" PRIu64, about->is_dry_run ? "true" : "false",
               tally->rows, tally->valid);
    if (!about->is_dry_run)
        buf_printf(json, ",\"accepted\":%" PRIu64 ",\"duplicates\":%" PRIu64, tally->accepted, tally->duplicates);
    buf_printf(json, ",\"refused\":%" PRIu64 ",\"reasons\":{", tally->refused);
    for (size_t i = 0; i < tally->reason_count; i++)
        buf_printf(json, "%s\"%s\":%" PRIu64, i ? "," : "", tally->reasons[i].code, tally->reasons[i].count);
    buf_text(json, "},\"languages\":{");
    add_languages(out, json, tally, out && about->is_dry_run);
    buf_char(json, '}');
    if (about->has_sms)
        buf_printf(json, ",\"sms\":{\"segments\":%" PRIu64 ",\"gsm7\":%" PRIu64 ",\"ucs2\":%" PRIu64 "}",
                   tally->segments, tally->gsm7, tally->ucs2);
    buf_text(json, ",\"rejects_file\":");
    buf_json_text(json, tally->refused > 0 ? about->rejects_path : NULL);
    buf_printf(json, ",\"seconds\":%.3f,\"rows_per_second\":%.0f", (double)tally->elapsed_ms / 1000,
               rows_per_second(tally));
}

void tally_write_json(const struct tally *tally, const struct tally_about *about, struct buf *out)
{
    write_members(NULL, out, tally, about);
}

void tally_print_json(FILE *out, const struct tally *tally, const struct tally_about *about)
{
    struct buf json;

    buf_init(&json, JSON_MAX);
    buf_char(&json, '{');
    write_members(out, &json, tally, about);
    buf_text(&json, "}\n");
    flush_json(out, &json);
    buf_clear(&json);
}
