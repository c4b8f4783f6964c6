/* herald reconcile: dead letters of unknown outcome that Genesys has sent after all become sent. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/timestamp.h"
#include "producer/command.h"
#include "producer/dead_walk.h"
#include "producer/provider.h"
#include "producer/reconcile_claims.h"
#include "producer/reconcile_match.h"
#include "producer/report_range.h"
#include "producer/terminal.h"
#include "producer/webhooks.h"

struct options {
    char *from, *to, *source, *reason;
    int64_t min_age_ms;
    bool is_dry_run, is_json;
};

static const struct option rows[] = {
    {"from", NULL, OPTION_TEXT, .offset = offsetof(struct options, from), .value = "TIME",
     .help = "letters whose attempts began no earlier: 2026-01-15T10:00:00Z, 2026-01-15 or 48h ago; else all"},
    {"to", NULL, OPTION_TEXT, .offset = offsetof(struct options, to), .value = "TIME",
     .help = "letters whose attempts had ended by then"},
    {"min-age", NULL, OPTION_DURATION, .offset = offsetof(struct options, min_age_ms), .fallback = "24h", .min = 0,
     .max = INT64_C(365) * 86400000, .value = "TIME",
     .help = "leave younger ones: other messages to the same person may still be tried again (--max-age)"},
    {"source", NULL, OPTION_TEXT, .offset = offsetof(struct options, source), .fallback = "genesys",
     .choices = "genesys|messages|analytics", .value = "WHICH",
     .help = "the tutorial's messages or else the real analytics; or that one"},
    {"reason", NULL, OPTION_TEXT, .offset = offsetof(struct options, reason), .fallback = "Genesys has sent it",
     .value = "TEXT", .help = "why, for the audit"},
    {"dry-run", NULL, OPTION_SWITCH, .offset = offsetof(struct options, is_dry_run),
     .help = "only say what would be done"},
    {"json", NULL, OPTION_SWITCH, .offset = offsetof(struct options, is_json), .help = "as JSON"},
};

#define LISTED_MAX 100 /* lines for people; --json has all */
#define JSON_MAX   ((size_t)64 << 20)

/* What became of one letter. */
enum fate { FATE_SETTLED, FATE_LEFT, FATE_YOUNG, FATE_OLD, FATE_CLAIMED, FATE_TAKEN, FATE_COUNT };

static const char *const fate_texts[FATE_COUNT] = {
    [FATE_SETTLED] = "settled as sent",
    [FATE_LEFT] = "left",
    [FATE_YOUNG] = "younger than --min-age: others to that person may still be tried again",
    [FATE_OLD] = "older than --keep: what else was sent then is not known any more",
    [FATE_CLAIMED] = "what Genesys has is another message of ours",
    [FATE_TAKEN] = "replayed, purged or settled by somebody meanwhile",
};

struct run {
    const struct command_call *call;
    const struct options *options;
    struct store *store;
    struct matcher matcher;
    struct claims claims;
    enum provider_api api;
    int64_t from_ms, to_ms, now_ms; /* of the letters that are looked at */
    int64_t seen;                   /* messages of Genesys */
    int64_t letters, settled;
    struct buf json; /* of each letter */
    int64_t listed;
};

/* --- letters --- */

static int read_letters(struct run *run, struct reason *why)
{
    struct dead_filter filter;
    struct dead_walk *walk = NULL;
    struct dead_batch batch = {.count = 1};
    struct progress progress;
    int rc = dead_filter_parse(
        &filter, "reason=outcome_unknown,attempts_exhausted,expired,rejected,forbidden,suppressed,origin_forbidden",
        clock_wall_ms(), why);

    if (rc == 0)
        rc = dead_walk_open(&walk, run->store, &filter, NULL, true, COMMAND_PATIENCE_MS, why);
    run->now_ms = rc == 0 ? dead_walk_now_ms(walk) : 0;
    progress_begin(&progress, "reading dead letters", true);
    while (rc == 0 && batch.count > 0) {
        rc = dead_walk_next(walk, &batch, why);
        for (size_t i = 0; rc == 0 && i < batch.count; i++)
            (void)matcher_add(&run->matcher, &batch.letters[i], batch.documents[i], &rc);
        progress_update(&progress, (uint64_t)dead_walk_seen(walk), (uint64_t)dead_walk_total(walk),
                        (uint64_t)dead_walk_seen(walk));
    }
    progress_end(&progress);
    if (rc == ERR_LIMIT)
        reason_set(why, "more than %d dead letters may have been sent: replay or purge some first", MATCH_LETTERS_MAX);
    if (rc != 0)
        store_drop(run->store);
    dead_walk_close(walk);
    dead_filter_clear(&filter);
    matcher_begin(&run->matcher);
    return rc;
}

/* Whether it is one to be looked for, and of the time that was asked for. */
static bool is_asked_for(const struct run *run, const struct match_letter *letter)
{
    return !letter->is_rival && letter->time.from_ms + MATCH_SLACK_MS >= run->from_ms &&
           letter->time.to_ms - MATCH_SLACK_MS <= run->to_ms;
}

static enum fate age_of(const struct run *run, const struct match_letter *letter)
{
    if (letter->time.to_ms - MATCH_SLACK_MS > run->now_ms - run->options->min_age_ms)
        return FATE_YOUNG;
    return letter->time.from_ms < run->now_ms - run->call->settings->keep_ms ? FATE_OLD : FATE_LEFT;
}

/* --- Genesys --- */

static bool see(void *context, const struct provider_message *message)
{
    struct run *run = context;

    run->seen++;
    matcher_see(&run->matcher, message);
    return true;
}

static int ask_genesys(struct run *run, struct reason *why)
{
    struct provider_reading reading = {
        .settings = run->call->settings, .store = run->store, .is_shown = true, .visit = see, .context = run};

    (void)provider_source_find(run->options->source, &reading.source); /* one of its choices */
    for (size_t i = 0; i < run->matcher.count; i++) {
        const struct match_letter *letter = run->matcher.letters[i];

        if (!is_asked_for(run, letter) || age_of(run, letter) != FATE_LEFT)
            continue;
        if (reading.to_ms == 0 || letter->time.from_ms < reading.from_ms)
            reading.from_ms = letter->time.from_ms;
        if (letter->time.to_ms + MATCH_AFTER_MS + 1 > reading.to_ms)
            reading.to_ms = letter->time.to_ms + MATCH_AFTER_MS + 1;
    }
    if (reading.to_ms == 0)
        return 0; /* there is nothing to ask */
    if (reading.to_ms > run->now_ms + MATCH_SLACK_MS)
        reading.to_ms = run->now_ms + MATCH_SLACK_MS;
    return provider_each(&reading, &run->api, why);
}

static int find_claims(struct run *run, struct reason *why)
{
    for (size_t i = 0; i < run->matcher.count; i++) {
        const struct match_letter *letter = run->matcher.letters[i];

        if (is_asked_for(run, letter) && age_of(run, letter) == FATE_LEFT &&
            matcher_verdict(&run->matcher, letter) == MATCH_FOUND)
            claims_add(&run->claims, &letter->sent);
    }
    return claims_look(&run->claims, run->store, run->now_ms, why);
}

/* --- settling --- */

static int settle(struct run *run, const struct match_letter *letter, const struct audit_by *by, enum fate *ret,
                  struct reason *why)
{
    const struct provider_message *sent = &letter->sent;
    const int64_t reached_ms = sent->delivery == DELIVERY_DELIVERED ? sent->delivered_ms
                               : sent->delivery == DELIVERY_READ    ? sent->read_ms
                               : sent->delivery == DELIVERY_FAILED  ? sent->failed_ms
                                                                    : 0;
    const struct store_settled_letter item = {
        .letter = &letter->letter,
        .template_name = letter->template_name,
        .person = letter->person,
        .provider_id = run->api == PROVIDER_MESSAGES ? sent->id : "",
        .conversation_id = sent->conversation_id,
        .sent_at_ms = sent->created_ms,
        .delivery = reached_ms > 0 ? delivery_name(sent->delivery) : "",
        .delivery_at_ms = reached_ms,
    };
    enum store_letter_settled settled = STORE_LETTER_SETTLED;
    int rc = 0;

    if (!run->options->is_dry_run)
        rc = store_dead_settle(run->store, &item, by, &settled, COMMAND_PATIENCE_MS, why);
    *ret = settled == STORE_LETTER_SETTLED ? FATE_SETTLED : settled == STORE_LETTER_CLAIMED ? FATE_CLAIMED : FATE_TAKEN;
    return rc;
}

/* One line for people, one object for machines. */
static void note(struct run *run, const struct match_letter *letter, enum fate fate, enum match_verdict verdict)
{
    const char *text = fate == FATE_LEFT ? match_verdict_text(verdict) : fate_texts[fate];

    buf_text(&run->json, run->letters > 1 ? ",{\"id\":" : "{\"id\":");
    buf_json_text(&run->json, letter->letter.id);
    buf_member_text(&run->json, "campaign", letter->letter.campaign);
    buf_printf(&run->json, ",\"settled\":%s", fate == FATE_SETTLED ? "true" : "false");
    if (fate == FATE_SETTLED) {
        buf_member_text(&run->json, "provider_id", run->api == PROVIDER_MESSAGES ? letter->sent.id : NULL);
        buf_member_text(&run->json, "conversation_id", letter->sent.conversation_id);
    } else {
        buf_member_text(&run->json, "why", text);
    }
    buf_char(&run->json, '}');
    if (!run->options->is_json && run->listed++ < LISTED_MAX)
        (void)printf("  %-38s %s\n", letter->letter.id, text);
}

static int settle_all(struct run *run, struct reason *why)
{
    char actor[AUDIT_ACTOR_MAX + 1];
    const struct audit_by by = {.actor = command_actor(actor), .reason = run->options->reason};
    int rc = audit_check_by(&by, why);

    for (size_t i = 0; rc == 0 && i < run->matcher.count; i++) {
        const struct match_letter *letter = run->matcher.letters[i];
        enum match_verdict verdict = MATCH_NOT_THERE;
        enum fate fate;

        if (!is_asked_for(run, letter))
            continue;
        fate = age_of(run, letter);
        if (fate == FATE_LEFT)
            verdict = matcher_verdict(&run->matcher, letter);
        if (fate == FATE_LEFT && verdict == MATCH_FOUND)
            fate = claims_is_ours(&run->claims, &letter->sent) ? FATE_CLAIMED : FATE_SETTLED;
        if (fate == FATE_SETTLED)
            rc = settle(run, letter, &by, &fate, why);
        if (rc != 0)
            return rc;
        run->letters++;
        run->settled += fate == FATE_SETTLED;
        note(run, letter, fate, verdict);
    }
    return rc;
}

static void print(const struct run *run)
{
    const char *source = run->seen > 0 && run->api == PROVIDER_ANALYTICS ? "analytics" : "messages";

    if (run->options->is_json) {
        (void)printf("{\"dry_run\":%s,\"source\":\"%s\",\"genesys\":%" PRId64 ",\"letters\":%" PRId64
                     ",\"settled\":%" PRId64 ",\"left\":%" PRId64 ",\"each\":[%s]}\n",
                     run->options->is_dry_run ? "true" : "false", source, run->seen, run->letters, run->settled,
                     run->letters - run->settled, buf_str(&run->json));
        return;
    }
    if (run->listed > LISTED_MAX)
        (void)printf("  and %" PRId64 " more: --json has all\n", run->listed - LISTED_MAX);
    terminal_heading(stdout, run->options->is_dry_run ? "Would be" : "Reconciled");
    terminal_row_number(stdout, "messages of Genesys", run->seen);
    terminal_row_number(stdout, "letters of unknown outcome", run->letters);
    terminal_row_number(stdout, "settled as sent", run->settled);
    terminal_row_number(stdout, "left for a person", run->letters - run->settled);
}

static int read_range(struct run *run, struct reason *why)
{
    const int64_t now_ms = clock_wall_ms();

    run->to_ms = TIMESTAMP_MAX_MS;
    if (run->options->from && report_read_time(run->options->from, "from", now_ms, &run->from_ms, why) != 0)
        return ERR_INVALID;
    if (run->options->to && report_read_time(run->options->to, "to", now_ms, &run->to_ms, why) != 0)
        return ERR_INVALID;
    return 0;
}

static enum exit_status run_command(const struct command_call *call)
{
    struct run run = {.call = call, .options = call->options};
    struct reason why = {""};
    enum exit_status result;
    int rc;

    buf_init(&run.json, JSON_MAX);
    rc = read_range(&run, &why);
    if (rc == 0)
        rc = command_open_store(call->settings, &run.store, &why);
    if (rc == 0)
        rc = read_letters(&run, &why);
    if (rc == 0)
        rc = ask_genesys(&run, &why);
    if (rc == 0)
        rc = find_claims(&run, &why);
    if (rc == 0)
        rc = settle_all(&run, &why);
    if (rc == 0)
        print(&run);
    result = rc != 0 ? webhooks_fail(rc, &why) : run.settled < run.letters ? EXIT_PART : EXIT_DONE;
    claims_clear(&run.claims);
    matcher_clear(&run.matcher);
    buf_clear(&run.json);
    store_close(run.store);
    return result;
}

const struct command command_reconcile = {
    .name = "reconcile",
    .usage = "[OPTION]...",
    .summary = "dead letters of unknown outcome that Genesys has sent after all become sent",
    .help =
        "Only what cannot be anything else is settled: one message of Genesys to that person from that sender in the\n"
        "time of the attempts, none for a day after, no other letter that could be it. The rest is listed, for a\n"
        "person to look at; exit status 3 says that there is some. It can be run again at any time.\n",
    .programs = SETTINGS_GENESYS,
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .options_size = sizeof(struct options),
    .run = run_command,
};
