/*
 * The call itself: who calls, what was asked, what the caller may, and how it is answered. Nothing
 * here knows how a call came in.
 */
#pragma once

#include "control/call/row.h"
#include "control/control.h"
#include "control/publish/change.h"
#include "policy/allow.h"

/* Who is calling, after the access token has been believed. */
struct caller {
    bool authenticated;
    bool federated;   /* of an identity pool: has no account here */
    struct slice sub; /* unique ID of the account; of a federated caller: its member */
    struct slice email;
    struct slice member;             /* "serviceAccount:e", "user:e", "principal://…" */
    struct slice user_key;           /* key that the token was minted through; "" */
    struct slice scope;              /* what the token is good for (scopes.h); "" */
    struct principal_set principals; /* member, groups, domain, allAuthenticatedUsers, allUsers */
};

struct tag_set;

/* How answers leave that are not sent as HTTP has them. */
struct api_transport {
    /* A document, or an error in Google's shape ({"error": {"status", "message", "details"}});
     * lent. */
    void (*document)(struct api_call *call, const json_t *body);
    /* A part of an answer that goes on; lent. The call's congested says whether to wait. */
    void (*part)(struct api_call *call, const json_t *body);
    /* An answer that went on is complete; the call ends. */
    void (*finish)(struct api_call *call);
    /* The call is about to go. */
    void (*end)(struct api_call *call);
};

struct api_call {
    struct control *control;
    const struct api_route *route;
    struct exchange *exchange; /* NULL once the client has left: answers then go nowhere */
    struct arena arena;
    struct caller caller;
    struct slice verb, path, query;
    struct slice raw_body;
    json_t *body;       /* NULL if none; owned by the call */
    const char *region; /* of the path, else of the host's prefix, else the default; "" if the path
                           says "-" */
    bool region_from_host;
    struct {
        const char *name, *value;
    } params[8];
    size_t param_count;
    const char *nameless; /* the parameter that can be the name of nothing (router.c); NULL: none */
    const char *peer;     /* "127.0.0.1" */
    enum api_door door;
    const char *scheme; /* of the request as the client sent it: "http", "https" */
    const char *denied_permission,
        *denied_resource;     /* of the last api_allowed() that said no: for ErrorInfo */
    bool scope_lacking;       /* the account may, its token may not: for ErrorInfo */
    const char *disabled_api; /* the project has switched it off: for ErrorInfo; or NULL */
    const struct api_transport *transport; /* NULL: HTTP as it is */
    bool changes;                          /* it has begun a change of the record */
    bool congested; /* of answers that go on: more waits for the client than should */
    void *wire;     /* the transport's own */
    void *user;     /* the handler's, for calls that are answered later */
    /*
     * Of a handler whose answer goes on, where the transport has parts. Each further message of the
     * client (lent), and NULL when it has said all: false if the call has ended. NULL: further
     * messages are not read.
     */
    bool (*on_message)(struct api_call *call, const json_t *message);
    /* The client has left, or its deadline has passed: ends the call. NULL: the handler looks at
     * EXCHANGE itself. */
    void (*on_left)(struct api_call *call);
    const struct tag_set *new_tags; /* that the resource of the call is being made with; or NULL */
    const char *unreachable; /* nodes that should have been asked, and did not answer; or NULL */
    json_t *policy_details;  /* what organization policy has to say of a refusal: for
                                orgpolicy_fail() */
};

/* ---- what was asked (request.c) ---- */

/* Path parameter, decoded; never NULL for a name in the row's path. */
const char *api_param(const struct api_call *call, const char *name);
/* Query parameter, NULL if absent. NAME is in camelCase; snake_case is taken too. */
const char *api_query(struct api_call *call, const char *name);
bool api_query_flag(struct api_call *call, const char *name); /* "true", "1", any case */
/* Whether the client reads enums as numbers: "$alt=json;enum-encoding=int". */
bool api_numbers_asked(struct api_call *call);

/* Whether the call's row is one of that API: "google.cloud.run.v1.". The row says which form an
 * answer has; the path that a client wrote does not. */
bool api_is_of(const struct api_call *call, const char *api);
/* The version of its API that the row is of, and so the form of request and answer: 2 of
 * "google.cloud.run.v2.Services.GetService". 0: the name has none. */
unsigned api_version(const struct api_call *call);

/* "projects/{project}" with the call's parameters, in its arena. */
const char *api_expand(struct api_call *call, const char *pattern);

/* Brings the call's body into the normal form of TABLE; false, and the field that is at fault. */
bool api_take_fields(struct api_call *call, const struct field *table, struct error *err);
/* For requests that have no fields, and for those that wait for an operation. */
extern const struct field api_no_fields[], api_wait_fields[];
/* The query's updateMask, if there is one, must name fields of TABLE: a mask that names none would
 * change nothing and report success. */
bool api_check_mask(struct api_call *call, const struct field *table, struct error *err);

/* ---- how handlers answer (answer.c): exactly one of these, once; the call is gone after ---- */

void api_reply(struct api_call *call, json_t *body); /* 200; takes BODY */
void api_reply_status(struct api_call *call, int http_status, json_t *body);
void api_reply_text(struct api_call *call, int http_status, const char *content_type,
                    struct slice text);
/* Google's error shape from *err: BadRequest.fieldViolations if a field is named, ErrorInfo where
 * gcloud needs it. */
void api_fail(struct api_call *call, const struct error *err);
/* api_reply() with BODY if GOOD, else api_fail() with *err: takes BODY (may be NULL) in both cases.
 */
void api_answer(struct api_call *call, bool good, json_t *body, const struct error *err);
/* Like api_fail(), with DETAILS (an array, taken) in front of what api_fail adds. */
void api_fail_with(struct api_call *call, const struct error *err, json_t *details);

/* Frees the call without an answer: its client has left. */
void api_end(struct api_call *call);

/* ---- permissions (permission.c) ---- */

/*
 * Whether the caller holds PERMISSION on RESOURCE (a store key: projects/P/locations/L/services/S,
 * projects/P, projects/P/serviceAccounts/E, folders/N, organizations/N), by its policy or one
 * above. A resource that does not exist is decided by its parent. False and PERMISSION_DENIED in
 * the words of Cloud IAM.
 */
bool api_allowed(struct api_call *call, const char *permission, const char *resource,
                 struct error *err);
/* Like api_allowed(), but does not fill *err. */
bool api_holds(struct api_call *call, const char *permission, const char *resource);
/* The question for a policy change: ROLES are those whose grants it would alter
 * (modifiedGrantsByRole). */
bool api_holds_for_roles(struct api_call *call, const char *permission, const char *resource,
                         const struct slice *roles, int count);

/* ---- changes ---- */

/* Begins a change (publish/change.h) that the call's caller makes. NULL and *err on failure. */
struct change *api_change(struct api_call *call, struct error *err);
