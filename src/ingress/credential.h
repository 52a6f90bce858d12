/* Which header is the credential, and what is removed from it (docs/access.md, C1, C2, C8). */
#pragma once

#include "http/message.h"
#include "policy/decide.h"

/* The header that decides: X-Serverless-Authorization alone when it is there. */
enum credential_source { CREDENTIAL_NOWHERE, CREDENTIAL_AUTHORIZATION, CREDENTIAL_SERVERLESS };

struct credential_found {
    enum credential_source source;
    enum credential state; /* VALID means only: a bearer token that is worth looking at */
    struct slice token;    /* of VALID */
};

/* Looks at the headers alone: nothing is verified here. */
struct credential_found credential_find(const struct http_headers *headers);

/*
 * VALUE with the signature of everything in it that looks like a JWT replaced, whatever the scheme.
 * VALUE itself if there is nothing to replace.
 */
struct slice credential_strip(struct arena *arena, struct slice value);
