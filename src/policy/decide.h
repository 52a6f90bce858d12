/*
 * May this caller invoke this service? One pure function, called by the gate, by `access explain`,
 * the console and what-if alike, so that none of them can disagree.
 */
#pragma once

#include "base/slice.h"

enum ingress_setting { INGRESS_ALL, INGRESS_INTERNAL_AND_LB, INGRESS_INTERNAL, INGRESS_NONE };
enum network { NETWORK_OUTSIDE, NETWORK_LOAD_BALANCER, NETWORK_INSIDE };

enum credential {
    CREDENTIAL_NONE, /* no header, or an empty one */
    CREDENTIAL_BAD,  /* one was presented and cannot be believed, whatever the reason */
    CREDENTIAL_VALID,
};

/* Whether bindings answer; PATH: one would, but the path has no normal form to judge by. */
enum grant { GRANT_NO, GRANT_YES, GRANT_PATH_UNCLEAR };

struct decide_facts {
    bool host_known;
    bool reserved_path;    /* --strict-paths */
    bool method_forbidden; /* TRACE, CONNECT */
    bool default_url;      /* the host is one of the default URLs */
    bool default_url_disabled;
    enum ingress_setting ingress;
    enum network network;
    bool plain_http; /* where plain HTTP only leads to HTTPS */
    bool invoker_check_off;
    enum grant all_users; /* a binding for allUsers, own or inherited, whose condition holds */
    enum credential credential;
    enum grant
        principal; /* a binding for the principal, their groups, domain, allAuthenticatedUsers */
};

/* In the order of the ladder. */
enum rung {
    RUNG_UNKNOWN_HOST,
    RUNG_RESERVED_PATH,
    RUNG_METHOD,
    RUNG_DEFAULT_URL_DISABLED,
    RUNG_INGRESS,
    RUNG_PLAIN_HTTP,
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
    int status; /* 200 when allowed; else of the answer: 404, 405, 302, 403, 401, 400 */
    enum rung rung;
};

struct verdict policy_decide(const struct decide_facts *facts);

/* Whether the ladder will look at the credential at all, given the facts known before it. */
bool policy_needs_credential(const struct decide_facts *facts);

/* "A7": its rule in docs/access.md. And what it asks: "Is the Invoker IAM check off?". */
const char *rung_rule(enum rung rung);
const char *rung_question(enum rung rung);
/* "check_off", "no_binding": in logs and explanations. And the log sentence of Cloud Run ("" if
 * none). */
const char *rung_name(enum rung rung);
const char *rung_log_text(enum rung rung);
