/*
 * What a person has let an agent do: come to one service in their name. It is a session that hangs
 * on theirs (sessions.h; docs/access.md, S10), so signing out ends it, as all does that ends them.
 *
 * A refresh token is "FAMILY.TICKET": the family stays, the ticket is used once. The record has the
 * hash of the newest; an older one of the family has been stolen, or is sent by who was stolen
 * from, and ends the family.
 */
#pragma once

#include "control/identity/agent_clients.h"
#include "control/identity/agent_flows.h"

/* What a client sends for a code (RFC 6749 section 4.1.3). */
struct agent_code_form {
    struct slice client, code, redirect, verifier;
};
/*
 * What the form's code was asked for, and the sign-on session of the person who said yes, who is
 * the call's caller from then on. UNAUTHENTICATED if the form is not of who asked for it, which
 * burns the code, or the person has signed out; a second use ends what the first one gave. The
 * grant uses the code up.
 */
bool agent_code_redeem(struct api_call *call, const struct agent_code_form *form,
                       struct agent_request *request, struct session *parent, struct error *err);

/* The answer of the token endpoint, on the way. Strings lie in the call's arena. */
struct agent_tokens {
    struct slice access, refresh; /* refresh "": none was asked for */
    struct slice scope;
};

/* The grant that the person of PARENT, a sign-on session, has given to CLIENT by REQUEST, in a
 * change of its own. *key is the session's. */
bool agent_grant_begin(struct api_call *call, const struct session *parent,
                       const struct agent_client *client, const struct agent_request *request,
                       struct agent_tokens *out, struct session_key *key, struct error *err);

enum { AGENT_RENEWALS_MAX = 10, AGENT_RENEWALS_S = 60 };

enum agent_renewal {
    AGENT_RENEWED,
    AGENT_TOO_OFTEN, /* ten within a minute: each is a change of the record. Nothing is used up */
    AGENT_ENDED,     /* it is unknown, over, of another client, or used before */
    AGENT_FAILED,    /* *err */
};
/* New tokens for a refresh token of CLIENT. RESOURCE "": as before; another one is refused with
 * AGENT_ENDED and *wrong_resource. */
enum agent_renewal agent_grant_renew(struct api_call *call, const struct agent_client *client,
                                     struct slice refresh, struct slice resource,
                                     struct agent_tokens *out, bool *wrong_resource,
                                     struct error *err);

/* Ends a grant with DEED as its audit row; true also if there is none. */
bool agent_grant_end(struct api_call *call, const struct session_key *key, const char *deed,
                     struct error *err);
/* The key of the grant that TOKEN, an access or refresh token of the client ID, is of. */
bool agent_grant_of_token(struct api_call *call, struct slice token, struct slice client,
                          struct session_key *out);

/* The same of the person of SESSION, by the key's digits: what a page of theirs names. */
bool agent_grant_end_own(struct api_call *call, const struct session *session, struct slice digits,
                         struct error *err);

/* One of a person's. */
struct agent_grant {
    const char *digits;       /* of the key */
    struct slice name, place; /* what the agent calls itself; where it is answered at */
    struct slice resource;
    int64_t made_us, used_us;
};
/* Those of the person of SESSION, whichever browser they gave it in; at most MAX. In the call's
 * arena. */
size_t agent_grants_list(struct api_call *call, const struct session *session,
                         struct agent_grant *out, size_t max);
