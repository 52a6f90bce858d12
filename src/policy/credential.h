/* Which header is the credential, and whether it holds one bearer token (docs/access.md, C1, C2).
 */
#pragma once

#include "base/slice.h"
#include "policy/decide.h"

enum { CREDENTIAL_TOKEN_MAX = 16384 }; /* bytes */

/* The lines of the two headers that may carry a credential: how many there are, and the value of
 * one of them. */
struct credential_lines {
    unsigned authorization_count, serverless_count;
    struct slice authorization, serverless;
};

/* The header that decides: X-Serverless-Authorization alone when it is there. */
enum credential_source { CREDENTIAL_NOWHERE, CREDENTIAL_AUTHORIZATION, CREDENTIAL_SERVERLESS };

struct credential_found {
    enum credential_source source;
    enum credential state; /* VALID means only: a bearer token that is worth looking at */
    struct slice token;    /* of VALID; points into the lines */
};

/* Finds the credential in the two headers. Nothing is verified here. A blank or a comma within the
 * token would mean several tokens, or several fields that a proxy joined: that is BAD. */
struct credential_found credential_find(const struct credential_lines *lines);

/*
 * The same in two steps, for callers that have a cheaper way to find out that the token is a single
 * one: VALID here says nothing about the inside of the token, and counts only once
 * credential_is_single(), or a stricter check, has accepted it.
 */
struct credential_found credential_locate(const struct credential_lines *lines);
bool credential_is_single(struct slice token);
