/* herald dead show: all that is known of one dead letter, attempt by attempt. */
#include <inttypes.h>
#include <string.h>

#include "common/json_span.h"
#include "common/mask.h"
#include "common/timestamp.h"
#include "producer/command.h"
#include "producer/dead_walk.h"
#include "producer/terminal.h"

struct options {
    bool is_json;
};

static const struct option rows[] = {
    {"json", NULL, OPTION_SWITCH, .offset = offsetof(struct options, is_json),
     .help = "the whole document as it is kept, address and text included"},
};

static int64_t number_in(const struct json *object, const char *key)
{
    int64_t number = 0;

    return json_integer(json_get(object, key), &number) ? number : 0;
}

static const char *text_in(const struct json *object, const char *key)
{
    const char *text = json_get_text(object, key);

    return text ? text : "";
}

static void print_text(const char *label, const char *value)
{
    (void)printf("  %-16s ", label);
    terminal_text(stdout, value);
    (void)putchar('\n');
}

static void print_time(const char *label, int64_t ms)
{
    char time[TIMESTAMP_SIZE];

    if (ms > 0 && ms <= TIMESTAMP_MAX_MS)
        print_text(label, timestamp_format(ms, time));
}

static void print_some(const char *label, const char *value)
{
    if (*value)
        print_text(label, value);
}

static void print_attempt(size_t number, const struct json *entry)
{
    char time[TIMESTAMP_SIZE] = "?", status[24] = "no answer";
    int64_t at = number_in(entry, "at");

    if (at > 0 && at <= TIMESTAMP_MAX_MS)
        (void)timestamp_format(at, time);
    if (number_in(entry, "status") > 0)
        (void)snprintf(status, sizeof(status), "%" PRId64, number_in(entry, "status"));
    (void)printf("  %2zu  %-24s  %-9s  ", number, time, status);
    terminal_text(stdout, text_in(entry, "outcome"));
    (void)printf("  %" PRId64 " ms  ", number_in(entry, "latency_ms"));
    terminal_text(stdout, text_in(entry, "code"));
    if (json_is_true(json_get(entry, "unknown")))
        (void)printf("  %s(may have arrived)%s", terminal_paint(stdout, PAINT_YELLOW),
                     terminal_paint(stdout, PAINT_PLAIN));
    if (*text_in(entry, "correlation_id")) {
        (void)printf("\n      correlation id ");
        terminal_text(stdout, text_in(entry, "correlation_id"));
    }
    if (*text_in(entry, "message")) {
        (void)printf("\n      ");
        terminal_text(stdout, text_in(entry, "message"));
    }
    (void)putchar('\n');
}

static void print_history(const struct json *document, const struct json *own)
{
    const struct json *history = json_get(own, "history"), *last = json_get(document, "last");
    size_t count = json_count(history);

    terminal_heading(stdout, "Attempts");
    for (size_t i = 0; i < count; i++)
        print_attempt(i + 1, json_at(history, i));
    if (count == 0 && last)
        print_attempt(1, last);
    if (count == 0 && !last)
        (void)printf("  it was never tried\n");
}

static void print_letter(const struct store_letter *letter, const struct json *document)
{
    const struct json *envelope = json_get(document, "envelope"), *own = json_get(envelope, "herald");
    struct span address = dead_letter_address(envelope);
    char masked[MASK_SIZE], number[24];

    terminal_heading(stdout, "Dead letter");
    print_text("message", letter->id[0] ? letter->id : "(without an id)");
    print_text("ticket", letter->ticket);
    print_some("campaign", letter->campaign);
    print_text("reason", letter->reason);
    print_some("field", text_in(document, "field"));
    print_some("detail", text_in(document, "detail"));
    print_text("channel", letter->channel);
    if (address.data)
        print_text("to", mask_address(address, masked));
    print_time("accepted", number_in(own, "accepted_at"));
    print_time("replayed", number_in(own, "replayed_at"));
    print_time("died", number_in(document, "dead_at"));
    (void)snprintf(number, sizeof(number), "%" PRId64, number_in(document, "deaths"));
    if (number_in(document, "deaths") > 1)
        print_text("deaths", number);
    (void)snprintf(number, sizeof(number), "%" PRId64, number_in(document, "attempts"));
    print_text("attempts burnt", number);
    if (!envelope)
        print_text("envelope", "none: it was no JSON object; --json shows its bytes");
    print_history(document, own);
}

struct shown {
    const struct command_call *call;
    const struct store_letter *letter;
    int rc;
    struct reason *why;
};

static void print_document(struct span document)
{
    (void)fwrite(document.data, 1, document.len, stdout);
    (void)putchar('\n');
}

/* A document can be larger than a message may be, or no JSON: then what the index says is all that is shown. */
static void on_document(void *context, int rc, const struct span *documents, size_t count)
{
    struct shown *shown = context;
    const struct options *options = shown->call->options;
    struct json *json = NULL;

    if (rc != 0 || count != 1 || !documents[0].data) {
        reason_set(shown->why, rc != 0 ? "Redis refused to show it" : "somebody took it away a moment ago");
        shown->rc = rc != 0 ? ERR_STATE : ERR_INVALID;
        return;
    }
    if (options->is_json) {
        print_document(documents[0]);
        return;
    }
    (void)json_parse(&json, documents[0].data, documents[0].len, NULL);
    print_letter(shown->letter, json);
    json_free(json);
}

static enum exit_status run_command(const struct command_call *call)
{
    struct store *store = NULL;
    struct store_letter letter;
    struct reason why = {""};
    struct shown shown = {call, &letter, 0, &why};
    int rc;

    if (call->words->count != 1) {
        reason_set(&why, "which one? Give the message's id: herald dead show ID");
        return command_fail(ERR_INVALID, &why);
    }
    rc = command_open_store(call->settings, &store, &why);
    if (rc == 0)
        rc = store_dead_adopt(store, COMMAND_PATIENCE_MS, &why);
    if (rc == 0)
        rc = store_dead_find(store, call->words->words[0], &letter, COMMAND_PATIENCE_MS, &why);
    if (rc == 0) {
        store_dead_documents(store, &letter, 1, on_document, &shown);
        rc = store_finish(store, 0, COMMAND_PATIENCE_MS, &why);
    }
    if (rc == 0)
        rc = shown.rc;
    store_close(store);
    if (rc == ERR_INVALID) { /* there is no such letter: nothing wrong with how it was asked */
        (void)command_fail(rc, &why);
        return EXIT_FAILED;
    }
    return rc == 0 ? EXIT_DONE : command_fail(rc, &why);
}

const struct command command_dead_show = {
    .name = "dead show",
    .usage = "ID [OPTION]...",
    .summary = "the whole history of one dead letter",
    .help =
        "ID is the message's id, or the letter's ticket. The address is masked and the text left out; --json shows\n"
        "everything. When one id died more than once, the latest is shown.\n",
    .words_max = 1,
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .options_size = sizeof(struct options),
    .run = run_command,
};
