/* Assertions of who came: asked for once a minute, kept within bounds, wrong only where asked to
 * be. */
#include "fixture.h"

#include <sys/socket.h>
#include <unistd.h>

#include "ingress/assertions.h"

enum { INGRESS, SIGNER, ENDS, SECOND = 1000000 };

static uv_loop_t loop;
static struct ipc_channel *channel;
static struct assertions *assertions;
static struct arena arena;
static int fds[ENDS];

static void ignore(struct ipc_channel *from, enum message_type type, const void *body, size_t bytes,
                   void *ctx)
{
    (void)from, (void)type, (void)body, (void)bytes, (void)ctx;
}

static int make(void **state)
{
    struct error err;
    (void)state;
    arena = (struct arena){0};
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
    channel = ipc_open(&loop, fds[INGRESS], PROCESS_INGRESS, PROCESS_SIGNER, ignore, NULL, &err);
    assert_non_null(channel);
    assertions = assertions_new();
    return 0;
}

static int done(void **state)
{
    (void)state;
    assertions_free(assertions);
    ipc_close(channel);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    close(fds[INGRESS]);
    close(fds[SIGNER]);
    arena_done(&arena);
    return 0;
}

static struct assertion_want want_of(const char *sub)
{
    return (struct assertion_want){
        .audience = SLICE("/projects/1/locations/l/services/s"),
        .who = {.identified = true, .ours = true, .sub = slice_of(sub), .email = SLICE("a@b")},
    };
}

static enum assertion_found find(struct assertion_want *want, int64_t now_us,
                                 struct assertion_told *out)
{
    return assertions_find(assertions, channel, &arena, want, now_us, 1000, out);
}

/* The next question that the signer has got: its number; 0 if there is none. *claims: its content.
 */
static uint64_t asked(struct slice *claims)
{
    static char body[IPC_PACKET_MAX];
    struct error err;
    struct msg_sign question;
    enum message_type type;
    size_t bytes;
    if (!ipc_receive_now(fds[SIGNER], &type, body, &bytes, 0, &err)) {
        return 0;
    }
    memcpy(&question, body, sizeof(question));
    *claims = (struct slice){body + sizeof(question), question.bytes};
    return question.id;
}

static bool answer(uint64_t id, bool ok, const char *text, int64_t now_us)
{
    struct msg_signed head = {.id = id, .ok = ok, .bytes = (uint32_t)strlen(text)};
    unsigned place;
    return assertions_come(assertions, &head, slice_of(text), now_us, &place);
}

static bool holds(struct slice text, const char *part)
{
    return slice_find_slice(text, slice_of(part)) >= 0;
}

static void one_assertion_serves_a_person_for_a_minute(void **state)
{
    (void)state;
    struct assertion_want want = want_of("1");
    struct assertion_told told;
    struct slice claims;
    assert_int_equal(find(&want, SECOND, &told), ASSERTION_ASKED);
    assert_int_equal(find(&want, SECOND + 1, &told), ASSERTION_ASKED);
    uint64_t question = asked(&claims);
    assert_true(question != 0);
    assert_true(holds(claims, "\"iss\":\"https://cloud.google.com/iap\""));
    assert_true(holds(claims, "\"sub\":\"accounts.google.com:1\""));
    assert_true(holds(claims, "\"exp\":1600,\"iat\":1000"));
    assert_int_equal(asked(&claims), 0); /* both wait for the one */
    assert_true(answer(question, true, "h.p.s", SECOND));
    assert_false(answer(question, true, "again", SECOND));
    for (int i = 0; i < 44; i++) {
        assert_int_equal(find(&want, (1 + i) * SECOND, &told), ASSERTION_READY);
        assert_true(slice_is(told.assertion, "h.p.s"));
        assert_true(slice_is(told.user_email, "accounts.google.com:a@b"));
        assert_true(slice_is(told.user_id, "accounts.google.com:1"));
    }
    assert_int_equal(asked(&claims), 0);
    /* Near its end the next one is asked for, and the old one is good meanwhile. */
    assert_int_equal(find(&want, 47 * SECOND, &told), ASSERTION_READY);
    question = asked(&claims);
    assert_true(question != 0);
    assert_true(answer(question, true, "next", 47 * SECOND));
    assert_int_equal(find(&want, 100 * SECOND, &told), ASSERTION_READY);
    assert_true(slice_is(told.assertion, "next"));
    assert_int_equal(find(&want, 107 * SECOND, &told), ASSERTION_ASKED);
}

static void who_comes_as_another_gets_another(void **state)
{
    (void)state;
    struct assertion_told told;
    struct slice claims;
    struct assertion_want wants[6];
    for (int i = 0; i < 6; i++) {
        wants[i] = want_of("1");
    }
    wants[1].who.sub = SLICE("2");
    wants[2].who.email = SLICE("c@d");
    wants[3].audience = SLICE("/projects/1/locations/l/services/t");
    wants[4].test = DOOR_TEST_ISSUER;
    wants[5].who.ours = false;
    wants[5].who.issuer = SLICE("https://idp.example.com/x");
    for (int i = 0; i < 6; i++) {
        assert_int_equal(find(&wants[i], SECOND, &told), ASSERTION_ASKED);
        assert_true(asked(&claims) != 0);
    }
    assert_true(holds(claims, "\"sub\":\"idp.example.com/x:1\""));
    assert_false(holds(claims, "identity_source"));
}

static void a_signature_is_broken_where_the_test_asks_for_it(void **state)
{
    (void)state;
    struct assertion_want want = want_of("1");
    struct assertion_told told;
    struct slice claims;
    want.test = DOOR_TEST_SIGNATURE;
    find(&want, SECOND, &told);
    answer(asked(&claims), true, "h.p.Abc", SECOND);
    assert_int_equal(find(&want, SECOND, &told), ASSERTION_READY);
    assert_true(slice_is(told.assertion, "h.p.Bbc"));
}

static void a_refusal_and_a_lost_answer_are_not_waited_for_for_ever(void **state)
{
    (void)state;
    struct assertion_want want = want_of("1");
    struct assertion_told told;
    struct slice claims;
    find(&want, SECOND, &told);
    assert_true(answer(asked(&claims), false, "no", SECOND));
    assert_int_equal(find(&want, SECOND, &told), ASSERTION_UNAVAILABLE);
    assert_int_equal(asked(&claims), 0);
    assert_int_equal(find(&want, 3 * SECOND, &told), ASSERTION_ASKED); /* and once more */
    assert_true(asked(&claims) != 0);
    assert_int_equal(find(&want, 4 * SECOND, &told), ASSERTION_ASKED);
    assert_int_equal(asked(&claims), 0);
    assert_int_equal(find(&want, 6 * SECOND, &told), ASSERTION_ASKED);
    assert_true(asked(&claims) != 0);
    assert_int_equal(
        assertions_find(assertions, NULL, &arena, &(struct assertion_want){0}, SECOND, 0, &told),
        ASSERTION_UNAVAILABLE);
}

static void answers_to_nobody_are_none(void **state)
{
    (void)state;
    struct assertion_want want = want_of("1");
    struct assertion_told told;
    struct slice claims;
    find(&want, SECOND, &told);
    uint64_t question = asked(&claims);
    for (unsigned bit = 0; bit < 64; bit++) {
        assert_false(answer(question ^ UINT64_C(1) << bit, true, "forged", SECOND));
    }
    assert_int_equal(find(&want, SECOND, &told), ASSERTION_ASKED);
}

static void many_people_do_not_fill_the_memory(void **state)
{
    (void)state;
    struct assertion_told told;
    struct slice claims;
    for (int i = 0; i < 20000; i++) {
        struct arena once = {0};
        struct assertion_want want = want_of(arena_printf(&once, "%d", i));
        assertions_find(assertions, channel, &once, &want, SECOND, 1000, &told);
        uint64_t question = asked(&claims);
        assert_true(question != 0 && want.place < ASSERTIONS_KEYS_PLACE);
        assert_true(answer(question, true, "h.p.s", SECOND));
        assert_int_equal(assertions_find(assertions, channel, &once, &want, SECOND, 1000, &told),
                         ASSERTION_READY);
        arena_done(&once);
    }
}

static void the_keys_come_in_both_forms(void **state)
{
    (void)state;
    struct slice pems, jwks, claims;
    assert_int_equal(assertions_keys(assertions, channel, SECOND, &pems, &jwks), ASSERTION_ASKED);
    struct msg_signed head = {.id = asked(&claims), .ok = 1, .bytes = 5};
    unsigned place;
    assert_true(assertions_come(assertions, &head, SLICE("{}\0[]"), SECOND, &place));
    assert_int_equal(place, ASSERTIONS_KEYS_PLACE);
    assert_int_equal(assertions_keys(assertions, channel, SECOND + 1, &pems, &jwks),
                     ASSERTION_READY);
    assert_true(slice_is(pems, "{}") && slice_is(jwks, "[]"));
    assert_int_equal(assertions_keys(assertions, channel, 3 * SECOND, &pems, &jwks),
                     ASSERTION_ASKED);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, make, done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(one_assertion_serves_a_person_for_a_minute),
        FRESH(who_comes_as_another_gets_another),
        FRESH(a_signature_is_broken_where_the_test_asks_for_it),
        FRESH(a_refusal_and_a_lost_answer_are_not_waited_for_for_ever),
        FRESH(answers_to_nobody_are_none),
        FRESH(many_people_do_not_fill_the_memory),
        FRESH(the_keys_come_in_both_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
