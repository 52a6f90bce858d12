/*
 * One row for each annotation and label of Google's namespaces: the kinds that take it, as the
 * description of ObjectMeta.annotations in Cloud Run's v1 API has them, and what it means here. A
 * name of these namespaces without a row is a mistake, and a mistake in "ingress" opens a door: it
 * is refused, with the name that may have been meant.
 */
#include "model/service_note_rows.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#define RUN     "run.googleapis.com/"
#define SCALE   "autoscaling.knative.dev/"
#define SERVING "serving.knative.dev/"
#define CLIENT  "client.knative.dev/"
#define CLOUD   "cloud.googleapis.com/"
#define NETWORK "networking.knative.dev/"

#define SERVICE   KIND_SERVICE
#define REVISION  KIND_REVISION
#define BOTH      (KIND_SERVICE | KIND_REVISION)
#define JOB       KIND_JOB
#define EXECUTION KIND_EXECUTION
#define INSTANCE  KIND_INSTANCE
#define ALL       (BOTH | JOB | EXECUTION | INSTANCE)

#define ONE_REGION "Multi-region services are not supported: deploy to each region by itself."
#define VISIBILITY                                                                                 \
    "Cloud Run has no such setting: to close a service to the outside, set the annotation "        \
    "run.googleapis.com/ingress of the Service to 'internal'."

static const char *const ingress_words[][2] = {
    {"all", "INGRESS_TRAFFIC_ALL"},
    {"internal", "INGRESS_TRAFFIC_INTERNAL_ONLY"},
    {"internal-and-cloud-load-balancing", "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"},
    {"none", "INGRESS_TRAFFIC_NONE"},
    {NULL, NULL},
};
static const char *const stage_words[][2] = {
    {"ALPHA", "ALPHA"},
    {"BETA", "BETA"},
    {"GA", "GA"},
    {"EARLY_ACCESS", "EARLY_ACCESS"},
    {"PRELAUNCH", "PRELAUNCH"},
    {"DEPRECATED", "DEPRECATED"},
    {NULL, NULL},
};
static const char *const mode_words[][2] = {
    {"automatic", "AUTOMATIC"},
    {"manual", "MANUAL"},
    {NULL, NULL},
};
static const char *const environment_words[][2] = {
    {"gen1", "EXECUTION_ENVIRONMENT_GEN1"},
    {"gen2", "EXECUTION_ENVIRONMENT_GEN2"},
    {NULL, NULL},
};
static const char *const egress_words[][2] = {
    {"all-traffic", "ALL_TRAFFIC"},
    {"all", "ALL_TRAFFIC"},
    {"private-ranges-only", "PRIVATE_RANGES_ONLY"},
    {NULL, NULL},
};
static const char *const revocation_words[][2] = {
    {"prevent-new", "PREVENT_NEW"},
    {"shut-down", "SHUTDOWN"},
    {NULL, NULL},
};

const struct note notes[] = {
    {RUN "client-name", ALL, NOTE_TEXT, "client", NULL},
    {RUN "client-version", ALL, NOTE_TEXT, "clientVersion", NULL},
    {CLIENT "user-image", ALL, NOTE_KEPT, NULL, NULL},
    {CLIENT "updateTimestamp", BOTH, NOTE_KEPT, NULL, NULL},

    {RUN "description", SERVICE, NOTE_TEXT, "description", NULL},
    {RUN "ingress", SERVICE | INSTANCE, NOTE_WORD, "ingress", ingress_words},
    {RUN "invoker-iam-disabled", SERVICE | INSTANCE, NOTE_FLAG, "invokerIamDisabled", NULL},
    {RUN "default-url-disabled", SERVICE, NOTE_FLAG, "defaultUriDisabled", NULL},
    {RUN "custom-audiences", SERVICE, NOTE_TEXTS, "customAudiences", NULL},
    {RUN "launch-stage", SERVICE | JOB, NOTE_WORD, "launchStage", stage_words},
    {RUN "minScale", SERVICE, NOTE_COUNT, "scaling.minInstanceCount", NULL},
    {RUN "maxScale", SERVICE, NOTE_COUNT, "scaling.maxInstanceCount", NULL},
    {RUN "scalingMode", SERVICE, NOTE_WORD, "scaling.scalingMode", mode_words},
    {RUN "manualInstanceCount", SERVICE, NOTE_COUNT, "scaling.manualInstanceCount", NULL},
    {RUN "iap-enabled", SERVICE, NOTE_FLAG, "iapEnabled", NULL},
    {RUN "binary-authorization", SERVICE | JOB | EXECUTION, NOTE_AUTHORIZATION,
     "binaryAuthorization", NULL},
    {RUN "binary-authorization-breakglass", SERVICE | JOB, NOTE_TEXT,
     "binaryAuthorization.breakglassJustification", NULL},
    {RUN "build-source-location", SERVICE, NOTE_TEXT, "buildConfig.sourceLocation", NULL},
    {RUN "build-source-location", REVISION, NOTE_KEPT, NULL, NULL},
    {RUN "build-function-target", SERVICE, NOTE_TEXT, "buildConfig.functionTarget", NULL},
    {RUN "build-function-target", REVISION, NOTE_KEPT, NULL, NULL},
    {RUN "build-image-uri", SERVICE, NOTE_TEXT, "buildConfig.imageUri", NULL},
    {RUN "build-base-image", SERVICE, NOTE_TEXT, "buildConfig.baseImage", NULL},
    {RUN "build-enable-automatic-updates", SERVICE, NOTE_FLAG, "buildConfig.enableAutomaticUpdates",
     NULL},
    {RUN "build-worker-pool", SERVICE, NOTE_TEXT, "buildConfig.workerPool", NULL},
    {RUN "build-environment-variables", SERVICE, NOTE_TEXT_MAP, "buildConfig.environmentVariables",
     NULL},
    {RUN "build-service-account", SERVICE, NOTE_TEXT, "buildConfig.serviceAccount", NULL},
    {RUN "build-id", BOTH, NOTE_KEPT, NULL, NULL},
    {RUN "build-name", SERVICE, NOTE_KEPT, NULL, NULL},
    {RUN "base-images", SERVICE, NOTE_KEPT, NULL, NULL},
    {RUN "gc-traffic-tags", SERVICE, NOTE_KEPT, NULL, NULL},
    {RUN "max-surge", SERVICE, NOTE_KEPT, NULL, NULL},
    {RUN "max-unavailable", SERVICE, NOTE_KEPT, NULL, NULL},
    {RUN "threat-detection", SERVICE, NOTE_KEPT, NULL, NULL},
    /* Older names that gcloud has written. */
    {RUN "source-location", SERVICE, NOTE_KEPT, NULL, NULL},
    {RUN "function-target", SERVICE, NOTE_KEPT, NULL, NULL},
    {RUN "image-uri", SERVICE, NOTE_KEPT, NULL, NULL},
    {RUN "enable-automatic-updates", SERVICE, NOTE_KEPT, NULL, NULL},
    {RUN "regions", SERVICE, NOTE_REFUSED, ONE_REGION, NULL},

    {SCALE "minScale", REVISION, NOTE_COUNT, "scaling.minInstanceCount", NULL},
    {SCALE "maxScale", REVISION, NOTE_COUNT, "scaling.maxInstanceCount", NULL},
    {RUN "cpu-throttling", REVISION, NOTE_CONTAINERS, "resources.cpuIdle", NULL},
    {RUN "startup-cpu-boost", REVISION, NOTE_CONTAINERS, "resources.startupCpuBoost", NULL},
    {RUN "sessionAffinity", REVISION, NOTE_FLAG, "sessionAffinity", NULL},
    {RUN "health-check-disabled", REVISION, NOTE_FLAG, "healthCheckDisabled", NULL},
    {RUN "execution-environment", REVISION | EXECUTION, NOTE_WORD, "executionEnvironment",
     environment_words},
    {RUN "vpc-access-connector", REVISION | EXECUTION, NOTE_TEXT, "vpcAccess.connector", NULL},
    {RUN "vpc-access-egress", REVISION | EXECUTION, NOTE_WORD, "vpcAccess.egress", egress_words},
    {RUN "network-interfaces", REVISION | EXECUTION, NOTE_INTERFACES, "vpcAccess.networkInterfaces",
     NULL},
    {RUN "encryption-key", REVISION | EXECUTION, NOTE_TEXT, "encryptionKey", NULL},
    {RUN "post-key-revocation-action-type", REVISION, NOTE_WORD, "encryptionKeyRevocationAction",
     revocation_words},
    {RUN "encryption-key-shutdown-hours", REVISION, NOTE_HOURS, "encryptionKeyShutdownDuration",
     NULL},
    {RUN "gpu-zonal-redundancy-disabled", REVISION, NOTE_FLAG, "gpuZonalRedundancyDisabled", NULL},
    {RUN "mesh", REVISION, NOTE_TEXT, "serviceMesh.mesh", NULL},
    {RUN "container-dependencies", REVISION, NOTE_DEPENDENCIES, "dependsOn", NULL},
    {RUN "base-images", REVISION, NOTE_BY_CONTAINER, "baseImageUri", NULL},
    {RUN "cloudsql-instances", REVISION | EXECUTION, NOTE_CLOUD_SQL, NULL, NULL},
    {RUN "secrets", REVISION | EXECUTION, NOTE_KEPT, NULL, NULL},
    {RUN "secure-session-agent", REVISION, NOTE_KEPT, NULL, NULL},
    {RUN "sources", REVISION, NOTE_KEPT, NULL, NULL},
    {RUN "mesh-dataplane", REVISION, NOTE_KEPT, NULL, NULL},
    {RUN "identity", REVISION, NOTE_KEPT, NULL, NULL},
    {RUN "enable-workload-certificate", REVISION, NOTE_KEPT, NULL, NULL},
    {RUN "overflow-scaling", REVISION, NOTE_KEPT, NULL, NULL},
    {RUN "linux-base-image-update", REVISION, NOTE_KEPT, NULL, NULL},

    {RUN "operation-id", ALL, NOTE_OURS, NULL, NULL},
    {RUN "urls", SERVICE | INSTANCE, NOTE_OURS, NULL, NULL},
    {RUN "ingress-status", SERVICE | INSTANCE, NOTE_OURS, NULL, NULL},
    {RUN "creator", ALL, NOTE_OURS, NULL, NULL},
    {RUN "lastModifier", ALL, NOTE_OURS, NULL, NULL},
    {RUN "creatorEmail", ALL, NOTE_OURS, NULL, NULL},
    {RUN "lastModifierEmail", ALL, NOTE_OURS, NULL, NULL},
    {RUN "lastUpdatedTime", ALL, NOTE_OURS, NULL, NULL},
    {SERVING "creator", BOTH, NOTE_OURS, NULL, NULL},
    {SERVING "lastModifier", BOTH, NOTE_OURS, NULL, NULL},
    {SERVING "routes", BOTH, NOTE_OURS, NULL, NULL},
    {SERVING "routingStateModified", BOTH, NOTE_OURS, NULL, NULL},
    {NETWORK "visibility", 0, NOTE_REFUSED, VISIBILITY, NULL},
    {0},
};

/* NOTE_KEPT, NOTE_OURS and NOTE_REFUSED only. */
static const struct note label_notes[] = {
    {CLOUD "location", ALL, NOTE_OURS, NULL, NULL},
    {CLIENT "nonce", ALL, NOTE_KEPT, NULL, NULL},
    {RUN "startupProbeType", BOTH, NOTE_KEPT, NULL, NULL},
    {RUN "satisfiesPzs", ALL, NOTE_KEPT, NULL, NULL},
    {RUN "supportsPzs", ALL, NOTE_KEPT, NULL, NULL},
    {RUN "multi-region-id", SERVICE, NOTE_REFUSED, ONE_REGION, NULL},
    {SERVING "service", BOTH, NOTE_OURS, NULL, NULL},
    {SERVING "serviceUid", BOTH, NOTE_OURS, NULL, NULL},
    {SERVING "serviceUID", BOTH, NOTE_OURS, NULL, NULL},
    {SERVING "configuration", BOTH, NOTE_OURS, NULL, NULL},
    {SERVING "configurationUID", BOTH, NOTE_OURS, NULL, NULL},
    {SERVING "configurationGeneration", BOTH, NOTE_OURS, NULL, NULL},
    {SERVING "route", BOTH, NOTE_OURS, NULL, NULL},
    {SERVING "revision", BOTH, NOTE_OURS, NULL, NULL},
    {SERVING "revisionUID", BOTH, NOTE_OURS, NULL, NULL},
    {SERVING "routingState", BOTH, NOTE_OURS, NULL, NULL},
    {NETWORK "visibility", BOTH, NOTE_REFUSED, VISIBILITY, NULL},
    {0},
};

/* What people look for among the annotations, and where it is. */
static const char *const elsewhere[][2] = {
    {"cpu", "the field spec.template.spec.containers[].resources.limits"},
    {"memory", "the field spec.template.spec.containers[].resources.limits"},
    {"concurrency", "the field spec.template.spec.containerConcurrency"},
    {"containerConcurrency", "the field spec.template.spec.containerConcurrency"},
    {"timeout", "the field spec.template.spec.timeoutSeconds"},
    {"timeoutSeconds", "the field spec.template.spec.timeoutSeconds"},
    {"service-account", "the field spec.template.spec.serviceAccountName"},
    {"port", "the field spec.template.spec.containers[].ports"},
    {"accelerator", "the field spec.template.spec.nodeSelector"},
    {"allow-unauthenticated",
     "the annotation run.googleapis.com/invoker-iam-disabled, or the service's IAM policy"},
    {NULL, NULL},
};

static const struct {
    unsigned kind;
    const char *name;
} kind_names[] = {
    {KIND_SERVICE, "Service"},     {KIND_REVISION, "Revision"}, {KIND_JOB, "Job"},
    {KIND_EXECUTION, "Execution"}, {KIND_INSTANCE, "Instance"},
};

static const char *const namespaces[] = {
    "run.googleapis.com",      "cloud.googleapis.com", "serving.knative.dev",
    "autoscaling.knative.dev", "client.knative.dev",   "networking.knative.dev",
};

/* The part behind the slash if NAME is of one of Google's namespaces; else NULL. */
static const char *google_part(const char *name)
{
    const char *slash = strchr(name, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - name);
    for (size_t i = 0; i < sizeof(namespaces) / sizeof(namespaces[0]); i++) {
        size_t tail = strlen(namespaces[i]);
        bool within = len > tail && name[len - tail - 1] == '.';
        if (len >= tail && (len == tail || within) &&
            strncasecmp(name + len - tail, namespaces[i], tail) == 0) {
            return slash + 1;
        }
    }
    return NULL;
}

bool note_is_google(const char *name)
{
    return google_part(name) != NULL;
}

static const struct note *row_find(const struct note *rows, unsigned kinds, const char *name)
{
    for (; rows->name != NULL; rows++) {
        if ((rows->kinds & kinds) != 0 && strcmp(rows->name, name) == 0) {
            return rows;
        }
    }
    return NULL;
}

const struct note *note_find(enum note_place place, const char *name)
{
    return row_find(notes, place, name);
}

/* ---- what may have been meant ---- */

enum { SPELT_MAX = 64 }; /* longer names are nobody's slip */

/* Without case and without what joins words: min-scale, min_scale and minScale are one. */
static size_t spelling(const char *name, char out[SPELT_MAX])
{
    size_t len = 0;
    for (; *name != '\0' && len < SPELT_MAX; name++) {
        if (*name != '-' && *name != '_') {
            out[len++] = (char)tolower((unsigned char)*name);
        }
    }
    return len;
}

/* How many letters must be put, dropped or changed to make one of the other. */
static size_t distance(const char *a, const char *b)
{
    char one[SPELT_MAX], other[SPELT_MAX];
    size_t rows = spelling(a, one), columns = spelling(b, other), cost[SPELT_MAX + 1];
    for (size_t j = 0; j <= columns; j++) {
        cost[j] = j;
    }
    for (size_t i = 1; i <= rows; i++) {
        size_t diagonal = cost[0];
        cost[0] = i;
        for (size_t j = 1; j <= columns; j++) {
            size_t above = cost[j];
            size_t change = diagonal + (one[i - 1] != other[j - 1]);
            size_t least = above < cost[j - 1] ? above : cost[j - 1];
            cost[j] = change < least + 1 ? change : least + 1;
            diagonal = above;
        }
    }
    return cost[columns];
}

/* Among rows with equal paths, the one that applies to PLACE, and whose namespace was written. */
static const struct note *nearest(const struct note *rows, enum note_place place, const char *name,
                                  const char *part)
{
    const struct note *best = NULL;
    size_t least = SIZE_MAX;
    for (; rows->name != NULL; rows++) {
        const char *own = strchr(rows->name, '/') + 1;
        size_t far = distance(own, part);
        bool elsewhere_taken = (rows->kinds & place) == 0;
        bool other_space = strncasecmp(rows->name, name, (size_t)(own - rows->name)) != 0;
        size_t score = 4 * far + 2 * elsewhere_taken + other_space;
        if (rows->kind != NOTE_OURS && far < 4 && far * 3 <= strlen(part) && score < least) {
            least = score;
            best = rows;
        }
    }
    return best;
}

static const char *kinds_text(unsigned kinds, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof(kind_names) / sizeof(kind_names[0]); i++) {
        if ((kinds & kind_names[i].kind) != 0 && used < size) {
            used += (size_t)snprintf(out + used, size - used, "%s%s", used > 0 ? ", " : "",
                                     kind_names[i].name);
        }
    }
    return out;
}

/* Where a row that PLACE does not take would be taken in this file. */
static const char *place_text(unsigned kinds)
{
    if ((kinds & KIND_SERVICE) != 0) {
        return " In a Service it belongs to metadata.annotations.";
    }
    if ((kinds & KIND_REVISION) != 0) {
        return " In a Service it belongs to spec.template.metadata.annotations.";
    }
    return "";
}

static bool refuse_misplaced(enum note_place place, const char *name, const char *field,
                             struct error *err)
{
    char kinds[80];
    unsigned all = 0;
    for (const struct note *note = notes; note->name != NULL; note++) {
        all |= strcmp(note->name, name) == 0 ? note->kinds : 0;
    }
    return error_field(err, field,
                       "Annotation '%.100s' is not supported on resources of kind '%s'. Supported "
                       "kinds are: %s.%s",
                       name, place == NOTE_ON_SERVICE ? "Service" : "Revision",
                       kinds_text(all, kinds, sizeof(kinds)), place_text(all));
}

static bool refuse_unknown(enum note_place place, const char *what, const char *name,
                           const char *part, const char *field, struct error *err)
{
    char kinds[80];
    const struct note *meant = nearest(notes, place, name, part);
    const struct note *label = nearest(label_notes, place, name, part);
    for (size_t i = 0; elsewhere[i][0] != NULL; i++) {
        if (distance(elsewhere[i][0], part) == 0) {
            return error_field(err, field, "Cloud Run knows no %s '%.100s'. It is %s.", what, name,
                               elsewhere[i][1]);
        }
    }
    if (meant != NULL && meant->kind == NOTE_REFUSED && meant->kinds == 0) {
        return error_field(err, field, "%s", meant->path);
    }
    if (meant != NULL) {
        return error_field(err, field,
                           "Cloud Run knows no %s '%.100s'. Did you mean the annotation '%s' of "
                           "kind %s?%s",
                           what, name, meant->name, kinds_text(meant->kinds, kinds, sizeof(kinds)),
                           place_text(meant->kinds));
    }
    if (label != NULL) {
        return error_field(err, field,
                           "Cloud Run knows no %s '%.100s'. Did you mean the label "
                           "'%s'?",
                           what, name, label->name);
    }
    return error_field(err, field,
                       "Cloud Run knows no %s '%.100s': names of your own belong to a namespace of "
                       "your own.",
                       what, name);
}

bool note_is_free(enum note_place place, const char *name, const char *field, struct error *err)
{
    const char *part = google_part(name);
    if (part == NULL) {
        return true;
    }
    if (row_find(notes, ALL, name) != NULL) {
        return refuse_misplaced(place, name, field, err);
    }
    return refuse_unknown(place, "annotation", name, part, field, err);
}

bool note_stood(const json_t *old, const char *map, const char *name, const json_t *value)
{
    const json_t *before = json_object_get(json_object_get(old, map), name);
    return before != NULL && json_equal(before, value);
}

bool labels_read(enum note_place place, const json_t *labels, const json_t *old, json_t *part,
                 const char *field, struct error *err)
{
    const char *name;
    json_t *value;
    auto_json *own = json_object();
    json_object_foreach(json_lend(labels), name, value)
    {
        char at[256];
        snprintf(at, sizeof(at), "%s[%.160s]", field, name);
        const struct note *row = row_find(label_notes, place, name);
        const char *rest = google_part(name);
        if (note_stood(old, "labels", name, value)) {
            json_object_set(own, name, value);
            continue;
        }
        if (row != NULL && row->kind == NOTE_REFUSED) {
            return error_field(err, at, "%s", row->path);
        }
        if (row == NULL && rest != NULL) {
            return refuse_unknown(place, "label", name, rest, at, err);
        }
        if (row == NULL || row->kind == NOTE_KEPT) {
            json_object_set(own, name, value);
        }
    }
    if (json_object_size(own) > 0) {
        json_object_set(part, "labels", own);
    }
    return true;
}
