/*
 * The ladder. Facts are gathered before (index, token) and judged here, purely: whoever has the
 * same facts gets the same verdict, so that the gate, explanations and what-if cannot disagree.
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
 * The rungs that stand before any credential is looked at. True if one of them answers.
 * Rungs 5 and 6 stand before authentication on purpose: nobody outside can find out whether an
 * internal service exists or is private.
 */
static bool answered_without_credential(const struct decide_facts *facts, struct verdict *out)
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
struct verdict policy_decide(const struct decide_facts *facts)
{
    /* 1 to 8. What needs no credential. */
    struct verdict verdict;
    if (answered_without_credential(facts, &verdict)) {
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

bool policy_needs_credential(const struct decide_facts *facts)
{
    struct verdict verdict;
    return !answered_without_credential(facts, &verdict);
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
