/*
 * The console's own few methods: its files, sign-in by a one-time link, who is signed in, sign-out.
 * All else that it does is the API that gcloud calls, with the session's cookie in place of a
 * token.
 *
 * It stands at two places: at the API's own address, where `homerun console` signs in by a link,
 * and at console.DOMAIN, where the door does, as for any service.
 */
#pragma once

#include "control/identity/sessions.h"

extern const struct api_route console_routes[];
extern const size_t console_route_count;

/* Whether the call brings a cookie of the console, good or not. */
bool console_has_cookie(struct api_call *call);
/* The session of that cookie, at the host where the call came in. UNAUTHENTICATED if there is none,
 * or more than one. To be ended with session_done(). */
bool console_session(struct api_call *call, struct session *out, struct error *err);

/*
 * Whether a request that comes with the cookie alone may do what it asks for: a read always, a
 * write only from a page of ours (the header that no form can set, our own Origin, a JSON or YAML
 * body). PERMISSION_DENIED otherwise.
 */
bool console_request_is_ours(const struct api_call *call, struct error *err);
