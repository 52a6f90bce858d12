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
    MEMBERS = 17,
    CONDITIONS = 16,
    TOKENS = 34,
    PATHS = 18,
    PEERS = 7,
    HOSTS = 8,
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
    AUDIENCE_OTHER,
};

struct token_row {
    enum issuer issuer;
    int account; /* of ISSUER_OURS: index, or -1 for a sub that nobody has */
    const char *email;
    const char *hd;
    enum audience_kind audience;
    bool unverified, with_user_key, access, by_foreign_key, over, not_a_token;
};
extern const struct token_row token_rows[TOKENS];

struct path_row {
    const char *sent;
    const char *normal; /* NULL: it can be read in two ways */
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

extern const char *const member_names[MEMBERS];
extern const char *const account_members[ACCOUNTS];
extern const char *const account_subs[ACCOUNTS];
extern const char *const condition_texts[CONDITIONS]; /* the first is "": none */
extern const uint64_t node_ids[NODES];

/* ---- one world ---- */

struct grant_row {
    int node, member, condition;
};

struct chance_world {
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
};

struct chance_request {
    int host, path, peer;
    const char *method;
    bool websocket;
    int64_t now_s;
    int authorization, serverless; /* token; -1: none; -2: empty; -3: another scheme */
    bool authorization_twice, serverless_twice;
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
    int grant; /* of the world, that decided; -1: none did */
};
struct expected oracle_answer(const struct chance_world *world,
                              const struct chance_request *request);
