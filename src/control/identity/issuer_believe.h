/* Whom we believe: tokens of our own issuer, and those that accounts sign themselves. */
#pragma once

#include "control/call/call.h"
#include "trust/trust.h"

/* The bearer token that a request has; "" if it has none. UNAUTHENTICATED if it has two. */
bool issuer_bearer(const struct http_request *request, struct slice *token, struct error *err);

/* Believes an access token of ours, or a self-signed JWT of an account's key: fills CALLER.
 * UNAUTHENTICATED on failure. */
bool issuer_caller(struct control *control, struct arena *arena, struct slice token,
                   struct caller *out, struct error *err);

/*
 * For calls that go on after their head was judged: whether the token that CALL came with would be
 * believed now, and is the same caller's. UNAUTHENTICATED once the token, its key or its account
 * has ended. True as well if the client has left.
 */
bool issuer_caller_lives(struct api_call *call, struct error *err);

/* Whether the session that TOKEN, one of ours, hangs on is there, if it hangs on one. */
bool issuer_session_stands(struct control *control, struct arena *arena, const struct token *token);

/* Whether a JWT that an account has signed itself is of now, and for an hour at most: longer ones
 * would outlive what the account's tokens may. */
bool issuer_assertion_lives(const struct token *token);

/* Believes a token of ours with that use ("access", "refresh", "federated"): signature and time. */
bool issuer_believe(struct control *control, struct arena *arena, struct slice text,
                    const char *use, struct token *out, struct error *err);
