/*
 * Keys are compared by bytes, whatever collation the database has, so that prefixes and orders mean
 * the same as in SQLite. Documents are text: jsonb would put their names in another order, and
 * refuses what JSON allows.
 */
#include "store/postgres_schema.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* Any number that no other program is likely to take. */
const char postgres_lock[] = "SELECT pg_advisory_xact_lock(7810779105126347)";

/* What leads from each version to the next. A step is never changed once it was released. */
static const char *const steps[][12] = {
    {
        "CREATE TABLE homerun.meta (name text COLLATE \"C\" PRIMARY KEY, value text NOT NULL)",
        "INSERT INTO homerun.meta VALUES ('schema', '0')",
        /* The chain: a change has one predecessor, and a predecessor one successor. */
        "CREATE TABLE homerun.change (number bigint PRIMARY KEY,"
        " id text COLLATE \"C\" NOT NULL UNIQUE,"
        " previous text COLLATE \"C\" UNIQUE REFERENCES homerun.change (id) ON DELETE SET NULL,"
        " versions bigint NOT NULL, last_document bigint NOT NULL, last_audit bigint NOT NULL,"
        " node text NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp())",
        /* Ids of changes that were tried. Without a number: it must never be committed. */
        "CREATE TABLE homerun.attempt (id text COLLATE \"C\" PRIMARY KEY,"
        " number bigint UNIQUE REFERENCES homerun.change (number) ON DELETE CASCADE,"
        " at timestamptz NOT NULL DEFAULT clock_timestamp())",
        /* Names alone: what was deleted must not live on in here. */
        "CREATE TABLE homerun.touched ("
        " change bigint NOT NULL REFERENCES homerun.change (number) ON DELETE CASCADE,"
        " kind text COLLATE \"C\" NOT NULL, key text COLLATE \"C\" NOT NULL,"
        " PRIMARY KEY (change, kind, key))",
        "CREATE TABLE homerun.document (kind text COLLATE \"C\" NOT NULL,"
        " key text COLLATE \"C\" NOT NULL, id bigint NOT NULL UNIQUE, version bigint NOT NULL,"
        " body text NOT NULL, PRIMARY KEY (kind, key))",
        "CREATE TABLE homerun.audit (number bigint PRIMARY KEY,"
        " resource text COLLATE \"C\" NOT NULL, body text NOT NULL)",
    },
    {
        /* Who serves by this record now. An epoch ends what an earlier holder still sends. */
        "CREATE TABLE homerun.node (name text COLLATE \"C\" PRIMARY KEY, epoch bigint NOT NULL,"
        " valid_until timestamptz NOT NULL)",
    },
    {
        /* Nodes of a cluster (nodes.h). BEAT rises with each renewal: who waits for a silent node
         * judges it by that and a clock of their own, not by VALID_UNTIL. */
        "ALTER TABLE homerun.node ADD COLUMN alone boolean NOT NULL DEFAULT true,"
        " ADD COLUMN serves boolean NOT NULL DEFAULT true,"
        " ADD COLUMN draining boolean NOT NULL DEFAULT false,"
        " ADD COLUMN beat bigint NOT NULL DEFAULT 0,"
        " ADD COLUMN applied bigint NOT NULL DEFAULT 0,"
        " ADD COLUMN lease_ms integer NOT NULL DEFAULT 0,"
        " ADD COLUMN url text NOT NULL DEFAULT ''",
    },
    {
        /* Which node has which places of a revision's instances (ipc/shares.h): until its TENURE
         * ends, which goes on when its control is restarted. */
        "ALTER TABLE homerun.node ADD COLUMN tenure bigint NOT NULL DEFAULT 0",
        "CREATE SEQUENCE homerun.place_version",
        "CREATE TABLE homerun.place (revision bigint PRIMARY KEY, version bigint NOT NULL,"
        " division text NOT NULL)",
    },
    {
        /* What nodes ask each other (questions.h): of the moment, and so not logged. */
        "CREATE UNLOGGED TABLE homerun.question (id text COLLATE \"C\" PRIMARY KEY,"
        " node text NOT NULL, what text NOT NULL, body text NOT NULL,"
        " at timestamptz NOT NULL DEFAULT clock_timestamp())",
        "CREATE UNLOGGED TABLE homerun.answer (question text COLLATE \"C\" NOT NULL"
        " REFERENCES homerun.question (id) ON DELETE CASCADE, node text COLLATE \"C\" NOT NULL,"
        " body text, why text NOT NULL, PRIMARY KEY (question, node))",
    },
};
enum { SCHEMA = sizeof(steps) / sizeof(steps[0]), WAIT_US = 30 * 1000000 };

/*
 * The oldest version whose releases can work by these tables as well: the last one whose step did
 * more than add tables, columns with a default, or rows that nobody needs. A release of that
 * version or a later one, which knows nothing of the steps since, may go on and start again, so
 * that an upgrade can stop halfway. Whoever adds another kind of step makes this its number.
 */
enum { READABLE_FROM = 4 };

/* One value, as text in ARENA; NULL if there is no row. False on failure. */
static bool value_of(struct postgres_session *session, struct arena *arena, const char *sql,
                     const char **out, struct error *err)
{
    PGresult *result =
        postgres_session_ask(session, sql, NULL, 0, clock_mono_us() + WAIT_US, NULL, err);
    if (result == NULL) {
        return false;
    }
    *out = session->pq->result_rows(result) == 0
               ? NULL
               : arena_string(arena, slice_of(session->pq->result_value(result, 0, 0)));
    session->pq->result_clear(result);
    return true;
}

static bool run(struct postgres_session *session, const char *sql, struct error *err)
{
    return postgres_session_do(session, sql, clock_mono_us() + WAIT_US, err);
}

static bool step_up(struct postgres_session *session, int from, struct error *err)
{
    auto_arena arena = {0};
    for (int version = from; version < SCHEMA; version++) {
        for (size_t i = 0; i < sizeof(steps[0]) / sizeof(steps[0][0]); i++) {
            if (steps[version][i] != NULL && !run(session, steps[version][i], err)) {
                return false;
            }
        }
    }
    return run(session,
               arena_printf(&arena,
                            "INSERT INTO homerun.meta VALUES ('schema', '%d'),"
                            " ('readable_from', '%d')"
                            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                            SCHEMA, READABLE_FROM),
               err);
}

/* Whether tables of a newer version are such that ours can work by them. */
static bool is_readable(struct postgres_session *session, struct arena *arena, bool *out,
                        struct error *err)
{
    const char *text;
    if (!value_of(session, arena, "SELECT value FROM homerun.meta WHERE name = 'readable_from'",
                  &text, err)) {
        return false;
    }
    *out = text != NULL && atoi(text) > 0 && atoi(text) <= SCHEMA;
    return true;
}

/*
 * Which version is there; 0: none. The catalogue is read as a table: a session that asked by
 * to_regclass() once answers "none" from its cache, also when another node has made it meanwhile.
 */
static bool version_of(struct postgres_session *session, struct arena *arena, int *out,
                       struct error *err)
{
    const char *text;
    if (!value_of(session, arena,
                  "SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
                  " ON n.oid = c.relnamespace WHERE n.nspname = 'homerun' AND c.relname = 'meta'",
                  &text, err)) {
        return false;
    }
    *out = 0;
    if (text != NULL &&
        !value_of(session, arena, "SELECT value FROM homerun.meta WHERE name = 'schema'", &text,
                  err)) {
        return false;
    }
    *out = text == NULL ? 0 : atoi(text);
    bool readable = *out <= SCHEMA;
    if (!readable && !is_readable(session, arena, &readable, err)) {
        return false;
    }
    return readable ||
           error_set(err, STATUS_FAILED_PRECONDITION,
                     "%s was written by a newer Homerun (schema %d, ours is %d): start that "
                     "version, or a newer one; nothing was changed",
                     session->name, *out, SCHEMA);
}

static bool make_schema(struct postgres_session *session, struct arena *arena, struct error *err)
{
    const char *there;
    return value_of(session, arena,
                    "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = 'homerun'", &there,
                    err) &&
           (there != NULL || run(session, "CREATE SCHEMA homerun", err));
}

static bool ensure(struct postgres_session *session, struct arena *arena, struct error *err)
{
    int version;
    if (!version_of(session, arena, &version, err)) {
        return false;
    }
    if (version >= SCHEMA) {
        return true;
    }
    if (!run(session, "BEGIN", err)) {
        return false;
    }
    /* Again behind the lock: another node may have done it meanwhile. */
    bool good = run(session, postgres_lock, err) && version_of(session, arena, &version, err) &&
                make_schema(session, arena, err) && step_up(session, version, err) &&
                run(session, "COMMIT", err);
    if (!good) {
        postgres_session_do(session, "ROLLBACK", clock_mono_us() + WAIT_US, NULL);
    }
    return good;
}

bool postgres_schema_ensure(struct postgres_session *session, struct error *err)
{
    auto_arena arena = {0};
    const char *encoding;
    if (!value_of(session, &arena, "SHOW server_encoding", &encoding, err)) {
        return false;
    }
    if (encoding == NULL || strcmp(encoding, "UTF8") != 0) {
        return error_set(err, STATUS_FAILED_PRECONDITION,
                         "%s has the encoding %s; the record needs UTF8 (createdb --encoding=UTF8 "
                         "--template=template0)",
                         session->name, encoding == NULL ? "?" : encoding);
    }
    return ensure(session, &arena, err);
}
