/*
 * Who is signed in: sessions of browsers. The sign-on session is the one of the auth host; sessions
 * of the hosts of services and of the console hang on it, and end with it. A console that is opened
 * at the API's own address (`homerun console`) has a session of its own, which counts nowhere else.
 * What an agent may for a person is a session too (agent_grants.h): no cookie is one of those.
 *
 * The record holds only the SHA-256 of a cookie's value, so that whoever reads it can use none. A
 * session names its person by what never comes again (an account's unique ID, or a provider's
 * issuer and subject), and is judged at each request: the person's end is its end.
 */
#pragma once

#include "control/call/call.h"
#include "control/identity/once.h"
#include "control/identity/ticket.h"

enum {
    SESSION_CONSOLE_S = 12 * 60 * 60,       /* of the console at the API's address */
    SESSION_IDLE_S = 30 * 24 * 60 * 60,     /* a sign-on session that is not used */
    SESSION_ABSOLUTE_S = 90 * 24 * 60 * 60, /* any sign-on session */
    SESSION_HOST_S = 7 * 24 * 60 * 60,      /* of a host: then it is handed over once more */
    SESSION_RESUMABLE_S = 7 * 24 * 60 * 60, /* after its end: session_find_over() */
    SESSIONS_MAX = 10000,                   /* at once; more is RESOURCE_EXHAUSTED */
    SESSION_AGENTS_MAX = 64,                /* that hang on one sign-on session */
};

/* What audit rows of PERSON's sign-ins are about: "organizations/N/people/SHOWN", in ARENA, so that
 * the organization's history has them. */
const char *person_resource(struct control *control, struct arena *arena, struct slice shown);

/* Where a session counts that is no host's: the console at the API's address. */
#define SESSION_AT_API ":api"

/* The key of a session in the record: "sessions/" and 64 hexadecimal digits. */
struct session_key {
    char text[80];
};

/* The person of a session. Strings are the caller's. */
struct person {
    struct slice sub;             /* of a local account; "" for a person of a provider */
    struct slice issuer, subject; /* of a provider; "" for a local account */
    struct slice provider;        /* "issuers/NAME" */
    struct slice email;           /* "" if it may not be used as user:E */
    struct slice shown;           /* what people know them by: never decides anything */
    const json_t *groups;         /* of the provider; may be NULL */
};

struct session {
    struct session_key key, parent; /* of a sign-on session the parent is "" */
    struct slice host;
    struct slice agent;   /* the client ID of an agent; "" for a browser */
    struct person person; /* strings and groups in the arena, or lent by `body` */
    int64_t signed_in_us, expire_us, absolute_us;
    json_t *body; /* owned: session_done() */
};
void session_done(struct session *session);
#define auto_session __attribute__((cleanup(session_done))) struct session

/* What a new session is. */
struct session_plan {
    struct slice host;            /* "" for a sign-on session */
    const struct session *parent; /* NULL for a sign-on session, and at the API's address */
    struct person person;         /* without a parent */
    int64_t lasts_s;              /* absolute; 0: as the kind has it */
    int64_t signed_in_us;         /* of a session that goes on as a new one; 0: now */
    struct slice browser;         /* the User-Agent, for the audit log and lists */
    const char *deed;             /* of the audit row: "sign-in" */
    const json_t *more;           /* members that its document has besides; NULL: none */
    const json_t *agent;          /* the member "agent", with its "client"; NULL for a browser */
};

/*
 * Begins a session in the running CHANGE, with its audit row. *id is the cookie's value, in the
 * call's arena. A session that the same parent had for the same host ends. Of an agent, *id is what
 * session_agent_key() takes, and no cookie.
 */
bool session_begin(struct api_call *call, struct change *change, const struct session_plan *plan,
                   struct slice *id, struct error *err);

/*
 * The living session of the cookie's value ID that counts at HOST, and whose person may still sign
 * in. False for any other, with UNAUTHENTICATED.
 */
bool session_find(struct control *control, struct arena *arena, struct slice id, const char *host,
                  struct session *out, struct error *err);
/* The same by the key, for what stays open after its request; NULL for any host. */
bool session_find_by_key(struct control *control, struct arena *arena,
                         const struct session_key *key, const char *host, struct session *out,
                         struct error *err);

/* The document of the session for HOST that hangs on PARENT; owned by the caller. NULL if there is
 * none. */
json_t *session_of_host(struct control *control, const struct session *parent, const char *host);

/* ---- agents ---- */

/* The key of the agent's session that session_begin() gave ID for. */
struct session_key session_agent_key(struct slice id);
/* The key's number as tokens have it: base64url, in ARENA. And back: false if it is none. */
const char *session_sid(struct arena *arena, const struct session_key *key);
bool session_key_of_sid(struct slice sid, struct session_key *out);
/* It has come, in the running CHANGE: AGENT is its document's from now on, and it lasts longer, as
 * the sign-on session does that it hangs on. */
bool session_agent_came(struct control *control, struct change *change,
                        const struct session *session, const json_t *agent, struct error *err);
/* Ends this one alone, in the running CHANGE. */
bool session_agent_end(struct control *control, struct change *change,
                       const struct session *session, struct error *err);

/* ---- callers ---- */

/*
 * The caller that a session is, for calls of the API: an account, or a person of a provider
 * ("federated"), known by their address if the provider may speak for it, and by its own subject.
 * What they may do is what policies give to these names.
 */
bool session_caller(struct control *control, struct arena *arena, const struct session *session,
                    struct caller *out, struct error *err);

/*
 * The sign-on session of the cookie's value ID, which is over by time alone, of a person of a
 * provider who could be asked of it anew without a word to the person: it gave no means to renew
 * it, and has signed them in within SESSION_ABSOLUTE_S. Such sessions are kept for
 * SESSION_RESUMABLE_S.
 */
bool session_find_over(struct control *control, struct arena *arena, struct slice id,
                       struct session *out);

/* A sign-on session has been used: it lasts longer, up to its absolute end. Seldom a change. */
bool session_touch(struct api_call *call, const struct session *session, struct error *err);

/*
 * Ends the sign-on session BEFORE, since the one of the cookie's value ID has begun in its browser,
 * in the running CHANGE. What the same person has let agents do hangs on the new one from now on.
 */
bool session_replace(struct api_call *call, struct change *change, const struct session *before,
                     struct slice id, struct error *err);

/* Ends the session with all that hang on it; if it hangs on one, that one with all of its. */
bool session_end(struct api_call *call, const struct session *session, struct error *err);

/*
 * Ends all sessions that MATCHES says yes to (and what hangs on them), in a change of its own with
 * one audit row of RESOURCE. *count says how many there were. ORDER (may be NULL): what ordered it,
 * which is used up.
 */
bool session_end_all(struct api_call *call, const char *resource, const char *deed,
                     const struct once *order, bool (*matches)(const json_t *body, void *ctx),
                     void *ctx, unsigned *count, struct error *err);

/* ---- by the system itself ---- */

/* What a provider says now of the person of a sign-on session: it and what hangs on it have that
 * from now on. SEALED: renewal.h. */
bool session_renew(struct control *control, const struct session_key *key,
                   const struct person *person, const char *sealed, struct error *err);
/* Ends a sign-on session, with all that hang on it. */
bool session_end_now(struct control *control, const struct session_key *key, const char *deed,
                     struct error *err);
