/*
 * Control without sockets: a record and an index in a folder of its own, two accounts, and calls
 * that go through the route table and the handlers. What a handler answers is kept here instead of
 * being sent.
 */
#pragma once

#include "control/control.h"

struct harness {
    struct control control;
    uv_loop_t loop;
    char dir[64];
};

struct harness *harness_new(void);
void harness_free(struct harness *harness);
/* A test whose *state is a harness of its own. */
int harness_setup(void **state);
int harness_teardown(void **state);
#define HARNESS_TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

#define OWNER     "user:owner@example.com"
#define DEVELOPER "user:developer@example.com"
#define NOBODY    "user:nobody@example.com"

struct answer {
    int status; /* HTTP; 0 while the call waits */
    json_t *body;
};

/* A call by MEMBER; BODY is JSON text or NULL. The answer belongs to the caller. */
struct answer harness_call(struct harness *harness, const char *member, const char *verb,
                           const char *target, const char *body);
/* The test fails, and prints the answer, if it has another status. */
void answer_expect(const struct answer *answer, int status);
/* The answer of a call that was left waiting, once it came. */
struct answer harness_late_answer(void);

static inline void answer_done(struct answer *answer)
{
    json_decref(answer->body);
}
#define auto_answer __attribute__((cleanup(answer_done))) struct answer
