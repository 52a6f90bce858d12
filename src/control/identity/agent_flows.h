/*
 * Requests of agents for a person's consent, and the codes that consent gives (RFC 6749 section
 * 4.1). Strangers can begin them, so they live in memory alone, bounded in number, by address and
 * in time. A restart of control forgets them: the program begins again.
 */
#pragma once

#include "control/identity/sessions.h"

struct agent_flows; /* opaque */

enum {
    AGENT_FLOW_S = 10 * 60, /* from the request to the consent */
    AGENT_CODE_S = 60,
    AGENT_FLOWS_MAX = 4096,
    AGENT_FLOWS_OF_ADDRESS_MAX = 64,
    AGENT_STATE_MAX = 2048,
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
};

struct agent_flows *agent_flows_new(void);
void agent_flows_free(struct agent_flows *flows);

/* Begins REQUEST on behalf of ADDRESS: its ID, in ARENA. BOOT_US is clock_boot_us(), here and
 * below. */
struct slice agent_flow_new(struct agent_flows *flows, struct arena *arena,
                            const struct agent_request *request, const char *address,
                            int64_t boot_us);
/* False if it is unknown, too old, or has been answered. *out is in ARENA. */
bool agent_flow_find(struct agent_flows *flows, struct arena *arena, struct slice id,
                     int64_t boot_us, struct agent_request *out);
/* It is shown to the person of SESSION, who alone can answer it from now on. */
void agent_flow_show(struct agent_flows *flows, struct slice id, const struct session_key *session);
bool agent_flow_is_shown(const struct agent_flows *flows, struct slice id,
                         const struct session_key *session);

/* The person's yes: a code. The request cannot be answered any more. */
struct slice agent_flow_allow(struct agent_flows *flows, struct arena *arena, struct slice id,
                              int64_t boot_us);
/* Their no. */
void agent_flow_deny(struct agent_flows *flows, struct slice id);

enum agent_code { AGENT_CODE_UNKNOWN, AGENT_CODE_GOOD, AGENT_CODE_USED };

/*
 * Takes CODE, which is burnt whatever follows. GOOD: *out says what it was for, *session whose
 * consent. USED: it was taken before, *session is what it gave ("" if nothing), which has to end
 * (RFC 9700 section 4.5).
 */
enum agent_code agent_code_take(struct agent_flows *flows, struct arena *arena, struct slice code,
                                int64_t boot_us, struct agent_request *out,
                                struct session_key *session);
/* Notes what CODE, just taken, has given. */
void agent_code_gave(struct agent_flows *flows, struct slice code,
                     const struct session_key *session);
