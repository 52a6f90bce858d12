/* The end of a service account, and its return. */
#pragma once

#include "control/identity/accounts.h"

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
