/* What the files of the door share. */
#pragma once

#include "control/front/door_pages.h"
#include "control/identity/handover.h"
#include "control/identity/round_trip.h"

/* "https://auth.DOMAIN:PORT", in the call's arena. */
const char *door_auth_url(struct api_call *call);

/* Answers with the page of what went wrong. */
void door_fail(struct api_call *call, const struct error *err);
void door_refuse(struct api_call *call, int status, const char *title, const char *why);

/* What a click on a page of ours sends, and no page of another origin can (S4). And the answer to
 * what does not. */
bool door_from_own_page(struct api_call *call);
void door_not_from_here(struct api_call *call);

/* The sign-on session of the request: *found says whether *out is one. False: the call has been
 * answered. */
bool door_session(struct api_call *call, struct session *out, bool *found);
/* Answers with the ways to sign in, for LOGIN (may be NULL), whose host is shown. AGAIN: to who is
 * signed in already, and is asked to show once more who they are. */
void door_sign_in_page(struct api_call *call, const struct login *login, bool again);
/* The same for where the browser was going when a renewal without a word was tried. */
void door_sign_in_after_all(struct api_call *call);
/* The login record that the browser keeps. False if there is none. */
bool door_login_kept(struct api_call *call, struct login *out);
/* Fields that have the browser keep LOGIN, or nothing (NULL). Their number. */
enum { LOGIN_COOKIES_MAX = 2 };
unsigned door_login_cookies(struct api_call *call, const struct login *login,
                            struct api_header out[LOGIN_COOKIES_MAX]);
/* A name that people look at, by itself. */
void door_add_name(struct api_call *call, struct door_page *page, struct slice name);

/* The end of a sign-in whose session has the cookie ID: sets it, and leads the person on. NOTE:
 * what they should know first; NULL for nothing. TRIP: it was a round trip; NULL if none. */
void door_signed_in(struct api_call *call, struct slice id, const char *note,
                    const struct round_trip *trip);
enum { TRIPS_IN_BROWSER_MAX = 24 }; /* that are under way */
/* The name of the cookie of the round trip with STATE. */
const char *door_trip_cookie(struct api_call *call, struct slice state);
/* The User-Agent of the request. */
struct slice door_browser(const struct api_call *call);
/* The value of a cookie of ours, "" if there is none. False if there are two: the call has been
 * answered. */
bool door_cookie(struct api_call *call, const char *name, struct slice *value);
/* Ends the sign-on session that the browser had until now, in the running change: the one of the
 * cookie's value ID has begun. */
bool door_replace_session(struct api_call *call, struct change *change, struct slice id,
                          struct error *err);

/* ---- agents (agents.c) ---- */

/* The programs that SESSION's person has let in, each with a button that ends it. */
void door_agents_add(struct api_call *call, struct door_page *page, const struct session *session);

/* ---- passkeys (door_passkey.c) ---- */

/* The passkeys of SESSION's person, with a way to add one and to remove each; nothing for people of
 * a provider. */
void door_passkeys_add(struct api_call *call, struct door_page *page,
                       const struct session *session);
/* A button to sign in by one; false, and nothing, while nobody has any. */
bool door_passkey_button_add(struct api_call *call, struct door_page *page);

/* ---- providers (door_provider.c) ---- */

/* A button for each identity provider that people may sign in with; false if there is none. LOGIN
 * may be NULL. */
bool door_providers_add(struct api_call *call, struct door_page *page, const struct login *login);
/*
 * Leads to the provider of a session that is over by time, which the browser still has, with
 * prompt=none: who is still signed in there comes back signed in here. False if there is none, or
 * the provider is away: nothing has been answered.
 */
bool door_provider_resume(struct api_call *call, const struct login *login);
/* Where SESSION's person is signed out of their provider; NULL if nowhere. */
const char *door_provider_sign_out(struct api_call *call, const struct session *session);
