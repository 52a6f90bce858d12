/*
 * Our own issuer: its public keys in this process, the private ones with the signer. Tokens of
 * three uses: ID tokens (for services; no private claim but the key they came through), access
 * tokens and refresh tokens (for our API alone).
 */
#pragma once

#include "control/call/call.h"
#include "control/publish/publish.h"
#include "trust/trust.h"

enum { ISSUER_KEYS_MAX = 16 };

struct issuer {
    struct arena arena;   /* of what follows */
    struct slice jwks;    /* that tokens are believed by: the signer's, or those of the cluster */
    struct slice signers; /* as the signer gave them: newest first */
    struct trust_jwk signing; /* the signer's newest */
    struct trust_jwk keys[ISSUER_KEYS_MAX];
    struct trust_key *public_keys[ISSUER_KEYS_MAX];
    size_t count;
};

/* Asks the signer for the keys. Owned by the caller. */
struct issuer *issuer_new(struct control *control, struct error *err);
void issuer_free(struct issuer *issuer);
/* What the index shows of it. Valid until the keys are read again. */
struct own_issuer issuer_own(const struct control *control);
/* The public keys that the signer has. */
struct slice issuer_signers_keys(const struct control *control);
/* Asks again: after a rotation, here or at another node. */
bool issuer_reload(struct control *control, struct error *err);

/* A new signing key; the tokens of the old ones stay good. And the end of a key: its tokens are
 * refused from the answer on. */
bool issuer_rotate(struct api_call *call, struct error *err);
bool issuer_forget(struct api_call *call, const char *kid, struct error *err);

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

/* Signs CLAIMS (JSON; iat, exp, iss are filled in if absent) with the issuer's newest key. */
bool issuer_mint(struct control *control, struct arena *arena, json_t *claims, struct slice *token,
                 struct error *err);
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
const char *issuer_url(const struct control *control); /* the API's base URL, without slash */

/* Whether the session that TOKEN, one of ours, hangs on is there, if it hangs on one. */
bool issuer_session_stands(struct control *control, struct arena *arena, const struct token *token);

/* Whether a JWT that an account has signed itself is of now, and for an hour at most: longer ones
 * would outlive what the account's tokens may. */
bool issuer_assertion_lives(const struct token *token);
/* Believes a token of ours with that use ("access", "refresh", "federated"): signature and time. */
bool issuer_believe(struct control *control, struct arena *arena, struct slice text,
                    const char *use, struct token *out, struct error *err);

/* gcloud's own client, whose ID every token of ours may carry as audience (docs/access.md, C5). */
#define GCLOUD_CLIENT_ID "32555940559.apps.googleusercontent.com"
