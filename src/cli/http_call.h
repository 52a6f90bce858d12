/* One blocking HTTP/1.1 exchange over a socket of its own: what a command line needs, and no more.
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"

struct http_ask {
    const char *url; /* "http://localhost:8080": no path */
    const char *verb;
    const char *path;         /* with query */
    const char *content_type; /* NULL: no body */
    struct slice body;
    const char *token;   /* bearer; NULL: none */
    unsigned timeout_ms; /* of each wait for bytes; 0: a minute */
};

struct http_answer {
    int status;
    struct slice content_type;
    struct slice body;
};

/* UNAVAILABLE if nobody listens there; DEADLINE_EXCEEDED; INTERNAL for an answer that is no HTTP.
 */
bool http_call(struct arena *arena, const struct http_ask *ask, struct http_answer *out,
               struct error *err);
