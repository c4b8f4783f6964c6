/* The audit's way out of Redis: one exporter at a time, and nothing leaves the stream before it was acknowledged. */
#include "common/store_audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/store_fixture.h"

#define STREAM KEY ":audit"
#define EXPORT KEY ":audit:export"
#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static const struct store_audit_exporter one = {"one", "host-1:/audit", 60000};
static const struct store_audit_exporter two = {"two", "host-2:/audit", 60000};

static void on_claimed(void *context, const struct store_audit_claimed *claimed)
{
    *(struct store_audit_claimed *)context = *claimed;
}

static struct store_audit_claimed *claim(struct fixture *fixture, const struct store_audit_exporter *exporter)
{
    static struct store_audit_claimed claimed;

    claimed.rc = 1;
    store_audit_claim(fixture->store, exporter, on_claimed, &claimed);
    drain(fixture->store);
    return &claimed;
}

struct read {
    int rc;
    bool is_ours;
    int64_t lost;
    size_t count;
    char texts[4096]; /* separated by blanks; of a strange entry its size and fields between brackets */
    struct store_audit_id last;
};

static void on_read(void *context, const struct store_audit_batch *batch)
{
    struct read *read = context;
    size_t used = 0;

    *read = (struct read){.rc = batch->rc, .is_ours = batch->is_ours, .lost = batch->lost, .count = batch->count};
    for (size_t i = 0; i < batch->count && used < sizeof(read->texts) - 200; i++) {
        struct store_audit_entry entry;

        assert_true(store_audit_entry(batch, i, &entry));
        read->last = entry.id;
        used += (size_t)snprintf(read->texts + used, 100, "%s%.*s", i ? " " : "", (int)entry.text.len,
                                 entry.text.data ? entry.text.data : "");
        if (entry.text.data)
            continue;
        used += (size_t)snprintf(read->texts + used, 100, "[%d", (int)entry.size);
        for (size_t field = 0; field < entry.field_count; field++) {
            struct span text = store_audit_field(&entry, field);

            used += (size_t)snprintf(read->texts + used, 40, ",%.*s", text.len < 30 ? (int)text.len : 30, text.data);
        }
        used += (size_t)snprintf(read->texts + used, 2, "]");
    }
}

static struct read *read_after(struct fixture *fixture, const struct store_audit_exporter *exporter, uint64_t ms,
                               int64_t most, int64_t bytes)
{
    static struct read read;

    read.rc = 1;
    store_audit_read(fixture->store, exporter, &(struct store_audit_end){{ms, 0}, ms}, most, bytes, on_read, &read);
    drain(fixture->store);
    return &read;
}

static void on_done(void *context, const struct store_audit_done *done)
{
    *(struct store_audit_done *)context = *done;
}

static struct store_audit_done *acknowledge(struct fixture *fixture, const struct store_audit_exporter *exporter,
                                            uint64_t seq, uint64_t ms, const char *hash)
{
    static struct store_audit_done done;
    struct store_audit_mark mark = {.seq = seq, .id = {ms, 0}, .file = "f.jsonl", .size = 100};

    (void)snprintf(mark.sha256, sizeof(mark.sha256), "%s", hash);
    done.rc = 1;
    store_audit_acknowledge(fixture->store, exporter, &mark, false, on_done, &done);
    drain(fixture->store);
    return &done;
}

/* Entries 1-0, 2-0 ... */
static void add(struct fixture *fixture, int first, int count)
{
    char id[24], text[24];

    for (int i = first; i < first + count; i++) {
        (void)snprintf(id, sizeof(id), "%d-0", i);
        (void)snprintf(text, sizeof(text), "{\"n\":%d}", i);
        call(fixture, "XADD", STREAM, id, "e", text);
    }
}

static void what_is_read_stays_until_it_is_acknowledged(void **state)
{
    struct fixture *fixture = *state;
    struct read *read;

    add(fixture, 1, 5);
    assert_true(claim(fixture, &one)->is_ours);
    read = read_after(fixture, &one, 0, 3, 1000);
    assert_int_equal(read->rc, 0);
    assert_string_equal(read->texts, "{\"n\":1} {\"n\":2} {\"n\":3}");
    assert_int_equal(ask(fixture, "XLEN", STREAM), 5);
    assert_true(acknowledge(fixture, &one, 3, 3, HASH_A)->is_ours);
    assert_int_equal(ask(fixture, "XLEN", STREAM), 2);
    assert_true(acknowledge(fixture, &one, 3, 3, HASH_A)->is_ours); /* again: nothing more goes */
    assert_int_equal(ask(fixture, "XLEN", STREAM), 2);
    assert_string_equal(read_after(fixture, &one, 3, 10, 1000)->texts, "{\"n\":4} {\"n\":5}");
    assert_int_equal(read_after(fixture, &one, 5, 10, 1000)->count, 0);
}

static void a_batch_is_bounded_by_entries_and_by_bytes(void **state)
{
    struct fixture *fixture = *state;
    char *big = calloc(1, 6000001);

    add(fixture, 1, 1000);
    (void)claim(fixture, &one);
    assert_int_equal(read_after(fixture, &one, 0, 450, 1 << 20)->count, 450);
    assert_int_equal(read_after(fixture, &one, 0, 450, 100)->count, 13); /* of 7 and 8 bytes */
    assert_int_equal(read_after(fixture, &one, 0, 450, 1)->count, 1);
    memset(big, 'x', 6000000);
    call(fixture, "XADD", STREAM, "2000-0", "e", big);
    call(fixture, "XADD", STREAM, "2001-0", "a", "1", "b", "2");
    assert_int_equal(read_after(fixture, &one, 990, 450, 1 << 20)->count, 10);
    assert_int_equal(read_after(fixture, &one, 1000, 450, 1 << 20)->count, 1);
    assert_string_equal(read_after(fixture, &one, 1000, 1, 1 << 20)->texts,
                        "[6000001,e,xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx]");
    assert_string_equal(read_after(fixture, &one, 2000, 1, 1 << 20)->texts, "[4,a,1,b,2]");
    free(big);
}

static void one_exporter_at_a_time_has_the_audit(void **state)
{
    struct fixture *fixture = *state;
    const struct store_audit_exporter again = {"one-again", one.place, 60000}, over = {"one", one.place, 0};
    struct store_audit_claimed *claimed;

    add(fixture, 1, 3);
    claimed = claim(fixture, &one);
    assert_true(claimed->is_ours && !claimed->was_known);
    assert_int_equal(claimed->count, 3);
    assert_int_equal(claimed->oldest.ms, 1);
    assert_int_equal(claimed->newest.ms, 3);
    claimed = claim(fixture, &two);
    assert_false(claimed->is_ours);
    assert_string_equal(claimed->place, one.place);
    assert_in_range(claimed->left_ms, 1, 60000);
    assert_false(read_after(fixture, &two, 0, 10, 1000)->is_ours);
    assert_false(acknowledge(fixture, &two, 3, 3, HASH_A)->is_ours);
    assert_int_equal(ask(fixture, "XLEN", STREAM), 3);
    /* Who writes to the same files has their lock: the one before is dead. */
    assert_true(claim(fixture, &again)->is_ours);
    assert_true(claim(fixture, &one)->is_ours);
    (void)claim(fixture, &over);
    claimed = claim(fixture, &two);
    assert_true(claimed->is_ours);
}

/* Who claims it may find that it must not export: the next one has to look as closely. */
static void an_export_is_known_when_something_was_acknowledged(void **state)
{
    struct fixture *fixture = *state;
    const struct store_audit_exporter over = {"one", one.place, 0};

    add(fixture, 1, 3);
    for (int i = 0; i < 3; i++) {
        assert_false(claim(fixture, &one)->was_known);
        (void)claim(fixture, &over);
    }
    assert_false(claim(fixture, &two)->was_known);
    assert_true(acknowledge(fixture, &two, 0, 0, HASH_A)->is_ours); /* that nothing was exported so far */
    assert_int_equal(ask(fixture, "XLEN", STREAM), 3);
    assert_true(claim(fixture, &two)->was_known);
}

static void one_who_was_overtaken_is_told_whether_its_last_step_counted(void **state)
{
    struct fixture *fixture = *state;
    struct store_audit_done *done;
    struct store_audit_claimed *claimed;

    add(fixture, 1, 9);
    (void)claim(fixture, &one);
    (void)acknowledge(fixture, &one, 3, 3, HASH_A);
    call(fixture, "HSET", EXPORT, "until", "0"); /* its lease ran out */
    claimed = claim(fixture, &two);
    assert_true(claimed->is_ours);
    assert_int_equal(claimed->mark.seq, 3);
    assert_int_equal(claimed->mark.id.ms, 3);
    assert_int_equal(claimed->mark.size, 100);
    assert_string_equal(claimed->mark.sha256, HASH_A);
    assert_string_equal(claimed->mark.file, "f.jsonl");
    done = acknowledge(fixture, &one, 6, 6, HASH_B);
    assert_false(done->is_ours);
    assert_string_equal(done->from, HASH_A); /* what it had acknowledged before: the step was not taken */
    assert_string_equal(done->place, two.place);
    assert_int_equal(ask(fixture, "XLEN", STREAM), 6);
}

static void reading_and_acknowledging_renew_the_lease(void **state)
{
    struct fixture *fixture = *state;
    int64_t until;

    add(fixture, 1, 3);
    (void)claim(fixture, &one);
    for (int i = 0; i < 2; i++) {
        call(fixture, "HSET", EXPORT, "until", "0");
        if (i == 0)
            assert_true(read_after(fixture, &one, 0, 1, 100)->is_ours);
        else
            assert_true(acknowledge(fixture, &one, 1, 1, HASH_A)->is_ours);
        until = ask(fixture, "HGET", EXPORT, "until");
        assert_true(until > 0);
    }
    assert_false(claim(fixture, &two)->is_ours);
}

static void status_tells_how_far_the_export_is(void **state)
{
    struct fixture *fixture = *state;
    struct store_status *status;

    add(fixture, 1, 9);
    (void)claim(fixture, &one);
    (void)acknowledge(fixture, &one, 3, 3, HASH_A);
    status = read_status(fixture);
    assert_int_equal(status->audit_kept, 6);
    assert_int_equal(status->audit_exported, 3);
    assert_int_equal(status->audit_cut, 0);
    assert_true(status->audit_oldest_ms > 0);
    assert_in_range(status->audit_export_age_ms, 0, 60000);
    assert_in_range(status->audit_lease_ms, 1, 60000);
    assert_string_equal(status->audit_place, one.place);
    free(status);
    call(fixture, "XDEL", STREAM, "5-0");
    status = read_status(fixture);
    assert_int_equal(status->audit_cut, 1);
    free(status);
}

/* The lines are numbered like the entries here, so what is missing between them was lost. */
static void what_was_cut_off_unread_is_told_with_the_next_entries(void **state)
{
    struct fixture *fixture = *state;

    add(fixture, 1, 10);
    (void)claim(fixture, &one);
    assert_int_equal(read_after(fixture, &one, 0, 3, 1000)->lost, 0);
    assert_int_equal(read_after(fixture, &one, 3, 3, 1000)->lost, -1); /* those that were read are still there */
    call(fixture, "XTRIM", STREAM, "MAXLEN", "5");                     /* 6 to 10 stay */
    assert_int_equal(read_after(fixture, &one, 3, 2, 1000)->lost, 2);  /* 4 and 5 */
    call(fixture, "HSET", EXPORT, "base", "1", "base_lost", "40");
    assert_int_equal(read_after(fixture, &one, 3, 2, 1000)->lost, 43);
}

static void a_key_of_another_type_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    char before[64], after[64];

    (void)claim(fixture, &one);
    call(fixture, "SET", STREAM, "x");
    snapshot(fixture, before);
    assert_int_equal(claim(fixture, &two)->rc, ERR_STATE);
    assert_int_equal(acknowledge(fixture, &one, 1, 1, HASH_A)->rc, ERR_STATE);
    snapshot(fixture, after);
    assert_string_equal(before, after);
}

static void with_stop_a_full_audit_hands_nothing_out_and_cuts_nothing(void **state)
{
    struct fixture *fixture = *state;
    const struct store_limits limits = {60000, 60000, 60000, 1000, true, 60000},
                              others = {60000, 60000, 60000, 1000, false, 60000};
    struct taken *taken;

    store_set_limits(fixture->store, &limits);
    assert_string_equal(enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, "a b c"), "111");
    add(fixture, 1, 999);
    assert_string_equal(reserve(fixture->store, "w1", 0, 1), "a");
    add(fixture, 1000, 1);
    taken = reserve_within(fixture->store, "w1", 1, 2, UNLIMITED);
    assert_int_equal(taken->rc, 0);
    assert_true(taken->seen.is_audit_full);
    assert_int_equal(taken->seen.count, 0);
    assert_int_equal(settle(fixture->store, STORE_SENT, "w1", "t0", "a"), 0);
    assert_int_equal(ask(fixture, "XLEN", STREAM), 1001); /* written beyond the bound, and none is cut off */
    call(fixture, "XDEL", STREAM, "1-0");
    call(fixture, "XDEL", STREAM, "2-0");
    assert_string_equal(reserve(fixture->store, "w1", 3, 1), "b");
    for (int i = 0; i < 500; i++)
        call(fixture, "XADD", STREAM, "*", "e", "{}");
    store_set_limits(fixture->store, &others); /* drop: the bound is the stream's own */
    assert_string_equal(reserve(fixture->store, "w1", 4, 1), "c");
    assert_int_equal(settle(fixture->store, STORE_SENT, "w1", "t4", "c"), 0);
    assert_true(ask(fixture, "XLEN", STREAM) < 1200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_read_stays_until_it_is_acknowledged),
        TEST(a_batch_is_bounded_by_entries_and_by_bytes),
        TEST(one_exporter_at_a_time_has_the_audit),
        TEST(an_export_is_known_when_something_was_acknowledged),
        TEST(one_who_was_overtaken_is_told_whether_its_last_step_counted),
        TEST(reading_and_acknowledging_renew_the_lease),
        TEST(status_tells_how_far_the_export_is),
        TEST(what_was_cut_off_unread_is_told_with_the_next_entries),
        TEST(a_key_of_another_type_changes_nothing),
        TEST(with_stop_a_full_audit_hands_nothing_out_and_cuts_nothing),
    };

    return run_store_tests("store_audit", tests, COUNT_OF(tests));
}
