/*
 * The console's own few methods: its files, sign-in by a one-time link, who is signed in, sign-out. All
 * else that it does is the API that gcloud calls, with the session's cookie in place of a token.
 */
#pragma once

#include "control/call/row.h"
#include "http/message.h"

extern const struct api_route console_routes[];
extern const size_t console_route_count;

/* The session's cookie of the request; empty if there is none, or more than one. */
struct slice console_cookie(const struct http_request *request);

/*
 * Whether a request that comes with the cookie alone may do what it asks for: a read always, a write only
 * from a page of ours (the header that no form can set, our own Origin, a JSON or YAML body).
 * PERMISSION_DENIED otherwise.
 */
bool console_request_is_ours(const struct http_request *request, struct error *err);
