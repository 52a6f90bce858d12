/* Keys of service accounts: the public halves, in the record. */
#pragma once

#include "control/identity/accounts.h"

bool account_key_enabled(struct control *control, struct arena *arena,
                         const struct account *account, struct slice kid);

/*
 * docs/access.md C11: whether TOKEN was signed with an enabled key of ACCOUNT: the one that its
 * header names, or, where that names none (Node's library writes no "kid"), any. On true token->kid
 * is the key's: a token that is minted for this one dies with it.
 */
bool account_verify(struct control *control, struct arena *arena, const struct account *account,
                    struct token *token);

/* A new RSA key of an account, in the running change. FILE: the whole key file (JSON text), the
 * only copy of the private half. */
bool account_new_key(struct change *change, struct control *control, struct arena *arena,
                     const struct account *account, json_t **body, struct slice *file,
                     struct error *err);

/* Puts this server's addresses into a key file; whether it had others. */
bool account_file_urls(struct control *control, struct arena *arena, json_t *file);

/*
 * The public half of a key that was made elsewhere, in the running change: PEM of a certificate or
 * of the bare key, RSA. A certificate's times bound its use.
 */
bool account_add_key(struct change *change, struct control *control, struct arena *arena,
                     const struct account *account, struct slice pem, json_t **body,
                     struct error *err);

/*
 * The signer has signed for ACCOUNT with its own key KID: from now on what it signs is believed, as
 * with a key of the user's. A change of its own, if the key is not known yet.
 */
bool account_know_own_key(struct control *control, struct api_call *call,
                          const struct account *account, const char *kid, struct error *err);
