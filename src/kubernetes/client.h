/*
 * Asking an API server: libcurl on a libuv loop, over TLS with a checked certificate and HTTP/2
 * where the server has it. Every answer is bounded in time and size. Calls and streams (watches,
 * logs) use connections of their own, since a server lets a connection have so many streams and
 * makes further ones wait in silence.
 */
#pragma once

#include <uv.h>

#include "codec/codec.h"
#include "kubernetes/access.h"

struct kube_client; /* opaque */
struct kube_call;   /* opaque: under way */

/*
 * Opens a client. ACCESS and its arena must outlive it. UNAVAILABLE if libcurl is not installed: it
 * is loaded here, so that installations without a cluster do not load it.
 */
struct kube_client *kube_client_new(uv_loop_t *loop, const struct kube_access *access,
                                    struct error *err);
/* Cancels the calls under way; their callbacks are not called. */
void kube_client_free(struct kube_client *client);

uv_loop_t *kube_client_loop(const struct kube_client *client);

/* The bearer token that is used now, for callers that read its claims. "" without one. */
const char *kube_client_token(struct kube_client *client);

/* The reason, if the server is not who it has to be. */
#define KUBE_UNTRUSTED "Untrusted"
/* The reason, if the answer cannot be read: it has too many bytes or values, or is no JSON. */
#define KUBE_UNREADABLE "Unreadable"

struct kube_answer {
    long status;         /* of HTTP; 0: none came, and message says why */
    const json_t *body;  /* NULL: none, or no JSON */
    const char *reason;  /* of a Kubernetes Status: "AlreadyExists"; "" */
    const char *message; /* why it failed: a sentence without its full stop */
    const char *warning; /* of the header of that name, as sent: what admission has to say; "" */
};

static inline bool kube_good(const struct kube_answer *answer)
{
    return answer->status >= 200 && answer->status < 300;
}

/* The call ends when this returns. Comes from the loop, once. */
typedef void (*kube_done)(void *ctx, const struct kube_answer *answer);

enum kube_content { KUBE_JSON, KUBE_APPLY, KUBE_MERGE };

struct kube_request {
    const char *method; /* "GET" */
    const char *path;   /* with its query; copied */
    enum kube_content content;
    const json_t *body; /* NULL: none; read now */
    kube_done done;
    void *ctx;
};

/* Bounded to KUBE_CALL_S and KUBE_ANSWER_BYTES_MAX. */
enum { KUBE_CALL_S = 15, KUBE_ANSWER_BYTES_MAX = 32 * 1024 * 1024 };
struct kube_call *kube_call(struct kube_client *client, const struct kube_request *request);

/* An answer that goes on: ON_BYTES has what a good one (of 200) holds, and says whether to go on.
 */
struct kube_stream {
    const char *path;
    unsigned seconds; /* at most */
    unsigned idle_s;  /* without a byte */
    bool (*on_bytes)(void *ctx, struct slice bytes);
    kube_done done; /* its end; a good one has no body */
    void *ctx;
};
struct kube_call *kube_stream(struct kube_client *client, const struct kube_stream *stream);

/* DONE will not come. NULL is fine. */
void kube_call_cancel(struct kube_call *call);
