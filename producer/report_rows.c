#include "producer/report_rows.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/mem.h"
#include "common/timestamp.h"
#include "producer/csv_cell.h"

#define LINE_MAX_BYTES ((size_t)64 << 10)

struct report_rows {
    FILE *out;
    char *path;
    bool is_csv;
    int64_t count;
    struct buf line;
};

static const char head[] = "messageId,providerId,conversationId,campaign,template,channelType,status,reason,"
                           "createdDate,sentDate,deliveredDate,readDate,failedDate,deadDate,latencyMs,"
                           "deliveryLatencyMs,attempts\n";

static int open_file(FILE **ret, const char *path)
{
    int fd;

    if (strcmp(path, "-") == 0) {
        *ret = stdout;
        return 0;
    }
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    *ret = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (fd >= 0 && !*ret)
        (void)close(fd); /* nothing was written */
    return *ret ? 0 : ERR_IO;
}

int report_rows_open(struct report_rows **ret, const char *path, bool is_csv, struct reason *why)
{
    struct report_rows *rows = mem_zalloc(1, sizeof(*rows));
    size_t len = strlen(path);

    if (open_file(&rows->out, path) != 0) {
        reason_set(why, "--export %.200s: %s", path, strerror(errno));
        free(rows);
        return ERR_IO;
    }
    rows->path = mem_text(path);
    rows->is_csv = is_csv || (len > 4 && strcmp(path + len - 4, ".csv") == 0);
    buf_init(&rows->line, LINE_MAX_BYTES);
    if (rows->is_csv)
        (void)fputs(head, rows->out);
    *ret = rows;
    return 0;
}

static int64_t between(int64_t from_ms, int64_t to_ms)
{
    if (from_ms <= 0 || to_ms <= 0)
        return -1;
    return to_ms > from_ms ? to_ms - from_ms : 0;
}

/* What both forms have, in the order of the head. */
struct fields {
    struct {
        const char *name, *text;
    } texts[8];
    struct {
        const char *name;
        int64_t number;
    } times[6], numbers[3];
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static struct fields fields_of(const struct report_row *row)
{
    return (struct fields){
        .texts = {{"messageId", row->message_id},
                  {"providerId", row->provider_id},
                  {"conversationId", row->conversation_id},
                  {"campaign", row->campaign},
                  {"template", row->template_name},
                  {"channelType", row->channel},
                  {"status", row->status},
                  {"reason", row->reason}},
        .times = {{"createdDate", row->created_ms},
                  {"sentDate", row->sent_ms},
                  {"deliveredDate", row->delivered_ms},
                  {"readDate", row->read_ms},
                  {"failedDate", row->failed_ms},
                  {"deadDate", row->dead_ms}},
        .numbers = {{"latencyMs", between(row->created_ms, row->sent_ms)},
                    {"deliveryLatencyMs", between(row->sent_ms, row->delivered_ms)},
                    {"attempts", row->attempts}},
    };
}

static void write_json(struct buf *line, const struct fields *fields)
{
    char instant[TIMESTAMP_SIZE];

    buf_printf(line, "{\"%s\":", fields->texts[0].name);
    buf_json_text(line, fields->texts[0].text);
    for (size_t i = 1; i < COUNT_OF(fields->texts); i++)
        buf_member_text(line, fields->texts[i].name, fields->texts[i].text);
    for (size_t i = 0; i < COUNT_OF(fields->times); i++) {
        if (fields->times[i].number > 0)
            buf_member_text(line, fields->times[i].name, timestamp_format(fields->times[i].number, instant));
    }
    for (size_t i = 0; i < COUNT_OF(fields->numbers); i++) {
        if (fields->numbers[i].number >= 0)
            buf_member_int(line, fields->numbers[i].name, fields->numbers[i].number);
    }
    buf_text(line, "}\n");
}

static void write_csv(struct buf *line, const struct fields *fields)
{
    char instant[TIMESTAMP_SIZE];

    for (size_t i = 0; i < COUNT_OF(fields->texts); i++) {
        if (i > 0)
            buf_char(line, ',');
        csv_cell(line, fields->texts[i].text);
    }
    for (size_t i = 0; i < COUNT_OF(fields->times); i++) {
        buf_char(line, ',');
        if (fields->times[i].number > 0)
            buf_text(line, timestamp_format(fields->times[i].number, instant));
    }
    for (size_t i = 0; i < COUNT_OF(fields->numbers); i++) {
        buf_char(line, ',');
        if (fields->numbers[i].number >= 0)
            buf_int(line, fields->numbers[i].number);
    }
    buf_char(line, '\n');
}

static int complain(const struct report_rows *rows, struct reason *why)
{
    reason_set(why, "--export %.200s: cannot write: %s", rows->path, strerror(errno));
    return ERR_IO;
}

int report_rows_add(struct report_rows *rows, const struct report_row *row, struct reason *why)
{
    const struct fields fields = fields_of(row);

    buf_reset(&rows->line);
    if (rows->is_csv)
        write_csv(&rows->line, &fields);
    else
        write_json(&rows->line, &fields);
    rows->count++;
    if (fwrite(rows->line.data, 1, rows->line.len, rows->out) != rows->line.len)
        return complain(rows, why);
    return 0;
}

int64_t report_rows_count(const struct report_rows *rows)
{
    return rows->count;
}

int report_rows_close(struct report_rows *rows, struct reason *why)
{
    int rc = 0;

    if (!rows)
        return 0;
    if (fflush(rows->out) != 0)
        rc = complain(rows, why);
    if (rows->out != stdout && fclose(rows->out) != 0 && rc == 0)
        rc = complain(rows, why);
    buf_clear(&rows->line);
    free(rows->path);
    free(rows);
    return rc;
}
