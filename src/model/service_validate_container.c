/*
 * Containers, their probes and volumes. Limits are Cloud Run's documented ones.
 */
#include "model/quantity.h"
#include "model/service_check.h"
#include "model/service_tables.h"
#include "model/service_volumes.h"

enum {
    CONTAINERS_MAX = 10,
    ENV_MAX = 1000,
    ARGS_MAX = 1000,
    ENV_BYTES_MAX = 32768,
    IMAGE_BYTES_MAX = 512,
    PATH_BYTES_MAX = 1024,
    STARTUP_S_MAX = 600,
    STARTUP_GPU_S_MAX = 1800, /* models take their time to load */
};

static size_t list_size(const json_t *object, const char *name)
{
    return json_array_size(json_object_get(object, name));
}

/* ---- environment ---- */

/* PORT is set in the container that takes the requests alone: a sidecar may have its own. */
static bool env_reserved(const char *name, bool ingress)
{
    static const char *const reserved[] = {"K_SERVICE", "K_REVISION", "K_CONFIGURATION"};
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        if (strcmp(name, reserved[i]) == 0) {
            return true;
        }
    }
    return ingress && strcmp(name, "PORT") == 0;
}

static bool secret_valid(struct check *check, const json_t *variable, const char *name)
{
    const json_t *source = json_object_get(variable, "valueSource");
    if (source == NULL) {
        return true;
    }
    const char *field = check->v1 ? "env.valueFrom" : "env.valueSource";
    if (json_object_get(variable, "value") != NULL) {
        return refuse_at(check, field, "'%.100s' has both a value and a source", name);
    }
    if (json_text_or(source, "secretKeyRef.secret", "")[0] == '\0') {
        return refuse_at(check, field, "'%.100s' names no secret", name);
    }
    return true;
}

static bool env_valid(struct check *check, const json_t *container, bool ingress)
{
    const json_t *env = json_object_get(container, "env");
    size_t i;
    json_t *variable;
    if (json_array_size(env) > ENV_MAX) {
        return refuse_at(check, "env", "has more than %d variables", ENV_MAX);
    }
    json_array_foreach(env, i, variable)
    {
        const char *name = json_text_or(variable, "name", "");
        if (name[0] == '\0' || strlen(name) > ENV_BYTES_MAX || strchr(name, '=') != NULL) {
            return refuse_at(check, "env", "a variable needs a name, without '='");
        }
        if (env_reserved(name, ingress)) {
            return refuse_at(check, "env",
                             "The following reserved env names were provided: %s. These values "
                             "are automatically set by the system.",
                             name);
        }
        if (strlen(json_text_or(variable, "value", "")) > ENV_BYTES_MAX) {
            return refuse_at(check, "env", "'%.100s' has more than %d bytes", name, ENV_BYTES_MAX);
        }
        if (!secret_valid(check, variable, name)) {
            return false;
        }
    }
    return true;
}

/* ---- resources ---- */

static bool cpu_valid(struct check *check, const char *text, int64_t *millis)
{
    static const int64_t whole[] = {1000, 2000, 4000, 6000, 8000};
    if (!quantity_cpu(slice_of(text), millis)) {
        return refuse_at(check, "resources.limits.cpu", "'%.40s' is not an amount of CPU", text);
    }
    if (*millis >= 80 && *millis < 1000) {
        return true;
    }
    for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
        if (*millis == whole[i]) {
            return true;
        }
    }
    return refuse_at(check, "resources.limits.cpu",
                     "Invalid value specified for cpu. For the specified value, '%.40s': must be "
                     "1, 2, 4, 6, 8, or a fraction of at least 0.08",
                     text);
}

static bool memory_valid(struct check *check, const char *text, int64_t cpu_millis)
{
    int64_t bytes;
    if (!quantity_bytes(slice_of(text), &bytes)) {
        return refuse_at(check, "resources.limits.memory", "'%.40s' is not an amount of memory",
                         text);
    }
    if (bytes < (int64_t)64 << 20 || bytes > (int64_t)32 << 30) {
        return refuse_at(check, "resources.limits.memory", "'%.40s': must be between 64Mi and 32Gi",
                         text);
    }
    int64_t least = cpu_millis >= 6000 ? 4 : cpu_millis >= 4000 ? 2 : 0;
    if (bytes < least << 30) {
        return refuse_at(check, "resources.limits.memory",
                         "'%.40s': that much CPU needs at least %lldGi of memory", text,
                         (long long)least);
    }
    return true;
}

static bool resources_valid(struct check *check, const json_t *container, int64_t *cpu_millis)
{
    const char *key;
    json_t *value;
    *cpu_millis = 1000;
    json_object_foreach(json_at(container, "resources.limits"), key, value)
    {
        if (strcmp(key, "cpu") != 0 && strcmp(key, "memory") != 0 &&
            strcmp(key, "nvidia.com/gpu") != 0) {
            return refuse_at(check, "resources.limits",
                             "'%.80s' is not supported: only cpu, memory and nvidia.com/gpu are",
                             key);
        }
    }
    const char *cpu = json_text(container, "resources.limits.cpu");
    const char *memory = json_text(container, "resources.limits.memory");
    return (cpu == NULL || cpu_valid(check, cpu, cpu_millis)) &&
           (memory == NULL || memory_valid(check, memory, *cpu_millis));
}

/* ---- probes ---- */

struct probe_rule {
    const char *name;
    int64_t delay_max, period_max, timeout_max;
    bool tcp;
    bool startup;        /* bounded as a whole */
    int64_t success_max; /* "Must be 1 if set", but for readiness (run.v1.json, Probe) */
};

/* A timeout may be above the period, as on Cloud Run: the next attempt waits for the one before.
 * The greater of what the pages on health checks and the API's description allow. */
static const struct probe_rule probe_rules[] = {
    {"startupProbe", 600, 600, 3600, true, true, 1},
    {"livenessProbe", 3600, 3600, 3600, true, false, 1},
    {"readinessProbe", 600, 300, 300, false, false, INT32_MAX},
};

/* What Knative's form has and Cloud Run does not: a probe of HTTPS, or of another host, would be
 * made otherwise than it says. */
static bool probe_target_valid(struct check *check, const struct probe_rule *rule, const char *kind,
                               const json_t *action)
{
    const char *scheme = json_text_or(action, "scheme", "");
    if (scheme[0] != '\0' && strcmp(scheme, "HTTP") != 0) {
        return refuse_at(check, rule->name, "%s.scheme: probes use HTTP, not %.20s", kind, scheme);
    }
    return json_text_or(action, "host", "")[0] == '\0' ||
           refuse_at(check, rule->name,
                     "%s.host is not supported: a probe asks the container itself", kind);
}

static bool probe_action_valid(struct check *check, const struct probe_rule *rule,
                               const json_t *probe)
{
    static const char *const kinds[] = {"httpGet", "tcpSocket", "grpc"};
    int actions = 0;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const json_t *action = json_object_get(probe, kinds[i]);
        actions += action != NULL;
        int64_t port = json_number(action, "port", 8080);
        if (port < 1 || port > 65535) {
            return refuse_at(check, rule->name, "%s.port must be between 1 and 65535", kinds[i]);
        }
        if (!probe_target_valid(check, rule, kinds[i], action)) {
            return false;
        }
    }
    if (actions != 1) {
        return refuse_at(check, rule->name, "must have exactly one of httpGet, tcpSocket and grpc");
    }
    if (!rule->tcp && json_object_get(probe, "tcpSocket") != NULL) {
        return refuse_at(check, rule->name, "must be httpGet or grpc");
    }
    const char *path = json_text_or(probe, "httpGet.path", "/");
    if (path[0] != '/' || strlen(path) > PATH_BYTES_MAX || strpbrk(path, " \r\n\t") != NULL) {
        return refuse_at(check, rule->name, "httpGet.path must start with '/' and be a URL path");
    }
    return true;
}

static bool between(struct check *check, const char *probe, const char *what, int64_t value,
                    int64_t min, int64_t max)
{
    return (value >= min && value <= max) ||
           refuse_at(check, probe, "%s must be between %lld and %lld, inclusive", what,
                     (long long)min, (long long)max);
}

static bool probe_headers_valid(struct check *check, const char *name, const json_t *probe)
{
    size_t i;
    json_t *header;
    json_array_foreach(json_at(probe, "httpGet.httpHeaders"), i, header)
    {
        const char *key = json_text_or(header, "name", "");
        if (key[0] == '\0' || strpbrk(key, " :\r\n\t") != NULL ||
            strpbrk(json_text_or(header, "value", ""), "\r\n") != NULL) {
            return refuse_at(check, name, "'%.80s' is not an HTTP header", key);
        }
    }
    return true;
}

static bool probe_valid(struct check *check, const struct probe_rule *rule, const json_t *probe,
                        int64_t startup_s_max)
{
    int64_t period = json_number(probe, "periodSeconds", 10);
    int64_t timeout = json_number(probe, "timeoutSeconds", 1);
    int64_t threshold = json_number(probe, "failureThreshold", 3);
    if (!between(check, rule->name, "initialDelaySeconds",
                 json_number(probe, "initialDelaySeconds", 0), 0, rule->delay_max) ||
        !between(check, rule->name, "periodSeconds", period, 1, rule->period_max) ||
        !between(check, rule->name, "timeoutSeconds", timeout, 1, rule->timeout_max) ||
        !between(check, rule->name, "failureThreshold", threshold, 1, INT32_MAX) ||
        !between(check, rule->name, "successThreshold", json_number(probe, "successThreshold", 1),
                 1, rule->success_max)) {
        return false;
    }
    if (rule->startup && threshold > startup_s_max / period) {
        return refuse_at(check, rule->name,
                         "failureThreshold times periodSeconds must not be above %lld seconds",
                         (long long)startup_s_max);
    }
    return probe_action_valid(check, rule, probe) && probe_headers_valid(check, rule->name, probe);
}

static bool probes_valid(struct check *check, const json_t *container)
{
    const json_t *limits = json_at(container, "resources.limits");
    bool gpu = json_object_get(limits, "nvidia.com/gpu") != NULL;
    for (size_t i = 0; i < sizeof(probe_rules) / sizeof(probe_rules[0]); i++) {
        const json_t *probe = json_object_get(container, probe_rules[i].name);
        if (probe != NULL &&
            !probe_valid(check, &probe_rules[i], probe, gpu ? STARTUP_GPU_S_MAX : STARTUP_S_MAX)) {
            return false;
        }
    }
    return true;
}

/* ---- volumes ---- */

static const json_t *volume_named(const json_t *template, const char *name)
{
    const json_t *volumes = json_object_get(template, "volumes");
    for (size_t i = 0; i < json_array_size(volumes); i++) {
        const json_t *volume = json_array_get(volumes, i);
        if (strcmp(json_text_or(volume, "name", ""), name) == 0) {
            return volume;
        }
    }
    return NULL;
}

static bool volume_valid(struct check *check, const json_t *template, const json_t *volume)
{
    static const char *const sources[] = {"secret", "emptyDir", "cloudSqlInstance", "gcs", "nfs"};
    const char *name = json_text_or(volume, "name", "");
    int count = 0;
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        count += json_object_get(volume, sources[i]) != NULL;
    }
    if (!dns_label(name)) {
        return refuse_at(check, "name", "'%.80s' is not a DNS label", name);
    }
    if (volume_named(template, name) != volume) {
        return refuse_at(check, "name", "'%s' is given twice", name);
    }
    if (count != 1) {
        return refuse_at(check, "name",
                         "'%s' needs exactly one source: secret, emptyDir, Cloud Storage "
                         "or NFS",
                         name);
    }
    const char *driver = json_text(volume, "gcs.driver");
    if (driver != NULL) {
        return refuse_at(check, "csi.driver", "'%.80s' is not supported: must be %s", driver,
                         VOLUME_BUCKET_DRIVER);
    }
    if (json_object_get(volume, "gcs") != NULL && *json_text_or(volume, "gcs.bucket", "") == '\0') {
        return refuse_at(check, check->v1 ? "csi.volumeAttributes.bucketName" : "gcs.bucket",
                         "must name a bucket");
    }
    auto_arena arena = {0};
    if (!volume_path_is_below(volume_only_dir(&arena, json_object_get(volume, "gcs")))) {
        return refuse_at(check, "gcs.mountOptions",
                         "only-dir must be a relative path without '..'");
    }
    if (json_object_get(volume, "nfs") != NULL && json_text_or(volume, "nfs.path", "")[0] != '/') {
        return refuse_at(check, "nfs.path", "must be an absolute path");
    }
    const char *medium = json_text_or(volume, "emptyDir.medium", "MEMORY");
    if (strcmp(medium, "MEMORY") != 0 && strcmp(medium, "DISK") != 0 &&
        strcmp(medium, "MEDIUM_UNSPECIFIED") != 0) {
        return refuse_at(check, "emptyDir.medium", "must be %s, not '%.40s'",
                         check->v1 ? "Memory or Disk" : "MEMORY or DISK", medium);
    }
    const char *limit = json_text(volume, "emptyDir.sizeLimit");
    int64_t bytes;
    if (limit != NULL && !quantity_bytes(slice_of(limit), &bytes)) {
        return refuse_at(check, "emptyDir.sizeLimit", "'%.40s' is not an amount of memory", limit);
    }
    return true;
}

bool volumes_valid(struct check *check, const json_t *template)
{
    const json_t *volumes = json_object_get(template, "volumes");
    size_t i;
    json_t *volume;
    json_array_foreach(volumes, i, volume)
    {
        snprintf(check->at, sizeof(check->at), "%s[%zu]",
                 check->v1 ? "spec.template.spec.volumes" : "template.volumes", i);
        if (!volume_valid(check, template, volume)) {
            return false;
        }
    }
    return true;
}

static bool mounts_valid(struct check *check, const json_t *template, const json_t *container)
{
    const json_t *mounts = json_object_get(container, "volumeMounts");
    for (size_t i = 0; i < json_array_size(mounts); i++) {
        const json_t *mount = json_array_get(mounts, i);
        const char *name = json_text_or(mount, "name", "");
        const char *path = json_text_or(mount, "mountPath", "");
        const json_t *volume = volume_named(template, name);
        if (volume == NULL) {
            return refuse_at(check, "volumeMounts", "there is no volume '%.80s'", name);
        }
        if (path[0] != '/' || strchr(path, ':') != NULL || strlen(path) > PATH_BYTES_MAX ||
            strstr(path, "/../") != NULL || slice_ends(slice_of(path), SLICE("/.."))) {
            return refuse_at(check, "volumeMounts",
                             "'%.80s' must be an absolute path without ':' and '..'", path);
        }
        if (json_text(mount, "subPath") != NULL && json_object_get(volume, "secret") != NULL) {
            return refuse_at(check, "volumeMounts", "subPath is not supported for secrets");
        }
        if (json_text(mount, "subPath") != NULL &&
            json_object_get(volume, "cloudSqlInstance") != NULL) {
            return refuse_at(check, "volumeMounts", "subPath is not supported for Cloud SQL");
        }
        const char *sub_path = json_text_or(mount, "subPath", "");
        if (!volume_path_is_below(sub_path)) {
            return refuse_at(check, "volumeMounts",
                             "subPath '%.80s' must be a relative path without '..'", sub_path);
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(json_text_or(json_array_get(mounts, j), "mountPath", ""), path) == 0) {
                return refuse_at(check, "volumeMounts", "'%.80s' is mounted twice", path);
            }
        }
    }
    return true;
}

/* ---- containers ---- */

static bool port_valid(struct check *check, const json_t *container)
{
    if (list_size(container, "ports") > 1) {
        return refuse_at(check, "ports", "must have a single port");
    }
    int64_t port = json_number(container, "ports[0].containerPort", 8080);
    if (port < 1 || port > 65535) {
        return refuse_at(check, "ports", "containerPort must be between 1 and 65535");
    }
    const char *name = json_text_or(container, "ports[0].name", "http1");
    if (strcmp(name, "http1") != 0 && strcmp(name, "h2c") != 0) {
        return refuse_at(check, "ports", "'%.40s': a port's name must be http1 or h2c", name);
    }
    const char *protocol = json_text_or(container, "ports[0].protocol", "TCP");
    return strcmp(protocol, "TCP") == 0 || refuse_at(check, "ports", "protocol must be TCP");
}

static bool image_valid(struct check *check, const json_t *container)
{
    const char *image = json_text_or(container, "image", "");
    if (image[0] == '\0') {
        return refuse_at(check, "image", "is required");
    }
    if (strlen(image) > IMAGE_BYTES_MAX ||
        strspn(image, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._/:@+") !=
            strlen(image)) {
        return refuse_at(check, "image", "'%.100s' is not a container image reference", image);
    }
    return true;
}

static bool name_valid(struct check *check, const json_t *template, size_t number)
{
    const json_t *containers = json_object_get(template, "containers");
    const char *name = json_text_or(json_array_get(containers, number), "name", "");
    if (name[0] == '\0') {
        return json_array_size(containers) == 1 ||
               refuse_at(check, "name", "is required where there are several containers");
    }
    if (!dns_label(name)) {
        return refuse_at(check, "name", "'%.80s' is not a DNS label", name);
    }
    for (size_t i = 0; i < number; i++) {
        if (strcmp(json_text_or(json_array_get(containers, i), "name", ""), name) == 0) {
            return refuse_at(check, "name", "'%s' is given twice", name);
        }
    }
    return true;
}

static bool container_valid(struct check *check, const json_t *template, size_t number,
                            int64_t *cpu_millis)
{
    const json_t *container = json_array_get(json_object_get(template, "containers"), number);
    snprintf(check->at, sizeof(check->at), "%s[%zu]",
             check->v1 ? "spec.template.spec.containers" : "template.containers", number);
    if (list_size(container, "args") > ARGS_MAX || list_size(container, "command") > ARGS_MAX) {
        return refuse_at(check, "args", "has more than %d entries", ARGS_MAX);
    }
    return name_valid(check, template, number) && image_valid(check, container) &&
           port_valid(check, container) &&
           env_valid(check, container, container == ingress_container(template)) &&
           resources_valid(check, container, cpu_millis) && probes_valid(check, container) &&
           mounts_valid(check, template, container);
}

static bool names_container(const json_t *template, const char *name)
{
    const json_t *containers = json_object_get(template, "containers");
    for (size_t i = 0; i < json_array_size(containers); i++) {
        if (strcmp(json_text_or(json_array_get(containers, i), "name", ""), name) == 0) {
            return true;
        }
    }
    return false;
}

/* Removes, again and again, what waits for nothing that is left; a rest is a circle. */
static bool dependencies_valid(struct check *check, const json_t *template)
{
    const char *v1 =
        "spec.template.metadata.annotations[run.googleapis.com/container-dependencies]";
    const json_t *containers = json_object_get(template, "containers");
    size_t count = json_array_size(containers);
    bool done[CONTAINERS_MAX] = {false};
    for (size_t round = 0; round < count; round++) {
        for (size_t i = 0; i < count; i++) {
            const json_t *waits = json_object_get(json_array_get(containers, i), "dependsOn");
            bool free = true;
            for (size_t d = 0; d < json_array_size(waits); d++) {
                const char *name = json_string_value(json_array_get(waits, d));
                if (!names_container(template, name)) {
                    return refuse(check, v1, "template.containers", "there is no container '%.64s'",
                                  name);
                }
                for (size_t j = 0; j < count; j++) {
                    const char *other = json_text_or(json_array_get(containers, j), "name", "");
                    free = free && (done[j] || strcmp(other, name) != 0);
                }
            }
            done[i] = done[i] || free;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (!done[i]) {
            return refuse(check, v1, "template.containers", "containers wait for each other");
        }
    }
    return true;
}

bool containers_valid(struct check *check, const json_t *template)
{
    const char *v1 = "spec.template.spec.containers", *v2 = "template.containers";
    const json_t *containers = json_object_get(template, "containers");
    size_t count = json_array_size(containers), ports = 0;
    int64_t cpu_sum = 0;
    if (count < 1 || count > CONTAINERS_MAX) {
        return refuse(check, v1, v2, "must have between 1 and %d containers", CONTAINERS_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        int64_t cpu_millis;
        if (!container_valid(check, template, i, &cpu_millis)) {
            return false;
        }
        cpu_sum += cpu_millis;
        ports += list_size(json_array_get(containers, i), "ports") > 0;
    }
    if (count > 1 && ports != 1) {
        return refuse(check, v1, v2,
                      "exactly one of several containers must have a port: it takes the requests");
    }
    if (cpu_sum < 1000 && json_number(template, "maxInstanceRequestConcurrency", 0) > 1) {
        return refuse(check, "spec.template.spec.containerConcurrency",
                      "template.maxInstanceRequestConcurrency",
                      "Total cpu < 1 is not supported with concurrency > 1");
    }
    return dependencies_valid(check, template);
}
