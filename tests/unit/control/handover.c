/* Handing a sign-in over between hosts, and counting wrong links: by a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "control/identity/guesses.h"
#include "control/identity/handover.h"

enum { SECOND = 1000000 };

struct stand {
    struct handovers *handovers;
    struct arena arena;
    struct slice id, nonce, code;
};

static const struct session_key sign_on = {"sessions/one"};

static void begin(struct stand *stand)
{
    struct login login;
    *stand = (struct stand){.handovers = handovers_new()};
    login_new(stand->handovers, &stand->arena, SLICE("hello.test"), SLICE("/a?b=c"), false,
              "192.0.2.1", 5, SECOND, &stand->id, &stand->nonce);
    assert_true(login_find(stand->handovers, &stand->arena, stand->id, SECOND, &login));
    assert_true(slice_is(login.host, "hello.test"));
    assert_true(slice_is(login.target, "/a?b=c"));
    assert_int_equal(login.made_us, 5);
    stand->code = handover_code_new(stand->handovers, &stand->arena, &login, &sign_on, SECOND);
    assert_int_equal(stand->code.len, TICKET_CHARS);
}

static void end(struct stand *stand)
{
    handovers_free(stand->handovers);
    arena_done(&stand->arena);
}

static bool take(struct stand *stand, struct slice id, struct slice host, struct slice nonce,
                 int64_t now_us)
{
    struct login login;
    struct session_key session = {0};
    bool good = handover_code_take(stand->handovers, &stand->arena, stand->code, id, host, nonce,
                                   now_us, &login, &session);
    if (good) {
        assert_string_equal(session.text, sign_on.text);
        assert_true(slice_is(login.target, "/a?b=c"));
    }
    return good;
}

static void a_code_counts_once(void **state)
{
    struct stand stand;
    struct login login;
    (void)state;
    begin(&stand);
    assert_true(take(&stand, stand.id, SLICE("hello.test"), stand.nonce, 2 * SECOND));
    assert_false(take(&stand, stand.id, SLICE("hello.test"), stand.nonce, 2 * SECOND));
    assert_false(login_find(stand.handovers, &stand.arena, stand.id, 2 * SECOND, &login));
    end(&stand);
}

static void a_code_that_was_shown_wrongly_is_burnt(void **state)
{
    static const struct {
        const char *host;
        bool other_id, other_nonce, no_nonce;
        int64_t at_s;
    } wrong[] = {
        {"other.test", false, false, false, 2},  {"HELLO.test", false, false, false, 2},
        {"hello.test.", false, false, false, 2}, {"hello.test", true, false, false, 2},
        {"hello.test", false, true, false, 2},   {"hello.test", false, false, true, 2},
        {"hello.test", false, false, false, 61}, {"", false, false, false, 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct stand stand;
        begin(&stand);
        struct slice other = ticket_new(&stand.arena);
        struct slice nonce = wrong[i].no_nonce      ? SLICE_NONE
                             : wrong[i].other_nonce ? other
                                                    : stand.nonce;
        assert_false(take(&stand, wrong[i].other_id ? other : stand.id, slice_of(wrong[i].host),
                          nonce, wrong[i].at_s * SECOND));
        assert_false(take(&stand, stand.id, SLICE("hello.test"), stand.nonce, 2 * SECOND));
        end(&stand);
    }
}

static void a_code_lasts_a_minute_and_a_record_ten(void **state)
{
    struct stand stand;
    struct login login;
    (void)state;
    begin(&stand);
    assert_true(login_find(stand.handovers, &stand.arena, stand.id,
                           (LOGIN_S + 1) * (int64_t)SECOND - 1, &login));
    assert_false(login_find(stand.handovers, &stand.arena, stand.id,
                            (LOGIN_S + 1) * (int64_t)SECOND, &login));
    assert_true(take(&stand, stand.id, SLICE("hello.test"), stand.nonce, 61 * SECOND - 1));
    end(&stand);
}

static void a_new_code_makes_the_old_one_void(void **state)
{
    struct stand stand;
    struct login login;
    (void)state;
    begin(&stand);
    assert_true(login_find(stand.handovers, &stand.arena, stand.id, SECOND, &login));
    struct slice second =
        handover_code_new(stand.handovers, &stand.arena, &login, &sign_on, SECOND);
    assert_false(take(&stand, stand.id, SLICE("hello.test"), stand.nonce, SECOND));
    stand.code = second;
    assert_true(take(&stand, stand.id, SLICE("hello.test"), stand.nonce, SECOND));
    end(&stand);
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

static void one_address_cannot_push_others_out(void **state)
{
    struct stand stand;
    struct login login;
    struct slice id, nonce;
    (void)state;
    begin(&stand);
    for (int i = 0; i < LOGINS_MAX + 10; i++) {
        auto_arena arena = {0};
        login_new(stand.handovers, &arena, SLICE("hello.test"), SLICE("/"), false, "192.0.2.66", 0,
                  SECOND, &id, &nonce);
    }
    assert_true(login_find(stand.handovers, &stand.arena, stand.id, SECOND, &login));
    for (int i = 0; i < LOGINS_MAX + 10; i++) {
        auto_arena arena = {0};
        char address[32];
        snprintf(address, sizeof(address), "10.0.%d.%d", i / 256, i % 256);
        login_new(stand.handovers, &arena, SLICE("hello.test"), SLICE("/"), false, address, 0,
                  SECOND, &id, &nonce);
    }
    assert_false(login_find(stand.handovers, &stand.arena, stand.id, SECOND, &login));
    end(&stand);
}

/* At SECOND: led to the host; one later there. */
static void visit(struct handovers *handovers, const char *host, int64_t second, bool expected)
{
    auto_arena arena = {0};
    struct slice id, nonce;
    struct login login, taken;
    struct session_key session = {"sessions/1"}, found;
    login_new(handovers, &arena, slice_of(host), SLICE("/"), false, "192.0.2.1", 0,
              second * 1000000, &id, &nonce);
    assert_true(login_find(handovers, &arena, id, second * 1000000, &login));
    assert_int_equal(handover_is_circle(handovers, &login, &session), expected);
    struct slice code = handover_code_new(handovers, &arena, &login, &session, second * 1000000);
    assert_true(handover_code_take(handovers, &arena, code, id, slice_of(host), nonce,
                                   (second + 1) * 1000000, &taken, &found));
}

static void who_comes_back_at_once_twice_goes_in_a_circle(void **state)
{
    (void)state;
    struct handovers *handovers = handovers_new();
    visit(handovers, "a.test", 100, false);
    visit(handovers, "a.test", 102, false);
    visit(handovers, "b.test", 103, false);
    visit(handovers, "a.test", 104, true);
    visit(handovers, "b.test", 105, false);
    visit(handovers, "a.test", 106, true);
    visit(handovers, "a.test", 106 + 1 + CIRCLE_S, false); /* there was a pause: not at once */
    /* Others do not push it out while they are fewer than there are places. */
    for (int i = 0; i < 60; i++) {
        char host[32];
        snprintf(host, sizeof(host), "%d.test", i);
        visit(handovers, host, 140 + i / 10, false);
    }
    visit(handovers, "a.test", 147, false);
    visit(handovers, "a.test", 149, true);
    /* What began before the last one was done is another page that was opened with it. */
    visit(handovers, "c.test", 200, false);
    visit(handovers, "c.test", 200, false);
    visit(handovers, "c.test", 200, false);
    visit(handovers, "c.test", 202, false);
    handovers_free(handovers);
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
        cmocka_unit_test(a_code_counts_once),
        cmocka_unit_test(a_code_that_was_shown_wrongly_is_burnt),
        cmocka_unit_test(a_code_lasts_a_minute_and_a_record_ten),
        cmocka_unit_test(a_new_code_makes_the_old_one_void),
        cmocka_unit_test(only_a_plain_path_is_led_to),
        cmocka_unit_test(one_address_cannot_push_others_out),
        cmocka_unit_test(who_comes_back_at_once_twice_goes_in_a_circle),
        cmocka_unit_test(ten_wrong_tries_of_an_address_are_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
