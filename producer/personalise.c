#include "producer/personalise.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/options.h"
#include "common/utf8.h"
#include "producer/language.h"

#define TEXT_MAX          ((size_t)256 << 10)
#define LABELS_MAX        ((size_t)64 << 10)

#define EXPIRES_AFTER_MAX (INT64_C(3650) * 24 * 3600 * 1000)

struct personaliser {
    struct personaliser_config config;
    const struct route *route;
    enum channel channel;
    struct span from;
    struct span response_id;
    enum priority priority;
    enum on_unknown on_unknown;
    int64_t expires_after_ms; /* 0: never */
    struct buf labels;        /* JSON; empty: none */
    struct envelope_draft draft;
    struct buf common; /* what is the same in all envelopes of the draft */

    struct person_columns columns;
    struct buf text;
    struct buf parameters[CONTENT_PARAMETERS_MAX];
};

/* --- what does not depend on a row --- */

static int choose_route(struct personaliser *p, struct reason *why)
{
    const struct template *t = p->config.template;
    const char *name = p->config.route ? p->config.route : template_field(t, TEMPLATE_ROUTE);
    const char *channel = template_field(t, TEMPLATE_CHANNEL);

    p->channel = channel_find(span_of(channel));
    if (!name) /* the real API, but for the one channel that it does not have */
        name = p->channel == CHANNEL_FACEBOOK ? "messaging" : "agentless";
    p->route = route_find(span_of(name));
    if (!p->route || !p->route->write) {
        reason_set(why, "template: route `%.40s`: a campaign goes by agentless or messaging", name);
        return ERR_INVALID;
    }
    if (p->channel == CHANNEL_NONE) {
        reason_set(why, "template: channel `%.40s` must be sms, whatsapp, facebook, web, open or apple",
                   channel ? channel : "");
        return ERR_INVALID;
    }
    return 0;
}

static int choose_words(struct personaliser *p, struct reason *why)
{
    const struct template *t = p->config.template;
    const char *priority = template_field(t, TEMPLATE_PRIORITY), *policy = template_field(t, TEMPLATE_ON_UNKNOWN);
    const char *expires = template_field(t, TEMPLATE_EXPIRES_AFTER);
    int i = PRIORITY_NORMAL;

    for (i = 0; priority && i < PRIORITY_COUNT && strcmp(priority, priority_name((enum priority)i)) != 0;)
        i++;
    if (i == PRIORITY_COUNT) {
        reason_set(why, "template: priority must be high, normal or low");
        return ERR_INVALID;
    }
    p->priority = priority ? (enum priority)i : PRIORITY_NORMAL;
    if (policy && strcmp(policy, "resend") != 0 && strcmp(policy, "hold") != 0) {
        reason_set(why, "template: on_unknown must be resend or hold");
        return ERR_INVALID;
    }
    p->on_unknown = policy && policy[0] == 'h' ? ON_UNKNOWN_HOLD : ON_UNKNOWN_RESEND;
    if (expires && (!duration_parse(expires, &p->expires_after_ms) || p->expires_after_ms == 0 ||
                    p->expires_after_ms > EXPIRES_AFTER_MAX)) {
        reason_set(why, "template: expires_after must be a duration such as 90m, 24h or 7d, and at most 3650d");
        return ERR_INVALID;
    }
    return 0;
}

static void prepare_draft(struct personaliser *p)
{
    const struct personaliser_config *config = &p->config;
    const char *callback_url = template_field(config->template, TEMPLATE_CALLBACK_URL);
    int64_t begins_ms = config->send_at_ms ? config->send_at_ms : config->now_ms;

    p->draft = (struct envelope_draft){
        .campaign = config->campaign,
        .route = p->route,
        .priority = p->priority,
        .on_unknown = p->on_unknown,
        .accepted_at_ms = config->now_ms,
        .send_at_ms = config->send_at_ms,
        .expires_at_ms = p->expires_after_ms ? begins_ms + p->expires_after_ms : 0,
        .callback_url = callback_url ? callback_url : config->callback_url,
        .traceparent = config->traceparent,
        .labels_json = p->labels.len ? p->labels.data : NULL,
        .origin = span_of(template_field(config->template, TEMPLATE_ORIGIN)),
    };
    buf_reset(&p->common);
    envelope_draft_common(&p->draft, &p->common);
    p->draft.common = (struct span){p->common.data, p->common.len};
}

/* Whether a worker would take the envelope that is written for `probe`. */
static int check_envelope(struct personaliser *p, const struct content *probe, struct refusal *refusal)
{
    const struct envelope_rules rules = {.origins = p->config.origins, .callbacks = p->config.callbacks};
    const struct personal personal = {.content = *probe};
    struct envelope envelope;
    struct buf written;
    int rc;

    buf_init(&written, JSON_MAX_BYTES);
    personaliser_write(p, &personal, &written);
    rc = envelope_read(&envelope, buf_str(&written), written.len, &rules, p->config.now_ms, refusal);
    envelope_clear(&envelope);
    buf_clear(&written);
    return rc;
}

/* Runs all checks over a message that is right but for what the template brings, so that a wrong sender or label is one
 * error at the start and not one for each row, or a dead letter for each. */
static int check_fixed_parts(struct personaliser *p, struct reason *why)
{
    struct content probe = {
        .channel = p->channel,
        .from = p->from,
        .to = span_of("13175550199"),
        .external_id = span_of("probe"),
        .text = p->response_id.data ? (struct span){NULL, 0} : span_of("probe"),
        .response_id = p->response_id,
        .consent = CONSENT_GIVEN,
        .origin = span_of(template_field(p->config.template, TEMPLATE_ORIGIN)),
    };
    struct refusal refusal;

    if (p->route->check(&probe, &refusal) == 0 &&
        content_check_origin(probe.origin, p->config.origins, &refusal) == 0 &&
        check_envelope(p, &probe, &refusal) == 0)
        return 0;
    reason_set(why, "template: %s: %s (%s)", refusal.field, refusal.text, refusal.code);
    return ERR_INVALID;
}

int personaliser_create(struct personaliser **ret, const struct personaliser_config *config, struct reason *why)
{
    struct personaliser *p = mem_zalloc(1, sizeof(*p));
    const struct template *t = config->template;

    p->config = *config;
    buf_init(&p->labels, LABELS_MAX);
    buf_init(&p->common, JSON_MAX_BYTES);
    buf_init(&p->text, TEXT_MAX);
    for (size_t i = 0; i < CONTENT_PARAMETERS_MAX; i++)
        buf_init(&p->parameters[i], TEXT_MAX);
    p->from = span_of(config->from ? config->from : template_field(t, TEMPLATE_FROM));
    p->response_id = span_of(template_field(t, TEMPLATE_RESPONSE_ID));
    buf_text(&p->labels, template_labels(t));
    if (p->labels.overflow) {
        reason_set(why, "template: labels have at most %zu KiB in all", LABELS_MAX >> 10);
        personaliser_destroy(p);
        return ERR_INVALID;
    }
    if (choose_route(p, why) == 0 && choose_words(p, why) == 0)
        prepare_draft(p);
    if (!p->draft.route || check_fixed_parts(p, why) != 0) {
        personaliser_destroy(p);
        return ERR_INVALID;
    }
    if (template_parameter_count(t) > CONTENT_PARAMETERS_MAX) {
        reason_set(why, "template: at most %d bodyParameters are sent", CONTENT_PARAMETERS_MAX);
        personaliser_destroy(p);
        return ERR_INVALID;
    }
    *ret = p;
    return 0;
}

void personaliser_destroy(struct personaliser *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < CONTENT_PARAMETERS_MAX; i++)
        buf_clear(&p->parameters[i]);
    buf_clear(&p->labels);
    buf_clear(&p->common);
    buf_clear(&p->text);
    free(p);
}

enum priority personaliser_priority(const struct personaliser *p)
{
    return p->priority;
}

enum channel personaliser_channel(const struct personaliser *p)
{
    return p->channel;
}

int personaliser_bind(struct personaliser *p, const struct recipients *source, struct reason *why)
{
    const struct personaliser_config *config = &p->config;

    person_columns_bind(&p->columns, config->template, config->key_column, source);
    if (recipients_format(source) != RECIPIENTS_CSV)
        return 0; /* each line of JSON brings its own members */
    return person_columns_check(&p->columns, config->template, config->key_column, p->route->needs_consent, why);
}

/* --- a person --- */

static int refuse_row(struct row_refusal *refusal, const char *code, const char *column, const char *text)
{
    refusal->code = code;
    refusal->column = column;
    (void)snprintf(refusal->text, sizeof(refusal->text), "%s", text);
    utf8_repair(refusal->text);
    return ERR_INVALID;
}

static int refuse_missing(struct row_refusal *refusal, const struct template_missing *missing)
{
    (void)refuse_row(refusal, "placeholder_unresolved", missing->name, "");
    (void)snprintf(refusal->text, sizeof(refusal->text), "is empty, and the text (%s) needs it", missing->language);
    return ERR_INVALID;
}

static int read_consent(const struct personaliser *p, const struct person *person, struct content *content,
                        struct row_refusal *refusal)
{
    struct refusal why;

    content->consent = person->consent;
    if (content_check_consent(content->consent, p->route->needs_consent, &why) == 0)
        return 0;
    return refuse_row(refusal, why.code, person->consent_name,
                      "must be true: this person has not agreed to be written to");
}

static int read_address(const struct personaliser *p, const struct person *person, struct content *content,
                        struct row_refusal *refusal)
{
    struct refusal why;

    if (channel_read_address(p->channel, person->to, "", &content->to, &why) != 0)
        return refuse_row(refusal, why.code, person->to_name, why.text);
    if (p->channel == CHANNEL_WEB && p->route == &route_agentless)
        content->external_id = content->to;
    return 0;
}

/* What the person wants, else the phone number's country, else the template's default. */
static const char *wanted_language(const struct personaliser *p, struct span value, char out[LANGUAGE_TAG_MAX + 1],
                                   struct span to)
{
    const char *guess = NULL;
    char digits[24];

    if (value.len > 0 && value.len <= LANGUAGE_TAG_MAX) {
        memcpy(out, value.data, value.len);
        out[value.len] = '\0';
        return out;
    }
    if (channel_has_phone_number(p->channel) && to.len < sizeof(digits)) {
        memcpy(digits, to.data, to.len);
        digits[to.len] = '\0';
        guess = language_of_address(digits);
    }
    return guess;
}

static int render(struct personaliser *p, const struct person *person, const char *wanted, struct personal *ret,
                  struct row_refusal *refusal)
{
    const struct template *t = p->config.template;
    struct template_missing missing;
    int rc = 0;

    buf_reset(&p->text);
    if (!p->response_id.data) {
        rc = template_render(t, wanted, person->look_up, person->context, &p->text, &missing);
        ret->content.text = ret->text = (struct span){p->text.data, p->text.len};
    }
    for (size_t i = 0; rc == 0 && i < template_parameter_count(t); i++) {
        buf_reset(&p->parameters[i]);
        rc = template_render_parameter(t, i, wanted, person->look_up, person->context, &p->parameters[i], &missing);
        ret->content.parameters[i] = (struct span){buf_str(&p->parameters[i]), p->parameters[i].len};
        ret->content.parameter_count = i + 1;
    }
    if (rc == ERR_LIMIT)
        return refuse_row(refusal, "text_too_long", "", "the text is longer than any channel takes");
    return rc == 0 ? 0 : refuse_missing(refusal, &missing);
}

int personaliser_apply_to(struct personaliser *p, const struct person *person, struct personal *ret,
                          struct row_refusal *refusal)
{
    const char *key_column = p->config.key_column;
    char tag[LANGUAGE_TAG_MAX + 1];
    const char *wanted;
    struct refusal why;

    *ret = (struct personal){
        .content = {.channel = p->channel, .from = p->from, .response_id = p->response_id},
        .language = "",
    };
    if (read_address(p, person, &ret->content, refusal) != 0 || read_consent(p, person, &ret->content, refusal) != 0)
        return ERR_INVALID;
    if (key_column && span_is_empty(person->key))
        return refuse_row(refusal, "key_missing", key_column, "is empty, and --key says that it names a person");
    wanted = wanted_language(p, person->language, tag, ret->content.to);
    if (template_language_count(p->config.template) > 0)
        ret->language = template_language(p->config.template, wanted);
    if (render(p, person, wanted, ret, refusal) != 0)
        return ERR_INVALID;
    if (p->route->check(&ret->content, &why) != 0)
        return refuse_row(refusal, why.code, "", why.text);
    store_key_of(p->config.campaign, key_column ? person->key : ret->content.to, ret->key);
    return 0;
}

int personaliser_apply(struct personaliser *p, const struct recipients *source, const struct row *row,
                       struct personal *ret, struct row_refusal *refusal)
{
    struct person_row from = {&p->columns, row};
    struct person person;

    if (recipients_column_count(source) != p->columns.count) /* a line of JSON had a new member */
        person_columns_bind(&p->columns, p->config.template, p->config.key_column, source);
    if (row->fault)
        return refuse_row(refusal, "row_malformed", row->fault->column ? row->fault->column : "", row->fault->text);
    person_of_row(&from, &person);
    return personaliser_apply_to(p, &person, ret, refusal);
}

void personaliser_set_time(struct personaliser *p, int64_t send_at_ms, int64_t now_ms)
{
    p->config.send_at_ms = send_at_ms;
    p->config.now_ms = now_ms;
    prepare_draft(p);
}

void personaliser_write(struct personaliser *p, const struct personal *personal, struct buf *out)
{
    struct envelope_draft draft = p->draft;
    char id[ID_SIZE];

    id_new(id, clock_wall_ms());
    draft.id = id;
    envelope_draft_write(&draft, &personal->content, out);
}
