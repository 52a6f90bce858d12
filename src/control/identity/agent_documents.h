/*
 * Agents that have not registered: their client ID is the URL of a document that describes them
 * (draft-ietf-oauth-client-id-metadata-document). It is fetched when a person who is signed in asks
 * for it, never for a stranger, and kept among the registered clients (agent_clients.h), under
 * their bounds.
 */
#pragma once

#include "control/identity/agent_clients.h"

enum {
    AGENT_DOCUMENT_BYTES_MAX = 5 << 10,
    AGENT_DOCUMENT_FRESH_S = 10 * 60, /* it is not fetched again before */
    AGENT_DOCUMENTS_AT_ONCE = 2,      /* that are being fetched */
};

/* Whether documents are taken: by `--client-documents`, and if that leaves it open, where there is
 * a way to fetch them. */
bool agent_documents_on(const struct control *control);

/* The client of URL as it was fetched within the last ten minutes; false if it was not. */
bool agent_document_find(struct control *control, struct slice url, struct agent_client *out);

/* REFUSAL is NULL if the document is there now; lent. */
typedef void (*agent_document_done)(struct api_call *call, void *ctx,
                                    const struct agent_refusal *refusal);
/* Fetches the document of URL, checks it and keeps it; DONE is called from the loop, once, and may
 * be so at once. */
void agent_document_fetch(struct api_call *call, struct slice url, agent_document_done done,
                          void *ctx);
