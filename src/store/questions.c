#include "store/questions.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "store/postgres_session.h"

enum { ASK_US = 2 * 1000000 };

struct store_questions {
    struct postgres_session session;
    char node[64];
};

struct store_questions *store_questions_new(const char *store, const char *node,
                                            const struct store_host *host, struct error *err)
{
    struct store_questions *questions = mem_new(struct store_questions);
    snprintf(questions->node, sizeof(questions->node), "%s", node);
    if (!postgres_session_init(&questions->session, store, "homerun question", host, err)) {
        store_questions_free(questions);
        return NULL;
    }
    return questions;
}

void store_questions_free(struct store_questions *questions)
{
    if (questions != NULL) {
        postgres_session_done(&questions->session);
        free(questions);
    }
}

/* Nothing of this has to be on disk, or at a standby, before it counts. */
static bool connect_session(struct store_questions *questions, struct error *err)
{
    struct postgres_session *session = &questions->session;
    int64_t deadline = clock_mono_us() + ASK_US;
    if (postgres_session_connect(session, err) &&
        (!session->fresh ||
         (postgres_session_do(session, "SET synchronous_commit = off", deadline, err) &&
          postgres_session_do(session, "LISTEN homerun_answer", deadline, err)))) {
        session->fresh = false;
        return true;
    }
    postgres_session_drop(session);
    return false;
}

static PGresult *ask(struct store_questions *questions, const char *sql,
                     const char *const *parameters, int count, struct error *err)
{
    return connect_session(questions, err)
               ? postgres_session_ask(&questions->session, sql, parameters, count,
                                      clock_mono_us() + ASK_US, NULL, err)
               : NULL;
}

static bool tell(struct store_questions *questions, const char *sql, const char *const *parameters,
                 int count, struct error *err)
{
    PGresult *result = ask(questions, sql, parameters, count, err);
    if (result == NULL) {
        return false;
    }
    questions->session.pq->result_clear(result);
    return true;
}

static const char *text_at(const struct libpq *pq, const PGresult *result, int row, int column)
{
    return pq->result_is_null(result, row, column) ? NULL : pq->result_value(result, row, column);
}

/* ---- who asks ---- */

bool store_questions_put(struct store_questions *questions, const char *id, const char *what,
                         const char *body, struct error *err)
{
    const char *parameters[] = {id, questions->node, what, body};
    return tell(questions,
                "WITH put AS (INSERT INTO homerun.question (id, node, what, body)"
                " VALUES ($1, $2, $3, $4) RETURNING 1)"
                " SELECT pg_notify('homerun_question', $1 || ' ' || $2) FROM put",
                parameters, 4, err);
}

bool store_questions_answers(struct store_questions *questions, const char *id, const char *seen,
                             void (*visit)(void *ctx, const char *node, const char *text,
                                           const char *why),
                             void *ctx, struct error *err)
{
    const char *parameters[] = {id, seen};
    const struct libpq *pq = questions->session.pq;
    PGresult *result = ask(questions,
                           "SELECT node, body, why FROM homerun.answer WHERE question = $1"
                           " AND node <> ALL (string_to_array($2, E'\\n'))",
                           parameters, 2, err);
    if (result == NULL) {
        return false;
    }
    int rows = pq->result_rows(result);
    for (int i = 0; i < rows; i++) {
        visit(ctx, pq->result_value(result, i, 0), text_at(pq, result, i, 1),
              pq->result_value(result, i, 2));
    }
    pq->result_clear(result);
    return true;
}

bool store_questions_end(struct store_questions *questions, const char *id, struct error *err)
{
    const char *parameters[] = {id};
    return tell(questions,
                "DELETE FROM homerun.question WHERE id = $1"
                " OR at < clock_timestamp() - interval '1 minute'",
                parameters, 1, err);
}

/* ---- who is asked ---- */

bool store_questions_take(struct store_questions *questions, const char *id, struct arena *arena,
                          const char **what, const char **body, struct error *err)
{
    const char *parameters[] = {id};
    const struct libpq *pq = questions->session.pq;
    PGresult *result =
        ask(questions, "SELECT what, body FROM homerun.question WHERE id = $1", parameters, 1, err);
    if (result == NULL) {
        return false;
    }
    bool there = pq->result_rows(result) > 0;
    *what = there ? arena_string(arena, slice_of(pq->result_value(result, 0, 0))) : NULL;
    *body = there ? arena_string(arena, slice_of(pq->result_value(result, 0, 1))) : NULL;
    pq->result_clear(result);
    return true;
}

bool store_questions_answer(struct store_questions *questions, const char *id, const char *text,
                            const char *why, struct error *err)
{
    const char *parameters[] = {id, questions->node, text, why == NULL ? "" : why};
    return tell(questions,
                "WITH put AS (INSERT INTO homerun.answer (question, node, body, why)"
                " SELECT id, $2, $3, $4 FROM homerun.question WHERE id = $1"
                " ON CONFLICT (question, node) DO NOTHING RETURNING 1)"
                " SELECT pg_notify('homerun_answer', $1 || ' ' || $2) FROM put",
                parameters, 4, err);
}

/* ---- waiting ---- */

void store_questions_wait(struct store_questions *questions, int64_t deadline_us)
{
    struct postgres_session *session = &questions->session;
    bool connected = !postgres_session_is_broken(session);
    int fd = connected ? session->pq->socket(session->conn) : -1;
    bool came = session->host.wait(session->host.ctx, fd, connected ? POLLIN : 0, deadline_us);
    if (came && connected && session->conn != NULL && session->pq->consume(session->conn) == 0) {
        postgres_session_drop(session);
    }
}

bool store_question_read(const char *text, char id[STORE_QUESTION_ID], struct slice *node)
{
    struct slice name;
    *node = slice_of(text);
    if (!slice_cut(node, ' ', &name) || name.len != STORE_QUESTION_ID - 1 || node->len == 0) {
        return false;
    }
    memcpy(id, name.data, name.len);
    id[name.len] = '\0';
    return true;
}

bool store_questions_hear(struct store_questions *questions, char id[STORE_QUESTION_ID])
{
    struct postgres_session *session = &questions->session;
    PGnotify *notify;
    while (session->conn != NULL && (notify = session->pq->notifies(session->conn)) != NULL) {
        struct slice node;
        bool good = store_question_read(notify->extra, id, &node);
        session->pq->free_memory(notify);
        if (good) {
            return true;
        }
    }
    return false;
}

void store_questions_rest(struct store_questions *questions)
{
    postgres_session_drop(&questions->session);
}

bool store_questions_is_connected(const struct store_questions *questions)
{
    return !postgres_session_is_broken(&questions->session);
}
