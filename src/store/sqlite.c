/*
 * The record in SQLite: WAL mode, full syncs (an answered change survives a power cut), one
 * connection. Two tables of our own: `document` and `audit`; and `meta` for the schema's number and
 * the change number.
 *
 * A copy of a record on PostgreSQL is the same file with a table more, which says how far it has
 * come. The transaction that a change is made in stays open while the server commits the change; a
 * second connection answers reads meanwhile.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/fiber.h"
#include "base/memory.h"
#include "store/inside.h"

enum { SCHEMA = 1, BUSY_MS = 5000, SCRUB_BUSY_MS = 200, CHECK_BYTES_MAX = 64 << 20 };

static const char *const sql[SQL_STATEMENTS] = {
    [SQL_GET] = "SELECT id, version, body FROM document WHERE kind = ?1 AND key = ?2",
    [SQL_PUT] = "INSERT INTO document (kind, key, version, body) VALUES (?1, ?2, ?3, ?4)"
                " ON CONFLICT (kind, key) DO UPDATE SET version = ?3, body = ?4 RETURNING id",
    [SQL_DELETE] = "DELETE FROM document WHERE kind = ?1 AND key = ?2",
    /* A range, not LIKE: keys hold characters that LIKE would read as patterns. */
    [SQL_EACH] = "SELECT id, version, body, key FROM document"
                 " WHERE kind = ?1 AND key >= ?2 AND key < ?3 ORDER BY key",
    [SQL_NEXT] = "SELECT id, version, body, key FROM document"
                 " WHERE kind = ?1 AND key > ?2 AND key < ?3 ORDER BY key",
    [SQL_BUMP] = "UPDATE meta SET value = value + 1 WHERE name = 'change' RETURNING value",
    [SQL_CHANGE] = "SELECT value FROM meta WHERE name = 'change'",
    [SQL_AUDIT] = "INSERT INTO audit (resource, body) VALUES (?1, ?2)",
    [SQL_AUDIT_EACH] = "SELECT number, body FROM audit WHERE resource >= ?1 AND resource < ?2"
                       " ORDER BY number DESC LIMIT ?3",
    [SQL_READ] = "BEGIN",
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    /* In a copy of a server's record, the counters are the next ids' and the versions': they are
     * the same on all nodes, since all take the same changes in the same order. */
    [SQL_POINT] = "SELECT number, change, (SELECT value FROM meta WHERE name = 'change'),"
                  " ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'document'), 0),"
                  " ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'audit'), 0) FROM copy",
    [SQL_POINT_SET] = "UPDATE copy SET number = ?1, change = ?2",
    [SQL_VERSIONS_SET] = "UPDATE meta SET value = ?1 WHERE name = 'change'",
    [SQL_FOLLOW_PUT] = "INSERT OR REPLACE INTO document (id, kind, key, version, body)"
                       " VALUES (?1, ?2, ?3, ?4, ?5)",
    [SQL_FOLLOW_DELETE] = "DELETE FROM document WHERE kind = ?1 AND key = ?2",
    [SQL_FOLLOW_AUDIT] = "INSERT OR REPLACE INTO audit (number, resource, body)"
                         " VALUES (?1, ?2, ?3)",
    [SQL_SEQUENCES_SET] = "INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)",
    [SQL_AUDIT_SINCE] = "SELECT number, resource, body FROM audit WHERE number > ?1"
                        " ORDER BY number",
};

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS document ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, key TEXT NOT NULL,"
    "  version INTEGER NOT NULL, body TEXT NOT NULL, UNIQUE (kind, key));"
    "CREATE TABLE IF NOT EXISTS audit ("
    "  number INTEGER PRIMARY KEY AUTOINCREMENT, resource TEXT NOT NULL, body TEXT NOT NULL);"
    "CREATE INDEX IF NOT EXISTS audit_resource ON audit (resource, number);"
    "INSERT OR IGNORE INTO meta VALUES ('schema', 1), ('change', 1);"
    /* Older versions kept deleted accounts among the others. */
    "UPDATE document SET kind = 'deleted-account'"
    "  WHERE kind = 'account' AND instr(key, '?uid=') > 0;";

/* The connection for the fiber that asks now. */
static struct link *link_of(const struct store *const_store)
{
    struct store *store = (struct store *)(uintptr_t)const_store;
    bool other = store->server != NULL && store->changing && store->changer != fiber_current();
    return other ? &store->aside : &store->main;
}

bool store_fail(struct store *store, const char *what, struct error *err)
{
    sqlite3 *db = link_of(store)->db;
    int code = sqlite3_errcode(db);
    enum status status = STATUS_INTERNAL;
    const char *advice = "";
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        status = STATUS_UNAVAILABLE;
        advice = ": another program holds the database; try again when it has let go";
        break;
    case SQLITE_FULL:
    case SQLITE_IOERR:
        status = STATUS_RESOURCE_EXHAUSTED;
        advice = ": nothing was changed; free some disk space and try again";
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        status = STATUS_DATA_LOSS;
        advice = ": the file is damaged; put a backup in its place";
        break;
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        status = STATUS_FAILED_PRECONDITION;
        advice = ": the file cannot be written; check its owner and mode";
        break;
    default:
        break;
    }
    return error_set(err, status, "%s: %s%s", what, sqlite3_errmsg(db), advice);
}

sqlite3_stmt *store_statement(struct store *store, enum statement which, struct error *err)
{
    struct link *link = link_of(store);
    sqlite3_stmt **place = &link->statements[which];
    if (*place == NULL && sqlite3_prepare_v3(link->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT,
                                             place, NULL) != SQLITE_OK) {
        store_fail(store, "database", err);
        return NULL;
    }
    sqlite3_reset(*place);
    sqlite3_clear_bindings(*place);
    return *place;
}

void store_bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
    sqlite3_bind_text(stmt, at, text, -1, SQLITE_TRANSIENT);
}

/* Runs a statement that gives at most one number. */
bool store_run(struct store *store, sqlite3_stmt *stmt, int64_t *number, struct error *err)
{
    if (stmt == NULL) {
        return false;
    }
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW) {
        if (number != NULL) {
            *number = sqlite3_column_int64(stmt, 0);
        }
        code = sqlite3_step(stmt);
    }
    bool good = code == SQLITE_DONE || store_fail(store, "database", err);
    sqlite3_reset(stmt);
    return good;
}

/* One value of a query of ours, for opening. */
static bool ask(struct store *store, const char *query, const char *wanted, struct error *err)
{
    sqlite3_stmt *stmt;
    if (sqlite3_prepare_v2(store->main.db, query, -1, &stmt, NULL) != SQLITE_OK) {
        return store_fail(store, "database", err);
    }
    int code = sqlite3_step(stmt);
    bool good = code == SQLITE_ROW || code == SQLITE_DONE || store_fail(store, "database", err);
    if (good && wanted != NULL) {
        const char *got = code == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
        good =
            (got != NULL && strcmp(got, wanted) == 0) ||
            error_set(err, STATUS_DATA_LOSS, "the file is damaged (%s); put a backup in its place",
                      got == NULL ? "no answer" : got);
    }
    sqlite3_finalize(stmt);
    return good;
}

static bool prepare(struct store *store, const char *path, struct error *err)
{
    struct stat info;
    sqlite3_busy_timeout(store->main.db, BUSY_MS);
    sqlite3_extended_result_codes(store->main.db, 1);
    if (!ask(store, "PRAGMA journal_mode = WAL", "wal", err) ||
        !ask(store, "PRAGMA synchronous = FULL", NULL, err) ||
        /* What is deleted is overwritten, not only unlinked: destroyed secrets are gone. */
        !ask(store, "PRAGMA temp_store = MEMORY", NULL, err) || /* no files but in our folder */
        !ask(store, "PRAGMA secure_delete = ON", "1", err)) {
        return false;
    }
    if (stat(path, &info) == 0 && info.st_size <= CHECK_BYTES_MAX &&
        !ask(store, "PRAGMA quick_check(1)", "ok", err)) {
        return false;
    }
    if (sqlite3_exec(store->main.db, schema, NULL, NULL, NULL) != SQLITE_OK) {
        return store_fail(store, "database", err);
    }
    sqlite3_stmt *stmt;
    if (sqlite3_prepare_v2(store->main.db, "SELECT value FROM meta WHERE name = 'schema'", -1,
                           &stmt, NULL) != SQLITE_OK) {
        return store_fail(store, "database", err);
    }
    int64_t number = 0;
    bool good = store_run(store, stmt, &number, err);
    sqlite3_finalize(stmt);
    if (good && number != SCHEMA) {
        return error_set(err, STATUS_DATA_LOSS,
                         "it was written by another version of Homerun (schema %lld, ours is %d)",
                         (long long)number, SCHEMA);
    }
    return good;
}

/* A copy is not a record: what it lacks is on the server. */
static bool is_no_copy(struct store *store, struct error *err)
{
    sqlite3_stmt *stmt;
    int64_t found = 0;
    if (sqlite3_prepare_v2(store->main.db, "SELECT count(*) FROM sqlite_schema WHERE name = 'copy'",
                           -1, &stmt, NULL) != SQLITE_OK) {
        return store_fail(store, "database", err);
    }
    bool good = store_run(store, stmt, &found, err);
    sqlite3_finalize(stmt);
    return good && (found == 0 ||
                    error_set(err, STATUS_FAILED_PRECONDITION,
                              "it is this machine's copy of a record on PostgreSQL: start with the "
                              "--store of before, or bring the record here with `homerun store "
                              "migrate`"));
}

struct store *store_open_file(const char *path, bool copy, struct error *err)
{
    struct store *store = mem_new(struct store);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    bool good = sqlite3_open_v2(path, &store->main.db, flags, NULL) == SQLITE_OK ||
                store_fail(store, "open", err);
    if (!good || !prepare(store, path, err) || (!copy && !is_no_copy(store, err))) {
        error_wrap(err, "%s", path);
        store_close(store);
        return NULL;
    }
    return store;
}

struct store *store_open(const char *path, struct error *err)
{
    return store_open_file(path, false, err);
}

static void link_close(struct link *link)
{
    for (int i = 0; i < SQL_STATEMENTS; i++) {
        sqlite3_finalize(link->statements[i]);
    }
    sqlite3_close(link->db);
    *link = (struct link){0};
}

void store_close(struct store *store)
{
    if (store == NULL) {
        return;
    }
    link_close(&store->aside);
    link_close(&store->main);
    copy_close(store);
    json_decref(store->touched);
    free(store);
}

/* A question is to be asked. Without the transaction it has a lock of its own, as ever. */
static void read_begin(struct store *store)
{
    if (store->held && !store->changing && sqlite3_get_autocommit(store->main.db) != 0) {
        store_run(store, store_statement(store, SQL_READ, NULL), NULL, NULL);
    }
}

static void read_end(struct store *store)
{
    if (!store->changing && sqlite3_get_autocommit(store->main.db) == 0 &&
        !store_run(store, store_statement(store, SQL_COMMIT, NULL), NULL, NULL)) {
        store_run(store, store_statement(store, SQL_ROLLBACK, NULL), NULL, NULL);
    }
}

void store_hold(struct store *store)
{
    store->held = true;
}

void store_release(struct store *store)
{
    if (store->held) {
        store->held = false;
        read_end(store);
    }
}

bool store_begin(struct store *store, struct error *err)
{
    if (store->changing) {
        return error_set(err, STATUS_INTERNAL, "a change is already under way");
    }
    read_end(store);
    if (store->server != NULL && !copy_begin(store, err)) {
        return false;
    }
    store->changing = store_run(store, store_statement(store, SQL_BEGIN, err), NULL, err);
    store->changer = fiber_current();
    return store->changing;
}

bool store_commit_file(struct store *store, struct error *err)
{
    if (!store_run(store, store_statement(store, SQL_COMMIT, err), NULL, err)) {
        store_rollback(store);
        return false;
    }
    store->changing = false;
    return true;
}

bool store_commit(struct store *store, struct error *err)
{
    if (store_unread(store, err)) {
        store_rollback(store);
        return false;
    }
    return store->server == NULL ? store_commit_file(store, err) : copy_commit(store, err);
}

void store_rollback(struct store *store)
{
    if (store->changing) {
        if (sqlite3_get_autocommit(store->main.db) == 0) {
            store_run(store, store_statement(store, SQL_ROLLBACK, NULL), NULL, NULL);
        }
        store->changing = false;
        store->following = false;
    }
}

/* What could not be read: the first of a turn is kept. False. */
static bool remember(struct store *store, const struct error *failure, struct error *err)
{
    struct link *link = link_of(store);
    if (!link->unread) {
        link->unread = true;
        link->why = *failure;
    }
    if (err != NULL) {
        *err = *failure;
    }
    return false;
}

bool store_unread(const struct store *store, struct error *err)
{
    const struct link *link = link_of(store);
    if (link->unread && err != NULL) {
        *err = link->why;
    }
    return link->unread;
}

void store_turn(struct store *store)
{
    link_of(store)->unread = false;
}

static bool read_row(sqlite3_stmt *stmt, const char *kind, struct store_doc *out, struct error *err)
{
    const char *text = (const char *)sqlite3_column_text(stmt, 2);
    int length = sqlite3_column_bytes(stmt, 2);
    out->id = (uint64_t)sqlite3_column_int64(stmt, 0);
    out->version = sqlite3_column_int64(stmt, 1);
    out->body = text == NULL ? NULL : json_loadb(text, (size_t)length, JSON_DECODE_ANY, NULL);
    if (json_is_object(out->body)) {
        return true;
    }
    store_doc_done(out);
    return error_set(err, STATUS_DATA_LOSS,
                     "the %s %s of the record is damaged; nothing is changed while it is so; put a "
                     "backup of the record in its place",
                     kind, out->key);
}

enum store_result store_get(struct store *store, const char *kind, const char *key,
                            struct store_doc *out, struct error *err)
{
    struct error failure = {0};
    auto_doc unwanted = {0};
    out = out == NULL ? &unwanted : out;
    out->body = NULL;
    read_begin(store);
    sqlite3_stmt *stmt = store_statement(store, SQL_GET, &failure);
    if (stmt == NULL) {
        remember(store, &failure, err);
        return STORE_FAILED;
    }
    store_bind_text(stmt, 1, kind);
    store_bind_text(stmt, 2, key);
    enum store_result result = STORE_FAILED;
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW) {
        snprintf(out->key, sizeof(out->key), "%s", key);
        result = read_row(stmt, kind, out, &failure) ? STORE_FOUND : STORE_FAILED;
    } else if (code == SQLITE_DONE) {
        result = STORE_ABSENT;
    } else {
        store_fail(store, "database", &failure);
    }
    sqlite3_reset(stmt);
    if (result == STORE_FAILED) {
        remember(store, &failure, err);
    }
    return result;
}

bool store_load(struct store *store, const char *kind, const char *key, struct store_doc *out,
                struct error *err, const char *absent, ...)
{
    char text[sizeof(err->text)];
    va_list arguments;
    switch (store_get(store, kind, key, out, err)) {
    case STORE_FOUND:
        return true;
    case STORE_ABSENT:
        va_start(arguments, absent);
        vsnprintf(text, sizeof(text), absent, arguments);
        va_end(arguments);
        return error_set(err, STATUS_NOT_FOUND, "%s", text);
    case STORE_FAILED:
        break;
    }
    return false;
}

/* The next number of the sequence that versions and changes share. */
static bool bump(struct store *store, int64_t *number, struct error *err)
{
    return store_run(store, store_statement(store, SQL_BUMP, err), number, err);
}

bool store_put(struct store *store, const char *kind, const char *key, const json_t *body,
               uint64_t *out_id, int64_t *out_version, struct error *err)
{
    int64_t version = 0;
    int64_t id = 0;
    if (strlen(key) >= sizeof(((struct store_doc *)NULL)->key)) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "the name %.60s… is too long", key);
    }
    if (!store->changing || !bump(store, &version, err)) {
        return store->changing ? false
                               : error_set(err, STATUS_INTERNAL, "a write outside of a change");
    }
    sqlite3_stmt *stmt = store_statement(store, SQL_PUT, err);
    char *text = json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY);
    if (stmt == NULL || text == NULL) {
        free(text);
        return stmt == NULL ? false : error_set(err, STATUS_INTERNAL, "%s is not JSON", key);
    }
    store_bind_text(stmt, 1, kind);
    store_bind_text(stmt, 2, key);
    sqlite3_bind_int64(stmt, 3, version);
    sqlite3_bind_text(stmt, 4, text, -1, free);
    copy_touch(store, kind, key);
    if (!store_run(store, stmt, &id, err)) {
        return false;
    }
    if (out_id != NULL) {
        *out_id = (uint64_t)id;
    }
    if (out_version != NULL) {
        *out_version = version;
    }
    return true;
}

bool store_delete(struct store *store, const char *kind, const char *key, struct error *err)
{
    int64_t version = 0;
    if (!bump(store, &version, err)) {
        return false;
    }
    sqlite3_stmt *stmt = store_statement(store, SQL_DELETE, err);
    if (stmt == NULL) {
        return false;
    }
    store_bind_text(stmt, 1, kind);
    store_bind_text(stmt, 2, key);
    copy_touch(store, kind, key);
    return store_run(store, stmt, NULL, err);
}

/* The log of writes has older pages until it is written back and cut to nothing. Who else reads the
 * database at this moment holds that up: control does not wait for them as it does for writers. */
bool store_scrub(struct store *store, struct error *err)
{
    read_end(store); /* it would hold up the log as well */
    sqlite3_busy_timeout(store->main.db, SCRUB_BUSY_MS);
    bool good = sqlite3_wal_checkpoint_v2(store->main.db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL,
                                          NULL) == SQLITE_OK ||
                store_fail(store, "database", err);
    sqlite3_busy_timeout(store->main.db, BUSY_MS);
    return good;
}

/* Binds FROM, and the first text behind everything that starts with PREFIX. */
static void bind_range(sqlite3_stmt *stmt, int at, const char *from, const char *prefix)
{
    char *end = sqlite3_mprintf("%s\xf7", prefix); /* no UTF-8 text has this byte */
    store_bind_text(stmt, at, from);
    sqlite3_bind_text(stmt, at + 1, end, -1, sqlite3_free);
}

bool store_each(struct store *store, const char *kind, const char *prefix,
                bool (*fn)(const struct store_doc *doc, void *ctx), void *ctx, struct error *err)
{
    return store_next(store, kind, prefix, "", fn, ctx, err);
}

bool store_next(struct store *store, const char *kind, const char *prefix, const char *after,
                bool (*fn)(const struct store_doc *doc, void *ctx), void *ctx, struct error *err)
{
    /* A statement of its own: FN may ask the store for more. */
    sqlite3_stmt *stmt;
    struct error failure = {0};
    read_begin(store);
    bool inside = strcmp(after, prefix) >= 0 && after[0] != '\0';
    if (sqlite3_prepare_v2(link_of(store)->db, sql[inside ? SQL_NEXT : SQL_EACH], -1, &stmt,
                           NULL) != SQLITE_OK) {
        store_fail(store, "database", &failure);
        return remember(store, &failure, err);
    }
    store_bind_text(stmt, 1, kind);
    bind_range(stmt, 2, inside ? after : prefix, prefix);
    bool good = true;
    for (;;) {
        int code = sqlite3_step(stmt);
        if (code != SQLITE_ROW) {
            good = code == SQLITE_DONE || store_fail(store, "database", &failure);
            break;
        }
        auto_doc doc = {0};
        snprintf(doc.key, sizeof(doc.key), "%s", (const char *)sqlite3_column_text(stmt, 3));
        if (!read_row(stmt, kind, &doc, &failure)) {
            good = false;
            break;
        }
        if (!fn(&doc, ctx)) {
            break;
        }
    }
    sqlite3_finalize(stmt);
    return good || remember(store, &failure, err);
}

void store_look(struct store *store, const char *kind, const char *prefix,
                bool (*fn)(const struct store_doc *doc, void *ctx), void *ctx)
{
    if (!store_each(store, kind, prefix, fn, ctx, NULL)) {
        assert(link_of(store)->unread);
    }
}

uint64_t store_change_number(struct store *store)
{
    struct error failure = {0};
    int64_t number = 0;
    read_begin(store);
    if (!store_run(store, store_statement(store, SQL_CHANGE, &failure), &number, &failure)) {
        remember(store, &failure, NULL);
    }
    return (uint64_t)number;
}

bool store_audit(struct store *store, const json_t *row, struct error *err)
{
    int64_t number;
    if (!bump(store, &number, err)) {
        return false;
    }
    sqlite3_stmt *stmt = store_statement(store, SQL_AUDIT, err);
    char *text = json_dumps(row, JSON_COMPACT);
    if (stmt == NULL || text == NULL) {
        free(text);
        return stmt == NULL ? false : error_set(err, STATUS_INTERNAL, "audit row is not JSON");
    }
    store_bind_text(stmt, 1, json_text_or(row, "resource", ""));
    sqlite3_bind_text(stmt, 2, text, -1, free);
    return store_run(store, stmt, NULL, err);
}

bool store_audit_each(struct store *store, const char *prefix, unsigned limit,
                      bool (*fn)(int64_t number, const json_t *row, void *ctx), void *ctx,
                      struct error *err)
{
    struct error failure = {0};
    read_begin(store);
    sqlite3_stmt *stmt = store_statement(store, SQL_AUDIT_EACH, &failure);
    if (stmt == NULL) {
        return remember(store, &failure, err);
    }
    bind_range(stmt, 1, prefix, prefix);
    sqlite3_bind_int64(stmt, 3, limit);
    int code;
    bool good = true;
    while (good && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
        int64_t number = sqlite3_column_int64(stmt, 0);
        const char *text = (const char *)sqlite3_column_text(stmt, 1);
        auto_json *row = text == NULL ? NULL : json_loads(text, 0, NULL);
        if (row == NULL) {
            good = error_set(&failure, STATUS_DATA_LOSS,
                             "row %lld of the audit log is damaged; put a backup of the record in "
                             "its place",
                             (long long)number);
        } else if (!fn(number, row, ctx)) {
            code = SQLITE_DONE;
            break;
        }
    }
    good = good && (code == SQLITE_DONE || store_fail(store, "database", &failure));
    sqlite3_reset(stmt);
    return good || remember(store, &failure, err);
}

void store_audit_look(struct store *store, const char *prefix, unsigned limit,
                      bool (*fn)(int64_t number, const json_t *row, void *ctx), void *ctx)
{
    if (!store_audit_each(store, prefix, limit, fn, ctx, NULL)) {
        assert(link_of(store)->unread);
    }
}
