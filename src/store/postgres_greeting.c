/*
 * A pooler (PgBouncer and its like) hands a session's statements to whichever session of its own is
 * free: what was set, LISTEN, and advisory locks are then another's, and nobody says so. It gives
 * itself away by the number of the process that serves us, of which it tells one of its own making
 * when the session begins.
 */
#include "store/postgres_greeting.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

enum { GREETING_US = 3 * 1000000 };

enum { BACKEND, READ_ONLY, CHECKED, SYNCED, TIMELINE };

/*
 * An operator who has switched off waiting for the disk means other tables than these. A timeline
 * is a number that rises when a standby takes over.
 */
static const char question[] =
    "SELECT pg_backend_pid(), current_setting('transaction_read_only'),"
    " current_setting('session_replication_role'), current_setting('fsync'),"
    " CASE WHEN pg_is_in_recovery() THEN ''"
    "  ELSE left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END,"
    " set_config('synchronous_commit', CASE"
    "  WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN 'on'"
    "  ELSE current_setting('synchronous_commit') END, false),"
    /* Of PostgreSQL 17; older ones do not know it. */
    " CASE WHEN current_setting('transaction_timeout', true) IS NOT NULL"
    "  THEN set_config('transaction_timeout', '0', false) END";

static bool check_timeline(struct postgres_session *session, const char *text, struct error *err)
{
    unsigned long timeline = strtoul(text, NULL, 16);
    if (timeline < session->timeline) {
        return error_set(err, STATUS_UNAVAILABLE,
                         "%s is on timeline %lu, and one that took over from it is on %lu: end the "
                         "old primary, or make a standby of it. (After a backup was put back: "
                         "start Homerun anew)",
                         session->name, timeline, session->timeline);
    }
    session->timeline = timeline;
    return true;
}

/* Said once: the server does as it was told, and it may be a trial. */
static void warn_of_disk(const struct postgres_session *session)
{
    static bool warned;
    if (!warned) {
        warned = true;
        log_warn("store: %s has fsync=off: when its machine fails, changes that were acknowledged "
                 "are lost, and perhaps the whole record",
                 session->name);
    }
}

static bool check(struct postgres_session *session, const PGresult *result, struct error *err)
{
    const struct libpq *pq = session->pq;
    if (atoi(pq->result_value(result, 0, BACKEND)) != pq->backend_pid(session->conn)) {
        return error_set(err, STATUS_FAILED_PRECONDITION,
                         "%s is reached through a pooler (such as PgBouncer), which gives a "
                         "session's locks, settings and LISTEN to others: name the server itself",
                         session->name);
    }
    if (strcmp(pq->result_value(result, 0, READ_ONLY), "off") != 0) {
        return error_set(err, STATUS_UNAVAILABLE, "%s: session is read-only%s", session->name,
                         postgres_advice("session is read-only"));
    }
    if (strcmp(pq->result_value(result, 0, CHECKED), "origin") != 0) {
        return error_set(err, STATUS_FAILED_PRECONDITION,
                         "%s has session_replication_role=%s for this role: then nothing checks "
                         "the chain of changes (ALTER ROLE … RESET session_replication_role)",
                         session->name, pq->result_value(result, 0, CHECKED));
    }
    if (strcmp(pq->result_value(result, 0, SYNCED), "on") != 0) {
        warn_of_disk(session);
    }
    return check_timeline(session, pq->result_value(result, 0, TIMELINE), err);
}

bool postgres_greet(struct postgres_session *session, struct error *err)
{
    PGresult *result =
        postgres_session_ask(session, question, NULL, 0, clock_mono_us() + GREETING_US, NULL, err);
    bool good = result != NULL && check(session, result, err);
    if (result != NULL) {
        session->pq->result_clear(result);
    }
    return good;
}

/* Of the server's sentences no code comes with a refused connection. */
static const struct {
    const char *said, *advice;
} advices[] = {
    {"session is read-only",
     "; it takes no changes: a standby (name its primary, too), or "
     "default_transaction_read_only is set for the server, the database or the role"},
    {"unsupported startup parameter",
     "; a pooler (such as PgBouncer) gives a session's locks, settings and LISTEN to others: name "
     "the server itself"},
    {"unrecognized configuration parameter", "; PostgreSQL 14 or newer is needed"},
    {"too many c", "; Homerun needs two sessions, and each node of a cluster three: raise "
                   "max_connections, or the CONNECTION LIMIT of the database or the role"},
    {"remaining connection slots", "; Homerun needs two sessions, and each node of a cluster "
                                   "three: raise max_connections"},
    {"does not exist", "; make it first (createdb, createuser)"},
};

const char *postgres_advice(const char *said)
{
    for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
        if (strstr(said, advices[i].said) != NULL) {
            return advices[i].advice;
        }
    }
    return "";
}
