/*
 * Asking other servers: libcurl beside the loop, with limits of time and size, never following a
 * redirect. Used for keys, descriptions and tokens of other issuers.
 */
#pragma once

#include "control/control.h"

enum { FETCH_BYTES_MAX = 65536, FETCH_TIMEOUT_S = 5 };

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
