/*
 * What a container gets to see of a request's headers, and a client of a response's: one table
 * (docs/access.md, C9).
 */
#pragma once

#include "http/message.h"
#include "ingress/trace.h"

struct forwarding {
    const struct http_headers *headers; /* as the client sent them */
    struct slice peer;                  /* address of the socket's other end, as text */
    struct slice scheme;                /* "https" */
    const struct trace *trace;
    bool strip_authorization, drop_authorization;
    bool behind_door; /* header fields that only a door sets, and credentials shown to it, go */
    /* The person who came through the door: "" leaves the field out. */
    struct slice assertion, user_email, user_id;
    bool websocket; /* the handshake's own fields go along */
};

/* False if there are more headers than a message may have. Slices point into the request and ARENA.
 */
bool headers_to_container(struct arena *arena, const struct forwarding *forwarding,
                          struct http_headers *out);

/* The trailers that are passed on: fields that Homerun gives no meaning, so that none can look like
 * a header of ours, nor, behind a door, like one of the door's. */
void trailers_to_container(struct arena *arena, const struct http_headers *from, bool behind_door,
                           struct http_headers *out);

/* Like the function above, for the answer to a request for HOST (an authority): removes hop-by-hop
 * fields and cookies for other hosts, makes an answer with Set-Cookie private, adds the trace. */
bool headers_to_client(struct arena *arena, const struct http_headers *from, struct slice host,
                       const struct trace *trace, struct http_headers *out);
/* The trailers of the answer, without cookies, which are not allowed there. */
void trailers_to_client(struct arena *arena, const struct http_headers *from,
                        struct http_headers *out);
