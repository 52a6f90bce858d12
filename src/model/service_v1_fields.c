/*
 * The fields of a Service in the v1 (Knative) API. Read-only ones are taken in and dropped, because
 * clients send back the whole object that they last read; what would change the meaning of a
 * service if it were ignored is refused.
 */
#include "model/field_rows.h"
#include "model/service_tables.h"

#define NOT_IN_CLOUD_RUN "not supported by Cloud Run"

static const struct field secret_key_fields[] = {
    TEXT("name"), TEXT("key"), FLAG("optional"), REFUSED("localObjectReference", NOT_IN_CLOUD_RUN),
    {0},
};
static const struct field env_source_fields[] = {
    OBJECT("secretKeyRef", secret_key_fields),
    REFUSED("configMapKeyRef", NOT_IN_CLOUD_RUN),
    {0},
};
static const struct field env_fields[] = {
    REQUIRED("name"),
    TEXT("value"),
    OBJECT("valueFrom", env_source_fields),
    {0},
};
static const struct field header_fields[] = {REQUIRED("name"), TEXT("value"), {0}};
static const struct field http_get_fields[] = {
    TEXT("path"),
    COUNT("port"),
    TEXT("host"),
    TEXT("scheme"),
    OBJECTS("httpHeaders", header_fields),
    {0},
};
static const struct field tcp_socket_fields[] = {COUNT("port"), TEXT("host"), {0}};
static const struct field grpc_fields[] = {COUNT("port"), TEXT("service"), {0}};
static const struct field probe_fields[] = {
    COUNT("initialDelaySeconds"),
    COUNT("timeoutSeconds"),
    COUNT("periodSeconds"),
    COUNT("successThreshold"),
    COUNT("failureThreshold"),
    OBJECT("httpGet", http_get_fields),
    OBJECT("tcpSocket", tcp_socket_fields),
    OBJECT("grpc", grpc_fields),
    REFUSED("exec", NOT_IN_CLOUD_RUN),
    {0},
};
static const struct field port_fields[] = {
    TEXT("name"),
    COUNT("containerPort"),
    TEXT("protocol"),
    {0},
};
static const struct field resource_fields[] = {TEXT_MAP("limits"), TEXT_MAP("requests"), {0}};
static const struct field mount_fields[] = {
    REQUIRED("name"), REQUIRED("mountPath"), TEXT("subPath"), FLAG("readOnly"), {0},
};
static const struct field container_fields[] = {
    TEXT("name"),
    TEXT("image"),
    TEXTS("command"),
    TEXTS("args"),
    TEXT("workingDir"),
    OBJECTS("ports", port_fields),
    OBJECTS("env", env_fields),
    REFUSED("envFrom", NOT_IN_CLOUD_RUN),
    OBJECT("resources", resource_fields),
    OBJECTS("volumeMounts", mount_fields),
    OBJECT("livenessProbe", probe_fields),
    OBJECT("startupProbe", probe_fields),
    OBJECT("readinessProbe", probe_fields),
    TEXT("imagePullPolicy"),
    TEXT("terminationMessagePath"),
    TEXT("terminationMessagePolicy"),
    REFUSED("securityContext", NOT_IN_CLOUD_RUN),
    FLAG("sandboxLauncher"),
    {0},
};
static const struct field key_path_fields[] = {
    TEXT("key"),
    REQUIRED("path"),
    COUNT("mode"),
    {0},
};
static const struct field secret_volume_fields[] = {
    REQUIRED("secretName"),
    OBJECTS("items", key_path_fields),
    COUNT("defaultMode"),
    FLAG("optional"),
    {0},
};
static const struct field empty_dir_fields[] = {TEXT("medium"), TEXT("sizeLimit"), {0}};
static const struct field csi_fields[] = {
    REQUIRED("driver"),
    FLAG("readOnly"),
    TEXT_MAP("volumeAttributes"),
    {0},
};
static const struct field nfs_fields[] = {
    REQUIRED("server"),
    REQUIRED("path"),
    FLAG("readOnly"),
    {0},
};
static const struct field volume_fields[] = {
    REQUIRED("name"),
    OBJECT("secret", secret_volume_fields),
    OBJECT("emptyDir", empty_dir_fields),
    REFUSED("configMap", NOT_IN_CLOUD_RUN),
    OBJECT("csi", csi_fields),
    OBJECT("nfs", nfs_fields),
    {0},
};
static const struct field revision_spec_fields[] = {
    COUNT("containerConcurrency"),
    COUNT("timeoutSeconds"),
    TEXT("serviceAccountName"),
    OBJECTS("containers", container_fields),
    OBJECTS("volumes", volume_fields),
    TEXT_MAP("nodeSelector"),
    FLAG("enableServiceLinks"),
    TEXT("runtimeClassName"),
    REFUSED("imagePullSecrets", NOT_IN_CLOUD_RUN),
    {0},
};
static const struct field metadata_fields[] = {
    TEXT("name", FIELD_IN(v1_metadata, name, 0)),
    TEXT("namespace", FIELD_IN(v1_metadata, name_space, 0)),
    TEXT_MAP("labels", FIELD_EACH(v1_metadata, labels, 0)),
    TEXT_MAP("annotations"),
    OUTPUT("uid"),
    OUTPUT("generation"),
    OUTPUT("resourceVersion"),
    OUTPUT_OF(FIELD_TIME, "creationTimestamp", FIELD_IN(v1_metadata, created, 0)),
    OUTPUT("deletionTimestamp"),
    OUTPUT("deletionGracePeriodSeconds"),
    OUTPUT("selfLink"),
    REFUSED("clusterName", "not supported by Cloud Run"),
    REFUSED("finalizers", "not supported by Cloud Run"),
    REFUSED("ownerReferences", "not supported by Cloud Run"),
    REFUSED("generateName", "give a name"),
    {0},
};
static const struct field template_fields[] = {
    OBJECT("metadata", metadata_fields),
    OBJECT("spec", revision_spec_fields),
    {0},
};
static const struct field traffic_fields[] = {
    TEXT("revisionName"),
    FLAG("latestRevision"),
    COUNT("percent"),
    TEXT("tag"),
    OUTPUT("url"),
    REFUSED("configurationName", NOT_IN_CLOUD_RUN),
    {0},
};
static const struct field spec_fields[] = {
    OBJECT("template", template_fields),
    OBJECTS("traffic", traffic_fields),
    {0},
};

const struct field service_v1_fields[] = {
    TEXT("apiVersion"),
    TEXT("kind"),
    {.name = "metadata", .kind = FIELD_OBJECT, .fields = metadata_fields, .flags = FIELD_REQUIRED},
    {.name = "spec", .kind = FIELD_OBJECT, .fields = spec_fields, .flags = FIELD_REQUIRED},
    OUTPUT("status"),
    {0},
};

struct v1_metadata v1_metadata_of(struct arena *arena, const json_t *object)
{
    struct v1_metadata metadata;
    fields_get(arena, metadata_fields, json_object_get(object, "metadata"), &metadata);
    return metadata;
}
