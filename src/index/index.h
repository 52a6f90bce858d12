/*
 * The index: what the other processes read of the record, compiled. Two LMDB environments under
 * DIR, "front" (for the gate; never a secret) and "run" (for the engine). Written by control alone,
 * never synced, rebuilt at will.
 *
 * A reader sees one committed transaction at a time, and renews for every request: what control has
 * committed before it answered a call is therefore seen by every request that arrives after that
 * answer (docs/access.md, P1, and P3, since no reader needs the writer). What a lookup returns
 * points into the map and is good until the next renew.
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"

enum { INDEX_LAYOUT = 9 }; /* a reader refuses any other */

enum index_ingress {
    INDEX_INGRESS_ALL,
    INDEX_INGRESS_INTERNAL_AND_LB,
    INDEX_INGRESS_INTERNAL,
    INDEX_INGRESS_NONE,
};

/* One revision to which a service may send requests. */
struct index_target {
    uint64_t revision_id;
    uint32_t percent;     /* of requests without a tag; the sum is 100, or 0 when nothing serves */
    uint32_t concurrency; /* requests at once in one instance */
    uint32_t timeout_s;   /* of a request, its start-up wait included */
    uint32_t max_instances;
    bool http2; /* h2c to the container */
    bool affinity;
    struct slice revision; /* its name */
    struct slice tag;      /* "" if none: then only percent counts */
};

enum { INDEX_TARGETS_MAX = 64, INDEX_AUDIENCES_MAX = 64, INDEX_NODES_MAX = 16 };

enum { INDEX_DOOR_NODES_MAX = INDEX_NODES_MAX + 2, INDEX_DOOR_LIST_MAX = 64 };

/*
 * The door of a service: Identity-Aware Proxy, which asks for iap.webServiceVersions.accessViaIAP
 * before the invoker check. Its settings are the effective ones: a setting that a level leaves out
 * comes from the next level above. With `on` false nothing else is set or stored.
 */
struct index_door {
    bool on;
    bool allow_http_options; /* CORS preflights pass without an identity */
    uint32_t max_age_s;      /* sign in anew after this; 0: never */
    struct slice audience;   /* "/projects/N/locations/L/services/S", N the project's number */
    struct slice agent;      /* "serviceAccount:service-N@gcp-sa-iap.iam.gserviceaccount.com": calls
                                the service for those who come in by the door */
    /* Nodes whose grants of the door apply: iap_web of the service (by the service's own id), of
     * the region, of the project, then project, folders, organization: nearest first. Those of
     * iap_web that have no policy are left out. */
    uint64_t nodes[INDEX_DOOR_NODES_MAX];
    size_t node_count;
    struct slice clients[INDEX_DOOR_LIST_MAX]; /* audiences of programs besides the URLs */
    size_t client_count;
    bool domains_limited; /* only people of `domains` come in; if that list is empty, nobody */
    struct slice domains[INDEX_DOOR_LIST_MAX]; /* lower case */
    size_t domain_count;
    struct slice denied_page; /* URL to send to who is refused; "" for our own page */
};

/* Everything that gate and dispatch need of a service, in one record. */
struct index_service {
    uint64_t id;
    bool invoker_check_off;
    int64_t check_off_until_us; /* the check is on again from then on; 0: it stays off */
    bool default_url_disabled;
    enum index_ingress ingress;
    struct slice project, project_number, region, name;
    struct slice resource_name;                  /* projects/P/locations/L/services/S */
    struct slice audiences[INDEX_AUDIENCES_MAX]; /* URLs (without trailing slash; with and without
                                                    port) and custom ones */
    size_t audience_count;
    size_t
        url_audience_count; /* the first ones are URLs: one trailing slash more is accepted there */
    /* Nodes whose policies apply: the service itself, its project, folders upwards, organization.
     */
    uint64_t nodes[INDEX_NODES_MAX];
    size_t node_count;
    struct index_target targets[INDEX_TARGETS_MAX];
    size_t target_count;
    int64_t created_us;
    struct index_door door;
};

/* Where a host leads. */
struct index_route {
    uint64_t service_id;
    struct slice tag; /* "" for the service's own URL */
    bool default_url; /* a host made by us, not a domain of the operator's */
};

/* One binding's grant to one member on one node: of run.routes.invoke, or, in a table of its own,
 * of iap.webServiceVersions.accessViaIAP. */
struct index_grant {
    struct slice role;
    struct slice program; /* compiled condition (policy/cel.h); empty: unconditional */
    struct slice title;   /* of the condition */
};

/* A tag that is bound to a node itself. What a service inherits is found on the nodes above it. */
struct index_tag {
    struct slice key, value;           /* "tagKeys/1", "tagValues/2" */
    struct slice key_name, value_name; /* "ORG/environment", "prod" */
};

enum index_account_state { INDEX_ACCOUNT_ACTIVE, INDEX_ACCOUNT_DISABLED, INDEX_ACCOUNT_DELETED };

/* An account of our own issuer, by its `sub`. */
struct index_account {
    enum index_account_state state;
    struct slice member; /* "serviceAccount:e@…" or "user:e@…", lower case */
    struct slice domain; /* basis of domain:…, "" if none */
};

/* An issuer whose ID tokens the gate believes. */
struct index_issuer {
    uint32_t id;          /* names its keys */
    bool ours;            /* accounts are looked up by sub; gcloud's audience is accepted */
    bool google_like;     /* its identities are in allAuthenticatedUsers */
    struct slice pool;    /* "iam.googleapis.com/locations/global/workforcePools/P": members are
                             principal://POOL/subject/SUB */
    struct slice domains; /* comma-separated: domains that it is authoritative for (hd, email) */
    bool agents; /* our authorization server: it signs access tokens of agents, and nothing else */
};

/* A public key of an issuer. */
struct index_key {
    struct slice alg;  /* "RS256", "ES256", "EdDSA" */
    struct slice spki; /* DER SubjectPublicKeyInfo */
};

/* An enabled key of a service account, RS256. */
struct index_user_key {
    struct slice sub;        /* of the account */
    struct slice spki;       /* DER SubjectPublicKeyInfo; "" if only its being there is known */
    int64_t from_s, until_s; /* when it began, and ceased, to be valid for what it signs itself:
                                JWTs outside of that time are refused */
};

enum { INDEX_SESSION_KEY = 32, INDEX_SESSION_GROUPS_MAX = 200 };

/*
 * A signed-in browser, or an agent to which a person has given consent. The key of a browser's
 * session is the SHA-256 of the cookie's value; an agent's tokens contain the key (sid), whose
 * preimage nobody knows. The sign-on session is the one of the auth host; a session of any other
 * host depends on it, and ends with it.
 */
struct index_session {
    struct slice host;    /* the one host where it counts; "" for the auth host */
    struct slice agent;   /* the agent's client ID; "" for a browser */
    struct slice sub;     /* of a local account; "" for a person of an identity provider */
    struct slice issuer;  /* the provider's; "" for a local account */
    struct slice subject; /* the provider's sub */
    struct slice email;   /* lower case; "" if it may not be used as user:E */
    struct slice groups[INDEX_SESSION_GROUPS_MAX]; /* as the provider names them */
    size_t group_count;
    int64_t signed_in_us;   /* wall clock of the sign-in itself, not of its handover to this host */
    int64_t expire_us;      /* wall clock; never later than the parent's */
    int64_t expire_boot_us; /* the same moment by clock_boot_us(): the session is over when either
                               has come, so that setting the wall clock back prolongs nothing */
    uint8_t parent[INDEX_SESSION_KEY]; /* key of the sign-on session; zeroes for that one itself */
};

/* ---- reader: front ---- */

struct index_reader; /* opaque */

/* Opens DIR/front for this process alone: LMDB forbids use across fork(). NULL and *err on failure.
 */
struct index_reader *index_reader_new(const char *dir, struct error *err);
void index_reader_free(struct index_reader *reader);

/* Starts to look at the newest committed transaction. Its number is the answer; equal numbers mean
 * equal content. */
uint64_t index_reader_renew(struct index_reader *reader);
/* Ends the transaction, so that an idle reader holds no old pages. renew() starts again. */
void index_reader_release(struct index_reader *reader);

/* HOST: lower case, no port. False when nothing leads anywhere; *out is written only on true. */
bool index_reader_route(const struct index_reader *reader, struct slice host,
                        struct index_route *out);
bool index_reader_service(const struct index_reader *reader, uint64_t id,
                          struct index_service *out);

/* The grants to MEMBER ("allUsers", "user:e@x", "group:…", "domain:…") on NODE; *count up to MAX.
 */
size_t index_reader_grants(const struct index_reader *reader, uint64_t node, struct slice member,
                           struct index_grant *out, size_t max);
/* Like the function above, for the door: members that may come in by it on NODE, one of
 * index_door's. */
size_t index_reader_door_grants(const struct index_reader *reader, uint64_t node,
                                struct slice member, struct index_grant *out, size_t max);

enum index_found { INDEX_ABSENT, INDEX_FOUND, INDEX_UNREADABLE };

/*
 * The value that NODE itself has of the tag KEY ("ORG/environment", or BY_ID "tagKeys/1"): "prod",
 * or BY_ID "tagValues/2". Absent if it has none of that key.
 */
enum index_found index_reader_tag(const struct index_reader *reader, uint64_t node, bool by_id,
                                  struct slice key, struct slice *value);

bool index_reader_account(const struct index_reader *reader, struct slice sub,
                          struct index_account *out);
/* The groups that MEMBER is in, nested ones flattened: "group:…" texts; *count up to MAX. */
size_t index_reader_groups(const struct index_reader *reader, struct slice member,
                           struct slice *out, size_t max);
bool index_reader_issuer(const struct index_reader *reader, struct slice iss,
                         struct index_issuer *out);
bool index_reader_key(const struct index_reader *reader, uint32_t issuer, struct slice kid,
                      struct index_key *out);
/* True if the service account key KID exists and is enabled: tokens that name another are refused.
 */
bool index_reader_user_key(const struct index_reader *reader, struct slice kid);
/* That key itself. */
bool index_reader_find_user_key(const struct index_reader *reader, struct slice kid,
                                struct index_user_key *out);
/*
 * The session under KEY. False if there is none, and also if the sign-on session that it hangs on
 * is gone. Whether it has expired, and whether its person still exists, is the caller's to judge.
 */
bool index_reader_session(const struct index_reader *reader, const uint8_t key[INDEX_SESSION_KEY],
                          struct index_session *out);

/* ---- reader: run ---- */

struct index_run; /* opaque */
struct index_run *index_run_new(const char *dir, struct error *err);
void index_run_free(struct index_run *run);
uint64_t index_run_renew(struct index_run *run);
/* The JSON record of a revision: see docs/architecture.md, "run record". */
bool index_run_revision(const struct index_run *run, uint64_t revision_id, struct slice *json);
/* Walks all of them, *AT starting at 0 (ids rise). */
bool index_run_next(const struct index_run *run, uint64_t *at, struct slice *json);

/* ---- writer: control alone ---- */

struct index_writer; /* opaque */
struct index_txn;    /* opaque: one write over both environments */

struct index_writer *index_writer_new(const char *dir, struct error *err);
/* Like the function above, with a map of MAP_BYTES at first, for tests: it grows by itself. */
struct index_writer *index_writer_new_sized(const char *dir, size_t map_bytes, struct error *err);
void index_writer_free(struct index_writer *writer);
/*
 * A reader of the front index in the writer's own process, which must not open the environment
 * twice. Free it before the writer. It sees what is committed. Renew before use and release after,
 * so that it holds no old pages.
 */
struct index_reader *index_writer_reader(struct index_writer *writer, struct error *err);
/* Frees the slots of readers that died: after a worker's restart. */
void index_writer_check_readers(struct index_writer *writer);
/* The change of the record that the index shows; 0 if it is empty, or of another layout: rebuild
 * then. */
uint64_t index_writer_change_number(struct index_writer *writer);

/* True if the last change did not fit into the map (RESOURCE_EXHAUSTED), and the next will have
 * more room: worth another try. */
bool index_writer_grows(const struct index_writer *writer);

/* Grows the map where it has become narrow; no transaction of this process may be open. */
struct index_txn *index_txn_begin(struct index_writer *writer, struct error *err);
/* Committed in both, run first, so that a route never leads to a revision that the engine cannot
 * find. Takes it: *txn is NULL after. */
bool index_txn_commit(struct index_txn **txn, struct error *err);
void index_txn_abort(struct index_txn **txn);

bool index_txn_clear(struct index_txn *txn, struct error *err); /* everything: before a rebuild */
/* False where HOST is the route of another service: that route has to be deleted first. */
bool index_txn_put_route(struct index_txn *txn, struct slice host, const struct index_route *route,
                         struct error *err);
bool index_txn_delete_route(struct index_txn *txn, struct slice host, struct error *err);
bool index_txn_put_service(struct index_txn *txn, const struct index_service *service,
                           struct error *err);
bool index_txn_delete_service(struct index_txn *txn, uint64_t id, struct error *err);

struct index_grant_row {
    struct slice member;
    struct index_grant grant;
};
/* Replaces all grants on NODE. */
bool index_txn_put_grants(struct index_txn *txn, uint64_t node, const struct index_grant_row *rows,
                          size_t count, struct error *err);
/* Like the function above, for the door. */
bool index_txn_put_door_grants(struct index_txn *txn, uint64_t node,
                               const struct index_grant_row *rows, size_t count, struct error *err);

/* Replaces all tags that are bound to NODE. A node without any takes no room. */
bool index_txn_put_tags(struct index_txn *txn, uint64_t node, const struct index_tag *tags,
                        size_t count, struct error *err);

bool index_txn_put_account(struct index_txn *txn, struct slice sub,
                           const struct index_account *account, struct error *err);
/* KEY NULL: the key is disabled, or deleted. */
bool index_txn_put_user_key(struct index_txn *txn, struct slice kid,
                            const struct index_user_key *key, struct error *err);
/* Replaces the groups of MEMBER. */
bool index_txn_put_groups(struct index_txn *txn, struct slice member, const struct slice *groups,
                          size_t count, struct error *err);
bool index_txn_delete_all_groups(struct index_txn *txn, struct error *err);
bool index_txn_put_issuer(struct index_txn *txn, struct slice iss,
                          const struct index_issuer *issuer, struct error *err);
bool index_txn_delete_issuer(struct index_txn *txn, struct slice iss, struct error *err);
bool index_txn_put_key(struct index_txn *txn, uint32_t issuer, struct slice kid,
                       const struct index_key *key, struct error *err);
/* All keys of an issuer: before its new set is put. */
bool index_txn_delete_keys(struct index_txn *txn, uint32_t issuer, struct error *err);
bool index_txn_put_session(struct index_txn *txn, const uint8_t key[INDEX_SESSION_KEY],
                           const struct index_session *session, struct error *err);
bool index_txn_delete_session(struct index_txn *txn, const uint8_t key[INDEX_SESSION_KEY],
                              struct error *err);
bool index_txn_put_revision(struct index_txn *txn, uint64_t revision_id, struct slice json,
                            struct error *err);
bool index_txn_delete_revision(struct index_txn *txn, uint64_t revision_id, struct error *err);
/*
 * A note of control about a resource, to take back later what it has published: under KEY, in the
 * front environment; no other process reads it. An empty note deletes; find is false if there is
 * none.
 */
bool index_txn_put_note(struct index_txn *txn, struct slice key, struct slice note,
                        struct error *err);
bool index_txn_find_note(struct index_txn *txn, struct slice key, struct slice *note);
bool index_txn_set_change_number(struct index_txn *txn, uint64_t number, struct error *err);
