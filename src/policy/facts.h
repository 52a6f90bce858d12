/*
 * The one gatherer of what the ladder judges. The gate of a worker, `access explain` and what-if
 * all call facts_gather(), each over look-ups of its own: the index with memories in front of it,
 * the same index as control has published it, or a changed copy. So they cannot disagree.
 *
 * Everything here is pure: the world is what the look-ups say, and the time is in the request.
 */
#pragma once

#include "base/arena.h"
#include "policy/cel.h"
#include "policy/credential.h"
#include "policy/decide.h"
#include "policy/path.h"

/* The client ID of gcloud: the audience of the identity tokens that it makes for users. */
#define GCLOUD_AUDIENCE "32555940559.apps.googleusercontent.com"

/* ---- what look-ups give; all slices are good until the next change of what is looked up ---- */

/* Where a host leads. */
struct facts_route {
    uint64_t service_id;
    struct slice host; /* lower case, without port */
    struct slice tag;  /* "" for the service itself */
    bool default_url;  /* a host made by us, not a domain of the operator's */
};

struct facts_service {
    uint64_t id;
    bool invoker_check_off;
    int64_t check_off_until_us; /* it is on again from then on; 0: it stays off */
    bool default_url_disabled;
    enum ingress_setting ingress;
    struct slice resource_name;    /* projects/P/locations/L/services/S */
    const struct slice *audiences; /* URLs without a slash at the end, then custom ones */
    size_t audience_count;
    size_t url_audience_count; /* the first ones are URLs */
    const uint64_t *nodes;     /* the service itself, then what stands above it, nearest first */
    size_t node_count;
};

/* A grant of run.routes.invoke. */
struct facts_grant {
    struct slice role;
    struct slice program; /* compiled condition (policy/cel.h); "": none */
    struct slice title;   /* of the condition */
};

enum facts_account_state {
    FACTS_ACCOUNT_ACTIVE,
    FACTS_ACCOUNT_DISABLED,
    FACTS_ACCOUNT_DELETED,
};

/* An account of our own issuer, by its `sub`. */
struct facts_account {
    enum facts_account_state state;
    struct slice member; /* "serviceAccount:e@…" or "user:e@…", lower case */
    struct slice domain; /* basis of domain:…, "" if none */
};

/* Who may sign ID tokens that are believed. */
struct facts_issuer {
    bool ours;            /* accounts are looked up by sub; gcloud's audience is accepted */
    bool google_like;     /* its identities are in allAuthenticatedUsers */
    struct slice pool;    /* members are principal://POOL/subject/SUB; "" if none */
    struct slice domains; /* comma-separated: domains that it is authoritative for */
};

/* What a token says, once its signature, kind and time are believed. */
struct facts_claims {
    struct slice iss, sub, email, hd;
    struct slice user_key; /* the service account key that it was minted through; "" */
    const struct slice *audiences;
    size_t audience_count;
    bool email_verified;
};

/* A binding that decides; role "": none does. */
struct facts_binding {
    uint64_t node;
    struct slice member; /* the name that it knows the caller by */
    struct facts_grant grant;
};

/* Why a caller cannot be believed. */
enum facts_fault {
    FACTS_NO_FAULT,
    FACTS_CREDENTIAL, /* no single bearer token */
    FACTS_TOKEN,      /* the look-up of the token refuses it: facts.token_fault says why */
    FACTS_ISSUER,
    FACTS_SUBJECT, /* the token names nobody */
    FACTS_ACCOUNT_UNKNOWN,
    FACTS_ACCOUNT_IS_DISABLED,
    FACTS_ACCOUNT_IS_DELETED,
    FACTS_KEY_REVOKED, /* the service account key that the token was minted through */
    FACTS_AUDIENCE,
};

/* What was found of a caller (or of everybody) at a service. */
struct facts_answer {
    enum facts_fault fault;
    enum grant grant;
    bool fits_everywhere;   /* gcloud's audience: the token would open other services too */
    struct slice principal; /* the caller's own name; "" if nobody is known */
    struct facts_binding binding;
};

/*
 * The world. CTX is what facts_gather() was given. A function that finds nothing returns false,
 * NULL or 0.
 */
struct facts_lookups {
    /* AUTHORITY as it was sent. *host: its normal form, also if it leads nowhere; "" if it has
     * none. */
    const struct facts_route *(*route)(void *ctx, struct slice authority, struct slice *host);
    const struct facts_service *(*service)(void *ctx, const struct facts_route *route);
    /* *count grants to MEMBER on NODE, good until the next call. */
    const struct facts_grant *(*grants)(void *ctx, uint64_t node, struct slice member,
                                        size_t *count);
    bool (*account)(void *ctx, struct slice sub, struct facts_account *out);
    bool (*user_key)(void *ctx, struct slice kid); /* true: it exists and is enabled */
    /* *count groups of MEMBER, nested ones flattened, good until the next call. */
    const struct slice *(*groups)(void *ctx, struct slice member, size_t *count);
    /* The value that NODE itself has of the tag KEY (HELD: *value is set). */
    enum cel_tag (*tag)(void *ctx, uint64_t node, bool by_id, struct slice key,
                        struct slice *value);
    bool (*issuer)(void *ctx, struct slice iss, struct facts_issuer *out);
    /*
     * The claims of TEXT if its issuer, key, signature, kind and time (at NOW_S) can be believed.
     * NULL: *fault is the look-up's own code for why not. *handle is for the two below.
     */
    const struct facts_claims *(*token)(void *ctx, struct slice text, int64_t now_s, void **handle,
                                        int *fault);
    /*
     * A memory of answers that no condition was judged for; both may be NULL. HANDLE is the
     * token's, NULL for everybody. A memory must forget when anything changes that a look-up says.
     * What is remembered has to be copied: its texts may lie in the request's arena.
     */
    const struct facts_answer *(*recall)(void *ctx, const struct facts_route *route, void *handle);
    void (*remember)(void *ctx, const struct facts_route *route, void *handle,
                     const struct facts_answer *answer);
};

/* ---- the question ---- */

/* What a request brings, be it real or imagined. */
struct facts_request {
    struct slice method;
    bool websocket; /* a CONNECT that asks for a protocol (RFC 8441) */
    struct slice authority;
    struct slice target; /* path and query as they were sent */
    bool plain;          /* came by plain HTTP where that only leads to HTTPS */
    bool strict_paths;   /* paths that Cloud Run keeps to itself are not found */
    enum network network;
    int64_t now_us;
    struct credential_lines credential;
    /*
     * Of a caller who is imagined, instead of a credential: what their token would say, or, for a
     * set such as a group, the names that they are known by. Both NULL otherwise.
     */
    const struct facts_claims *claims;
    const struct slice *names;
    size_t name_count;
};

/* ---- the answer ---- */

struct facts {
    struct decide_facts ladder;
    struct slice host;               /* lower case, no port; "" if it is none */
    const struct facts_route *route; /* NULL when the host leads nowhere */
    const struct facts_service *service;
    enum credential_source source;        /* of the credential, where the ladder asked for one */
    struct facts_answer everyone, caller; /* as far as the ladder asked for them */
    int token_fault;                      /* of FACTS_TOKEN */
    enum path_fault path_fault;           /* of a path that a condition asked for */
};

/*
 * Gathers facts in the order of the ladder. A fact that cannot matter any more is not gathered: the
 * caller of a public service is never asked who they are. Texts that are not the look-ups' lie in
 * ARENA or in REQUEST.
 */
void facts_gather(const struct facts_lookups *lookups, void *ctx, struct arena *arena,
                  const struct facts_request *request, struct facts *out);

/* The binding that decided VERDICT, or would have with a clear path; NULL if none did. */
const struct facts_binding *facts_binding(const struct facts *facts, const struct verdict *verdict);

/* "the account is disabled": for explanations; "" for none. */
const char *facts_fault_text(enum facts_fault fault);
