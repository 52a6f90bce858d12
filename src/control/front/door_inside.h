/* What the files of the door share. */
#pragma once

#include "control/front/door_pages.h"
#include "control/identity/handover.h"

/* "https://auth.DOMAIN:PORT", in the call's arena. */
const char *door_auth_url(struct api_call *call);

/* Answers with the page of what went wrong. */
void door_fail(struct api_call *call, const struct error *err);

/* The end of a sign-in whose session has the cookie ID: sets it, and leads the person on. NOTE:
 * what they should know first; NULL for nothing. */
void door_signed_in(struct api_call *call, struct slice id, const char *note);
/* The User-Agent of the request. */
struct slice door_browser(const struct api_call *call);
/* The value of a cookie of ours, "" if there is none. False if there are two: the call has been
 * answered. */
bool door_cookie(struct api_call *call, const char *name, struct slice *value);
/* Ends the sign-on session that the browser had until now, in the running change. */
bool door_replace_session(struct api_call *call, struct change *change, struct error *err);

/* ---- providers (door_provider.c) ---- */

/* A button for each identity provider that people may sign in with; false if there is none. LOGIN
 * may be NULL. */
bool door_providers_add(struct api_call *call, struct door_page *page, const struct login *login);
/* Where SESSION's person is signed out of their provider; NULL if nowhere. */
const char *door_provider_sign_out(struct api_call *call, const struct session *session);
