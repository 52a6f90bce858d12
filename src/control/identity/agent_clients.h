/*
 * Agents: programs that have registered themselves (RFC 7591) so that they can ask a person for
 * consent. To be registered means nothing: anybody may, and a name is what a program calls itself.
 * All are public clients, without a secret.
 */
#pragma once

#include "control/call/call.h"
#include "control/identity/agent_url.h"

enum {
    AGENT_CLIENTS_MAX = 1000,
    AGENT_REDIRECTS_MAX = 10,
    AGENT_UNUSED_S = 24 * 60 * 60,    /* until somebody has let it in */
    AGENT_IDLE_S = 90 * 24 * 60 * 60, /* since somebody last did, or it last came */
};

struct agent_client {
    struct slice id;   /* what was registered, or the URL of its document */
    struct slice name; /* unverified; "" if it gave none */
    const json_t *redirects;
    bool refreshes; /* it asked for refresh tokens */
    json_t *body;   /* owned: agent_client_done() */
};
void agent_client_done(struct agent_client *client);
#define auto_agent_client __attribute__((cleanup(agent_client_done))) struct agent_client

/* RFC 7591 section 3.2.2. */
struct agent_refusal {
    int status;
    const char *code, *text;
};

/* Registers what METADATA asks for, in a change of its own; the answer for the client. NULL:
 * *refusal says why. */
json_t *agent_client_register(struct api_call *call, const json_t *metadata,
                              struct agent_refusal *refusal);

/* The record of a client that METADATA describes; NULL: *refusal says why there can be none. */
json_t *agent_client_describe(struct api_call *call, const json_t *metadata,
                              struct agent_refusal *refusal);
/* Keeps BODY as the record of the client ID, in a change of its own, which makes room for it. DEED:
 * of its audit row; NULL for none. */
bool agent_client_put(struct api_call *call, struct slice id, const json_t *body, const char *deed,
                      struct error *err);

/* False if there is none of that ID (a URL: of its document), or it is too old. */
bool agent_client_find(struct control *control, struct slice id, struct agent_client *out);
/* Whether URI is one of its redirect URIs. */
bool agent_client_redirects(const struct agent_client *client, struct slice uri);
/* It has been let in, or has come: it stays. In the running change; seldom a write. */
bool agent_client_used(struct control *control, const struct agent_client *client,
                       struct error *err);
