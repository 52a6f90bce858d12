/*
 * One sign-in for many hosts. A person who has to sign in for a host gets a login record; once they
 * are signed in at the auth host, a code hands them over to the host where they began, in the
 * browser where they began. Nothing of where they go stands in a URL.
 *
 * Login records are made for strangers, so they live in memory alone, bounded in number, by address
 * and in time. A restart of control forgets them: the person begins again.
 */
#pragma once

#include "control/identity/sessions.h"

struct handovers; /* opaque */

enum {
    LOGIN_S = 10 * 60,    /* how long a person may take to sign in */
    HANDOVER_CODE_S = 60, /* from the auth host to the other one */
    LOGINS_MAX = 8192,
    LOGINS_OF_ADDRESS_MAX = 256,
    LOGIN_TARGET_MAX = 2048,
    CIRCLES_MAX = 2, /* times that a browser may come back at once from where it was led to */
    CIRCLE_S = 30,   /* "at once" */
};

/* A login record. */
struct login {
    struct slice id;     /* 43 characters; in URLs as "l" */
    struct slice host;   /* lower case, no port; no host of strangers */
    struct slice target; /* path and query to go on to, cleaned: begins with one slash */
    bool anew;           /* a sign-in before made_us is not enough */
    int64_t made_us;     /* wall clock */
};

struct handovers *handovers_new(void);
void handovers_free(struct handovers *handovers);

/*
 * Makes a login record for HOST and TARGET (as asked for; what cannot be led to safely becomes
 * "/"), on behalf of ADDRESS. *id and *nonce are in ARENA; the nonce belongs into a cookie of HOST.
 * BOOT_US is clock_boot_us(), here and below.
 */
void login_new(struct handovers *handovers, struct arena *arena, struct slice host,
               struct slice target, bool anew, const char *address, int64_t wall_us,
               int64_t boot_us, struct slice *id, struct slice *nonce);
/* False if it is unknown or too old. *out is in ARENA. */
bool login_find(struct handovers *handovers, struct arena *arena, struct slice id, int64_t boot_us,
                struct login *out);

/* A code that hands the sign-on session SESSION over to the host of LOGIN. */
struct slice handover_code_new(struct handovers *handovers, struct arena *arena,
                               const struct login *login, const struct session_key *session,
                               int64_t boot_us);
/*
 * Takes CODE, which is burnt whatever the answer is: true if it was made for the login record ID
 * and HOST, which NONCE belongs to, and is not too old. The login record goes with it.
 */
bool handover_code_take(struct handovers *handovers, struct arena *arena, struct slice code,
                        struct slice id, struct slice host, struct slice nonce, int64_t boot_us,
                        struct login *login, struct session_key *session);

/*
 * Whether the browser of LOGIN goes in a circle: it was handed over to that host CIRCLES_MAX times,
 * and each time asked anew within CIRCLE_S, after the session of the last one had been given to it.
 * SESSION: the sign-on session of who comes.
 */
bool handover_is_circle(const struct handovers *handovers, const struct login *login,
                        const struct session_key *session);

/* The path and query of TARGET, or "/" for what a browser could take for another host, or a server
 * for more than one line: "//x", "/\x", control characters, over 2 KiB. In ARENA. */
struct slice login_target_clean(struct arena *arena, struct slice target);
