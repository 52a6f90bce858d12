/*
 * Asking providers anew about people who are signed in by them: a removed group or a closed account
 * there ends here, too. Every ten minutes, with the refresh token that came with the sign-in. A
 * provider that says no ends the session at once; one that does not answer, after half an hour.
 *
 * Refresh and ID tokens lie in the record only as the signer sealed them.
 */
#pragma once

#include "control/identity/provider_talk.h"

enum { RENEWAL_EVERY_S = 10 * 60, RENEWAL_GRACE_S = 30 * 60, RENEWAL_AT_ONCE_MAX = 8 };

struct renewals; /* opaque */

struct renewals *renewals_new(struct control *control);
void renewals_free(struct renewals *renewals);

/* Puts what is needed for renewals of the session that TALK began into MORE, of its document. */
bool renewal_keep(struct control *control, struct arena *arena, json_t *more,
                  const struct provider_talk *talk, struct error *err);
/* The ID token that SESSION began with, for the provider's sign-out; NULL if there is none. */
const char *renewal_id_token(struct control *control, struct arena *arena,
                             const struct session *session);

/* Renews the sessions of the provider KEY now, up to RENEWAL_AT_ONCE_MAX at a time; DONE is called
 * when none is left. */
void renewals_now(struct renewals *renewals, const char *key, void (*done)(void *ctx), void *ctx);
