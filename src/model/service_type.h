/*
 * A service and a revision as structs: each document of the record (described in model/service.h)
 * is read into them and written from them by one codec: the table of Google's fields
 * (service_fields.c), where each field that the code reads has a member.
 *
 * Fields without a member are carried: a struct keeps the document that it was read from, which
 * must live as long as the struct, and writing starts from that document. Texts belong to that
 * document, or to the code that sets them; "" where there is none. New structs are (struct x){0},
 * or read from no document, which fills in what an absent field means.
 */
#pragma once

#include "codec/codec.h"

/* ---- containers ---- */

struct secret_selector {
    const json_t *source;
    const char *secret, *version; /* "latest" if none is named */
};
struct value_source {
    const json_t *source;
    struct secret_selector *secret; /* NULL: none */
};
struct env_var {
    const json_t *source;
    const char *name, *value;
    struct value_source *value_source; /* NULL: it is `value` */
};
struct probe_header {
    const json_t *source;
    const char *name, *value;
};
struct probe_action {
    const json_t *source;
    int64_t port;        /* 0: the container's */
    const char *path;    /* of HTTP: "/" */
    const char *service; /* of gRPC */
    struct probe_header *headers;
    size_t headers_count;
};
struct probe {
    const json_t *source;
    int64_t initial_delay_s, timeout_s, period_s, failure_threshold;
    int64_t success_threshold;                         /* 0: by the kind of probe */
    struct probe_action *http_get, *tcp_socket, *grpc; /* NULL but for one */
};
struct container_port {
    const json_t *source;
    const char *name; /* "http1", "h2c" */
    int64_t port;
};
struct resources {
    const json_t *source;
    struct text_pair *limits;
    size_t limits_count;
    bool cpu_idle, startup_cpu_boost;
};
struct volume_mount {
    const json_t *source;
    const char *name, *path;
    const char *sub_path; /* of the volume, what is mounted; "": all of it */
    bool read_only;       /* of v1 alone */
};
struct container {
    const json_t *source;
    const char *name, *image, *working_dir;
    const char **command, **args, **depends_on;
    size_t command_count, args_count, depends_on_count;
    struct env_var *env;
    struct container_port *ports;
    struct volume_mount *mounts;
    size_t env_count, ports_count, mounts_count;
    struct resources resources;
    struct probe *startup_probe, *liveness_probe, *readiness_probe; /* NULL: none */
};

/* ---- volumes ---- */

struct secret_item {
    const json_t *source;
    const char *path, *version; /* "latest" if none is named */
    int64_t mode;               /* 0: the volume's */
};
struct secret_volume {
    const json_t *source;
    const char *secret;
    struct secret_item *items;
    size_t items_count;
    int64_t default_mode;
};
struct empty_dir {
    const json_t *source;
    const char *size_limit;
};
struct folder_volume { /* an NFS export, or a bucket */
    const json_t *source;
    const char *server, *path, *bucket;
    bool read_only;
};
struct cloud_sql_volume {
    const json_t *source;
    const char **instances; /* PROJECT:REGION:INSTANCE */
    size_t instances_count;
};
struct volume {
    const json_t *source;
    const char *name;
    struct secret_volume *secret; /* NULL but for one, or all if it is something else */
    struct empty_dir *empty_dir;
    struct folder_volume *nfs, *gcs;
    struct cloud_sql_volume *cloud_sql;
};

/* ---- the template of revisions ---- */

struct revision_scaling {
    const json_t *source;
    int64_t min, max;
};
enum vpc_egress {
    EGRESS_UNKNOWN = -1,
    EGRESS_UNSPECIFIED,
    EGRESS_ALL_TRAFFIC,
    EGRESS_PRIVATE_RANGES,
};
struct vpc_access {
    const json_t *source;
    enum vpc_egress egress;
};
struct template
{
    const json_t *source;
    const char *revision; /* the name that the next one is to have; "": any */
    const char *service_account;
    const char *encryption_key;
    struct text_pair *annotations;
    size_t annotations_count;
    struct revision_scaling scaling;
    struct vpc_access vpc;
    int64_t timeout_us, concurrency;
    bool session_affinity, health_check_disabled;
    struct container *containers;
    struct volume *volumes;
    size_t containers_count, volumes_count;
};

/* ---- what the server finds out ---- */

/* Google's numbers of Condition.State. */
enum condition_state {
    CONDITION_UNKNOWN = -1,
    CONDITION_NONE,
    CONDITION_PENDING,
    CONDITION_RECONCILING,
    CONDITION_FAILED,
    CONDITION_SUCCEEDED,
};

/* The condition Ready, as it is recorded. */
struct readiness {
    enum condition_state state;
    const char *reason, *message; /* ours: service_status.c has v2's words for them */
    const char *time;             /* of its last change */
};

/* ---- services ---- */

enum traffic_type {
    TRAFFIC_UNKNOWN = -1,
    TRAFFIC_UNSPECIFIED,
    TRAFFIC_LATEST,
    TRAFFIC_REVISION,
};
struct traffic_target {
    const json_t *source;
    enum traffic_type type;
    const char *revision; /* short name */
    const char *tag;
    int64_t percent;
};

enum scaling_mode { SCALING_UNKNOWN = -1, SCALING_UNSPECIFIED, SCALING_AUTOMATIC, SCALING_MANUAL };
struct service_scaling {
    const json_t *source;
    int64_t min, max; /* 0: none */
    int64_t manual;
    enum scaling_mode mode;
};

struct binary_authorization {
    const json_t *source;
    const char *policy;
    bool use_default;
};

struct service_status {
    const json_t *source;
    struct readiness ready;
    const char *latest_created, *latest_ready; /* short names of revisions */
    const char *operation;                     /* the last one */
    int64_t observed_generation;
    int64_t revision_counter; /* how many there have been */
    struct traffic_target *traffic;
    size_t traffic_count; /* in force; each names its revision */
    bool routed;          /* it is what is asked for */
};

enum service_ingress {
    SERVICE_INGRESS_UNKNOWN = -1,
    SERVICE_INGRESS_UNSPECIFIED, /* the same as ALL */
    SERVICE_INGRESS_ALL,
    SERVICE_INGRESS_INTERNAL_ONLY,
    SERVICE_INGRESS_INTERNAL_LOAD_BALANCER,
    SERVICE_INGRESS_NONE,
};

struct service {
    const json_t *source;
    const char *uid, *create_time, *update_time, *creator, *last_modifier;
    int64_t generation; /* 0: it is not in the record yet */
    enum service_ingress ingress;
    bool invoker_iam_disabled, default_uri_disabled, iap_enabled;
    const char **custom_audiences;
    size_t custom_audiences_count;
    struct text_pair *annotations;
    size_t annotations_count;
    struct template template;
    struct service_scaling scaling;
    struct binary_authorization binary_authorization;
    struct traffic_target *traffic; /* as asked for */
    size_t traffic_count;
    struct service_status status;
};

/* ---- revisions ---- */

struct revision_status {
    const json_t *source;
    struct readiness ready;
};

struct revision {
    const json_t *source;
    const char *uid, *create_time, *creator;
    const char *service;      /* short name */
    int64_t generation;       /* of the service that asked for it */
    struct template template; /* as of then, defaults filled in */
    const char *image_digest;
    struct text_pair *manifests; /* of local images of containers, by reference */
    size_t manifests_count;
    struct revision_status status;
};

/* The codecs. DOC may be NULL. The struct is in ARENA, the document the caller's. */
struct service *service_from_doc(struct arena *arena, const json_t *doc);
json_t *service_to_doc(const struct service *service);
struct revision *revision_from_doc(struct arena *arena, const json_t *doc);
json_t *revision_to_doc(const struct revision *revision);
struct template *template_from_doc(struct arena *arena, const json_t *doc);

extern const struct field service_fields[], revision_template_fields[], revision_fields[];

/* v2's word for it; OTHERWISE if it is not specified. */
const char *service_ingress_word(const struct service *service, const char *otherwise);
/* The container that takes requests: the only one, or the one with ports. NULL if there is none. */
const struct container *template_taker(const struct template *template);
/* Its port, as it is by default if it has none. */
struct container_port container_serves(const struct container *container);
/* A limit of its resources ("cpu", "memory"); "" if there is none. */
const char *container_limit(const struct container *container, const char *name);
