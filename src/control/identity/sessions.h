/*
 * Sessions of the console, and the one-time links that begin them. Both are secrets of a browser: the
 * record holds only their SHA-256, so that whoever reads it can use none of them. A session is the
 * principal who signed in: it ends with the account, and is asked about at each request.
 */
#pragma once

#include "control/call/call.h"
#include "control/identity/accounts.h"

enum {
    SESSION_LINK_S = 5 * 60,  /* how long a link can be used */
    SESSION_S = 12 * 60 * 60, /* how long a session lasts */
    SESSIONS_MAX = 10000,     /* of either kind at once; more is RESOURCE_EXHAUSTED */
};

/* The key of a session in the record: "sessions/" and 64 hexadecimal digits. */
struct session_key {
    char text[80];
};

/*
 * A link for ACCOUNT, in a change of its own with an audit row for CALL. *code is what the link
 * carries (22 characters of base64url, 128 random bits), in the call's arena.
 */
bool session_link_new(struct api_call *call, const struct account *account, struct slice *code,
                      struct error *err);

/*
 * Uses a link up and begins a session for its account. *id is the cookie's value (43 characters, 256
 * random bits). UNAUTHENTICATED for a code that is unknown, used or too old: the three are one answer.
 */
bool session_begin(struct api_call *call, struct slice code, struct slice *id, struct error *err);

/* Who the session with the cookie's value ID is. UNAUTHENTICATED if it has ended. KEY and
 * *expire_us (wall clock) may be NULL. */
bool session_caller(struct control *control, struct arena *arena, struct slice id,
                    struct caller *out, struct session_key *key, int64_t *expire_us,
                    struct error *err);
/* The same by the key, for what stays open after its request. */
bool session_caller_by_key(struct control *control, struct arena *arena,
                           const struct session_key *key, struct caller *out, int64_t *expire_us,
                           struct error *err);

/* Ends it. True as well if it has ended already. */
bool session_end(struct api_call *call, struct slice id, struct error *err);
