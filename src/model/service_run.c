/*
 * The run record: all that the engine needs to start an instance, with defaults filled in and
 * quantities as numbers, so that the engine parses nothing that a user wrote.
 */
#include "model/service_run.h"

#include "model/image_rules.h"
#include "model/quantity.h"
#include "model/service_tables.h"
#include "model/service_volumes.h"

/* ---- small things ---- */

static json_t *texts_record(const char **texts, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, json_string(texts[i]));
    }
    return list;
}

/* A list as the document has it, with what nobody here looks at. */
static json_t *list_record(const json_t *source, const char *name)
{
    json_t *list = json_object_get(source, name);
    return list == NULL ? json_array() : json_deep_copy(list);
}

/* ---- probes ---- */

static json_t *probe_record(const struct probe *probe, json_int_t successes)
{
    if (probe == NULL) {
        return json_null();
    }
    const struct {
        const struct probe_action *action;
        const char *kind;
    } kinds[] = {{probe->http_get, "http"}, {probe->tcp_socket, "tcp"}, {probe->grpc, "grpc"}};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const struct probe_action *action = kinds[i].action;
        if (action == NULL) {
            continue;
        }
        successes = probe->success_threshold == 0 ? successes : probe->success_threshold;
        return json_pack(
            "{sssIsssssosIsIsIsIsI}", "kind", kinds[i].kind, "port", (json_int_t)action->port,
            "path", action->path == NULL ? "/" : action->path, "service",
            action->service == NULL ? "" : action->service, "headers",
            list_record(action->source, "httpHeaders"), "initial_delay_s",
            (json_int_t)probe->initial_delay_s, "period_s", (json_int_t)probe->period_s,
            "timeout_s", (json_int_t)probe->timeout_s, "failure_threshold",
            (json_int_t)probe->failure_threshold, "success_threshold", successes);
    }
    return json_null();
}

/* ---- containers ---- */

/* The image's own variables, and over them those of the container. */
static json_t *env_record(const json_t *image, const struct container *container)
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
    for (i = 0; i < container->env_count; i++) {
        const struct env_var *own = &container->env[i];
        if (own->value_source == NULL) {
            json_object_set_new(env, own->name, json_string(own->value));
        } else {
            json_object_del(env, own->name); /* a secret stands in the place of the image's own */
        }
    }
    return env;
}

/* The names of variables whose values are secrets. */
static json_t *secret_env_record(const struct container *container)
{
    json_t *names = json_array();
    for (size_t i = 0; i < container->env_count; i++) {
        if (container->env[i].value_source != NULL) {
            json_array_append_new(names, json_string(container->env[i].name));
        }
    }
    return names;
}

/* IMAGE is one image document, or a map of them by reference. */
static const json_t *image_of(const json_t *image, const struct container *container)
{
    return json_is_array(json_object_get(image, "program"))
               ? image
               : json_object_get(image, container->image);
}

static void container_image(json_t *record, const struct container *container, const json_t *image)
{
    json_object_set_new(record, "image", json_string(container->image));
    json_object_set_new(record, "dir", json_string(json_text_or(image, "dir", "")));
    json_object_set_new(record, "program", list_record(image, "program"));
    json_object_set_new(record, "manifest", json_string(json_text_or(image, "manifest", "")));
    json_object_set_new(record, "rules", image_rules_record(image));
}

static int64_t memory_of(const struct container *container)
{
    int64_t bytes = (int64_t)512 << 20;
    quantity_bytes(slice_of(container_limit(container, "memory")), &bytes);
    return bytes;
}

static void container_resources(json_t *record, const struct container *container)
{
    int64_t cpu_m = 1000;
    quantity_cpu(slice_of(container_limit(container, "cpu")), &cpu_m);
    json_object_set_new(record, "cpu_m", json_integer(cpu_m));
    json_object_set_new(record, "memory_bytes", json_integer(memory_of(container)));
    json_object_set_new(record, "cpu_idle", json_boolean(container->resources.cpu_idle));
    json_object_set_new(record, "cpu_boost", json_boolean(container->resources.startup_cpu_boost));
}

static json_t *container_record(const struct container *container, bool takes, const json_t *images)
{
    json_t *record = json_pack("{ss}", "name", container->name);
    const json_t *image = image_of(images, container);
    container_image(record, container, image);
    json_object_set_new(record, "command",
                        texts_record(container->command, container->command_count));
    json_object_set_new(record, "args", texts_record(container->args, container->args_count));
    json_object_set_new(record, "env", env_record(image, container));
    json_object_set_new(record, "secret_env", secret_env_record(container));
    json_object_set_new(record, "working_dir", json_string(container->working_dir));
    if (takes) {
        struct container_port port = container_serves(container);
        json_object_set_new(record, "port", json_integer(port.port));
        json_object_set_new(record, "http2", json_boolean(strcmp(port.name, "h2c") == 0));
    }
    json_object_set_new(record, "startup_probe", probe_record(container->startup_probe, 1));
    json_object_set_new(record, "liveness_probe", probe_record(container->liveness_probe, 1));
    json_object_set_new(record, "readiness_probe", probe_record(container->readiness_probe, 2));
    json_object_set_new(record, "depends_on",
                        texts_record(container->depends_on, container->depends_on_count));
    container_resources(record, container);
    return record;
}

/* ---- volumes ---- */

/* As documented: without a limit of its own it may grow to the memory of all containers. */
static int64_t volume_bytes(const struct template *template, const struct empty_dir *empty)
{
    int64_t bytes = 0;
    if (quantity_bytes(slice_of(empty->size_limit), &bytes) && bytes > 0) {
        return bytes;
    }
    bytes = 0;
    for (size_t i = 0; i < template->containers_count; i++) {
        bytes += memory_of(&template->containers[i]);
    }
    return bytes;
}

/* What of the folder is mounted: of the part that a bucket's options name, what the mount names. */
static const char *sub_of(struct arena *arena, const struct volume *volume,
                          const struct volume_mount *mount)
{
    const char *only = volume->gcs == NULL ? "" : volume_only_dir(arena, volume->gcs->source);
    const char *sub = mount->sub_path == NULL ? "" : mount->sub_path;
    return *only == '\0' ? sub : *sub == '\0' ? only : arena_printf(arena, "%s/%s", only, sub);
}

/* A folder that was mapped: "dir" is "" if it is mapped no more. */
static json_t *folder_mount(const struct volume *volume, const struct volume_mount *mount,
                            const char *source, const json_t *folder)
{
    bool read_only =
        volume_is_read_only(volume) || mount->read_only || json_flag(folder, "readOnly", false);
    auto_arena arena = {0};
    return json_pack("{ss ss ss ss ss sb}", "volume", volume->name, "path", mount->path, "source",
                     source, "dir", json_text_or(folder, "dir", ""), "sub",
                     sub_of(&arena, volume, mount), "read_only", read_only);
}

/* The sockets of those instances of VOLUME that are mapped: each has a folder below PATH. */
static void add_sockets(json_t *list, const struct volume *volume, const char *path,
                        const json_t *folders)
{
    auto_arena arena = {0};
    for (size_t i = 0; i < volume->cloud_sql->instances_count; i++) {
        const char *instance = volume->cloud_sql->instances[i];
        const json_t *folder = json_object_get(folders, instance);
        const struct volume_mount mount = {
            .path = arena_printf(&arena, "%s/%s", path, instance),
            .read_only = true, /* who connects to a socket writes nothing there */
        };
        if (folder != NULL) {
            json_array_append_new(list, folder_mount(volume, &mount, instance, folder));
        }
    }
}

static bool is_mounted(const struct template *template, const char *name)
{
    for (size_t i = 0; i < template->containers_count; i++) {
        for (size_t k = 0; k < template->containers[i].mounts_count; k++) {
            if (strcmp(template->containers[i].mounts[k].name, name) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* Where CONTAINER sees volumes that are in memory, or are folders. */
static json_t *mounts_record(const struct template *template, const struct container *container,
                             const json_t *folders)
{
    auto_arena arena = {0};
    json_t *list = json_array();
    for (size_t i = 0; i < container->mounts_count; i++) {
        const struct volume_mount *mount = &container->mounts[i];
        for (size_t k = 0; k < template->volumes_count; k++) {
            const struct volume *volume = &template->volumes[k];
            const char *source = volume_source(&arena, volume, 0);
            if (strcmp(volume->name, mount->name) != 0) {
                continue;
            }
            if (volume->cloud_sql != NULL) {
                add_sockets(list, volume, mount->path, folders);
            } else if (source != NULL) {
                json_array_append_new(
                    list, folder_mount(volume, mount, source, json_object_get(folders, source)));
            } else if (volume->empty_dir != NULL) {
                json_array_append_new(
                    list, json_pack("{ss ss ss sI}", "volume", mount->name, "path", mount->path,
                                    "sub", mount->sub_path, "bytes",
                                    (json_int_t)volume_bytes(template, volume->empty_dir)));
            }
        }
    }
    /* v1 has an annotation for them, and no mounts: then every container sees them. */
    for (size_t i = 0; i < template->volumes_count; i++) {
        const struct volume *volume = &template->volumes[i];
        if (volume->cloud_sql != NULL && !is_mounted(template, volume->name)) {
            add_sockets(list, volume, CLOUD_SQL_FOLDER, folders);
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
struct service_bounds service_bounds(const struct service *service, const char *revision,
                                     const struct template *template, bool reachable)
{
    const struct service_scaling *all = &service->scaling;
    int64_t percent = 0;
    for (size_t i = 0; i < service->status.traffic_count; i++) {
        const struct traffic_target *target = &service->status.traffic[i];
        percent += strcmp(target->revision, revision) == 0 ? target->percent : 0;
    }
    if (all->mode == SCALING_MANUAL) {
        int64_t manual = share_up(all->manual, percent);
        return (struct service_bounds){manual, manual};
    }
    struct service_bounds bounds = {reachable ? template->scaling.min : 0, template->scaling.max};
    int64_t min = share_up(all->min, percent);
    if (all->max > 0 && percent > 0 && share_up(all->max, percent) < bounds.max) {
        bounds.max = share_up(all->max, percent);
    }
    bounds.min = min > bounds.min ? min : bounds.min;
    bounds.min = bounds.min < bounds.max ? bounds.min : bounds.max;
    return bounds;
}

/* In thousandths; 60 % unless it is said. 0: it does not count. */
static json_t *target_record(const struct template *template, const char *path)
{
    const json_t *share = json_at(template->source, path);
    return json_integer(share == NULL ? 600 : (json_int_t)(json_number_value(share) * 1000 + 0.5));
}

/*
 * What the way out leads to. Cloud Run routes all traffic, or that to private addresses (which is
 * also the default), into the VPC that a revision is connected to. There is none here, so that
 * traffic leads nowhere. Without such a connection the egress setting means nothing.
 */
static const char *way_out_record(const struct template *template)
{
    const json_t *vpc = template->vpc.source;
    bool connected = *json_text_or(vpc, "connector", "") != '\0' ||
                     json_array_size(json_object_get(vpc, "networkInterfaces")) > 0;
    return !connected ? "all" : template->vpc.egress == EGRESS_ALL_TRAFFIC ? "none" : "public";
}

static const char *state_record(const struct revision *revision)
{
    switch (revision->status.ready.state) {
    case CONDITION_SUCCEEDED:
        return "ready";
    case CONDITION_FAILED:
        return "failed";
    case CONDITION_UNKNOWN:
    case CONDITION_NONE:
    case CONDITION_PENDING:
    case CONDITION_RECONCILING:
        break;
    }
    return "pending";
}

/* Whether an instance needs values of secrets: control has them, and says where they belong. */
static bool has_secrets(const struct template *template)
{
    for (size_t i = 0; i < template->containers_count; i++) {
        const struct container *container = &template->containers[i];
        for (size_t j = 0; j < container->env_count; j++) {
            if (container->env[j].value_source != NULL) {
                return true;
            }
        }
    }
    for (size_t i = 0; i < template->volumes_count; i++) {
        if (template->volumes[i].secret != NULL) {
            return true;
        }
    }
    return false;
}

static json_t *containers_record(const struct template *template, const json_t *images,
                                 const json_t *folders)
{
    json_t *list = json_array();
    for (size_t i = 0; i < template->containers_count; i++) {
        const struct container *container = &template->containers[i];
        json_t *record = container_record(container, container == template_taker(template), images);
        json_object_set_new(record, "mounts", mounts_record(template, container, folders));
        json_array_append_new(list, record);
    }
    return list;
}

json_t *service_run_record(const struct service_view *view, const struct service *service,
                           const struct service_run *run, const struct revision *revision)
{
    auto_arena arena = {0};
    const struct template *template = &revision->template;
    struct service_bounds bounds = service_bounds(service, run->name, template, run->reachable);
    json_t *record = json_pack("{sIssssssssss}", "revision_id", (json_int_t)run->id, "revision",
                               run->name, "service", view->name, "project", view->project,
                               "project_number", view->project_number, "region", view->region);
    json_object_set_new(record, "service_account", json_string(template->service_account));
    json_object_set_new(record, "url", json_arena_text(service_url(&arena, view, SLICE_NONE)));
    json_object_set_new(record, "concurrency", json_integer(template->concurrency));
    json_object_set_new(record, "concurrency_target_m",
                        target_record(template, "scaling.concurrencyUtilization"));
    json_object_set_new(record, "cpu_target_m", target_record(template, "scaling.cpuUtilization"));
    json_object_set_new(record, "timeout_s", json_integer(template->timeout_us / 1000000));
    json_object_set_new(record, "min_instances", json_integer(bounds.min));
    json_object_set_new(record, "max_instances", json_integer(bounds.max));
    json_object_set_new(record, "reachable", json_boolean(run->reachable));
    json_object_set_new(record, "health_check_disabled",
                        json_boolean(template->health_check_disabled));
    json_object_set_new(record, "session_affinity", json_boolean(template->session_affinity));
    json_object_set_new(record, "secrets", json_boolean(has_secrets(template)));
    json_object_set_new(record, "way_out", json_string(way_out_record(template)));
    json_object_set_new(record, "state", json_string(state_record(revision)));
    json_object_set_new(record, "containers",
                        containers_record(template, run->images, run->folders));
    return record;
}
