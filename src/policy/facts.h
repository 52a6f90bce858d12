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

/* The door of a service (Identity-Aware Proxy), as far as the ladder goes by it. */
struct facts_door {
    bool on;
    bool allow_http_options;
    uint32_t max_age_s; /* of a sign-in; 0: no limit */
    struct slice agent; /* "serviceAccount:…": the agent that calls the service behind the door */
    const uint64_t *nodes; /* where policies of the door stand, nearest first */
    size_t node_count;
    const struct slice *clients; /* audiences of tokens that are welcome too */
    size_t client_count;
    bool domains_limited;
    const struct slice *domains; /* lower case */
    size_t domain_count;
};

struct facts_service {
    uint64_t id;
    bool invoker_check_off;
    int64_t check_off_until_us; /* it is on again from then on; 0: it stays off */
    bool default_url_disabled;
    enum ingress_setting ingress;
    struct facts_door door;        /* its `on` lies beside what each decision reads anyway */
    struct slice resource_name;    /* projects/P/locations/L/services/S */
    const struct slice *audiences; /* URLs without a slash at the end, then custom ones */
    size_t audience_count;
    size_t url_audience_count; /* the first ones are URLs */
    const uint64_t *nodes;     /* the service itself, then what stands above it, nearest first */
    size_t node_count;
};

/* Which permission grants are looked for. */
enum facts_permission {
    FACTS_INVOKE,   /* run.routes.invoke */
    FACTS_PASS_DOOR /* iap.webServiceVersions.accessViaIAP */
};

/* A grant of one of them. */
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

/* An issuer whose ID tokens are believed. */
struct facts_issuer {
    bool ours;            /* accounts are looked up by sub; gcloud's audience is accepted */
    bool google_like;     /* its identities are in allAuthenticatedUsers */
    struct slice pool;    /* members are principal://POOL/subject/SUB; "" if none */
    struct slice domains; /* comma-separated: domains that it is authoritative for */
};

/* A browser that has signed in at one host, or an agent that may come to it for a person. */
struct facts_session {
    struct slice host;
    struct slice agent;           /* the agent's client ID; "" for a browser */
    struct slice sub;             /* of an account of our own; "" for a provider's person */
    struct slice issuer, subject; /* of a provider's person */
    struct slice email;           /* of theirs, if it may be used; "" */
    const struct slice *groups;   /* as the provider names them */
    size_t group_count;
    int64_t signed_in_us;
    int64_t expire_us;
    int64_t expire_boot_us; /* the same by the clock since boot, which the look-up compares */
};

/* The claims of a token, once its signature, kind and time have been verified. */
struct facts_claims {
    /* In a self-signed JWT, `sub` is the unique ID of the account that owns the key. */
    struct slice iss, sub, email, hd;
    struct slice user_key; /* the service account key that it was minted through; "" */
    const struct slice *audiences;
    size_t audience_count;
    bool email_verified;
    bool self_signed; /* by a service account's own key, for the door alone */
    struct slice sid; /* of an agent's token, for the door alone: the session that it hangs on; ""
                         for any other */
    struct slice client;   /* the agent's client ID */
    struct slice hangs_on; /* of an ID token of our own that ends with a session: its number; "" */
};

/* The result of looking a token up. */
struct facts_token {
    const struct facts_claims *claims; /* NULL: it cannot be believed */
    void *handle;                      /* passed to the memory of answers */
    int fault;                         /* the look-up's own code for why not */
    bool names_somebody; /* its issuer, or the account that signed it, is one that is known here */
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
    FACTS_SUBJECT, /* the token identifies nobody */
    FACTS_ACCOUNT_UNKNOWN,
    FACTS_ACCOUNT_IS_DISABLED,
    FACTS_ACCOUNT_IS_DELETED,
    FACTS_KEY_REVOKED, /* the service account key that the token was minted through */
    FACTS_AUDIENCE,
    FACTS_URL,            /* a self-signed JWT for another URL */
    FACTS_EMAIL,          /* a token of an OAuth client that does not say the address */
    FACTS_AGENT_ENDED,    /* the person has signed out, or has ended what the agent may */
    FACTS_AGENT_IS_STALE, /* the door asks for a fresh sign-in of its person */
};

/* Whose answer it is. Of one service in one transaction, a caller has but one: at its door where
 * there is one. */
enum facts_whose {
    FACTS_EVERYONE,
    FACTS_EVERYONE_AT_DOOR,
    FACTS_AGENT,
    FACTS_CALLER,
};

/* What is granted to a caller (or to everybody) at a service. */
struct facts_answer {
    enum facts_fault fault;
    enum grant grant;
    bool fits_everywhere;   /* gcloud's audience: the token would open other services too */
    bool ours;              /* an account of our own issuer */
    struct slice principal; /* the caller's own name; "" if the caller is unknown */
    struct slice email;     /* the caller's, lower case; "" if none may be used */
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
    /* *count grants of PERMISSION to MEMBER on NODE, good until the next call. */
    const struct facts_grant *(*grants)(void *ctx, enum facts_permission permission, uint64_t node,
                                        struct slice member, size_t *count);
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
     * AT_DOOR: self-signed JWTs of service accounts, and tokens of agents, count too.
     */
    void (*token)(void *ctx, struct slice text, int64_t now_s, bool at_door,
                  struct facts_token *out);
    /*
     * Finds the session of a cookie's value, if it and the sign-on session that it depends on
     * exist, and it has not expired by the clock since boot. *handle is passed to the memory of
     * answers. May be NULL, where no request brings cookies.
     */
    const struct facts_session *(*session)(void *ctx, struct slice cookie, void **handle);
    /* Looks up the session of an agent, whose tokens name it as SID. */
    const struct facts_session *(*agent)(void *ctx, struct slice sid);
    /*
     * A memory of answers for which no condition was evaluated; both functions may be NULL. HANDLE
     * is the token's or the session's, NULL for all but FACTS_CALLER. A memory must forget
     * everything when any answer of a look-up changes. It has to copy what it remembers: texts may
     * lie in the request's arena.
     */
    const struct facts_answer *(*recall)(void *ctx, const struct facts_route *route,
                                         enum facts_whose whose, void *handle);
    void (*remember)(void *ctx, const struct facts_route *route, enum facts_whose whose,
                     void *handle, const struct facts_answer *answer);
};

/* ---- the question ---- */

/* A request, real or imagined. */
struct facts_request {
    struct slice method;
    bool websocket; /* a CONNECT that asks for a protocol (RFC 8441) */
    struct slice authority;
    struct slice target; /* path and query as they were sent */
    bool plain;          /* came by plain HTTP where that only leads to HTTPS */
    bool strict_paths;   /* paths that Cloud Run keeps to itself are not found */
    enum network network;
    struct slice project; /* the project ID of the instance that sends it, from within its network.
                             Such a caller is inside for the services of that project, whatever
                             `network` says. "": none */
    int64_t now_us;
    struct credential_lines credential;
    /*
     * For an imagined caller, instead of a credential: the claims that their token would have, or,
     * for a set such as a group, the names by which bindings may name them. Both NULL otherwise.
     */
    const struct facts_claims *claims;
    const struct slice *names;
    size_t name_count;
    /* Reads what a door goes by: asked for only where there is one. NULL: there are no such fields,
     * and the scheme is https. */
    void (*door_fields)(const void *ctx, struct door_fields *out);
    const void *door_fields_ctx;
};

/* ---- the answer ---- */

/* The facts of a door that its rungs do not use. */
struct facts_at_door {
    struct door_fields fields;
    const struct facts_session *session; /* alive, of this host, and what counts; NULL: none */
    bool app_authorization; /* the header Authorization belongs to the app, and is not read by the
                               door */
    bool by_proxy_header;   /* the token was in Proxy-Authorization */
    struct slice agent;     /* the client ID, where an agent comes for the caller; "" */
    bool identified;        /* the caller is identified: see `caller`, `sub` and `issuer` */
    struct slice sub;       /* what the token or the session calls the caller */
    struct slice issuer;    /* whose `sub` that is */
    struct facts_answer everyone, caller; /* as far as the ladder asked for them */
};

struct facts {
    struct slice host;               /* lower case, no port; "" if it is none */
    const struct facts_route *route; /* NULL when the host leads nowhere */
    const struct facts_service *service;
    enum credential_source source;        /* of the credential, where the ladder asked for one */
    struct facts_answer everyone, caller; /* as far as the ladder asked for them; behind a door the
                                             caller is its agent */
    const struct facts_at_door *door;     /* NULL where the ladder came to none */
    int token_fault;                      /* of FACTS_TOKEN */
    enum path_fault path_fault;           /* of a path that a condition asked for */
    struct decide_facts ladder;           /* stands last, and its door's facts last in it: they are
                                             not even cleared where there is no door */
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
