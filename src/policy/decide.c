/*
 * The ladder. Facts are gathered before (index, token) and judged here, purely: the same facts give
 * the same verdict, so that the gate, explanations and what-if cannot disagree.
 */
#include "policy/decide.h"

static struct verdict allow(enum rung rung)
{
    return (struct verdict){.allowed = true, .status = 200, .rung = rung};
}

static struct verdict refuse(enum rung rung, int status)
{
    return (struct verdict){.allowed = false, .status = status, .rung = rung};
}

static bool ingress_admits(enum ingress_setting ingress, enum network network)
{
    switch (ingress) {
    case INGRESS_ALL:
        return true;
    case INGRESS_INTERNAL_AND_LB:
        return network == NETWORK_INSIDE || network == NETWORK_LOAD_BALANCER;
    case INGRESS_INTERNAL:
        return network == NETWORK_INSIDE;
    case INGRESS_NONE:
        return false;
    }
    return false; /* a value of no setting admits nobody */
}

/*
 * The rungs up to the door. True if one of them answers. Rungs 5 and 6 stand before authentication
 * on purpose: nobody outside can find out whether an internal service exists or is private.
 */
static bool answered_outside(const struct decide_facts *facts, struct verdict *out)
{
    /* 1. A host that leads nowhere. */
    if (!facts->host_known) {
        *out = refuse(RUNG_UNKNOWN_HOST, 404);
        return true;
    }
    /* 2. A path that the edge keeps to itself. */
    if (facts->reserved_path) {
        *out = refuse(RUNG_RESERVED_PATH, 404);
        return true;
    }
    /* 3. TRACE and CONNECT never reach a container. */
    if (facts->method_forbidden) {
        *out = refuse(RUNG_METHOD, 405);
        return true;
    }
    /* 4. The default URL is there, but disabled: as if it were not. */
    if (facts->default_url && facts->default_url_disabled) {
        *out = refuse(RUNG_DEFAULT_URL_DISABLED, 404);
        return true;
    }
    /* 5. An internal service does not exist for a caller from outside. */
    if (!ingress_admits(facts->ingress, facts->network)) {
        *out = refuse(RUNG_INGRESS, 404);
        return true;
    }
    /* 6. Plain HTTP leads to HTTPS. Behind the rungs above, or it would tell what they hide. */
    if (facts->plain_http) {
        *out = refuse(RUNG_PLAIN_HTTP, 302);
        return true;
    }
    return false;
}

/* ---- the door: D1 to D9 of docs/access.md ---- */

static bool is_errand_for_anybody(const struct door_facts *door)
{
    return door->errand != DOOR_NO_ERRAND && !door_is_personal(door->errand);
}

/* D2 and D3: for these the caller need not be identified. For a question about who is signed in
 * they must be. */
static bool door_stands_open(const struct door_facts *door)
{
    return !door_is_personal(door->errand) && (door->preflight || door->all_users == GRANT_YES);
}

/* A cookie never makes another site's request the person's own. */
static bool door_knows_caller(const struct door_facts *door)
{
    return door->token == CREDENTIAL_VALID ||
           (door->token == CREDENTIAL_NONE && !door->two_cookies && door->session &&
            !door->cross_site);
}

static bool door_path_decides_but_is_unclear(const struct door_facts *door)
{
    enum grant principal = door_knows_caller(door) ? door->principal : GRANT_NO;
    return !door_is_personal(door->errand) && principal != GRANT_YES &&
           (door->all_users == GRANT_PATH_UNCLEAR || principal == GRANT_PATH_UNCLEAR);
}

/* A person is led to sign-in, a program is told where to get a token. */
static int sign_in_status(const struct door_facts *door)
{
    return door->may_be_person ? 302 : 401;
}

/* D4 to D7: who comes. True if that is the end. */
static bool answered_by_identity(const struct door_facts *door, struct verdict *out)
{
    /* D4. A token of ours, or of somebody we know, that cannot be believed is never read as none.
     */
    if (door->token == CREDENTIAL_BAD) {
        *out = refuse(RUNG_DOOR_TOKEN, 401);
        return true;
    }
    if (door->token == CREDENTIAL_VALID) {
        return false;
    }
    /* D5. Two cookies of our name: a sibling host, or somebody on the line, has set one. */
    if (door->two_cookies) {
        *out = refuse(RUNG_DOOR_COOKIES, 400);
        return true;
    }
    /* D6. Nobody is known. */
    if (!door->session) {
        *out = refuse(RUNG_DOOR_NOBODY, sign_in_status(door));
        return true;
    }
    /* D7. The browser sends the cookie along with what other sites make it ask. */
    if (door->cross_site) {
        *out = refuse(RUNG_DOOR_CROSS_SITE, 403);
        return true;
    }
    return false;
}

/* True if the door is the end of the climb; else (D9) the request goes on as the door's agent. */
static bool answered_by_door(const struct door_facts *door, struct verdict *out)
{
    static const struct verdict by_itself = {.status = 200, .rung = RUNG_DOOR_ERRAND};
    /* D1. What is asked of the door itself; signing out too must be the person's own doing. */
    if (is_errand_for_anybody(door)) {
        bool forged = door->errand == DOOR_CLEAR_COOKIE && door->cross_site;
        *out = forged ? refuse(RUNG_DOOR_CROSS_SITE, 403) : by_itself;
        return true;
    }
    /* D2, D3. */
    if (door_stands_open(door)) {
        return false;
    }
    if (door_path_decides_but_is_unclear(door)) {
        *out = refuse(RUNG_DOOR_PATH_UNCLEAR, 400);
        return true;
    }
    if (answered_by_identity(door, out)) {
        return true;
    }
    if (door_is_personal(door->errand)) {
        *out = by_itself;
        return true;
    }
    /* D8. Known, but not on the list; or the person has to show anew who they are. */
    if (door->principal != GRANT_YES || door->domain_barred) {
        *out = refuse(RUNG_DOOR_NO_GRANT, 403);
        return true;
    }
    if (door->token == CREDENTIAL_NONE && door->sign_in_due) {
        *out = refuse(RUNG_DOOR_SIGN_IN_DUE, sign_in_status(door));
        return true;
    }
    return false;
}

/* ---- the check ---- */

/*
 * The rungs that stand before any credential is looked at. True if one of them answers. BY_DOOR:
 * the service has a door. It is told apart by those who call, once, so that a climb without a door
 * is compiled without anything of one.
 */
__attribute__((always_inline)) static inline bool
answered_without_credential(const struct decide_facts *facts, bool by_door, struct verdict *out)
{
    if (answered_outside(facts, out)) {
        return true;
    }
    if (by_door && answered_by_door(&facts->door, out)) {
        return true;
    }
    /* 7. Public by switch: the Invoker IAM check is off, no token is looked at. */
    if (facts->invoker_check_off) {
        *out = allow(RUNG_CHECK_OFF);
        return true;
    }
    /* 8. Public by binding: allUsers may invoke, no token is looked at. */
    if (facts->all_users == GRANT_YES) {
        *out = allow(RUNG_ALL_USERS);
        return true;
    }
    return false;
}

/*
 * A condition on the path would decide, but the path has no normal form to judge by, and no binding
 * answers without it. Refusing it as "403" would hide that the request itself is at fault.
 */
static bool path_decides_but_is_unclear(const struct decide_facts *facts)
{
    enum grant principal = facts->credential == CREDENTIAL_VALID ? facts->principal : GRANT_NO;
    return principal != GRANT_YES &&
           (facts->all_users == GRANT_PATH_UNCLEAR || principal == GRANT_PATH_UNCLEAR);
}

/*
 * May this caller invoke this service?
 *
 * As documented: Cloud Run, "Authentication overview", "Allowing public access", "Troubleshoot
 * errors". As done here: the rungs below, top to bottom; the first that answers wins.
 */
__attribute__((always_inline)) static inline struct verdict decide(const struct decide_facts *facts,
                                                                   bool by_door)
{
    /* 1 to 8. What needs no credential, and the door. */
    struct verdict verdict;
    if (answered_without_credential(facts, by_door, &verdict)) {
        return verdict;
    }
    /* 9. The path would have to decide and cannot. */
    if (path_decides_but_is_unclear(facts)) {
        return refuse(RUNG_PATH_UNCLEAR, 400);
    }
    /* 10. Nobody knocked. 403, not 401: that is Cloud Run's reading. */
    if (facts->credential == CREDENTIAL_NONE) {
        return refuse(RUNG_NO_CREDENTIAL, 403);
    }
    /* 11. A credential that cannot be believed is never read as none. */
    if (facts->credential != CREDENTIAL_VALID) {
        return refuse(RUNG_BAD_CREDENTIAL, 401);
    }
    /* 12. The principal, a group or domain of theirs, is bound and the condition holds. */
    if (facts->principal == GRANT_YES) {
        return allow(RUNG_BINDING);
    }
    /* 13. Known, but not on the list. */
    return refuse(RUNG_NO_BINDING, 403);
}

__attribute__((noinline)) static struct verdict decide_by_door(const struct decide_facts *facts)
{
    return decide(facts, true);
}

struct verdict policy_decide(const struct decide_facts *facts)
{
    return __builtin_expect(facts->door.on, false) ? decide_by_door(facts) : decide(facts, false);
}

__attribute__((noinline)) static bool needs_credential_by_door(const struct decide_facts *facts)
{
    struct verdict verdict;
    return !answered_without_credential(facts, true, &verdict);
}

bool policy_needs_credential(const struct decide_facts *facts)
{
    struct verdict verdict;
    return facts->door.on ? needs_credential_by_door(facts)
                          : !answered_without_credential(facts, false, &verdict);
}

bool policy_reaches_door(const struct decide_facts *facts)
{
    struct verdict verdict;
    return !answered_outside(facts, &verdict);
}

bool policy_door_needs_caller(const struct decide_facts *facts)
{
    return !is_errand_for_anybody(&facts->door) && !door_stands_open(&facts->door);
}

bool rung_is_of_door(enum rung rung)
{
    return rung >= RUNG_DOOR_ERRAND && rung <= RUNG_DOOR_PASSED;
}

#define NOT_AUTHENTICATED                                                                          \
    "The request was not authenticated. Either allow unauthenticated invocations or set the "      \
    "proper Authorization header. "

static const struct {
    const char *name, *rule, *question, *log_text;
} rungs[] = {
    [RUNG_UNKNOWN_HOST] = {"unknown_host", "A2", "Does the host lead nowhere?", ""},
    [RUNG_RESERVED_PATH] = {"reserved_path", "A3", "Is the path one that is kept back?", ""},
    [RUNG_METHOD] = {"method", "A4", "Is it a method that reaches no container?", ""},
    [RUNG_DEFAULT_URL_DISABLED] = {"default_url_disabled", "A5",
                                   "Is it a default URL, and are they disabled?", ""},
    [RUNG_INGRESS] = {"ingress", "A6", "Does the ingress setting shut out the caller's network?",
                      ""},
    [RUNG_PLAIN_HTTP] = {"plain_http", "A1", "Is it plain HTTP, which leads to HTTPS?", ""},
    [RUNG_DOOR_ERRAND] = {"door_errand", "D1", "Is it something that the door itself answers?", ""},
    [RUNG_DOOR_PREFLIGHT] = {"door_preflight", "D2",
                             "Is it a CORS preflight that the door lets through?", ""},
    [RUNG_DOOR_ALL_USERS] = {"door_all_users", "D3",
                             "May everybody pass the door, without sign-in?", ""},
    [RUNG_DOOR_PATH_UNCLEAR] = {"door_path_unclear", "K2",
                                "Would a condition on the path decide at the door, of a path "
                                "without normal form?",
                                ""},
    [RUNG_DOOR_TOKEN] = {"door_token", "D4", "Is there a token that cannot be believed?",
                         "Invalid IAP credentials: the token could not be verified."},
    [RUNG_DOOR_COOKIES] = {"door_cookies", "D5", "Are there two session cookies?",
                           "The request carries two session cookies; one of them was not set by "
                           "the door."},
    [RUNG_DOOR_NOBODY] = {"door_nobody", "D6", "Is nobody signed in, and no token there?",
                          "Invalid IAP credentials: empty token"},
    [RUNG_DOOR_CROSS_SITE] = {"door_cross_site", "D7",
                              "Did another site make the browser send this?",
                              "The session cookie does not count: the request was made by another "
                              "site."},
    [RUNG_DOOR_NO_GRANT] = {"door_no_grant", "D8", "Does nothing let the caller through the door?",
                            "The caller lacks {iap.webServiceVersions.accessViaIAP} permission."},
    [RUNG_DOOR_SIGN_IN_DUE] = {"door_sign_in_due", "D8", "Is the sign-in too long ago?",
                               "The settings of the door ask for a fresh sign-in."},
    [RUNG_DOOR_PASSED] = {"door_passed", "D9",
                          "Who goes on from here? (Never the end of the climb.)", ""},
    [RUNG_CHECK_OFF] = {"check_off", "A7", "Is the Invoker IAM check off?", ""},
    [RUNG_ALL_USERS] = {"all_users", "A8", "May allUsers invoke the service?", ""},
    [RUNG_PATH_UNCLEAR] = {"path_unclear", "K2",
                           "Would a condition on the path decide, of a path without normal form?",
                           ""},
    [RUNG_NO_CREDENTIAL] = {"no_credential", "A9", "Is there no credential?",
                            NOT_AUTHENTICATED "Empty Authorization header value."},
    [RUNG_BAD_CREDENTIAL] = {"bad_credential", "A10", "Is it one that cannot be believed?",
                             "The request was not authorized to invoke this service. The access "
                             "token could not be verified."},
    [RUNG_BINDING] = {"binding", "A11", "Does a binding let the caller in?", ""},
    [RUNG_NO_BINDING] = {"no_binding", "A12", "Does none?",
                         NOT_AUTHENTICATED
                         "The IAM principal lacks {run.routes.invoke} permission."},
};

const char *rung_rule(enum rung rung)
{
    return rungs[rung].rule;
}

const char *rung_question(enum rung rung)
{
    return rungs[rung].question;
}

const char *rung_name(enum rung rung)
{
    return rungs[rung].name;
}

const char *rung_log_text(enum rung rung)
{
    return rungs[rung].log_text;
}
