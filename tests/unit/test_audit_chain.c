/* Lines of an exported audit, and what is found when they are not what was exported. */
#include "producer/audit_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/json_check.h"
#include "tests/unit/unit.h"

#define LINES 8

struct chain {
    struct buf lines[LINES + 1]; /* from 1, without line breaks */
    struct audit_link links[LINES + 1];
};

static struct store_audit_entry entry_of(struct span text, uint64_t ms)
{
    return (struct store_audit_entry){.id = {ms, 3}, .text = text};
}

static void write_line(struct audit_link *link, const char *text, uint64_t ms, struct buf *out)
{
    const struct store_audit_entry entry = entry_of(span_of(text), ms);

    buf_init(out, AUDIT_LINE_MAX);
    audit_chain_write(link, &entry, out);
    assert_false(out->overflow);
    assert_int_equal(out->data[out->len - 1], '\n');
    out->len--; /* as it is read */
}

static struct chain *make_chain(void)
{
    struct chain *chain = calloc(1, sizeof(*chain));
    char text[64];

    audit_link_start(&chain->links[0], "org-1");
    for (uint64_t i = 1; i <= LINES; i++) {
        chain->links[i] = chain->links[i - 1];
        (void)snprintf(text, sizeof(text), "{\"at\":%d,\"id\":\"m%d\"}", (int)i, (int)i);
        write_line(&chain->links[i], text, 1768473000000 + i, &chain->lines[i]);
    }
    return chain;
}

static void free_chain(struct chain *chain)
{
    for (size_t i = 1; i <= LINES; i++)
        buf_clear(&chain->lines[i]);
    free(chain);
}

static struct span span_of_line(const struct buf *line)
{
    return (struct span){line->data, line->len};
}

/* --- one line --- */

static void a_line_has_its_number_its_hash_and_the_hash_of_the_one_before(void **state)
{
    struct chain *chain = make_chain();
    char hash[DIGEST_HEX_SIZE];
    const char *tail = strstr(chain->lines[2].data, ",\"sha256\":");
    struct audit_link link;
    struct reason why = {""};

    (void)state;
    assert_non_null(tail);
    digest_sha256_hex(chain->lines[2].data, (size_t)(tail - chain->lines[2].data), hash);
    assert_int_equal(audit_chain_read(span_of_line(&chain->lines[2]), &link, &why), 0);
    assert_int_equal(link.seq, 2);
    assert_string_equal(link.org, "org-1");
    assert_string_equal(link.sha256, hash);
    assert_string_equal(link.prev, chain->links[1].sha256);
    assert_int_equal(link.id.ms, 1768473000002);
    assert_int_equal(link.id.seq, 3);
    free_chain(chain);
}

static void a_line_begins_with_its_number_and_ends_with_its_hash(void **state)
{
    struct chain *chain = make_chain();
    const struct buf *line = &chain->lines[LINES];
    char end[AUDIT_END_LEN];
    struct buf begin;

    (void)state;
    audit_chain_end(chain->links[LINES].sha256, end);
    assert_memory_equal(line->data + line->len + 1 - sizeof(end), end, sizeof(end)); /* and its line break */
    assert_memory_equal(end, ",\"sha256\":\"", 11);
    assert_memory_equal(end + sizeof(end) - 3, "\"}\n", 3);
    buf_init(&begin, 128);
    audit_chain_begin(LINES, chain->links[LINES - 1].sha256, &begin);
    assert_memory_equal(line->data, begin.data, begin.len);
    assert_memory_equal(begin.data, "{\"seq\":8,\"prev\":\"", 17);
    assert_int_equal(begin.len, 17 + 64 + 1);
    buf_clear(&begin);
    free_chain(chain);
}

static void what_was_lost_before_it_stands_in_a_line(void **state)
{
    struct audit_link link, back;
    struct reason why = {""};
    struct buf out;

    (void)state;
    audit_link_start(&link, "o");
    link.lost = UINT64_MAX;
    write_line(&link, "{}", 1, &out);
    assert_non_null(strstr(out.data, "\"org\":\"o\",\"lost\":18446744073709551615,\"entry\":{}"));
    assert_int_equal(audit_chain_read(span_of_line(&out), &back, &why), 0);
    assert_true(back.lost == UINT64_MAX);
    buf_clear(&out);
}

static void what_is_no_entry_is_kept_as_it_is(void **state)
{
    static const struct {
        const char *text;
        size_t len;
        const char *kept;
    } table[] = {
        {"{\"a\":1}", 7, "\"entry\":{\"a\":1}"},
        {"{ \"a\" : [ ] }", 13, "\"entry\":{ \"a\" : [ ] }"},
        {"", 0, "\"raw\":[\"e\",\"\"]"},
        {"[1]", 3, "\"raw\":[\"e\",\"[1]\"]"},
        {"{\"a\":1", 6, "\"raw\":[\"e\",\"{\\\"a\\\":1\"]"},
        {"{\"a\":\n1}", 8, "\"raw\":[\"e\",\"{\\\"a\\\":\\n1}\"]"},
        {"{\"a\":1}}", 8, "\"raw\":[\"e\",\"{\\\"a\\\":1}}\"]"},
        {"\"},\"sha256\":\"", 13, "\"raw\":[\"e\",\"\\\"},\\\"sha256\\\":\\\"\"]"},
        {"a\0b", 3, "\"raw\":[\"e\",\"a\\u0000b\"]"},
        {"\xff", 1, "\"raw_base64\":[\"ZQ==\",\"/w==\"]"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        const struct store_audit_entry entry = entry_of((struct span){table[i].text, table[i].len}, 1);
        struct audit_link link, back;
        struct json *json = NULL;
        struct reason why = {""};
        struct buf out;

        buf_init(&out, AUDIT_LINE_MAX);
        audit_link_start(&link, "o");
        audit_chain_write(&link, &entry, &out);
        if (!strstr(buf_str(&out), table[i].kept))
            fail_msg("%s is not in %s", table[i].kept, buf_str(&out));
        assert_null(memchr(out.data, '\n', out.len - 1));
        assert_int_equal(audit_chain_read((struct span){out.data, out.len - 1}, &back, &why), 0);
        assert_int_equal(json_parse(&json, out.data, out.len, &why), 0);
        json_free(json);
        buf_clear(&out);
    }
}

/* Every byte of a line counts, and so does every byte that is added or taken away. */
static void a_line_tells_by_itself_when_a_byte_was_changed(void **state)
{
    struct chain *chain = make_chain();
    struct buf *line = &chain->lines[3];
    struct audit_link link;
    struct reason why = {""};

    (void)state;
    for (size_t i = 0; i < line->len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            line->data[i] = (char)(line->data[i] ^ 1 << bit);
            assert_int_equal(audit_chain_read(span_of_line(line), &link, &why), ERR_INVALID);
            line->data[i] = (char)(line->data[i] ^ 1 << bit);
        }
        assert_int_equal(audit_chain_read((struct span){line->data, i}, &link, &why), ERR_INVALID);
    }
    buf_char(line, ' ');
    assert_int_equal(audit_chain_read(span_of_line(line), &link, &why), ERR_INVALID);
    free_chain(chain);
}

/* --- many lines --- */

/* Adds a line out of a word: `3` as it is, `3!` with a byte changed, `3f` with other content and a hash that fits it,
 * `3p` that goes on from another line, `x` no line at all, `+3` one made up that goes on from line 3; `3|` has no line
 * break. */
static void make_word(const struct chain *chain, const char *word, struct buf *out)
{
    bool is_new = word[0] == '+';
    size_t number = (size_t)(word[is_new] - '0');
    char how = word[is_new] ? word[is_new + 1] : '\0';
    struct audit_link link;

    buf_init(out, AUDIT_LINE_MAX);
    if (word[0] == 'x') {
        buf_text(out, "no line");
        return;
    }
    if (is_new || how == 'f' || how == 'p') {
        link = chain->links[is_new ? number : number - 1];
        if (how == 'p')
            memset(link.sha256, 'a', DIGEST_HEX_SIZE - 1);
        write_line(&link, "{\"forged\":true}", 1768473000099, out);
        return;
    }
    buf_add(out, chain->lines[number].data, chain->lines[number].len);
    if (how == '!')
        out->data[out->len / 2] ^= 1;
}

static void feed(struct audit_check *check, const struct chain *chain, const char *words)
{
    uint64_t line = 0;
    bool goes_on = true;

    while (*words && goes_on) {
        size_t len = strcspn(words, " ");
        char word[8];
        struct buf out;

        (void)snprintf(word, sizeof(word), "%.*s", (int)len, words);
        make_word(chain, word, &out);
        goes_on = audit_check_line(check, (struct audit_place){0, ++line}, span_of_line(&out));
        if (goes_on && strchr(word, '|'))
            goes_on = audit_check_unended(check);
        buf_clear(&out);
        words += len + (words[len] == ' ');
    }
}

static void the_first_wrong_line_is_named_and_how_it_is_wrong(void **state)
{
    static const struct {
        const char *words;
        enum audit_damage damage;
        uint64_t line, found;
    } table[] = {
        {"1 2 3 4 5 6 7 8", AUDIT_FINE, 0, 0},
        {"", AUDIT_FINE, 0, 0},
        {"3 4 5", AUDIT_FINE, 0, 0},
        {"1! 2 3", AUDIT_CHANGED, 1, 0},
        {"1 2 3! 4 5", AUDIT_CHANGED, 3, 0},
        {"1 2 3!", AUDIT_CHANGED, 3, 0},
        {"1 2 3! 4! 5", AUDIT_CHANGED, 3, 0},
        {"1 2 x 4 5", AUDIT_CHANGED, 3, 0},
        {"1 2 3f 4 5", AUDIT_CHANGED, 3, 0},
        {"1 2 3f 4", AUDIT_CHANGED, 3, 0},
        {"1 2 3p 4 5", AUDIT_CHANGED, 3, 0},
        {"1 2 4 5 6", AUDIT_REMOVED, 3, 0},
        {"1 2 6", AUDIT_REMOVED, 3, 0},
        {"1 5 6! 7", AUDIT_REMOVED, 2, 0},
        {"1 2 x 3 4", AUDIT_ADDED, 3, 0},
        {"1 2 3 3 4", AUDIT_ADDED, 4, 0},
        {"1 2 3 1 4", AUDIT_ADDED, 4, 0},
        {"1 2 5! 3 4", AUDIT_ADDED, 3, 0},
        {"1 2 +2 3 4", AUDIT_ADDED, 3, 0},
        {"1 2 4 3 5", AUDIT_REORDERED, 3, 4},
        {"1 2 4 5 6 3 7", AUDIT_REORDERED, 3, 6},
        {"2 1 3", AUDIT_REORDERED, 1, 2},
        {"5 6 7 8 1 2 3 4", AUDIT_REORDERED, 1, 5},
        {"5 1 2 3 4 5 6", AUDIT_REORDERED, 1, 2},
        {"5 6 4", AUDIT_REORDERED, 1, 3},
        {"5 6 2 7 8", AUDIT_ADDED, 3, 0},
        {"5 6 2", AUDIT_ADDED, 3, 0},
        {"5 6 2 x 7", AUDIT_ADDED, 3, 0},
        {"1 2| 3", AUDIT_CHANGED, 2, 0},
        {"1 2 4| 5", AUDIT_REMOVED, 3, 0},
    };
    struct chain *chain = make_chain();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct audit_check check;

        audit_check_init(&check, NULL);
        feed(&check, chain, table[i].words);
        audit_check_end(&check, NULL);
        if (check.damage != table[i].damage || (check.damage != AUDIT_FINE && check.place.line != table[i].line) ||
            check.found.line != table[i].found)
            fail_msg("`%s`: %s at %d, found at %d (%s)", table[i].words, audit_damage_name(check.damage),
                     (int)check.place.line, (int)check.found.line, check.detail);
        assert_true(check.damage == AUDIT_FINE || check.damage == AUDIT_REMOVED || check.damage == AUDIT_REORDERED ||
                    check.detail[0]);
    }
    free_chain(chain);
}

static void both_ends_are_checked_when_their_hashes_are_known(void **state)
{
    static const struct {
        const char *words;
        int from, until; /* numbers of lines; -1: not known */
        enum audit_damage damage;
    } table[] = {
        {"1 2 3", 0, 3, AUDIT_FINE},
        {"3 4 5", 2, 5, AUDIT_FINE},
        {"3 4 5", 0, 5, AUDIT_FOREIGN},
        {"3 4 5", 3, -1, AUDIT_FOREIGN},
        {"1 2 3", -1, 4, AUDIT_CUT},
        {"1 2 3f", -1, 3, AUDIT_CUT},
        {"", 4, 4, AUDIT_FINE},
        {"", 0, 4, AUDIT_CUT},
        {"1 2 3 4", 0, 3, AUDIT_CUT},
        {"1 2 4", 0, 4, AUDIT_REMOVED},
        {"1 2 3f 4", 0, 4, AUDIT_CHANGED},
    };
    struct chain *chain = make_chain();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct audit_check check;

        audit_check_init(&check, table[i].from >= 0 ? chain->links[table[i].from].sha256 : NULL);
        feed(&check, chain, table[i].words);
        audit_check_end(&check, table[i].until >= 0 ? chain->links[table[i].until].sha256 : NULL);
        if (check.damage != table[i].damage)
            fail_msg("`%s`: %s (%s)", table[i].words, audit_damage_name(check.damage), check.detail);
    }
    free_chain(chain);
}

static void it_is_said_when_the_chain_begins_in_the_middle(void **state)
{
    struct chain *chain = make_chain();
    struct audit_check check;

    (void)state;
    audit_check_init(&check, NULL);
    feed(&check, chain, "3 4");
    assert_true(check.begins_in_middle);
    assert_int_equal(check.first.seq, 3);
    audit_check_init(&check, chain->links[2].sha256);
    feed(&check, chain, "3 4");
    assert_false(check.begins_in_middle);
    audit_check_init(&check, NULL);
    feed(&check, chain, "1 2");
    assert_false(check.begins_in_middle);
    free_chain(chain);
}

/* --- ids, objects --- */

static void ids_of_the_stream_are_two_whole_numbers(void **state)
{
    static const char *const wrong[] = {"",
                                        "-",
                                        "1",
                                        "1-",
                                        "-1",
                                        "a-1",
                                        "1-b",
                                        "01-1",
                                        "1-1-1",
                                        " 1-1",
                                        "18446744073709551616-0",
                                        "1-18446744073709551616",
                                        "+1-1"};
    struct store_audit_id id, greatest = {UINT64_MAX, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_false(store_audit_id_parse(wrong[i], strlen(wrong[i]), &id));
    assert_false(store_audit_id_parse(NULL, 0, &id));
    assert_true(store_audit_id_parse("18446744073709551615-18446744073709551615", 41, &id));
    assert_int_equal(store_audit_id_compare(&id, &greatest), 0);
    assert_true(store_audit_id_parse("0-0", 3, &id));
    assert_int_equal(store_audit_id_compare(&id, &greatest), -1);
    assert_int_equal(store_audit_id_compare(&greatest, &id), 1);
    assert_int_equal(store_audit_id_compare(&(struct store_audit_id){5, 1}, &(struct store_audit_id){5, 2}), -1);
}

static void objects_on_one_line_are_told_from_all_else(void **state)
{
    static const char *const right[] = {"{}",
                                        "{ }",
                                        "{\"a\":[]}",
                                        "{\"a\":[1,-0,2.5e+3,0E-1]}",
                                        "{\"a\":{\"b\":[{},[[]],null,true,false,\"\\u00e9\\n\"]}}",
                                        "{\"\":\"\xc3\xa9\",\"\":1}"};
    static const char *const wrong[] = {"",
                                        " {}",
                                        "{} ",
                                        "[]",
                                        "1",
                                        "{",
                                        "}",
                                        "{]",
                                        "{\"a\"}",
                                        "{\"a\":}",
                                        "{\"a\":1,}",
                                        "{,}",
                                        "{\"a\":01}",
                                        "{\"a\":1.}",
                                        "{\"a\":.5}",
                                        "{\"a\":-}",
                                        "{\"a\":1e}",
                                        "{\"a\":+1}",
                                        "{\"a\":tru}",
                                        "{\"a\":NaN}",
                                        "{\"a\":\"\\x\"}",
                                        "{\"a\":\"\\u12g4\"}",
                                        "{\"a\":\"\t\"}",
                                        "{\"a\":\n1}",
                                        "{\"a\":\"\xff\"}",
                                        "{'a':1}",
                                        "{a:1}",
                                        "{\"a\":1}{}",
                                        "{\"a\":[1 2]}",
                                        "{\"a\":[,]}",
                                        "{\"a\":\"b}",
                                        "{\"a\":\"\\\"}"};
    struct buf deep;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(right); i++) {
        if (!json_is_object_line(span_of(right[i])))
            fail_msg("%s", right[i]);
    }
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        if (json_is_object_line(span_of(wrong[i])))
            fail_msg("%s", wrong[i]);
    }
    for (int depth = JSON_CHECK_DEPTH - 1; depth <= JSON_CHECK_DEPTH; depth++) {
        buf_init(&deep, 4096);
        buf_text(&deep, "{\"a\":");
        for (int i = 0; i < depth; i++)
            buf_char(&deep, '[');
        for (int i = 0; i < depth; i++)
            buf_char(&deep, ']');
        buf_char(&deep, '}');
        assert_int_equal(json_is_object_line((struct span){deep.data, deep.len}), depth < JSON_CHECK_DEPTH);
        buf_clear(&deep);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_its_number_its_hash_and_the_hash_of_the_one_before),
        cmocka_unit_test(a_line_begins_with_its_number_and_ends_with_its_hash),
        cmocka_unit_test(what_was_lost_before_it_stands_in_a_line),
        cmocka_unit_test(what_is_no_entry_is_kept_as_it_is),
        cmocka_unit_test(a_line_tells_by_itself_when_a_byte_was_changed),
        cmocka_unit_test(the_first_wrong_line_is_named_and_how_it_is_wrong),
        cmocka_unit_test(both_ends_are_checked_when_their_hashes_are_known),
        cmocka_unit_test(it_is_said_when_the_chain_begins_in_the_middle),
        cmocka_unit_test(ids_of_the_stream_are_two_whole_numbers),
        cmocka_unit_test(objects_on_one_line_are_told_from_all_else),
    };

    return cmocka_run_group_tests_name("audit_chain", tests, NULL, NULL);
}
