/* Answers that only the dispatcher gives: those of HTTP itself, which have no google.rpc code of
 * their own. */
#pragma once

#include "control/call/call.h"

/* ALLOW: verbs for a 405; NULL otherwise. */
void api_fail_http(struct api_call *call, int http_status, const char *status, const char *allow,
                   const char *message);

struct api_header {
    const char *name, *value;
};

/* Whether the call's change came too late, and its handler is called again: there is no answer yet,
 * and what answers does nothing. */
bool api_is_outrun(const struct api_call *call);

/* A whole answer that is no JSON of an API, with COUNT headers of its own (at most 16). TEXT and
 * the headers are copied. */
void api_reply_with(struct api_call *call, int http_status, const char *content_type,
                    struct slice text, const struct api_header *headers, size_t count);

/* Adds to OUT, the headers of an answer by whichever transport, what is to be said beside it: that
 * this node is cut off and answers by what it knew, and which nodes could not be asked. */
void api_add_remarks(const struct api_call *call, struct http_headers *out);

/*
 * Gives up the call and keeps its exchange, for answers that go on: the new owner sets the
 * exchange's user to api_stream_user() of the object that has to hear when the client leaves.
 */
struct exchange *api_release(struct api_call *call);
struct event_stream;
void *api_stream_user(struct event_stream *stream);

/* The caller is gcloud, as its user agent says: for what its versions trip over. */
bool api_from_gcloud(const struct api_call *call);
