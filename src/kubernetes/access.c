/* A table for what a user of a kubeconfig may have, so that what is refused has a row of its own.
 */
#include "kubernetes/access.h"

#include <stdio.h>

#include "base/encode.h"
#include "base/file.h"
#include "codec/codec.h"

/* ---- what is refused ---- */

struct refusal {
    const char *member, *why;
};

static const struct refusal of_users[] = {
    {"exec", "Homerun runs no credential plugin: give it a token, a tokenFile or a client "
             "certificate, such as those of a service account"},
    {"auth-provider", "authentication providers were removed from Kubernetes: give it a token, a "
                      "tokenFile or a client certificate"},
    {"username", "API servers take no passwords any more: give it a token or a client certificate"},
    {"password", "API servers take no passwords any more: give it a token or a client certificate"},
    {"as", "Homerun impersonates nobody: give it the credentials of whom it is to be"},
    {"as-uid", "Homerun impersonates nobody: give it the credentials of whom it is to be"},
    {"as-groups", "Homerun impersonates nobody: give it the credentials of whom it is to be"},
    {"as-user-extra", "Homerun impersonates nobody: give it the credentials of whom it is to be"},
    {NULL, NULL},
};

static const struct refusal of_clusters[] = {
    {"insecure-skip-tls-verify",
     "the API server has to show who it is: give its certificate-authority"},
    {"proxy-url", "Homerun asks the API server directly"},
    {"tls-server-name", "the certificate has to name the host of server"},
    {NULL, NULL},
};

static bool none_refused(const json_t *value, const struct refusal *refusals, const char *what,
                         struct error *err)
{
    for (; refusals->member != NULL; refusals++) {
        const json_t *found = json_object_get(value, refusals->member);
        if (found != NULL && !json_is_null(found) && !json_is_false(found)) {
            return error_set(err, STATUS_UNIMPLEMENTED, "kubeconfig: %s has %s: %s", what,
                             refusals->member, refusals->why);
        }
    }
    return true;
}

/* ---- values ---- */

static const char *path_of(struct arena *arena, const char *folder, const char *path)
{
    return path[0] == '/' ? path : arena_printf(arena, "%s/%s", folder, path);
}

/* MEMBER-data, or the file that MEMBER names. *OUT stays empty if there is neither. */
static bool read_pem(struct arena *arena, const char *folder, const json_t *value,
                     const char *member, struct slice *out, struct error *err)
{
    const char *data = json_text_or(value, arena_printf(arena, "%s-data", member), "");
    const char *path = json_text_or(value, member, "");
    if (data[0] != '\0') {
        return base64_decode_any(arena, slice_of(data), out) ||
               error_set(err, STATUS_INVALID_ARGUMENT, "kubeconfig: %s-data is not base64", member);
    }
    if (path[0] == '\0') {
        return true;
    }
    return file_read(arena, path_of(arena, folder, path), KUBE_FILE_BYTES_MAX, out, err) ||
           error_wrap(err, "kubeconfig: %s", member);
}

static const json_t *find_named(const json_t *config, const char *list, const char *name,
                                const char *member)
{
    size_t i;
    const json_t *entry;
    json_array_foreach(json_object_get(config, list), i, entry)
    {
        if (strcmp(json_text_or(entry, "name", ""), name) == 0) {
            return json_object_get(entry, member);
        }
    }
    return NULL;
}

static bool is_server(struct slice server)
{
    struct slice rest = slice_from(server, strlen("https://"));
    for (size_t i = 0; i < rest.len; i++) {
        unsigned char byte = (unsigned char)rest.data[i];
        if (byte <= ' ' || byte >= 127 || strchr("@?#\"\\", byte) != NULL) {
            return false;
        }
    }
    return slice_starts(server, SLICE("https://")) && rest.len > 0 && rest.data[0] != '/';
}

/* Without the slashes at its end. */
static bool take_server(struct arena *arena, const char *text, struct kube_access *out,
                        struct error *err)
{
    struct slice server = slice_of(text);
    while (server.len > 0 && server.data[server.len - 1] == '/') {
        server.len--;
    }
    out->server = arena_string(arena, server);
    return is_server(server) ||
           error_set(err, STATUS_INVALID_ARGUMENT,
                     "kubeconfig: server '%.200s' must be an https:// URL: credentials are sent to "
                     "it",
                     text);
}

static bool take_cluster(struct arena *arena, const json_t *cluster, const char *folder,
                         struct kube_access *out, struct error *err)
{
    return none_refused(cluster, of_clusters, "the cluster", err) &&
           take_server(arena, json_text_or(cluster, "server", ""), out, err) &&
           read_pem(arena, folder, cluster, "certificate-authority", &out->ca_pem, err);
}

/* A token goes into a header as it is. */
static bool is_token(struct slice token)
{
    for (size_t i = 0; i < token.len; i++) {
        if ((unsigned char)token.data[i] <= ' ' || (unsigned char)token.data[i] >= 127) {
            return false;
        }
    }
    return true;
}

static bool take_user(struct arena *arena, const json_t *user, const char *folder,
                      struct kube_access *out, struct error *err)
{
    if (!none_refused(user, of_users, "the user", err) ||
        !read_pem(arena, folder, user, "client-certificate", &out->certificate_pem, err) ||
        !read_pem(arena, folder, user, "client-key", &out->key_pem, err)) {
        return false;
    }
    out->token = arena_string(arena, slice_of(json_text_or(user, "token", "")));
    const char *file = json_text_or(user, "tokenFile", "");
    out->token_file =
        file[0] == '\0' ? "" : arena_string(arena, slice_of(path_of(arena, folder, file)));
    if (!is_token(slice_of(out->token))) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "kubeconfig: the token has a character that no token has");
    }
    if ((out->certificate_pem.len == 0) != (out->key_pem.len == 0)) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "kubeconfig: client-certificate and client-key go together");
    }
    /* An empty token would be taken for nobody's, and be refused much later. */
    return out->certificate_pem.len > 0 || out->token[0] != '\0' || out->token_file[0] != '\0' ||
           error_set(err, STATUS_INVALID_ARGUMENT,
                     "kubeconfig: the user has neither token, tokenFile nor client-certificate");
}

bool kube_access_read(struct arena *arena, struct slice text, const char *folder,
                      const char *context, struct kube_access *out, struct error *err)
{
    struct kube_access access = {.server = "", .token = "", .token_file = "", .name_space = ""};
    auto_json *config = yaml_read(text, err);
    if (config == NULL) {
        return error_wrap(err, "kubeconfig");
    }
    const char *name = context[0] != '\0' ? context : json_text_or(config, "current-context", "");
    if (name[0] == '\0') {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "kubeconfig: no current-context is set (kubectl config use-context NAME)");
    }
    const json_t *at = find_named(config, "contexts", name, "context");
    const char *cluster = json_text_or(at, "cluster", ""), *user = json_text_or(at, "user", "");
    const json_t *of_cluster = find_named(config, "clusters", cluster, "cluster");
    const json_t *of_user = find_named(config, "users", user, "user");
    if (at == NULL || of_cluster == NULL || of_user == NULL) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "kubeconfig: there is no %s '%.100s'",
                         at == NULL           ? "context"
                         : of_cluster == NULL ? "cluster"
                                              : "user",
                         at == NULL           ? name
                         : of_cluster == NULL ? cluster
                                              : user);
    }
    access.name_space = arena_string(arena, slice_of(json_text_or(at, "namespace", "default")));
    if (!take_cluster(arena, of_cluster, folder, &access, err) ||
        !take_user(arena, of_user, folder, &access, err)) {
        return false;
    }
    *out = access;
    return true;
}

bool kube_access_open(struct arena *arena, const char *path, struct kube_access *out,
                      struct error *err)
{
    struct slice text;
    ptrdiff_t slash = slice_find_last(slice_of(path), '/');
    const char *folder =
        slash < 0 ? "." : arena_string(arena, slice_upto(slice_of(path), (size_t)slash));
    return (file_read(arena, path, KUBE_FILE_BYTES_MAX, &text, err) &&
            kube_access_read(arena, text, folder, "", out, err)) ||
           error_wrap(err, "%s", path);
}

bool kube_access_of_pod(struct arena *arena, const char *host, const char *port, const char *folder,
                        struct kube_access *out, struct error *err)
{
    struct kube_access access = {.token = ""};
    struct slice name_space;
    bool v6 = strchr(host, ':') != NULL;
    const char *server = arena_printf(arena, v6 ? "https://[%s]:%s" : "https://%s:%s", host, port);
    if (!take_server(arena, server, &access, err) ||
        !file_read(arena, arena_printf(arena, "%s/ca.crt", folder), KUBE_FILE_BYTES_MAX,
                   &access.ca_pem, err) ||
        !file_read(arena, arena_printf(arena, "%s/namespace", folder), 256, &name_space, err)) {
        return error_wrap(err, "the service account of this pod");
    }
    access.name_space = arena_string(arena, slice_trim(name_space));
    access.token_file = arena_printf(arena, "%s/token", folder);
    *out = access;
    return true;
}

bool kube_token_account(struct arena *arena, struct slice token, const char **name_space,
                        const char **name)
{
    struct slice part, claims, subject, prefix = SLICE("system:serviceaccount:");
    struct error ignored = {0};
    if (!slice_cut(&token, '.', &part) || !slice_cut(&token, '.', &part) ||
        !base64url_decode(arena, part, &claims)) {
        return false;
    }
    auto_json *value = json_read(claims, &ignored);
    subject = slice_of(arena_string(arena, slice_of(json_text_or(value, "sub", ""))));
    if (!slice_starts(subject, prefix)) {
        return false;
    }
    subject = slice_from(subject, prefix.len);
    ptrdiff_t colon = slice_find(subject, ':');
    if (colon <= 0 || (size_t)colon + 1 == subject.len) {
        return false;
    }
    *name_space = arena_string(arena, slice_upto(subject, (size_t)colon));
    *name = arena_string(arena, slice_from(subject, (size_t)colon + 1));
    return true;
}
