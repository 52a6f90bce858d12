/*
 * What it takes to start an instance of a revision: the run record that control put into the run
 * index, read once and shared by the instances that were started from it.
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "model/image_rules.h"

enum { RUN_CONTAINERS_MAX = 16, RUN_MOUNTS_MAX = 32, RUN_ARGUMENTS_MAX = 1000, RUN_ENV_MAX = 1000 };

enum probe_kind { PROBE_NONE, PROBE_TCP, PROBE_HTTP, PROBE_GRPC };

struct run_pair {
    const char *name, *value;
};

struct run_probe {
    enum probe_kind kind;
    uint16_t port; /* 0: the port of the container */
    const char *path;
    const char *service; /* of a gRPC probe; "" for the server as a whole */
    const struct run_pair *headers;
    size_t header_count;
    unsigned initial_delay_s, period_s, timeout_s, failure_threshold;
    unsigned success_threshold; /* of a readiness probe */
};

/* A volume, where a container sees it. */
struct run_mount {
    const char *volume; /* its name: containers of an instance share it */
    const char *path;
    const char *sub; /* of the volume, what is seen: a relative path; "": all of it */
    int64_t bytes;   /* at most, of one in memory */
    const char
        *source;     /* what a folder of this machine stands for: "BUCKET"; "": it is in memory */
    const char *dir; /* that folder; "": none does any more */
    bool read_only;
};

struct run_container {
    const char *name, *image, *dir, *working_dir;
    const char *manifest;       /* digest of an imported image; "": none */
    struct image_rules rules;   /* what a deployer may choose of it */
    const char *const *program; /* each ends with NULL */
    const char *const *command;
    const char *const *args;
    const struct run_pair *env;
    size_t env_count;
    const char *const *secret_env; /* variables whose values are secrets; ends with NULL */
    uint16_t port;                 /* 0: not the ingress container */
    bool http2;
    struct run_probe startup, liveness, readiness;
    int64_t cpu_m;        /* 0: no limit known */
    int64_t memory_bytes; /* 0: no limit */
    bool cpu_boost;       /* more CPU while it starts */
    const char *const *depends_on;
    const struct run_mount *mounts;
    size_t mount_count;
};

/* Where its containers may connect to outside of this installation. */
enum run_egress { RUN_EGRESS_ALL, RUN_EGRESS_PUBLIC, RUN_EGRESS_NONE };

struct run_record {
    unsigned refs;
    struct arena arena;
    const char *json; /* what it was read from */
    uint64_t revision_id;
    uint64_t service_id; /* for the meter; 0: not known */
    const char *revision, *service, *project, *project_number, *region;
    uint32_t concurrency, timeout_s, min_instances, max_instances;
    uint32_t concurrency_target_m, cpu_target_m; /* see autoscale.h */
    bool reachable; /* by traffic or tag: only then is the minimum kept */
    bool secrets;   /* control has values for its containers (engine/secrets.h) */
    enum run_egress egress;
    struct run_container containers[RUN_CONTAINERS_MAX];
    size_t container_count;
};

/* NULL and INTERNAL if it is not a record that control could have written. One reference. */
struct run_record *run_record_read(struct slice json, struct error *err);
struct run_record *run_record_ref(struct run_record *record);
void run_record_unref(struct run_record *record); /* NULL is fine */

/* Whether both say the same of which folders of this machine their containers see, and how. */
bool run_record_same_folders(const struct run_record *a, const struct run_record *b);

/* The container that requests go to. NULL if none has a port. */
const struct run_container *run_record_ingress(const struct run_record *record);

/* Whether JSON asks for a minimum of instances, without reading all of it: for the walk over every
 * revision there is. May say yes where a full look says no. */
bool run_record_may_have_minimum(struct slice json);
