/*
 * The fields of a Service in the v2 API, as its discovery document has them. What Cloud Run knows
 * and this server cannot do is refused by name rather than ignored.
 */
#include "model/field_rows.h"
#include "model/service_tables.h"

static const char *const ingress_names[] = {
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

static const struct field secret_selector_fields[] = {
    REQUIRED("secret"),
    TEXT("version"),
    {0},
};
static const struct field value_source_fields[] = {
    OBJECT("secretKeyRef", secret_selector_fields),
    {0},
};
static const struct field env_fields[] = {
    REQUIRED("name"),
    TEXT("value"),
    OBJECT("valueSource", value_source_fields),
    {0},
};
static const struct field header_fields[] = {
    REQUIRED("name"),
    TEXT("value"),
    {0},
};
static const struct field http_get_fields[] = {
    TEXT("path"),
    OBJECTS("httpHeaders", header_fields),
    COUNT("port"),
    {0},
};
static const struct field tcp_socket_fields[] = {COUNT("port"), {0}};
static const struct field grpc_fields[] = {COUNT("port"), TEXT("service"), {0}};
static const struct field probe_fields[] = {
    COUNT("initialDelaySeconds"),
    COUNT("timeoutSeconds"),
    COUNT("periodSeconds"),
    COUNT("failureThreshold"),
    COUNT("successThreshold"),
    OBJECT("httpGet", http_get_fields),
    OBJECT("tcpSocket", tcp_socket_fields),
    OBJECT("grpc", grpc_fields),
    {0},
};
static const struct field port_fields[] = {TEXT("name"), COUNT("containerPort"), {0}};
static const struct field resource_fields[] = {
    TEXT_MAP("limits"),
    FLAG("cpuIdle"),
    FLAG("startupCpuBoost"),
    {0},
};
static const struct field mount_fields[] = {
    REQUIRED("name"),
    REQUIRED("mountPath"),
    TEXT("subPath"),
    {0},
};
static const struct field container_fields[] = {
    TEXT("name"),
    TEXT("image"),
    REFUSED("sourceCode", "source deployments are not supported; give a container image"),
    TEXTS("command"),
    TEXTS("args"),
    OBJECTS("env", env_fields),
    OBJECT("resources", resource_fields),
    OBJECTS("ports", port_fields),
    OBJECTS("volumeMounts", mount_fields),
    TEXT("workingDir"),
    OBJECT("livenessProbe", probe_fields),
    OBJECT("startupProbe", probe_fields),
    OBJECT("readinessProbe", probe_fields),
    TEXTS("dependsOn"),
    TEXT("baseImageUri"),
    OUTPUT("buildInfo"),
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
    REQUIRED("path"),
    TEXT("version"),
    COUNT("mode"),
    {0},
};
static const struct field secret_volume_fields[] = {
    REQUIRED("secret"),
    OBJECTS("items", version_path_fields),
    COUNT("defaultMode"),
    {0},
};
static const struct field cloud_sql_fields[] = {TEXTS("instances"), {0}};
static const struct field empty_dir_fields[] = {
    WORD("medium", medium_names),
    TEXT("sizeLimit"),
    {0},
};
static const struct field nfs_fields[] = {
    REQUIRED("server"),
    REQUIRED("path"),
    FLAG("readOnly"),
    {0},
};
static const struct field gcs_fields[] = {
    TEXT("bucket"),
    FLAG("readOnly"),
    TEXTS("mountOptions"),
    {0},
};
static const struct field volume_fields[] = {
    REQUIRED("name"),
    OBJECT("secret", secret_volume_fields),
    OBJECT("cloudSqlInstance", cloud_sql_fields),
    OBJECT("emptyDir", empty_dir_fields),
    OBJECT("nfs", nfs_fields),
    OBJECT("gcs", gcs_fields),
    {0},
};
const struct field network_interface_fields[] = {
    TEXT("network"),
    TEXT("subnetwork"),
    TEXTS("tags"),
    {0},
};
static const struct field vpc_fields[] = {
    TEXT("connector"),
    WORD("egress", egress_names),
    OBJECTS("networkInterfaces", network_interface_fields),
    {0},
};
static const struct field revision_scaling_fields[] = {
    COUNT("minInstanceCount"),
    COUNT("maxInstanceCount"),
    NUMBER("concurrencyUtilization"),
    NUMBER("cpuUtilization"),
    {0},
};
static const struct field mesh_fields[] = {TEXT("mesh"), {0}};
static const struct field selector_fields[] = {TEXT("accelerator"), {0}};
static const struct field template_fields[] = {
    TEXT("revision"),
    TEXT_MAP("labels"),
    TEXT_MAP("annotations"),
    OBJECT("scaling", revision_scaling_fields),
    OBJECT("vpcAccess", vpc_fields),
    DURATION("timeout"),
    TEXT("serviceAccount"),
    OBJECTS("containers", container_fields),
    OBJECTS("volumes", volume_fields),
    WORD("executionEnvironment", environment_names),
    TEXT("encryptionKey"),
    COUNT("maxInstanceRequestConcurrency"),
    OBJECT("serviceMesh", mesh_fields),
    WORD("encryptionKeyRevocationAction", revocation_names),
    DURATION("encryptionKeyShutdownDuration"),
    FLAG("sessionAffinity"),
    FLAG("healthCheckDisabled"),
    OBJECT("nodeSelector", selector_fields),
    FLAG("gpuZonalRedundancyDisabled"),
    OBJECT("sandboxes", sandbox_fields),
    TEXT("client"),
    TEXT("clientVersion"),
    {0},
};
static const struct field traffic_fields[] = {
    WORD("type", traffic_type_names), TEXT("revision"), COUNT("percent"), TEXT("tag"), {0},
};
static const struct field service_scaling_fields[] = {
    COUNT("minInstanceCount"),
    COUNT("maxInstanceCount"),
    WORD("scalingMode", scaling_mode_names),
    COUNT("manualInstanceCount"),
    {0},
};
static const struct field binary_authorization_fields[] = {
    FLAG("useDefault"),
    TEXT("policy"),
    TEXT("breakglassJustification"),
    {0},
};
static const struct field build_fields[] = {
    OUTPUT("name"),         TEXT("sourceLocation"),
    TEXT("functionTarget"), TEXT("imageUri"),
    TEXT("baseImage"),      FLAG("enableAutomaticUpdates"),
    TEXT("workerPool"),     TEXT_MAP("environmentVariables"),
    TEXT("serviceAccount"), {0},
};

const struct field service_fields[] = {
    TEXT("name"),
    {.name = "description", .kind = FIELD_STRING, .max = 512},
    OUTPUT("uid"),
    OUTPUT("generation"),
    TEXT_MAP("labels"),
    TEXT_MAP("annotations"),
    OUTPUT("createTime"),
    OUTPUT("updateTime"),
    OUTPUT("deleteTime"),
    OUTPUT("expireTime"),
    OUTPUT("creator"),
    OUTPUT("lastModifier"),
    TEXT("client"),
    TEXT("clientVersion"),
    WORD("ingress", ingress_names),
    WORD("launchStage", launch_stage_names),
    OBJECT("binaryAuthorization", binary_authorization_fields),
    OBJECT("template", template_fields),
    OBJECTS("traffic", traffic_fields),
    OBJECT("scaling", service_scaling_fields),
    FLAG("invokerIamDisabled"),
    FLAG("defaultUriDisabled"),
    OUTPUT("urls"),
    FLAG("iapEnabled"),
    REFUSED("multiRegionSettings", "multi-region services are not supported"),
    TEXTS("customAudiences"),
    OUTPUT("observedGeneration"),
    OUTPUT("terminalCondition"),
    OUTPUT("conditions"),
    OUTPUT("latestReadyRevision"),
    OUTPUT("latestCreatedRevision"),
    OUTPUT("trafficStatuses"),
    OUTPUT("uri"),
    OUTPUT("satisfiesPzs"),
    OUTPUT("threatDetectionEnabled"),
    OBJECT("buildConfig", build_fields),
    OUTPUT("reconciling"),
    TEXT("etag"),
    {0},
};
