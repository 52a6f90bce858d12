/* Answers that only the dispatcher gives: those of HTTP itself, which have no google.rpc code of
 * their own. */
#pragma once

#include "control/call/call.h"

/* ALLOW: verbs for a 405; NULL otherwise. */
void api_fail_http(struct api_call *call, int http_status, const char *status, const char *allow,
                   const char *message);

/* The caller is gcloud, as its user agent says: for what its versions trip over. */
bool api_from_gcloud(const struct api_call *call);
