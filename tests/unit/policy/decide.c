#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "policy/decide.h"

/* A private service, called on its default URL by nobody in particular. */
static struct decide_facts a_private_service(void)
{
    return (struct decide_facts){.host_known = true, .default_url = true};
}

static struct decide_facts a_public_service(void)
{
    struct decide_facts facts = a_private_service();
    facts.all_users = GRANT_YES;
    return facts;
}

static void assert_allowed(const struct decide_facts *facts, enum rung rung)
{
    struct verdict verdict = policy_decide(facts);
    assert_true(verdict.allowed);
    assert_string_equal(rung_name(verdict.rung), rung_name(rung));
}

static void assert_refused(const struct decide_facts *facts, int status, enum rung rung)
{
    struct verdict verdict = policy_decide(facts);
    assert_false(verdict.allowed);
    assert_int_equal(verdict.status, status);
    assert_string_equal(rung_name(verdict.rung), rung_name(rung));
}

/* ---- the truth table, by its numbers ---- */

static void row_1_an_unknown_host_is_404_for_any_request(void **state)
{
    (void)state;
    struct decide_facts facts = a_public_service();
    facts.host_known = false;
    facts.invoker_check_off = true;
    facts.credential = CREDENTIAL_VALID;
    facts.principal = GRANT_YES;
    assert_refused(&facts, 404, RUNG_UNKNOWN_HOST);
}

static void row_2_an_internal_service_does_not_exist_outside_even_if_public(void **state)
{
    (void)state;
    struct decide_facts facts = a_public_service();
    facts.ingress = INGRESS_INTERNAL;
    assert_refused(&facts, 404, RUNG_INGRESS);
    facts.invoker_check_off = true;
    assert_refused(&facts, 404, RUNG_INGRESS);
}

static void rows_3_4_and_15_no_credential_is_403_preflight_included(void **state)
{
    (void)state;
    struct decide_facts facts = a_private_service();
    assert_refused(&facts, 403, RUNG_NO_CREDENTIAL);
}

static void rows_5_6_7_13_14_17_and_28_a_bad_credential_is_401_even_for_a_bound_caller(void **state)
{
    (void)state;
    struct decide_facts facts = a_private_service();
    facts.credential = CREDENTIAL_BAD;
    assert_refused(&facts, 401, RUNG_BAD_CREDENTIAL);
    facts.principal = GRANT_YES;
    assert_refused(&facts, 401, RUNG_BAD_CREDENTIAL);
}

static void rows_8_12_23_and_30_a_known_caller_without_a_binding_is_403(void **state)
{
    (void)state;
    struct decide_facts facts = a_private_service();
    facts.credential = CREDENTIAL_VALID;
    assert_refused(&facts, 403, RUNG_NO_BINDING);
}

static void rows_9_10_11_16_22_and_29_a_bound_caller_passes(void **state)
{
    (void)state;
    struct decide_facts facts = a_private_service();
    facts.credential = CREDENTIAL_VALID;
    facts.principal = GRANT_YES;
    assert_allowed(&facts, RUNG_BINDING);
}

static void rows_18_and_24_with_the_check_off_no_credential_is_looked_at(void **state)
{
    (void)state;
    struct decide_facts facts = a_private_service();
    facts.invoker_check_off = true;
    for (enum credential credential = CREDENTIAL_NONE; credential <= CREDENTIAL_VALID;
         credential++) {
        facts.credential = credential;
        assert_allowed(&facts, RUNG_CHECK_OFF);
        assert_false(policy_needs_credential(&facts));
    }
}

static void rows_19_20_and_25_allusers_may_send_garbage(void **state)
{
    (void)state;
    struct decide_facts facts = a_public_service();
    for (enum credential credential = CREDENTIAL_NONE; credential <= CREDENTIAL_VALID;
         credential++) {
        facts.credential = credential;
        assert_allowed(&facts, RUNG_ALL_USERS);
        assert_false(policy_needs_credential(&facts));
    }
}

static void rows_21_and_26_what_is_not_for_allusers_needs_a_credential(void **state)
{
    (void)state;
    struct decide_facts facts = a_private_service();
    facts.principal = GRANT_YES; /* allAuthenticatedUsers, say: without a credential nobody is */
    assert_true(policy_needs_credential(&facts));
    assert_refused(&facts, 403, RUNG_NO_CREDENTIAL);
}

/* ---- the order of the rungs ---- */

/* docs/access.md: A1 to A12 */
static void each_rung_answers_before_those_below_it(void **state)
{
    (void)state;
    struct decide_facts facts = {
        .host_known = false,
        .reserved_path = true,
        .method_forbidden = true,
        .default_url = true,
        .default_url_disabled = true,
        .ingress = INGRESS_NONE,
        .invoker_check_off = true,
        .all_users = GRANT_YES,
        .credential = CREDENTIAL_BAD,
        .principal = GRANT_YES,
    };
    assert_refused(&facts, 404, RUNG_UNKNOWN_HOST);
    facts.host_known = true;
    assert_refused(&facts, 404, RUNG_RESERVED_PATH);
    facts.reserved_path = false;
    assert_refused(&facts, 405, RUNG_METHOD);
    facts.method_forbidden = false;
    assert_refused(&facts, 404, RUNG_DEFAULT_URL_DISABLED);
    facts.default_url_disabled = false;
    assert_refused(&facts, 404, RUNG_INGRESS);
    facts.ingress = INGRESS_ALL;
    assert_allowed(&facts, RUNG_CHECK_OFF);
    facts.invoker_check_off = false;
    assert_allowed(&facts, RUNG_ALL_USERS);
    facts.all_users = GRANT_PATH_UNCLEAR;
    assert_refused(&facts, 400, RUNG_PATH_UNCLEAR);
    facts.all_users = GRANT_NO;
    assert_refused(&facts, 401, RUNG_BAD_CREDENTIAL);
    facts.credential = CREDENTIAL_NONE;
    assert_refused(&facts, 403, RUNG_NO_CREDENTIAL);
    facts.credential = CREDENTIAL_VALID;
    assert_allowed(&facts, RUNG_BINDING);
    facts.principal = GRANT_NO;
    assert_refused(&facts, 403, RUNG_NO_BINDING);
}

static void a_disabled_default_url_leaves_the_operators_domains(void **state)
{
    (void)state;
    struct decide_facts facts = a_public_service();
    facts.default_url_disabled = true;
    assert_refused(&facts, 404, RUNG_DEFAULT_URL_DISABLED);
    facts.default_url = false;
    assert_allowed(&facts, RUNG_ALL_USERS);
}

static void each_ingress_setting_admits_its_networks_and_no_others(void **state)
{
    (void)state;
    static const bool admits[4][3] = {
        [INGRESS_ALL] = {true, true, true},
        [INGRESS_INTERNAL_AND_LB] = {false, true, true},
        [INGRESS_INTERNAL] = {false, false, true},
        [INGRESS_NONE] = {false, false, false},
    };
    struct decide_facts facts = a_public_service();
    for (unsigned ingress = 0; ingress < 4; ingress++) {
        for (unsigned network = 0; network < 3; network++) {
            facts.ingress = (enum ingress_setting)ingress;
            facts.network = (enum network)network;
            if (admits[ingress][network]) {
                assert_allowed(&facts, RUNG_ALL_USERS);
            } else {
                assert_refused(&facts, 404, RUNG_INGRESS);
                assert_false(policy_needs_credential(&facts));
            }
        }
    }
}

/* ---- a path without a normal form ---- */

static void an_unclear_path_is_400_where_it_would_decide(void **state)
{
    (void)state;
    struct decide_facts facts = a_private_service();
    facts.credential = CREDENTIAL_VALID;
    facts.principal = GRANT_PATH_UNCLEAR;
    assert_refused(&facts, 400, RUNG_PATH_UNCLEAR);
    facts.principal = GRANT_NO;
    facts.all_users = GRANT_PATH_UNCLEAR;
    assert_refused(&facts, 400, RUNG_PATH_UNCLEAR);
    facts.credential = CREDENTIAL_NONE;
    assert_refused(&facts, 400, RUNG_PATH_UNCLEAR);
}

static void an_unclear_path_does_not_matter_to_another_binding_that_grants(void **state)
{
    (void)state;
    struct decide_facts facts = a_private_service();
    facts.credential = CREDENTIAL_VALID;
    facts.all_users = GRANT_PATH_UNCLEAR;
    facts.principal = GRANT_YES;
    assert_true(policy_needs_credential(&facts));
    assert_allowed(&facts, RUNG_BINDING);
    facts.all_users = GRANT_YES;
    facts.principal = GRANT_PATH_UNCLEAR;
    assert_allowed(&facts, RUNG_ALL_USERS);
}

static void an_unclear_path_tells_nothing_to_a_caller_who_is_not_known(void **state)
{
    (void)state;
    struct decide_facts facts = a_private_service();
    facts.principal = GRANT_PATH_UNCLEAR;
    assert_refused(&facts, 403, RUNG_NO_CREDENTIAL);
    facts.credential = CREDENTIAL_BAD;
    assert_refused(&facts, 401, RUNG_BAD_CREDENTIAL);
}

/* ---- all of it ---- */

static struct decide_facts facts_of(unsigned number)
{
    return (struct decide_facts){
        .host_known = (number & 1) != 0,
        .reserved_path = (number & 2) != 0,
        .method_forbidden = (number & 4) != 0,
        .default_url = (number & 8) != 0,
        .default_url_disabled = (number & 16) != 0,
        .invoker_check_off = (number & 32) != 0,
        .ingress = (enum ingress_setting)(number >> 6 & 3),
        .network = (enum network)((number >> 8) % 3),
        .all_users = (enum grant)((number >> 8) / 3 % 3),
        .credential = (enum credential)((number >> 8) / 9 % 3),
        .principal = (enum grant)((number >> 8) / 27 % 3),
    };
}

static void whatever_the_facts_are_nobody_passes_without_one_of_three_reasons(void **state)
{
    (void)state;
    for (unsigned number = 0; number < 81u << 8; number++) {
        struct decide_facts facts = facts_of(number);
        struct verdict verdict = policy_decide(&facts);
        bool bound = facts.credential == CREDENTIAL_VALID && facts.principal == GRANT_YES;
        bool reason = facts.invoker_check_off || facts.all_users == GRANT_YES || bound;
        bool reachable = facts.host_known && !facts.reserved_path && !facts.method_forbidden &&
                         !(facts.default_url && facts.default_url_disabled) &&
                         facts.ingress != INGRESS_NONE &&
                         (facts.ingress == INGRESS_ALL || facts.network != NETWORK_OUTSIDE) &&
                         (facts.ingress != INGRESS_INTERNAL || facts.network == NETWORK_INSIDE);
        assert_int_equal(verdict.allowed, reason && reachable);
        assert_true(verdict.allowed == (verdict.status == 200));
    }
}

static void where_no_credential_is_needed_none_changes_the_verdict(void **state)
{
    (void)state;
    for (unsigned number = 0; number < 81u << 8; number++) {
        struct decide_facts facts = facts_of(number);
        if (policy_needs_credential(&facts)) {
            continue;
        }
        struct decide_facts other = facts;
        other.credential = CREDENTIAL_NONE;
        other.principal = GRANT_NO;
        assert_int_equal(policy_decide(&facts).rung, policy_decide(&other).rung);
    }
}

/* ---- the door: rows of docs/access.md, D1 to D9 ---- */

/* A service with a door whose agent is bound; a granted person comes in a browser. */
static struct decide_facts at_a_door(void)
{
    struct decide_facts facts = a_private_service();
    facts.door = (struct door_facts){
        .on = true, .session = true, .may_be_person = true, .principal = GRANT_YES};
    facts.credential = CREDENTIAL_VALID;
    facts.principal = GRANT_YES;
    return facts;
}

static void behind_the_door_the_check_judges_its_agent(void **state)
{
    (void)state;
    struct decide_facts facts = at_a_door();
    assert_allowed(&facts, RUNG_BINDING);
    facts.principal = GRANT_NO; /* row 4: the agent is not bound */
    assert_refused(&facts, 403, RUNG_NO_BINDING);
    facts.invoker_check_off = true; /* row 6 */
    assert_allowed(&facts, RUNG_CHECK_OFF);
    facts.invoker_check_off = false;
    facts.all_users = GRANT_YES;
    assert_allowed(&facts, RUNG_ALL_USERS);
}

static void public_is_not_public_with_a_door(void **state)
{
    (void)state;
    struct decide_facts facts = at_a_door();
    facts.door.session = false;
    facts.door.principal = GRANT_NO;
    facts.invoker_check_off = true;
    facts.all_users = GRANT_YES;
    assert_refused(&facts, 302, RUNG_DOOR_NOBODY); /* rows 7 and 8 */
    facts.door.may_be_person = false;
    assert_refused(&facts, 401, RUNG_DOOR_NOBODY);
}

static void each_rung_of_the_door_answers_before_those_below_it(void **state)
{
    (void)state;
    struct decide_facts facts = at_a_door();
    struct door_facts *door = &facts.door;
    *door = (struct door_facts){
        .on = true,
        .errand = DOOR_METADATA,
        .preflight = true,
        .all_users = GRANT_YES,
        .token = CREDENTIAL_BAD,
        .two_cookies = true,
        .may_be_person = true,
        .cross_site = true,
        .domain_barred = true,
        .sign_in_due = true,
    };
    facts.ingress = INGRESS_NONE;
    assert_refused(&facts, 404, RUNG_INGRESS); /* row 13: also for the door's own paths */
    facts.ingress = INGRESS_ALL;
    assert_refused(&facts, 200, RUNG_DOOR_ERRAND);
    door->errand = DOOR_NO_ERRAND;
    assert_allowed(&facts, RUNG_BINDING);
    door->preflight = false;
    assert_allowed(&facts, RUNG_BINDING);
    door->all_users = GRANT_PATH_UNCLEAR;
    assert_refused(&facts, 400, RUNG_DOOR_PATH_UNCLEAR);
    door->all_users = GRANT_NO;
    assert_refused(&facts, 401, RUNG_DOOR_TOKEN);
    door->token = CREDENTIAL_NONE;
    assert_refused(&facts, 400, RUNG_DOOR_COOKIES);
    door->two_cookies = false;
    assert_refused(&facts, 302, RUNG_DOOR_NOBODY);
    door->session = true;
    assert_refused(&facts, 403, RUNG_DOOR_CROSS_SITE);
    door->cross_site = false;
    assert_refused(&facts, 403, RUNG_DOOR_NO_GRANT);
    door->principal = GRANT_YES;
    assert_refused(&facts, 403, RUNG_DOOR_NO_GRANT); /* the domain is none of those listed */
    door->domain_barred = false;
    assert_refused(&facts, 302, RUNG_DOOR_SIGN_IN_DUE);
    door->sign_in_due = false;
    assert_allowed(&facts, RUNG_BINDING);
}

static void who_is_asked_about_has_to_be_known_wherever_the_door_stands_open(void **state)
{
    (void)state;
    struct decide_facts facts = at_a_door();
    facts.door.errand = DOOR_IDENTITY;
    facts.door.all_users = GRANT_YES;
    facts.door.session = false;
    assert_refused(&facts, 302, RUNG_DOOR_NOBODY);
    facts.door.session = true;
    facts.door.principal = GRANT_NO; /* row 68: granted or not */
    assert_refused(&facts, 200, RUNG_DOOR_ERRAND);
    facts.door.cross_site = true;
    assert_refused(&facts, 403, RUNG_DOOR_CROSS_SITE);
}

static void nobody_can_be_signed_out_by_another_site(void **state)
{
    (void)state;
    struct decide_facts facts = at_a_door();
    facts.door.errand = DOOR_CLEAR_COOKIE;
    assert_refused(&facts, 200, RUNG_DOOR_ERRAND);
    facts.door.cross_site = true;
    assert_refused(&facts, 403, RUNG_DOOR_CROSS_SITE);
}

static void a_token_is_neither_cross_site_nor_too_old_to_be_asked_again(void **state)
{
    (void)state;
    struct decide_facts facts = at_a_door();
    facts.door.token = CREDENTIAL_VALID;
    facts.door.session = false;
    facts.door.two_cookies = true;
    facts.door.cross_site = true;
    facts.door.sign_in_due = true;
    assert_allowed(&facts, RUNG_BINDING);
}

static void whatever_the_facts_nobody_passes_the_door_without_a_reason(void **state)
{
    (void)state;
    for (unsigned number = 0; number < 3u * 3 * 3 * 3 << 9; number++) {
        unsigned bits = number & 511, rest = number >> 9;
        struct decide_facts facts = a_private_service();
        const struct door_facts door = {
            .on = true,
            .errand = (bits & 1) != 0 ? DOOR_IDENTITY : DOOR_NO_ERRAND,
            .preflight = (bits & 2) != 0,
            .two_cookies = (bits & 4) != 0,
            .session = (bits & 8) != 0,
            .may_be_person = (bits & 16) != 0,
            .cross_site = (bits & 32) != 0,
            .domain_barred = (bits & 64) != 0,
            .sign_in_due = (bits & 128) != 0,
            .all_users = (enum grant)(rest % 3),
            .token = (enum credential)(rest / 3 % 3),
            .principal = (enum grant)(rest / 9 % 3),
        };
        facts.door = door;
        facts.invoker_check_off = (bits & 256) != 0;
        facts.credential = CREDENTIAL_VALID;
        facts.principal = (enum grant)(rest / 27 % 3);
        bool open =
            door.errand == DOOR_NO_ERRAND && (door.preflight || door.all_users == GRANT_YES);
        bool by_cookie = door.token == CREDENTIAL_NONE && door.session && !door.two_cookies &&
                         !door.cross_site && !door.sign_in_due;
        bool known = door.token == CREDENTIAL_VALID || by_cookie;
        bool granted = known && door.principal == GRANT_YES && !door.domain_barred &&
                       door.errand == DOOR_NO_ERRAND;
        bool behind = facts.invoker_check_off || facts.principal == GRANT_YES;
        struct verdict verdict = policy_decide(&facts);
        assert_int_equal(verdict.allowed, (open || granted) && behind);
        if (!open && !granted) {
            assert_true(rung_is_of_door(verdict.rung)); /* the check is never reached */
        }
    }
}

static void the_log_has_the_sentences_that_users_search_for(void **state)
{
    (void)state;
    assert_string_equal(rung_log_text(RUNG_NO_CREDENTIAL),
                        "The request was not authenticated. Either allow unauthenticated "
                        "invocations or set the proper Authorization header. Empty Authorization "
                        "header value.");
    assert_string_equal(rung_log_text(RUNG_NO_BINDING),
                        "The request was not authenticated. Either allow unauthenticated "
                        "invocations or set the proper Authorization header. The IAM principal "
                        "lacks {run.routes.invoke} permission.");
    assert_string_equal(rung_log_text(RUNG_BAD_CREDENTIAL),
                        "The request was not authorized to invoke this service. The access token "
                        "could not be verified.");
    for (enum rung rung = RUNG_UNKNOWN_HOST; rung <= RUNG_NO_BINDING; rung++) {
        assert_true(strlen(rung_name(rung)) > 0);
        assert_non_null(rung_log_text(rung));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_1_an_unknown_host_is_404_for_any_request),
        cmocka_unit_test(row_2_an_internal_service_does_not_exist_outside_even_if_public),
        cmocka_unit_test(rows_3_4_and_15_no_credential_is_403_preflight_included),
        cmocka_unit_test(
            rows_5_6_7_13_14_17_and_28_a_bad_credential_is_401_even_for_a_bound_caller),
        cmocka_unit_test(rows_8_12_23_and_30_a_known_caller_without_a_binding_is_403),
        cmocka_unit_test(rows_9_10_11_16_22_and_29_a_bound_caller_passes),
        cmocka_unit_test(rows_18_and_24_with_the_check_off_no_credential_is_looked_at),
        cmocka_unit_test(rows_19_20_and_25_allusers_may_send_garbage),
        cmocka_unit_test(rows_21_and_26_what_is_not_for_allusers_needs_a_credential),
        cmocka_unit_test(each_rung_answers_before_those_below_it),
        cmocka_unit_test(a_disabled_default_url_leaves_the_operators_domains),
        cmocka_unit_test(each_ingress_setting_admits_its_networks_and_no_others),
        cmocka_unit_test(an_unclear_path_is_400_where_it_would_decide),
        cmocka_unit_test(an_unclear_path_does_not_matter_to_another_binding_that_grants),
        cmocka_unit_test(an_unclear_path_tells_nothing_to_a_caller_who_is_not_known),
        cmocka_unit_test(whatever_the_facts_are_nobody_passes_without_one_of_three_reasons),
        cmocka_unit_test(where_no_credential_is_needed_none_changes_the_verdict),
        cmocka_unit_test(behind_the_door_the_check_judges_its_agent),
        cmocka_unit_test(public_is_not_public_with_a_door),
        cmocka_unit_test(each_rung_of_the_door_answers_before_those_below_it),
        cmocka_unit_test(who_is_asked_about_has_to_be_known_wherever_the_door_stands_open),
        cmocka_unit_test(nobody_can_be_signed_out_by_another_site),
        cmocka_unit_test(a_token_is_neither_cross_site_nor_too_old_to_be_asked_again),
        cmocka_unit_test(whatever_the_facts_nobody_passes_the_door_without_a_reason),
        cmocka_unit_test(the_log_has_the_sentences_that_users_search_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
