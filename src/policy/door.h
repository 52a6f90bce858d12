/*
 * What a door (Identity-Aware Proxy) reads of a request before the caller is identified: whether
 * the request is for the door itself, whether the caller may be a person with a browser, and
 * whether a cookie may count (docs/access.md, D1, D2, D6, D7, S2, S4). Pure: texts in, answers out.
 */
#pragma once

#include "base/slice.h"

/* The session cookie of a service's host (docs/access.md, S1), and how the names of all cookies of
 * ours begin. */
#define DOOR_COOKIE        "__Host-homerun_session"
#define DOOR_COOKIE_PREFIX "__Host-homerun"

/* What a request asks of the door itself. From DOOR_IDENTITY on, the answer is about the person who
 * is signed in. */
enum door_errand {
    DOOR_NO_ERRAND,
    DOOR_SIGN_IN,   /* /_homerun/auth/…: sign-in and sign-out */
    DOOR_KEYS_PEM,  /* /_homerun/iap/verify/public_key */
    DOOR_KEYS_JWK,  /* /_homerun/iap/verify/public_key-jwk */
    DOOR_METADATA,  /* /.well-known/oauth-protected-resource[/…] */
    DOOR_NOT_FOUND, /* under /_gcp_iap/, and nothing that is there */
    DOOR_CLEAR_COOKIE,
    DOOR_IDENTITY,
    DOOR_FORCE_LOGIN,
    DOOR_REFRESH,   /* DO_SESSION_REFRESH */
    DOOR_REFRESHER, /* SESSION_REFRESHER: a page that does so now and then */
};

/* Which way the container's assertion is to be wrong: gcp-iap-mode=SECURE_TOKEN_TEST. */
enum door_test {
    DOOR_TEST_NONE,
    DOOR_TEST_FUTURE_ISSUE,
    DOOR_TEST_PAST_EXPIRATION,
    DOOR_TEST_ISSUER,
    DOOR_TEST_AUDIENCE,
    DOOR_TEST_SIGNATURE,
};

/* Lines of one header: how many came, and the value of the last. */
struct door_field {
    unsigned count;
    struct slice value;
};

struct door_fields {
    struct door_field cookie; /* the cookies named DOOR_COOKIE: not lines but cookies */
    struct door_field proxy_authorization;
    struct door_field origin, requested_with, preflight_method;
    struct door_field fetch_site, fetch_mode, fetch_dest;
    struct door_field accept;
    bool accepts_page;   /* one of the lines of Accept lets a page through */
    bool upgrade;        /* a WebSocket, or another protocol */
    struct slice scheme; /* "https" or "http": how the client sees us */
};

/* Whether VALUE, a line of Accept, names text/html or everything. */
bool door_accepts_page(struct slice value);
/* Adds what VALUE, a line of Cookie, has of our session cookie. */
void door_read_cookies(struct slice value, struct door_field *out);

enum door_errand door_errand(struct slice method, struct slice target);
/* Whether the answer to ERRAND is about the person who is signed in. */
bool door_is_personal(enum door_errand errand);
enum door_test door_test(struct slice target);

/* The value of the first parameter NAME in the query of TARGET, as it was sent; "" if none. */
struct slice door_parameter(struct slice target, struct slice name);

/* A CORS preflight: D2. */
bool door_is_preflight(struct slice method, const struct door_fields *fields);
/* Whether to lead the caller to a page of sign-in; AUTHORIZED: an Authorization field came. */
bool door_may_be_person(struct slice method, const struct door_fields *fields, bool authorized);
/* Whether a browser sent this for a person who looks at the answer, although it cannot be led to
 * sign-in: a form, whose contents a redirect would lose. */
bool door_is_form_of_person(struct slice method, const struct door_fields *fields, bool authorized);
/* Whether a cookie of this request must not count, since another site may have made it. */
bool door_is_cross_site(struct slice method, struct slice authority,
                        const struct door_fields *fields);
