/* Names of services for instances: what is asked comes from hostile programs. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ingress/names.h"

enum { TYPE_A = 1, TYPE_AAAA = 28, REFUSED = 5 };

static unsigned char answer[NAMES_MESSAGE_MAX];

/* A question for NAME; how long it is. */
static size_t ask(const char *name, unsigned char type, unsigned char out[600])
{
    size_t at = 12;
    memset(out, 0, 600);
    out[0] = 0xab;
    out[2] = 1; /* recursion desired */
    out[5] = 1;
    while (*name != '\0') {
        size_t label = strcspn(name, ".");
        out[at++] = (unsigned char)label;
        memcpy(out + at, name, label);
        at += label;
        name += label + (name[label] == '.');
    }
    out[at + 2] = type;
    out[at + 4] = 1;
    return at + 5;
}

static size_t answered(const char *name, unsigned char type)
{
    unsigned char question[600];
    size_t bytes = ask(name, type, question);
    return names_answer(question, bytes, "run.localhost", inet_addr("169.254.169.253"), answer);
}

static void names_of_services_lead_to_the_address_and_all_others_elsewhere(void **state)
{
    static const struct {
        const char *name;
        unsigned char type;
        int code;
        bool address;
    } rows[] = {
        {"hello-1.europe-west1.run.localhost", TYPE_A, 0, true},
        {"HELLO-1.Europe-West1.RUN.localhost", TYPE_A, 0, true},
        {"t---hello-abcdefghij-ew.a.run.localhost", TYPE_A, 0, true},
        {"hello-1.europe-west1.run.localhost", TYPE_AAAA, 0, false},
        {"run.localhost", TYPE_A, REFUSED, false},
        {"auth.run.localhost", TYPE_A, REFUSED, false},
        {"a.b.c.run.localhost", TYPE_A, REFUSED, false},
        {"a.b.xrun.localhost", TYPE_A, REFUSED, false},
        {"a.b.run.localhost.example", TYPE_A, REFUSED, false},
        {"example.com", TYPE_A, REFUSED, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t bytes = answered(rows[i].name, rows[i].type);
        assert_true(bytes > 12);
        assert_int_equal(answer[0], 0xab);
        assert_int_equal(answer[2] & 0x81, 0x81); /* an answer, to who wanted recursion */
        assert_int_equal(answer[3] & 15, rows[i].code);
        assert_int_equal(answer[7], rows[i].address);
        if (rows[i].address) {
            const unsigned char expected[] = {169, 254, 169, 253};
            assert_memory_equal(answer + bytes - 4, expected, 4);
        }
    }
}

/* Read from a block of its own, so that a sanitizer sees each byte too many. */
static size_t exactly(const unsigned char *question, size_t bytes)
{
    unsigned char *copy = malloc(bytes + 1);
    memcpy(copy, question, bytes);
    unsigned char *fitting = realloc(copy, bytes == 0 ? 1 : bytes);
    size_t got = names_answer(fitting, bytes, "run.localhost", 0, answer);
    free(fitting);
    return got;
}

static void what_is_no_question_gets_no_answer(void **state)
{
    unsigned char question[600];
    size_t bytes = ask("a.b.run.localhost", TYPE_A, question);
    (void)state;
    for (size_t cut = 0; cut < bytes; cut++) {
        assert_int_equal(exactly(question, cut), 0);
    }
    for (size_t at = 0; at < bytes; at++) { /* nothing that it says is believed */
        for (unsigned value = 0; value < 256; value++) {
            unsigned char kept = question[at];
            question[at] = (unsigned char)value;
            assert_true(exactly(question, bytes) <= NAMES_MESSAGE_MAX);
            question[at] = kept;
        }
    }
    question[2] |= 0x80;
    assert_int_equal(exactly(question, bytes), 0); /* an answer: else two of us would talk on */
    question[2] = 0x28;
    assert_int_equal(exactly(question, bytes), 0); /* an update */
    question[2] = 0;
    question[5] = 2;
    assert_int_equal(exactly(question, bytes), 0);
    question[5] = 1;
    question[12] = 0xc0; /* a pointer, to itself */
    question[13] = 12;
    assert_int_equal(exactly(question, bytes), 0);
    memset(question + 12, 63, 500);
    assert_int_equal(exactly(question, NAMES_MESSAGE_MAX), 0);
    assert_int_equal(names_answer(question, 513, "run.localhost", 0, answer), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_services_lead_to_the_address_and_all_others_elsewhere),
        cmocka_unit_test(what_is_no_question_gets_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
