/* Rows of people out of CSV and JSON lines. */
#include "producer/recipients.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "tests/unit/unit.h"

#define BOM          "\xef\xbb\xbf"
#define QUOTE_OPEN   "the quote that opens the value is not closed"
#define QUOTE_INSIDE "a quote inside a value: put the value in quotes and write the quote twice"
#define NOT_UTF8     " of the value is not UTF-8: save the file as CSV UTF-8"

/* How much a read gives: what comes out must not depend on it. */
static const size_t chunks[] = {0, 1, 2, 3, 7};

/* Writes what comes out of `r`, a line each: "2: a|b" a row of line 2, "3! name: why [raw]" a refused one. */
static void dump(struct recipients *r, struct buf *out)
{
    struct reason why = {""};
    struct row row;
    int rc;

    while ((rc = recipients_next(r, &row, &why)) == 1) {
        buf_printf(out, "%zu", row.line);
        if (row.fault) {
            assert_int_equal(row.count, 0);
            buf_printf(out, "! %s: %s [", row.fault->column ? row.fault->column : "-", row.fault->text);
            buf_add(out, row.raw, row.raw_len);
            buf_text(out, "]\n");
            continue;
        }
        assert_int_equal(row.count, recipients_column_count(r));
        for (size_t i = 0; i < row.count; i++) {
            assert_int_equal(strlen(row.fields[i].data), row.fields[i].len);
            buf_printf(out, "%s%s", i ? "|" : ": ", row.fields[i].data);
        }
        buf_text(out, "\n");
    }
    if (rc != 0) {
        buf_printf(out, "stopped: %s\n", why.text);
        assert_int_equal(recipients_next(r, &row, &why), rc);
    }
}

struct rows_case {
    const char *about;
    const char *text;
    const char *rows;
};

static const struct rows_case csv_cases[] = {
    {"plain rows", "a,b\n1,2\n3,4\n", "2: 1|2\n3: 3|4\n"},
    {"no line end at the end", "a,b\n1,2", "2: 1|2\n"},
    {"CRLF", "a,b\r\n1,2\r\n3,4\r\n", "2: 1|2\n3: 3|4\n"},
    {"CR", "a,b\r1,2\r3,4\r", "2: 1|2\n3: 3|4\n"},
    {"CR at the very end of CRLF lines", "a,b\r\n1,2\r", "2: 1|2\n"},
    {"all three line ends", "a,b\n1,2\r3,4\r\n5,6\n", "2: 1|2\n3: 3|4\n4: 5|6\n"},
    {"a byte order mark", BOM "a,b\n1,2\n", "2: 1|2\n"},
    {"a byte order mark before a quote", BOM "\"a\",b\n1,2\n", "2: 1|2\n"},
    {"a header alone", "a,b\n", ""},
    {"a header alone without line end", "a,b", ""},
    {"blank lines", "\n \r\n\na,b\n\n1,2\n\r\n  \n\t\n3,4\n\n", "6: 1|2\n10: 3|4\n"},
    {"quotes", "a,b\n\"1\",\"2\"\n\"\",\n\"a,b\",\"c\"\"d\"\n", "2: 1|2\n3: |\n4: a,b|c\"d\n"},
    {"a line break in quotes", "a,b\n\"1\n2\",3\n4,5\n", "2: 1\n2|3\n4: 4|5\n"},
    {"a CRLF in quotes", "a,b\r\n\"1\r\n2\",3\r\n4,5\r\n", "2: 1\r\n2|3\n4: 4|5\n"},
    {"a blank line in quotes", "a,b\n\"1\n\n2\",3\n4,5\n", "2: 1\n\n2|3\n5: 4|5\n"},
    {"a line break in the header's quotes", "a,\"b\nc\"\n1,2\n", "3: 1|2\n"},
    {"blanks around values", "a, b\n 1 ,\t2\t\n\" 3 \" , \" 4\"\n", "2: 1|2\n3:  3 | 4\n"},
    {"empty values", "a,b\n,\n,2\n1,\n", "2: |\n3: |2\n4: 1|\n"},
    {"one column", "a\n1\n\"\"\n2\n", "2: 1\n3: \n4: 2\n"},
    {"letters beyond ASCII", "a,b\n\xc3\xa9,\xe2\x82\xac\xf0\x9f\x98\x80\n",
     "2: \xc3\xa9|\xe2\x82\xac\xf0\x9f\x98\x80\n"},
    {"semicolons", "a;b\n1;2,5\n\"3;4\";5\n", "2: 1|2,5\n3: 3;4|5\n"},
    {"semicolons where a name in quotes has a comma", "\"a,x\";b\n1;2\n", "2: 1|2\n"},
    {"tabs", "a\tb\n1\t2\n\t3\n4\t\n\t\n", "2: 1|2\n3: |3\n4: 4|\n5: |\n"},
    {"a comma wins", "a;x,b\n1,2;3\n", "2: 1|2;3\n"},
    {"too few values", "a,b\n1\n2,3\n", "2! -: 1 field where the header has 2 [1]\n3: 2|3\n"},
    {"too many values", "a,b\r\n1,2,3\r\n2,3\r\n", "2! -: 3 fields where the header has 2 [1,2,3]\n3: 2|3\n"},
    {"a quote that is never closed", "a,b\n\"1,2\n3,4\n5,6\n", "2! a: " QUOTE_OPEN " [\"1,2]\n3: 3|4\n4: 5|6\n"},
    {"one that is not closed and meets the next quote", "a,b\n1,\"2\n3,\"4\"\n5,6\n",
     "2! b: " QUOTE_OPEN " [1,\"2]\n3: 3|4\n4: 5|6\n"},
    {"one that is not closed on the last line", "a,b\n1,2\n3,\"4", "2: 1|2\n3! b: " QUOTE_OPEN " [3,\"4]\n"},
    {"the same with a line end", "a,b\n1,2\n3,\"4\r\n", "2: 1|2\n3! b: " QUOTE_OPEN " [3,\"4]\n"},
    {"a quote inside a value", "a,b\n1,5\" pipe\n3,4\n", "2! b: " QUOTE_INSIDE " [1,5\" pipe]\n3: 3|4\n"},
    {"letters behind a quote", "a,b\n1,\"2\"x\n3,4\n", "2! b: " QUOTE_INSIDE " [1,\"2\"x]\n3: 3|4\n"},
    {"a quote that swallows a row and shows in the number of values", "a,b,c\n1,2,\"3\n4,5,6\n7,8\",9\n1,2,3\n",
     "2! -: 4 fields where the header has 3, over 3 lines: is a quote not closed? [1,2,\"3]\n3: 4|5|6\n"
     "4! b: " QUOTE_INSIDE " [7,8\",9]\n5: 1|2|3\n"},
    {"bytes that are not UTF-8", "a,b\n1,x\xff\n\xc3,2\n3,4\n",
     "2! b: byte 2" NOT_UTF8 " [1,x\xff]\n3! a: byte 1" NOT_UTF8 " [\xc3,2]\n4: 3|4\n"},
};

static const struct rows_case json_cases[] = {
    {"plain rows", "{\"a\":\"1\",\"b\":\"2\"}\n{\"a\":\"3\",\"b\":\"4\"}\n", "1: 1|2\n2: 3|4\n"},
    {"no line end at the end", "{\"a\":\"1\"}", "1: 1\n"},
    {"CRLF and blank lines", "\r\n{\"a\":\"1\"}\r\n\r\n \r\n{\"a\":\"2\"}\r\n", "2: 1\n5: 2\n"},
    {"a byte order mark", BOM "{\"a\":\"1\"}\n", "1: 1\n"},
    {"another order and new members", "{\"a\":\"1\",\"b\":\"2\"}\n{\"b\":\"4\",\"c\":\"5\",\"a\":\"3\"}\n{}\n",
     "1: 1|2\n2: 3|4|5\n3: ||\n"},
    {"numbers and booleans", "{\"a\":491701234567,\"b\":-2.50,\"c\":true,\"d\":false,\"e\":null}\n",
     "1: 491701234567|-2.50|true|false|\n"},
    {"escapes", "{\"a\":\"x\\ny\\u00e9\"}\n", "1: x\ny\xc3\xa9\n"},
    {"an object inside", "{\"a\":{}}\n{\"a\":\"1\"}\n",
     "1! a: the value is an object; it may be text, a number, true or false [{\"a\":{}}]\n2: 1\n"},
    {"an array inside", "{\"a\":[1]}\n",
     "1! a: the value is an array; it may be text, a number, true or false [{\"a\":[1]}]\n"},
    {"no object", "{}\n[1]\n\"x\"\n7\n",
     "1\n2! -: a line is one object in braces, this is an array [[1]]\n3! -: a line is one object in braces, this is "
     "text [\"x\"]\n"
     "4! -: a line is one object in braces, this is a number [7]\n"},
    {"an object cut short", "{\"a\":\n{\"a\":\"1\"}\n", "1! -: the JSON ends before it is complete [{\"a\":]\n2: 1\n"},
    {"a NUL in a text", "{\"a\":\"x\\u0000y\"}\n{\"a\":\"1\"}\n",
     "1! a: there is a NUL character in the value [{\"a\":\"x\\u0000y\"}]\n2: 1\n"},
    {"a member without a name", "{\"\":\"1\"}\n", "1! -: a member has no name [{\"\":\"1\"}]\n"},
};

static void run_cases(const struct rows_case *cases, size_t count, enum recipients_format format)
{
    struct buf out;

    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < count; i++) {
        const struct rows_case *c = &cases[i];
        size_t len = strlen(c->text);

        for (size_t k = 0; k < COUNT_OF(chunks); k++) {
            struct reason why = {""};
            struct recipients *r = NULL;

            buf_reset(&out);
            if (recipients_open_memory(&r, c->text, len, chunks[k], format, &why) != 0)
                fail_msg("%s: %s", c->about, why.text);
            dump(r, &out);
            if (strcmp(buf_str(&out), c->rows) != 0)
                fail_msg("%s, %zu bytes a read, gave\n%s", c->about, chunks[k], buf_str(&out));
            assert_int_equal(recipients_bytes_read(r), len);
            assert_int_equal(recipients_bytes_total(r), len);
            recipients_close(r);
        }
    }
    buf_clear(&out);
}

static void csv_rows_come_out_with_their_lines_and_faults(void **state)
{
    (void)state;
    run_cases(csv_cases, COUNT_OF(csv_cases), RECIPIENTS_CSV);
}

/* A line without any quote is read by another way than one with a quote somewhere. */
static void quotes_around_one_value_change_nothing_about_the_others(void **state)
{
    static const char *const lines[] = {"1,2",     " 1 ,\t2\t", ",",          " ,\t",  "a b , c\td",
                                        "1,2,3,4", "1",         "\xc3\xa9,-", "'1',;", "\x01,\x7f"};
    struct buf texts[2], rows[2];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        const char *last = i == 0 ? "x" : "\"x\"";

        buf_init(&texts[i], 1 << 13);
        buf_init(&rows[i], 1 << 13);
        buf_text(&texts[i], "a,b,c\n");
        for (size_t n = 0; n < COUNT_OF(lines); n++)
            buf_printf(&texts[i], "%s,%s%s", lines[n], last, n % 2 ? "\n" : "\r\n");
        for (size_t n = 0; n < COUNT_OF(lines); n++)
            buf_printf(&texts[i], "%s%s%s\t,%s\n", n % 2 ? " " : "", last, n % 3 ? " " : "", lines[n]);
    }
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct recipients *r = NULL;
        struct reason why;
        struct row row;

        assert_int_equal(recipients_open_memory(&r, texts[i].data, texts[i].len, 0, RECIPIENTS_CSV, &why), 0);
        while (recipients_next(r, &row, &why) == 1) {
            buf_printf(&rows[i], "\n%zu %s", row.line, row.fault ? row.fault->text : "");
            for (size_t n = 0; n < row.count; n++)
                buf_printf(&rows[i], "|%s", row.fields[n].data);
        }
        recipients_close(r);
    }
    assert_non_null(strstr(rows[0].data, "|a b|c\td|x"));
    assert_string_equal(rows[0].data, rows[1].data);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        buf_clear(&texts[i]);
        buf_clear(&rows[i]);
    }
}

static void json_lines_come_out_with_their_lines_and_faults(void **state)
{
    (void)state;
    run_cases(json_cases, COUNT_OF(json_cases), RECIPIENTS_JSONL);
}

static struct recipients *must_open(const char *text, size_t len)
{
    struct reason why = {""};
    struct recipients *r = NULL;

    if (recipients_open_memory(&r, text, len, 0, RECIPIENTS_AUTO, &why) != 0)
        fail_msg("%s", why.text);
    return r;
}

static void a_nul_byte_is_refused_with_its_column(void **state)
{
    static const char text[] = "a,b\n1,\0\n3,4\n";
    struct recipients *r = must_open(text, sizeof(text) - 1);
    struct reason why = {""};
    struct row row;

    (void)state;
    assert_int_equal(recipients_next(r, &row, &why), 1);
    assert_string_equal(row.fault->column, "b");
    assert_non_null(strstr(row.fault->text, "NUL byte"));
    assert_int_equal(row.raw_len, 3);
    assert_int_equal(recipients_next(r, &row, &why), 1);
    assert_null(row.fault);
    recipients_close(r);
}

struct open_case {
    const char *about;
    const char *text;
    size_t len; /* 0: as long as its NUL says */
    enum recipients_format format;
    const char *reason;
};

static const struct open_case open_cases[] = {
    {"an empty file", "", 0, RECIPIENTS_AUTO, "there is nothing in it: the first line must name the columns"},
    {"blank lines alone", "\n\r\n", 0, RECIPIENTS_AUTO, "there is nothing in it"},
    {"a byte order mark alone", BOM, 0, RECIPIENTS_AUTO, "there is nothing in it"},
    {"UTF-16, little end first",
     "\xff\xfe"
     "a\0,\0",
     6, RECIPIENTS_CSV, "UTF-16: save it as CSV UTF-8"},
    {"UTF-16, big end first", "\xfe\xff\0a\0,", 6, RECIPIENTS_JSONL, "UTF-16: save it as CSV UTF-8"},
    {"UTF-16 without a mark", "a\0,\0b\0\n\0", 8, RECIPIENTS_CSV, "NUL byte: is the file UTF-16?"},
    {"a workbook", "PK\x03\x04xxxx", 0, RECIPIENTS_AUTO, "a spreadsheet or an archive"},
    {"two columns of one name", "to,name,to\n", 0, RECIPIENTS_AUTO,
     "two columns of the header, 1 and 3, have the name 'to'"},
    {"a column without a name", "to,,name\n", 0, RECIPIENTS_AUTO, "column 2 of the header has no name"},
    {"a comma at the end of the header", "to,name,\n", 0, RECIPIENTS_AUTO, "column 3 of the header has no name"},
    {"a header with an open quote", "to,\"name\n1,2\n", 0, RECIPIENTS_AUTO, "the header on line 1 has a broken quote"},
    {"a header that is not UTF-8", "to,n\xe4me\n", 0, RECIPIENTS_AUTO, "column 2 of the header is not UTF-8"},
};

static void what_is_no_list_of_people_is_said_at_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(open_cases); i++) {
        const struct open_case *c = &open_cases[i];

        for (size_t k = 0; k < COUNT_OF(chunks); k++) {
            struct reason why = {""};
            struct recipients *r = NULL;
            int rc = recipients_open_memory(&r, c->text, c->len ? c->len : strlen(c->text), chunks[k], c->format, &why);

            if (rc != ERR_INVALID || r || !strstr(why.text, c->reason))
                fail_msg("%s, %zu bytes a read: returned %d, said '%s'", c->about, chunks[k], rc, why.text);
        }
    }
}

static void the_format_is_found_by_the_first_byte(void **state)
{
    struct recipients *r = must_open(BOM "\n \t{\"a\":1}\n", 14);

    (void)state;
    assert_int_equal(recipients_format(r), RECIPIENTS_JSONL);
    recipients_close(r);
    r = must_open(" a;b\n1;2\n", 9);
    assert_int_equal(recipients_format(r), RECIPIENTS_CSV);
    assert_int_equal(recipients_delimiter(r), ';');
    recipients_close(r);
}

static void columns_are_found_by_name(void **state)
{
    struct recipients *r = must_open("to,Full Name\r\n1,2\n", 18);
    size_t index = 7, len;

    (void)state;
    assert_int_equal(recipients_column_count(r), 2);
    assert_string_equal(recipients_columns(r)[1], "Full Name");
    assert_true(recipients_column(r, "Full Name", &index));
    assert_int_equal(index, 1);
    assert_false(recipients_column(r, "full name", &index));
    assert_memory_equal(recipients_header(r, &len), "to,Full Name", 12);
    assert_int_equal(len, 12);
    recipients_close(r);
}

/* A text of `count` times `unit` between a head and a tail; the caller frees it after closing. */
static struct recipients *open_long(char **ret_text, const char *head, const char *unit, size_t count, const char *tail)
{
    struct buf text;

    buf_init(&text, (size_t)64 << 20);
    buf_text(&text, head);
    for (size_t i = 0; i < count; i++)
        buf_text(&text, unit);
    buf_text(&text, tail);
    *ret_text = text.data;
    return must_open(text.data, text.len);
}

struct long_case {
    const char *about;
    const char *head, *unit;
    size_t count;
    const char *tail;
    const char *fault; /* of the first row; NULL: none */
    bool is_cut;
    size_t next_line; /* of the row behind it, "3,4" */
};

static const struct long_case long_cases[] = {
    {"a value as long as may be", "a,b\n1,", "x", RECIPIENTS_MAX_FIELD, "\n3,4\n", NULL, false, 3},
    {"a longer value", "a,b\n1,", "x", RECIPIENTS_MAX_FIELD + 1, "\n3,4\n", "longer than 64 KiB", false, 3},
    {"a row as long as may be", "a,b\n1,", "x", RECIPIENTS_MAX_ROW - 3, "\n3,4\n", "longer than 64 KiB", false, 3},
    {"a longer row", "a,b\n1,", "x", RECIPIENTS_MAX_ROW - 2, "\n3,4\n", "longer than 256 KiB", true, 3},
    {"a row of megabytes", "a,b\n1,", "x", 5000000, "\r\n3,4\n", "longer than 256 KiB", true, 3},
    {"a row of megabytes that ends in CR", "a,b\n1,", "x", 2 * RECIPIENTS_MAX_ROW - 3, "\r3,4\n", "longer than 256 KiB",
     true, 3},
    {"a row of quotes", "a,b\n", "\"", RECIPIENTS_MAX_ROW * 2, "\n3,4\n", "longer than 256 KiB", true, 3},
    {"a row of commas", "a,b\n", ",", 100000, "\n3,4\n", "100001 fields where the header has 2", false, 3},
    {"a value over as many lines as may be", "a,b\n1,\"", "x\n", RECIPIENTS_MAX_ROW_LINES - 1, "\"\n3,4\n", NULL, false,
     RECIPIENTS_MAX_ROW_LINES + 2},
    {"a long JSON value", "{\"a\":\"", "x", RECIPIENTS_MAX_FIELD + 1, "\"}\n{}\n", "longer than 64 KiB", false, 2},
    {"a long JSON line", "{\"a\":\"", "x", RECIPIENTS_MAX_ROW, "\"}\n{}\n", "longer than 256 KiB", true, 2},
    {"a long JSON name", "{\"", "x", RECIPIENTS_MAX_NAME + 1, "\":1}\n{}\n", "longer than 128 bytes", false, 2},
    {"deep JSON", "{\"a\":", "[", 100000, "\n{}\n", "nesting", false, 2},
};

static void values_and_rows_have_a_largest_size(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(long_cases); i++) {
        const struct long_case *c = &long_cases[i];
        struct reason why = {""};
        char *text;
        struct recipients *r = open_long(&text, c->head, c->unit, c->count, c->tail);
        struct row row;

        assert_int_equal(recipients_next(r, &row, &why), 1);
        if (c->fault ? !row.fault || !strstr(row.fault->text, c->fault) : row.fault != NULL)
            fail_msg("%s: '%s'", c->about, row.fault ? row.fault->text : "no fault");
        assert_int_equal(row.raw_is_cut, c->is_cut);
        assert_true(row.raw_len > 0 && row.raw_len <= RECIPIENTS_MAX_ROW);
        if (recipients_next(r, &row, &why) != 1 || row.fault || row.line != c->next_line)
            fail_msg("%s: the row behind it is on line %zu", c->about, row.line);
        assert_int_equal(recipients_next(r, &row, &why), 0);
        recipients_close(r);
        free(text);
    }
}

static void a_long_row_may_be_the_last(void **state)
{
    struct reason why = {""};
    char *text;
    struct recipients *r = open_long(&text, "a,b\n1,", "x", RECIPIENTS_MAX_ROW, "");
    struct row row;

    (void)state;
    assert_int_equal(recipients_next(r, &row, &why), 1);
    assert_true(row.raw_is_cut);
    assert_int_equal(recipients_next(r, &row, &why), 0);
    recipients_close(r);
    free(text);
}

static void a_first_line_that_is_no_header_is_said_so(void **state)
{
    static const struct {
        size_t len;
        int rc;
        const char *reason;
    } cases[] = {
        {RECIPIENTS_MAX_NAME + 1, ERR_INVALID, "the name of column 1 is longer than 128 bytes"},
        {RECIPIENTS_MAX_ROW + 1, ERR_LIMIT, "the first line is longer than 256 KiB"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct reason why = {""};
        struct recipients *r = NULL;
        char *text = malloc(cases[i].len);

        memset(text, 'x', cases[i].len);
        assert_int_equal(recipients_open_memory(&r, text, cases[i].len, 0, RECIPIENTS_CSV, &why), cases[i].rc);
        assert_non_null(strstr(why.text, cases[i].reason));
        free(text);
    }
}

static void an_open_quote_loses_one_row_of_a_thousand(void **state)
{
    struct reason why = {""};
    char *text;
    struct recipients *r = open_long(&text, "a,b\n1,\"open\n", "3,4\n", 1000, "5,close\"\n7,8\n");
    size_t good = 0, bad = 0;
    struct row row;

    (void)state;
    while (recipients_next(r, &row, &why) == 1) {
        if (row.fault) {
            assert_true(row.line == 2 || row.line == 1003);
            bad++;
        } else {
            good++;
        }
    }
    assert_int_equal(good, 1001);
    assert_int_equal(bad, 2);
    recipients_close(r);
    free(text);
}

static void broken_quotes_without_end_are_given_up(void **state)
{
    struct reason why = {""};
    char *text;
    struct recipients *r = open_long(&text, "a,b\n1,2\n", "1,x\"y\n", RECIPIENTS_MAX_RECOVERIES + 1, "1,2\n");
    struct row row;
    size_t rows = 0;
    int rc;

    (void)state;
    while ((rc = recipients_next(r, &row, &why)) == 1)
        rows++;
    assert_int_equal(rc, ERR_LIMIT);
    assert_int_equal(rows, RECIPIENTS_MAX_RECOVERIES + 1);
    assert_int_equal(recipients_next(r, &row, &why), ERR_LIMIT);
    assert_non_null(strstr(why.text, "more than 1000 rows have a broken quote, the first on line 3"));
    recipients_close(r);
    free(text);
}

static void columns_have_a_largest_number(void **state)
{
    struct reason why = {""};
    struct recipients *r = NULL;
    struct buf text;
    struct row row;

    (void)state;
    buf_init(&text, 100000);
    for (int i = 0; i < RECIPIENTS_MAX_COLUMNS; i++)
        buf_printf(&text, "%sc%d", i ? "," : "", i);
    r = must_open(text.data, text.len);
    assert_int_equal(recipients_column_count(r), RECIPIENTS_MAX_COLUMNS);
    recipients_close(r);
    buf_text(&text, ",one more");
    assert_int_equal(recipients_open_memory(&r, text.data, text.len, 0, RECIPIENTS_CSV, &why), ERR_LIMIT);
    assert_non_null(strstr(why.text, "the header has 257 columns, more than 256"));

    buf_reset(&text);
    for (int i = 0; i < RECIPIENTS_MAX_COLUMNS + 1; i++)
        buf_printf(&text, "{\"c%d\":1}\n", i);
    buf_text(&text, "{\"c0\":1}\n");
    r = must_open(text.data, text.len);
    for (int i = 0; i < RECIPIENTS_MAX_COLUMNS + 2; i++) {
        assert_int_equal(recipients_next(r, &row, &why), 1);
        assert_int_equal(row.fault != NULL, i == RECIPIENTS_MAX_COLUMNS);
    }
    recipients_close(r);
    buf_clear(&text);
}

static void a_file_is_opened_by_its_name_and_ending(void **state)
{
    char path[] = "/tmp/herald-recipients-XXXXXX.jsonl";
    struct reason why = {""};
    struct recipients *r = NULL;
    int fd = mkstemps(path, 6);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "\n{\"a\":1}\n", 9), 9);
    (void)close(fd);
    assert_int_equal(recipients_open(&r, path, RECIPIENTS_AUTO, &why), 0);
    assert_int_equal(recipients_format(r), RECIPIENTS_JSONL);
    assert_int_equal(recipients_bytes_total(r), 9);
    recipients_close(r);
    assert_int_equal(recipients_open(&r, "/nowhere/people.csv", RECIPIENTS_AUTO, &why), ERR_IO);
    assert_non_null(strstr(why.text, "cannot open /nowhere/people.csv: No such file"));
    assert_int_equal(recipients_open(&r, "/tmp", RECIPIENTS_AUTO, &why), ERR_IO);
    assert_non_null(strstr(why.text, "/tmp: cannot read: Is a directory"));
    (void)unlink(path);
}

static void standard_input_is_a_file_of_unknown_size(void **state)
{
    struct reason why = {""};
    struct recipients *r = NULL;
    struct row row;
    int ends[2], kept = dup(STDIN_FILENO);

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "a,b\n1,2\n", 8), 8);
    (void)close(ends[1]);
    assert_true(dup2(ends[0], STDIN_FILENO) >= 0);
    (void)close(ends[0]);
    assert_int_equal(recipients_open(&r, "-", RECIPIENTS_AUTO, &why), 0);
    assert_int_equal(recipients_bytes_total(r), 0);
    assert_int_equal(recipients_next(r, &row, &why), 1);
    assert_string_equal(row.fields[1].data, "2");
    assert_int_equal(recipients_next(r, &row, &why), 0);
    recipients_close(r);
    assert_true(fcntl(STDIN_FILENO, F_GETFD) >= 0);
    if (kept >= 0) {
        assert_true(dup2(kept, STDIN_FILENO) >= 0);
        (void)close(kept);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_rows_come_out_with_their_lines_and_faults),
        cmocka_unit_test(quotes_around_one_value_change_nothing_about_the_others),
        cmocka_unit_test(json_lines_come_out_with_their_lines_and_faults),
        cmocka_unit_test(a_nul_byte_is_refused_with_its_column),
        cmocka_unit_test(what_is_no_list_of_people_is_said_at_once),
        cmocka_unit_test(the_format_is_found_by_the_first_byte),
        cmocka_unit_test(columns_are_found_by_name),
        cmocka_unit_test(values_and_rows_have_a_largest_size),
        cmocka_unit_test(a_long_row_may_be_the_last),
        cmocka_unit_test(a_first_line_that_is_no_header_is_said_so),
        cmocka_unit_test(an_open_quote_loses_one_row_of_a_thousand),
        cmocka_unit_test(broken_quotes_without_end_are_given_up),
        cmocka_unit_test(columns_have_a_largest_number),
        cmocka_unit_test(a_file_is_opened_by_its_name_and_ending),
        cmocka_unit_test(standard_input_is_a_file_of_unknown_size),
    };

    return cmocka_run_group_tests_name("recipients", tests, NULL, NULL);
}
