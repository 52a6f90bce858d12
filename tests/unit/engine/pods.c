/* The pods of a revision, as slices and the pods themselves say: who is an instance, and where. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "codec/codec.h"
#include "engine/kube_inside.h"

#define RECORD                                                                                     \
    "{\"revision_id\":7,\"revision\":\"r-00001\",\"service\":\"r\",\"project\":\"demo\","          \
    "\"project_number\":\"1\",\"region\":\"x\",\"containers\":[{\"name\":\"main\","                \
    "\"image\":\"registry/r\",\"rules\":{},\"port\":8080}]}"

struct heard {
    char up[256], gone[256];
    unsigned ups, ended;
    int ready; /* as said last; -1: never */
    bool leaving;
};

static void *on_up(void *ctx, struct fleet_member *member, const char *name,
                   const struct board_address *address)
{
    struct heard *heard = ctx;
    char text[INET6_ADDRSTRLEN];
    const void *bytes = address->is_v6 ? (const void *)address->ipv6 : &address->ipv4;
    (void)member;
    inet_ntop(address->is_v6 ? AF_INET6 : AF_INET, bytes, text, sizeof(text));
    snprintf(heard->up, sizeof(heard->up), "%.40s %s %u", name, text, address->port);
    heard->ups++;
    return heard;
}

static void on_readiness(void *instance, bool ready)
{
    ((struct heard *)instance)->ready = ready;
}

static void on_leaving(void *instance)
{
    ((struct heard *)instance)->leaving = true;
}

static void on_gone(void *instance, const char *why)
{
    struct heard *heard = instance;
    snprintf(heard->gone, sizeof(heard->gone), "%s", why);
    heard->ended++;
}

static void on_failed(void *ctx, enum start_failure failure, const char *why)
{
    (void)ctx, (void)failure, (void)why;
}

static const struct fleet_events events = {
    .on_up = on_up,
    .on_readiness = on_readiness,
    .on_leaving = on_leaving,
    .on_gone = on_gone,
    .on_failed = on_failed,
};

struct stand {
    struct backend backend;
    struct space space;
    struct fleet fleet;
    struct heard heard;
};

static void stand_open(struct stand *stand)
{
    struct error err = {0};
    *stand = (struct stand){.heard.ready = -1};
    stand->backend.closing = true; /* no turns of a loop */
    stand->backend.leads = true;
    stand->space.backend = &stand->backend;
    stand->fleet = (struct fleet){.backend = &stand->backend,
                                  .space = &stand->space,
                                  .record = run_record_read(slice_of(RECORD), &err),
                                  .events = &events,
                                  .ctx = &stand->heard,
                                  .attached = true,
                                  .known = true,
                                  .wanted = 1};
    assert_non_null(stand->fleet.record);
}

static void stand_close(struct stand *stand)
{
    fleet_members_free(&stand->fleet);
    run_record_unref(stand->fleet.record);
}

/* The slice NAME with one endpoint, of POD; NULL: with none. */
static void say_slice(struct stand *stand, const char *name, const char *pod, const char *address,
                      bool terminating)
{
    auto_json *endpoints = pod == NULL ? json_array()
                                       : json_pack("[{s[s] s{sb sb} s{ss}}]", "addresses", address,
                                                   "conditions", "ready", 1, "terminating",
                                                   (int)terminating, "targetRef", "name", pod);
    auto_json *slice = json_pack("{s{ss} sO s[{si}]}", "metadata", "name", name, "endpoints",
                                 endpoints, "ports", "port", 70000);
    fleet_on_slice(&stand->fleet, slice, false);
}

static void say_pod(struct stand *stand, const char *name, const char *address, const char *more)
{
    auto_json *pod = json_pack("{s{ss} s{ss s[{ss} {ss}] ss}}", "metadata", "name", name, "status",
                               "podIP", address, "podIPs", "ip", address, "ip", "fd00::7", "phase",
                               strcmp(more, "Failed") == 0 ? more : "Running");
    if (strcmp(more, "hostNetwork") == 0) {
        json_object_set_new(pod, "spec", json_pack("{sb}", more, 1));
    }
    if (strcmp(more, "gone") == 0) {
        fleet_on_pod_gone(&stand->fleet, pod);
    } else {
        fleet_on_pod(&stand->fleet, pod);
    }
}

static void an_address_counts_once_the_pod_has_it(void **state)
{
    static const char *const wrong[] = {"127.0.0.1", "169.254.169.254", "10.0.0.2",
                                        "::1",       "db.example",      ""};
    struct stand stand;
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        stand_open(&stand);
        say_slice(&stand, "s", "r-1", wrong[i], false); /* the pod is not known, and then it is */
        say_pod(&stand, "r-1", "10.0.0.1", "");
        say_slice(&stand, "s", "r-1", wrong[i], false);
        say_slice(&stand, "t", "nobody", "10.0.0.1", false);
        assert_int_equal(stand.heard.ups, 0);
        say_slice(&stand, "s", "r-1", "10.0.0.1", false);
        assert_string_equal(stand.heard.up, "r-1 10.0.0.1 8080"); /* the port is the revision's */
        say_slice(&stand, "t", "r-1", wrong[i], true); /* and nobody ends it by another slice */
        assert_false(stand.heard.leaving);
        stand_close(&stand);
    }
    stand_open(&stand);
    say_slice(&stand, "s", "r-1", "10.0.0.1", false);
    assert_int_equal(stand.heard.ups, 0);
    say_pod(&stand, "r-1", "10.0.0.1", "hostNetwork");
    assert_int_equal(stand.heard.ups, 0);
    say_pod(&stand, "r-1", "10.0.0.1", "");
    assert_int_equal(stand.heard.ups, 1);
    stand_close(&stand);
    stand_open(&stand);
    stand.space.blind = true; /* nobody can tell */
    say_slice(&stand, "s", "r-1", "10.0.0.1", false);
    assert_int_equal(stand.heard.ups, 1);
    say_slice(&stand, "s", NULL, "", false);
    assert_int_equal(stand.heard.ended, 1);
    stand_close(&stand);
}

static void a_pod_moves_from_one_slice_to_another(void **state)
{
    struct stand stand;
    (void)state;
    for (int gap = 0; gap < 2; gap++) {
        stand_open(&stand);
        say_pod(&stand, "r-1", "10.0.0.1", "");
        say_slice(&stand, "a", "r-1", "10.0.0.1", false);
        assert_int_equal(stand.heard.ups, 1);
        if (gap == 1) { /* for a moment it is in none */
            say_slice(&stand, "a", NULL, "", false);
            say_slice(&stand, "b", "r-1", "10.0.0.1", false);
        } else { /* or in both */
            say_slice(&stand, "b", "r-1", "10.0.0.1", false);
            say_slice(&stand, "a", NULL, "", false);
        }
        assert_int_equal(stand.heard.ended, 0);
        say_slice(&stand, "b", "r-1", "10.0.0.1", true); /* where it is, it is heard */
        assert_true(stand.heard.leaving);
        say_pod(&stand, "r-1", "10.0.0.1", "gone");
        assert_int_equal(stand.heard.ended, 1);
        stand_close(&stand);
    }
}

static void a_pod_of_both_families_has_one_address(void **state)
{
    struct stand stand;
    (void)state;
    stand_open(&stand);
    say_pod(&stand, "r-1", "10.0.0.1", "");
    say_slice(&stand, "a", "r-1", "fd00::7", false);
    say_slice(&stand, "b", "r-1", "10.0.0.1", false);
    assert_string_equal(stand.heard.up, "r-1 fd00::7 8080");
    say_slice(&stand, "a", NULL, "", false);
    assert_int_equal(stand.heard.ups, 1);
    assert_int_equal(stand.heard.ended, 0);
    assert_false(stand.heard.leaving);
    stand_close(&stand);
}

static void a_pod_that_has_ended_is_no_instance(void **state)
{
    static const char *const ends[] = {"Failed", "gone"};
    struct stand stand;
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        stand_open(&stand);
        say_pod(&stand, "r-1", "10.0.0.1", "");
        say_slice(&stand, "a", "r-1", "10.0.0.1", false);
        say_slice(&stand, "a", NULL, "", false);
        assert_int_equal(stand.heard.ended, 0);
        say_pod(&stand, "r-1", "10.0.0.1", ends[i]);
        assert_int_equal(stand.heard.ended, 1);
        stand_close(&stand);
    }
    stand_open(&stand); /* a list of pods that has it no more */
    say_pod(&stand, "r-1", "10.0.0.1", "");
    say_slice(&stand, "a", "r-1", "10.0.0.1", false);
    LIST_FIRST(&stand.fleet.members)->pod_seen = false;
    fleet_on_pods_listed(&stand.fleet);
    assert_int_equal(stand.heard.ended, 1);
    stand_close(&stand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_counts_once_the_pod_has_it),
        cmocka_unit_test(a_pod_moves_from_one_slice_to_another),
        cmocka_unit_test(a_pod_of_both_families_has_one_address),
        cmocka_unit_test(a_pod_that_has_ended_is_no_instance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
