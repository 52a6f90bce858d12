/*
 * The writing side. Nothing is synced: after a crash of the machine the whole is made anew from the
 * record. A crash of control alone leaves the last commit as it was, and the readers notice
 * nothing.
 *
 * Files that are damaged are thrown away too, but only while nobody else has them open: a reader
 * would keep what it has mapped, and decide by it for ever.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "index/record.h"

enum { RECORD_BYTES_MAX = 4 * 1024 * 1024 };
static const size_t map_least = (size_t)256 << 20; /* address space, not memory */
static const size_t map_most = (size_t)1 << 40;

struct index_writer {
    size_t map_least;
    bool full; /* something did not fit into a map: the next change gets a larger one */
    MDB_env *front;
    MDB_env *run;
    MDB_dbi tables[FRONT_TABLES];
    MDB_dbi revisions;
};

struct index_txn {
    struct index_writer *writer;
    MDB_txn *front;
    MDB_txn *run;
    struct buffer scratch;
};

static bool fail(struct error *err, const char *what, int code)
{
    enum status status =
        code == MDB_MAP_FULL || code == ENOSPC ? STATUS_RESOURCE_EXHAUSTED : STATUS_INTERNAL;
    return error_set(err, status, "index: %s: %s", what, mdb_strerror(code));
}

static void wipe(const char *dir)
{
    static const char *const files[] = {"front/data.mdb", "front/lock.mdb", "run/data.mdb",
                                        "run/lock.mdb"};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char file[PATH_MAX];
        snprintf(file, sizeof(file), "%s/%s", dir, files[i]);
        unlink(file);
    }
}

/* Files of before the machine's last start may be half written: they go. */
static bool wipe_after_boot(const char *dir, struct error *err)
{
    auto_arena arena = {0};
    struct slice boot = SLICE_NONE;
    struct slice known = SLICE_NONE;
    char path[PATH_MAX];
    file_read(&arena, "/proc/sys/kernel/random/boot_id", 64, &boot, NULL);
    snprintf(path, sizeof(path), "%s/boot", dir);
    if (file_read(&arena, path, 64, &known, NULL) && boot.len > 0 && slice_equal(boot, known)) {
        return true;
    }
    wipe(dir);
    return file_write(path, boot, 0600, err);
}

/* Every process that has an environment open holds a lock on its lock file. */
static bool is_read_by_others(const char *dir, const char *part)
{
    char path[PATH_MAX];
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    snprintf(path, sizeof(path), "%s/%s/lock.mdb", dir, part);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return errno != ENOENT;
    }
    bool read = fcntl(fd, F_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
    close(fd);
    return read;
}

/*
 * A file that was cut would only be noticed by SIGBUS, when a page is touched that has gone. Its
 * last pages may never have been written, though, if they were free again at the commit.
 */
static int check_length(MDB_env *env)
{
    MDB_envinfo info;
    MDB_stat stat;
    struct stat file;
    int fd;
    int code = mdb_env_info(env, &info);
    if (code == 0) {
        code = mdb_env_stat(env, &stat);
    }
    if (code == 0) {
        code = mdb_env_get_fd(env, &fd);
    }
    if (code != 0) {
        return code;
    }
    if (fstat(fd, &file) != 0) {
        return errno;
    }
    return (size_t)file.st_size / stat.ms_psize > info.me_last_pgno ? 0 : MDB_CORRUPTED;
}

/* The map is as large as it was when last written to, and LEAST bytes. An error of LMDB. */
static int open_env(const char *dir, const char *part, size_t least, bool strict, MDB_env **out)
{
    MDB_envinfo info;
    char path[PATH_MAX];
    MDB_env *env = NULL;
    snprintf(path, sizeof(path), "%s/%s", dir, part);
    int code = mdb_env_create(&env);
    if (code == 0) {
        mdb_env_set_maxdbs(env, FRONT_TABLES + 4);
        mdb_env_set_maxreaders(env, 126);
        code =
            mdb_env_open(env, path, MDB_NOSYNC | MDB_NOMETASYNC | MDB_NOTLS | MDB_NORDAHEAD, 0600);
    }
    if (code == 0) {
        mdb_env_info(env, &info);
        code = info.me_mapsize < least ? mdb_env_set_mapsize(env, least) : 0;
    }
    if (code == 0 && strict) {
        code = check_length(env);
    }
    if (code != 0 && env != NULL) {
        mdb_env_close(env);
        env = NULL;
    }
    *out = env;
    return code;
}

static int open_both(struct index_writer *writer, const char *dir, bool strict)
{
    int code = open_env(dir, "front", writer->map_least, strict, &writer->front);
    if (code == 0) {
        code = open_env(dir, "run", writer->map_least, strict, &writer->run);
    }
    if (code != 0 && writer->front != NULL) {
        mdb_env_close(writer->front);
        writer->front = NULL;
    }
    return code;
}

static bool is_damage(int code)
{
    return code == MDB_INVALID || code == MDB_CORRUPTED || code == MDB_VERSION_MISMATCH ||
           code == MDB_PAGE_NOTFOUND || code == ENOMEM; /* a size that cannot be */
}

static bool open_or_wipe(struct index_writer *writer, const char *dir, struct error *err)
{
    char parts[2][PATH_MAX];
    snprintf(parts[0], PATH_MAX, "%s/front", dir);
    snprintf(parts[1], PATH_MAX, "%s/run", dir);
    if (!file_make_dir(parts[0], 0700, err) || !file_make_dir(parts[1], 0700, err)) {
        return false;
    }
    bool alone = !is_read_by_others(dir, "front") && !is_read_by_others(dir, "run");
    int code = open_both(writer, dir, alone);
    if (alone && is_damage(code)) {
        wipe(dir);
        code = open_both(writer, dir, false);
    }
    return code == 0 || fail(err, dir, code);
}

static bool make_tables(struct index_writer *writer, struct error *err)
{
    MDB_txn *txn;
    int code = mdb_txn_begin(writer->front, NULL, 0, &txn);
    if (code != 0) {
        return fail(err, "front", code);
    }
    for (int i = 0; i < FRONT_TABLES && code == 0; i++) {
        code = mdb_dbi_open(txn, front_table_names[i], MDB_CREATE, &writer->tables[i]);
    }
    if (code != 0) {
        mdb_txn_abort(txn);
        return fail(err, "front tables", code);
    }
    code = mdb_txn_commit(txn);
    if (code == 0) {
        code = mdb_txn_begin(writer->run, NULL, 0, &txn);
    }
    if (code == 0) {
        code = mdb_dbi_open(txn, "revision", MDB_CREATE, &writer->revisions);
        if (code == 0) {
            code = mdb_txn_commit(txn);
        } else {
            mdb_txn_abort(txn);
        }
    }
    return code == 0 || fail(err, "run tables", code);
}

struct index_writer *index_writer_new(const char *dir, struct error *err)
{
    return index_writer_new_sized(dir, map_least, err);
}

struct index_writer *index_writer_new_sized(const char *dir, size_t map_bytes, struct error *err)
{
    if (!file_make_dir(dir, 0700, err) || !wipe_after_boot(dir, err)) {
        return NULL;
    }
    struct index_writer *writer = mem_new(struct index_writer);
    writer->map_least = map_bytes;
    if (!open_or_wipe(writer, dir, err) || !make_tables(writer, err)) {
        index_writer_free(writer);
        return NULL;
    }
    return writer;
}

void index_writer_free(struct index_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    if (writer->front != NULL) {
        mdb_env_close(writer->front);
    }
    if (writer->run != NULL) {
        mdb_env_close(writer->run);
    }
    free(writer);
}

struct index_reader *index_writer_reader(struct index_writer *writer, struct error *err)
{
    return index_reader_over(writer->front, err);
}

void index_writer_check_readers(struct index_writer *writer)
{
    int dead;
    mdb_reader_check(writer->front, &dead);
    mdb_reader_check(writer->run, &dead);
}

uint64_t index_writer_change_number(struct index_writer *writer)
{
    MDB_txn *txn;
    uint64_t number = 0;
    if (mdb_txn_begin(writer->front, NULL, MDB_RDONLY, &txn) != 0) {
        return 0;
    }
    MDB_val key = {6, (void *)(uintptr_t) "change"};
    MDB_val layout_key = {6, (void *)(uintptr_t) "layout"};
    MDB_val value;
    uint32_t layout = 0;
    if (mdb_get(txn, writer->tables[FRONT_META], &layout_key, &value) == 0 &&
        value.mv_size == sizeof(layout)) {
        memcpy(&layout, value.mv_data, sizeof(layout));
    }
    if (layout == INDEX_LAYOUT && mdb_get(txn, writer->tables[FRONT_META], &key, &value) == 0 &&
        value.mv_size == sizeof(number)) {
        memcpy(&number, value.mv_data, sizeof(number));
    }
    mdb_txn_abort(txn);
    return number;
}

/*
 * Makes the map of ENV larger until what is there fills a quarter of it, and twice as large if it
 * was FULL. So one change may write three times as much as there is: more than to make all anew.
 * Readers in other processes take the new size up when they meet a page that is beyond theirs.
 */
static void grow(MDB_env *env, bool full)
{
    MDB_envinfo info;
    MDB_stat stat;
    if (mdb_env_info(env, &info) != 0 || mdb_env_stat(env, &stat) != 0) {
        return;
    }
    size_t used = (info.me_last_pgno + 1) * stat.ms_psize;
    size_t size = full ? 2 * info.me_mapsize : info.me_mapsize;
    while (size / 4 < used) {
        size *= 2;
    }
    size = size < map_most ? size : map_most;
    if (size > info.me_mapsize && mdb_env_set_mapsize(env, size) != 0) {
        abort(); /* the old map has gone already */
    }
}

bool index_writer_grows(const struct index_writer *writer)
{
    MDB_envinfo front, run;
    return writer->full && mdb_env_info(writer->front, &front) == 0 &&
           mdb_env_info(writer->run, &run) == 0 && front.me_mapsize < map_most &&
           run.me_mapsize < map_most;
}

struct index_txn *index_txn_begin(struct index_writer *writer, struct error *err)
{
    grow(writer->front, writer->full);
    grow(writer->run, writer->full);
    writer->full = false;
    struct index_txn *txn = mem_new(struct index_txn);
    txn->writer = writer;
    txn->scratch = BUFFER_INIT(RECORD_BYTES_MAX);
    int code = mdb_txn_begin(writer->front, NULL, 0, &txn->front);
    if (code == 0) {
        code = mdb_txn_begin(writer->run, NULL, 0, &txn->run);
    }
    if (code != 0) {
        fail(err, "begin", code);
        index_txn_abort(&txn);
        return NULL;
    }
    return txn;
}

/* A fault of a change; one that finds the map full makes room for the next. */
static bool refuse(struct index_txn *txn, struct error *err, const char *what, int code)
{
    if (code != MDB_MAP_FULL) {
        return fail(err, what, code);
    }
    txn->writer->full = true;
    return error_set(err, STATUS_RESOURCE_EXHAUSTED,
                     "The index has no room for a change of this size, and nothing was changed. "
                     "It gets more room with the next change: try again.");
}

/* Grows both at once, and has the files say so: the next to open them may be our successor, which
 * would run into the same limit. The size is written with any change, so one is made and taken
 * back. */
static void grow_for_successor(struct index_writer *writer)
{
    MDB_env *const envs[] = {writer->front, writer->run};
    const MDB_dbi tables[] = {writer->tables[FRONT_META], writer->revisions};
    for (int i = 0; i < 2; i++) {
        MDB_val k = {4, (void *)(uintptr_t) "size"};
        MDB_val v = k;
        MDB_txn *txn;
        grow(envs[i], true);
        if (mdb_txn_begin(envs[i], NULL, 0, &txn) != 0) {
            continue;
        }
        if (mdb_put(txn, tables[i], &k, &v, 0) != 0 || mdb_del(txn, tables[i], &k, NULL) != 0) {
            mdb_txn_abort(txn);
        } else {
            mdb_txn_commit(txn);
        }
    }
    writer->full = false;
}

bool index_txn_commit(struct index_txn **txn, struct error *err)
{
    struct index_txn *taken = *txn;
    *txn = NULL;
    int code = mdb_txn_commit(taken->run);
    if (code == 0) {
        code = mdb_txn_commit(taken->front);
    } else {
        mdb_txn_abort(taken->front);
    }
    bool good = code == 0 || refuse(taken, err, "commit", code);
    if (!good && taken->writer->full) {
        grow_for_successor(taken->writer);
    }
    buffer_done(&taken->scratch);
    free(taken);
    return good;
}

void index_txn_abort(struct index_txn **txn)
{
    struct index_txn *taken = *txn;
    *txn = NULL;
    if (taken->front != NULL) {
        mdb_txn_abort(taken->front);
    }
    if (taken->run != NULL) {
        mdb_txn_abort(taken->run);
    }
    buffer_done(&taken->scratch);
    free(taken);
}

static bool put(struct index_txn *txn, enum front_table table, struct slice key, struct slice value,
                struct error *err)
{
    MDB_val k = {key.len, (void *)(uintptr_t)key.data};
    MDB_val v = {value.len, (void *)(uintptr_t)value.data};
    int code = mdb_put(txn->front, txn->writer->tables[table], &k, &v, 0);
    return code == 0 || refuse(txn, err, front_table_names[table], code);
}

static bool put_scratch(struct index_txn *txn, enum front_table table, struct slice key,
                        struct error *err)
{
    bool good = !txn->scratch.overflow;
    if (!good) {
        error_set(err, STATUS_INVALID_ARGUMENT, "a record of the index would pass %d bytes",
                  RECORD_BYTES_MAX);
    } else {
        good = put(txn, table, key, buffer_slice(&txn->scratch), err);
    }
    buffer_clear(&txn->scratch);
    return good;
}

static bool drop(struct index_txn *txn, enum front_table table, struct slice key, struct error *err)
{
    MDB_val k = {key.len, (void *)(uintptr_t)key.data};
    int code = mdb_del(txn->front, txn->writer->tables[table], &k, NULL);
    return code == 0 || code == MDB_NOTFOUND || refuse(txn, err, front_table_names[table], code);
}

bool index_txn_clear(struct index_txn *txn, struct error *err)
{
    for (int i = 0; i < FRONT_TABLES; i++) {
        int code = mdb_drop(txn->front, txn->writer->tables[i], 0);
        if (code != 0) {
            return refuse(txn, err, front_table_names[i], code);
        }
    }
    int code = mdb_drop(txn->run, txn->writer->revisions, 0);
    return code == 0 || refuse(txn, err, "revision", code);
}

bool index_txn_put_route(struct index_txn *txn, struct slice host, const struct index_route *route,
                         struct error *err)
{
    MDB_val k = {host.len < RECORD_KEY_MAX ? host.len : RECORD_KEY_MAX,
                 (void *)(uintptr_t)host.data};
    MDB_val before;
    struct index_route other;
    if (mdb_get(txn->front, txn->writer->tables[FRONT_ROUTE], &k, &before) == 0 &&
        record_route((struct slice){before.mv_data, before.mv_size}, &other) &&
        other.service_id != route->service_id) {
        return error_set(err, STATUS_ALREADY_EXISTS, "the host %.*s leads to another service",
                         SLICE_ARG(slice_upto(host, 300)));
    }
    record_put_route(&txn->scratch, route);
    return put_scratch(txn, FRONT_ROUTE, slice_upto(host, RECORD_KEY_MAX), err);
}

bool index_txn_delete_route(struct index_txn *txn, struct slice host, struct error *err)
{
    return drop(txn, FRONT_ROUTE, slice_upto(host, RECORD_KEY_MAX), err);
}

bool index_txn_put_service(struct index_txn *txn, const struct index_service *service,
                           struct error *err)
{
    char key[RECORD_KEY_MAX + 8];
    record_put_service(&txn->scratch, service);
    return put_scratch(txn, FRONT_SERVICE, record_key(key, true, service->id, SLICE_NONE), err);
}

bool index_txn_delete_service(struct index_txn *txn, uint64_t id, struct error *err)
{
    char key[RECORD_KEY_MAX + 8];
    return drop(txn, FRONT_SERVICE, record_key(key, true, id, SLICE_NONE), err);
}

/* Deletes every key of NODE in TABLE, one of grants. */
static bool drop_grants(struct index_txn *txn, enum front_table table, uint64_t node,
                        struct error *err)
{
    char text[RECORD_KEY_MAX + 8];
    struct slice prefix = record_key(text, true, node, SLICE_NONE);
    MDB_cursor *cursor;
    int code = mdb_cursor_open(txn->front, txn->writer->tables[table], &cursor);
    if (code != 0) {
        return refuse(txn, err, front_table_names[table], code);
    }
    for (;;) {
        MDB_val key = {prefix.len, (void *)(uintptr_t)prefix.data};
        MDB_val value;
        code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
        if (code != 0 || key.mv_size < prefix.len ||
            memcmp(key.mv_data, prefix.data, prefix.len) != 0) {
            break;
        }
        code = mdb_cursor_del(cursor, 0);
        if (code != 0) {
            break;
        }
    }
    mdb_cursor_close(cursor);
    return code == 0 || code == MDB_NOTFOUND || refuse(txn, err, front_table_names[table], code);
}

/* Adds one grant behind those that MEMBER already has on NODE. */
static bool add_grant(struct index_txn *txn, enum front_table table, uint64_t node,
                      const struct index_grant_row *row, struct error *err)
{
    char text[RECORD_KEY_MAX + 8];
    struct slice key = record_key(text, true, node, row->member);
    MDB_val k = {key.len, (void *)(uintptr_t)key.data};
    MDB_val before;
    if (mdb_get(txn->front, txn->writer->tables[table], &k, &before) == 0) {
        buffer_add(&txn->scratch, (struct slice){before.mv_data, before.mv_size});
    }
    record_put_slice(&txn->scratch, row->grant.role);
    record_put_slice(&txn->scratch, row->grant.program);
    record_put_slice(&txn->scratch, row->grant.title);
    return put_scratch(txn, table, key, err);
}

static bool put_grants(struct index_txn *txn, enum front_table table, uint64_t node,
                       const struct index_grant_row *rows, size_t count, struct error *err)
{
    if (!drop_grants(txn, table, node, err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!add_grant(txn, table, node, &rows[i], err)) {
            return false;
        }
    }
    return true;
}

bool index_txn_put_grants(struct index_txn *txn, uint64_t node, const struct index_grant_row *rows,
                          size_t count, struct error *err)
{
    return put_grants(txn, FRONT_GRANT, node, rows, count, err);
}

bool index_txn_put_door_grants(struct index_txn *txn, uint64_t node,
                               const struct index_grant_row *rows, size_t count, struct error *err)
{
    return put_grants(txn, FRONT_DOOR_GRANT, node, rows, count, err);
}

bool index_txn_put_tags(struct index_txn *txn, uint64_t node, const struct index_tag *tags,
                        size_t count, struct error *err)
{
    char text[RECORD_KEY_MAX + 8];
    struct slice key = record_key(text, true, node, SLICE_NONE);
    for (size_t i = 0; i < count; i++) {
        record_put_tag(&txn->scratch, &tags[i]);
    }
    return count == 0 ? drop(txn, FRONT_TAG, key, err) : put_scratch(txn, FRONT_TAG, key, err);
}

bool index_txn_put_account(struct index_txn *txn, struct slice sub,
                           const struct index_account *account, struct error *err)
{
    char key[RECORD_KEY_MAX + 8];
    record_put_u8(&txn->scratch, (uint8_t)account->state);
    record_put_slice(&txn->scratch, account->member);
    record_put_slice(&txn->scratch, account->domain);
    return put_scratch(txn, FRONT_ACCOUNT, record_key(key, false, 0, sub), err);
}

bool index_txn_put_user_key(struct index_txn *txn, struct slice kid,
                            const struct index_user_key *key, struct error *err)
{
    char name[RECORD_KEY_MAX + 8];
    if (key == NULL) {
        return drop(txn, FRONT_USER_KEY, record_key(name, false, 0, kid), err);
    }
    record_put_slice(&txn->scratch, key->sub);
    record_put_slice(&txn->scratch, key->spki);
    record_put_u64(&txn->scratch, (uint64_t)key->from_s);
    record_put_u64(&txn->scratch, (uint64_t)key->until_s);
    return put_scratch(txn, FRONT_USER_KEY, record_key(name, false, 0, kid), err);
}

bool index_txn_put_groups(struct index_txn *txn, struct slice member, const struct slice *groups,
                          size_t count, struct error *err)
{
    char key[RECORD_KEY_MAX + 8];
    for (size_t i = 0; i < count; i++) {
        record_put_slice(&txn->scratch, groups[i]);
    }
    return put_scratch(txn, FRONT_GROUP, record_key(key, false, 0, member), err);
}

bool index_txn_delete_all_groups(struct index_txn *txn, struct error *err)
{
    int code = mdb_drop(txn->front, txn->writer->tables[FRONT_GROUP], 0);
    return code == 0 || refuse(txn, err, "group", code);
}

bool index_txn_put_issuer(struct index_txn *txn, struct slice iss,
                          const struct index_issuer *issuer, struct error *err)
{
    char key[RECORD_KEY_MAX + 8];
    record_put_u32(&txn->scratch, issuer->id);
    record_put_u8(&txn->scratch, issuer->ours);
    record_put_u8(&txn->scratch, issuer->google_like);
    record_put_slice(&txn->scratch, issuer->pool);
    record_put_slice(&txn->scratch, issuer->domains);
    record_put_u8(&txn->scratch, issuer->agents);
    return put_scratch(txn, FRONT_ISSUER, record_key(key, false, 0, iss), err);
}

bool index_txn_delete_issuer(struct index_txn *txn, struct slice iss, struct error *err)
{
    char key[RECORD_KEY_MAX + 8];
    return drop(txn, FRONT_ISSUER, record_key(key, false, 0, iss), err);
}

bool index_txn_put_key(struct index_txn *txn, uint32_t issuer, struct slice kid,
                       const struct index_key *key, struct error *err)
{
    char text[RECORD_KEY_MAX + 8];
    record_put_slice(&txn->scratch, key->alg);
    record_put_slice(&txn->scratch, key->spki);
    return put_scratch(txn, FRONT_KEY, record_key(text, true, issuer, kid), err);
}

bool index_txn_delete_keys(struct index_txn *txn, uint32_t issuer, struct error *err)
{
    char text[RECORD_KEY_MAX + 8];
    struct slice prefix = record_key(text, true, issuer, SLICE_NONE);
    MDB_cursor *cursor;
    int code = mdb_cursor_open(txn->front, txn->writer->tables[FRONT_KEY], &cursor);
    while (code == 0) {
        MDB_val key = {prefix.len, (void *)(uintptr_t)prefix.data};
        MDB_val value;
        code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
        if (code != 0 || key.mv_size < prefix.len ||
            memcmp(key.mv_data, prefix.data, prefix.len) != 0) {
            mdb_cursor_close(cursor);
            return code == 0 || code == MDB_NOTFOUND || refuse(txn, err, "key", code);
        }
        code = mdb_cursor_del(cursor, 0);
    }
    return refuse(txn, err, "key", code);
}

bool index_txn_put_session(struct index_txn *txn, const uint8_t key[INDEX_SESSION_KEY],
                           const struct index_session *session, struct error *err)
{
    if (session->group_count > INDEX_SESSION_GROUPS_MAX) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "a session has at most %d groups",
                         INDEX_SESSION_GROUPS_MAX);
    }
    record_put_session(&txn->scratch, session);
    return put_scratch(txn, FRONT_SESSION, (struct slice){(const char *)key, INDEX_SESSION_KEY},
                       err);
}

bool index_txn_delete_session(struct index_txn *txn, const uint8_t key[INDEX_SESSION_KEY],
                              struct error *err)
{
    return drop(txn, FRONT_SESSION, (struct slice){(const char *)key, INDEX_SESSION_KEY}, err);
}

bool index_txn_put_revision(struct index_txn *txn, uint64_t revision_id, struct slice json,
                            struct error *err)
{
    char text[RECORD_KEY_MAX + 8];
    struct slice key = record_key(text, true, revision_id, SLICE_NONE);
    MDB_val k = {key.len, (void *)(uintptr_t)key.data};
    MDB_val v = {json.len, (void *)(uintptr_t)json.data};
    int code = mdb_put(txn->run, txn->writer->revisions, &k, &v, 0);
    return code == 0 || refuse(txn, err, "revision", code);
}

bool index_txn_delete_revision(struct index_txn *txn, uint64_t revision_id, struct error *err)
{
    char text[RECORD_KEY_MAX + 8];
    struct slice key = record_key(text, true, revision_id, SLICE_NONE);
    MDB_val k = {key.len, (void *)(uintptr_t)key.data};
    int code = mdb_del(txn->run, txn->writer->revisions, &k, NULL);
    return code == 0 || code == MDB_NOTFOUND || refuse(txn, err, "revision", code);
}

bool index_txn_put_note(struct index_txn *txn, struct slice key, struct slice note,
                        struct error *err)
{
    char text[RECORD_KEY_MAX + 8];
    struct slice name = record_key(text, false, 0, key);
    return note.len == 0 ? drop(txn, FRONT_NOTE, name, err) : put(txn, FRONT_NOTE, name, note, err);
}

bool index_txn_find_note(struct index_txn *txn, struct slice key, struct slice *note)
{
    char text[RECORD_KEY_MAX + 8];
    struct slice name = record_key(text, false, 0, key);
    MDB_val k = {name.len, (void *)(uintptr_t)name.data};
    MDB_val v;
    if (mdb_get(txn->front, txn->writer->tables[FRONT_NOTE], &k, &v) != 0) {
        return false;
    }
    *note = (struct slice){v.mv_data, v.mv_size};
    return true;
}

bool index_txn_set_change_number(struct index_txn *txn, uint64_t number, struct error *err)
{
    uint32_t layout = INDEX_LAYOUT;
    return put(txn, FRONT_META, SLICE("layout"),
               (struct slice){(const char *)&layout, sizeof(layout)}, err) &&
           put(txn, FRONT_META, SLICE("change"),
               (struct slice){(const char *)&number, sizeof(number)}, err);
}
