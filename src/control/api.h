/*
 * The way of an admin call: route table → who is calling → permission on the resource → decode →
 * handler → answer. Each Google API has its files under api/, and a table of rows.
 */
#pragma once

#include "control/control.h"
#include "policy/allow.h"

struct api_call;

/* Who is calling, after the access token has been believed. */
struct caller {
    bool authenticated;
    struct slice sub; /* unique ID of the account */
    struct slice email;
    struct slice member;             /* "serviceAccount:e" or "user:e" */
    struct slice user_key;           /* key that the token was minted through; "" */
    struct slice scope;              /* what the token is good for (scopes.h); "" */
    struct principal_set principals; /* member, groups, domain, allAuthenticatedUsers, allUsers */
};

enum api_flag {
    API_ANONYMOUS = 1, /* no access token needed (token endpoint, discovery) */
    API_FORM = 2, /* the body is application/x-www-form-urlencoded, given raw in call->raw_body */
    API_NO_BODY = 4,      /* a body is ignored */
    API_SELF_CHECKED = 8, /* authenticated, but the handler checks permissions itself (listing
                             filters, testIamPermissions) */
    API_YAML_TOO = 16,    /* takes YAML where the content type says so */
    /* Can be asked to change nothing, by the query: all other rows refuse the question (query.c).
     */
    API_VALIDATE_ONLY = 32, /* "validateOnly" */
    API_DRY_RUN = 64,       /* "dryRun", as Knative calls it */
};

struct api_route {
    const char *verb; /* "GET" */
    /*
     * Path template: "{project}" takes one segment without ':', and may be followed by ":verb".
     * "{name=**}" takes the rest. Project numbers are turned into IDs in the parameter "project"
     * before anything else sees them.
     */
    const char *path;
    const char *permission; /* NULL only with API_ANONYMOUS or API_SELF_CHECKED */
    const char *on;         /* resource the permission is needed on, with the same parameters:
                               "projects/{project}" */
    unsigned flags;
    void (*handle)(struct api_call *call); /* NULL: 501, naming the method */
    const char
        *method; /* "google.cloud.run.v1.Services.ReplaceService": audit log, 501 text, docs */
    const struct field *body; /* what the body may have, checked before the handler sees it in
                                 normal form; NULL: the handler reads it by a table of its own */
};

struct api_table {
    const struct api_route *rows;
    const size_t *count;
};
/* All of them, in the order in which they are searched. */
extern const struct api_table api_tables[];
extern const size_t api_table_count;

struct api_call {
    struct control *control;
    const struct api_route *route;
    struct exchange *exchange; /* NULL once the client has left: answers then go nowhere */
    struct arena arena;
    struct caller caller;
    struct slice path, query;
    struct slice raw_body;
    json_t *body;       /* NULL if none; owned by the call */
    const char *region; /* of the path, else of the host's prefix, else the default; "" if the path
                           says "-" */
    bool region_from_host;
    struct {
        const char *name, *value;
    } params[8];
    size_t param_count;
    const char *peer; /* "127.0.0.1" */
    const char *denied_permission,
        *denied_resource;   /* of the last api_allowed() that said no: for ErrorInfo */
    bool scope_lacking;     /* the account may, its token may not: for ErrorInfo */
    void *user;             /* the handler's, for calls that are answered later */
    json_t *policy_details; /* what organization policy has to say of a refusal: for
                               orgpolicy_fail() */
};

/* ---- what handlers ask ---- */

/* Path parameter, decoded; never NULL for a name in the row's path. */
const char *api_param(const struct api_call *call, const char *name);
/* Query parameter, NULL if absent. NAME is in camelCase; snake_case is taken too. */
const char *api_query(struct api_call *call, const char *name);
bool api_query_flag(struct api_call *call, const char *name); /* "true", "1", any case */

/* ---- what was sent (body.c) ---- */

/* Brings the call's body into the normal form of TABLE; false, and the field that is at fault. */
bool api_take_fields(struct api_call *call, const struct field *table, struct error *err);
/* For requests that have no fields, and for those that wait for an operation. */
extern const struct field api_no_fields[], api_wait_fields[];
/* The query's updateMask, if there is one, names fields of TABLE: one that names nothing would
 * change nothing, and say that all went well. */
bool api_check_mask(struct api_call *call, const struct field *table, struct error *err);
/* The query can be read (query.c): names that are known, each once, flags that say true or false,
 * sizes that are numbers. Who mistypes validateOnly must not get the change itself. */
bool api_check_query(struct api_call *call, struct error *err);

/* ---- how handlers answer: exactly one of these, once; the call is gone after ---- */

void api_reply(struct api_call *call, json_t *body); /* 200; takes BODY */
void api_reply_status(struct api_call *call, int http_status, json_t *body);
void api_reply_text(struct api_call *call, int http_status, const char *content_type,
                    struct slice text);
/* Google's error shape from *err: BadRequest.fieldViolations if a field is named, ErrorInfo where
 * gcloud needs it. */
void api_fail(struct api_call *call, const struct error *err);
/* The same with DETAILS (an array, taken) in front of what api_fail adds. */
void api_fail_with(struct api_call *call, const struct error *err, json_t *details);

/* ---- the listener's side (dispatch.c, router.c) ---- */

extern const struct exchange_events api_events; /* ctx: struct control */

enum api_match { API_MATCH_NONE, API_MATCH_OTHER_VERB, API_MATCH_FOUND };
/* Finds the row for VERB and PATH, and fills the call's route and parameters. ALLOWED: verbs of the
 * path, for 405. */
enum api_match api_find_route(struct api_call *call, struct slice verb, struct slice path,
                              char allowed[64]);
/* "projects/{project}" with the call's parameters, in its arena. */
const char *api_expand(struct api_call *call, const char *pattern);

/* ---- permissions (access.c) ---- */

/*
 * Whether the caller holds PERMISSION on RESOURCE (a store key: projects/P/locations/L/services/S,
 * projects/P, projects/P/serviceAccounts/E, folders/N, organizations/N), by its policy or one
 * above. A resource that does not exist is decided by its parent. False and PERMISSION_DENIED in
 * the words of Cloud IAM.
 */
bool api_allowed(struct api_call *call, const char *permission, const char *resource,
                 struct error *err);
/* The same as a question. */
bool api_holds(struct api_call *call, const char *permission, const char *resource);
/* The question for a policy change: ROLES are those whose grants it would alter
 * (modifiedGrantsByRole). */
bool api_holds_for_roles(struct api_call *call, const char *permission, const char *resource,
                         const struct slice *roles, int count);

/* ---- changes (publish.c): store, audit row and index in one ---- */

/*
 *   struct change *change = change_begin(call, &err);   // NULL: answer *err
 *   store_put(call->control->store, …) …; change_service(change, key); change_policy(change, key);
 * … if (!change_commit(&change, &err)) …                // nothing has happened api_reply(…) //
 * every later request sees it
 */
struct change;
/* CALL may be NULL for changes of the system's own. */
struct change *change_begin(struct control *control, struct api_call *call, struct error *err);
void change_abort(struct change **change);
static inline void change_auto_abort(struct change **change)
{
    if (*change != NULL) {
        change_abort(change);
    }
}
#define auto_change __attribute__((cleanup(change_auto_abort))) struct change
/* What has been written and must be compiled anew: keys of the store. Deleted ones too. */
bool change_service(struct change *change, const char *key, struct error *err);
bool change_revision(struct change *change, const char *key, struct error *err);
bool change_policy(struct change *change, const char *resource, struct error *err);
/* The tags that are bound to RESOURCE: after a binding has come or gone. */
bool change_tags(struct change *change, const char *resource, struct error *err);
bool change_account(struct change *change, const char *key, struct error *err);
bool change_key(struct change *change, const char *key, struct error *err);
bool change_groups(struct change *change, struct error *err);
bool change_issuer(struct change *change, const char *key, struct error *err);
/*
 * The audit row: who (the call's caller), when, from where, METHOD of the route, RESOURCE, and
 * BEFORE and AFTER of what decides access (may be NULL; not taken).
 */
bool change_audit(struct change *change, const char *resource, const char *deed,
                  const json_t *before, const json_t *after, struct error *err);
bool change_commit(struct change **change, struct error *err);

/* ---- policies (allow policies of any resource; iam.c) ---- */

/* The three methods, for a resource of any API: the row's `on` is the resource. */
void iam_get_policy(struct api_call *call);
void iam_set_policy(struct api_call *call);
void iam_test_permissions(struct api_call *call);

/* ---- projects ---- */

/* ID of a project given by ID or number; NULL if there is none. In the call's arena. */
const char *project_id(struct control *control, struct arena *arena, const char *id_or_number);
/* Number of a project by ID; NULL if there is none. */
const char *project_number(struct control *control, struct arena *arena, const char *id);

/* ---- groups (publish_access.c) ---- */

enum { GROUPS_MAX = 256 };
/* The groups that MEMBER is in, nested ones flattened, as "group:…"; in ARENA. */
size_t groups_of(struct control *control, struct arena *arena, struct slice member,
                 struct slice out[GROUPS_MAX]);

/* ---- services (publish_service.c) ---- */

struct service_view;
/* Who a service is, from its key ("projects/P/locations/L/services/S"): all but doc and version.
 * False if its project is gone. */
bool publish_view(struct control *control, struct arena *arena, const char *key,
                  struct service_view *out);

/* ---- accounts (identity/accounts.c) ---- */

/* Store key of the service account with that address ("projects/P/serviceAccounts/E"); NULL if the
 * address is of no project here. */
const char *account_key_of(struct control *control, struct arena *arena, struct slice email);

/* ---- identity (identity/issuer.c) ---- */

/* Signs CLAIMS (JSON; iat, exp, iss are filled in if absent) with the issuer's newest key. */
bool issuer_mint(struct control *control, struct arena *arena, json_t *claims, struct slice *token,
                 struct error *err);
/* Believes an access token of ours, or a self-signed JWT of an account's key: fills CALLER.
 * UNAUTHENTICATED on failure. */
bool issuer_caller(struct control *control, struct arena *arena, struct slice token,
                   struct caller *out, struct error *err);
const char *issuer_url(const struct control *control); /* the API's base URL, without slash */

/* ---- regions ---- */

extern const char *const regions[][2]; /* {"us-central1", "Iowa"}, ends with NULL */
bool region_known(const char *region);
