/*
 * Between the files of the store: sqlite.c, which reads and writes the file, and copy.c, which
 * keeps it in step with a server.
 */
#pragma once

#include <sqlite3.h>

#include "store/postgres.h"
#include "store/store.h"

enum statement {
    SQL_GET,
    SQL_PUT,
    SQL_DELETE,
    SQL_EACH,
    SQL_NEXT,
    SQL_BUMP,
    SQL_CHANGE,
    SQL_AUDIT,
    SQL_AUDIT_EACH,
    SQL_READ,
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_POINT,
    SQL_POINT_SET,
    SQL_VERSIONS_SET,
    SQL_FOLLOW_PUT,
    SQL_FOLLOW_DELETE,
    SQL_FOLLOW_AUDIT,
    SQL_SEQUENCES_SET,
    SQL_AUDIT_SINCE,
    SQL_STATEMENTS,
};

/* One connection to the file. */
struct link {
    sqlite3 *db;
    sqlite3_stmt *statements[SQL_STATEMENTS];
    bool unread; /* since store_turn(), by the owner of this link: see WHY */
    struct error why;
};

struct store {
    struct link main;
    bool changing;         /* inside a transaction */
    bool held;             /* reads share a transaction, which the first of them begins */
    struct fiber *changer; /* the fiber that has begun it; NULL: code outside of any fiber */

    /* ---- of a copy ---- */
    struct postgres *server;    /* NULL: the file is the record */
    struct link aside;          /* for those who read while a change is committed */
    json_t *touched;            /* {kind: {key: null}} of the transaction */
    struct postgres_point from; /* where the transaction has begun */
    bool following;             /* the transaction is the server's, not ours */
    bool behind;
    bool outrun;                     /* another node was faster than the last change */
    char *joined_file;               /* where the id of whom this folder joins is to be written */
    char joined[STORE_INSTALLATION]; /* by store_settle(); joined_file NULL: nowhere */
    bool founding;                   /* until then, other nodes of a new cluster wait for us */
};

/* As store_open(); COPY: the file is one of a record on a server. */
struct store *store_open_file(const char *path, bool copy, struct error *err);
/* The statement, reset, on the connection of the caller; NULL: *err. */
sqlite3_stmt *store_statement(struct store *store, enum statement which, struct error *err);
/* Runs a statement that gives at most one number. STMT may be NULL: false. */
bool store_run(struct store *store, sqlite3_stmt *stmt, int64_t *number, struct error *err);
void store_bind_text(sqlite3_stmt *stmt, int at, const char *text);
/* What SQLite just said, as *err. False. */
bool store_fail(struct store *store, const char *what, struct error *err);
/* The local end of a transaction. */
bool store_commit_file(struct store *store, struct error *err);

/* ---- copy.c ---- */

/* A transaction of our own has begun. */
bool copy_begin(struct store *store, struct error *err);
void copy_touch(struct store *store, const char *kind, const char *key);
void copy_close(struct store *store);
/* To the server, and then to the file. */
bool copy_commit(struct store *store, struct error *err);
