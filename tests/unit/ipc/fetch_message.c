/* What control and the fetcher tell each other, and what neither takes from the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "ipc/fetch_message.h"

static const struct fetch_ask question = {
    .id = 7,
    .bytes_max = 100,
    .rules = 1u << FETCH_ONLY_PUBLIC,
    .texts = {SLICE_INIT("https://a.example/keys"), SLICE_INIT("a=b&c=d e"), SLICE_INIT("u:p w"),
              SLICE_INIT("token"), SLICE_INIT("-----BEGIN\n")},
};

/* A copy that ends where the memory ends, for the sanitizers to see a step too far. */
static char *tight(struct slice bytes)
{
    char *copy = malloc(bytes.len > 0 ? bytes.len : 1);
    memcpy(copy, bytes.data, bytes.len);
    return copy;
}

static bool ask_is_taken(struct slice bytes, struct fetch_ask *out)
{
    char *copy = tight(bytes);
    bool taken = fetch_ask_get(copy, bytes.len, out);
    free(copy);
    return taken;
}

static bool answer_is_taken(struct slice bytes)
{
    struct fetch_answer out;
    char *copy = tight(bytes);
    bool taken = fetch_answer_get(copy, bytes.len, &out);
    free(copy);
    return taken;
}

static void a_question_comes_back_as_it_was(void **state)
{
    struct buffer out = BUFFER_INIT(IPC_PACKET_MAX);
    struct fetch_ask back;
    (void)state;
    assert_true(fetch_ask_put(&out, &question));
    assert_true(fetch_ask_get(buffer_slice(&out).data, buffer_len(&out), &back));
    assert_int_equal(back.id, 7);
    assert_int_equal(back.bytes_max, 100);
    assert_int_equal(back.rules, 1u << FETCH_ONLY_PUBLIC);
    for (unsigned i = 0; i < FETCH_TEXTS; i++) {
        assert_true(slice_equal(back.texts[i], question.texts[i]));
    }
    buffer_done(&out);
}

static void a_question_of_a_wrong_length_is_none(void **state)
{
    struct buffer out = BUFFER_INIT(IPC_PACKET_MAX);
    struct fetch_ask back;
    (void)state;
    assert_true(fetch_ask_put(&out, &question));
    struct slice whole = buffer_slice(&out);
    for (size_t bytes = 0; bytes < whole.len; bytes++) {
        assert_false(ask_is_taken(slice_upto(whole, bytes), &back));
    }
    for (unsigned i = 0; i < FETCH_TEXTS; i++) {
        char *copy = tight(whole);
        struct msg_fetch head;
        memcpy(&head, copy, sizeof(head));
        head.text_bytes[i] += UINT32_MAX; /* one less, by a sum that runs over */
        memcpy(copy, &head, sizeof(head));
        assert_false(fetch_ask_get(copy, whole.len, &back));
        head.text_bytes[i] = UINT32_MAX;
        memcpy(copy, &head, sizeof(head));
        assert_false(fetch_ask_get(copy, whole.len, &back));
        free(copy);
    }
    buffer_done(&out);
}

/* A token or a URI with a line break would write further lines of the request. */
static void what_would_write_into_the_request_is_not_asked(void **state)
{
    static const struct {
        enum fetch_text which;
        struct slice text;
    } rows[] = {
        {FETCH_URI, SLICE_INIT("")},
        {FETCH_URI, SLICE_INIT("http://a.example/ b")},
        {FETCH_URI, SLICE_INIT("http://a.example/\r\nx: y")},
        {FETCH_URI, SLICE_INIT("http://a.example/\0")},
        {FETCH_BEARER, SLICE_INIT("a\r\nCookie: b")},
        {FETCH_BEARER, SLICE_INIT("a\nb")},
        {FETCH_BEARER, SLICE_INIT("a b")},
        {FETCH_BEARER, SLICE_INIT("a\x7f")},
        {FETCH_FORM, SLICE_INIT("a=\0b")},
        {FETCH_CREDENTIALS, SLICE_INIT("a:\0b")},
        {FETCH_CA, SLICE_INIT("\0")},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buffer out = BUFFER_INIT(IPC_PACKET_MAX);
        struct fetch_ask ask = question;
        ask.texts[rows[i].which] = rows[i].text;
        assert_false(fetch_ask_put(&out, &ask));
        buffer_done(&out);
    }
}

static void a_question_has_limits(void **state)
{
    static char many[IPC_PACKET_MAX];
    (void)state;
    memset(many, 'a', sizeof(many));
    for (unsigned i = 0; i < FETCH_TEXTS; i++) {
        struct buffer out = BUFFER_INIT(IPC_PACKET_MAX);
        struct fetch_ask ask = question;
        ask.texts[i] = (struct slice){many, 40 * 1024};
        assert_false(fetch_ask_put(&out, &ask));
        buffer_done(&out);
    }
    const size_t wrong[] = {0, FETCH_BYTES_MAX + 1, SIZE_MAX};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct buffer out = BUFFER_INIT(IPC_PACKET_MAX);
        struct fetch_ask ask = question;
        ask.bytes_max = wrong[i];
        assert_false(fetch_ask_put(&out, &ask));
        buffer_done(&out);
    }
    struct buffer out = BUFFER_INIT(IPC_PACKET_MAX);
    struct fetch_ask ask = question;
    ask.rules = 1u << FETCH_RULES;
    assert_false(fetch_ask_put(&out, &ask));
    buffer_done(&out);
}

static void an_answer_comes_back_as_it_was(void **state)
{
    struct buffer out = BUFFER_INIT(FETCHED_BYTES_MAX);
    struct fetch_answer back;
    (void)state;
    fetch_answer_put(&out, &(struct fetch_answer){8, 404, SLICE("a\0b")});
    assert_true(fetch_answer_get(buffer_slice(&out).data, buffer_len(&out), &back));
    assert_int_equal(back.id, 8);
    assert_int_equal(back.status, 404);
    assert_true(slice_equal(back.text, SLICE("a\0b")));
    buffer_clear(&out);
    fetch_answer_put(&out, &(struct fetch_answer){9, 0, SLICE("why\nnot\xc3\xa9")});
    assert_true(fetch_answer_get(buffer_slice(&out).data, buffer_len(&out), &back));
    assert_true(slice_is(back.text, "why?not??"));
    buffer_done(&out);
}

static void an_answer_of_a_wrong_form_is_none(void **state)
{
    static char text[FETCH_BYTES_MAX + 1];
    const struct {
        uint32_t status, bytes;
        struct slice text;
    } rows[] = {
        {200, 1, SLICE("")},
        {200, 0, SLICE("a")},
        {200, UINT32_MAX, SLICE("a")},
        {99, 1, SLICE("a")},
        {1000, 1, SLICE("a")},
        {UINT32_MAX, 1, SLICE("a")},
        {0, 0, SLICE("")},
        {0, 2, SLICE("a\n")},
        {0, 1, SLICE("\x1b")},
        {0, 1, SLICE("\x7f")},
        {0, 2, SLICE("\xc3\xa9")},
        {0, 257, {text, 257}},
        {0, 2, SLICE("a\0")},
        {200, sizeof(text), {text, sizeof(text)}},
    };
    (void)state;
    memset(text, 'a', sizeof(text));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct msg_fetched head = {.id = 1, .status = rows[i].status, .bytes = rows[i].bytes};
        struct buffer out = BUFFER_INIT(2 * FETCHED_BYTES_MAX);
        buffer_add(&out, (struct slice){(const char *)&head, sizeof(head)});
        buffer_add(&out, rows[i].text);
        if (answer_is_taken(buffer_slice(&out))) {
            fail_msg("row %zu", i);
        }
        buffer_done(&out);
    }
    for (size_t bytes = 0; bytes < sizeof(struct msg_fetched); bytes++) {
        assert_false(answer_is_taken((struct slice){text, bytes}));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_comes_back_as_it_was),
        cmocka_unit_test(a_question_of_a_wrong_length_is_none),
        cmocka_unit_test(what_would_write_into_the_request_is_not_asked),
        cmocka_unit_test(a_question_has_limits),
        cmocka_unit_test(an_answer_comes_back_as_it_was),
        cmocka_unit_test(an_answer_of_a_wrong_form_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
