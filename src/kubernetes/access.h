/*
 * Where the API server of a cluster is, and our credentials for it: read from a kubeconfig file, or
 * from the environment of a pod. Only credentials that need no other program are supported; any
 * other kind is refused by its name.
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"

enum { KUBE_FILE_BYTES_MAX = 1024 * 1024, KUBE_TOKEN_BYTES_MAX = 64 * 1024 };

/* Texts are of the arena that it was read into; "" where there is none. */
struct kube_access {
    const char *server; /* "https://HOST:PORT", or with a path; no slash at the end */
    struct slice ca_pem, certificate_pem, key_pem;
    const char *token;      /* as it stands in the file */
    const char *token_file; /* or read from this file, again and again */
    const char *name_space; /* of the context, or of the pod that we are in */
};

/*
 * The context CONTEXT ("": the current one) of a kubeconfig whose TEXT was read from a file in
 * FOLDER, which its relative paths start at. INVALID_ARGUMENT or UNIMPLEMENTED, naming what is
 * wrong.
 */
bool kube_access_read(struct arena *arena, struct slice text, const char *folder,
                      const char *context, struct kube_access *out, struct error *err);

/* The file at PATH. */
bool kube_access_open(struct arena *arena, const char *path, struct kube_access *out,
                      struct error *err);

/*
 * Of a pod: HOST and PORT of its environment, and the files in FOLDER that its service account has
 * (Kubernetes, "Accessing the Kubernetes API from a Pod").
 */
bool kube_access_of_pod(struct arena *arena, const char *host, const char *port, const char *folder,
                        struct kube_access *out, struct error *err);

/*
 * The name and namespace of the service account in the claims of TOKEN. They are not verified: they
 * are sent only to the server that issued the token. False if it is not such a token.
 */
bool kube_token_account(struct arena *arena, struct slice token, const char **name_space,
                        const char **name);
