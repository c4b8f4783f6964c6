/* What every call of the API meets before its own route: the token, the rate window, scripted answers. */
#include "tests/sandbox/request.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

bool gate_is_authentic(struct request *request)
{
    const char *authorization = request->authorization;
    if (authorization == NULL || strncasecmp(authorization, "Bearer ", 7) != 0) {
        reply_error(request, 401, "authentication.required", NULL, "No authentication bearer token specified.");
        return false;
    }
    const char *token = authorization + 7;
    if (!tokens_is_good(request->app->tokens, token, strlen(token), clock_mono_us())) {
        reply_error(request, 401, NULL, NULL, NULL);
        return false;
    }
    return true;
}

/* refuse_for_now: a 429 that says how long, in the header and in its text. */
static void refuse_for_now(struct request *request, const struct tuning *tuning, const char *code, int64_t wait_us)
{
    char message[96];
    (void)snprintf(message, sizeof message,
                   "Rate limit exceeded the maximum. Retry the request in [%" PRId64 "] seconds",
                   (wait_us + 999999) / 1000000);
    reply_error(request, 429, code, NULL, message);
    reply_retry_after(request, tuning, wait_us);
}

bool gate_is_in_window(struct request *request, const struct tuning *tuning)
{
    int64_t wait_us = 0;
    if (tuning->rate.limit == 0 || window_take(request->app->window, &wait_us)) {
        return true;
    }
    refuse_for_now(request, tuning, NULL, wait_us);
    return false;
}

bool gate_apply(struct request *request, const struct tuning *tuning, const struct verdict *verdict)
{
    int64_t wait_us = verdict->retry_after_s * 1000000;
    request->reply.delay_us += verdict->delay_us;
    if (verdict->retry_after_s >= 0) {
        reply_retry_after(request, tuning, wait_us);
    }
    if (verdict->how != HOW_PLAIN) {
        reply_broken(request, verdict);
    } else if (verdict->status == 429 && verdict->retry_after_s >= 0 && verdict->message[0] == '\0') {
        refuse_for_now(request, tuning, verdict->code, wait_us);
    } else if (verdict->status >= 400) {
        reply_error(request, verdict->status, verdict->code, NULL, verdict->message);
    } else {
        return false;
    }
    return true;
}
