/*
 * Moving a record between a file and a server. Nobody may use either meanwhile. What has arrived is
 * read back whole, as a new node would read it, and compared with what was sent, row by row, before
 * the old place is given up.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "store/inside.h"

static const char *const endings[] = {"", "-wal", "-shm"};

static void remove_database(const char *path)
{
    auto_arena arena = {0};
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        unlink(arena_printf(&arena, "%s%s", path, endings[i]));
    }
}

/* A closed database is one file: its log was written back. */
static bool rename_database(const char *from, const char *to, struct error *err)
{
    remove_database(to);
    if (rename(from, to) != 0) {
        return error_errno(err, "rename %s to %s", from, to);
    }
    remove_database(from);
    return true;
}

static bool run_all(struct store *store, const char *sql, struct error *err)
{
    return sqlite3_exec(store->main.db, sql, NULL, NULL, NULL) == SQLITE_OK ||
           store_fail(store, "database", err);
}

static bool attach(struct store *store, const char *path, struct error *err)
{
    char *sql = sqlite3_mprintf("ATTACH %Q AS other", path);
    bool good = run_all(store, sql, err);
    sqlite3_free(sql);
    return good;
}

/* One number of a query. */
static bool count(struct store *store, const char *sql, int64_t *out, struct error *err)
{
    sqlite3_stmt *stmt;
    if (sqlite3_prepare_v2(store->main.db, sql, -1, &stmt, NULL) != SQLITE_OK) {
        return store_fail(store, "database", err);
    }
    bool good = store_run(store, stmt, out, err);
    sqlite3_finalize(stmt);
    return good;
}

/* ---- comparing ---- */

/* Each counts what stands on one side alone. */
static const char *const differences[] = {
    "SELECT count(*) FROM (SELECT id, kind, key, version, body FROM main.document EXCEPT"
    " SELECT id, kind, key, version, body FROM other.document)",
    "SELECT count(*) FROM (SELECT id, kind, key, version, body FROM other.document EXCEPT"
    " SELECT id, kind, key, version, body FROM main.document)",
    "SELECT count(*) FROM (SELECT number, resource, body FROM main.audit EXCEPT"
    " SELECT number, resource, body FROM other.audit)",
    "SELECT count(*) FROM (SELECT number, resource, body FROM other.audit EXCEPT"
    " SELECT number, resource, body FROM main.audit)",
    "SELECT (SELECT value FROM main.meta WHERE name = 'change') <>"
    " (SELECT value FROM other.meta WHERE name = 'change')",
    "SELECT count(*) FROM (SELECT name, seq FROM other.sqlite_sequence WHERE seq > 0 EXCEPT"
    " SELECT name, seq FROM main.sqlite_sequence)",
};

/* STORE, attached to the other place, has the same. */
static bool compare(struct store *store, struct store_moved *out, struct error *err)
{
    for (size_t i = 0; i < sizeof(differences) / sizeof(differences[0]); i++) {
        int64_t found = 0;
        if (!count(store, differences[i], &found, err)) {
            return false;
        }
        if (found != 0) {
            return error_set(err, STATUS_DATA_LOSS,
                             "what arrived is not what was sent: nothing was given up");
        }
    }
    return count(store, "SELECT count(*) FROM main.document", &out->documents, err) &&
           count(store, "SELECT count(*) FROM main.audit", &out->audit, err);
}

/* Whether the server has what FILE has, by a copy that is made anew in the place of the old one. */
static bool check_server(const struct store_shared *shared, const char *file,
                         struct store_moved *out, struct error *err)
{
    remove_database(shared->copy);
    struct store *store = store_open_shared(shared, err);
    if (store == NULL) {
        return false;
    }
    bool good = attach(store, file, err) && compare(store, out, err);
    store_close(store);
    return good;
}

/* ---- to a server ---- */

static bool touch_all(struct store *store, struct error *err)
{
    sqlite3_stmt *stmt;
    int code;
    if (sqlite3_prepare_v2(store->main.db, "SELECT kind, key FROM main.document", -1, &stmt,
                           NULL) != SQLITE_OK) {
        return store_fail(store, "database", err);
    }
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
        copy_touch(store, (const char *)sqlite3_column_text(stmt, 0),
                   (const char *)sqlite3_column_text(stmt, 1));
    }
    sqlite3_finalize(stmt);
    return code == SQLITE_DONE || store_fail(store, "database", err);
}

/* All that the other place has, as the first change. */
static bool send_all(struct store *store, struct error *err)
{
    static const char take[] =
        "INSERT INTO main.document (id, kind, key, version, body)"
        " SELECT id, kind, key, version, body FROM other.document;"
        "INSERT INTO main.audit (number, resource, body)"
        " SELECT number, resource, body FROM other.audit;"
        "UPDATE main.meta SET value = (SELECT value FROM other.meta WHERE name = 'change')"
        " WHERE name = 'change';"
        "DELETE FROM main.sqlite_sequence;"
        "INSERT INTO main.sqlite_sequence SELECT name, seq FROM other.sqlite_sequence;";
    int64_t changes = 0;
    if (!count(store, "SELECT number FROM copy", &changes, err)) {
        return false;
    }
    if (changes != 0) {
        return error_set(err, STATUS_FAILED_PRECONDITION,
                         "%s has a record already, of %" PRId64 " changes: give another database",
                         postgres_name(store->server), changes);
    }
    if (!store_begin(store, err)) {
        return false;
    }
    if (!run_all(store, take, err) || !touch_all(store, err)) {
        store_rollback(store);
        return false;
    }
    return store_commit(store, err);
}

bool store_move_to_server(const char *file, const struct store_shared *to, struct store_moved *out,
                          struct error *err)
{
    auto_arena arena = {0};
    if (access(file, F_OK) != 0) {
        return error_errno(err, "%s", file);
    }
    struct store *store = store_open(file, err); /* whole, and of our version */
    if (store == NULL) {
        return false;
    }
    store_close(store);
    remove_database(to->copy); /* of an attempt that failed */
    store = store_open_shared(to, err);
    if (store == NULL) {
        return false;
    }
    bool good = attach(store, file, err) && send_all(store, err);
    store_close(store);
    if (!good) {
        remove_database(to->copy);
        return false;
    }
    return check_server(to, file, out, err) &&
           rename_database(file, arena_printf(&arena, "%s.moved", file), err);
}

/* ---- to a file ---- */

bool store_move_to_file(const struct store_shared *from, const char *file, struct store_moved *out,
                        struct error *err)
{
    if (access(file, F_OK) == 0) {
        return error_set(err, STATUS_FAILED_PRECONDITION,
                         "%s is a record already: put it elsewhere first", file);
    }
    auto_arena arena = {0};
    const char *made = arena_printf(&arena, "%s.new", file);
    struct store_shared plan = *from;
    plan.copy = made;
    remove_database(made);
    struct store *store = store_open_shared(&plan, err);
    if (store == NULL) {
        return false;
    }
    bool good = run_all(store, "DROP TABLE copy", err);
    store_close(store);
    if (!good || !check_server(from, made, out, err)) {
        remove_database(made);
        return false;
    }
    remove_database(from->copy);
    return rename_database(made, file, err);
}
