/*
 * Tokens of our own issuer. They have three uses: ID tokens (for services; no private claim but the
 * key they came through), access tokens and refresh tokens (for our API alone).
 */
#pragma once

#include "control/control.h"

enum { TOKEN_SECONDS = 3600, ASSERTION_LEEWAY_S = 60, REFRESH_SECONDS = 10 * 365 * 86400 };

/* Who a token is for, and through what it was obtained. */
struct token_grant {
    const char *sub, *email;
    const char *user_key; /* service account key; NULL if none */
    const char *scope;    /* of an access token; NULL: cloud-platform */
    const char *audience; /* of an ID token */
    const char *nonce;
    bool without_email; /* an ID token that does not say the address */
    const char *sid;    /* the session that it hangs on, and ends with (sessions.h); NULL: none */
    int64_t seconds;    /* 0: one hour */
};

bool issuer_access_token(struct control *control, struct arena *arena,
                         const struct token_grant *grant, struct slice *token, struct error *err);

bool issuer_id_token(struct control *control, struct arena *arena, const struct token_grant *grant,
                     struct slice *token, struct error *err);

bool issuer_refresh_token(struct control *control, struct arena *arena,
                          const struct token_grant *grant, struct slice *token, struct error *err);

/* An agent's token: for one service alone, and never for the API (docs/access.md, C12). */
struct agent_token {
    const char *client, *scope, *resource;
    const char *sub; /* its person: of an account, or of a provider */
    const char *sid; /* base64url of the key of the session that it hangs on */
};

enum { AGENT_TOKEN_SECONDS = 600 };

bool issuer_agent_token(struct control *control, struct arena *arena,
                        const struct agent_token *agent, struct slice *token, struct error *err);

/*
 * An access token for a member of an identity pool: SUB is "principal://…", USER_KEY what it was
 * exchanged through (federation.h). SETS, an array of texts, may be NULL.
 */
bool issuer_federated_token(struct control *control, struct arena *arena,
                            const struct token_grant *grant, const json_t *sets,
                            struct slice *token, struct error *err);

/* gcloud's own client, whose ID every token of ours may carry as audience (docs/access.md, C5). */
#define GCLOUD_CLIENT_ID "32555940559.apps.googleusercontent.com"
