/* What the two files of the authorization server share. */
#pragma once

#include "control/front/door_pages.h"
#include "control/identity/agent_grants.h"

/* The value of NAME in FORM, a query or a form, decoded; "" if it is not there. False if it is
 * broken or stands there twice (RFC 6749 section 3.1). */
bool agent_parameter(struct api_call *call, struct slice form, const char *name, struct slice *out);

/* The redirect URI of REQUEST with an answer; "iss" says which server it is of (RFC 9207). */
const char *agent_way_back(struct api_call *call, const struct agent_request *request,
                           const char *name, struct slice value);

/* Answers with the ways to sign in, which lead back to TARGET of the auth host; HOST is shown.
 * AGAIN: to who is signed in already, and is asked to show once more who they are. */
void agent_sign_in_first(struct api_call *call, const char *target, struct slice host, bool again);
bool agent_sign_in_is_due(const struct session *session, int64_t max_age_s);

/* ---- pages ---- */

/* PAGE shows the request ID to the person of SESSION; and whether it was shown to them, in this
 * browser. */
void agent_show(struct api_call *call, struct door_page *page, struct slice id,
                const struct session_key *session);
bool agent_is_shown(struct api_call *call, struct slice id, const struct session_key *session);
/* The page of a request that is too long. */
void agent_too_long(struct api_call *call);
/* The page of a request that is not there any more. */
void agent_over(struct api_call *call);
/* LABEL, and VALUE by itself. */
void agent_add_line(struct api_call *call, struct door_page *page, const char *label,
                    struct slice value);
/* One of the answers of a form; CLASS: "" or the attribute, after a space. */
void agent_add_button(struct door_page *page, const char *value, const char *text,
                      const char *class);
