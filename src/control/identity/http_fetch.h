/*
 * Asking other servers, by the fetcher: a process that starts with the first question, and ends
 * when there was none for a while. Limits of time and size; no redirect is followed. Used for keys,
 * descriptions and tokens of other issuers, and for descriptions of agents.
 */
#pragma once

#include "control/control.h"
#include "ipc/fetch_message.h"

struct fetches; /* opaque: what is asked, and by which channel */

/* Over the channel "fetcher", if this process was born with one; else each question is answered by
 * what is missing. NULL and *err on failure. */
struct fetches *fetches_new(struct control *control, struct error *err);
/* Those who wait are not told. NULL is fine. */
void fetches_free(struct fetches *fetches);

/* What is asked. Copied. */
struct fetch_plan {
    const char *uri;
    const char *form;          /* body of a POST (application/x-www-form-urlencoded); NULL: GET */
    const char *user, *secret; /* HTTP Basic, as they are; NULL: none */
    const char *bearer;        /* access token; NULL: none */
    size_t bytes_max;          /* of the answer; 0: FETCH_BYTES_MAX */
    bool only_json;            /* an answer of another content type is none */
    /* What a stranger has named: no address of this machine or of a private network is asked, and
     * no proxy, which would look names up by itself. */
    bool only_public;
    const char *ca; /* file of certificates that are trusted besides the system's; NULL: none */
};

/*
 * The answer: STATUS of HTTP and TEXT (lent), or status 0 and WHY, a sentence without a full stop,
 * if none came. Called from the loop, once.
 */
typedef void (*fetch_done)(struct control *control, void *ctx, long status, const char *text,
                           const char *why);

void http_fetch(struct control *control, const struct fetch_plan *plan, fetch_done done, void *ctx);
