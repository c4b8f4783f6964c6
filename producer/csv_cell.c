#include "producer/csv_cell.h"

#include <string.h>

void csv_cell(struct buf *line, const char *text)
{
    buf_char(line, '"');
    if (*text && strchr("=+-@\t\r", *text))
        buf_char(line, '\'');
    for (; *text; text++) {
        if (*text == '"')
            buf_char(line, '"');
        buf_char(line, *text);
    }
    buf_char(line, '"');
}
