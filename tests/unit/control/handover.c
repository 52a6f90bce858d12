/* Handing a sign-in over between hosts, and counting wrong links: by a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "control/identity/burnt.h"
#include "control/identity/guesses.h"
#include "control/identity/handover.h"

enum { SECOND = 1000000 };

static const unsigned char key[SEALER_KEY_BYTES] = "the key that all nodes derive";

/* A node, and one on another machine. */
struct stand {
    struct sealer *here, *there;
    struct arena arena;
    struct slice id, nonce, code;
};

static const struct session_key sign_on = {"sessions/one"};

/* At SECOND: both clocks stand there, as on every machine of these tests. */
static struct moment at(int64_t us)
{
    return (struct moment){us, us};
}

static void begin(struct stand *stand)
{
    struct login login;
    *stand = (struct stand){
        .here = sealer_new(key, "aaaaaaaa-1"),
        .there = sealer_new(key, "bbbbbbbb-2"),
    };
    login_new(stand->here, &stand->arena, SLICE("hello.test"), SLICE("/a?b=c"), false, at(SECOND),
              &stand->id, &stand->nonce);
    assert_true(login_find(stand->there, &stand->arena, stand->id, at(SECOND), &login));
    assert_true(slice_is(login.host, "hello.test"));
    assert_true(slice_is(login.target, "/a?b=c"));
    assert_int_equal(login.made_us, SECOND);
    stand->code = handover_code_new(stand->there, &stand->arena, &login, &sign_on, at(SECOND));
}

static void end(struct stand *stand)
{
    sealer_free(stand->here);
    sealer_free(stand->there);
    arena_done(&stand->arena);
}

static enum handover show(struct stand *stand, struct slice code, struct slice id,
                          struct slice host, struct slice nonce, int64_t now_us, struct once *once)
{
    struct login login;
    struct session_key session = {0};
    enum handover found = handover_find(stand->here, &stand->arena, code, id, host, nonce,
                                        at(now_us), &login, &session, once);
    if (found == HANDOVER_GOOD) {
        assert_string_equal(session.text, sign_on.text);
        assert_true(slice_is(login.target, "/a?b=c"));
    }
    return found;
}

static void a_code_of_one_node_is_good_at_another_for_a_minute(void **state)
{
    struct stand stand;
    struct once once;
    (void)state;
    begin(&stand);
    assert_int_equal(show(&stand, stand.code, stand.id, SLICE("hello.test"), stand.nonce,
                          61 * SECOND - 1, &once),
                     HANDOVER_GOOD);
    assert_int_equal(once.end_us, SECOND + (int64_t)LOGIN_S * SECOND);
    assert_int_equal(
        show(&stand, stand.code, stand.id, SLICE("hello.test"), stand.nonce, 61 * SECOND, &once),
        HANDOVER_NONE);
    end(&stand);
}

/* What it uses up is the same for every code of the record, so that one of them counts. */
static void a_code_that_is_shown_wrongly_uses_up_what_the_right_one_would(void **state)
{
    static const struct {
        const char *host;
        bool other_id, other_nonce, no_nonce;
    } wrong[] = {
        {"other.test", false, false, false},
        {"HELLO.test", false, false, false},
        {"hello.test.", false, false, false},
        {"hello.test", true, false, false},
        {"hello.test", false, true, false},
        {"hello.test", false, false, true},
        {"", false, false, false},
    };
    struct stand stand;
    struct once right, once;
    struct slice other_id, other_nonce;
    struct login login;
    (void)state;
    begin(&stand);
    login_new(stand.there, &stand.arena, SLICE("hello.test"), SLICE("/"), false, at(SECOND),
              &other_id, &other_nonce);
    assert_true(login_find(stand.here, &stand.arena, stand.id, at(SECOND), &login));
    assert_int_equal(show(&stand,
                          handover_code_new(stand.here, &stand.arena, &login, &sign_on, at(SECOND)),
                          stand.id, SLICE("hello.test"), stand.nonce, SECOND, &right),
                     HANDOVER_GOOD);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct slice nonce = wrong[i].no_nonce      ? SLICE_NONE
                             : wrong[i].other_nonce ? other_nonce
                                                    : stand.nonce;
        assert_int_equal(show(&stand, stand.code, wrong[i].other_id ? other_id : stand.id,
                              slice_of(wrong[i].host), nonce, SECOND, &once),
                         HANDOVER_WRONG);
        assert_true(slice_equal(once.name, right.name) && once.end_us == right.end_us);
    }
    end(&stand);
}

/* ---- texts that only we can read ---- */

static void a_sealed_text_is_of_one_key_purpose_and_bound(void **state)
{
    struct stand stand;
    struct sealer *stranger = sealer_new((const unsigned char[SEALER_KEY_BYTES]){1}, "aaaaaaaa-1");
    const struct sealed_terms terms = {"one", SLICE("bound"), 10};
    const struct sealed_terms other_purpose = {"two", SLICE("bound"), 10};
    const struct sealed_terms other_bound = {"one", SLICE("bounds"), 10};
    auto_json *body = json_pack("{s:s}", "a", "b");
    (void)state;
    begin(&stand);
    struct slice text = sealed_new(stand.here, &stand.arena, &terms, body, at(SECOND));
    auto_json *good = sealed_open(stand.there, &stand.arena, &terms, text, at(SECOND), NULL);
    assert_string_equal(json_text_or(good, "a", ""), "b");
    assert_null(sealed_open(stranger, &stand.arena, &terms, text, at(SECOND), NULL));
    assert_null(sealed_open(stand.here, &stand.arena, &other_purpose, text, at(SECOND), NULL));
    assert_null(sealed_open(stand.here, &stand.arena, &other_bound, text, at(SECOND), NULL));
    for (size_t i = 0; i < text.len; i++) {
        struct slice cut = slice_upto(text, i);
        char *changed = arena_string(&stand.arena, text);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        assert_null(sealed_open(stand.here, &stand.arena, &terms, cut, at(SECOND), NULL));
        assert_null(sealed_open(stand.here, &stand.arena, &terms, (struct slice){changed, text.len},
                                at(SECOND), NULL));
    }
    struct slice again = sealed_new(stand.here, &stand.arena, &terms, body, at(SECOND));
    assert_false(slice_equal(text, again));
    sealer_free(stranger);
    end(&stand);
}

static void a_sealed_text_ends_by_the_clock_that_cannot_be_set(void **state)
{
    static const struct {
        int64_t wall_s, boot_s;
        bool here, there;
    } rows[] = {
        {100, 50, true, true},   {109, 59, true, true},  {110, 60, false, false},
        {3700, 59, true, false}, /* the wall clock was set ahead */
        {41, 60, false, true},   /* and back: by less than clocks of nodes may differ */
        {39, 51, true, false},   {100, 49, false, true}, {-3500, 70, false, false},
    };
    struct stand stand;
    const struct sealed_terms terms = {"one", SLICE_NONE, 10};
    auto_json *body = json_object();
    (void)state;
    begin(&stand);
    struct slice text = sealed_new(stand.here, &stand.arena, &terms, body,
                                   (struct moment){100 * (int64_t)SECOND, 50 * (int64_t)SECOND});
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct moment now = {rows[i].wall_s * SECOND, rows[i].boot_s * SECOND};
        auto_json *here = sealed_open(stand.here, &stand.arena, &terms, text, now, NULL);
        auto_json *there = sealed_open(stand.there, &stand.arena, &terms, text, now, NULL);
        if ((here != NULL) != rows[i].here || (there != NULL) != rows[i].there) {
            fail_msg("row %zu: %d %d", i, here != NULL, there != NULL);
        }
    }
    end(&stand);
}

static void a_secret_is_of_one_purpose(void **state)
{
    struct stand stand;
    (void)state;
    begin(&stand);
    struct slice one = sealer_derive(stand.here, &stand.arena, "nonce", SLICE("s"));
    assert_int_equal(one.len, 43);
    assert_true(slice_equal(one, sealer_derive(stand.there, &stand.arena, "nonce", SLICE("s"))));
    assert_false(slice_equal(one, sealer_derive(stand.here, &stand.arena, "verifier", SLICE("s"))));
    assert_false(slice_equal(one, sealer_derive(stand.here, &stand.arena, "nonce", SLICE("t"))));
    end(&stand);
}

static void what_was_shown_wrongly_is_known_for_ten_minutes(void **state)
{
    struct burnt *burnt = burnt_new();
    (void)state;
    assert_false(burnt_knows(burnt, SLICE("a"), SECOND));
    burnt_note(burnt, SLICE("a"), SECOND);
    assert_true(burnt_knows(burnt, SLICE("a"), SECOND + (int64_t)BURNT_S * SECOND - 1));
    assert_false(burnt_knows(burnt, SLICE("b"), SECOND));
    assert_false(burnt_knows(burnt, SLICE("a"), SECOND + (int64_t)BURNT_S * SECOND));
    burnt_free(burnt);
}

/* S5: what a browser could take for another host leads to "/". */
static void only_a_plain_path_is_led_to(void **state)
{
    static const char *const targets[][2] = {
        {"/", "/"},
        {"/a/b?c=d&e", "/a/b?c=d&e"},
        {"//evil", "/"},
        {"/\\evil", "/"},
        {"/\t/evil", "/"},
        {"/a\r\nSet-Cookie: x", "/"},
        {"/a b", "/"},
        {"/\x7f", "/"},
        {"/\xc3\xa4", "/"},
        {"https://evil/", "/"},
        {"evil", "/"},
        {"*", "/"},
        {"", "/"},
        {"/%2f/evil", "/%2f/evil"},
        {"/x//y", "/x//y"},
        {"/a?gcp-iap-mode=FORCE_LOGIN", "/a"},
        {"/a?x=1&gcp-iap-mode=FORCE_LOGIN&y", "/a?x=1&y"},
        {"/a?gcp-iap-model=1", "/a?gcp-iap-model=1"},
    };
    auto_arena arena = {0};
    (void)state;
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        struct slice got = login_target_clean(&arena, slice_of(targets[i][0]));
        if (!slice_is(got, targets[i][1])) {
            fail_msg("%s leads to %.*s", targets[i][0], SLICE_ARG(got));
        }
    }
    char long_one[LOGIN_TARGET_MAX + 2];
    memset(long_one, 'a', sizeof(long_one));
    long_one[0] = '/';
    assert_int_equal(login_target_clean(&arena, (struct slice){long_one, LOGIN_TARGET_MAX}).len,
                     LOGIN_TARGET_MAX);
    assert_int_equal(login_target_clean(&arena, (struct slice){long_one, LOGIN_TARGET_MAX + 1}).len,
                     1);
}

/* A login that began at SECOND, behind one that was let in at BEFORE (0: none). */
static unsigned circles(int64_t second, int64_t before, unsigned known)
{
    const struct login login = {.made_us = second * SECOND};
    auto_json *last = before == 0 ? NULL : handover_more(known, before * SECOND);
    return handover_circles(&login, last);
}

static void who_comes_back_at_once_twice_goes_in_a_circle(void **state)
{
    (void)state;
    assert_int_equal(circles(100, 0, 0), 0);
    assert_int_equal(circles(102, 101, 0), 1);
    assert_int_equal(circles(104, 103, 1), CIRCLES_MAX);
    assert_int_equal(circles(103, 103, 1), CIRCLES_MAX);
    assert_int_equal(circles(103 + CIRCLE_S, 103, 1), 0); /* there was a pause: not at once */
    /* What began before the last one was done is another page that was opened with it. */
    assert_int_equal(circles(102, 103, 1), 0);
}

static void ten_wrong_tries_of_an_address_are_enough(void **state)
{
    struct guesses *guesses = guesses_new();
    (void)state;
    for (int i = 0; i < GUESSES_MAX; i++) {
        assert_false(guesses_too_many(guesses, "192.0.2.1", SECOND));
        guesses_count(guesses, "192.0.2.1", SECOND);
    }
    assert_true(guesses_too_many(guesses, "192.0.2.1", 60 * SECOND));
    assert_false(guesses_too_many(guesses, "192.0.2.2", SECOND));
    assert_false(guesses_too_many(guesses, "192.0.2.1", 61 * SECOND)); /* a minute later */
    for (int i = 0; i < GUESSES_MAX; i++) {
        char address[40];
        snprintf(address, sizeof(address), "2001:db8::%x", i + 1);
        guesses_count(guesses, address, SECOND);
    }
    assert_true(guesses_too_many(guesses, "2001:db8::ffff", SECOND)); /* one network */
    assert_false(guesses_too_many(guesses, "2001:db8:0:1::1", SECOND));
    guesses_free(guesses);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_code_of_one_node_is_good_at_another_for_a_minute),
        cmocka_unit_test(a_code_that_is_shown_wrongly_uses_up_what_the_right_one_would),
        cmocka_unit_test(a_sealed_text_is_of_one_key_purpose_and_bound),
        cmocka_unit_test(a_sealed_text_ends_by_the_clock_that_cannot_be_set),
        cmocka_unit_test(a_secret_is_of_one_purpose),
        cmocka_unit_test(what_was_shown_wrongly_is_known_for_ten_minutes),
        cmocka_unit_test(only_a_plain_path_is_led_to),
        cmocka_unit_test(who_comes_back_at_once_twice_goes_in_a_circle),
        cmocka_unit_test(ten_wrong_tries_of_an_address_are_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
