/*
 * May this caller invoke this service? One pure function, called by the gate, by `access explain`,
 * the console and what-if alike, so that none of them can disagree.
 */
#pragma once

#include "policy/door.h"

enum ingress_setting { INGRESS_ALL, INGRESS_INTERNAL_AND_LB, INGRESS_INTERNAL, INGRESS_NONE };
enum network { NETWORK_OUTSIDE, NETWORK_LOAD_BALANCER, NETWORK_INSIDE };

enum credential {
    CREDENTIAL_NONE, /* no header, or an empty one */
    CREDENTIAL_BAD,  /* one was presented and cannot be believed, for any reason */
    CREDENTIAL_VALID,
};

/* Whether a binding grants the call; PATH: one would, but the path has no normal form to evaluate
 * its condition by. */
enum grant { GRANT_NO, GRANT_YES, GRANT_PATH_UNCLEAR };

/* The facts of a service's door (Identity-Aware Proxy): docs/access.md, D1 to D9. */
struct door_facts {
    bool on;            /* false: nothing else in here is set, or looked at */
    bool preflight;     /* a CORS preflight, and the settings let those through */
    bool two_cookies;   /* two cookies have the session's name: somebody else set one of them */
    bool session;       /* alive, for this host, and its person may still sign in */
    bool may_be_person; /* a browser that can be led to sign-in */
    bool cross_site;    /* a cookie must not count */
    bool domain_barred; /* the settings list domains, and the caller's is none of them */
    bool sign_in_due;   /* the session's sign-in is too long ago for the settings */
    enum door_errand errand;
    enum grant all_users;
    enum credential token; /* BAD also for a token that identifies nobody known here, where there is
                              no session */
    enum grant principal;  /* about the caller of the token, or else of the session */
};

struct decide_facts {
    bool host_known;
    bool reserved_path;    /* --strict-paths */
    bool method_forbidden; /* TRACE, CONNECT */
    bool default_url;      /* the host is one of the default URLs */
    bool default_url_disabled;
    enum ingress_setting ingress;
    enum network network;
    bool plain_http; /* plain HTTP only redirects to HTTPS here */
    bool invoker_check_off;
    enum grant all_users; /* a binding for allUsers, own or inherited, whose condition holds */
    /* Behind a door the caller is the door's own agent, whose credential is always valid. */
    enum credential credential;
    enum grant
        principal; /* a binding for the principal, their groups, domain, allAuthenticatedUsers */
    struct door_facts door;
};

/* In the order of the ladder. */
enum rung {
    RUNG_UNKNOWN_HOST,
    RUNG_RESERVED_PATH,
    RUNG_METHOD,
    RUNG_DEFAULT_URL_DISABLED,
    RUNG_INGRESS,
    RUNG_PLAIN_HTTP,
    RUNG_DOOR_ERRAND,
    RUNG_DOOR_PREFLIGHT, /* this one, DOOR_ALL_USERS and DOOR_PASSED never end the climb */
    RUNG_DOOR_ALL_USERS,
    RUNG_DOOR_PATH_UNCLEAR,
    RUNG_DOOR_TOKEN,
    RUNG_DOOR_COOKIES,
    RUNG_DOOR_NOBODY,
    RUNG_DOOR_CROSS_SITE,
    RUNG_DOOR_NO_GRANT,
    RUNG_DOOR_SIGN_IN_DUE,
    RUNG_DOOR_PASSED,
    RUNG_CHECK_OFF,
    RUNG_ALL_USERS,
    RUNG_PATH_UNCLEAR,
    RUNG_NO_CREDENTIAL,
    RUNG_BAD_CREDENTIAL,
    RUNG_BINDING,
    RUNG_NO_BINDING,
};
enum { RUNG_COUNT = RUNG_NO_BINDING + 1 };

struct verdict {
    bool allowed;
    int status; /* 200 when allowed; else of the answer: 404, 405, 302, 403, 401, 400. Where the
                   door answers for itself (RUNG_DOOR_ERRAND) it is 200, and nothing is allowed. */
    enum rung rung;
};

struct verdict policy_decide(const struct decide_facts *facts);

/* Whether the ladder will look at the credential at all, given the facts known before it. */
bool policy_needs_credential(const struct decide_facts *facts);
/* Whether the climb comes as far as the door, or where there is none, as the check. */
bool policy_reaches_door(const struct decide_facts *facts);
/* Whether the door has to identify the caller, given the facts that need no caller. */
bool policy_door_needs_caller(const struct decide_facts *facts);
/* Whether RUNG is one of the door's own, which a service without a door skips. */
bool rung_is_of_door(enum rung rung);

/* "A7": the rule of RUNG in docs/access.md. And the question that RUNG asks: "Is the Invoker IAM
 * check off?". */
const char *rung_rule(enum rung rung);
const char *rung_question(enum rung rung);
/* "check_off", "no_binding": in logs and explanations. And the log sentence of Cloud Run ("" if
 * none). */
const char *rung_name(enum rung rung);
const char *rung_log_text(enum rung rung);
