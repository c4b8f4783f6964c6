/* What `herald dead replay` and `herald dead purge` share: which letters, asking first, running, saying what came of
 * it.
 */
#ifndef HERALD_PRODUCER_DEAD_COMMAND_H
#define HERALD_PRODUCER_DEAD_COMMAND_H

#include "producer/command.h"
#include "producer/dead_replay.h"

struct dead_choice {
    const char *id;     /* one message; NULL: by filter */
    const char *filter; /* NULL: all */
    const char *reason; /* NULL: none given */
    bool is_json;
};

/* Runs the job that is asked for on what was chosen; its filter, actor and callbacks are filled in. `confirm` is asked
 * before anything is changed, with how many letters that is; false from it ends the command with ERR_STATE. NULL:
 * nobody is asked. */
enum exit_status dead_command_run(const struct command_call *call, const struct dead_choice *choice,
                                  const struct dead_job *asked,
                                  bool (*confirm)(const struct command_call *call, int64_t count));

#endif
