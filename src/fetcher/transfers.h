/*
 * Questions to other servers that are under way, by libcurl: each with its own limits of time and
 * size, no redirect is followed, and no connection serves two questions, so that what was judged
 * for one is never used for another.
 */
#pragma once

#include "base/error.h"
#include "ipc/fetch_message.h"

struct transfers; /* opaque */

/* ANSWER is lent. Called from transfers_begin() or transfers_step(), once for each question. */
typedef void (*transfer_done)(void *ctx, const struct fetch_answer *answer);

/* Before the sandbox: it reads OpenSSL's configuration. NULL and *err on failure. */
struct transfers *transfers_new(transfer_done done, void *ctx, struct error *err);
/* What is under way ends without an answer. */
void transfers_free(struct transfers *transfers);

/* ASK is copied. The one beyond FETCHES_AT_ONCE is answered with a refusal. */
void transfers_begin(struct transfers *transfers, const struct fetch_ask *ask);

/* Sends and reads what can be sent and read now. */
void transfers_step(struct transfers *transfers);

/* Until there is something to do for a question, FD can be read, or TIMEOUT_MS are over. */
void transfers_wait(struct transfers *transfers, int fd, int timeout_ms);
