/*
 * One sign-in for many hosts. A person who has to sign in for a host gets a login record; once they
 * are signed in at the auth host, a code hands them over to the host where they began, in the
 * browser where they began. Records and codes are texts that only we can read (sealed.h): strangers
 * may begin as many as they like, and any node goes on with them. What hands somebody over counts
 * once (once.h).
 */
#pragma once

#include "control/identity/once.h"
#include "control/identity/sealed.h"
#include "control/identity/sessions.h"

enum {
    LOGIN_S = 10 * 60,    /* how long a person may take to sign in */
    HANDOVER_CODE_S = 60, /* from the auth host to the other one */
    LOGIN_TARGET_MAX = 2048,
    CIRCLES_MAX = 2, /* times that a browser may come back at once from where it was led to */
    CIRCLE_S = 30,   /* "at once" */
};

/* A login record. */
struct login {
    struct slice id;     /* the record itself; in URLs as "l" */
    struct slice host;   /* lower case, no port; no host of strangers */
    struct slice target; /* path and query to go on to, cleaned: begins with one slash */
    bool anew;           /* a sign-in before made_us is not enough */
    int64_t made_us;     /* wall clock */
    struct slice nonce;  /* a hash of it, base64url */
    struct once once;    /* what handing over uses up */
};

/*
 * Makes a login record for HOST and TARGET, which login_target_clean() gave, or is ours. *id and
 * *nonce are in ARENA; the nonce belongs into a cookie of HOST.
 */
void login_new(const struct sealer *sealer, struct arena *arena, struct slice host,
               struct slice target, bool anew, struct moment now, struct slice *id,
               struct slice *nonce);
/* False if it is none, or too old. *out is in ARENA. */
bool login_find(const struct sealer *sealer, struct arena *arena, struct slice id,
                struct moment now, struct login *out);

/* A code that hands the sign-on session SESSION over to the host of LOGIN. */
struct slice handover_code_new(const struct sealer *sealer, struct arena *arena,
                               const struct login *login, const struct session_key *session,
                               struct moment now);

enum handover {
    HANDOVER_NONE,  /* no code of ours, or too old */
    HANDOVER_WRONG, /* of another login record, host or browser: *once is to be used up */
    HANDOVER_GOOD,
};
/* What CODE is, that came with the login record ID and NONCE to HOST. GOOD fills *login, *session
 * and *once, which the change that begins the host's session has to use up. */
enum handover handover_find(const struct sealer *sealer, struct arena *arena, struct slice code,
                            struct slice id, struct slice host, struct slice nonce,
                            struct moment now, struct login *login, struct session_key *session,
                            struct once *once);

/*
 * How many times in a row the browser of LOGIN has come back at once, after BEFORE (may be NULL),
 * the session of that host that hangs on the same sign-on session, had been given to it. Several
 * pages that are opened at once begin before any of them is done, and are none.
 */
unsigned handover_circles(const struct login *login, const json_t *before);
/* What the document of a host's session has besides, for that. Owned by the caller. */
json_t *handover_more(unsigned circles, int64_t now_us);

/* The path and query of TARGET, or "/" for what a browser could take for another host, or a server
 * for more than one line: "//x", "/\x", control characters, over 2 KiB. In ARENA. */
struct slice login_target_clean(struct arena *arena, struct slice target);
