/*
 * Worlds by chance, for the test that gate, explanation and ladder agree: what is bound, tagged,
 * disabled and deleted, and requests that ask. All of it follows from a number.
 */
#pragma once

#include "fixture.h"
#include "policy/facts.h"

enum {
    NODES = 4, /* service, project, folder, organization */
    GRANTS_MAX = 10,
    ACCOUNTS = 3,
    GROUPS = 3,
    ISSUERS = 3,
    MEMBERS = 19,
    CONDITIONS = 16,
    TOKENS = 38,
    PATHS = 26,
    DOOR_NODES = 6, /* iap_web of service, region and project, then project, folder, organization */
    SESSIONS = 10,
    BROWSERS = 16,
    PEERS = 7,
    HOSTS = 8,
    OFF_S = 1800, /* how long the check is off, where it is off for a time */
};

/* ---- tables that both the world and the oracle read ---- */

enum issuer { ISSUER_OURS, ISSUER_GOOGLE, ISSUER_POOL, ISSUER_NOBODY };
enum audience_kind {
    AUDIENCE_URL,
    AUDIENCE_PATH,
    AUDIENCE_PORT_AND_PATH,
    AUDIENCE_QUERY,
    AUDIENCE_CUSTOM,
    AUDIENCE_CUSTOM_AND_PATH,
    AUDIENCE_GCLOUD,
    AUDIENCE_TAG,
    AUDIENCE_OTHER,     /* at the door an OAuth client, where the world lists it */
    AUDIENCE_ALL_PATHS, /* of self-signed JWTs: the host and an asterisk, or one path of it */
    AUDIENCE_ONE_PATH,
};

struct token_row {
    enum issuer issuer;
    int account; /* of ISSUER_OURS: index, or -1 for a sub that nobody has */
    const char *email;
    const char *hd;
    enum audience_kind audience;
    bool unverified, with_user_key, access, by_foreign_key, over, not_a_token;
    bool self_signed; /* by the robot's key "uk" */
};
extern const struct token_row token_rows[TOKENS];

struct path_row {
    const char *sent;
    const char *normal; /* NULL: it can be read in two ways */
    enum door_errand errand;
};
extern const struct path_row path_rows[PATHS];

struct peer_row {
    const char *address, *forwarded; /* X-Forwarded-For; NULL: none */
    enum network network;
};
extern const struct peer_row peer_rows[PEERS];

struct host_row {
    const char *sent;
    const char *host; /* normal form of one that may lead to the service; NULL: it never does */
    bool default_url;
};
extern const struct host_row host_rows[HOSTS];

/* What a browser, or a program, tells of itself; NULL: no such field. Origin "own": the host's. */
struct browser_row {
    const char *site, *mode, *dest, *origin, *requested_with, *accept;
    bool not_a_person;          /* a GET with these fields is no person's */
    bool cross_get, cross_post; /* whether a cookie does not count with a GET, or with another */
};
extern const struct browser_row browser_rows[BROWSERS];

/* A session that may be there, and of somebody who may still be (docs/access.md, S9). */
struct session_row {
    const char *cookie, *host;
    int account; /* -1: of a provider */
    enum issuer issuer;
    const char *email;
    bool grouped;            /* in the provider's group "eng" */
    bool orphan;             /* its sign-on session is gone */
    int64_t until_s, from_s; /* from NOW_S */
    bool by_boot;            /* over by the clock of the machine's start */
};
extern const struct session_row session_rows[SESSIONS];

extern const char *const member_names[MEMBERS];
extern const char *const account_members[ACCOUNTS];
extern const char *const account_subs[ACCOUNTS];
extern const char *const condition_texts[CONDITIONS]; /* the first is "": none */
extern const uint64_t node_ids[NODES];
extern const uint64_t door_node_ids[DOOR_NODES];

/* ---- one world ---- */

struct grant_row {
    int node, member, condition;
};

struct chance_world {
    bool off_for_a_time; /* `off` ends at NOW_S + OFF_S */
    bool served, off, default_url_disabled, custom_audience, domain_mapped;
    enum ingress_setting ingress;
    struct grant_row grants[GRANTS_MAX];
    int grant_count;
    int account_states[ACCOUNTS]; /* of struct index_account; -1: absent */
    bool user_key;
    bool issuers[ISSUERS], keys[ISSUERS];
    bool google_has_corp;           /* authority over corp.example */
    bool in_group[MEMBERS][GROUPS]; /* flattened */
    const char *tags[NODES];        /* value of 1/env; NULL: none */
    /* the door */
    bool door, options, client, barred; /* barred: corp.example alone is listed */
    uint32_t max_age_s;
    struct grant_row door_grants[GRANTS_MAX];
    int door_grant_count;
    bool sessions[SESSIONS];
};

struct chance_request {
    int host, path, peer;
    const char *method;
    bool websocket;
    int64_t now_s;
    int authorization, serverless; /* token; -1: none; -2: empty; -3: another scheme */
    bool authorization_twice, serverless_twice;
    int proxy;            /* token, as above */
    int browser, session; /* session: -1 none, -2 a cookie of nobody's */
    bool preflight, two_cookies;
};

uint64_t chance_next(uint64_t *state);
void chance_world_make(uint64_t *state, struct chance_world *out);
void chance_request_make(uint64_t *state, struct chance_request *out);

/* Publishes WORLD in place of what was there. */
void chance_publish(struct world *stand, const struct chance_world *world);
/* The tokens of token_rows, signed. */
void chance_tokens(struct world *stand, struct slice out[TOKENS]);

/* ---- the oracle: an answer made from the tables alone ---- */

struct expected {
    struct verdict verdict;
    int grant;       /* of the world, that decided; -1: none did */
    bool of_door;    /* it is one of the door's */
    bool identified; /* where the door lets pass: whether the container is told who comes */
};
struct expected oracle_answer(const struct chance_world *world,
                              const struct chance_request *request);
