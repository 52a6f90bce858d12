/*
 * The record: every resource as a JSON document under (kind, key), with a number that never changes
 * and a version that does, plus the audit log and the change number. One writer: control.
 *
 * It is kept in one of two places, and means the same in both. In a file (SQLite): that is all. On
 * PostgreSQL: the server has the record, and this machine a copy of it in a file, which all reads
 * are answered from; a change is committed there first, and then in the copy.
 */
#pragma once

#include "codec/codec.h"

struct store; /* opaque */

/* The result may not be ignored: it says whether the record could be read. */
#define STORE_ASK __attribute__((warn_unused_result))

/* Kinds. Keys are the resource names of Google's APIs, so that a prefix is a subtree. */
#define STORE_NODE     "node"     /* organizations/N, folders/N, projects/ID */
#define STORE_SERVICE  "service"  /* projects/P/locations/L/services/S */
#define STORE_REVISION "revision" /* projects/P/locations/L/services/S/revisions/R */
#define STORE_POLICY   "policy"   /* key of the resource it is attached to */
#define STORE_ACCOUNT  "account"  /* projects/P/serviceAccounts/E */
/*
 * projects/P/serviceAccounts/E?uid=N: an account that was deleted, kept for undelete. It is of a
 * kind of its own, so that no name which a client writes can reach one among the living.
 */
#define STORE_DELETED_ACCOUNT "deleted-account"
#define STORE_USER            "user" /* users/E: people that this installation issues tokens for */
#define STORE_SUBJECT         "subject"       /* sub → {"key": account key} */
#define STORE_KEY             "key"           /* projects/P/serviceAccounts/E/keys/K */
#define STORE_GROUP           "group"         /* groups/E */
#define STORE_OPERATION       "operation"     /* projects/P/locations/L/operations/O */
#define STORE_ISSUER          "issuer"        /* issuers/NAME */
#define STORE_POOL            "identity-pool" /* projects/P/locations/global/workloadIdentityPools/W */
#define STORE_PROVIDER        "identity-provider" /* POOL/providers/X */
#define STORE_VOLUME          "volume"            /* projects/P/volumes/NAME: a mapped folder */
#define STORE_IMAGE           "image"             /* image reference */
#define STORE_SETTING         "setting"           /* names of ours */
#define STORE_ORGPOLICY       "orgpolicy"         /* NODE/policies/C */
#define STORE_ROLE            "role"              /* projects/P/roles/R, organizations/N/roles/R */
#define STORE_TAG             "tag"
#define STORE_SECRET          "secret"         /* projects/P/secrets/S */
#define STORE_SECRET_VERSION  "secret-version" /* SECRET/versions/N */
#define STORE_SECRET_VALUE    "secret-value"   /* the same key: what the signer encrypted */
#define STORE_DOOR            "door"           /* settings of Identity-Aware Proxy: record/door.h */
#define STORE_LINK            "link"    /* links/SHA256: one-time sign-in links of the console */
#define STORE_SESSION         "session" /* sessions/SHA256: who is signed in */
#define STORE_PASSKEY         "passkey" /* passkeys/SUB/SHA256: of people of this installation */
#define STORE_AGENT_CLIENT    "agent-client" /* clients/ID: programs that have registered */
#define STORE_AGENT_CODE      "agent-code"   /* codes/SHA256: control/identity/agent_flows.h */
#define STORE_ONCE            "once" /* once/END/SHA256: what was used up: control/identity/once.h */

struct store_doc {
    uint64_t id; /* stays through all versions; never used again */
    char key[768];
    int64_t version; /* rises with each put and never comes again, not even after a deletion: the
                        base of etags */
    json_t *body;    /* owned by the caller of get */
};

/* Lets go of DOC's body. */
static inline void store_doc_done(struct store_doc *doc)
{
    json_decref(doc->body);
    doc->body = NULL;
}
/* Lets go of its body at the end of its scope; starts as {0}. */
#define auto_doc __attribute__((cleanup(store_doc_done))) struct store_doc

enum store_result { STORE_FOUND, STORE_ABSENT, STORE_FAILED };

/*
 * A record that exists and cannot be read is not absent. Where the caller does not ask which of the
 * two it was (ERR is NULL), the store remembers: until the next store_turn(), nothing is committed,
 * and store_unread() gives the error, to be sent in place of an answer that was made without the
 * record.
 */
bool store_unread(const struct store *store, struct error *err);
/* A piece of work begins: a call, a message, a turn of the loop. */
void store_turn(struct store *store);

/*
 * Until store_release(), what is read is read under one lock, in place of a lock for each question;
 * a change begins and ends as ever, and so does what is followed. Not across a wait where the file
 * is the record: a lock that is held keeps SQLite's log of writes from being written back. A copy
 * has one writer, this store, which gives the lock up before it writes; who reads while the server
 * is asked to commit has a lock for each question.
 */
void store_hold(struct store *store);
void store_release(struct store *store);

/* PATH is a file. Migrates an older schema; DATA_LOSS with one clear sentence if the file is
 * damaged or newer than we. */
struct store *store_open(const char *path, struct error *err);
void store_close(struct store *store);

/*
 * How the store waits for its server: the process that uses it says so. By default the thread
 * stands still.
 */
struct store_host {
    /* As file_wait() of base/file.h. FD may be -1: then only time passes. */
    bool (*wait)(void *ctx, int fd, short events, int64_t deadline_us);
    /* Runs FN on another thread, and returns when it has ended. */
    void (*away)(void *ctx, void (*fn)(void *arg), void *arg);
    void *ctx;
};

struct store_shared {
    const char *url;          /* postgresql://…, without a password */
    const char *copy;         /* path of the copy: made anew if it is not there */
    const char *installation; /* path of a file with the installation's id: made at the first start.
                                 A database belongs to one installation. */
    bool joins;       /* a first start takes the id of the database's installation, once the keys
                         have shown that we are of it: store_settle() */
    const char *node; /* who we are, for those who look at the database */
    bool cluster;     /* others may: store/nodes.h. Refused while somebody works alone. */
    bool alone;       /* nobody else may work by this record while we do: refused while
                         another does, and each change is, once another has taken over */
};

/*
 * The record on PostgreSQL; the copy is up to date when this returns. INVALID_ARGUMENT: the URL;
 * UNAVAILABLE: the server is not reached; FAILED_PRECONDITION: it cannot be used, by a newer
 * schema, lacking rights, or because it belongs to another installation; DATA_LOSS: it has lost
 * what the copy has.
 */
struct store *store_open_shared(const struct store_shared *shared, struct error *err);
/* This data folder is of the database's installation from now on: who JOINS it has its keys. Other
 * nodes, which wait for the first start of the first one, may go on. */
bool store_settle(struct store *store, struct error *err);
/* HOST is copied. While one fiber (base/fiber.h) waits in store_commit(), others, and code outside
 * of any, may read: what was committed before. */
void store_set_host(struct store *store, const struct store_host *host);
bool store_is_shared(const struct store *store);
/* Connects anew: for a process that has given up rights since it opened the store, and wants to
 * know now whether it can still reach the server. True for a file. */
STORE_ASK bool store_rejoin(struct store *store, struct error *err);

/*
 * Brings a copy up to what the server has. Not inside a transaction. When something has changed, a
 * transaction is open afterwards that holds it, TOUCHED has been called for each document that
 * came, changed or went (once with kind "" instead, if it may be any of them), and store_commit()
 * puts it into the copy alone. TOUCHED may have been called on failure too.
 */
enum store_follow { STORE_FOLLOW_NOTHING, STORE_FOLLOW_CHANGED, STORE_FOLLOW_FAILED };
enum store_follow store_follow(struct store *store,
                               void (*touched)(void *ctx, const char *kind, const char *key),
                               void *ctx, struct error *err);
/* The same where nobody has to hear what has changed; nothing is open afterwards. */
bool store_catch_up(struct store *store, struct error *err);
/* Of one that is alone: to be called every second or two. *LOST: another has taken over, and
 * nothing that is changed here will be taken any more. False: the server could not be asked. */
STORE_ASK bool store_renew(struct store *store, bool *lost, struct error *err);

/* ---- of a cluster (store/nodes.h) ---- */

enum { STORE_NODES_MAX = 64 };

/* A node that served when a change was committed. */
struct store_member {
    char name[64];
    int64_t epoch;
};

/* A place in the chain of changes, whose numbers are without gaps and the same on all nodes. An ID
 * is never given twice, so that of two histories one number has two of them. */
struct store_point {
    uint64_t number; /* 0: nothing has been changed yet */
    char id[40];     /* "" for 0 */
};

/* The last change in the copy. */
STORE_ASK bool store_shared_point(struct store *store, struct store_point *out, struct error *err);
/* From now on a change is refused once this node, with EPOCH, was passed over. */
void store_join(struct store *store, int64_t epoch);
/* Tells the other nodes that this one decides by change NUMBER. */
STORE_ASK bool store_tell_applied(struct store *store, uint64_t number, struct error *err);
/* Of an operator. NOT_FOUND. */
STORE_ASK bool store_drain_node(struct store *store, const char *name, bool draining,
                                struct error *err);
/* Forgets the row of a node that was passed over: FAILED_PRECONDITION if it serves. */
STORE_ASK bool store_remove_node(struct store *store, const char *name, struct error *err);
/* The others that served when the last change was committed; lent until the next one. *KNOWN false:
 * it is not known who did. */
size_t store_members(const struct store *store, const struct store_member **out, bool *known);

/* Whether the copy is known to be behind: a change was lost on its way, or was too late. */
bool store_must_follow(const struct store *store);
/* Whether the last change was refused because another node was faster: nothing was changed, and
 * after store_follow() the same work can be done anew. */
bool store_was_outrun(const struct store *store);
/* Whoever goes on now has made a change before that one: it was not outrun. */
void store_not_outrun(struct store *store);

/* A write transaction. UNAVAILABLE if someone else holds the database for more than 5 s;
 * RESOURCE_EXHAUSTED if the disk is full. */
STORE_ASK bool store_begin(struct store *store, struct error *err);
/*
 * On failure everything is rolled back. Shared: UNAVAILABLE and others, nothing was changed;
 * ABORTED, another node was faster, or whether it was committed is not known (*err says which).
 */
STORE_ASK bool store_commit(struct store *store, struct error *err);
void store_rollback(struct store *store);

/* OUT may be NULL: then it is only asked whether KEY is there. Without STORE_FOUND, OUT has no
 * body. */
STORE_ASK enum store_result store_get(struct store *store, const char *kind, const char *key,
                                      struct store_doc *out, struct error *err);
/* Like store_get(), of what has to be there: else NOT_FOUND, with the sentence that follows. */
STORE_ASK bool store_load(struct store *store, const char *kind, const char *key,
                          struct store_doc *out, struct error *err, const char *absent, ...)
    __attribute__((format(printf, 6, 7)));
/* Makes or replaces; *out_id and *out_version may be NULL. BODY is not taken. Inside a transaction
 * only. */
STORE_ASK bool store_put(struct store *store, const char *kind, const char *key, const json_t *body,
                         uint64_t *out_id, int64_t *out_version, struct error *err);
STORE_ASK bool store_delete(struct store *store, const char *kind, const char *key,
                            struct error *err);

/* What was deleted is in none of the record's files any more. Outside of transactions. Shared: this
 * is so of the copy; the server's own files have it until it has vacuumed and reused them. */
STORE_ASK bool store_scrub(struct store *store, struct error *err);

/*
 * In the order of keys (by bytes, as strcmp() has it), those that start with PREFIX. FN answers
 * false to stop, and may ask the store for more. doc->body is lent.
 */
STORE_ASK bool store_each(struct store *store, const char *kind, const char *prefix,
                          bool (*fn)(const struct store_doc *doc, void *ctx), void *ctx,
                          struct error *err);
/* Like store_each(), for callers that go on without records that cannot be read: see
 * store_unread(). */
void store_look(struct store *store, const char *kind, const char *prefix,
                bool (*fn)(const struct store_doc *doc, void *ctx), void *ctx);
/*
 * Like store_each(), of the keys that come after AFTER, whether or not AFTER itself is (still)
 * there; "" for all. The store seeks: what stands before is not read.
 */
STORE_ASK bool store_next(struct store *store, const char *kind, const char *prefix,
                          const char *after, bool (*fn)(const struct store_doc *doc, void *ctx),
                          void *ctx, struct error *err);

/* Rises with every transaction that commits a change. */
uint64_t store_change_number(struct store *store);

/* Appends to the audit log, in the same transaction. */
STORE_ASK bool store_audit(struct store *store, const json_t *row, struct error *err);
/* Newest first, rows whose "resource" starts with PREFIX, at most LIMIT. */
STORE_ASK bool store_audit_each(struct store *store, const char *prefix, unsigned limit,
                                bool (*fn)(int64_t number, const json_t *row, void *ctx), void *ctx,
                                struct error *err);
/* Like store_audit_each(), as store_look() is like store_each(). */
void store_audit_look(struct store *store, const char *prefix, unsigned limit,
                      bool (*fn)(int64_t number, const json_t *row, void *ctx), void *ctx);

/* ---- moving ---- */

struct store_moved {
    int64_t documents, audit;
    char digest[65]; /* SHA-256 of all that arrived, in hexadecimal */
};

/*
 * Moves the record in FILE to a server that has none, or from a server to FILE, which is not there
 * yet. Nobody uses either meanwhile. What arrived is read back, and its digest compared with that
 * of what was sent (DATA_LOSS). On failure the record is where it was; on success FILE is kept as
 * FILE.moved, and the server keeps what it has.
 */
STORE_ASK bool store_move_to_server(const char *file, const struct store_shared *to,
                                    struct store_moved *out, struct error *err);
STORE_ASK bool store_move_to_file(const struct store_shared *from, const char *file,
                                  struct store_moved *out, struct error *err);
