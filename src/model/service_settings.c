/* The table of settings, and what a service's document asks for of it. */
#include "model/service_settings.h"

#include <stdio.h>

#include "base/buffer.h"

enum { WARNING_BYTES_MAX = 16384 };

#define T        "template."
#define C        "template.containers."
#define SPEC     "spec.template.spec."
#define C1       "spec.template.spec.containers."
#define META     "metadata."
#define TMETA    "spec.template.metadata."
#define NOTE(n)  "metadata.annotations[run.googleapis.com/" n "]"
#define TNOTE(n) "spec.template.metadata.annotations[run.googleapis.com/" n "]"
#define SCALE(n) "spec.template.metadata.annotations[autoscaling.knative.dev/" n "]"

#define NO_VPC                                                                                     \
    "there is no VPC: what is routed into it (`--vpc-egress`) reaches other services and nothing " \
    "else"
#define OWN_WAY  "requests go out as those of the machine or the cluster do"
#define NO_KEY   "nothing is encrypted with keys of Cloud KMS"
#define NO_BUILD "nothing is built here: the image runs as it is"
#define NO_GPU   "containers get no GPU"
#define NO_PROOF "no attestation is asked for: every image is admitted"
#define NO_MESH  "there is no service mesh"
#define NO_CPU   "CPU is limited neither at the start, nor later, nor when idle"
#define BY_NODE  "it counts for each node of the cluster by itself"
#define NO_BOX   "containers are given nothing to launch sandboxes with"

const struct setting settings[] = {
    /* ---- the service ---- */
    {NULL, "apiVersion", NULL, SETTING_DONE, NULL, NULL},
    {NULL, "kind", NULL, SETTING_DONE, NULL, NULL},
    {"name", META "name", NULL, SETTING_DONE, NULL, NULL},
    {NULL, META "namespace", NULL, SETTING_DONE, NULL, NULL},
    {NULL, META "generateName", NULL, SETTING_REFUSED, "give a name", NULL},
    {NULL, META "clusterName", NULL, SETTING_REFUSED, "not supported by Cloud Run", NULL},
    {NULL, META "finalizers", NULL, SETTING_REFUSED, "not supported by Cloud Run", NULL},
    {NULL, META "ownerReferences", NULL, SETTING_REFUSED, "not supported by Cloud Run", NULL},
    {"description", NOTE("description"), "--description", SETTING_RECORDED, NULL, NULL},
    {"labels", META "labels", "--labels", SETTING_RECORDED, NULL, NULL},
    {"annotations", META "annotations", NULL, SETTING_RECORDED, NULL, NULL},
    {"client", NOTE("client-name"), NULL, SETTING_RECORDED, NULL, NULL},
    {"clientVersion", NOTE("client-version"), NULL, SETTING_RECORDED, NULL, NULL},
    {"etag", NULL, NULL, SETTING_DONE, NULL, NULL},
    {"launchStage", NOTE("launch-stage"), NULL, SETTING_RECORDED, NULL, NULL},
    {"ingress", NOTE("ingress"), "--ingress", SETTING_DONE, NULL, NULL},
    {"invokerIamDisabled", NOTE("invoker-iam-disabled"), "--no-invoker-iam-check", SETTING_DONE,
     NULL, NULL},
    {"defaultUriDisabled", NOTE("default-url-disabled"), "--no-default-url", SETTING_DONE, NULL,
     NULL},
    {"customAudiences", NOTE("custom-audiences"), "--add-custom-audiences", SETTING_DONE, NULL,
     NULL},
    {"iapEnabled", NOTE("iap-enabled"), "--iap", SETTING_DONE, NULL, NULL},
    {"multiRegionSettings", NOTE("regions"), "--regions", SETTING_REFUSED,
     "deploy to each region by itself", NULL},
    {"binaryAuthorization.useDefault", NOTE("binary-authorization"), "--binary-authorization",
     SETTING_IGNORED, NO_PROOF, NULL},
    {"binaryAuthorization.policy", NOTE("binary-authorization"), "--binary-authorization",
     SETTING_IGNORED, NO_PROOF, NULL},
    {"binaryAuthorization.breakglassJustification", NOTE("binary-authorization-breakglass"),
     "--breakglass", SETTING_RECORDED, NULL, NULL},
    {"scaling.minInstanceCount", NOTE("minScale"), "--min", SETTING_DONE, NULL, NULL},
    {"scaling.maxInstanceCount", NOTE("maxScale"), "--max", SETTING_DONE, NULL, NULL},
    {"scaling.scalingMode", NOTE("scalingMode"), "--scaling", SETTING_DONE, NULL, NULL},
    {"scaling.manualInstanceCount", NOTE("manualInstanceCount"), "--scaling", SETTING_DONE, NULL,
     NULL},
    {"scaling.minInstanceCount", NOTE("minScale"), "--min", SETTING_PARTLY, BY_NODE, NULL,
     SETTING_OF_EACH_NODE},
    {"scaling.maxInstanceCount", NOTE("maxScale"), "--max", SETTING_PARTLY, BY_NODE, NULL,
     SETTING_OF_EACH_NODE},
    {"scaling.manualInstanceCount", NOTE("manualInstanceCount"), "--scaling", SETTING_PARTLY,
     BY_NODE, NULL, SETTING_OF_EACH_NODE},
    {"traffic", "spec.traffic", "--no-traffic", SETTING_DONE, NULL, NULL},
    {NULL, "spec.traffic.configurationName", NULL, SETTING_REFUSED, "not supported by Cloud Run",
     NULL},
    {"tags", NULL, NULL, SETTING_DONE, NULL, NULL},
    {"buildConfig.sourceLocation", NOTE("build-source-location"), "--source", SETTING_IGNORED,
     NO_BUILD, NULL},
    {"buildConfig.functionTarget", NOTE("build-function-target"), "--function", SETTING_IGNORED,
     NO_BUILD, NULL},
    {"buildConfig.imageUri", NOTE("build-image-uri"), NULL, SETTING_IGNORED, NO_BUILD, NULL},
    {"buildConfig.baseImage", NOTE("build-base-image"), "--base-image", SETTING_IGNORED, NO_BUILD,
     NULL},
    {"buildConfig.enableAutomaticUpdates", NOTE("build-enable-automatic-updates"),
     "--automatic-updates", SETTING_IGNORED, NO_BUILD, NULL},
    {"buildConfig.workerPool", NOTE("build-worker-pool"), "--build-worker-pool", SETTING_IGNORED,
     NO_BUILD, NULL},
    {"buildConfig.environmentVariables", NOTE("build-environment-variables"),
     "--set-build-env-vars", SETTING_IGNORED, NO_BUILD, NULL},
    {"buildConfig.serviceAccount", NOTE("build-service-account"), "--build-service-account",
     SETTING_IGNORED, NO_BUILD, NULL},
    {NULL, NOTE("build-id"), NULL, SETTING_RECORDED, NULL, NULL},
    {NULL, NOTE("build-name"), NULL, SETTING_RECORDED, NULL, NULL},
    {NULL, NOTE("base-images"), NULL, SETTING_IGNORED, NO_BUILD, NULL},
    {NULL, NOTE("source-location"), NULL, SETTING_IGNORED, NO_BUILD, NULL},
    {NULL, NOTE("function-target"), NULL, SETTING_IGNORED, NO_BUILD, NULL},
    {NULL, NOTE("image-uri"), NULL, SETTING_IGNORED, NO_BUILD, NULL},
    {NULL, NOTE("enable-automatic-updates"), NULL, SETTING_IGNORED, NO_BUILD, NULL},
    {NULL, NOTE("gc-traffic-tags"), NULL, SETTING_IGNORED, "tags stay until somebody removes them",
     NULL},
    {NULL, NOTE("max-surge"), "--max-surge", SETTING_IGNORED, "traffic moves in one step", NULL},
    {NULL, NOTE("max-unavailable"), "--max-unavailable", SETTING_IGNORED,
     "traffic moves in one step", NULL},
    {NULL, NOTE("threat-detection"), "--threat-detection", SETTING_IGNORED,
     "nobody looks for threats inside containers", NULL},
    {NULL, "metadata.annotations[client.knative.dev/user-image]", NULL, SETTING_RECORDED, NULL,
     NULL},
    {NULL, "metadata.annotations[client.knative.dev/updateTimestamp]", NULL, SETTING_RECORDED, NULL,
     NULL},

    /* ---- the revision's template ---- */
    {T "revision", TMETA "name", "--revision-suffix", SETTING_DONE, NULL, NULL},
    {NULL, TMETA "namespace", NULL, SETTING_RECORDED, NULL, NULL},
    {NULL, TMETA "generateName", NULL, SETTING_REFUSED, "give a name", NULL},
    {NULL, TMETA "clusterName", NULL, SETTING_REFUSED, "not supported by Cloud Run", NULL},
    {NULL, TMETA "finalizers", NULL, SETTING_REFUSED, "not supported by Cloud Run", NULL},
    {NULL, TMETA "ownerReferences", NULL, SETTING_REFUSED, "not supported by Cloud Run", NULL},
    {T "labels", TMETA "labels", "--labels", SETTING_RECORDED, NULL, NULL},
    {T "annotations", TMETA "annotations", NULL, SETTING_RECORDED, NULL, NULL},
    {T "client", TNOTE("client-name"), NULL, SETTING_RECORDED, NULL, NULL},
    {T "clientVersion", TNOTE("client-version"), NULL, SETTING_RECORDED, NULL, NULL},
    {T "scaling.minInstanceCount", SCALE("minScale"), "--min-instances", SETTING_DONE, NULL, NULL},
    {T "scaling.maxInstanceCount", SCALE("maxScale"), "--max-instances", SETTING_DONE, NULL, NULL},
    {T "scaling.minInstanceCount", SCALE("minScale"), "--min-instances", SETTING_PARTLY, BY_NODE,
     NULL, SETTING_OF_EACH_NODE},
    {T "scaling.maxInstanceCount", SCALE("maxScale"), "--max-instances", SETTING_PARTLY, BY_NODE,
     NULL, SETTING_OF_EACH_NODE},
    {T "scaling.concurrencyUtilization", NULL, NULL, SETTING_DONE, NULL, NULL},
    {T "scaling.cpuUtilization", NULL, NULL, SETTING_DONE, NULL, NULL},
    {T "vpcAccess.connector", TNOTE("vpc-access-connector"), "--vpc-connector", SETTING_PARTLY,
     NO_VPC, NULL, SETTING_ON_MACHINE},
    {T "vpcAccess.networkInterfaces", TNOTE("network-interfaces"), "--network, --subnet",
     SETTING_PARTLY, NO_VPC, NULL, SETTING_ON_MACHINE},
    {T "vpcAccess.egress", TNOTE("vpc-access-egress"), "--vpc-egress", SETTING_DONE, NULL, NULL,
     SETTING_ON_MACHINE},
    {T "vpcAccess.connector", TNOTE("vpc-access-connector"), "--vpc-connector", SETTING_IGNORED,
     OWN_WAY, NULL, SETTING_OF_PROGRAMS | SETTING_IN_PODS},
    {T "vpcAccess.networkInterfaces", TNOTE("network-interfaces"), "--network, --subnet",
     SETTING_IGNORED, OWN_WAY, NULL, SETTING_OF_PROGRAMS | SETTING_IN_PODS},
    {T "vpcAccess.egress", TNOTE("vpc-access-egress"), "--vpc-egress", SETTING_IGNORED, OWN_WAY,
     NULL, SETTING_OF_PROGRAMS | SETTING_IN_PODS},
    {T "timeout", SPEC "timeoutSeconds", "--timeout", SETTING_DONE, NULL, NULL},
    {T "serviceAccount", SPEC "serviceAccountName", "--service-account", SETTING_DONE, NULL, NULL},
    {T "executionEnvironment", TNOTE("execution-environment"), "--execution-environment",
     SETTING_DONE, NULL, NULL},
    {T "executionEnvironment", TNOTE("execution-environment"), "--execution-environment=gen1",
     SETTING_IGNORED, "there is one environment, which is like gen2", "EXECUTION_ENVIRONMENT_GEN1"},
    {T "encryptionKey", TNOTE("encryption-key"), "--key", SETTING_IGNORED, NO_KEY, NULL},
    {T "encryptionKeyRevocationAction", TNOTE("post-key-revocation-action-type"),
     "--post-key-revocation-action-type", SETTING_IGNORED, NO_KEY, NULL},
    {T "encryptionKeyShutdownDuration", TNOTE("encryption-key-shutdown-hours"),
     "--encryption-key-shutdown-hours", SETTING_IGNORED, NO_KEY, NULL},
    {T "maxInstanceRequestConcurrency", SPEC "containerConcurrency", "--concurrency", SETTING_DONE,
     NULL, NULL},
    {T "serviceMesh", TNOTE("mesh"), "--mesh", SETTING_IGNORED, NO_MESH, NULL},
    {NULL, TNOTE("mesh-dataplane"), NULL, SETTING_IGNORED, NO_MESH, NULL},
    {NULL, TNOTE("identity"), NULL, SETTING_IGNORED, NO_MESH, NULL},
    {NULL, TNOTE("enable-workload-certificate"), NULL, SETTING_IGNORED, NO_MESH, NULL},
    {T "sessionAffinity", TNOTE("sessionAffinity"), "--session-affinity", SETTING_DONE, NULL, NULL},
    {T "healthCheckDisabled", TNOTE("health-check-disabled"), "--no-deploy-health-check",
     SETTING_DONE, NULL, NULL},
    {T "nodeSelector", SPEC "nodeSelector", "--gpu-type", SETTING_IGNORED, NO_GPU, NULL},
    {T "gpuZonalRedundancyDisabled", TNOTE("gpu-zonal-redundancy-disabled"),
     "--no-gpu-zonal-redundancy", SETTING_IGNORED, NO_GPU, NULL},
    {T "sandboxes", NULL, NULL, SETTING_IGNORED, NO_BOX, NULL},
    {NULL, SPEC "enableServiceLinks", NULL, SETTING_RECORDED, NULL, NULL},
    {NULL, SPEC "runtimeClassName", NULL, SETTING_RECORDED, NULL, NULL},
    {NULL, SPEC "imagePullSecrets", NULL, SETTING_REFUSED, "not supported by Cloud Run", NULL},
    {NULL, TNOTE("secrets"), "--set-secrets", SETTING_DONE, NULL, NULL},
    {NULL, TNOTE("secure-session-agent"), NULL, SETTING_IGNORED, "there is no such agent", NULL},
    {NULL, TNOTE("overflow-scaling"), NULL, SETTING_IGNORED,
     "instances beyond the maximum are never started", NULL},
    {NULL, TNOTE("sources"), NULL, SETTING_IGNORED, NO_BUILD, NULL},
    {NULL, TNOTE("build-source-location"), NULL, SETTING_RECORDED, NULL, NULL},
    {NULL, TNOTE("build-function-target"), NULL, SETTING_RECORDED, NULL, NULL},
    {NULL, TNOTE("build-id"), NULL, SETTING_RECORDED, NULL, NULL},
    {NULL, TNOTE("linux-base-image-update"), NULL, SETTING_IGNORED, NO_BUILD, NULL},
    {NULL, TMETA "annotations[client.knative.dev/user-image]", NULL, SETTING_RECORDED, NULL, NULL},
    {NULL, TMETA "annotations[client.knative.dev/updateTimestamp]", NULL, SETTING_RECORDED, NULL,
     NULL},

    /* ---- containers ---- */
    {C "name", C1 "name", "--container", SETTING_DONE, NULL, NULL},
    {C "image", C1 "image", "--image", SETTING_DONE, NULL, NULL},
    {C "sourceCode", NULL, "--source", SETTING_REFUSED, "give a container image", NULL},
    {C "command", C1 "command", "--command", SETTING_DONE, NULL, NULL},
    {C "args", C1 "args", "--args", SETTING_DONE, NULL, NULL},
    {C "workingDir", C1 "workingDir", "--workdir", SETTING_DONE, NULL, NULL},
    {C "ports", C1 "ports", "--port", SETTING_DONE, NULL, NULL},
    {C "env", C1 "env", "--set-env-vars", SETTING_DONE, NULL, NULL},
    {C "env.valueSource", C1 "env.valueFrom", "--set-secrets", SETTING_DONE, NULL, NULL},
    {NULL, C1 "env.valueFrom.secretKeyRef.localObjectReference", NULL, SETTING_REFUSED,
     "not supported by Cloud Run", NULL},
    {NULL, C1 "env.valueFrom.configMapKeyRef", NULL, SETTING_REFUSED, "not supported by Cloud Run",
     NULL},
    {NULL, C1 "envFrom", NULL, SETTING_REFUSED, "not supported by Cloud Run", NULL},
    {C "dependsOn", TNOTE("container-dependencies"), "--depends-on", SETTING_DONE, NULL, NULL},
    {C "baseImageUri", TNOTE("base-images"), "--base-image", SETTING_IGNORED, NO_BUILD, NULL},
    {C "resources.limits", C1 "resources.limits", "--memory, --cpu", SETTING_DONE, NULL, NULL},
    {C "resources.limits.cpu", C1 "resources.limits.cpu", "--cpu", SETTING_EXCEEDED, NO_CPU, NULL,
     SETTING_OF_PROGRAMS},
    {C "resources.limits.cpu", C1 "resources.limits.cpu", "--cpu", SETTING_DONE, NULL, NULL,
     SETTING_IN_CONTAINERS},
    {C "resources.limits.nvidia.com/gpu", C1 "resources.limits.nvidia.com/gpu", "--gpu",
     SETTING_IGNORED, NO_GPU, NULL},
    {NULL, C1 "resources.requests", NULL, SETTING_RECORDED, NULL, NULL},
    {C "resources.cpuIdle", TNOTE("cpu-throttling"), "--cpu-throttling", SETTING_EXCEEDED,
     "an idle instance keeps its CPU", NULL},
    {C "resources.startupCpuBoost", TNOTE("startup-cpu-boost"), "--cpu-boost", SETTING_EXCEEDED,
     NO_CPU, NULL, SETTING_OF_PROGRAMS},
    {C "resources.startupCpuBoost", TNOTE("startup-cpu-boost"), "--cpu-boost", SETTING_DONE, NULL,
     NULL, SETTING_IN_CONTAINERS},
    {C "startupProbe", C1 "startupProbe", "--startup-probe", SETTING_DONE, NULL, NULL},
    {C "livenessProbe", C1 "livenessProbe", "--liveness-probe", SETTING_DONE, NULL, NULL},
    {C "readinessProbe", C1 "readinessProbe", "--readiness-probe", SETTING_DONE, NULL, NULL},
    {C "volumeMounts", C1 "volumeMounts", "--add-volume-mount", SETTING_IGNORED,
     "with --engine=process programs see the file system of this machine; nothing is mounted", NULL,
     SETTING_OF_PROGRAMS},
    {C "volumeMounts", C1 "volumeMounts", "--add-volume-mount", SETTING_DONE, NULL, NULL,
     SETTING_IN_CONTAINERS},
    {C "volumeMounts.subPath", C1 "volumeMounts.subPath", "--add-volume-mount", SETTING_DONE, NULL,
     NULL},
    {NULL, C1 "volumeMounts.readOnly", NULL, SETTING_RECORDED, NULL, NULL},
    {NULL, C1 "startupProbe.exec", NULL, SETTING_REFUSED, "not supported by Cloud Run", NULL},
    {NULL, C1 "livenessProbe.exec", NULL, SETTING_REFUSED, "not supported by Cloud Run", NULL},
    {NULL, C1 "readinessProbe.exec", NULL, SETTING_REFUSED, "not supported by Cloud Run", NULL},
    {NULL, C1 "imagePullPolicy", NULL, SETTING_RECORDED, NULL, NULL},
    {NULL, C1 "terminationMessagePath", NULL, SETTING_RECORDED, NULL, NULL},
    {NULL, C1 "terminationMessagePolicy", NULL, SETTING_RECORDED, NULL, NULL},
    {C "sandboxLauncher", C1 "sandboxLauncher", NULL, SETTING_IGNORED, NO_BOX, NULL},
    {NULL, C1 "securityContext", NULL, SETTING_REFUSED, "not supported by Cloud Run", NULL},

    /* ---- volumes ---- */
    {T "volumes.name", SPEC "volumes.name", "--add-volume", SETTING_DONE, NULL, NULL},
    {T "volumes.emptyDir", SPEC "volumes.emptyDir", "--add-volume", SETTING_IGNORED,
     "with --engine=process no volume is made", NULL, SETTING_OF_PROGRAMS},
    {T "volumes.emptyDir", SPEC "volumes.emptyDir", "--add-volume", SETTING_DONE, NULL, NULL,
     SETTING_IN_CONTAINERS},
    {T "volumes.secret", SPEC "volumes.secret", "--set-secrets", SETTING_PARTLY,
     "variables have the values of the start; files of `latest` follow within 5 s", NULL,
     SETTING_ON_MACHINE},
    {T "volumes.secret", SPEC "volumes.secret", "--set-secrets", SETTING_PARTLY,
     "in a cluster, variables and files have the values of the last wake from zero", NULL,
     SETTING_IN_PODS},
    {T "volumes.secret", SPEC "volumes.secret", "--set-secrets", SETTING_REFUSED,
     "files are only there in containers", NULL, SETTING_OF_PROGRAMS},
    {T "volumes.cloudSqlInstance", TNOTE("cloudsql-instances"), "--add-cloudsql-instances",
     SETTING_IGNORED, "with this engine there are no sockets under /cloudsql", NULL,
     SETTING_OF_PROGRAMS | SETTING_IN_PODS},
    {T "volumes.cloudSqlInstance", TNOTE("cloudsql-instances"), "--add-cloudsql-instances",
     SETTING_IGNORED,
     "sockets are only below /cloudsql for instances that were mapped (`homerun volumes map "
     "PROJECT:REGION:INSTANCE DIR`)",
     NULL, SETTING_ON_MACHINE},
    {T "volumes.gcs", SPEC "volumes.csi", "--add-volume", SETTING_DONE,
     "a folder that was mapped (`homerun volumes map`), else refused", NULL, SETTING_ON_MACHINE},
    {T "volumes.gcs", SPEC "volumes.csi", "--add-volume", SETTING_REFUSED,
     "only there in containers of this machine", NULL, SETTING_OF_PROGRAMS | SETTING_IN_PODS},
    {T "volumes.gcs.mountOptions", NULL, "--add-volume", SETTING_PARTLY,
     "of the options of Cloud Storage FUSE, a folder knows `only-dir` alone", NULL,
     SETTING_ON_MACHINE},
    {T "volumes.nfs", SPEC "volumes.nfs", "--add-volume", SETTING_DONE,
     "a folder that was mapped (`homerun volumes map`), else refused", NULL, SETTING_ON_MACHINE},
    {T "volumes.nfs", SPEC "volumes.nfs", "--add-volume", SETTING_REFUSED,
     "only there in containers of this machine", NULL, SETTING_OF_PROGRAMS | SETTING_IN_PODS},
    {NULL, SPEC "volumes.configMap", NULL, SETTING_REFUSED, "not supported by Cloud Run", NULL},
    {0},
};

/* ---- finding ---- */

/* Said once, when the process starts; of nodes, whenever one comes or goes. */
static enum setting_engine chosen = SETTING_ON_MACHINE;
static bool many_nodes;

void settings_choose(enum setting_engine engine)
{
    chosen = engine;
}

void settings_count_nodes(size_t nodes)
{
    many_nodes = nodes > 1;
}

static bool counts(const struct setting *row)
{
    if (row->engine == SETTING_OF_EACH_NODE) {
        return many_nodes && (chosen & SETTING_IN_PODS) == 0;
    }
    return row->engine == SETTING_ANY || (row->engine & chosen) != 0;
}

static bool is_end(const struct setting *row)
{
    return row->v2 == NULL && row->v1 == NULL;
}

/* How many bytes of PATH the row's own path covers; 0 if it is about something else. */
static size_t covers(const char *own, const char *path)
{
    size_t len = own == NULL ? 0 : strlen(own);
    bool within =
        len > 0 && strncmp(own, path, len) == 0 && (path[len] == '\0' || path[len] == '.');
    return within ? len : 0;
}

const struct setting *setting_find(const char *path, bool v1)
{
    const struct setting *best = NULL;
    size_t most = 0;
    for (const struct setting *row = settings; !is_end(row); row++) {
        size_t len = covers(v1 ? row->v1 : row->v2, path);
        if (len > most && counts(row)) {
            most = len;
            best = row;
        }
    }
    return best;
}

const char *setting_effect_text(enum setting_effect effect)
{
    static const char *const texts[] = {
        [SETTING_DONE] = "done",
        [SETTING_RECORDED] = "kept, as on Cloud Run",
        [SETTING_EXCEEDED] = "no limit",
        [SETTING_PARTLY] = "in part, with a warning",
        [SETTING_IGNORED] = "no effect, with a warning",
        [SETTING_REFUSED] = "refused",
    };
    return texts[effect];
}

bool setting_warns(const struct setting *setting)
{
    return setting->effect == SETTING_PARTLY || setting->effect == SETTING_IGNORED;
}

/* ---- what a document asks for ---- */

static bool asks(const json_t *value, const char *only)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        return only != NULL ? strcmp(json_string_value(value), only) == 0
                            : json_string_length(value) > 0;
    case JSON_ARRAY:
        return json_array_size(value) > 0;
    case JSON_FALSE:
    case JSON_NULL:
        return false;
    case JSON_INTEGER:
        return json_integer_value(value) != 0;
    case JSON_OBJECT: /* "emptyDir": {} is one */
    case JSON_REAL:
    case JSON_TRUE:
        return true;
    }
    return true;
}

/* Whether VALUE, or any item of its lists on the way, has PATH. The rest of a path may be one name:
 * keys of maps have dots. */
static bool asks_at(const json_t *value, const char *path, const char *only)
{
    if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++) {
            if (asks_at(json_array_get(value, i), path, only)) {
                return true;
            }
        }
        return false;
    }
    const json_t *whole = json_object_get(value, path);
    const char *dot = strchr(path, '.');
    if (whole != NULL || dot == NULL) {
        return whole != NULL && asks(whole, only);
    }
    const json_t *part = json_object_getn(value, path, (size_t)(dot - path));
    return part != NULL && asks_at(part, dot + 1, only);
}

/* An annotation that only v1 has stands among the user's own. */
static bool has_note(const json_t *doc, const char *v1)
{
    char name[128];
    const char *open = strchr(v1, '[');
    const json_t *part =
        strncmp(v1, TMETA, strlen(TMETA)) == 0 ? json_object_get(doc, "template") : doc;
    if (open == NULL) {
        return false;
    }
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(open + 1, "]"), open + 1);
    return json_object_get(json_object_get(part, "annotations"), name) != NULL;
}

/* "run.googleapis.com/x", not where it stands: clients show the text beside the file. */
static void name_write(struct buffer *out, const struct setting *row, bool v1)
{
    const char *name = (v1 && row->v1 != NULL) || row->v2 == NULL ? row->v1 : row->v2;
    const char *open = strchr(name, '[');
    name = open == NULL ? name : open + 1;
    buffer_printf(out, "%.*s", (int)strcspn(name, "]"), name);
}

const char *settings_warning(struct arena *arena, const json_t *doc, bool v1_words)
{
    struct buffer text = BUFFER_INIT(WARNING_BYTES_MAX);
    for (const struct setting *row = settings; !is_end(row); row++) {
        if (!setting_warns(row) || !counts(row) ||
            !(row->v2 != NULL ? asks_at(doc, row->v2, row->only) : has_note(doc, row->v1))) {
            continue;
        }
        buffer_printf(&text, "%s", buffer_len(&text) > 0 ? " " : "");
        name_write(&text, row, v1_words);
        buffer_printf(&text, " %s: %s.",
                      row->effect == SETTING_PARTLY ? "has not all of its effect here"
                                                    : "has no effect here",
                      row->why);
    }
    const char *out = arena_string(arena, buffer_slice(&text));
    buffer_done(&text);
    return out;
}
