/*
 * The reading side. Each request asks for the newest commit, so no cache of ours can outlive a
 * change. To ask costs two reads of the map, where a commit leaves its number before anybody is
 * told that it has been made; only where the number is another one a new read transaction is taken.
 */
#include <limits.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "index/record.h"

struct index_reader {
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi tables[FRONT_TABLES];
    uint64_t number; /* of the transaction, while it is live */
    bool live;       /* the transaction is renewed */
    bool borrowed;   /* the environment is the writer's */
};

struct index_run {
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi table;
    bool live;
};

static bool fail(struct error *err, const char *what, int code)
{
    return error_set(err, STATUS_INTERNAL, "%s: %s", what, mdb_strerror(code));
}

static MDB_env *open_env(const char *dir, const char *part, struct error *err)
{
    char path[PATH_MAX];
    MDB_env *env;
    snprintf(path, sizeof(path), "%s/%s", dir, part);
    int code = mdb_env_create(&env);
    if (code == 0) {
        mdb_env_set_maxdbs(env, FRONT_TABLES + 4);
        mdb_env_set_maxreaders(env, 126);
        code = mdb_env_open(env, path, MDB_RDONLY | MDB_NOTLS | MDB_NORDAHEAD, 0600);
        if (code == 0) {
            return env;
        }
        mdb_env_close(env);
    }
    fail(err, path, code);
    return NULL;
}

static enum index_found find(MDB_txn *txn, MDB_dbi table, struct slice key, struct slice *out)
{
    MDB_val k = {key.len, (void *)(uintptr_t)key.data};
    MDB_val v;
    int code = key.len == 0 ? MDB_NOTFOUND : mdb_get(txn, table, &k, &v);
    if (code != 0) {
        return code == MDB_NOTFOUND ? INDEX_ABSENT : INDEX_UNREADABLE;
    }
    *out = (struct slice){v.mv_data, v.mv_size};
    return INDEX_FOUND;
}

static bool get(MDB_txn *txn, MDB_dbi table, struct slice key, struct slice *out)
{
    return find(txn, table, key, out) == INDEX_FOUND;
}

static bool check_layout(MDB_txn *txn, MDB_dbi meta, struct error *err)
{
    struct slice layout;
    if (!get(txn, meta, SLICE("layout"), &layout) || layout.len != sizeof(uint32_t)) {
        return error_set(err, STATUS_FAILED_PRECONDITION, "the index has not been published yet");
    }
    uint32_t number;
    memcpy(&number, layout.data, sizeof(number));
    if (number != INDEX_LAYOUT) {
        return error_set(err, STATUS_FAILED_PRECONDITION, "the index has layout %u, we read %u",
                         number, (unsigned)INDEX_LAYOUT);
    }
    return true;
}

static bool open_tables(struct index_reader *reader, struct error *err)
{
    int code = mdb_txn_begin(reader->env, NULL, MDB_RDONLY, &reader->txn);
    if (code != 0) {
        return fail(err, "index", code);
    }
    for (int i = 0; i < FRONT_TABLES; i++) {
        code = mdb_dbi_open(reader->txn, front_table_names[i], 0, &reader->tables[i]);
        if (code != 0) {
            return fail(err, front_table_names[i], code);
        }
    }
    if (!check_layout(reader->txn, reader->tables[FRONT_META], err)) {
        return false;
    }
    /* Handles stay good once the transaction that opened them has committed. */
    code = mdb_txn_commit(reader->txn);
    reader->txn = NULL;
    if (code == 0) {
        code = mdb_txn_begin(reader->env, NULL, MDB_RDONLY, &reader->txn);
    }
    if (code != 0) {
        return fail(err, "index", code);
    }
    reader->number = mdb_txn_id(reader->txn);
    reader->live = true;
    return true;
}

struct index_reader *index_reader_new(const char *dir, struct error *err)
{
    struct index_reader *reader = mem_new(struct index_reader);
    reader->env = open_env(dir, "front", err);
    if (reader->env == NULL || !open_tables(reader, err)) {
        index_reader_free(reader);
        return NULL;
    }
    return reader;
}

struct index_reader *index_reader_over(MDB_env *env, struct error *err)
{
    struct index_reader *reader = mem_new(struct index_reader);
    reader->env = env;
    reader->borrowed = true;
    if (!open_tables(reader, err)) {
        index_reader_free(reader);
        return NULL;
    }
    return reader;
}

void index_reader_free(struct index_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    if (reader->txn != NULL) {
        mdb_txn_abort(reader->txn);
    }
    if (reader->env != NULL && !reader->borrowed) {
        mdb_env_close(reader->env);
    }
    free(reader);
}

/* The newest committed transaction. If control has made its map larger, so do we: the system calls
 * that it takes are left to a worker in its sandbox. */
static void renew(MDB_env *env, MDB_txn *txn)
{
    int code = mdb_txn_renew(txn);
    while (code == MDB_MAP_RESIZED) {
        code = mdb_env_set_mapsize(env, 0);
        code = code == 0 ? mdb_txn_renew(txn) : code;
    }
    if (code != 0) {
        abort(); /* without a view of the index nothing may be decided */
    }
}

/* The number of the newest commit. LMDB writes it into the map before mdb_txn_commit() returns in
 * the writer, and before the number in its lock file, which mdb_txn_renew() goes by. */
static uint64_t newest(MDB_env *env)
{
    MDB_envinfo info;
    if (mdb_env_info(env, &info) != 0) {
        abort(); /* it fails for no environment at all, and nothing may be decided without one */
    }
    return info.me_last_txnid;
}

uint64_t index_reader_renew(struct index_reader *reader)
{
    if (reader->live && newest(reader->env) == reader->number) {
        return reader->number; /* a new transaction would be the very same one */
    }
    if (reader->live) {
        mdb_txn_reset(reader->txn);
    }
    renew(reader->env, reader->txn);
    reader->live = true;
    return reader->number = mdb_txn_id(reader->txn);
}

void index_reader_release(struct index_reader *reader)
{
    if (reader->live) {
        mdb_txn_reset(reader->txn);
        reader->live = false;
    }
}

static bool front(const struct index_reader *reader, enum front_table table, struct slice key,
                  struct slice *out)
{
    return get(reader->txn, reader->tables[table], key, out);
}

bool index_reader_route(const struct index_reader *reader, struct slice host,
                        struct index_route *out)
{
    struct slice record;
    return host.len <= RECORD_KEY_MAX && front(reader, FRONT_ROUTE, host, &record) &&
           record_route(record, out);
}

bool index_reader_service(const struct index_reader *reader, uint64_t id, struct index_service *out)
{
    char key[RECORD_KEY_MAX + 8];
    struct slice record;
    return front(reader, FRONT_SERVICE, record_key(key, true, id, SLICE_NONE), &record) &&
           record_service(record, out);
}

static size_t find_grants(const struct index_reader *reader, enum front_table table, uint64_t node,
                          struct slice member, struct index_grant *out, size_t max)
{
    char key[RECORD_KEY_MAX + 8];
    struct slice record;
    if (!front(reader, table, record_key(key, true, node, member), &record)) {
        return 0;
    }
    struct record_reader at = {.at = record.data, .left = record.len};
    size_t count = 0;
    while (at.left > 0 && count < max) {
        struct index_grant grant = {record_slice(&at), record_slice(&at), record_slice(&at)};
        if (at.broken) {
            break;
        }
        out[count++] = grant;
    }
    return count;
}

size_t index_reader_grants(const struct index_reader *reader, uint64_t node, struct slice member,
                           struct index_grant *out, size_t max)
{
    return find_grants(reader, FRONT_GRANT, node, member, out, max);
}

size_t index_reader_door_grants(const struct index_reader *reader, uint64_t node,
                                struct slice member, struct index_grant *out, size_t max)
{
    return find_grants(reader, FRONT_DOOR_GRANT, node, member, out, max);
}

enum index_found index_reader_tag(const struct index_reader *reader, uint64_t node, bool by_id,
                                  struct slice key, struct slice *value)
{
    char text[RECORD_KEY_MAX + 8];
    struct slice record;
    enum index_found found = find(reader->txn, reader->tables[FRONT_TAG],
                                  record_key(text, true, node, SLICE_NONE), &record);
    if (found != INDEX_FOUND) {
        return found;
    }
    struct record_reader at = {.at = record.data, .left = record.len};
    while (at.left > 0) {
        struct index_tag tag;
        record_tag(&at, &tag);
        if (at.broken) {
            return INDEX_UNREADABLE;
        }
        if (slice_equal(by_id ? tag.key : tag.key_name, key)) {
            *value = by_id ? tag.value : tag.value_name;
            return INDEX_FOUND;
        }
    }
    return INDEX_ABSENT;
}

bool index_reader_account(const struct index_reader *reader, struct slice sub,
                          struct index_account *out)
{
    struct slice record;
    char key[RECORD_KEY_MAX + 8];
    if (!front(reader, FRONT_ACCOUNT, record_key(key, false, 0, sub), &record)) {
        return false;
    }
    struct record_reader at = {.at = record.data, .left = record.len};
    uint8_t state = record_u8(&at);
    out->state =
        state <= INDEX_ACCOUNT_DELETED ? (enum index_account_state)state : INDEX_ACCOUNT_DELETED;
    out->member = record_slice(&at);
    out->domain = record_slice(&at);
    return !at.broken;
}

size_t index_reader_groups(const struct index_reader *reader, struct slice member,
                           struct slice *out, size_t max)
{
    char key[RECORD_KEY_MAX + 8];
    struct slice record;
    if (!front(reader, FRONT_GROUP, record_key(key, false, 0, member), &record)) {
        return 0;
    }
    struct record_reader at = {.at = record.data, .left = record.len};
    size_t count = 0;
    while (at.left > 0 && count < max) {
        struct slice group = record_slice(&at);
        if (at.broken) {
            break;
        }
        out[count++] = group;
    }
    return count;
}

bool index_reader_issuer(const struct index_reader *reader, struct slice iss,
                         struct index_issuer *out)
{
    char key[RECORD_KEY_MAX + 8];
    struct slice record;
    if (!front(reader, FRONT_ISSUER, record_key(key, false, 0, iss), &record)) {
        return false;
    }
    struct record_reader at = {.at = record.data, .left = record.len};
    out->id = record_u32(&at);
    out->ours = record_u8(&at) != 0;
    out->google_like = record_u8(&at) != 0;
    out->pool = record_slice(&at);
    out->domains = record_slice(&at);
    out->agents = record_u8(&at) != 0;
    return !at.broken;
}

bool index_reader_key(const struct index_reader *reader, uint32_t issuer, struct slice kid,
                      struct index_key *out)
{
    char key[RECORD_KEY_MAX + 8];
    struct slice record;
    if (!front(reader, FRONT_KEY, record_key(key, true, issuer, kid), &record)) {
        return false;
    }
    struct record_reader at = {.at = record.data, .left = record.len};
    out->alg = record_slice(&at);
    out->spki = record_slice(&at);
    return !at.broken;
}

bool index_reader_user_key(const struct index_reader *reader, struct slice kid)
{
    char key[RECORD_KEY_MAX + 8];
    struct slice record;
    return front(reader, FRONT_USER_KEY, record_key(key, false, 0, kid), &record);
}

bool index_reader_find_user_key(const struct index_reader *reader, struct slice kid,
                                struct index_user_key *out)
{
    char key[RECORD_KEY_MAX + 8];
    struct slice record;
    if (!front(reader, FRONT_USER_KEY, record_key(key, false, 0, kid), &record)) {
        return false;
    }
    struct record_reader at = {.at = record.data, .left = record.len};
    out->sub = record_slice(&at);
    out->spki = record_slice(&at);
    out->from_s = (int64_t)record_u64(&at);
    out->until_s = (int64_t)record_u64(&at);
    return !at.broken && at.left == 0;
}

static bool find_session(const struct index_reader *reader, const uint8_t key[INDEX_SESSION_KEY],
                         struct slice *record)
{
    return front(reader, FRONT_SESSION, (struct slice){(const char *)key, INDEX_SESSION_KEY},
                 record);
}

bool index_reader_session(const struct index_reader *reader, const uint8_t key[INDEX_SESSION_KEY],
                          struct index_session *out)
{
    static const uint8_t none[INDEX_SESSION_KEY];
    struct slice record, parent;
    return find_session(reader, key, &record) && record_session(record, out) &&
           (memcmp(out->parent, none, INDEX_SESSION_KEY) == 0 ||
            find_session(reader, out->parent, &parent));
}

/* ---- run ---- */

struct index_run *index_run_new(const char *dir, struct error *err)
{
    struct index_run *run = mem_new(struct index_run);
    run->env = open_env(dir, "run", err);
    int code = run->env == NULL ? -1 : mdb_txn_begin(run->env, NULL, MDB_RDONLY, &run->txn);
    if (code == 0) {
        code = mdb_dbi_open(run->txn, "revision", 0, &run->table);
    }
    if (code == 0) {
        code = mdb_txn_commit(run->txn);
        run->txn = NULL;
    }
    if (code == 0) {
        code = mdb_txn_begin(run->env, NULL, MDB_RDONLY, &run->txn);
    }
    if (code != 0) {
        if (run->env != NULL) {
            fail(err, "run index", code);
        }
        index_run_free(run);
        return NULL;
    }
    run->live = true;
    return run;
}

void index_run_free(struct index_run *run)
{
    if (run == NULL) {
        return;
    }
    if (run->txn != NULL) {
        mdb_txn_abort(run->txn);
    }
    if (run->env != NULL) {
        mdb_env_close(run->env);
    }
    free(run);
}

uint64_t index_run_renew(struct index_run *run)
{
    if (run->live) {
        mdb_txn_reset(run->txn);
    }
    renew(run->env, run->txn);
    run->live = true;
    return mdb_txn_id(run->txn);
}

bool index_run_revision(const struct index_run *run, uint64_t revision_id, struct slice *json)
{
    char key[RECORD_KEY_MAX + 8];
    return get(run->txn, run->table, record_key(key, true, revision_id, SLICE_NONE), json);
}

bool index_run_next(const struct index_run *run, uint64_t *at, struct slice *json)
{
    char text[RECORD_KEY_MAX + 8];
    MDB_cursor *cursor;
    if (mdb_cursor_open(run->txn, run->table, &cursor) != 0) {
        return false;
    }
    struct slice wanted = record_key(text, true, *at, SLICE_NONE);
    MDB_val key = {wanted.len, (void *)(uintptr_t)wanted.data};
    MDB_val value;
    bool found =
        mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE) == 0 && key.mv_size == sizeof(uint64_t);
    if (found) {
        uint64_t id;
        memcpy(&id, key.mv_data, sizeof(id));
        *at = be64toh(id) + 1;
        *json = (struct slice){value.mv_data, value.mv_size};
    }
    mdb_cursor_close(cursor);
    return found;
}
