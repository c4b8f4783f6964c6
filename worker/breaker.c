#include "worker/breaker.h"

#include <limits.h>

#include "worker/backoff.h"

void breaker_init(struct breaker *breaker, const struct breaker_config *config)
{
    *breaker = (struct breaker){.config = *config, .state = BREAKER_CLOSED, .changed_ms = INT64_MIN};
    if (breaker->config.threshold < 1)
        breaker->config.threshold = 1;
    if (breaker->config.threshold > BREAKER_THRESHOLD_MAX)
        breaker->config.threshold = BREAKER_THRESHOLD_MAX;
}

const char *breaker_state_name(enum breaker_state state)
{
    static const char *const names[] = {
        [BREAKER_CLOSED] = "closed",
        [BREAKER_OPEN] = "open",
        [BREAKER_HALF_OPEN] = "half_open",
    };

    _Static_assert(sizeof(names) / sizeof(names[0]) == BREAKER_HALF_OPEN + 1, "every state has a name");
    return names[state];
}

/* later = at + wait, where hostile settings cannot overflow it. */
static int64_t later_ms(int64_t at_ms, int64_t wait_ms)
{
    int64_t later;

    return __builtin_add_overflow(at_ms, wait_ms, &later) ? INT64_MAX : later;
}

/* Half of the doubled and capped time for certain, the other half by chance: with full jitter a cool-down could be
 * next to nothing, and without any the workers of all machines would send their probes at the same instant. */
static int64_t cool_down_ms(const struct breaker *breaker, uint64_t random)
{
    int64_t ceiling_ms = backoff_ceiling_ms(breaker->openings, breaker->config.base_ms, breaker->config.cap_ms);
    int64_t half_ms = ceiling_ms / 2;

    return half_ms + backoff_ms(1, ceiling_ms - half_ms, ceiling_ms - half_ms, random);
}

/* The one place where the state changes; says what to do on entering each. */
static void enter(struct breaker *breaker, enum breaker_state state, int64_t now_ms, uint64_t random)
{
    breaker->state = state;
    breaker->changed_ms = now_ms;
    switch (state) {
    case BREAKER_CLOSED:
        breaker->failures = 0;
        breaker->openings = 0;
        breaker->has_probe = false;
        break;
    case BREAKER_OPEN:
        if (breaker->openings < UINT_MAX)
            breaker->openings++;
        breaker->probe_at_ms = later_ms(now_ms, cool_down_ms(breaker, random));
        breaker->has_probe = false;
        break;
    case BREAKER_HALF_OPEN:
        break;
    }
}

static void report(enum breaker_state from, const struct breaker *breaker, struct breaker_change *ret_change)
{
    if (ret_change)
        *ret_change = (struct breaker_change){from, breaker->state};
}

static bool is_probe_out(const struct breaker *breaker, int64_t now_ms)
{
    return breaker->has_probe && now_ms < breaker->probe_until_ms;
}

static bool is_probe(const struct breaker *breaker, uint64_t id_hash)
{
    return breaker->state == BREAKER_HALF_OPEN && breaker->has_probe && breaker->probe == id_hash;
}

int breaker_allowance(const struct breaker *breaker, int64_t now_ms)
{
    switch (breaker->state) {
    case BREAKER_CLOSED:
        return INT_MAX;
    case BREAKER_OPEN:
        return now_ms >= breaker->probe_at_ms ? 1 : 0;
    case BREAKER_HALF_OPEN:
        return is_probe_out(breaker, now_ms) ? 0 : 1;
    }
    return 0;
}

int64_t breaker_next_ms(const struct breaker *breaker)
{
    switch (breaker->state) {
    case BREAKER_CLOSED:
        break;
    case BREAKER_OPEN:
        return breaker->probe_at_ms;
    case BREAKER_HALF_OPEN:
        if (breaker->has_probe)
            return breaker->probe_until_ms;
        break;
    }
    return INT64_MIN;
}

bool breaker_is_poison(const struct breaker *breaker, uint64_t id_hash)
{
    return breaker->state != BREAKER_CLOSED && breaker->poison == id_hash;
}

bool breaker_note_probe(struct breaker *breaker, uint64_t id_hash, int64_t now_ms, struct breaker_change *ret_change)
{
    enum breaker_state from = breaker->state;
    int allowance = breaker_allowance(breaker, now_ms);

    if (allowance == 1) {
        if (from == BREAKER_OPEN)
            enter(breaker, BREAKER_HALF_OPEN, now_ms, 0);
        breaker->probe = id_hash;
        breaker->has_probe = true;
        breaker->probe_until_ms = later_ms(now_ms, breaker->config.probe_ms);
    }
    report(from, breaker, ret_change);
    return allowance > 0;
}

void breaker_success(struct breaker *breaker, uint64_t id_hash, int64_t started_ms, int64_t now_ms,
                     struct breaker_change *ret_change)
{
    enum breaker_state from = breaker->state;

    switch (from) {
    case BREAKER_CLOSED:
        if (started_ms >= breaker->changed_ms)
            breaker->failures = 0;
        break;
    case BREAKER_OPEN:
        break;
    case BREAKER_HALF_OPEN:
        if (is_probe(breaker, id_hash))
            enter(breaker, BREAKER_CLOSED, now_ms, 0);
        break;
    }
    report(from, breaker, ret_change);
}

/* Adds a message to the run of failures unless it is in it. */
static void add_to_run(struct breaker *breaker, uint64_t id_hash)
{
    for (unsigned i = 0; i < breaker->failures; i++) {
        if (breaker->failed[i] == id_hash)
            return;
    }
    breaker->failed[breaker->failures++] = id_hash; /* fits: the threshold opens it before the array is full */
}

void breaker_failure(struct breaker *breaker, uint64_t id_hash, int64_t started_ms, int64_t now_ms, uint64_t random,
                     struct breaker_change *ret_change)
{
    enum breaker_state from = breaker->state;

    switch (from) {
    case BREAKER_CLOSED:
        if (started_ms < breaker->changed_ms)
            break;
        add_to_run(breaker, id_hash);
        if (breaker->failures < breaker->config.threshold)
            break;
        breaker->poison = id_hash;
        enter(breaker, BREAKER_OPEN, now_ms, random);
        break;
    case BREAKER_OPEN:
        break;
    case BREAKER_HALF_OPEN:
        if (!is_probe(breaker, id_hash))
            break;
        breaker->poison = id_hash;
        enter(breaker, BREAKER_OPEN, now_ms, random);
        break;
    }
    report(from, breaker, ret_change);
}

void breaker_probe_gone(struct breaker *breaker, uint64_t id_hash)
{
    if (is_probe(breaker, id_hash))
        breaker->has_probe = false;
}
