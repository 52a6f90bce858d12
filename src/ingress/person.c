/*
 * Between the gate and dispatch: a request of somebody who is known waits for the assertion that
 * the container gets, unless one of the last minute is at hand. The gate has let it pass; nothing
 * that changes meanwhile takes that back (docs/access.md, P2).
 */
#include "base/clock.h"
#include "ingress/request.h"

static struct slice kept(struct request *request, struct slice text)
{
    return arena_slice(request->arena, text);
}

void person_keep(struct request *request, const struct gate_answer *answer)
{
    if (answer->door.facts == NULL || !answer->door.identified) {
        return;
    }
    struct assertion_want *person = arena_new(request->arena, struct assertion_want);
    *person = (struct assertion_want){
        .audience = kept(request, answer->service->door.audience),
        .who = {.identified = true,
                .ours = answer->door.ours,
                .email = kept(request, answer->door.email),
                .sub = kept(request, answer->door.sub),
                .issuer = kept(request, answer->door.issuer)},
        .test = door_test(request->head->path),
    };
    request->person = person;
}

/* ---- waiting ---- */

void person_leave(struct request *request)
{
    if (request->state == REQUEST_WAITS_FOR_SIGNER) {
        TAILQ_REMOVE(&request->worker->signer_waiters, request, signer_wait);
        request->worker->signer_waiter_count--;
        request->state = REQUEST_NEW;
    }
}

static void wait_or_fail(struct request *request, enum assertion_found found)
{
    struct worker *worker = request->worker;
    bool waits = request->state == REQUEST_WAITS_FOR_SIGNER;
    bool over = waits && clock_mono_us() >= request->signer_deadline_us;
    if (found == ASSERTION_UNAVAILABLE || over ||
        (!waits && worker->signer_waiter_count >= SIGNER_WAITERS_MAX)) {
        person_leave(request);
        request_fail(request, FAILURE_SIGNER);
        return;
    }
    if (!waits) {
        request->state = REQUEST_WAITS_FOR_SIGNER;
        request->signer_deadline_us = clock_mono_us() + SIGNER_WAIT_MS * 1000;
        TAILQ_INSERT_TAIL(&worker->signer_waiters, request, signer_wait);
        worker->signer_waiter_count++;
    }
}

void person_tell(struct request *request)
{
    struct worker *worker = request->worker;
    struct assertion_told told;
    if (request->person != NULL) {
        enum assertion_found found =
            assertions_find(worker->assertions, worker->signer, request->arena, request->person,
                            clock_mono_us(), clock_wall_us() / 1000000, &told);
        if (found != ASSERTION_READY) {
            wait_or_fail(request, found);
            return;
        }
        request->assertion = told.assertion;
        request->user_email = told.user_email;
        request->user_id = told.user_id;
    }
    person_leave(request);
    dispatch_start(request);
}

void person_keys(struct request *request, enum door_errand errand)
{
    struct worker *worker = request->worker;
    struct slice pems, jwks;
    enum assertion_found found =
        assertions_keys(worker->assertions, worker->signer, clock_mono_us(), &pems, &jwks);
    request->keys_errand = errand;
    if (found != ASSERTION_READY) {
        wait_or_fail(request, found);
        return;
    }
    person_leave(request);
    door_keys(request, errand == DOOR_KEYS_PEM ? pems : jwks);
}

static void look_again(struct request *request)
{
    if (request->keys_errand != DOOR_NO_ERRAND) {
        person_keys(request, request->keys_errand);
    } else {
        person_tell(request);
    }
}

static unsigned waits_for(const struct request *request)
{
    return request->keys_errand != DOOR_NO_ERRAND ? ASSERTIONS_KEYS_PLACE : request->person->place;
}

void person_come(struct worker *worker, const void *body, size_t bytes)
{
    struct msg_signed answer;
    struct request *next;
    unsigned place;
    memcpy(&answer, body, sizeof(answer));
    struct slice content = {(const char *)body + sizeof(answer), bytes - sizeof(answer)};
    if (answer.bytes != content.len ||
        !assertions_come(worker->assertions, &answer, content, clock_mono_us(), &place)) {
        return;
    }
    for (struct request *at = TAILQ_FIRST(&worker->signer_waiters); at != NULL; at = next) {
        next = TAILQ_NEXT(at, signer_wait);
        if (waits_for(at) == place) {
            look_again(at);
        }
    }
}

void person_due(struct request *request, int64_t now_us)
{
    if (now_us >= request->signer_deadline_us) {
        person_leave(request);
        request_fail(request, FAILURE_SIGNER);
    }
}
