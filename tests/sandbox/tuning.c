/* Tuning: what POST /sandbox/config can change under way, under the same names and ranges as the flags. */
#include "tests/sandbox/tuning.h"
#include "tests/sandbox/knob.h"

#include <inttypes.h>
#include <string.h>

void tuning_init(struct tuning *tuning)
{
    *tuning = (struct tuning){
        .token_seconds = 86400,
        .manners = {.retries = 5, .retry_us = 5000000, .timeout_us = 10000000},
    };
    odds_init(&tuning->odds);
}

bool tuning_is_sane(const struct tuning *tuning)
{
    double sum = 0;
    for (int i = 0; i < FAULT_COUNT; i++) {
        sum += tuning->faults[i];
    }
    return sum <= 1.0 + 1e-9;
}

enum fault tuning_pick_fault(const struct tuning *tuning, double draw)
{
    double sum = 0;
    for (int i = 0; i < FAULT_COUNT; i++) {
        sum += tuning->faults[i];
        if (draw < sum) {
            return (enum fault)i;
        }
    }
    return FAULT_COUNT;
}

static void set_fault(void *context, const char *name, const struct json_object *value, struct problem *problem)
{
    struct tuning *tuning = context;
    enum fault fault = fault_find(name);
    const char *scalar = body_scalar(value);
    if (fault == FAULT_COUNT) {
        problem_set(problem, "bad.request", "faults", "There is no fault '%.64s'.", name);
    } else if (scalar == NULL || units_parse_fraction(scalar, &tuning->faults[fault]) != 0) {
        problem_set(problem, "bad.request", "faults", "The fault '%s' needs a probability from 0 to 1.", name);
    }
}

/* set_scalar: 0, -1 for a bad value, 1 for an unknown name. */
static int set_scalar(struct tuning *tuning, const char *name, const char *value)
{
    if (strcmp(name, "latency") == 0) {
        return latency_parse(value, &tuning->latency);
    }
    if (strcmp(name, "token_latency") == 0) {
        return latency_parse(value, &tuning->token_latency);
    }
    if (strcmp(name, "rate") == 0) {
        return units_parse_rate(value, &tuning->rate);
    }
    if (strcmp(name, "observe_window") == 0) {
        return units_parse_duration(value, 0, UNITS_DAY_US, &tuning->observe.width_us);
    }
    if (strcmp(name, "fault_first") == 0) {
        return units_parse_int(value, 0, INT64_MAX, &tuning->fault_first);
    }
    if (strcmp(name, "token_seconds") == 0) {
        return units_parse_int(value, 1, TUNING_TOKEN_SECONDS_MAX, &tuning->token_seconds);
    }
    if (strcmp(name, "retry_after_form") == 0) {
        tuning->retry_as_date = strcmp(value, "date") == 0;
        return tuning->retry_as_date || strcmp(value, "seconds") == 0 ? 0 : -1;
    }
    if (strcmp(name, "outage") == 0) {
        tuning->outage = strcmp(value, "true") == 0;
        return tuning->outage || strcmp(value, "false") == 0 ? 0 : -1;
    }
    const struct knob *knob = knob_find(name);
    return knob == NULL ? 1 : knob_set(knob, value, tuning);
}

static void set_member(void *context, const char *name, const struct json_object *value, struct problem *problem)
{
    struct tuning *tuning = context;
    if (strcmp(name, "revoke_tokens") == 0 || strcmp(name, "seed") == 0 || strcmp(name, "webhook_secret") == 0) {
        return; /* acts, not settings: control.c carries them out */
    }
    if (strcmp(name, "faults") == 0) {
        if (!body_is_object(value)) {
            problem_set(problem, "bad.request", name, "The field 'faults' must be an object of probabilities.");
            return;
        }
        body_each(value, set_fault, tuning, problem);
        return;
    }
    const char *scalar = body_scalar(value);
    int result = scalar == NULL ? -1 : set_scalar(tuning, name, scalar);
    if (result > 0) {
        problem_set(problem, "bad.request", NULL, "There is no setting '%.64s'.", name);
    } else if (result < 0) {
        problem_set(problem, "bad.request", NULL, "The setting '%s' has a bad value.", name);
    }
}

void tuning_patch(struct tuning *tuning, const struct json_object *patch, struct problem *problem)
{
    body_each(patch, set_member, tuning, problem);
    if (!tuning_is_sane(tuning)) {
        problem_set(problem, "bad.request", "faults", "The fault probabilities add up to more than 1.");
    }
}

void tuning_render(const struct tuning *tuning, struct text *out)
{
    text_say(out, "{\"faults\":{");
    for (int i = 0; i < FAULT_COUNT; i++) {
        text_printf(out, "%s\"%s\":%g", i == 0 ? "" : ",", fault_name((enum fault)i), tuning->faults[i]);
    }
    text_printf(out, "},\"fault_first\":%" PRId64 ",\"latency\":", tuning->fault_first);
    latency_render(&tuning->latency, out);
    text_say(out, ",\"token_latency\":");
    latency_render(&tuning->token_latency, out);
    if (tuning->rate.limit == 0) {
        text_say(out, ",\"rate\":\"unlimited\"");
    } else {
        text_printf(out, ",\"rate\":\"%" PRId64 "/%" PRId64 "us\"", tuning->rate.limit, tuning->rate.width_us);
    }
    text_printf(out, ",\"observe_window\":\"%" PRId64 "us\",\"token_seconds\":%" PRId64, tuning->observe.width_us,
                tuning->token_seconds);
    text_printf(out, ",\"outage\":%s,\"retry_after_form\":\"%s\"", tuning->outage ? "true" : "false",
                tuning->retry_as_date ? "date" : "seconds");
    knob_render(tuning, out);
    text_say(out, "}");
}

void tuner_get(struct tuner *tuner, struct tuning *ret_tuning)
{
    (void)pthread_rwlock_rdlock(&tuner->lock);
    *ret_tuning = tuner->now;
    (void)pthread_rwlock_unlock(&tuner->lock);
}

void tuner_set(struct tuner *tuner, const struct tuning *tuning)
{
    (void)pthread_rwlock_wrlock(&tuner->lock);
    tuner->now = *tuning;
    (void)pthread_rwlock_unlock(&tuner->lock);
}
