/*
 * The Kubernetes objects of a revision, as documents for the API server. Pure: the same record
 * gives the same documents.
 */
#pragma once

#include "codec/codec.h"
#include "engine/run_record.h"
#include "engine/secrets.h"

/* Labels of all that is ours. */
#define KUBE_OWNER    "homerun.internal/owner"       /* the installation */
#define KUBE_REVISION "homerun.internal/revision-id" /* its number */

enum {
    KUBE_NAME_MAX = 64, /* with its NUL: what fits into a label */
    /* Of a Deployment: a cluster puts "-HASH-RANDOM" behind it for its pods, and cuts it at 63. */
    KUBE_DEPLOYMENT_MAX = 46,
    KUBE_DRAIN_S = 30, /* at most: for requests of a pod that the cluster ends, before SIGTERM */
    KUBE_TERM_S = 10,  /* from SIGTERM to SIGKILL */
};

/* "homerun-PROJECT", and the name of all that a revision has: its own, and its number. */
void kube_namespace_name(const char *project, char out[KUBE_NAME_MAX]);
void kube_revision_name(const struct run_record *record, char out[KUBE_NAME_MAX]);

/*
 * The Deployment of RECORD's revision, in the namespace NAME_SPACE of OWNER, without replicas.
 * SECRET is the name of its Secret; "": it has none. NULL and UNIMPLEMENTED, or INVALID_ARGUMENT,
 * in whole sentences, for what cannot be had in a cluster. The caller owns what is answered, here
 * and below.
 */
json_t *kube_deployment(const struct run_record *record, const char *name_space, const char *owner,
                        const char *secret, const struct secrets *secrets, struct error *err);
/* What its pods are found by: UID is the Deployment's, with which it goes. */
json_t *kube_service(const struct run_record *record, const char *name_space, const char *owner,
                     const char *uid);
/* The values of SECRETS, by keys that kube_deployment() names. */
json_t *kube_secret(const struct run_record *record, const char *name_space, const char *owner,
                    const char *uid, const char *name, const struct secrets *secrets);
json_t *kube_namespace(const char *name, const char *owner);
/* The RoleBinding that gives our own account its rights in NAME_SPACE, by the ClusterRole that the
 * installer has made. */
json_t *kube_role_binding(const char *name_space, const char *owner, const char *account_space,
                          const char *account);
/*
 * The NetworkPolicy by which only Homerun reaches the pods: from the labelled pods of the namespace
 * OURS, or from the networks SOURCES (comma-separated). NULL: neither is known. EGRESS: the pods
 * may connect to other hosts.
 */
json_t *kube_network_policy(const char *name_space, const char *owner, const char *ours,
                            const char *sources, bool egress);
/* VERSION: of the Deployment as it was seen. The server refuses if it has another by then. */
json_t *kube_scale(uint32_t replicas, const char *version);
