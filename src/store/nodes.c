/*
 * One session for all of a node's life in its cluster, apart from the one that changes go by: a
 * change may wait for seconds, a renewal may not. What is said by NOTIFY is a hint; the rows, which
 * each renewal reads, are the truth.
 */
#include "store/nodes.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "store/postgres_schema.h"

enum { NUMBER_TEXT = 24, ASK_US = 3 * 1000000 };

struct store_nodes {
    struct postgres_session session;
    char name[64], url[256];
    int lease_ms;
    int64_t epoch; /* of the last row that was ours; 0: none */
};

struct store_nodes *store_nodes_new(const struct store_nodes_self *self,
                                    const struct store_host *host, struct error *err)
{
    struct store_nodes *nodes = mem_new(struct store_nodes);
    snprintf(nodes->name, sizeof(nodes->name), "%s", self->name);
    snprintf(nodes->url, sizeof(nodes->url), "%s", self->url);
    nodes->lease_ms = self->lease_ms;
    nodes->epoch = self->epoch;
    if (!postgres_session_init(&nodes->session, self->store, "homerun node", host, err)) {
        store_nodes_free(nodes);
        return NULL;
    }
    return nodes;
}

void store_nodes_free(struct store_nodes *nodes)
{
    if (nodes != NULL) {
        postgres_session_done(&nodes->session);
        free(nodes);
    }
}

/* What nodes say to each other is heard again before anything is read, so nothing is missed. */
static bool connect_session(struct store_nodes *nodes, struct error *err)
{
    struct postgres_session *session = &nodes->session;
    int64_t deadline = clock_mono_us() + ASK_US;
    if (postgres_session_connect(session, err) &&
        (!session->fresh ||
         (postgres_session_do(session, "LISTEN homerun_change", deadline, err) &&
          postgres_session_do(session, "LISTEN homerun_node", deadline, err) &&
          postgres_session_do(session, "LISTEN homerun_place", deadline, err) &&
          postgres_session_do(session, "LISTEN homerun_question", deadline, err)))) {
        session->fresh = false;
        return true;
    }
    postgres_session_drop(session);
    return false;
}

static int64_t number_at(const struct libpq *pq, const PGresult *result, int row, int column)
{
    return strtoll(pq->result_value(result, row, column), NULL, 10);
}

static bool flag_at(const struct libpq *pq, const PGresult *result, int row, int column)
{
    return pq->result_value(result, row, column)[0] == 't';
}

/* ---- our own row ---- */

/* Whether the change that we decide by ($2, $3) is one of the record's; those from long ago are
 * forgotten there (postgres.c). */
#define KNOWS                                                                                      \
    "($2::bigint = 0 OR $3 = '' OR EXISTS (SELECT 1 FROM homerun.change"                           \
    "  WHERE number = $2::bigint AND id = $3)"                                                     \
    " OR $2::bigint < coalesce((SELECT min(number) FROM homerun.change), 0))"

static bool fail_by_history(const struct store_nodes *nodes, const struct store_point *applied,
                            struct error *err)
{
    return error_set(err, STATUS_DATA_LOSS,
                     "%s does not know change %" PRIu64 ", by which this node decides: it was put "
                     "back to an older state, or is an old primary. Nothing is decided here any "
                     "more; docs/cluster.md (Backup) says what to do",
                     nodes->session.name, applied->number);
}

/* Inside of the transaction that has the lock: whether we may join, and which change is last. */
static bool look_round(struct store_nodes *nodes, const struct store_point *applied,
                       uint64_t *number, struct error *err)
{
    struct postgres_session *session = &nodes->session;
    char ours[NUMBER_TEXT];
    snprintf(ours, sizeof(ours), "%" PRIu64, applied->number);
    const char *parameters[] = {nodes->name, ours, applied->id};
    PGresult *result =
        postgres_session_ask(session,
                             "SELECT coalesce((SELECT max(number) FROM homerun.change), 0),"
                             " coalesce((SELECT min(name) FROM homerun.node"
                             "  WHERE alone AND valid_until > clock_timestamp()), ''),"
                             " (SELECT count(*) FROM homerun.node WHERE name <> $1 AND NOT alone),"
                             " " KNOWS,
                             parameters, 3, clock_mono_us() + ASK_US, NULL, err);
    if (result == NULL) {
        return false;
    }
    const char *alone = session->pq->result_value(result, 0, 1);
    bool good = true;
    *number = (uint64_t)number_at(session->pq, result, 0, 0);
    if (alone[0] != '\0') {
        good = error_set(err, STATUS_FAILED_PRECONDITION,
                         "another Homerun (%s) works by the record of %s without --cluster: end "
                         "that one first",
                         alone, session->name);
    } else if (number_at(session->pq, result, 0, 2) >= STORE_NODES_MAX) {
        good = error_set(err, STATUS_FAILED_PRECONDITION,
                         "%s has %d nodes already: `homerun nodes remove` forgets those that are "
                         "no more",
                         session->name, STORE_NODES_MAX);
    } else if (!flag_at(session->pq, result, 0, 3)) {
        good = fail_by_history(nodes, applied, err);
    }
    session->pq->result_clear(result);
    return good;
}

static void read_row(const struct libpq *pq, const PGresult *result, int row,
                     struct store_node *out)
{
    *out = (struct store_node){
        .epoch = number_at(pq, result, row, 1),
        .beat = number_at(pq, result, row, 2),
        .applied = (uint64_t)number_at(pq, result, row, 3),
        .lease_ms = (int)number_at(pq, result, row, 4),
        .serves = flag_at(pq, result, row, 5),
        .draining = flag_at(pq, result, row, 6),
        .left_ms = number_at(pq, result, row, 7),
    };
    snprintf(out->name, sizeof(out->name), "%s", pq->result_value(result, row, 0));
    snprintf(out->url, sizeof(out->url), "%s", pq->result_value(result, row, 8));
}

/* Whether a row of our name serves that we have not made: OUT->IS_HELD. */
static bool look_for_holder(struct store_nodes *nodes, struct store_joined *out, struct error *err)
{
    struct postgres_session *session = &nodes->session;
    char epoch[NUMBER_TEXT];
    snprintf(epoch, sizeof(epoch), "%" PRId64, nodes->epoch);
    const char *parameters[] = {nodes->name, epoch};
    PGresult *result = postgres_session_ask(
        session,
        "SELECT name, epoch, beat, applied, lease_ms, serves, draining, 0, url FROM homerun.node"
        " WHERE name = $1 AND epoch <> $2::bigint AND serves AND NOT alone",
        parameters, 2, clock_mono_us() + ASK_US, NULL, err);
    if (result == NULL) {
        return false;
    }
    out->is_held = session->pq->result_rows(result) > 0;
    if (out->is_held) {
        read_row(session->pq, result, 0, &out->holder);
    }
    session->pq->result_clear(result);
    return true;
}

/* A tenure goes on unless the node was passed over, or has left. */
static bool make_row(struct store_nodes *nodes, uint64_t applied, struct store_joined *out,
                     struct error *err)
{
    struct postgres_session *session = &nodes->session;
    char number[NUMBER_TEXT], lease[NUMBER_TEXT];
    snprintf(number, sizeof(number), "%" PRIu64, applied);
    snprintf(lease, sizeof(lease), "%d", nodes->lease_ms);
    const char *parameters[] = {nodes->name, number, lease, nodes->url};
    PGresult *result = postgres_session_ask(
        session,
        "WITH over AS (DELETE FROM homerun.node WHERE alone)"
        " INSERT INTO homerun.node AS n"
        " (name, epoch, valid_until, alone, serves, beat, applied, lease_ms, url, tenure)"
        " VALUES ($1, extract(epoch FROM clock_timestamp())::bigint,"
        " clock_timestamp() + $3::integer * interval '1 ms', false, true, 1,"
        "  $2::bigint, $3::integer, $4, extract(epoch FROM clock_timestamp())::bigint)"
        " ON CONFLICT (name) DO UPDATE SET epoch = n.epoch + 1, beat = n.beat + 1, alone = false,"
        " serves = true, valid_until = excluded.valid_until, applied = excluded.applied,"
        " lease_ms = excluded.lease_ms, url = excluded.url,"
        " tenure = CASE WHEN n.serves AND n.tenure > 0 THEN n.tenure"
        "  ELSE greatest(n.tenure + 1, excluded.tenure) END"
        " RETURNING epoch, tenure",
        parameters, 4, clock_mono_us() + ASK_US, NULL, err);
    if (result == NULL) {
        return false;
    }
    out->epoch = number_at(session->pq, result, 0, 0);
    out->tenure = (uint32_t)number_at(session->pq, result, 0, 1);
    session->pq->result_clear(result);
    return true;
}

bool store_nodes_join(struct store_nodes *nodes, const struct store_point *applied,
                      struct store_joined *out, struct error *err)
{
    struct postgres_session *session = &nodes->session;
    int64_t deadline = clock_mono_us() + 2 * ASK_US;
    if (!connect_session(nodes, err) ||
        !postgres_session_do(session, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", deadline,
                             err) ||
        !postgres_session_do(session, postgres_lock, deadline, err) ||
        !look_round(nodes, applied, &out->number, err) || !look_for_holder(nodes, out, err) ||
        (!out->is_held && !make_row(nodes, applied->number, out, err)) ||
        !postgres_session_do(session, "COMMIT", deadline, err)) {
        postgres_session_drop(session);
        return false;
    }
    nodes->epoch = out->is_held ? nodes->epoch : out->epoch;
    return true;
}

bool store_nodes_beat(struct store_nodes *nodes, const struct store_point *applied,
                      struct store_view *view, bool *lost, struct error *err)
{
    struct postgres_session *session = &nodes->session;
    const struct libpq *pq = session->pq;
    char epoch[NUMBER_TEXT], number[NUMBER_TEXT];
    snprintf(epoch, sizeof(epoch), "%" PRId64, nodes->epoch);
    snprintf(number, sizeof(number), "%" PRIu64, applied->number);
    const char *parameters[] = {nodes->name, number, applied->id, epoch};
    if (!connect_session(nodes, err)) {
        return false;
    }
    /* On disk there before it counts here: of a renewal that a crash of the server forgot, this
     * node would know, and the others not. The rows are those of before our own renewal. */
    PGresult *result = postgres_session_ask(
        session,
        "WITH ours AS (UPDATE homerun.node SET beat = beat + 1,"
        "  applied = greatest(applied, $2::bigint),"
        "  valid_until = clock_timestamp() + lease_ms * interval '1 ms'"
        "  WHERE name = $1 AND epoch = $4::bigint AND serves AND " KNOWS " RETURNING 1)"
        " SELECT n.name, n.epoch, n.beat, n.applied, n.lease_ms, n.serves, n.draining,"
        " (extract(epoch FROM n.valid_until - clock_timestamp()) * 1000)::bigint, n.url,"
        " (SELECT count(*) FROM ours),"
        " coalesce((SELECT max(number) FROM homerun.change), 0), " KNOWS " FROM homerun.node n"
        " WHERE NOT n.alone ORDER BY n.name",
        parameters, 4, clock_mono_us() + ASK_US, NULL, err);
    if (result == NULL) {
        return false;
    }
    int rows = pq->result_rows(result);
    *view = (struct store_view){0};
    for (int i = 0; i < rows && i < STORE_NODES_MAX; i++) {
        read_row(pq, result, i, &view->nodes[view->count++]);
    }
    *lost = rows == 0 || number_at(pq, result, 0, 9) == 0;
    view->number = rows == 0 ? 0 : (uint64_t)number_at(pq, result, 0, 10);
    bool known = rows == 0 || flag_at(pq, result, 0, 11);
    pq->result_clear(result);
    return known || fail_by_history(nodes, applied, err);
}

void store_nodes_leave(struct store_nodes *nodes)
{
    struct postgres_session *session = &nodes->session;
    char epoch[NUMBER_TEXT];
    snprintf(epoch, sizeof(epoch), "%" PRId64, nodes->epoch);
    const char *parameters[] = {nodes->name, epoch};
    if (nodes->epoch == 0 || postgres_session_is_broken(session)) {
        return;
    }
    PGresult *result = postgres_session_ask(
        session,
        /* One that is drained is exchanged, perhaps: its successor is drained, too. */
        "WITH kept AS (UPDATE homerun.node SET serves = false, epoch = epoch + 1"
        "  WHERE name = $1 AND epoch = $2::bigint AND draining RETURNING name),"
        " gone AS (DELETE FROM homerun.node WHERE name = $1 AND epoch = $2::bigint AND NOT draining"
        "  RETURNING name)"
        " SELECT pg_notify('homerun_node', $2 || ' - ' || name)"
        " FROM (SELECT name FROM kept UNION ALL SELECT name FROM gone) one",
        parameters, 2, clock_mono_us() + ASK_US, NULL, NULL);
    if (result != NULL) {
        session->pq->result_clear(result);
    }
}

/* ---- the others ---- */

bool store_nodes_pass_over(struct store_nodes *nodes, const struct store_node *node, bool *done,
                           struct error *err)
{
    char epoch[NUMBER_TEXT], beat[NUMBER_TEXT];
    snprintf(epoch, sizeof(epoch), "%" PRId64, node->epoch);
    snprintf(beat, sizeof(beat), "%" PRId64, node->beat);
    const char *parameters[] = {node->name, epoch, beat};
    struct postgres_session *session = &nodes->session;
    PGresult *result =
        connect_session(nodes, err)
            ? postgres_session_ask(
                  session,
                  "WITH over AS (UPDATE homerun.node SET serves = false, epoch = epoch + 1"
                  " WHERE name = $1 AND epoch = $2::bigint AND beat = $3::bigint AND serves"
                  " RETURNING name)"
                  " SELECT pg_notify('homerun_node', $2 || ' - ' || name) FROM over",
                  parameters, 3, clock_mono_us() + ASK_US, NULL, err)
            : NULL;
    if (result == NULL) {
        return false;
    }
    *done = session->pq->result_rows(result) > 0;
    session->pq->result_clear(result);
    return true;
}

/* ---- places ---- */

bool store_nodes_read_places(struct store_nodes *nodes, uint64_t revision, struct arena *arena,
                             struct store_places *out, struct error *err)
{
    struct postgres_session *session = &nodes->session;
    const struct libpq *pq = session->pq;
    char number[NUMBER_TEXT];
    snprintf(number, sizeof(number), "%" PRId64, (int64_t)revision);
    const char *parameters[] = {number};
    PGresult *result =
        connect_session(nodes, err)
            ? postgres_session_ask(
                  session,
                  "SELECT coalesce((SELECT string_agg(tenure || ' ' || name, E'\\n')"
                  "  FROM homerun.node WHERE serves AND NOT alone), ''),"
                  " coalesce(p.version, 0), coalesce(p.division, '') FROM (SELECT 1) one"
                  " LEFT JOIN homerun.place p ON p.revision = $1::bigint",
                  parameters, 1, clock_mono_us() + ASK_US, NULL, err)
            : NULL;
    if (result == NULL) {
        return false;
    }
    *out = (struct store_places){
        .live = slice_of(arena_string(arena, slice_of(pq->result_value(result, 0, 0)))),
        .version = number_at(pq, result, 0, 1),
        .division = slice_of(arena_string(arena, slice_of(pq->result_value(result, 0, 2)))),
    };
    pq->result_clear(result);
    return true;
}

/* A version is never given twice, so that a row that went and came again is another. */
bool store_nodes_write_places(struct store_nodes *nodes, uint64_t revision, int64_t version,
                              const char *division, bool tell, bool *done, struct error *err)
{
    struct postgres_session *session = &nodes->session;
    char number[NUMBER_TEXT], before[NUMBER_TEXT];
    snprintf(number, sizeof(number), "%" PRId64, (int64_t)revision);
    snprintf(before, sizeof(before), "%" PRId64, version);
    const char *parameters[] = {number, before, division, nodes->name, tell ? "t" : "f"};
    PGresult *result =
        connect_session(nodes, err)
            ? postgres_session_ask(
                  session,
                  "WITH fresh AS (INSERT INTO homerun.place (revision, version, division)"
                  "  SELECT $1::bigint, nextval('homerun.place_version'), $3"
                  "  WHERE $2::bigint = 0 ON CONFLICT (revision) DO NOTHING RETURNING 1),"
                  " gone AS (DELETE FROM homerun.place WHERE revision = $1::bigint"
                  "  AND version = $2::bigint AND $3 = '' RETURNING 1),"
                  " next AS (UPDATE homerun.place SET version = nextval('homerun.place_version'),"
                  "  division = $3 WHERE revision = $1::bigint AND version = $2::bigint"
                  "  AND $3 <> '' RETURNING 1),"
                  " made AS (SELECT 1 FROM fresh UNION ALL SELECT 1 FROM gone"
                  "  UNION ALL SELECT 1 FROM next)"
                  " SELECT count(*), count(CASE WHEN $5::boolean"
                  "  THEN pg_notify('homerun_place', $1 || ' ' || $4)::text END) FROM made",
                  parameters, 5, clock_mono_us() + ASK_US, NULL, err)
            : NULL;
    if (result == NULL) {
        return false;
    }
    *done = number_at(session->pq, result, 0, 0) > 0;
    session->pq->result_clear(result);
    return true;
}

/* ---- hearing ---- */

void store_nodes_wait(struct store_nodes *nodes, int64_t deadline_us)
{
    struct postgres_session *session = &nodes->session;
    bool connected = !postgres_session_is_broken(session);
    int fd = connected ? session->pq->socket(session->conn) : -1;
    bool came = session->host.wait(session->host.ctx, fd, connected ? POLLIN : 0, deadline_us);
    if (came && connected && session->conn != NULL && session->pq->consume(session->conn) == 0) {
        postgres_session_drop(session);
    }
}

/* "REVISION NAME" */
static bool read_place_word(const char *text, struct store_heard *out)
{
    struct slice rest = slice_of(text), number;
    if (!slice_cut(&rest, ' ', &number) || !slice_to_u64(number, &out->number) ||
        rest.len >= sizeof(out->member.name)) {
        return false;
    }
    snprintf(out->member.name, sizeof(out->member.name), "%.*s", SLICE_ARG(rest));
    out->what = HEARD_PLACES;
    return true;
}

static bool read_question_word(const char *text, struct store_heard *out)
{
    struct slice name;
    out->what = HEARD_QUESTION;
    if (!store_question_read(text, out->question, &name) || name.len >= sizeof(out->member.name)) {
        return false;
    }
    snprintf(out->member.name, sizeof(out->member.name), "%.*s", SLICE_ARG(name));
    return true;
}

/* "EPOCH NUMBER NAME", or "EPOCH - NAME" of one that nobody has to wait for. */
static bool read_node_word(const char *text, struct store_heard *out)
{
    struct slice rest = slice_of(text), epoch, number;
    uint64_t value;
    if (!slice_cut(&rest, ' ', &epoch) || !slice_cut(&rest, ' ', &number) ||
        !slice_to_u64(epoch, &value) || rest.len == 0 || rest.len >= sizeof(out->member.name)) {
        return false;
    }
    out->member.epoch = (int64_t)value;
    snprintf(out->member.name, sizeof(out->member.name), "%.*s", SLICE_ARG(rest));
    out->what = slice_is(number, "-") ? HEARD_GONE : HEARD_APPLIED;
    return out->what == HEARD_GONE || slice_to_u64(number, &out->number);
}

static bool read_change_word(const char *text, struct store_heard *out)
{
    out->what = HEARD_CHANGE;
    return slice_to_u64(slice_of(text), &out->number);
}

static const struct {
    const char *channel;
    bool (*read)(const char *text, struct store_heard *out);
} channels[] = {
    {"homerun_change", read_change_word},
    {"homerun_node", read_node_word},
    {"homerun_place", read_place_word},
    {"homerun_question", read_question_word},
};

static bool read_word(const char *channel, const char *text, struct store_heard *out)
{
    *out = (struct store_heard){0};
    for (size_t i = 0; i < sizeof(channels) / sizeof(channels[0]); i++) {
        if (strcmp(channels[i].channel, channel) == 0) {
            return channels[i].read(text, out);
        }
    }
    return false;
}

bool store_nodes_hear(struct store_nodes *nodes, struct store_heard *out)
{
    struct postgres_session *session = &nodes->session;
    PGnotify *notify;
    while (session->conn != NULL && (notify = session->pq->notifies(session->conn)) != NULL) {
        bool good = read_word(notify->relname, notify->extra, out);
        session->pq->free_memory(notify);
        if (good) {
            return true;
        }
    }
    return false;
}
