/* Scripted answers: "the first two requests to this number get a 500", given through POST /sandbox/script.
 *
 * A step matches when every field it names is equal; an empty match fits every send. Steps are tried in order, each as
 * often as its `times` says. They win over random faults and come after authentication and the rate window. */
#include "tests/sandbox/script.h"
#include "tests/sandbox/units.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SCRIPT_STEPS_MAX   10000
#define SCRIPT_TIMES_MAX   1000000000
#define SCRIPT_DELAY_MAX   3600000
#define SCRIPT_FOR_EVER    (-1)
#define SCRIPT_MOST_STATUS 599

static const char *const part_names[] = {
    [SUBJECT_ROUTE] = "route",           [SUBJECT_TO] = "to",    [SUBJECT_FROM] = "from", [SUBJECT_CHANNEL] = "channel",
    [SUBJECT_REQUEST_ID] = "request_id", [SUBJECT_PARTS] = NULL,
};

struct step {
    char *match[SUBJECT_PARTS]; /* NULL: anything */
    char action[16];
    int64_t left;
    struct verdict verdict;
};

/* `lock` protects the steps; `live` (steps with turns left) is read without it to keep the usual case free. */
struct script {
    pthread_mutex_t lock;
    struct step *steps;
    size_t count;
    atomic_size_t live;
};

struct script *script_create(void)
{
    struct script *script = calloc(1, sizeof *script);
    if (script != NULL) {
        (void)pthread_mutex_init(&script->lock, NULL); /* default attributes: cannot fail on Linux */
    }
    return script;
}

static void free_steps(struct step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (int part = 0; part < SUBJECT_PARTS; part++) {
            free(steps[i].match[part]);
        }
    }
    free(steps);
}

void script_destroy(struct script *script)
{
    if (script == NULL) {
        return;
    }
    (void)pthread_mutex_destroy(&script->lock);
    free_steps(script->steps, script->count);
    free(script);
}

static void copy_string(const struct json_object *from, const char *name, char *to, size_t size,
                        struct problem *problem)
{
    struct span value = body_string(from, "", name, false, problem);
    if (value.length >= size) {
        problem_set(problem, "bad.request", name, "The field '%s' must be shorter than %zu bytes.", name, size);
    } else if (value.bytes != NULL) {
        memcpy(to, value.bytes, value.length);
        to[value.length] = '\0';
    }
}

static void read_match(const struct json_object *json, struct step *step, struct problem *problem)
{
    const struct json_object *match = body_object(json, "match", false, problem);
    if (match == NULL) {
        return;
    }
    const char *unknown = body_unknown(match, part_names);
    if (unknown != NULL) {
        problem_set(problem, "bad.request", "match", "A step cannot match on '%.64s'.", unknown);
    }
    for (int part = 0; part < SUBJECT_PARTS; part++) {
        struct span value = body_string(match, "match.", part_names[part], false, problem);
        if (value.bytes != NULL) {
            step->match[part] = strndup(value.bytes, value.length);
            if (step->match[part] == NULL) {
                problem_set(problem, "internal.server.error", NULL, "The sandbox is out of memory.");
            }
        }
    }
}

static void read_step(const struct json_object *json, struct step *step, struct problem *problem)
{
    static const char *const known[] = {"match", "times",  "do",      "retry_after", "delay_ms", "accept",
                                        "code",  "status", "message", "failure",     NULL};
    if (!body_is_object(json)) {
        problem_set(problem, "bad.request", NULL, "A step must be an object.");
        return;
    }
    const char *unknown = body_unknown(json, known);
    if (unknown != NULL) {
        problem_set(problem, "bad.request", NULL, "A step has no field '%.64s'.", unknown);
    }
    read_match(json, step, problem);
    step->left = body_int(json, "times", 0, SCRIPT_TIMES_MAX, 1, problem);
    if (step->left == 0) {
        step->left = SCRIPT_FOR_EVER;
    }
    copy_string(json, "do", step->action, sizeof step->action, problem);
    struct verdict *verdict = &step->verdict;
    if (fault_parse(step->action, verdict) != 0) {
        problem_set(problem, "bad.request", "do",
                    "The field 'do' must name a fault, 'ok', '202', or a status 400-599.");
    }
    verdict->retry_after_s = body_int(json, "retry_after", -1, 86400, verdict->retry_after_s, problem);
    verdict->delay_us = 1000 * body_int(json, "delay_ms", 0, SCRIPT_DELAY_MAX, 0, problem);
    verdict->status = (int)body_int(json, "status", 200, SCRIPT_MOST_STATUS, verdict->status, problem);
    verdict->accept = body_bool(json, "", "accept", problem) || verdict->accept;
    char failure[32] = "any";
    copy_string(json, "failure", failure, sizeof failure, problem);
    verdict->failure = failure_find(failure);
    if (verdict->failure == FAILURE_COUNT) {
        problem_set(problem, "bad.request", "failure", "There is no failure '%s'.", failure);
    }
    copy_string(json, "code", verdict->code, sizeof verdict->code, problem);
    copy_string(json, "message", verdict->message, sizeof verdict->message, problem);
}

void script_replace(struct script *script, const struct json_object *array, struct problem *problem)
{
    size_t count = body_count(array);
    if (count > SCRIPT_STEPS_MAX) {
        problem_set(problem, "bad.request", NULL, "A script has at most %d steps.", SCRIPT_STEPS_MAX);
        return;
    }
    struct step *steps = calloc(count + 1, sizeof *steps);
    if (steps == NULL) {
        problem_set(problem, "internal.server.error", NULL, "The sandbox is out of memory.");
        return;
    }
    for (size_t i = 0; i < count && problem->code == NULL; i++) {
        read_step(body_element(array, i), &steps[i], problem);
    }
    if (problem->code == NULL) {
        (void)pthread_mutex_lock(&script->lock);
        struct step *old = script->steps;
        size_t old_count = script->count;
        script->steps = steps;
        script->count = count;
        atomic_store(&script->live, count);
        (void)pthread_mutex_unlock(&script->lock);
        steps = old;
        count = old_count;
    }
    free_steps(steps, count);
}

static bool matches(const struct step *step, const struct subject *subject)
{
    if (subject->by_name_only && step->match[SUBJECT_ROUTE] == NULL) {
        return false;
    }
    for (int part = 0; part < SUBJECT_PARTS; part++) {
        const char *wanted = step->match[part];
        struct span actual = subject->parts[part];
        if (wanted != NULL && (actual.bytes == NULL || strlen(wanted) != actual.length ||
                               memcmp(wanted, actual.bytes, actual.length) != 0)) {
            return false;
        }
    }
    return true;
}

bool script_take(struct script *script, const struct subject *subject, struct verdict *ret_verdict)
{
    if (atomic_load_explicit(&script->live, memory_order_acquire) == 0) {
        return false;
    }
    bool found = false;
    (void)pthread_mutex_lock(&script->lock);
    for (size_t i = 0; i < script->count && !found; i++) {
        struct step *step = &script->steps[i];
        if (step->left == 0 || !matches(step, subject)) {
            continue;
        }
        found = true;
        *ret_verdict = step->verdict;
        if (step->left > 0 && --step->left == 0) {
            (void)atomic_fetch_sub(&script->live, 1); /* only the new value matters */
        }
    }
    (void)pthread_mutex_unlock(&script->lock);
    return found;
}

void script_render(struct script *script, struct text *out)
{
    (void)pthread_mutex_lock(&script->lock);
    text_say(out, "[");
    for (size_t i = 0; i < script->count; i++) {
        const struct step *step = &script->steps[i];
        text_say(out, i == 0 ? "{\"do\":" : ",{\"do\":");
        text_json(out, step->action, strlen(step->action));
        text_printf(out, ",\"left\":%" PRId64 "}", step->left);
    }
    text_say(out, "]");
    (void)pthread_mutex_unlock(&script->lock);
}
