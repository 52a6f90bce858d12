/*
 * Moving a record between a file and a server. Nobody may use either meanwhile. What has arrived is
 * read back whole, as a new node would read it, and its digest compared with that of what was sent,
 * before the old place is given up.
 */
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/encode.h"
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

/* All that a record is, in one order. Sequences: no number is given out twice. */
static const struct {
    const char *columns, *rows;
} contents[] = {
    {"id, kind, key, version, body", "document ORDER BY id"},
    {"number, resource, body", "audit ORDER BY number"},
    {"value", "meta WHERE name = 'change'"},
    {"name, seq", "sqlite_sequence WHERE seq > 0 ORDER BY name"},
};
enum { CONTENTS = sizeof(contents) / sizeof(contents[0]) };

/* Each value by its length and its bytes, so that no two contents have the same text. */
static bool digest_row(EVP_MD_CTX *digest, sqlite3_stmt *stmt)
{
    bool good = true;
    for (int i = 0; i < sqlite3_column_count(stmt) && good; i++) {
        const void *bytes = sqlite3_column_blob(stmt, i);
        uint64_t len = (uint64_t)sqlite3_column_bytes(stmt, i);
        good = EVP_DigestUpdate(digest, &len, sizeof(len)) == 1 &&
               EVP_DigestUpdate(digest, bytes, len) == 1;
    }
    return good;
}

/* ROWS: how many there were. */
static bool digest_rows(struct store *store, EVP_MD_CTX *digest, const char *sql, int64_t *rows,
                        struct error *err)
{
    sqlite3_stmt *stmt;
    int code;
    bool good = true;
    if (sqlite3_prepare_v2(store->main.db, sql, -1, &stmt, NULL) != SQLITE_OK) {
        return store_fail(store, "database", err);
    }
    for (*rows = 0; (code = sqlite3_step(stmt)) == SQLITE_ROW && good; ++*rows) {
        good = digest_row(digest, stmt);
    }
    sqlite3_finalize(stmt);
    if (!good) {
        return error_set(err, STATUS_INTERNAL, "OpenSSL makes no digest");
    }
    return code == SQLITE_DONE || store_fail(store, "database", err);
}

/* Of the record in SCHEMA, "main" or "other". */
static bool digest_record(struct store *store, const char *schema, struct store_moved *out,
                          struct error *err)
{
    auto_arena arena = {0};
    unsigned char bytes[32];
    int64_t rows[CONTENTS];
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool good = (digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1) ||
                error_set(err, STATUS_INTERNAL, "OpenSSL makes no digest");
    for (size_t i = 0; i < CONTENTS && good; i++) {
        const char *sql = arena_printf(&arena, "SELECT %s FROM %s.%s", contents[i].columns, schema,
                                       contents[i].rows);
        good = digest_rows(store, digest, sql, &rows[i], err) &&
               (EVP_DigestUpdate(digest, &rows[i], sizeof(rows[i])) == 1 ||
                error_set(err, STATUS_INTERNAL, "OpenSSL makes no digest"));
    }
    good = good && (EVP_DigestFinal_ex(digest, bytes, NULL) == 1 ||
                    error_set(err, STATUS_INTERNAL, "OpenSSL makes no digest"));
    EVP_MD_CTX_free(digest);
    if (good) {
        *out = (struct store_moved){.documents = rows[0], .audit = rows[1]};
        snprintf(out->digest, sizeof(out->digest), "%.*s",
                 SLICE_ARG(hex_encode(&arena, (struct slice){(const char *)bytes, sizeof(bytes)})));
    }
    return good;
}

/* STORE, attached to the other place, has the same. */
static bool compare(struct store *store, struct store_moved *out, struct error *err)
{
    struct store_moved sent;
    if (!digest_record(store, "other", &sent, err) || !digest_record(store, "main", out, err)) {
        return false;
    }
    return strcmp(sent.digest, out->digest) == 0 ||
           error_set(
               err, STATUS_DATA_LOSS,
               "what arrived (sha256:%.12s…) is not what was sent (sha256:%.12s…): nothing was "
               "given up",
               out->digest, sent.digest);
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
    struct store_moved there;
    struct error other;
    if (!count(store, "SELECT number FROM copy", &changes, err)) {
        return false;
    }
    /* An earlier attempt may have been killed when it had sent all: then it is what we would send.
     */
    if (changes != 0) {
        return (changes == 1 && compare(store, &there, &other)) ||
               error_set(err, STATUS_FAILED_PRECONDITION,
                         "%s has a record already, of %" PRId64
                         " changes, and not the one that is to be moved: give another database",
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
                         "%s is a record already: put it elsewhere first, or start with --store="
                         "sqlite if an earlier move has made it",
                         file);
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
