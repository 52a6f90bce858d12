/*
 * The record on PostgreSQL, as the copy on this machine (sqlite.c) sees it: a chain of changes,
 * each with a number and an id; and the documents and audit rows that they have led to.
 *
 * Changes are numbered in the order in which they are committed, without gaps: each names the one
 * before it, and the table takes one successor of each only. So a node whose copy is behind cannot
 * commit, and a transaction that a lost client left behind cannot come in late.
 *
 * Nothing here blocks but by the host's wait (store.h).
 */
#pragma once

#include "codec/codec.h"
#include "store/store.h"

struct postgres; /* opaque: one session with the server, made anew when it breaks */

/* Where a chain of changes has come to. */
struct postgres_point {
    uint64_t number;                             /* 0: nothing yet */
    char id[40];                                 /* "" for 0 */
    int64_t versions, last_document, last_audit; /* counters of the copy (sqlite.c) behind it */
};

/*
 * Connects; makes the tables or brings older ones up to date. URL is postgresql://…, without a
 * password (INVALID_ARGUMENT). UNAVAILABLE: the server cannot be reached; FAILED_PRECONDITION: it
 * is there and cannot be used. HOST is copied. NODE is noted with each change.
 */
struct postgres *postgres_open(const char *url, const char *node, const struct store_host *host,
                               struct error *err);
void postgres_close(struct postgres *postgres);
bool postgres_rejoin(struct postgres *postgres, struct error *err); /* as store_rejoin() */
void postgres_set_host(struct postgres *postgres, const struct store_host *host);
/* "PostgreSQL at HOST/DATABASE", for messages. */
const char *postgres_name(const struct postgres *postgres);

/* Which installation the database belongs to; "": none yet. */
enum { STORE_INSTALLATION = 40 };
bool postgres_installation(struct postgres *postgres, char out[STORE_INSTALLATION],
                           struct error *err);
/* The same, but if it was none's it is of OURS now. */
bool postgres_claim(struct postgres *postgres, const char *ours, char out[STORE_INSTALLATION],
                    struct error *err);

/*
 * Nodes of a new cluster start at once: the first one puts its keys and the first documents into
 * the record, alone, from postgres_begin_founding() to postgres_end_founding(); the others wait in
 * the former. Ends with the session, too. UNAVAILABLE when somebody takes longer than 30 s.
 */
bool postgres_begin_founding(struct postgres *postgres, struct error *err);
void postgres_end_founding(struct postgres *postgres);

/*
 * The lease: one node at a time works by a record. Takes it when no other node has it, or the
 * holder's time has run out; from then on each change is refused once another node has taken it.
 * FAILED_PRECONDITION, naming the holder, if it is not free within postgres.c's LEASE_WAIT_US.
 */
bool postgres_take_lease(struct postgres *postgres, struct error *err);
/* For some seconds more. *LOST: another node has it now. */
bool postgres_renew_lease(struct postgres *postgres, bool *lost, struct error *err);

/*
 * Of a cluster (nodes.h), whose nodes have a lease each. The first refuses while somebody works by
 * the record alone: FAILED_PRECONDITION, after the same wait. From postgres_join() on each change
 * is refused once this node, with EPOCH, has been passed over.
 */
bool postgres_refuse_alone(struct postgres *postgres, struct error *err);
void postgres_join(struct postgres *postgres, int64_t epoch);
/* Tells the others that this node decides by change NUMBER from now on. */
bool postgres_tell_applied(struct postgres *postgres, uint64_t number, struct error *err);
/* As store_drain_node() and store_remove_node(). */
bool postgres_drain(struct postgres *postgres, const char *name, bool draining, struct error *err);
bool postgres_remove(struct postgres *postgres, const char *name, struct error *err);
/* The other nodes that served when the last change was committed. *KNOWN is false if that change
 * was only found to be there afterwards. Room for STORE_NODES_MAX. */
size_t postgres_members(const struct postgres *postgres, const struct store_member **out,
                        bool *known);

enum postgres_end {
    POSTGRES_COMMITTED,
    POSTGRES_NOTHING, /* nothing was changed, and nothing will be: *err says why */
    POSTGRES_BEHIND,  /* the same; others have committed: follow first */
    POSTGRES_UNKNOWN, /* it may be there, or come: follow before anything else */
};

/* JSON texts of as much of a change as one statement takes. */
struct postgres_part {
    char *documents; /* [{kind, key, id, version, body}], body as text */
    char *gone;      /* [{kind, key}] */
    char *audit;     /* [{number, resource, body}] */
};

struct postgres_change {
    struct postgres_point from, to; /* to.id: new, unique; to.number is from.number + 1 */
    struct postgres_part *parts;    /* in one transaction; no document is in two of them */
    size_t part_count, bytes;       /* BYTES: of all texts */
};

/* Answers within COMMIT_US of postgres.c, and a second for each megabyte. A change that has to be
 * tried again gets a new to.id. */
enum postgres_end postgres_commit(struct postgres *postgres, struct postgres_change *change,
                                  struct error *err);

/*
 * What has happened since a point: one moment of the database. It may be a whole record, so it is
 * never here as a whole: rows come one by one, and the server waits until they are taken.
 */
struct postgres_delta; /* opaque */

/* NULL: *err. UNAVAILABLE; DATA_LOSS: FROM was never there. To be freed before anything else is
 * asked of POSTGRES. */
struct postgres_delta *postgres_since(struct postgres *postgres, const struct postgres_point *from,
                                      struct error *err);
void postgres_delta_free(struct postgres_delta *delta);
/* Where it leads to: FROM's number if nothing has happened. */
const struct postgres_point *postgres_delta_point(const struct postgres_delta *delta);
/* It is all that there is: what the copy has is to be forgotten. */
bool postgres_delta_is_whole(const struct postgres_delta *delta);

struct postgres_row {
    const char *kind, *key; /* of a document; its body is NULL when it is gone */
    const char *body;
    int64_t id, version;
};
enum postgres_next { POSTGRES_ROW, POSTGRES_END, POSTGRES_FAILED };
/*
 * The next row: all documents, to POSTGRES_END, and then all audit rows (key is the resource, id
 * the number), to another one. What it points to lives until the next one is asked for.
 */
enum postgres_next postgres_delta_next(struct postgres_delta *delta, struct postgres_row *out,
                                       struct error *err);
