/* Rows of single messages for `--export`, written one by one: JSON lines, or CSV. No address, no text. */
#ifndef HERALD_PRODUCER_REPORT_ROWS_H
#define HERALD_PRODUCER_REPORT_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/reason.h"

/* Texts are "" and times 0 when they are not known. */
struct report_row {
    const char *message_id; /* Herald's own; of the source genesys: Genesys' */
    const char *provider_id, *conversation_id;
    const char *campaign, *template_name, *channel;
    const char *status; /* sent, delivered, read, failed, queued or dead */
    const char *reason; /* of dead, or the code of failed */
    int64_t created_ms, sent_ms, delivered_ms, read_ms, failed_ms, dead_ms;
    int64_t attempts; /* -1: not known */
};

struct report_rows;

/* `path` is made anew, for its owner alone; "-" is standard output. CSV when its name ends so, or with `is_csv`. */
int report_rows_open(struct report_rows **ret, const char *path, bool is_csv, struct reason *why);
int report_rows_add(struct report_rows *rows, const struct report_row *row, struct reason *why);
int64_t report_rows_count(const struct report_rows *rows);
/* Takes NULL. An error when not all of it was written. */
int report_rows_close(struct report_rows *rows, struct reason *why);

#endif
