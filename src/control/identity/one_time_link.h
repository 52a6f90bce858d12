/*
 * Links that sign a browser in, once. The secret is in the fragment, which browsers do not send,
 * and is posted by a click: a program that only fetches the link does not use it up. The record has
 * only its hash.
 */
#pragma once

#include "control/call/call.h"
#include "control/identity/accounts.h"
#include "control/identity/ticket.h"

enum link_purpose {
    LINK_CONSOLE, /* the console at the API's address; five minutes */
    LINK_SIGN_IN, /* a sign-on session; ten minutes */
    LINK_INVITE,  /* the same for somebody else; a day */
};

enum { LINKS_MAX = 10000 };

struct link_terms {
    enum link_purpose purpose;
    int64_t session_s; /* how long the session lasts at most; 0: as its kind has it */
};

/* A link for ACCOUNT, in a change of its own with an audit row for CALL. *code is the secret, in
 * the call's arena. */
bool link_new(struct api_call *call, const struct account *account, const struct link_terms *terms,
              struct slice *code, struct error *err);

/*
 * The account of a link that can be used now, for a console or (LINK_SIGN_IN stands for both kinds)
 * for a sign-on session. UNAUTHENTICATED for a code that is unknown, used or too old, three that
 * are one answer; RESOURCE_EXHAUSTED for a caller who has guessed ten times within a minute.
 */
bool link_find(struct api_call *call, struct slice code, enum link_purpose purpose,
               struct account *account, struct link_terms *terms, struct error *err);
/* Uses it up, in the running change. */
bool link_use(struct control *control, struct slice code, struct error *err);
