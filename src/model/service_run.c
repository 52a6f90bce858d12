/*
 * The run record: all that the engine needs to start an instance, with defaults filled in and
 * quantities as numbers, so that the engine parses nothing that a user wrote.
 */
#include "model/service_run.h"

#include "model/image_rules.h"
#include "model/quantity.h"
#include "model/service_tables.h"
#include "model/service_volumes.h"

/* ---- probes ---- */

static json_t *probe_record(const json_t *probe, json_int_t successes)
{
    static const struct {
        const char *name, *kind;
    } kinds[] = {{"httpGet", "http"}, {"tcpSocket", "tcp"}, {"grpc", "grpc"}};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const json_t *action = json_object_get(probe, kinds[i].name);
        if (action == NULL) {
            continue;
        }
        json_t *headers = json_object_get(action, "httpHeaders");
        return json_pack(
            "{sssIsssssosIsIsIsIsI}", "kind", kinds[i].kind, "port",
            (json_int_t)json_number(action, "port", 0), "path", json_text_or(action, "path", "/"),
            "service", json_text_or(action, "service", ""), "headers",
            headers == NULL ? json_array() : json_deep_copy(headers), "initial_delay_s",
            (json_int_t)json_number(probe, "initialDelaySeconds", 0), "period_s",
            (json_int_t)json_number(probe, "periodSeconds", 10), "timeout_s",
            (json_int_t)json_number(probe, "timeoutSeconds", 1), "failure_threshold",
            (json_int_t)json_number(probe, "failureThreshold", 3), "success_threshold",
            (json_int_t)json_number(probe, "successThreshold", successes));
    }
    return json_null();
}

/* ---- containers ---- */

/* The image's own variables, and over them those of the container. */
static json_t *env_record(const json_t *image, const json_t *container)
{
    json_t *env = json_object();
    size_t i;
    json_t *variable;
    json_array_foreach(json_object_get(image, "env"), i, variable)
    {
        const char *value = json_text(variable, "value");
        if (value != NULL) {
            json_object_set_new(env, json_text_or(variable, "name", ""), json_string(value));
        }
    }
    json_array_foreach(json_object_get(container, "env"), i, variable)
    {
        if (json_object_get(variable, "valueSource") == NULL) {
            json_object_set_new(env, json_text_or(variable, "name", ""),
                                json_string(json_text_or(variable, "value", "")));
        } else {
            /* A secret stands in the place of what the image declares. */
            json_object_del(env, json_text_or(variable, "name", ""));
        }
    }
    return env;
}

/* The names of variables whose values are secrets. */
static json_t *secret_env_record(const json_t *container)
{
    json_t *names = json_array();
    size_t i;
    json_t *variable;
    json_array_foreach(json_object_get(container, "env"), i, variable)
    {
        if (json_object_get(variable, "valueSource") != NULL) {
            json_array_append_new(names, json_string(json_text_or(variable, "name", "")));
        }
    }
    return names;
}

static json_t *list_record(const json_t *container, const char *name)
{
    json_t *list = json_object_get(container, name);
    return list == NULL ? json_array() : json_deep_copy(list);
}

/* IMAGE is one image document, or a map of them by reference. */
static const json_t *image_of(const json_t *image, const json_t *container)
{
    if (json_is_array(json_object_get(image, "program"))) {
        return image;
    }
    return json_object_get(image, json_text_or(container, "image", ""));
}

static void container_image(json_t *record, const json_t *container, const json_t *image)
{
    json_t *program = json_object_get(image, "program");
    json_object_set_new(record, "image", json_string(json_text_or(container, "image", "")));
    json_object_set_new(record, "dir", json_string(json_text_or(image, "dir", "")));
    json_object_set_new(record, "program",
                        program == NULL ? json_array() : json_deep_copy(program));
    json_object_set_new(record, "manifest", json_string(json_text_or(image, "manifest", "")));
    json_object_set_new(record, "rules", image_rules_record(image));
}

static void container_resources(json_t *record, const json_t *container)
{
    int64_t cpu_m = 1000, memory = (int64_t)512 << 20;
    quantity_cpu(slice_of(json_text_or(container, "resources.limits.cpu", "1")), &cpu_m);
    quantity_bytes(slice_of(json_text_or(container, "resources.limits.memory", "512Mi")), &memory);
    json_object_set_new(record, "cpu_m", json_integer(cpu_m));
    json_object_set_new(record, "memory_bytes", json_integer(memory));
    json_object_set_new(record, "cpu_idle",
                        json_boolean(json_flag(container, "resources.cpuIdle", true)));
    json_object_set_new(record, "cpu_boost",
                        json_boolean(json_flag(container, "resources.startupCpuBoost", false)));
}

static json_t *container_record(const json_t *container, bool ingress, const json_t *images)
{
    json_t *record = json_pack("{ss}", "name", json_text_or(container, "name", ""));
    const json_t *image = image_of(images, container);
    container_image(record, container, image);
    json_object_set_new(record, "command", list_record(container, "command"));
    json_object_set_new(record, "args", list_record(container, "args"));
    json_object_set_new(record, "env", env_record(image, container));
    json_object_set_new(record, "secret_env", secret_env_record(container));
    json_object_set_new(record, "working_dir",
                        json_string(json_text_or(container, "workingDir", "")));
    if (ingress) {
        const char *name = json_text_or(container, "ports[0].name", "http1");
        json_object_set_new(record, "port",
                            json_integer(json_number(container, "ports[0].containerPort", 8080)));
        json_object_set_new(record, "http2", json_boolean(strcmp(name, "h2c") == 0));
    }
    json_object_set_new(record, "startup_probe",
                        probe_record(json_object_get(container, "startupProbe"), 1));
    json_object_set_new(record, "liveness_probe",
                        probe_record(json_object_get(container, "livenessProbe"), 1));
    json_object_set_new(record, "readiness_probe",
                        probe_record(json_object_get(container, "readinessProbe"), 2));
    json_object_set_new(record, "volume_mounts", list_record(container, "volumeMounts"));
    json_object_set_new(record, "depends_on", list_record(container, "dependsOn"));
    container_resources(record, container);
    return record;
}

/* ---- volumes ---- */

static int64_t memory_of(const json_t *container)
{
    int64_t bytes = (int64_t)512 << 20;
    quantity_bytes(slice_of(json_text_or(container, "resources.limits.memory", "512Mi")), &bytes);
    return bytes;
}

/* As documented: without a limit of its own it may grow to the memory of all containers. */
static int64_t volume_bytes(const json_t *template, const json_t *volume)
{
    int64_t bytes = 0;
    size_t i;
    json_t *container;
    if (quantity_bytes(slice_of(json_text_or(volume, "emptyDir.sizeLimit", "")), &bytes) &&
        bytes > 0) {
        return bytes;
    }
    bytes = 0;
    json_array_foreach(json_object_get(template, "containers"), i, container)
    {
        bytes += memory_of(container);
    }
    return bytes;
}

/* A folder that was mapped: "dir" is "" if it is mapped no more. */
static json_t *folder_mount(const json_t *volume, const json_t *mount, const char *source)
{
    const json_t *folder = json_object_get(volume, "folder");
    bool read_only = volume_is_read_only(volume) || json_flag(mount, "readOnly", false) ||
                     json_flag(folder, "readOnly", false);
    return json_pack("{ss ss ss ss sb}", "volume", json_text_or(volume, "name", ""), "path",
                     json_text_or(mount, "mountPath", ""), "source", source, "dir",
                     json_text_or(folder, "dir", ""), "read_only", read_only);
}

/* Where CONTAINER sees volumes that are in memory, or are folders. */
static json_t *mounts_record(const json_t *template, const json_t *container)
{
    auto_arena arena = {0};
    json_t *list = json_array();
    size_t i, k;
    json_t *mount, *volume;
    json_array_foreach(json_object_get(container, "volumeMounts"), i, mount)
    {
        const char *name = json_text_or(mount, "name", "");
        json_array_foreach(json_object_get(template, "volumes"), k, volume)
        {
            if (strcmp(json_text_or(volume, "name", ""), name) != 0) {
                continue;
            }
            const char *source = volume_source(&arena, volume);
            if (source != NULL) {
                json_array_append_new(list, folder_mount(volume, mount, source));
            } else if (json_object_get(volume, "emptyDir") != NULL) {
                json_array_append_new(list, json_pack("{ss ss sI}", "volume", name, "path",
                                                      json_text_or(mount, "mountPath", ""), "bytes",
                                                      (json_int_t)volume_bytes(template, volume)));
            }
        }
    }
    return list;
}

/* ---- scaling ---- */

static int64_t share_up(int64_t number, int64_t percent)
{
    return (number * percent + 99) / 100;
}

/* The service's own numbers are shared out by percent; a revision's apply to it alone, while it can
 * be reached. */
struct service_bounds service_bounds(const json_t *service, const char *revision,
                                     const json_t *template, bool reachable)
{
    struct service_target targets[64];
    size_t count = service_targets(service, targets, 64);
    int64_t percent = 0;
    for (size_t i = 0; i < count; i++) {
        percent += slice_is(targets[i].revision, revision) ? targets[i].percent : 0;
    }
    struct service_bounds bounds = {
        .min = reachable ? json_number(template, "scaling.minInstanceCount", 0) : 0,
        .max = json_number(template, "scaling.maxInstanceCount", 100),
    };
    if (strcmp(json_text_or(service, "scaling.scalingMode", ""), "MANUAL") == 0) {
        int64_t manual = share_up(json_number(service, "scaling.manualInstanceCount", 0), percent);
        return (struct service_bounds){manual, manual};
    }
    int64_t min = share_up(json_number(service, "scaling.minInstanceCount", 0), percent);
    int64_t max = json_number(service, "scaling.maxInstanceCount", 0);
    if (max > 0 && percent > 0 && share_up(max, percent) < bounds.max) {
        bounds.max = share_up(max, percent);
    }
    bounds.min = min > bounds.min ? min : bounds.min;
    bounds.min = bounds.min < bounds.max ? bounds.min : bounds.max;
    return bounds;
}

static const char *state_record(const json_t *revision)
{
    const char *ready = json_text_or(revision, "status.ready", "");
    if (strcmp(ready, "CONDITION_SUCCEEDED") == 0) {
        return "ready";
    }
    return strcmp(ready, "CONDITION_FAILED") == 0 ? "failed" : "pending";
}

/* Whether an instance needs values of secrets: control has them, and says where they belong. */
static bool has_secrets(const json_t *template)
{
    size_t i, j;
    json_t *part, *one;
    json_array_foreach(json_object_get(template, "containers"), i, part)
    {
        json_array_foreach(json_object_get(part, "env"), j, one)
        {
            if (json_object_get(one, "valueSource") != NULL) {
                return true;
            }
        }
    }
    json_array_foreach(json_object_get(template, "volumes"), i, part)
    {
        if (json_object_get(part, "secret") != NULL) {
            return true;
        }
    }
    return false;
}

static json_t *containers_record(const json_t *template, const json_t *images)
{
    const json_t *ingress = ingress_container(template);
    json_t *list = json_array();
    size_t i;
    json_t *container;
    json_array_foreach(json_object_get(template, "containers"), i, container)
    {
        json_t *record = container_record(container, container == ingress, images);
        json_object_set_new(record, "mounts", mounts_record(template, container));
        json_array_append_new(list, record);
    }
    return list;
}

json_t *service_run_record(const struct service_view *service, uint64_t revision_id,
                           const char *revision_name, const json_t *revision_doc,
                           const json_t *image, bool reachable)
{
    auto_arena arena = {0};
    const json_t *template = json_object_get(revision_doc, "template");
    struct service_bounds bounds = service_bounds(service->doc, revision_name, template, reachable);
    int64_t timeout_us = 300 * (int64_t)1000000;
    duration_read(slice_of(json_text_or(template, "timeout", "300s")), &timeout_us);
    json_t *record =
        json_pack("{sIssssssssss}", "revision_id", (json_int_t)revision_id, "revision",
                  revision_name, "service", service->name, "project", service->project,
                  "project_number", service->project_number, "region", service->region);
    json_object_set_new(record, "service_account",
                        json_string(json_text_or(template, "serviceAccount", "")));
    json_object_set_new(record, "url", json_arena_text(service_url(&arena, service, SLICE_NONE)));
    json_object_set_new(record, "concurrency",
                        json_integer(json_number(template, "maxInstanceRequestConcurrency", 80)));
    json_object_set_new(record, "timeout_s", json_integer(timeout_us / 1000000));
    json_object_set_new(record, "min_instances", json_integer(bounds.min));
    json_object_set_new(record, "max_instances", json_integer(bounds.max));
    json_object_set_new(record, "reachable", json_boolean(reachable));
    json_object_set_new(record, "health_check_disabled",
                        json_boolean(json_flag(template, "healthCheckDisabled", false)));
    json_object_set_new(record, "session_affinity",
                        json_boolean(json_flag(template, "sessionAffinity", false)));
    json_object_set_new(record, "secrets", json_boolean(has_secrets(template)));
    json_object_set_new(record, "state", json_string(state_record(revision_doc)));
    json_object_set_new(record, "volumes", list_record(template, "volumes"));
    json_object_set_new(record, "containers", containers_record(template, image));
    return record;
}
