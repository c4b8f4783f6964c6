#include "worker/vitals.h"

static const char *token_problem(void *context)
{
    struct crew *crew = context;

    return token_is_there(crew->token) ? NULL : "there is no token; the log and `herald status` say why";
}

static const char *lease_problem(void *context)
{
    return crew_has_lease(context) ? NULL : "the lease has run out, so nothing may be sent";
}

static const char *stop_problem(void *context)
{
    struct crew *crew = context;

    return atomic_load(&crew->is_stopping) ? "it is being stopped" : NULL;
}

static bool is_alive(void *context, int64_t now_ms)
{
    return crew_is_alive(context, now_ms);
}

struct admin_config vitals_of_worker(struct crew *crew)
{
    static const struct admin_check checks[] = {
        {"token", token_problem},
        {"lease", lease_problem},
        {"running", stop_problem},
    };

    return (struct admin_config){checks, sizeof(checks) / sizeof(checks[0]), is_alive, crew};
}
