/*
 * The fields of a Service in the v2 API, as its discovery document has them, each with its number
 * in Google's proto and, where somebody reads it, its member of the structs of service_type.h. What
 * Cloud Run knows and this server cannot do is refused by name rather than ignored.
 */
#include "model/field_rows.h"
#include "model/service_tables.h"

const char *const service_ingress_names[] = {
    "INGRESS_TRAFFIC_UNSPECIFIED",   "INGRESS_TRAFFIC_ALL",
    "INGRESS_TRAFFIC_INTERNAL_ONLY", "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER",
    "INGRESS_TRAFFIC_NONE",          NULL,
};
static const char *const launch_stage_names[] = {
    "LAUNCH_STAGE_UNSPECIFIED",
    "EARLY_ACCESS",
    "ALPHA",
    "BETA",
    "GA",
    "DEPRECATED",
    "UNIMPLEMENTED",
    "PRELAUNCH",
    NULL,
};
static const char *const scaling_mode_names[] = {
    "SCALING_MODE_UNSPECIFIED",
    "AUTOMATIC",
    "MANUAL",
    NULL,
};
static const char *const environment_names[] = {
    "EXECUTION_ENVIRONMENT_UNSPECIFIED",
    "EXECUTION_ENVIRONMENT_GEN1",
    "EXECUTION_ENVIRONMENT_GEN2",
    NULL,
};
static const char *const revocation_names[] = {
    "ENCRYPTION_KEY_REVOCATION_ACTION_UNSPECIFIED",
    "PREVENT_NEW",
    "SHUTDOWN",
    NULL,
};
static const char *const egress_names[] = {
    "VPC_EGRESS_UNSPECIFIED",
    "ALL_TRAFFIC",
    "PRIVATE_RANGES_ONLY",
    NULL,
};
static const char *const medium_names[] = {"MEDIUM_UNSPECIFIED", "MEMORY", "DISK", NULL};
static const char *const traffic_type_names[] = {
    "TRAFFIC_TARGET_ALLOCATION_TYPE_UNSPECIFIED",
    "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST",
    "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION",
    NULL,
};
const char *const condition_state_names[] = {
    "STATE_UNSPECIFIED", "CONDITION_PENDING",   "CONDITION_RECONCILING",
    "CONDITION_FAILED",  "CONDITION_SUCCEEDED", NULL,
};

static const struct field secret_selector_fields[] = {
    REQUIRED("secret", FIELD_IN(secret_selector, secret, 1)),
    TEXT("version", FIELD_IN(secret_selector, version, 2), .absent = "latest"),
    {0},
};
static const struct field value_source_fields[] = {
    OBJECT("secretKeyRef", secret_selector_fields, FIELD_BEHIND(value_source, secret, 1)),
    {0},
};
static const struct field env_fields[] = {
    REQUIRED("name", FIELD_IN(env_var, name, 1)),
    TEXT("value", FIELD_IN(env_var, value, 2)),
    OBJECT("valueSource", value_source_fields, FIELD_BEHIND(env_var, value_source, 3)),
    {0},
};
static const struct field header_fields[] = {
    REQUIRED("name", FIELD_IN(probe_header, name, 1)),
    TEXT("value", FIELD_IN(probe_header, value, 2)),
    {0},
};
static const struct field http_get_fields[] = {
    TEXT("path", FIELD_IN(probe_action, path, 1), .absent = "/"),
    OBJECTS("httpHeaders", header_fields, FIELD_EACH(probe_action, headers, 4)),
    COUNT("port", FIELD_IN(probe_action, port, 5)),
    {0},
};
static const struct field tcp_socket_fields[] = {COUNT("port", FIELD_IN(probe_action, port, 1)),
                                                 {0}};
static const struct field grpc_fields[] = {COUNT("port", FIELD_IN(probe_action, port, 1)),
                                           TEXT("service", FIELD_IN(probe_action, service, 2)),
                                           {0}};
static const struct field probe_fields[] = {
    COUNT("initialDelaySeconds", FIELD_IN(probe, initial_delay_s, 1)),
    COUNT("timeoutSeconds", FIELD_IN(probe, timeout_s, 2), .absent_whole = 1),
    COUNT("periodSeconds", FIELD_IN(probe, period_s, 3), .absent_whole = 10),
    COUNT("failureThreshold", FIELD_IN(probe, failure_threshold, 4), .absent_whole = 3),
    COUNT("successThreshold", FIELD_IN(probe, success_threshold, 0)),
    OBJECT("httpGet", http_get_fields, FIELD_BEHIND(probe, http_get, 5)),
    OBJECT("tcpSocket", tcp_socket_fields, FIELD_BEHIND(probe, tcp_socket, 6)),
    OBJECT("grpc", grpc_fields, FIELD_BEHIND(probe, grpc, 7)),
    {0},
};
const struct field container_port_fields[] = {
    TEXT("name", FIELD_IN(container_port, name, 1), .absent = "http1"),
    COUNT("containerPort", FIELD_IN(container_port, port, 3), .absent_whole = PORT_DEFAULT),
    {0}};
static const struct field resource_fields[] = {
    TEXT_MAP("limits", FIELD_EACH(resources, limits, 1)),
    FLAG("cpuIdle", FIELD_IN(resources, cpu_idle, 2), .absent_whole = true),
    FLAG("startupCpuBoost", FIELD_IN(resources, startup_cpu_boost, 3)),
    {0},
};
/* Fields that only v1 has stand in the record under their own names. */
static const struct field mount_record_fields[] = {
    FLAG("readOnly", FIELD_IN(volume_mount, read_only, 0)),
    {0},
};
static const struct field mount_fields[] = {
    REQUIRED("name", FIELD_IN(volume_mount, name, 1)),
    REQUIRED("mountPath", FIELD_IN(volume_mount, path, 3)),
    TEXT("subPath", FIELD_IN(volume_mount, sub_path, 4)),
    FIELDS_OF_RECORD(mount_record_fields),
};
static const struct field container_fields[] = {
    TEXT("name", FIELD_IN(container, name, 1)),
    TEXT("image", FIELD_IN(container, image, 2)),
    REFUSED("sourceCode", "source deployments are not supported; give a container image",
            .number = 17),
    TEXTS("command", FIELD_EACH(container, command, 3)),
    TEXTS("args", FIELD_EACH(container, args, 4)),
    OBJECTS("env", env_fields, FIELD_EACH(container, env, 5)),
    OBJECT("resources", resource_fields, FIELD_INSIDE(container, resources, 6)),
    OBJECTS("ports", container_port_fields, FIELD_EACH(container, ports, 7)),
    OBJECTS("volumeMounts", mount_fields, FIELD_EACH(container, mounts, 8)),
    TEXT("workingDir", FIELD_IN(container, working_dir, 9)),
    OBJECT("livenessProbe", probe_fields, FIELD_BEHIND(container, liveness_probe, 10)),
    OBJECT("startupProbe", probe_fields, FIELD_BEHIND(container, startup_probe, 11)),
    OBJECT("readinessProbe", probe_fields, FIELD_BEHIND(container, readiness_probe, 14)),
    TEXTS("dependsOn", FIELD_EACH(container, depends_on, 12)),
    TEXT("baseImageUri", .number = 13),
    OUTPUT("buildInfo", .number = 15),
    FLAG("sandboxLauncher"),
    {0},
};
static const struct field sandbox_template_fields[] = {
    TEXT("name"),
    TEXT("image"),
    TEXTS("command"),
    TEXTS("args"),
    OBJECTS("env", env_fields),
    OBJECTS("volumeMounts", mount_fields),
    TEXT("workingDir"),
    {0},
};
static const struct field sandbox_fields[] = {OBJECTS("templates", sandbox_template_fields), {0}};
static const struct field version_path_fields[] = {
    REQUIRED("path", FIELD_IN(secret_item, path, 1)),
    TEXT("version", FIELD_IN(secret_item, version, 2), .absent = "latest"),
    COUNT("mode", FIELD_IN(secret_item, mode, 3)),
    {0},
};
static const struct field secret_volume_fields[] = {
    REQUIRED("secret", FIELD_IN(secret_volume, secret, 1)),
    OBJECTS("items", version_path_fields, FIELD_EACH(secret_volume, items, 2)),
    COUNT("defaultMode", FIELD_IN(secret_volume, default_mode, 3)),
    {0},
};
static const struct field cloud_sql_fields[] = {
    TEXTS("instances", FIELD_EACH(cloud_sql_volume, instances, 1)),
    {0},
};
static const struct field empty_dir_fields[] = {
    WORD("medium", medium_names, .number = 1),
    TEXT("sizeLimit", FIELD_IN(empty_dir, size_limit, 2)),
    {0},
};
static const struct field nfs_fields[] = {
    REQUIRED("server", FIELD_IN(folder_volume, server, 1)),
    REQUIRED("path", FIELD_IN(folder_volume, path, 2)),
    FLAG("readOnly", FIELD_IN(folder_volume, read_only, 3)),
    {0},
};
static const struct field gcs_fields[] = {
    TEXT("bucket", FIELD_IN(folder_volume, bucket, 1)),
    FLAG("readOnly", FIELD_IN(folder_volume, read_only, 2)),
    TEXTS("mountOptions", .number = 3),
    {0},
};
static const struct field volume_fields[] = {
    REQUIRED("name", FIELD_IN(volume, name, 1)),
    OBJECT("secret", secret_volume_fields, FIELD_BEHIND(volume, secret, 2)),
    OBJECT("cloudSqlInstance", cloud_sql_fields, FIELD_BEHIND(volume, cloud_sql, 3)),
    OBJECT("emptyDir", empty_dir_fields, FIELD_BEHIND(volume, empty_dir, 4)),
    OBJECT("nfs", nfs_fields, FIELD_BEHIND(volume, nfs, 5)),
    OBJECT("gcs", gcs_fields, FIELD_BEHIND(volume, gcs, 6)),
    {0},
};
const struct field network_interface_fields[] = {
    TEXT("network", .number = 1),
    TEXT("subnetwork", .number = 2),
    TEXTS("tags", .number = 3),
    {0},
};
static const struct field vpc_fields[] = {
    TEXT("connector", .number = 1),
    WORD("egress", egress_names, FIELD_IN(vpc_access, egress, 2)),
    OBJECTS("networkInterfaces", network_interface_fields, .number = 3),
    {0},
};
static const struct field revision_scaling_fields[] = {
    COUNT("minInstanceCount", FIELD_IN(revision_scaling, min, 1)),
    COUNT("maxInstanceCount", FIELD_IN(revision_scaling, max, 2),
          .absent_whole = INSTANCES_DEFAULT),
    NUMBER("concurrencyUtilization"),
    NUMBER("cpuUtilization"),
    {0},
};
static const struct field mesh_fields[] = {TEXT("mesh", .number = 1), {0}};
static const struct field selector_fields[] = {TEXT("accelerator", .number = 1), {0}};
const struct field revision_template_fields[] = {
    TEXT("revision", FIELD_IN(template, revision, 1)),
    TEXT_MAP("labels", .number = 2),
    TEXT_MAP("annotations", FIELD_EACH(template, annotations, 3)),
    OBJECT("scaling", revision_scaling_fields, FIELD_INSIDE(template, scaling, 4)),
    OBJECT("vpcAccess", vpc_fields, FIELD_INSIDE(template, vpc, 6)),
    DURATION("timeout", FIELD_IN(template, timeout_us, 8), .absent_whole = TIMEOUT_US_DEFAULT),
    TEXT("serviceAccount", FIELD_IN(template, service_account, 9)),
    OBJECTS("containers", container_fields, FIELD_EACH(template, containers, 10)),
    OBJECTS("volumes", volume_fields, FIELD_EACH(template, volumes, 11)),
    WORD("executionEnvironment", environment_names, .number = 13),
    TEXT("encryptionKey", FIELD_IN(template, encryption_key, 14)),
    COUNT("maxInstanceRequestConcurrency", FIELD_IN(template, concurrency, 15),
          .absent_whole = CONCURRENCY_DEFAULT),
    OBJECT("serviceMesh", mesh_fields, .number = 16),
    WORD("encryptionKeyRevocationAction", revocation_names, .number = 17),
    DURATION("encryptionKeyShutdownDuration", .number = 18),
    FLAG("sessionAffinity", FIELD_IN(template, session_affinity, 19)),
    FLAG("healthCheckDisabled", FIELD_IN(template, health_check_disabled, 20)),
    OBJECT("nodeSelector", selector_fields, .number = 21),
    FLAG("gpuZonalRedundancyDisabled", .number = 24),
    OBJECT("sandboxes", sandbox_fields),
    TEXT("client"),
    TEXT("clientVersion"),
    {0},
};
static const struct field traffic_fields[] = {
    WORD("type", traffic_type_names, FIELD_IN(traffic_target, type, 1)),
    TEXT("revision", FIELD_IN(traffic_target, revision, 2)),
    COUNT("percent", FIELD_IN(traffic_target, percent, 3)),
    TEXT("tag", FIELD_IN(traffic_target, tag, 4)),
    {0},
};
static const struct field service_scaling_fields[] = {
    COUNT("minInstanceCount", FIELD_IN(service_scaling, min, 1)),
    COUNT("maxInstanceCount", FIELD_IN(service_scaling, max, 4)),
    WORD("scalingMode", scaling_mode_names, FIELD_IN(service_scaling, mode, 3)),
    COUNT("manualInstanceCount", FIELD_IN(service_scaling, manual, 6)),
    {0},
};
static const struct field binary_authorization_fields[] = {
    FLAG("useDefault", FIELD_IN(binary_authorization, use_default, 1)),
    TEXT("policy", FIELD_IN(binary_authorization, policy, 3)),
    TEXT("breakglassJustification", .number = 2),
    {0},
};
static const struct field build_fields[] = {
    OUTPUT("name", .number = 1),         TEXT("sourceLocation", .number = 2),
    TEXT("functionTarget", .number = 3), TEXT("imageUri", .number = 4),
    TEXT("baseImage", .number = 5),      FLAG("enableAutomaticUpdates", .number = 6),
    TEXT("workerPool", .number = 7),     TEXT_MAP("environmentVariables", .number = 8),
    TEXT("serviceAccount", .number = 9), {0},
};

/* ---- what the server finds out: in the record alone ---- */

#define READY_ROWS(type)                                                                           \
    WORD("ready", condition_state_names, FIELD_IN(type, ready.state, 0)),                          \
        TEXT("reason", FIELD_IN(type, ready.reason, 0)),                                           \
        TEXT("message", FIELD_IN(type, ready.message, 0)),                                         \
        TEXT("transitionTime", FIELD_IN(type, ready.time, 0))

static const struct field service_status_fields[] = {
    READY_ROWS(service_status),
    TEXT("latestCreatedRevision", FIELD_IN(service_status, latest_created, 0)),
    TEXT("latestReadyRevision", FIELD_IN(service_status, latest_ready, 0)),
    TEXT("operation", FIELD_IN(service_status, operation, 0)),
    COUNT("observedGeneration", FIELD_IN(service_status, observed_generation, 0),
          .absent_whole = 1),
    COUNT("revisionCounter", FIELD_IN(service_status, revision_counter, 0)),
    OBJECTS("traffic", traffic_fields, FIELD_EACH(service_status, traffic, 0)),
    FLAG("routed", FIELD_IN(service_status, routed, 0)),
    {0},
};
static const struct field service_record_fields[] = {
    OBJECT("status", service_status_fields, FIELD_INSIDE(service, status, 0)),
    {0},
};
static const struct field revision_status_fields[] = {READY_ROWS(revision_status), {0}};

const struct field revision_fields[] = {
    TEXT("uid", FIELD_IN(revision, uid, 0)),
    TEXT("createTime", FIELD_IN(revision, create_time, 0)),
    TEXT("creator", FIELD_IN(revision, creator, 0)),
    TEXT("service", FIELD_IN(revision, service, 0)),
    COUNT("generation", FIELD_IN(revision, generation, 0)),
    OBJECT("template", revision_template_fields, FIELD_INSIDE(revision, template, 0)),
    TEXT("imageDigest", FIELD_IN(revision, image_digest, 0)),
    TEXT_MAP("manifests", FIELD_EACH(revision, manifests, 0)),
    OBJECT("status", revision_status_fields, FIELD_INSIDE(revision, status, 0)),
    {0},
};

/* ---- the service ---- */

const struct field service_fields[] = {
    TEXT("name", .number = 1),
    TEXT("description", .number = 2, .max = 512),
    OUTPUT_OF(FIELD_STRING, "uid", FIELD_IN(service, uid, 3)),
    OUTPUT_OF(FIELD_INT64, "generation", FIELD_IN(service, generation, 4)),
    TEXT_MAP("labels", .number = 5),
    TEXT_MAP("annotations", FIELD_EACH(service, annotations, 6)),
    OUTPUT_OF(FIELD_TIME, "createTime", FIELD_IN(service, create_time, 7)),
    OUTPUT_OF(FIELD_TIME, "updateTime", FIELD_IN(service, update_time, 8)),
    OUTPUT("deleteTime", .number = 9),
    OUTPUT("expireTime", .number = 10),
    OUTPUT_OF(FIELD_STRING, "creator", FIELD_IN(service, creator, 11)),
    OUTPUT_OF(FIELD_STRING, "lastModifier", FIELD_IN(service, last_modifier, 12)),
    TEXT("client", .number = 13),
    TEXT("clientVersion", .number = 14),
    WORD("ingress", service_ingress_names, FIELD_IN(service, ingress, 15)),
    WORD("launchStage", launch_stage_names, .number = 16),
    OBJECT("binaryAuthorization", binary_authorization_fields,
           FIELD_INSIDE(service, binary_authorization, 17)),
    OBJECT("template", revision_template_fields, FIELD_INSIDE(service, template, 18)),
    OBJECTS("traffic", traffic_fields, FIELD_EACH(service, traffic, 19)),
    OBJECT("scaling", service_scaling_fields, FIELD_INSIDE(service, scaling, 20)),
    FLAG("invokerIamDisabled", FIELD_IN(service, invoker_iam_disabled, 21)),
    FLAG("defaultUriDisabled", FIELD_IN(service, default_uri_disabled, 22)),
    OUTPUT("urls", .number = 24),
    FLAG("iapEnabled", FIELD_IN(service, iap_enabled, 25)),
    REFUSED("multiRegionSettings", "multi-region services are not supported", .number = 26),
    TEXTS("customAudiences", FIELD_EACH(service, custom_audiences, 37)),
    OUTPUT("observedGeneration", .number = 30),
    OUTPUT("terminalCondition", .number = 31),
    OUTPUT("conditions", .number = 32),
    OUTPUT("latestReadyRevision", .number = 33),
    OUTPUT("latestCreatedRevision", .number = 34),
    OUTPUT("trafficStatuses", .number = 35),
    OUTPUT("uri", .number = 36),
    OUTPUT("satisfiesPzs", .number = 38),
    OUTPUT("threatDetectionEnabled", .number = 40),
    OBJECT("buildConfig", build_fields, .number = 41),
    OUTPUT("reconciling", .number = 98),
    TEXT("etag", .number = 99),
    FIELDS_OF_RECORD(service_record_fields),
};
