/*
 * One session with a PostgreSQL server: where it is, how it is reached, one statement after the
 * other. No wait is without a limit, and none blocks but by the host (store.h).
 */
#pragma once

#include "base/arena.h"
#include "store/libpq.h"
#include "store/store.h"

struct postgres_session {
    const struct libpq *pq;
    struct store_host host;
    struct arena arena;              /* of what follows, for as long as the session is there */
    const char **keywords, **values; /* of the connection, NULL at their ends */
    const char *name;                /* "PostgreSQL at HOST/DATABASE" */
    const char *passfile;            /* of the URL; NULL: none */
    PGconn *conn;                    /* NULL: not connected */
    bool fresh;                      /* connected, and not yet set up by its user */
    unsigned long timeline;          /* the newest of a server that was met; 0: none was */
    bool warned; /* the server has said a warning since this was last set to false */
};

/*
 * Reads URL and checks it, without connecting. INVALID_ARGUMENT, saying what to write instead: it
 * is no postgresql:// URL, has a password in it, names no host, or weakens TLS to another machine.
 * APPLICATION is what the server shows in pg_stat_activity.
 */
bool postgres_session_init(struct postgres_session *session, const char *url,
                           const char *application, const struct store_host *host,
                           struct error *err);
void postgres_session_done(struct postgres_session *session);

/* Connects if it is not connected: each host of the URL is tried for at most three seconds.
 * UNAVAILABLE, with what the server or libpq said; or what postgres_greeting.h says. */
bool postgres_session_connect(struct postgres_session *session, struct error *err);
/* Drops the connection: the next one is new. */
void postgres_session_drop(struct postgres_session *session);
bool postgres_session_is_broken(const struct postgres_session *session);

/*
 * One statement with COUNT text parameters. NULL if the server refused it, or the connection broke,
 * or DEADLINE_US (clock_mono_us()) has come: then *err says so, the SQLSTATE is in SQLSTATE (6
 * bytes, "" if the server has not answered; may be NULL), and a connection that did not answer is
 * dropped. The result is the caller's, to be cleared.
 */
PGresult *postgres_session_ask(struct postgres_session *session, const char *sql,
                               const char *const *parameters, int count, int64_t deadline_us,
                               char sqlstate[6], struct error *err);
/* The same, without a result. */
bool postgres_session_do(struct postgres_session *session, const char *sql, int64_t deadline_us,
                         struct error *err);

/* ---- for several statements in one trip ---- */

/* Puts one into the pipeline, which has been entered. */
bool postgres_session_queue(struct postgres_session *session, const char *sql,
                            const char *const *parameters, int count);
/* The next result of the pipeline; NULL between the results of two statements, or if the connection
 * broke or DEADLINE_US has come: then it is dropped. */
PGresult *postgres_session_next(struct postgres_session *session, int64_t deadline_us);
bool postgres_session_send(struct postgres_session *session, int64_t deadline_us);

/* What the server said in RESULT, as one line of *err, with a status by its SQLSTATE. False. */
bool postgres_session_fail(struct postgres_session *session, const PGresult *result,
                           char sqlstate[6], struct error *err);
