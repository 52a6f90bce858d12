/*
 * gcloud as a person: `gcloud auth login` with a browser. What its person lets it do is a session
 * that hangs on theirs (sessions.h), as with agents, but for the API and in all that they may. The
 * refresh token is a secret that names it; access tokens and ID tokens have its number (sid), and
 * end with it.
 */
#pragma once

#include "control/identity/agent_flows.h"

/* The clients that gcloud has built in, of which anybody knows the secrets (docs/gcloud.md). The
 * second one is that of application-default credentials. */
#define GCLOUD_LOGIN_CLIENT "32555940559.apps.googleusercontent.com"
#define GCLOUD_ADC_CLIENT   "764086051850-6qr4p6gpi6hn506pt8ejuq83di341hur.apps.googleusercontent.com"

struct gcloud_tokens {
    struct slice access, id;
    struct slice refresh; /* "" if the old one stays good */
};

/* Begins it for the person of PARENT, a sign-on session, by the code of REQUEST, in a change of its
 * own. *key is the session's. PERMISSION_DENIED for a person of a provider: they have no account
 * here. */
bool gcloud_login_begin(struct api_call *call, const struct session *parent,
                        const struct agent_request *request, struct gcloud_tokens *out,
                        struct session_key *key, struct error *err);
/* New tokens for a refresh token. UNAUTHENTICATED if what it names has ended. */
bool gcloud_login_renew(struct api_call *call, struct slice refresh, struct gcloud_tokens *out,
                        struct error *err);
