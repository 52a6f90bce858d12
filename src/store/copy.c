/*
 * How a copy is kept in step with the record on a server. Our own changes: the rows that the
 * transaction has made are read back and sent, with the point of the chain that it stands on; the
 * server takes them only if that is still its end, and only then the file commits. Changes of
 * others: those of one moment of the server, row by row as they come, in one transaction of the
 * file.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/uuid.h"
#include "store/inside.h"

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS copy (one INTEGER PRIMARY KEY CHECK (one = 1),"
    "  number INTEGER NOT NULL, change TEXT NOT NULL);"
    "INSERT OR IGNORE INTO copy VALUES (1, 0, '');";

/* ---- where the copy is ---- */

static bool read_point(struct store *store, struct postgres_point *out, struct error *err)
{
    sqlite3_stmt *stmt = store_statement(store, SQL_POINT, err);
    if (stmt == NULL) {
        return false;
    }
    bool good = sqlite3_step(stmt) == SQLITE_ROW || store_fail(store, "database", err);
    if (good) {
        *out = (struct postgres_point){
            .number = (uint64_t)sqlite3_column_int64(stmt, 0),
            .versions = sqlite3_column_int64(stmt, 2),
            .last_document = sqlite3_column_int64(stmt, 3),
            .last_audit = sqlite3_column_int64(stmt, 4),
        };
        snprintf(out->id, sizeof(out->id), "%s", (const char *)sqlite3_column_text(stmt, 1));
    }
    sqlite3_reset(stmt);
    return good;
}

static bool write_point(struct store *store, const struct postgres_point *point, struct error *err)
{
    sqlite3_stmt *stmt = store_statement(store, SQL_POINT_SET, err);
    if (stmt == NULL) {
        return false;
    }
    sqlite3_bind_int64(stmt, 1, (int64_t)point->number);
    store_bind_text(stmt, 2, point->id);
    return store_run(store, stmt, NULL, err);
}

/* ---- a change of our own ---- */

bool copy_begin(struct store *store, struct error *err)
{
    if (store->behind) {
        return error_set(err, STATUS_ABORTED,
                         "This node is being brought up to what others changed: nothing was "
                         "changed; try again");
    }
    store->outrun = false;
    json_object_clear(store->touched);
    return read_point(store, &store->from, err);
}

void copy_touch(struct store *store, const char *kind, const char *key)
{
    if (store->server != NULL) {
        json_t *keys = json_object_get(store->touched, kind);
        if (keys == NULL) {
            keys = json_object();
            json_object_set_new(store->touched, kind, keys);
        }
        json_object_set_new(keys, key, json_null());
    }
}

static json_t *text_of(sqlite3_stmt *stmt, int column)
{
    return json_stringn((const char *)sqlite3_column_text(stmt, column),
                        (size_t)sqlite3_column_bytes(stmt, column));
}

/* What the transaction has made of one document. */
static bool collect_document(struct store *store, const char *kind, const char *key,
                             json_t *documents, json_t *gone, struct error *err)
{
    sqlite3_stmt *stmt = store_statement(store, SQL_GET, err);
    if (stmt == NULL) {
        return false;
    }
    store_bind_text(stmt, 1, kind);
    store_bind_text(stmt, 2, key);
    int code = sqlite3_step(stmt);
    auto_json *row = json_pack("{s:s, s:s}", "kind", kind, "key", key);
    bool good = (code == SQLITE_ROW || code == SQLITE_DONE) && row != NULL;
    if (!good) {
        row == NULL ? error_set(err, STATUS_INVALID_ARGUMENT, "the name %.60s is not UTF-8", key)
                    : store_fail(store, "database", err);
    } else if (code == SQLITE_ROW) {
        json_object_set_new(row, "id", json_integer(sqlite3_column_int64(stmt, 0)));
        json_object_set_new(row, "version", json_integer(sqlite3_column_int64(stmt, 1)));
        json_object_set_new(row, "body", text_of(stmt, 2));
        json_array_append(documents, row);
    } else {
        json_array_append(gone, row);
    }
    sqlite3_reset(stmt);
    return good;
}

static bool collect_documents(struct store *store, json_t *documents, json_t *gone,
                              struct error *err)
{
    const char *kind, *key;
    json_t *keys, *none;
    json_object_foreach(store->touched, kind, keys)
    {
        json_object_foreach(keys, key, none)
        {
            if (!collect_document(store, kind, key, documents, gone, err)) {
                return false;
            }
        }
    }
    return true;
}

static bool collect_audit(struct store *store, json_t *audit, struct error *err)
{
    sqlite3_stmt *stmt = store_statement(store, SQL_AUDIT_SINCE, err);
    int code = SQLITE_ERROR;
    if (stmt != NULL) {
        sqlite3_bind_int64(stmt, 1, store->from.last_audit);
        while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
            json_array_append_new(audit,
                                  json_pack("{s:I, s:o, s:o}", "number",
                                            (json_int_t)sqlite3_column_int64(stmt, 0), "resource",
                                            text_of(stmt, 1), "body", text_of(stmt, 2)));
        }
    }
    bool good = stmt != NULL && (code == SQLITE_DONE || store_fail(store, "database", err));
    sqlite3_reset(stmt);
    return good;
}

/* ---- a change in parts ---- */

/* What one statement may take: the server ends one that works for too long. */
enum { PART_BYTES = 4 << 20, ROW_BYTES = 256 };

/* The rows from *AT on that make one part, as a text for free(). */
static char *part_of(const json_t *rows, size_t *at)
{
    auto_json *part = json_array();
    for (size_t bytes = 0; *at < json_array_size(rows) && bytes < PART_BYTES; ++*at) {
        json_t *row = json_array_get(rows, *at);
        bytes += ROW_BYTES + json_string_length(json_object_get(row, "body"));
        json_array_append(part, row);
    }
    return mem_sure(json_dumps(part, JSON_COMPACT));
}

/* CHANGE gets its parts; nearly always one. */
static void cut_into_parts(const json_t *documents, const json_t *gone, const json_t *audit,
                           struct postgres_change *change)
{
    size_t document = 0, absent = 0, row = 0;
    while (document < json_array_size(documents) || absent < json_array_size(gone) ||
           row < json_array_size(audit)) {
        struct postgres_part part = {part_of(documents, &document), part_of(gone, &absent),
                                     part_of(audit, &row)};
        change->bytes += strlen(part.documents) + strlen(part.gone) + strlen(part.audit);
        change->parts = mem_more(change->parts, change->part_count + 1);
        change->parts[change->part_count++] = part;
    }
}

static void free_parts(struct postgres_change *change)
{
    for (size_t i = 0; i < change->part_count; i++) {
        free(change->parts[i].documents);
        free(change->parts[i].gone);
        free(change->parts[i].audit);
    }
    free(change->parts);
}

/* *END is set on success: how it went on the server. */
static bool send_change(struct store *store, struct postgres_point *to, enum postgres_end *end,
                        struct error *err)
{
    auto_json *documents = json_array(), *gone = json_array(), *audit = json_array();
    if (!collect_documents(store, documents, gone, err) || !collect_audit(store, audit, err) ||
        !read_point(store, to, err)) {
        return false;
    }
    struct postgres_change change = {.from = store->from, .to = *to};
    cut_into_parts(documents, gone, audit, &change);
    if (change.part_count == 0) {
        *end = POSTGRES_COMMITTED; /* of the index alone: the record is as it was */
        *to = store->from;
        return true;
    }
    change.to.number = store->from.number + 1;
    *end = postgres_commit(store->server, &change, err);
    *to = change.to;
    free_parts(&change);
    return true;
}

bool copy_commit(struct store *store, struct error *err)
{
    struct postgres_point to;
    enum postgres_end end = POSTGRES_COMMITTED;
    if (store->following) {
        store->following = false;
        store->behind = !store_commit_file(store, err);
        return !store->behind;
    }
    if (!send_change(store, &to, &end, err)) {
        store_rollback(store);
        return false;
    }
    store->behind = end == POSTGRES_BEHIND || end == POSTGRES_UNKNOWN;
    store->outrun = end == POSTGRES_BEHIND;
    if (end != POSTGRES_COMMITTED) {
        store_rollback(store);
        return false;
    }
    struct error local;
    if ((to.number != store->from.number && !write_point(store, &to, &local)) ||
        !store_commit_file(store, &local)) {
        store_rollback(store);
        store->behind = true;
        log_error("store: the change was committed to %s, but not to the copy on this machine: %s",
                  postgres_name(store->server), local.text);
        return error_set(err, STATUS_ABORTED,
                         "The change was committed, but this machine could not take it up: it will "
                         "be in force here when that has been mended (%s)",
                         local.text);
    }
    return true;
}

/* ---- changes of others ---- */

static bool forget_all(struct store *store, struct error *err)
{
    return sqlite3_exec(store->main.db, "DELETE FROM document; DELETE FROM audit;", NULL, NULL,
                        NULL) == SQLITE_OK ||
           store_fail(store, "database", err);
}

static bool put_document(struct store *store, const struct postgres_row *row, struct error *err)
{
    bool gone = row->body == NULL;
    sqlite3_stmt *stmt = store_statement(store, gone ? SQL_FOLLOW_DELETE : SQL_FOLLOW_PUT, err);
    if (stmt == NULL) {
        return false;
    }
    if (!gone) {
        sqlite3_bind_int64(stmt, 1, row->id);
        sqlite3_bind_int64(stmt, 4, row->version);
        store_bind_text(stmt, 5, row->body);
    }
    store_bind_text(stmt, gone ? 1 : 2, row->kind);
    store_bind_text(stmt, gone ? 2 : 3, row->key);
    return store_run(store, stmt, NULL, err);
}

static bool put_audit(struct store *store, const struct postgres_row *row, struct error *err)
{
    sqlite3_stmt *stmt = store_statement(store, SQL_FOLLOW_AUDIT, err);
    if (stmt == NULL) {
        return false;
    }
    sqlite3_bind_int64(stmt, 1, row->id);
    store_bind_text(stmt, 2, row->key);
    store_bind_text(stmt, 3, row->body);
    return store_run(store, stmt, NULL, err);
}

static bool put_sequence(struct store *store, const char *table, int64_t number, struct error *err)
{
    sqlite3_stmt *stmt = store_statement(store, SQL_SEQUENCES_SET, err);
    if (stmt == NULL) {
        return false;
    }
    store_bind_text(stmt, 1, table);
    sqlite3_bind_int64(stmt, 2, number);
    return store_run(store, stmt, NULL, err);
}

static bool put_counters(struct store *store, const struct postgres_point *point, struct error *err)
{
    sqlite3_stmt *stmt = store_statement(store, SQL_VERSIONS_SET, err);
    if (stmt == NULL) {
        return false;
    }
    sqlite3_bind_int64(stmt, 1, point->versions);
    return store_run(store, stmt, NULL, err) &&
           (sqlite3_exec(store->main.db, "DELETE FROM sqlite_sequence", NULL, NULL, NULL) ==
                SQLITE_OK ||
            store_fail(store, "database", err)) &&
           put_sequence(store, "document", point->last_document, err) &&
           put_sequence(store, "audit", point->last_audit, err) && write_point(store, point, err);
}

/* Who wants to know what was touched. */
struct telling {
    void (*touched)(void *ctx, const char *kind, const char *key);
    void *ctx;
};

/* Rows of one kind, to the last one. */
static bool take_rows(struct store *store, struct postgres_delta *delta,
                      bool (*put)(struct store *store, const struct postgres_row *row,
                                  struct error *err),
                      const struct telling *telling, struct error *err)
{
    struct postgres_row row;
    enum postgres_next next;
    while ((next = postgres_delta_next(delta, &row, err)) == POSTGRES_ROW) {
        if (!put(store, &row, err)) {
            return false;
        }
        if (telling != NULL) {
            telling->touched(telling->ctx, row.kind, row.key);
        }
    }
    return next == POSTGRES_END;
}

static bool take_up(struct store *store, struct postgres_delta *delta,
                    const struct telling *telling, struct error *err)
{
    bool whole = postgres_delta_is_whole(delta);
    if (whole) {
        telling->touched(telling->ctx, "", "");
    }
    return (!whole || forget_all(store, err)) &&
           take_rows(store, delta, put_document, whole ? NULL : telling, err) &&
           take_rows(store, delta, put_audit, NULL, err) &&
           put_counters(store, postgres_delta_point(delta), err);
}

enum store_follow store_follow(struct store *store,
                               void (*touched)(void *ctx, const char *kind, const char *key),
                               void *ctx, struct error *err)
{
    struct postgres_point before, now;
    if (store->server == NULL) {
        return STORE_FOLLOW_NOTHING;
    }
    if (store->changing || !read_point(store, &before, err)) {
        if (store->changing) {
            error_set(err, STATUS_ABORTED, "a change is under way");
        }
        return STORE_FOLLOW_FAILED;
    }
    struct postgres_delta *delta = postgres_since(store->server, &before, err);
    if (delta == NULL) {
        return STORE_FOLLOW_FAILED;
    }
    enum store_follow result = STORE_FOLLOW_FAILED;
    /* While the server was asked, a change of our own may have come between. */
    if (store->changing || !read_point(store, &now, err) || now.number != before.number) {
        error_set(err, STATUS_ABORTED, "a change came between");
    } else if (postgres_delta_point(delta)->number == before.number) {
        store->behind = store->outrun = false;
        result = STORE_FOLLOW_NOTHING;
    } else {
        store->behind = store->outrun = false;
        bool begun = store_begin(store, err);
        if (begun && take_up(store, delta, &(struct telling){touched, ctx}, err)) {
            store->following = true;
            result = STORE_FOLLOW_CHANGED;
        } else {
            store_rollback(store);
            store->behind = true;
        }
    }
    postgres_delta_free(delta);
    return result;
}

bool store_must_follow(const struct store *store)
{
    return store->behind;
}

bool store_was_outrun(const struct store *store)
{
    return store->outrun;
}

void store_not_outrun(struct store *store)
{
    store->outrun = false;
}

/* ---- opening ---- */

static bool wait_still(void *ctx, int fd, short events, int64_t deadline_us)
{
    (void)ctx;
    return file_wait(fd, events, deadline_us);
}

static void run_here(void *ctx, void (*fn)(void *arg), void *arg)
{
    (void)ctx;
    fn(arg);
}

static const struct store_host still = {.wait = wait_still, .away = run_here};

void store_set_host(struct store *store, const struct store_host *host)
{
    if (store->server != NULL) {
        postgres_set_host(store->server, host);
    }
}

bool store_is_shared(const struct store *store)
{
    return store->server != NULL;
}

bool store_rejoin(struct store *store, struct error *err)
{
    return store->server == NULL || postgres_rejoin(store->server, err);
}

bool store_renew(struct store *store, bool *lost, struct error *err)
{
    *lost = false;
    return store->server == NULL || postgres_renew_lease(store->server, lost, err);
}

bool store_shared_point(struct store *store, struct store_point *out, struct error *err)
{
    struct postgres_point point = {0};
    bool good = store->server == NULL || read_point(store, &point, err);
    out->number = point.number;
    memcpy(out->id, point.id, sizeof(out->id));
    return good;
}

void store_join(struct store *store, int64_t epoch)
{
    postgres_join(store->server, epoch);
}

bool store_tell_applied(struct store *store, uint64_t number, struct error *err)
{
    return postgres_tell_applied(store->server, number, err);
}

bool store_drain_node(struct store *store, const char *name, bool draining, struct error *err)
{
    return postgres_drain(store->server, name, draining, err);
}

bool store_remove_node(struct store *store, const char *name, struct error *err)
{
    return postgres_remove(store->server, name, err);
}

size_t store_members(const struct store *store, const struct store_member **out, bool *known)
{
    return postgres_members(store->server, out, known);
}

void copy_close(struct store *store)
{
    store_set_host(store, &still); /* the loop that it waited by may be gone */
    postgres_close(store->server);
    free(store->joined_file);
}

/* The id in FILE; "" if there is none yet. */
static bool read_installation(const char *file, char out[STORE_INSTALLATION], struct error *err)
{
    auto_arena arena = {0};
    struct slice text;
    struct error absent;
    out[0] = '\0';
    if (file_read(&arena, file, STORE_INSTALLATION, &text, &absent)) {
        snprintf(out, STORE_INSTALLATION, "%.*s", SLICE_ARG(slice_trim(text)));
        out[strcspn(out, "\n")] = '\0';
        return out[0] != '\0' ||
               error_set(err, STATUS_FAILED_PRECONDITION, "%s is empty: put it back", file);
    }
    if (absent.status != STATUS_NOT_FOUND) {
        *err = absent;
        return false;
    }
    return true;
}

static bool write_installation(const char *file, const char *id, struct error *err)
{
    auto_arena arena = {0};
    return file_write(file, slice_of(arena_printf(&arena, "%s\n", id)), 0600, err);
}

/* The database is nobody's: from now on it is of OURS, in the file before the server knows it. If
 * another one was faster, THEIRS is not OURS, and the file is as it was. */
static bool claim_database(struct store *store, const char *file, char ours[STORE_INSTALLATION],
                           char theirs[STORE_INSTALLATION], struct error *err)
{
    auto_arena arena = {0};
    bool fresh = ours[0] == '\0';
    if (fresh) {
        snprintf(ours, STORE_INSTALLATION, "%s", uuid_new(&arena));
        if (!write_installation(file, ours, err)) {
            return false;
        }
    }
    if (!postgres_claim(store->server, ours, theirs, err)) {
        return false; /* it may be ours now: the file says so */
    }
    if (fresh && strcmp(ours, theirs) != 0) {
        unlink(file);
        ours[0] = '\0';
    }
    return true;
}

/* Whose the database is, and THEIRS "" if nobody's. A node without an installation of its own waits
 * until the first node of a new cluster has all that others start with in the record, or is that
 * node itself. */
static bool find_installation(struct store *store, const struct store_shared *shared,
                              const char *ours, char theirs[STORE_INSTALLATION], struct error *err)
{
    if (ours[0] == '\0' && shared->joins) {
        if (!postgres_begin_founding(store->server, err)) {
            return false;
        }
        store->founding = true;
    }
    if (!postgres_installation(store->server, theirs, err)) {
        return false;
    }
    if (store->founding && theirs[0] != '\0') {
        postgres_end_founding(store->server);
        store->founding = false;
    }
    return true;
}

/* One database, one installation: two of them would undo each other's changes, and neither could
 * open the other's secrets. */
static bool check_installation(struct store *store, const struct store_shared *shared,
                               struct error *err)
{
    const char *file = shared->installation;
    char ours[STORE_INSTALLATION], theirs[STORE_INSTALLATION];
    if (!read_installation(file, ours, err) ||
        !find_installation(store, shared, ours, theirs, err) ||
        (theirs[0] == '\0' && !claim_database(store, file, ours, theirs, err))) {
        return false;
    }
    if (strcmp(ours, theirs) == 0) {
        return true;
    }
    if (ours[0] == '\0' && shared->joins) {
        store->joined_file = mem_dup(file);
        memcpy(store->joined, theirs, sizeof(store->joined));
        return true;
    }
    return error_set(err, STATUS_FAILED_PRECONDITION,
                     "%s belongs to another installation of Homerun (%s). To go on with that one, "
                     "bring its data folder here; for another node of that one's cluster, its "
                     "installation, signer and owner.json, or its --cluster-key; for one of its "
                     "own, make another database",
                     postgres_name(store->server), theirs);
}

bool store_settle(struct store *store, struct error *err)
{
    if (store->founding) {
        postgres_end_founding(store->server);
        store->founding = false;
    }
    if (store->joined_file == NULL) {
        return true;
    }
    if (!write_installation(store->joined_file, store->joined, err)) {
        return false;
    }
    free(store->joined_file);
    store->joined_file = NULL;
    return true;
}

static void ignore(void *ctx, const char *kind, const char *key)
{
    (void)ctx, (void)kind, (void)key;
}

bool store_catch_up(struct store *store, struct error *err)
{
    switch (store_follow(store, ignore, NULL, err)) {
    case STORE_FOLLOW_NOTHING:
        return true;
    case STORE_FOLLOW_CHANGED:
        return store_commit(store, err);
    case STORE_FOLLOW_FAILED:
        break;
    }
    return false;
}

/* The server's disk is what a change waits for. What this machine's forgets when it loses its power
 * is followed again, and a copy that lacks its last changes is still whole. */
static const char set_up[] = "PRAGMA synchronous = NORMAL";

static bool open_copy(struct store *store, const struct store_shared *shared, struct error *err)
{
    store->touched = json_object();
    if (sqlite3_exec(store->main.db, set_up, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(store->main.db, schema, NULL, NULL, NULL) != SQLITE_OK) {
        return store_fail(store, shared->copy, err);
    }
    store->server = postgres_open(shared->url, shared->node, &still, err);
    if (store->server == NULL || !check_installation(store, shared, err) ||
        (shared->alone && !postgres_take_lease(store->server, err)) ||
        (shared->cluster && !postgres_refuse_alone(store->server, err))) {
        return false;
    }
    if (sqlite3_open_v2(shared->copy, &store->aside.db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK) {
        return error_set(err, STATUS_INTERNAL, "%s: %s", shared->copy,
                         sqlite3_errmsg(store->aside.db));
    }
    sqlite3_busy_timeout(store->aside.db, 1000);
    return store_catch_up(store, err);
}

struct store *store_open_shared(const struct store_shared *shared, struct error *err)
{
    struct store *store = store_open_file(shared->copy, true, err);
    if (store != NULL && !open_copy(store, shared, err)) {
        store_close(store);
        return NULL;
    }
    return store;
}
