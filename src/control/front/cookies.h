/* Cookies of ours: their names, how they are read, and how they are set. */
#pragma once

#include "control/call/answer.h"

/* RFC 6265bis section 4.1.3.2: with this prefix no other host, and no plain HTTP, can have set one.
 */
#define COOKIE_SSO     "__Host-homerun_sso"     /* of the auth host: the sign-on session */
#define COOKIE_SESSION "__Host-homerun_session" /* of any other host */
#define COOKIE_LOGIN   "__Host-homerun_login"   /* of the auth host: where a person is going */
#define COOKIE_LOGIN_2 "__Host-homerun_login2"  /* its second half, where one is not enough */
#define COOKIE_NONCE                                                                               \
    "__Host-homerun_nonce_" /* of any other host, with 8 characters of the record */
#define COOKIE_STATE                                                                               \
    "__Host-homerun_state_" /* of the auth host, with 8 characters of a round trip's state */

#define COOKIE_ASKED                                                                               \
    "__Host-homerun_asked_" /* of the auth host: an agent's request that was shown */

enum { COOKIE_VALUE_MAX = 4096, COOKIES_DROPPED_MAX = 4 };

/* The value of cookie NAME, "" if there is none. *several: there is more than one, so that somebody
 * else has set one; none is believed. */
struct slice cookie_find(const struct http_request *request, const char *name, bool *several);

/*
 * Fields that take away the oldest cookies whose names begin with PREFIX, where the browser has
 * sent more than KEEP of them: each flow that was begun and left leaves one. Their number.
 */
unsigned cookies_drop_oldest(struct api_call *call, const char *prefix, unsigned keep,
                             struct api_header out[COOKIES_DROPPED_MAX]);

/* A Set-Cookie field, in the call's arena. LASTS_S 0 takes the cookie away. */
struct api_header cookie_set(struct api_call *call, const char *name, struct slice value,
                             long lasts_s);
