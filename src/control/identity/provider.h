/*
 * Identity providers that people sign in with: issuers of the record that have "signIn" (OpenID
 * Connect Core 1.0, as a relying party). What they say of themselves is kept with them, so that a
 * provider that is down can still be believed; their client secret is sealed by the signer.
 */
#pragma once

#include "control/identity/sessions.h"
#include "trust/trust.h"

enum { PROVIDER_DESCRIPTION_S = 60 * 60 };

struct provider {
    const char *key;  /* "issuers/NAME" */
    const char *name; /* "NAME" */
    uint64_t id;      /* of the document: another one of the same name is not it */
    const char *issuer, *client_id;
    const char *secret; /* "" of a public client; opened by provider_open() */
    const char *scopes, *groups_claim;
    const char *authorize_url, *token_url, *userinfo_url,
        *end_session_url; /* NULL if there is none */
    bool secret_in_form;  /* the token endpoint takes client_secret_post alone */
    bool names_itself;    /* its answers have "iss" (RFC 9207) */
    int64_t described_us; /* wall clock of its description */
    const json_t *body;   /* lent by the arena's owner: see provider_find() */
};

/*
 * The provider of the issuer's document KEY. False, with NOT_FOUND, if it is none that people sign
 * in with. Strings in ARENA; *body holds the document, owned by the caller.
 */
bool provider_find(struct control *control, struct arena *arena, const char *key,
                   struct provider *out, json_t **body, struct error *err);
/* The same by what it calls itself. */
bool provider_find_issuer(struct control *control, struct arena *arena, struct slice issuer,
                          struct provider *out, json_t **body, struct error *err);
/* Opens the client secret. */
bool provider_open(struct control *control, struct arena *arena, struct provider *provider,
                   struct error *err);

/* FN for each of them, in the order of names; false stops. */
bool providers_each(struct control *control,
                    bool (*fn)(const char *name, const char *shown, void *ctx), void *ctx);

/* ---- what a provider says of itself (OpenID Connect Discovery 1.0) ---- */

/* "ISSUER/.well-known/openid-configuration", in ARENA. */
const char *provider_description_url(struct arena *arena, const char *issuer);
/*
 * What is kept of TEXT: only if it is ISSUER's own (byte for byte), and all that it names may be
 * asked (https, or this machine). NULL and INVALID_ARGUMENT, else a new document.
 */
json_t *provider_description(const char *issuer, const char *text, struct error *err);
/* Keeps it, if the document is still the same. A change of the system's own. */
bool provider_describe(struct control *control, const struct provider *provider,
                       json_t *description, struct error *err);

/* ---- sealed secrets ---- */

/* Seals or opens TEXT for the record under NAME; base64 on the record's side. */
bool provider_seal(struct control *control, struct arena *arena, const char *name,
                   struct slice text, const char **sealed, struct error *err);
bool provider_unseal(struct control *control, struct arena *arena, const char *name,
                     const char *sealed, struct slice *text, struct error *err);

/* ---- tokens ---- */

struct id_token_checks {
    struct slice nonce;        /* that was sent; "" for none (of a renewal) */
    struct slice access_token; /* for at_hash; "" if there is none */
    int64_t auth_after_s;      /* the person must have signed in since; 0: whenever */
    int64_t now_s;
};

/*
 * Believes an ID token of PROVIDER (Core 3.1.3.7). TOKEN_UNKNOWN_KEY if only its key is missing:
 * then its keys may be worth asking for. Else the first fault, with a sentence for people in *err.
 */
enum token_fault provider_believe(struct arena *arena, const struct provider *provider,
                                  struct slice text, const struct id_token_checks *checks,
                                  struct token *out, struct error *err);
/* Believes a logout token (Back-Channel Logout 1.0, 2.6). *jti, *sid ("" if none) in ARENA. */
enum token_fault provider_believe_logout(struct arena *arena, const struct provider *provider,
                                         struct slice text, int64_t now_s, struct token *out,
                                         struct slice *jti, struct slice *sid, struct error *err);

/*
 * Whom CLAIMS (of UserInfo, or of the ID token where there is no UserInfo) speak of. An e-mail
 * address is used only if it is verified, by JSON's true, and of a domain that the provider may
 * speak for. *note: why it is not, for people; NULL if it is. Strings and groups in ARENA and
 * *groups (owned by the caller).
 */
void provider_person(struct arena *arena, const struct provider *provider, struct slice subject,
                     const json_t *claims, struct person *out, json_t **groups, const char **note);
