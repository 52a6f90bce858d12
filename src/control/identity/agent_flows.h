/*
 * Requests of agents for a person's consent, and the codes that consent gives (RFC 6749 section
 * 4.1). Strangers can begin requests, so a request is a text that only we can read (sealed.h), and
 * any node goes on with it. A code is of a person who has said yes: it is a document of the record,
 * so that of two nodes one gives tokens for it.
 */
#pragma once

#include "control/identity/sealed.h"
#include "control/identity/sessions.h"

enum {
    AGENT_FLOW_S = 10 * 60, /* from the request to the consent */
    AGENT_CODE_S = 60,
    AGENT_CODES_MAX = 4096, /* that are known, used ones too */
    AGENT_CODES_OF_SESSION_MAX = 64,
    AGENT_STATE_MAX = 2048,
    AGENT_REQUEST_MAX = 4000, /* bytes of all that is asked for together */
};

/* What an agent asks for. */
struct agent_request {
    struct slice client;    /* ID */
    struct slice redirect;  /* as asked for */
    struct slice state;     /* "" if it sent none */
    struct slice challenge; /* PKCE, S256 */
    struct slice resource;  /* as asked for */
    struct slice host;      /* of the resource: lower case, no port */
    struct slice scope;
    struct slice code; /* the one that it gives; of agent_code_find() */
};

/* REQUEST as a text, in ARENA; "" if it is over AGENT_REQUEST_MAX. */
struct slice agent_flow_new(const struct sealer *sealer, struct arena *arena,
                            const struct agent_request *request, struct moment now);
/* False if ID is none, too old, or has been answered (a no: as far as this node knows). *out is in
 * ARENA. */
bool agent_flow_find(struct control *control, struct arena *arena, struct slice id,
                     struct moment now, struct agent_request *out);
/* It is shown to the person of SESSION: a text for a cookie of their browser, in ARENA. */
struct slice agent_flow_show(const struct sealer *sealer, struct arena *arena, struct slice id,
                             const struct session_key *session, struct moment now);
/* Whether SHOWN, the cookie, says so. */
bool agent_flow_is_shown(const struct sealer *sealer, struct arena *arena, struct slice id,
                         const struct session_key *session, struct slice shown, struct moment now);

/*
 * The yes of SESSION's person: a code, in a change of its own. The request cannot be answered any
 * more: INVALID_ARGUMENT if it has been meanwhile. RESOURCE_EXHAUSTED beyond the limits above.
 */
bool agent_flow_allow(struct api_call *call, struct slice id, const struct agent_request *request,
                      const struct session_key *session, struct slice *code, struct error *err);
/* Their no. */
void agent_flow_deny(struct control *control, struct slice id, struct moment now);

enum agent_code { AGENT_CODE_UNKNOWN, AGENT_CODE_GOOD, AGENT_CODE_USED };

/*
 * What CODE is. GOOD: *out says what it was for, *session whose consent; whatever follows has to
 * use or to burn it. USED: it was before, *session is what it gave ("" if nothing), which has to
 * end (RFC 9700 section 4.5).
 */
enum agent_code agent_code_find(struct control *control, struct arena *arena, struct slice code,
                                struct agent_request *out, struct session_key *session);
/* In the running change: CODE has given GAVE (NULL: nothing), and is used. UNAUTHENTICATED if it
 * was before. */
bool agent_code_use(struct control *control, struct slice code, const struct session_key *gave,
                    struct error *err);
/* Uses it up for nothing, in a change of its own. */
void agent_code_burn(struct api_call *call, struct slice code);
