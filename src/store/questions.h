/*
 * What one node of a cluster asks the others: a row a question, a row an answer, and a word by
 * NOTIFY for each, over a session that is there only while something is asked. Nodes reach the
 * server anyhow, by TLS and with a login; so they need no way to each other. The tables are not
 * logged: what is in them is of the moment, lost in a crash of the server, and on no standby.
 */
#pragma once

#include "store/store.h"

struct store_questions; /* opaque */

enum { STORE_QUESTION_ID = 33, STORE_ANSWER_MAX = 4 << 20 };

/* Does not connect. STORE is its URL, NODE our name. HOST as in store_set_host(). NULL: the URL is
 * wrong. */
struct store_questions *store_questions_new(const char *store, const char *node,
                                            const struct store_host *host, struct error *err);
void store_questions_free(struct store_questions *questions);

/* ---- who asks ---- */

/* Makes the row of question ID, and tells the others. */
STORE_ASK bool store_questions_put(struct store_questions *questions, const char *id,
                                   const char *what, const char *body, struct error *err);
/* Answers to ID by nodes that are not in SEEN (names, each followed by a line break): VISIT is
 * called with each; TEXT is NULL where the node could not answer, and WHY says why not. */
STORE_ASK bool store_questions_answers(struct store_questions *questions, const char *id,
                                       const char *seen,
                                       void (*visit)(void *ctx, const char *node, const char *text,
                                                     const char *why),
                                       void *ctx, struct error *err);
/* The question is over: its rows go, and all that are older than a minute. */
STORE_ASK bool store_questions_end(struct store_questions *questions, const char *id,
                                   struct error *err);

/* ---- who is asked ---- */

/* What ID asks, in ARENA. *WHAT is NULL if the question is over. */
STORE_ASK bool store_questions_take(struct store_questions *questions, const char *id,
                                    struct arena *arena, const char **what, const char **body,
                                    struct error *err);
/* TEXT, of at most STORE_ANSWER_MAX bytes; or NULL, and WHY. Nothing happens if ID is over. */
STORE_ASK bool store_questions_answer(struct store_questions *questions, const char *id,
                                      const char *text, const char *why, struct error *err);

/* ---- waiting ---- */

/* Waits until something may have been said, the host is woken, or DEADLINE_US (clock_mono_us()). */
void store_questions_wait(struct store_questions *questions, int64_t deadline_us);
/* Whether a question with an answer was named since: its ID. False: nothing more. */
bool store_questions_hear(struct store_questions *questions, char id[STORE_QUESTION_ID]);
/* Ends the session; the next question makes a new one. */
void store_questions_rest(struct store_questions *questions);
/* Whether there is a session. If it was lost while somebody waits, answers may have been missed. */
bool store_questions_is_connected(const struct store_questions *questions);

/* "ID NODE", as nodes hear it (nodes.h): the id of a question that NODE asks. */
bool store_question_read(const char *text, char id[STORE_QUESTION_ID], struct slice *node);
