/* The rows of a cluster's nodes, on a real server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../scratch.h"
#include "base/clock.h"
#include "base/file.h"
#include "server.h"
#include "store/nodes.h"

static char dir[64];

static bool wait_still(void *ctx, int fd, short events, int64_t deadline_us)
{
    (void)ctx;
    return file_wait(fd, events, deadline_us);
}

static void run_here(void *ctx, void (*fn)(void *arg), void *arg)
{
    (void)ctx;
    fn(arg);
}

static const struct store_host still = {.wait = wait_still, .away = run_here};

/* The tables alone. */
static int make(void **state)
{
    struct error err = {0};
    (void)state;
    strcpy(dir, "/tmp/homerun-nodes-XXXXXX");
    assert_non_null(scratch_new(dir));
    server_empty();
    struct store *store = server_open(dir, "copy", "installation", &err);
    assert_non_null(store);
    store_close(store);
    return 0;
}

static struct store_nodes *node(const char *name)
{
    struct error err = {0};
    struct store_nodes *nodes = store_nodes_new(
        &(struct store_nodes_self){
            .store = server_url, .name = name, .url = "http://localhost", .lease_ms = 4000},
        &still, &err);
    assert_non_null(nodes);
    return nodes;
}

/* A change of which only the number counts. */
static const struct store_point *at(uint64_t number)
{
    static struct store_point point;
    point = (struct store_point){.number = number};
    return &point;
}

static struct store_nodes *joined(const char *name, uint64_t applied)
{
    struct error err = {0};
    struct store_joined out;
    struct store_nodes *nodes = node(name);
    if (!store_nodes_join(nodes, at(applied), &out, &err)) {
        fail_msg("%s", err.text);
    }
    return nodes;
}

/* Whether it still has its lease. */
static bool beats(struct store_nodes *nodes, uint64_t applied, struct store_view *view)
{
    struct error err = {0};
    bool lost;
    if (!store_nodes_beat(nodes, at(applied), view, &lost, &err)) {
        fail_msg("%s", err.text);
    }
    return !lost;
}

static const struct store_node *row_of(const struct store_view *view, const char *name)
{
    for (size_t i = 0; i < view->count; i++) {
        if (strcmp(view->nodes[i].name, name) == 0) {
            return &view->nodes[i];
        }
    }
    fail_msg("no row of %s", name);
    return NULL;
}

static void a_renewal_shows_and_what_was_applied_never_goes_back(void **state)
{
    (void)state;
    static struct store_view first, second;
    struct store_nodes *a = joined("a", 5), *b = joined("b", 3);
    assert_true(beats(a, 5, &first));
    assert_int_equal(first.count, 2);
    assert_int_equal(row_of(&first, "b")->applied, 3);
    assert_int_equal(row_of(&first, "b")->lease_ms, 4000);
    assert_true(beats(b, 7, &second));
    assert_true(beats(b, 6, &second)); /* a renewal that was on its way for long */
    assert_true(beats(a, 5, &second));
    assert_int_equal(row_of(&second, "b")->applied, 7);
    assert_int_equal(row_of(&second, "b")->beat, row_of(&first, "b")->beat + 2);
    assert_int_equal(row_of(&second, "b")->epoch, row_of(&first, "b")->epoch);
    store_nodes_free(a);
    store_nodes_free(b);
}

/* A renewal counts here, so a crash of the server must not forget it. */
static void a_renewal_waits_for_the_disk_whatever_was_set(void **state)
{
    (void)state;
    static struct store_view view;
    assert_int_equal(
        server_sql("ALTER DATABASE postgres SET synchronous_commit = 'off';"
                   " CREATE FUNCTION homerun.look() RETURNS trigger LANGUAGE plpgsql"
                   " AS \\$\\$ BEGIN ASSERT current_setting('synchronous_commit') = 'on';"
                   " RETURN NEW; END \\$\\$; CREATE TRIGGER look BEFORE INSERT OR UPDATE"
                   " ON homerun.node EXECUTE FUNCTION homerun.look()"),
        0);
    struct store_nodes *a = joined("a", 0);
    assert_int_equal(server_sql("ALTER DATABASE postgres RESET ALL"), 0);
    assert_true(beats(a, 0, &view));
    store_nodes_free(a);
}

static void changes_are(const char *sql)
{
    char text[400];
    snprintf(text, sizeof(text), "DELETE FROM homerun.change; %s", sql);
    assert_int_equal(server_sql(text), 0);
}

#define CHANGE(number, id)                                                                         \
    "INSERT INTO homerun.change (number, id, versions, last_document, last_audit, node)"           \
    " VALUES (" #number ", '" id "', 0, 0, 0, 'n'); "

/* A backup that was put in place under it, with fewer changes, as many, or more. */
static void a_node_that_the_record_does_not_know_is_not_of_the_cluster(void **state)
{
    (void)state;
    static struct store_view view;
    static const char *const other[] = {
        "",
        CHANGE(1, "one"),
        CHANGE(2, "another"),
        CHANGE(2, "another") CHANGE(3, "two"),
        CHANGE(1, "two"),
    };
    static const char *const ours[] = {CHANGE(2, "two"), CHANGE(2, "two") CHANGE(3, "x"),
                                       /* so many more that ours are forgotten there */
                                       CHANGE(100003, "y")};
    const struct store_point two = {2, "two"};
    struct store_nodes *a = node("a");
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
        struct error err = {0};
        struct store_joined out;
        bool lost;
        changes_are(CHANGE(2, "two"));
        assert_true(store_nodes_join(a, &two, &out, &err));
        assert_true(store_nodes_beat(a, &two, &view, &lost, &err) && !lost);
        int64_t beat = row_of(&view, "a")->beat;
        changes_are(other[i]);
        assert_false(store_nodes_beat(a, &two, &view, &lost, &err));
        assert_int_equal(err.status, STATUS_DATA_LOSS);
        assert_non_null(strstr(err.text, "put back"));
        assert_false(store_nodes_join(a, &two, &out, &err));
        assert_int_equal(err.status, STATUS_DATA_LOSS);
        assert_int_equal(row_of(&view, "a")->beat, beat + 1); /* of before, and no further */
    }
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        struct error err = {0};
        struct store_joined out;
        bool lost;
        changes_are(ours[i]);
        if (!store_nodes_join(a, &two, &out, &err) ||
            !store_nodes_beat(a, &two, &view, &lost, &err) || lost) {
            fail_msg("%s: %s", ours[i], err.text);
        }
    }
    store_nodes_free(a);
}

static void who_was_passed_over_renews_no_more_and_comes_back_with_another_epoch(void **state)
{
    (void)state;
    static struct store_view view;
    struct error err = {0};
    bool done;
    struct store_nodes *a = joined("a", 0), *b = joined("b", 0);
    assert_true(beats(a, 0, &view));
    struct store_node seen = *row_of(&view, "b");
    assert_true(store_nodes_pass_over(a, &seen, &done, &err) && done);
    assert_true(store_nodes_pass_over(a, &seen, &done, &err) && !done); /* once */
    assert_false(beats(b, 9, &view));
    assert_true(beats(a, 0, &view));
    assert_false(row_of(&view, "b")->serves);
    assert_int_equal(row_of(&view, "b")->applied, 0); /* its late renewal said nothing */
    struct store_joined out;
    assert_true(store_nodes_join(b, at(2), &out, &err));
    assert_true(out.epoch > seen.epoch);
    assert_true(beats(b, 2, &view) && row_of(&view, "b")->serves);
    store_nodes_free(a);
    store_nodes_free(b);
}

/* Joins NODE anew; its tenure. */
static uint32_t tenure_of(struct store_nodes *nodes)
{
    struct error err = {0};
    struct store_joined out;
    assert_true(store_nodes_join(nodes, at(0), &out, &err));
    return out.tenure;
}

static void a_tenure_goes_on_until_others_may_have_taken_what_was_held(void **state)
{
    (void)state;
    static struct store_view view;
    struct error err = {0};
    bool done;
    struct store_nodes *a = joined("a", 0), *b = joined("b", 0);
    uint32_t first = tenure_of(b);
    assert_true(first > 0);
    assert_int_equal(tenure_of(b), first); /* its control was restarted */
    assert_true(beats(a, 0, &view));
    assert_true(store_nodes_pass_over(a, row_of(&view, "b"), &done, &err) && done);
    uint32_t second = tenure_of(b);
    assert_true(second > first);
    assert_int_equal(tenure_of(b), second);
    store_nodes_free(a);
    store_nodes_free(b);
}

static bool writes(struct store_nodes *nodes, int64_t version, const char *division)
{
    struct error err = {0};
    bool done;
    if (!store_nodes_write_places(nodes, 24, version, division, true, &done, &err)) {
        fail_msg("%s", err.text);
    }
    return done;
}

static void places_are_divided_over_what_was_read_and_others_hear_of_it(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err = {0};
    struct store_places first, second;
    struct store_heard heard;
    char live[64];
    struct store_nodes *a = joined("a", 0), *b = joined("b", 0);
    snprintf(live, sizeof(live), "%u a", tenure_of(a));
    assert_true(store_nodes_read_places(a, 24, &arena, &first, &err));
    assert_int_equal(first.version, 0);
    assert_int_equal(first.division.len, 0);
    assert_true(slice_find_slice(first.live, slice_of(live)) >= 0);
    assert_true(writes(a, 0, "one"));
    assert_false(writes(b, 0, "two")); /* it was there first */
    assert_true(store_nodes_read_places(b, 24, &arena, &first, &err));
    assert_true(slice_is(first.division, "one"));
    assert_true(writes(b, first.version, "three"));
    assert_false(writes(a, first.version, "four"));
    assert_true(store_nodes_read_places(a, 24, &arena, &second, &err));
    assert_true(writes(a, second.version, "")); /* the row goes */
    assert_true(writes(a, 0, "five"));
    assert_false(writes(b, second.version, "six")); /* and is another one */
    assert_int_equal(server_sql("SELECT pg_notify('homerun_place', words) FROM"
                                " unnest(ARRAY['', 'x', 'x a', '1', '24 z']) words"),
                     0);
    int64_t deadline_us = clock_mono_us() + 30 * 1000000;
    do {
        while (!store_nodes_hear(b, &heard) && clock_mono_us() < deadline_us) {
            store_nodes_wait(b, deadline_us);
        }
        assert_int_equal(heard.what, HEARD_PLACES);
        assert_true(heard.number == 24 || heard.member.name[0] == '\0');
    } while (strcmp(heard.member.name, "z") != 0 && clock_mono_us() < deadline_us);
    store_nodes_free(a);
    store_nodes_free(b);
}

static void who_has_renewed_meanwhile_is_not_passed_over(void **state)
{
    (void)state;
    static struct store_view view;
    struct error err = {0};
    bool done;
    struct store_nodes *a = joined("a", 0), *b = joined("b", 0);
    assert_true(beats(a, 0, &view));
    struct store_node seen = *row_of(&view, "b");
    assert_true(beats(b, 0, &view));
    assert_true(store_nodes_pass_over(a, &seen, &done, &err) && !done);
    assert_true(beats(b, 0, &view));
    store_nodes_free(a);
    store_nodes_free(b);
}

static void of_two_with_one_name_the_later_does_not_join_while_the_first_may_decide(void **state)
{
    (void)state;
    static struct store_view view;
    struct error err = {0};
    struct store_joined out;
    bool done;
    struct store_nodes *first = joined("a", 0), *second = node("a");
    assert_true(store_nodes_join(second, at(0), &out, &err));
    assert_true(out.is_held);
    assert_string_equal(out.holder.url, "http://localhost");
    assert_true(beats(first, 0, &view));
    /* It was not silent: what the second has seen of it counts no longer. */
    assert_true(store_nodes_pass_over(second, &out.holder, &done, &err) && !done);
    assert_true(store_nodes_join(second, at(0), &out, &err) && out.is_held);
    assert_true(store_nodes_pass_over(second, &out.holder, &done, &err) && done);
    assert_true(store_nodes_join(second, at(0), &out, &err) && !out.is_held);
    assert_false(beats(first, 0, &view));
    assert_true(store_nodes_join(first, at(0), &out, &err) && out.is_held);
    store_nodes_leave(first); /* of an epoch that is over: the row is the other's */
    assert_true(beats(second, 0, &view));
    assert_int_equal(view.count, 1);
    store_nodes_leave(second);
    assert_false(beats(second, 0, &view));
    assert_int_equal(view.count, 0);
    store_nodes_free(first);
    store_nodes_free(second);
}

static void who_leaves_drained_comes_back_drained(void **state)
{
    (void)state;
    static struct store_view view;
    struct store_nodes *a = joined("a", 0), *b = joined("b", 0);
    assert_int_equal(server_sql("UPDATE homerun.node SET draining = true WHERE name = 'a'"), 0);
    store_nodes_leave(a);
    store_nodes_free(a);
    assert_true(beats(b, 0, &view));
    assert_int_equal(view.count, 2);
    assert_false(row_of(&view, "a")->serves);
    a = joined("a", 0);
    assert_true(beats(b, 0, &view));
    assert_true(row_of(&view, "a")->serves && row_of(&view, "a")->draining);
    store_nodes_free(a);
    store_nodes_free(b);
}

static void a_clock_that_is_set_back_gives_nobody_a_second_life(void **state)
{
    (void)state;
    static struct store_view view;
    struct store_nodes *a = joined("a", 0);
    assert_true(beats(a, 0, &view));
    int64_t before = row_of(&view, "a")->epoch;
    assert_int_equal(server_sql("UPDATE homerun.node SET valid_until = now() - interval '1 hour'"),
                     0);
    assert_true(
        beats(a, 0, &view)); /* nobody has passed it over: what the clock says does not count */
    assert_int_equal(row_of(&view, "a")->epoch, before);
    store_nodes_free(a);
}

static void what_is_said_is_heard_and_what_is_nonsense_is_passed_over(void **state)
{
    (void)state;
    struct store_heard heard;
    struct store_nodes *a = joined("a", 0), *b = joined("b", 0);
    assert_int_equal(server_sql("SELECT pg_notify('homerun_node', words) FROM unnest(ARRAY['', "
                                "'1', '1 2', 'x 2 b', '1 x b',"
                                " '-1 2 b', '1 99999999999999999999 b', '1 2 ' || repeat('b', 64), "
                                "'7 12 b', '7 - b']) words;"
                                " SELECT pg_notify('homerun_change', words) FROM unnest(ARRAY['', "
                                "'x', '12x', '13']) words"),
                     0);
    enum { WANTED = 3 };
    struct store_heard got[WANTED];
    int64_t deadline_us = clock_mono_us() + 30 * 1000000;
    for (int count = 0; count < WANTED && clock_mono_us() < deadline_us;) {
        if (store_nodes_hear(a, &heard)) {
            got[count++] = heard;
        } else {
            store_nodes_wait(a, deadline_us);
        }
    }
    assert_int_equal(got[0].what, HEARD_APPLIED);
    assert_int_equal(got[0].number, 12);
    assert_int_equal(got[0].member.epoch, 7);
    assert_string_equal(got[0].member.name, "b");
    assert_int_equal(got[1].what, HEARD_GONE);
    assert_int_equal(got[2].what, HEARD_CHANGE);
    assert_int_equal(got[2].number, 13);
    assert_false(store_nodes_hear(a, &heard));
    store_nodes_free(a);
    store_nodes_free(b);
}

static void a_word_that_comes_while_something_is_asked_needs_no_further_wait(void **state)
{
    (void)state;
    static struct store_view view;
    struct store_heard heard;
    struct store_nodes *a = joined("a", 0);
    assert_int_equal(server_sql("NOTIFY homerun_change, '13'"), 0);
    assert_true(beats(a, 0, &view)); /* the answer comes behind the word */
    assert_true(store_nodes_hear(a, &heard));
    assert_int_equal(heard.number, 13);
    store_nodes_free(a);
}

static void more_nodes_than_there_is_room_for_are_refused(void **state)
{
    (void)state;
    struct error err = {0};
    struct store_joined out;
    char sql[256];
    snprintf(sql, sizeof(sql),
             "INSERT INTO homerun.node (name, epoch, valid_until, alone)"
             " SELECT 'n' || i, 1, now(), false FROM generate_series(1, %d) i",
             STORE_NODES_MAX);
    assert_int_equal(server_sql(sql), 0);
    struct store_nodes *one_more = node("one-more");
    assert_false(store_nodes_join(one_more, at(0), &out, &err));
    assert_int_equal(err.status, STATUS_FAILED_PRECONDITION);
    assert_non_null(strstr(err.text, "nodes remove"));
    struct store_nodes *known = joined("n1", 0);
    store_nodes_free(one_more);
    store_nodes_free(known);
}

static void who_is_alone_keeps_others_out(void **state)
{
    (void)state;
    struct error err = {0};
    struct store_joined out;
    struct store_nodes *a = node("a");
    assert_int_equal(server_sql("INSERT INTO homerun.node (name, epoch, valid_until)"
                                " VALUES ('hermit', 1, now() + interval '1 hour')"),
                     0);
    assert_false(store_nodes_join(a, at(0), &out, &err));
    assert_int_equal(err.status, STATUS_FAILED_PRECONDITION);
    assert_non_null(strstr(err.text, "hermit"));
    assert_int_equal(server_sql("UPDATE homerun.node SET valid_until = now()"), 0);
    assert_true(store_nodes_join(a, at(0), &out, &err));
    store_nodes_free(a);
}

/* ---- questions ---- */

#define ID "0123456789abcdef0123456789abcdef"

static struct store_questions *asker(const char *name)
{
    struct error err = {0};
    struct store_questions *questions = store_questions_new(server_url, name, &still, &err);
    assert_non_null(questions);
    return questions;
}

struct said {
    char text[256];
};

static void note_said(void *ctx, const char *node, const char *text, const char *why)
{
    struct said *said = ctx;
    size_t at = strlen(said->text);
    snprintf(said->text + at, sizeof(said->text) - at, "%s=%s(%s) ", node,
             text == NULL ? "-" : text, why);
}

static const char *said_of(struct store_questions *questions, const char *seen, struct said *said)
{
    struct error err = {0};
    *said = (struct said){0};
    assert_true(store_questions_answers(questions, ID, seen, note_said, said, &err));
    return said->text;
}

static void a_question_reaches_the_others_and_their_answers_come_back(void **state)
{
    (void)state;
    struct error err = {0};
    struct said said;
    auto_arena arena = {0};
    const char *what, *body;
    char id[STORE_QUESTION_ID];
    struct store_nodes *b = joined("b", 0);
    struct store_questions *mine = asker("a"), *of_b = asker("b"), *of_c = asker("c");
    assert_true(store_questions_put(mine, ID, "logs", "{}", &err));
    struct store_heard heard = {0};
    int64_t until = clock_mono_us() + 20 * 1000000;
    while (heard.what != HEARD_QUESTION && clock_mono_us() < until) {
        store_nodes_wait(b, until);
        while (heard.what != HEARD_QUESTION && store_nodes_hear(b, &heard)) {
        }
    }
    assert_string_equal(heard.question, ID);
    assert_string_equal(heard.member.name, "a");
    assert_true(store_questions_take(of_b, ID, &arena, &what, &body, &err));
    assert_string_equal(what, "logs");
    assert_string_equal(body, "{}");
    assert_true(store_questions_answer(of_b, ID, "[1]", NULL, &err));
    assert_true(store_questions_answer(of_b, ID, "[2]", NULL, &err)); /* the first stays */
    assert_true(store_questions_answer(of_c, ID, NULL, "it is too long", &err));
    while (!store_questions_hear(mine, id) && clock_mono_us() < until) {
        store_questions_wait(mine, until);
    }
    assert_string_equal(id, ID);
    assert_string_equal(said_of(mine, "c\n", &said), "b=[1]() ");
    assert_string_equal(said_of(mine, "b\n", &said), "c=-(it is too long) ");
    assert_string_equal(said_of(mine, "b\nc\n", &said), "");
    /* Over: nothing is left, and who answers late leaves nothing. */
    assert_true(store_questions_end(mine, ID, &err));
    assert_true(store_questions_answer(of_b, ID, "[3]", NULL, &err));
    assert_string_equal(said_of(mine, "", &said), "");
    assert_true(store_questions_take(of_b, ID, &arena, &what, &body, &err));
    assert_null(what);
    store_questions_free(mine);
    store_questions_free(of_b);
    store_questions_free(of_c);
    store_nodes_free(b);
}

static void a_word_that_is_no_question_is_passed_over(void **state)
{
    (void)state;
    char id[STORE_QUESTION_ID];
    struct slice name;
    assert_true(store_question_read(ID " a", id, &name));
    assert_string_equal(id, ID);
    assert_true(slice_is(name, "a"));
    static const char *const bad[] = {"", "a", ID, ID " ", "0" ID " a", "abc a", " " ID " a"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(store_question_read(bad[i], id, &name));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_renewal_waits_for_the_disk_whatever_was_set, make),
        cmocka_unit_test_setup(a_renewal_shows_and_what_was_applied_never_goes_back, make),
        cmocka_unit_test_setup(a_node_that_the_record_does_not_know_is_not_of_the_cluster, make),
        cmocka_unit_test_setup(who_was_passed_over_renews_no_more_and_comes_back_with_another_epoch,
                               make),
        cmocka_unit_test_setup(a_tenure_goes_on_until_others_may_have_taken_what_was_held, make),
        cmocka_unit_test_setup(places_are_divided_over_what_was_read_and_others_hear_of_it, make),
        cmocka_unit_test_setup(who_has_renewed_meanwhile_is_not_passed_over, make),
        cmocka_unit_test_setup(
            of_two_with_one_name_the_later_does_not_join_while_the_first_may_decide, make),
        cmocka_unit_test_setup(who_leaves_drained_comes_back_drained, make),
        cmocka_unit_test_setup(a_clock_that_is_set_back_gives_nobody_a_second_life, make),
        cmocka_unit_test_setup(what_is_said_is_heard_and_what_is_nonsense_is_passed_over, make),
        cmocka_unit_test_setup(a_word_that_comes_while_something_is_asked_needs_no_further_wait,
                               make),
        cmocka_unit_test_setup(more_nodes_than_there_is_room_for_are_refused, make),
        cmocka_unit_test_setup(who_is_alone_keeps_others_out, make),
        cmocka_unit_test_setup(a_question_reaches_the_others_and_their_answers_come_back, make),
        cmocka_unit_test(a_word_that_is_no_question_is_passed_over),
    };
    if (!server_is_here()) {
        print_message("[  SKIPPED ] PostgreSQL's server is not installed (postgresql)\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, server_make, server_stop);
}
