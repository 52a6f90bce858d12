/* Service accounts and users of this installation, by address and by unique ID; and their keys. */
#pragma once

#include "control/call/call.h"
#include "trust/trust.h"

struct account {
    const char *key; /* of the record: projects/P/serviceAccounts/E or users/E */
    const char *email;
    const char *sub; /* unique ID: 21 digits */
    bool user;
    bool disabled;
};

/* Store key of the service account with that address ("projects/P/serviceAccounts/E"); NULL if the
 * address is of no project here. */
const char *account_key_of(struct control *control, struct arena *arena, struct slice email);

/* False if there is no such account, or it was deleted. Strings in ARENA. */
bool account_by_sub(struct control *control, struct arena *arena, struct slice sub,
                    struct account *out);
bool account_by_email(struct control *control, struct arena *arena, struct slice email,
                      struct account *out);
/* A user of that address: made on first use. */
bool account_user(struct control *control, struct arena *arena, const char *email,
                  struct account *out, struct error *err);

/*
 * The account behind "user:E" (made on first use) or "serviceAccount:E". INVALID_ARGUMENT for any
 * other member: nobody can be a group or a domain.
 */
bool account_of_member(struct control *control, struct arena *arena, const char *text,
                       struct account *out, struct error *err);

/* Member, groups, domain and the two words for everybody. */
void account_caller(struct control *control, struct arena *arena, const struct account *account,
                    struct caller *out);

bool account_key_enabled(struct control *control, struct arena *arena,
                         const struct account *account, struct slice kid);
/*
 * docs/access.md C11: whether TOKEN was signed with an enabled key of ACCOUNT: the one that its
 * header names, or, where that names none (Node's library writes no "kid"), any. On true token->kid
 * is the key's: a token that is minted for this one dies with it.
 */
bool account_verify(struct control *control, struct arena *arena, const struct account *account,
                    struct token *token);

/* A fresh unique ID. */
void account_new_sub(char out[22]);

/*
 * Makes a service account in the running change: document, subject, index. KEY as account_key_of()
 * gives it. The document is given in *BODY (owned by the caller).
 */
bool account_create(struct change *change, struct control *control, struct arena *arena,
                    const char *project, const char *email, const char *display_name,
                    const char *description, json_t **body, struct error *err);

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

/*
 * Deletes an account in the running change. Its keys go. It stays, with its own policy, as
 * "KEY?uid=SUB" among the deleted ones (STORE_DELETED_ACCOUNT), and what is granted to it, by
 * policies and by groups, is granted to "deleted:serviceAccount:E?uid=SUB" from now on: an account
 * that is made under the same name neither inherits that nor loses its own by what is done with
 * this one. DOC: as read.
 */
bool account_delete(struct change *change, struct control *control, struct arena *arena,
                    const struct store_doc *doc, struct error *err);
/* The deleted account of that unique ID; false if there is none. The body is the caller's. */
bool account_find_deleted(struct control *control, struct arena *arena, const char *sub,
                          struct store_doc *out);
/* Brings DOC, a deleted one, back in the running change, with its policy and its grants; *out is as
 * it is then (body owned by the caller). FAILED_PRECONDITION while its address is another's. */
bool account_undelete(struct change *change, struct control *control, struct arena *arena,
                      const struct store_doc *doc, struct store_doc *out, struct error *err);
