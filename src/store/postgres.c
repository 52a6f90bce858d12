/*
 * A commit is one trip: all statements go out in one pipeline, from BEGIN to COMMIT. If the
 * connection breaks on the way, nobody knows how it ended: the change's id is asked for under the
 * same lock. If it is not there, the id is entered as one that must never come: the transaction may
 * still be waiting on the server, and fails when its turn comes.
 */
#include "store/postgres.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/uuid.h"
#include "store/postgres_schema.h"

enum {
    COMMIT_US = 8 * 1000000,  /* that a change may take in all, however often it is tried */
    ATTEMPT_US = 6 * 1000000, /* one trip: longer than the server's own limits */
    BYTE_US = 1,              /* for each byte that a change has besides */
    PAUSE_US = 200 * 1000,
    READ_US = 60 * 1000000,
    KEPT = 100000,     /* changes that a node may be behind without starting from nothing */
    PRUNE_EVERY = 997, /* changes */
    LEASE_WAIT_US = 8 * 1000000, /* longer than a lease lasts (lease_until) */
};

/* By the server's clock alone. */
#define LEASE_UNTIL "clock_timestamp() + interval '6 seconds'"

struct postgres {
    struct postgres_session session;
    char node[256];
    int64_t epoch;                                /* of our lease; 0: none was taken */
    bool cluster;                                 /* the lease is one of several (nodes.c has it) */
    struct store_member members[STORE_NODES_MAX]; /* of the last change */
    size_t member_count;
    bool members_known;
    int64_t lost_us; /* since when the server cannot be reached; 0: it can */
};

struct postgres_delta {
    struct postgres *postgres;
    struct postgres_point point;
    bool whole;
    PGresult *row;       /* of now */
    unsigned questions;  /* whose rows have all come */
    int64_t deadline_us; /* for all of them */
    bool asked, ended;   /* the rows were asked for; nothing more is to be read */
    bool fresh;          /* the next answer is of another question */
};

/* ---- opening ---- */

static bool connect_session(struct postgres *postgres, struct error *err)
{
    if (postgres_session_connect(&postgres->session, err)) {
        postgres->lost_us = 0;
        return true;
    }
    if (postgres->lost_us == 0) {
        postgres->lost_us = clock_mono_us();
    }
    return false;
}

struct postgres *postgres_open(const char *url, const char *node, const struct store_host *host,
                               struct error *err)
{
    struct postgres *postgres = mem_new(struct postgres);
    snprintf(postgres->node, sizeof(postgres->node), "%s", node);
    if (!postgres_session_init(&postgres->session, url, "homerun", host, err) ||
        !connect_session(postgres, err) || !postgres_schema_ensure(&postgres->session, err)) {
        postgres_close(postgres);
        return NULL;
    }
    return postgres;
}

bool postgres_rejoin(struct postgres *postgres, struct error *err)
{
    postgres_session_drop(&postgres->session);
    return connect_session(postgres, err);
}

void postgres_set_host(struct postgres *postgres, const struct store_host *host)
{
    postgres->session.host = *host;
}

const char *postgres_name(const struct postgres *postgres)
{
    return postgres->session.name;
}

/* SQL gives one id, or no row. */
static bool ask_installation(struct postgres *postgres, const char *sql, const char *ours,
                             char out[STORE_INSTALLATION], struct error *err)
{
    struct postgres_session *session = &postgres->session;
    PGresult *result = postgres_session_ask(session, sql, &ours, ours != NULL,
                                            clock_mono_us() + ATTEMPT_US, NULL, err);
    if (result == NULL) {
        return false;
    }
    bool there = session->pq->result_rows(result) > 0;
    snprintf(out, STORE_INSTALLATION, "%s", there ? session->pq->result_value(result, 0, 0) : "");
    session->pq->result_clear(result);
    return true;
}

bool postgres_installation(struct postgres *postgres, char out[STORE_INSTALLATION],
                           struct error *err)
{
    return ask_installation(postgres, "SELECT value FROM homerun.meta WHERE name = 'installation'",
                            NULL, out, err);
}

bool postgres_claim(struct postgres *postgres, const char *ours, char out[STORE_INSTALLATION],
                    struct error *err)
{
    return ask_installation(postgres,
                            "WITH made AS (INSERT INTO homerun.meta VALUES ('installation', $1)"
                            " ON CONFLICT (name) DO NOTHING RETURNING value)"
                            " SELECT value FROM made UNION ALL"
                            " SELECT value FROM homerun.meta WHERE name = 'installation'",
                            ours, out, err) &&
           /* Who was faster at this very moment is not seen by the same statement. */
           (out[0] != '\0' || postgres_installation(postgres, out, err)) &&
           (out[0] != '\0' || error_set(err, STATUS_ABORTED,
                                        "%s: its installation was just "
                                        "taken away: start again",
                                        postgres->session.name));
}

/* ---- the first node ---- */

/* Beside the lock of changes (postgres_lock), which the founder takes for each of its own. */
#define FOUNDING "7810779105126348"
enum { FOUNDING_WAIT_US = 30 * 1000000 };

bool postgres_begin_founding(struct postgres *postgres, struct error *err)
{
    struct postgres_session *session = &postgres->session;
    int64_t end = clock_mono_us() + FOUNDING_WAIT_US;
    for (;;) {
        PGresult *result =
            postgres_session_ask(session, "SELECT pg_catalog.pg_try_advisory_lock(" FOUNDING ")",
                                 NULL, 0, clock_mono_us() + ATTEMPT_US, NULL, err);
        if (result == NULL) {
            return false;
        }
        bool ours = session->pq->result_value(result, 0, 0)[0] == 't';
        session->pq->result_clear(result);
        if (ours) {
            return true;
        }
        if (clock_mono_us() >= end) {
            return error_set(err, STATUS_UNAVAILABLE,
                             "%s: the first node of the cluster has not finished its first start "
                             "within 30 seconds: end it, or start this one again later",
                             session->name);
        }
        session->host.wait(session->host.ctx, -1, 0, clock_mono_us() + PAUSE_US);
    }
}

void postgres_end_founding(struct postgres *postgres)
{
    if (!postgres_session_is_broken(&postgres->session)) {
        postgres_session_do(&postgres->session,
                            "SELECT pg_catalog.pg_advisory_unlock(" FOUNDING ")",
                            clock_mono_us() + ATTEMPT_US, NULL);
    }
}

enum { NUMBER_TEXT = 24 };

/* ---- the lease ---- */

struct holder {
    char name[256]; /* "" if we have the lease now */
    bool cluster;   /* a node of one */
    int64_t beat;   /* of that */
};

/* One try, in a transaction that has the lock. */
static bool try_lease(struct postgres *postgres, struct holder *holder, struct error *err)
{
    struct postgres_session *session = &postgres->session;
    const char *parameters[] = {postgres->node};
    int64_t deadline = clock_mono_us() + ATTEMPT_US;
    *holder = (struct holder){.beat = 0};
    PGresult *result = postgres_session_ask(session,
                                            "SELECT name, NOT alone, beat FROM homerun.node"
                                            " WHERE name <> $1"
                                            " AND valid_until > clock_timestamp()",
                                            parameters, 1, deadline, NULL, err);
    if (result == NULL) {
        return false;
    }
    if (session->pq->result_rows(result) > 0) {
        snprintf(holder->name, sizeof(holder->name), "%s", session->pq->result_value(result, 0, 0));
        holder->cluster = session->pq->result_value(result, 0, 1)[0] == 't';
        holder->beat = strtoll(session->pq->result_value(result, 0, 2), NULL, 10);
        session->pq->result_clear(result);
        return true;
    }
    session->pq->result_clear(result);
    result = postgres_session_ask(session,
                                  "WITH over AS (DELETE FROM homerun.node WHERE name <> $1)"
                                  " INSERT INTO homerun.node VALUES ($1, 1, " LEASE_UNTIL ")"
                                  " ON CONFLICT (name) DO UPDATE SET epoch = node.epoch + 1,"
                                  " valid_until = excluded.valid_until RETURNING epoch",
                                  parameters, 1, deadline, NULL, err);
    if (result == NULL) {
        return false;
    }
    postgres->epoch = strtoll(session->pq->result_value(result, 0, 0), NULL, 10);
    session->pq->result_clear(result);
    return true;
}

bool postgres_take_lease(struct postgres *postgres, struct error *err)
{
    struct postgres_session *session = &postgres->session;
    int64_t end = clock_mono_us() + LEASE_WAIT_US;
    int64_t first_beat = -1;
    for (;;) {
        struct holder holder;
        int64_t deadline = clock_mono_us() + ATTEMPT_US;
        if (!connect_session(postgres, err) ||
            !postgres_session_do(session, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
                                 deadline, err) ||
            !postgres_session_do(session, postgres_lock, deadline, err) ||
            !try_lease(postgres, &holder, err) ||
            !postgres_session_do(session, "COMMIT", deadline, err)) {
            postgres_session_drop(session);
            postgres->epoch = 0;
            return false;
        }
        if (holder.name[0] == '\0') {
            return true;
        }
        first_beat = first_beat < 0 ? holder.beat : first_beat;
        if (clock_mono_us() >= end || (holder.cluster && holder.beat != first_beat)) {
            return error_set(err, STATUS_FAILED_PRECONDITION,
                             "another Homerun (%s) works by the record of %s%s: end that one first"
                             "%s",
                             holder.name, session->name,
                             holder.cluster ? " as a node of a cluster" : "",
                             holder.cluster ? ", or start this one with --cluster" : "");
        }
        session->host.wait(session->host.ctx, -1, 0, clock_mono_us() + PAUSE_US);
    }
}

bool postgres_renew_lease(struct postgres *postgres, bool *lost, struct error *err)
{
    struct postgres_session *session = &postgres->session;
    char epoch[NUMBER_TEXT];
    snprintf(epoch, sizeof(epoch), "%" PRId64, postgres->epoch);
    const char *parameters[] = {postgres->node, epoch};
    *lost = false;
    if (!connect_session(postgres, err)) {
        return false;
    }
    PGresult *result = postgres_session_ask(session,
                                            "UPDATE homerun.node SET valid_until = " LEASE_UNTIL
                                            " WHERE name = $1 AND epoch = $2 RETURNING 1",
                                            parameters, 2, clock_mono_us() + ATTEMPT_US, NULL, err);
    if (result == NULL) {
        return false;
    }
    *lost = session->pq->result_rows(result) == 0;
    session->pq->result_clear(result);
    return true;
}

/* So that the next holder need not wait. */
static void give_lease(struct postgres *postgres)
{
    if (postgres->cluster) {
        return;
    }
    char epoch[NUMBER_TEXT];
    snprintf(epoch, sizeof(epoch), "%" PRId64, postgres->epoch);
    const char *parameters[] = {postgres->node, epoch};
    if (postgres->epoch == 0 || postgres_session_is_broken(&postgres->session)) {
        return;
    }
    PGresult *result = postgres_session_ask(
        &postgres->session, "DELETE FROM homerun.node WHERE name = $1 AND epoch = $2", parameters,
        2, clock_mono_us() + PAUSE_US, NULL, NULL);
    if (result != NULL) {
        postgres->session.pq->result_clear(result);
    }
}

/* ---- of a cluster ---- */

bool postgres_refuse_alone(struct postgres *postgres, struct error *err)
{
    struct postgres_session *session = &postgres->session;
    int64_t end = clock_mono_us() + LEASE_WAIT_US;
    for (;;) {
        PGresult *result = postgres_session_ask(session,
                                                "SELECT name FROM homerun.node"
                                                " WHERE alone AND valid_until > clock_timestamp()",
                                                NULL, 0, clock_mono_us() + ATTEMPT_US, NULL, err);
        if (result == NULL) {
            return false;
        }
        char holder[256] = "";
        if (session->pq->result_rows(result) > 0) {
            snprintf(holder, sizeof(holder), "%s", session->pq->result_value(result, 0, 0));
        }
        session->pq->result_clear(result);
        if (holder[0] == '\0') {
            return true;
        }
        if (clock_mono_us() >= end) {
            return error_set(err, STATUS_FAILED_PRECONDITION,
                             "another Homerun (%s) works by the record of %s without --cluster: "
                             "end that one first, and start it again with --cluster",
                             holder, session->name);
        }
        session->host.wait(session->host.ctx, -1, 0, clock_mono_us() + PAUSE_US);
    }
}

void postgres_join(struct postgres *postgres, int64_t epoch)
{
    postgres->cluster = true;
    postgres->epoch = epoch;
}

bool postgres_tell_applied(struct postgres *postgres, uint64_t number, struct error *err)
{
    char applied[NUMBER_TEXT], epoch[NUMBER_TEXT];
    snprintf(applied, sizeof(applied), "%" PRIu64, number);
    snprintf(epoch, sizeof(epoch), "%" PRId64, postgres->epoch);
    const char *parameters[] = {postgres->node, epoch, applied};
    if (!connect_session(postgres, err)) {
        return false;
    }
    /* What a crash of the server forgets of this, the next renewal says again: no wait for its
     * disk. */
    PGresult *result = postgres_session_ask(
        &postgres->session,
        "WITH told AS (UPDATE homerun.node SET applied = $3::bigint"
        " WHERE name = $1 AND epoch = $2::bigint AND applied < $3::bigint RETURNING name)"
        " SELECT set_config('synchronous_commit', 'off', true),"
        " pg_notify('homerun_node', $2 || ' ' || $3 || ' ' || name) FROM told",
        parameters, 3, clock_mono_us() + ATTEMPT_US, NULL, err);
    if (result != NULL) {
        postgres->session.pq->result_clear(result);
    }
    return result != NULL;
}

size_t postgres_members(const struct postgres *postgres, const struct store_member **out,
                        bool *known)
{
    *out = postgres->members;
    *known = postgres->members_known;
    return postgres->member_count;
}

static void keep_members(struct postgres *postgres, const PGresult *result)
{
    const struct libpq *pq = postgres->session.pq;
    int rows = pq->result_rows(result);
    postgres->member_count = 0;
    postgres->members_known = rows <= STORE_NODES_MAX;
    for (int i = 0; i < rows && i < STORE_NODES_MAX; i++) {
        struct store_member *member = &postgres->members[postgres->member_count++];
        snprintf(member->name, sizeof(member->name), "%s", pq->result_value(result, i, 0));
        member->epoch = strtoll(pq->result_value(result, i, 1), NULL, 10);
    }
}

/* One statement; how many rows it has changed. */
static bool change_row(struct postgres *postgres, const char *sql, const char *const *parameters,
                       int count, int *changed, struct error *err)
{
    struct postgres_session *session = &postgres->session;
    PGresult *result = connect_session(postgres, err)
                           ? postgres_session_ask(session, sql, parameters, count,
                                                  clock_mono_us() + ATTEMPT_US, NULL, err)
                           : NULL;
    if (result == NULL) {
        return false;
    }
    *changed = session->pq->result_rows(result);
    session->pq->result_clear(result);
    return true;
}

static bool no_such_node(const char *name, struct error *err)
{
    return error_set(err, STATUS_NOT_FOUND,
                     "There is no node %.60s. `homerun nodes list` shows those there are.", name);
}

bool postgres_drain(struct postgres *postgres, const char *name, bool draining, struct error *err)
{
    const char *parameters[] = {name, draining ? "t" : "f"};
    int changed;
    return change_row(postgres,
                      "UPDATE homerun.node SET draining = $2::boolean"
                      " WHERE name = $1 AND NOT alone RETURNING 1",
                      parameters, 2, &changed, err) &&
           (changed > 0 || no_such_node(name, err));
}

bool postgres_remove(struct postgres *postgres, const char *name, struct error *err)
{
    const char *parameters[] = {name};
    int changed, there;
    if (!change_row(postgres, "SELECT 1 FROM homerun.node WHERE name = $1 AND NOT alone",
                    parameters, 1, &there, err) ||
        !change_row(postgres,
                    "DELETE FROM homerun.node WHERE name = $1 AND NOT alone AND NOT serves"
                    " RETURNING 1",
                    parameters, 1, &changed, err)) {
        return false;
    }
    if (there == 0) {
        return no_such_node(name, err);
    }
    return changed > 0 ||
           error_set(err, STATUS_FAILED_PRECONDITION,
                     "The node %.60s has a lease: end Homerun there first. One that has died is "
                     "passed over when its lease has run out, and can be removed then.",
                     name);
}

void postgres_close(struct postgres *postgres)
{
    if (postgres != NULL) {
        give_lease(postgres);
        postgres_session_done(&postgres->session);
        free(postgres);
    }
}

/* ---- a change ---- */

struct numbers {
    char epoch[NUMBER_TEXT], number[NUMBER_TEXT], versions[NUMBER_TEXT], last_document[NUMBER_TEXT],
        last_audit[NUMBER_TEXT], oldest[NUMBER_TEXT];
};

static void number_text(char out[NUMBER_TEXT], int64_t number)
{
    snprintf(out, NUMBER_TEXT, "%" PRId64, number);
}

/* One statement of a change. */
struct step {
    const char *sql;
    const char *parameters[7];
    int count;
    bool wanted;
};

static bool queue_steps(struct postgres_session *session, const struct step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (steps[i].wanted &&
            !postgres_session_queue(session, steps[i].sql, steps[i].parameters, steps[i].count)) {
            return false;
        }
    }
    return true;
}

/* That the transaction begins, and may. */
static bool queue_begin(struct postgres *postgres, const struct postgres_change *change,
                        const struct numbers *numbers)
{
    const char *previous = change->from.number == 0 ? NULL : change->from.id;
    const struct step steps[] = {
        {"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", {NULL}, 0, true},
        {postgres_lock, {NULL}, 0, true},
        /* Fails (22012) if the lease is another's, or the node was passed over. */
        {"SELECT 1 / count(*) FROM homerun.node WHERE name = $1 AND epoch = $2 AND serves",
         {postgres->node, numbers->epoch},
         2,
         postgres->epoch != 0},
        {"INSERT INTO homerun.change"
         " (number, id, previous, versions, last_document, last_audit, node)"
         " VALUES ($1, $2, $3, $4, $5, $6, $7)",
         {numbers->number, change->to.id, previous, numbers->versions, numbers->last_document,
          numbers->last_audit, postgres->node},
         7,
         true},
        {"INSERT INTO homerun.attempt (id, number) VALUES ($1, $2)",
         {change->to.id, numbers->number},
         2,
         true},
    };
    return queue_steps(&postgres->session, steps, sizeof(steps) / sizeof(steps[0]));
}

static bool queue_part(struct postgres *postgres, const struct postgres_part *part,
                       const struct numbers *numbers)
{
    bool has_documents = strcmp(part->documents, "[]") != 0;
    const struct step steps[] = {
        {"INSERT INTO homerun.touched (change, kind, key)"
         " SELECT $1::bigint, kind, key FROM json_to_recordset($2) AS d (kind text, key text) UNION"
         " SELECT $1::bigint, kind, key FROM json_to_recordset($3) AS d (kind text, key text)",
         {numbers->number, part->documents, part->gone},
         3,
         true},
        {"DELETE FROM homerun.document d USING json_to_recordset($1) AS g (kind text, key text)"
         " WHERE d.kind = g.kind AND d.key = g.key",
         {part->gone},
         1,
         strcmp(part->gone, "[]") != 0},
        /* A name that was deleted and made again within one change has a new id. */
        {"DELETE FROM homerun.document d USING json_to_recordset($1)"
         " AS n (kind text, key text, id bigint)"
         " WHERE d.kind = n.kind AND d.key = n.key AND d.id <> n.id",
         {part->documents},
         1,
         has_documents},
        {"INSERT INTO homerun.document (kind, key, id, version, body)"
         " SELECT kind, key, id, version, body FROM json_to_recordset($1)"
         " AS n (kind text, key text, id bigint, version bigint, body text)"
         " ON CONFLICT (kind, key) DO UPDATE SET version = excluded.version, body = excluded.body",
         {part->documents},
         1,
         has_documents},
        {"INSERT INTO homerun.audit (number, resource, body)"
         " SELECT number, resource, body FROM json_to_recordset($1)"
         " AS a (number bigint, resource text, body text)",
         {part->audit},
         1,
         strcmp(part->audit, "[]") != 0},
    };
    return queue_steps(&postgres->session, steps, sizeof(steps) / sizeof(steps[0]));
}

static bool queue_end(struct postgres *postgres, const struct postgres_change *change,
                      const struct numbers *numbers)
{
    const struct step steps[] = {
        {"DELETE FROM homerun.change WHERE number < $1",
         {numbers->oldest},
         1,
         change->to.number % PRUNE_EVERY == 0},
        {"DELETE FROM homerun.attempt WHERE number IS NULL AND at < now() - interval '1 day'",
         {NULL},
         0,
         change->to.number % PRUNE_EVERY == 0},
        /* Who joins takes the same lock: nobody serves who is not among these, or knows of this
         * change already. */
        {"SELECT name, epoch FROM homerun.node WHERE name <> $1 AND serves",
         {postgres->node},
         1,
         postgres->cluster},
        {"SELECT pg_notify('homerun_change', $1)", {numbers->number}, 1, true},
        {"COMMIT", {NULL}, 0, true},
    };
    return queue_steps(&postgres->session, steps, sizeof(steps) / sizeof(steps[0]));
}

/* Sends all of CHANGE. The answers come in this order. */
static bool send_change(struct postgres *postgres, const struct postgres_change *change,
                        struct numbers *numbers)
{
    number_text(numbers->number, (int64_t)change->to.number);
    number_text(numbers->epoch, postgres->epoch);
    number_text(numbers->versions, change->to.versions);
    number_text(numbers->last_document, change->to.last_document);
    number_text(numbers->last_audit, change->to.last_audit);
    number_text(numbers->oldest, (int64_t)change->to.number - KEPT);
    struct postgres_session *session = &postgres->session;
    bool good =
        session->pq->pipeline_enter(session->conn) == 1 && queue_begin(postgres, change, numbers);
    for (size_t i = 0; i < change->part_count && good; i++) {
        good = queue_part(postgres, &change->parts[i], numbers);
    }
    return good && queue_end(postgres, change, numbers) &&
           session->pq->pipeline_sync(session->conn) == 1;
}

enum trip {
    TRIP_COMMITTED,
    TRIP_REFUSED, /* the server has rolled it back; sqlstate says why */
    TRIP_LOST,    /* no answer */
};

/* Reads the answers of the pipeline. */
static enum trip read_answers(struct postgres *postgres, int64_t deadline_us, char sqlstate[6],
                              struct error *err)
{
    struct postgres_session *session = &postgres->session;
    const struct libpq *pq = session->pq;
    bool committed = false, refused = false, ended = false;
    while (!ended) {
        PGresult *result = postgres_session_next(session, deadline_us);
        if (session->conn == NULL) {
            pq->result_clear(result);
            return TRIP_LOST;
        }
        if (result == NULL) {
            continue; /* between two statements */
        }
        ExecStatusType status = pq->result_status(result);
        if (status == PGRES_PIPELINE_SYNC) {
            ended = true;
        } else if (status == PGRES_FATAL_ERROR && !refused) {
            refused = true;
            postgres_session_fail(session, result, sqlstate, err);
        } else if (status == PGRES_TUPLES_OK && pq->result_columns(result) == 2) {
            keep_members(postgres, result);
        } else if (status == PGRES_COMMAND_OK) {
            committed = strcmp(pq->result_tag(result), "COMMIT") == 0;
        }
        pq->result_clear(result);
        if (postgres_session_is_broken(session)) {
            return TRIP_LOST;
        }
    }
    if (pq->pipeline_exit(session->conn) != 1) {
        postgres_session_drop(session);
    }
    return committed ? TRIP_COMMITTED : refused ? TRIP_REFUSED : TRIP_LOST;
}

static enum trip one_trip(struct postgres *postgres, const struct postgres_change *change,
                          int64_t deadline_us, char sqlstate[6], struct error *err)
{
    struct postgres_session *session = &postgres->session;
    struct numbers numbers;
    sqlstate[0] = '\0';
    session->warned = false;
    error_set(err, STATUS_UNAVAILABLE, "%s does not answer", session->name);
    enum trip trip =
        send_change(postgres, change, &numbers) && postgres_session_send(session, deadline_us)
            ? read_answers(postgres, deadline_us, sqlstate, err)
            : TRIP_LOST;
    if (trip == TRIP_LOST) {
        postgres_session_drop(session);
    } else if (trip == TRIP_REFUSED && session->pq->transaction(session->conn) != PQTRANS_IDLE &&
               !postgres_session_do(session, "ROLLBACK", deadline_us, NULL)) {
        postgres_session_drop(session);
    }
    /* A commit that waited for a standby and was told to wait no longer: it is on this disk, and
     * a standby that takes over may not know it. */
    return trip == TRIP_COMMITTED && session->warned ? TRIP_LOST : trip;
}

/* How a change ended of which nothing was heard: afterwards it has, or never will. */
static enum postgres_end resolve(struct postgres *postgres, const struct postgres_change *change,
                                 int64_t deadline_us, struct error *err)
{
    struct postgres_session *session = &postgres->session;
    const char *parameters[] = {change->to.id};
    if (!connect_session(postgres, err) ||
        !postgres_session_do(session, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
                             deadline_us, err) ||
        !postgres_session_do(session, postgres_lock, deadline_us, err)) {
        postgres_session_drop(session);
        return POSTGRES_UNKNOWN;
    }
    /* A row without a number is our own earlier question, whose answer was lost. Writing to a row
     * that is there makes this commit wait for the standbys that the change itself has waited for.
     */
    PGresult *result = postgres_session_ask(session,
                                            "INSERT INTO homerun.attempt AS a (id) VALUES ($1)"
                                            " ON CONFLICT (id) DO UPDATE SET at = excluded.at"
                                            " RETURNING a.number IS NOT NULL",
                                            parameters, 1, deadline_us, NULL, err);
    bool asked = result != NULL && session->pq->result_rows(result) == 1;
    bool made = asked && session->pq->result_value(result, 0, 0)[0] == 't';
    if (result != NULL) {
        session->pq->result_clear(result);
    }
    session->warned = false;
    if (!asked || !postgres_session_do(session, "COMMIT", deadline_us, err) || session->warned) {
        postgres_session_drop(session);
        return POSTGRES_UNKNOWN;
    }
    return made ? POSTGRES_COMMITTED : POSTGRES_NOTHING;
}

static enum postgres_end unknown(struct postgres *postgres, struct error *err)
{
    error_set(err, STATUS_ABORTED,
              "%s was lost while the change was committed: whether it is in force is not known. "
              "Read the resource, and try again if it is not",
              postgres->session.name);
    return POSTGRES_UNKNOWN;
}

/* Others were first: their change has our number, or our place in the chain. */
static bool is_behind(const char *sqlstate)
{
    return strcmp(sqlstate, "23505") == 0;
}

static enum postgres_end refusal(struct postgres *postgres, const char *sqlstate, struct error *err)
{
    if (is_behind(sqlstate)) {
        error_set(err, STATUS_ABORTED,
                  "The record was changed by another node at the same time: nothing was changed; "
                  "try again");
        return POSTGRES_BEHIND;
    }
    if (strcmp(sqlstate, "22012") == 0 && postgres->cluster) {
        error_set(err, STATUS_UNAVAILABLE,
                  "This node's lease has run out, and the cluster went on without it: nothing was "
                  "changed; try again in a few seconds");
    } else if (strcmp(sqlstate, "22012") == 0) {
        error_set(err, STATUS_FAILED_PRECONDITION,
                  "Another Homerun works by the record of %s now: nothing was changed",
                  postgres->session.name);
    } else if (strcmp(sqlstate, "23503") == 0) {
        error_set(err, STATUS_DATA_LOSS,
                  "%s has lost changes that were acknowledged: it was put back to an older state. "
                  "Nothing was changed; docs/operations.md says what to do",
                  postgres->session.name);
    } else {
        error_wrap(err, "nothing was changed");
    }
    return POSTGRES_NOTHING;
}

static void new_id(struct postgres_change *change)
{
    auto_arena arena = {0};
    snprintf(change->to.id, sizeof(change->to.id), "%s", uuid_new(&arena));
}

/* Whether it is worth another trip: the server was not there, or takes no changes now. */
static bool may_try_again(const char *sqlstate)
{
    return sqlstate[0] == '\0' || strcmp(sqlstate, "25006") == 0 ||
           strncmp(sqlstate, "57P", 3) == 0;
}

static void pause_for(struct postgres *postgres, int64_t us)
{
    postgres->session.host.wait(postgres->session.host.ctx, -1, 0, clock_mono_us() + us);
}

enum postgres_end postgres_commit(struct postgres *postgres, struct postgres_change *change,
                                  struct error *err)
{
    /* A server that has been away for longer than one change may wait keeps no further one. */
    int64_t now = clock_mono_us();
    bool patient = postgres->lost_us == 0 || now - postgres->lost_us < COMMIT_US;
    int64_t more = (int64_t)change->bytes * BYTE_US;
    int64_t deadline = now + COMMIT_US + more;
    postgres->member_count = 0;
    postgres->members_known = !postgres->cluster;
    do {
        char sqlstate[6] = "";
        new_id(change);
        if (!connect_session(postgres, err)) {
            error_wrap(err, "nothing was changed");
            pause_for(postgres, patient ? PAUSE_US : 0);
            continue;
        }
        switch (one_trip(postgres, change, clock_mono_us() + ATTEMPT_US + more, sqlstate, err)) {
        case TRIP_COMMITTED:
            return POSTGRES_COMMITTED;
        case TRIP_REFUSED:
            if (!may_try_again(sqlstate)) {
                return refusal(postgres, sqlstate, err);
            }
            postgres_session_drop(&postgres->session); /* the next one goes to the primary */
            error_wrap(err, "nothing was changed");
            pause_for(postgres, PAUSE_US);
            break;
        case TRIP_LOST:
            if (postgres->session.warned) {
                return unknown(postgres, err);
            }
            for (;;) {
                enum postgres_end end =
                    resolve(postgres, change, clock_mono_us() + ATTEMPT_US, err);
                if (end == POSTGRES_COMMITTED) {
                    return end;
                }
                if (end == POSTGRES_NOTHING) {
                    error_set(err, STATUS_UNAVAILABLE,
                              "%s was lost on the way: nothing was changed; try again",
                              postgres->session.name);
                    break;
                }
                if (clock_mono_us() >= deadline) {
                    return unknown(postgres, err);
                }
                pause_for(postgres, PAUSE_US);
            }
            break;
        }
    } while (patient && clock_mono_us() < deadline);
    return POSTGRES_NOTHING;
}

/* ---- what has happened ---- */

static int64_t number_at(const struct libpq *pq, const PGresult *result, int row, int column)
{
    return strtoll(pq->result_value(result, row, column), NULL, 10);
}

struct question {
    const char *sql, *parameter; /* NULL: it has none */
};

/* QUESTIONS go out in one trip. */
static bool send_together(struct postgres_session *session, const struct question *questions,
                          size_t count, int64_t deadline_us)
{
    bool good = session->pq->pipeline_enter(session->conn) == 1;
    for (size_t i = 0; i < count && good; i++) {
        good = postgres_session_queue(session, questions[i].sql, &questions[i].parameter,
                                      questions[i].parameter == NULL ? 0 : 1);
    }
    return good && session->pq->pipeline_sync(session->conn) == 1 &&
           postgres_session_send(session, deadline_us);
}

/* The answers to QUESTIONS, which go out in one trip; each of OUT is the caller's. On failure there
 * are none, and the connection is given up with its transaction. */
static bool ask_together(struct postgres *postgres, const struct question *questions, size_t count,
                         PGresult **out, int64_t deadline_us, struct error *err)
{
    struct postgres_session *session = &postgres->session;
    const struct libpq *pq = session->pq;
    size_t got = 0;
    bool good = send_together(session, questions, count, deadline_us), ended = false;
    error_set(err, STATUS_UNAVAILABLE, "%s does not answer", session->name);
    while (good && !ended) {
        PGresult *result = postgres_session_next(session, deadline_us);
        ExecStatusType status = result == NULL ? PGRES_EMPTY_QUERY : pq->result_status(result);
        ended = status == PGRES_PIPELINE_SYNC;
        if (result == NULL) { /* between two answers, or the connection is gone */
            good = session->conn != NULL;
        } else if ((status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) && got < count) {
            out[got++] = result;
        } else {
            good = ended || postgres_session_fail(session, result, NULL, err);
            pq->result_clear(result);
        }
    }
    if (good && got == count && pq->pipeline_exit(session->conn) == 1) {
        return true;
    }
    while (got > 0) {
        pq->result_clear(out[--got]);
    }
    postgres_session_drop(session);
    return false;
}

/* What the row of the chain's end says: where that is, and whether FROM is still in the chain. */
static bool take_point(struct postgres *postgres, const PGresult *result,
                       const struct postgres_point *from, struct postgres_delta *delta,
                       struct error *err)
{
    const struct libpq *pq = postgres->session.pq;
    const char *ours = "";
    if (pq->result_rows(result) > 0) {
        delta->point.number = (uint64_t)number_at(pq, result, 0, 0);
        snprintf(delta->point.id, sizeof(delta->point.id), "%s", pq->result_value(result, 0, 1));
        delta->point.versions = number_at(pq, result, 0, 2);
        delta->point.last_document = number_at(pq, result, 0, 3);
        delta->point.last_audit = number_at(pq, result, 0, 4);
        ours = pq->result_value(result, 0, 5);
        delta->whole = from->number == 0 || (int64_t)from->number < number_at(pq, result, 0, 6);
    }
    return delta->whole || from->number == 0 || strcmp(ours, from->id) == 0 ||
           error_set(err, STATUS_DATA_LOSS,
                     "%s does not know change %" PRIu64 " of this machine's copy: it was put "
                     "back to an older state. Nothing was changed; docs/operations.md says "
                     "what to do",
                     postgres->session.name, from->number);
}

/* Begins a transaction that sees one moment, and finds out what there is to be read. */
static bool begin_reading(struct postgres *postgres, const struct postgres_point *from,
                          struct postgres_delta *delta, struct error *err)
{
    char number[NUMBER_TEXT];
    number_text(number, (int64_t)from->number);
    const struct question questions[] = {
        {"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", NULL},
        {"SET LOCAL statement_timeout = 60000", NULL},
        {"SELECT number, id, versions, last_document, last_audit,"
         " (SELECT id FROM homerun.change WHERE number = $1),"
         " (SELECT min(number) FROM homerun.change)"
         " FROM homerun.change ORDER BY number DESC LIMIT 1",
         number},
    };
    enum { COUNT = sizeof(questions) / sizeof(questions[0]) };
    PGresult *results[COUNT];
    if (!ask_together(postgres, questions, COUNT, results, clock_mono_us() + ATTEMPT_US, err)) {
        return false;
    }
    bool good = take_point(postgres, results[COUNT - 1], from, delta, err);
    for (size_t i = 0; i < COUNT; i++) {
        postgres->session.pq->result_clear(results[i]);
    }
    return good;
}

/* Asks for the rows, and ends the transaction behind them. */
static bool ask_for_rows(struct postgres *postgres, const struct postgres_point *from,
                         struct postgres_delta *delta, struct error *err)
{
    struct postgres_session *session = &postgres->session;
    char number[NUMBER_TEXT], audit[NUMBER_TEXT];
    number_text(number, (int64_t)from->number);
    number_text(audit, delta->whole ? 0 : from->last_audit);
    const struct question questions[] = {
        delta->whole
            ? (struct question){"SELECT kind, key, id, version, body FROM homerun.document", NULL}
            : (struct question){"SELECT t.kind, t.key, d.id, d.version, d.body FROM"
                                " (SELECT DISTINCT kind, key FROM homerun.touched"
                                "  WHERE change > $1) t"
                                " LEFT JOIN homerun.document d USING (kind, key)"
                                " ORDER BY kind, key",
                                number},
        {"SELECT number, resource, body FROM homerun.audit WHERE number > $1 ORDER BY number",
         audit},
        {"COMMIT", NULL},
    };
    delta->deadline_us = clock_mono_us() + READ_US;
    delta->asked = delta->fresh = true;
    return send_together(session, questions, sizeof(questions) / sizeof(questions[0]),
                         delta->deadline_us) ||
           error_set(err, STATUS_UNAVAILABLE, "%s does not answer", session->name);
}

/* Two trips: a server that does not answer is given up after the first one's time, while what it
 * sends may be a whole record. */
struct postgres_delta *postgres_since(struct postgres *postgres, const struct postgres_point *from,
                                      struct error *err)
{
    struct postgres_delta *delta = mem_new(struct postgres_delta);
    delta->postgres = postgres;
    bool good = connect_session(postgres, err) && begin_reading(postgres, from, delta, err);
    if (good && delta->point.number == from->number) {
        good = postgres_session_do(&postgres->session, "COMMIT", clock_mono_us() + ATTEMPT_US, err);
    } else if (good) {
        good = ask_for_rows(postgres, from, delta, err);
    }
    if (!good) {
        postgres_session_drop(&postgres->session);
        free(delta);
        return NULL;
    }
    return delta;
}

/* A connection on which something is still to be read is of no use for anything else. */
void postgres_delta_free(struct postgres_delta *delta)
{
    if (delta != NULL) {
        struct postgres_session *session = &delta->postgres->session;
        session->pq->result_clear(delta->row);
        if (delta->asked && !delta->ended) {
            postgres_session_drop(session);
        }
        free(delta);
    }
}

const struct postgres_point *postgres_delta_point(const struct postgres_delta *delta)
{
    return &delta->point;
}

bool postgres_delta_is_whole(const struct postgres_delta *delta)
{
    return delta->whole;
}

static void read_document(const struct libpq *pq, const PGresult *row, struct postgres_row *out)
{
    bool gone = pq->result_is_null(row, 0, 4) != 0;
    *out = (struct postgres_row){
        .kind = pq->result_value(row, 0, 0),
        .key = pq->result_value(row, 0, 1),
        .id = gone ? 0 : number_at(pq, row, 0, 2),
        .version = gone ? 0 : number_at(pq, row, 0, 3),
        .body = gone ? NULL : pq->result_value(row, 0, 4),
    };
}

static void read_audit(const struct libpq *pq, const PGresult *row, struct postgres_row *out)
{
    *out = (struct postgres_row){
        .id = number_at(pq, row, 0, 0),
        .key = pq->result_value(row, 0, 1),
        .body = pq->result_value(row, 0, 2),
    };
}

/* The next answer that says something. NULL: the connection is gone, or they have all come. */
static PGresult *next_answer(struct postgres_delta *delta, struct error *err)
{
    struct postgres_session *session = &delta->postgres->session;
    const struct libpq *pq = session->pq;
    error_set(err, STATUS_UNAVAILABLE, "%s does not answer", session->name);
    for (;;) {
        if (delta->fresh && session->conn != NULL) {
            pq->one_by_one(session->conn); /* it has to be said for each question anew */
            delta->fresh = false;
        }
        PGresult *result = postgres_session_next(session, delta->deadline_us);
        if (session->conn == NULL) {
            pq->result_clear(result);
            return NULL;
        }
        if (result != NULL) {
            return result;
        }
        delta->fresh = true; /* between two answers */
    }
}

/* What ends the pipeline, behind the last row. */
static bool end_reading(struct postgres_delta *delta, struct error *err)
{
    struct postgres_session *session = &delta->postgres->session;
    const struct libpq *pq = session->pq;
    PGresult *result;
    while (!delta->ended && (result = next_answer(delta, err)) != NULL) {
        ExecStatusType status = pq->result_status(result);
        bool good = status == PGRES_COMMAND_OK || status == PGRES_PIPELINE_SYNC ||
                    postgres_session_fail(session, result, NULL, err);
        pq->result_clear(result);
        if (!good) {
            return false;
        }
        delta->ended = status == PGRES_PIPELINE_SYNC && pq->pipeline_exit(session->conn) == 1;
    }
    return delta->ended;
}

enum postgres_next postgres_delta_next(struct postgres_delta *delta, struct postgres_row *out,
                                       struct error *err)
{
    static void (*const readers[])(const struct libpq *pq, const PGresult *row,
                                   struct postgres_row *out) = {read_document, read_audit};
    enum { READERS = sizeof(readers) / sizeof(readers[0]) };
    struct postgres_session *session = &delta->postgres->session;
    const struct libpq *pq = session->pq;
    pq->result_clear(delta->row);
    delta->row = next_answer(delta, err);
    if (delta->row == NULL || delta->questions == READERS) {
        return POSTGRES_FAILED;
    }
    ExecStatusType status = pq->result_status(delta->row);
    if (status == PGRES_SINGLE_TUPLE) {
        readers[delta->questions](pq, delta->row, out);
        return POSTGRES_ROW;
    }
    if (status != PGRES_TUPLES_OK) {
        postgres_session_fail(session, delta->row, NULL, err);
        return POSTGRES_FAILED;
    }
    if (pq->result_rows(delta->row) > 0) {
        error_set(err, STATUS_INTERNAL, "libpq has not read row by row");
        return POSTGRES_FAILED;
    }
    delta->questions++;
    return delta->questions < READERS || end_reading(delta, err) ? POSTGRES_END : POSTGRES_FAILED;
}
