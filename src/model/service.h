/*
 * A service and its revisions, as one document each, in the words of Cloud Run's v2 API. The v1
 * (Knative) and v2 forms are made from it by tables (service_forms.c); the store keeps it as it is.
 *
 * The document of a service:
 *
 *   uid, generation, createTime, updateTime, creator, lastModifier           ours
 *   labels, annotations (the user's own), description, client, clientVersion, launchStage, ingress
 *   ("INGRESS_TRAFFIC_ALL"…), invokerIamDisabled, defaultUriDisabled, customAudiences, scaling,
 *   template {revision, labels, annotations, scaling, timeout, serviceAccount, containers[],
 * volumes[], maxInstanceRequestConcurrency, sessionAffinity, healthCheckDisabled, …}, traffic[] the
 * user's status {observedGeneration, latestCreatedRevision, latestReadyRevision, ready
 *   ("CONDITION_PENDING" | "CONDITION_SUCCEEDED" | "CONDITION_FAILED"), reason, message,
 * transitionTime, operation, revisionCounter} ours
 *
 * The document of a revision:
 *
 *   uid, createTime, creator, service, generation, template (as of then, defaults filled in),
 * imageDigest, manifests (of local images of containers, by reference: what they were then), status
 * {ready, reason, message, transitionTime}
 *
 * Revision names are short ("hello-00001-abc"); times are RFC 3339; durations "300s".
 */
#pragma once

#include "model/service_type.h"

/* What a form needs beside the document. */
struct service_view {
    const char *project; /* ID */
    const char *project_number;
    const char *region;
    const char *name;
    const char *domain; /* "run.localhost" */
    int https_port;
    int64_t version; /* service_version() of doc: resourceVersion and etag are made from it */
    const json_t *doc;
};

/* ---- names and URLs ---- */

/* Whether a new service may have NAME. service_name_known() also accepts names with "---", which
 * older versions allowed. */
bool service_name_valid(struct slice name, struct error *err);
bool service_name_known(struct slice name, struct error *err);
bool tag_valid(struct slice tag, struct error *err);
bool revision_name_valid(struct slice service, struct slice revision, struct error *err);
/*
 * Host of a service, or of its tag (TAG may be ""): "SERVICE-NUMBER.REGION.DOMAIN", shortened with
 * a hash when the first label would pass the 63 bytes of RFC 1035. And the URL, with ":PORT" unless
 * it is 443.
 */
struct slice service_host(struct arena *arena, const struct service_view *view, struct slice tag);
struct slice service_url(struct arena *arena, const struct service_view *view, struct slice tag);
/*
 * All hosts that lead there, the one of service_host() first: Cloud Run has a second form without
 * the number, "SERVICE-HASH-CODE.a.DOMAIN", where the hash is of project and region and CODE two
 * letters of the region. A tag that leaves no room for it has the first form alone. Returns how
 * many, at most SERVICE_HOSTS_MAX.
 */
enum { SERVICE_HOSTS_MAX = 2 };
size_t service_hosts(struct arena *arena, const struct service_view *view, struct slice tag,
                     struct slice out[SERVICE_HOSTS_MAX]);
/* "https://HOST:PORT" of any of them. */
struct slice service_host_url(struct arena *arena, const struct service_view *view,
                              struct slice host);
/* "AAY…": opaque text of a version, and its reading back. */
struct slice version_text(struct arena *arena, int64_t version);
bool version_read(struct slice text, int64_t *version);
/*
 * The version of a service as clients see it. It changes with the changes that callers make, not
 * when a revision becomes ready, so that a client's change does not conflict with the server's own.
 * Another service of the same name has other versions.
 */
int64_t service_version(const json_t *doc);

/* ---- v1 (Knative) ---- */

/*
 * Reads what a client sent (POST, PUT) and gives the user's part of a document, without defaults.
 * status, read-only metadata and our own annotations are ignored; resourceVersion is returned in
 * *resource_version ("" if absent). Unknown fields, wrong types, values out of range:
 * INVALID_ARGUMENT with the v1 field named. NULL on failure. OLD is the document that it replaces
 * (NULL: none): an unknown annotation or label of Google's that OLD has already is accepted and
 * kept, because clients send back what they have read.
 */
json_t *service_from_v1(const json_t *in, const json_t *old, const char **resource_version,
                        struct arena *arena, struct error *err);
/*
 * The user's part of the document that OLD (its doc is NULL if there is none) becomes when WISH
 * takes its place: what v1 cannot say, and so WISH cannot mean to remove, stays. A service that is
 * put as it was read does not change.
 */
json_t *service_v1_change(struct arena *arena, const struct service_view *old, const json_t *wish);
json_t *service_to_v1(struct arena *arena, const struct service_view *view);
/* The two halves of a service, which v1 shows as objects of their own: what is deployed
 * (Configuration), and where requests go (Route). */
json_t *configuration_to_v1(struct arena *arena, const struct service_view *view);
json_t *route_to_v1(struct arena *arena, const struct service_view *view);
/* Like service_to_v1(), as a file for `services replace`: without what the server alone writes. */
json_t *service_v1_export(struct arena *arena, const struct service_view *view);
json_t *revision_to_v1(struct arena *arena, const struct service_view *service, const char *name,
                       int64_t version, const json_t *revision);

/* What an object in v1's words says of itself; lists in ARENA, texts are OBJECT's. */
struct v1_metadata {
    const json_t *source;
    const char *name, *name_space, *created; /* "" if absent */
    struct text_pair *labels;
    size_t labels_count;
};
struct v1_metadata v1_metadata_of(struct arena *arena, const json_t *object);

/* ---- v2 ---- */

/*
 * Reads what a client sent (POST, PATCH): checked, in normal form, what is zero or empty left out,
 * as protocol buffers do; name and etag are still in it. Labels and annotations of the server's
 * namespaces are refused. NULL on failure.
 */
json_t *service_from_v2(const json_t *in, struct error *err);
/*
 * The user's part of the document that OLD (its doc is NULL if there is none) becomes: all of WISH,
 * or what MASK names of it. What v2 does not show of OLD stays as it is, and defaults that the
 * client only sends back are not taken for wishes: a service that is put as it was read does not
 * change. NULL on failure.
 */
json_t *service_v2_change(struct arena *arena, const struct service_view *old, const json_t *wish,
                          struct slice mask, struct error *err);
/* Whether two documents ask for the same; fields that the server writes are not compared. */
bool service_asks_same(const json_t *a, const json_t *b);
json_t *service_to_v2(struct arena *arena, const struct service_view *view);
json_t *revision_to_v2(struct arena *arena, const struct service_view *service, const char *name,
                       const json_t *revision);
/* With its quotes; made from the view's version. */
const char *service_etag(struct arena *arena, const struct service_view *view);
const char *revision_etag(struct arena *arena, const json_t *revision);
/* Turns the names of enums into their numbers. */
void service_v2_numbers(json_t *service);
void revision_v2_numbers(json_t *revision);

/* ---- Terraform ---- */

/*
 * The service as a whole `google_cloud_run_v2_service` of the `google` provider, with the block
 * that imports the existing one: applied in an empty folder, it changes only what view->doc
 * changes. "" if it would be longer than 1 MiB.
 */
struct slice service_to_terraform(struct arena *arena, const struct service_view *view);

/* ---- common ---- */

/* Fills in the defaults of Cloud Run (ingress, traffic, port, concurrency, timeout, probes,
 * resources…) for a revision's template. */
json_t *template_with_defaults(const json_t *template);
/* Checks values and their combinations (percents, tags, probes, containers, reserved env…).
 * v1_words: name fields as v1 does. */
bool service_validate(const char *name, const json_t *doc, bool v1_words, struct error *err);
/* Whether the labels of DOC are made as labels are; what OLD (NULL: none) has word for word may
 * stay: a record may be older than the rule. */
bool service_labels_valid(const json_t *old, const json_t *doc, bool v1_words, struct error *err);
/* Whether the templates ask for different revisions. */
bool template_differs(const json_t *before, const json_t *after);
