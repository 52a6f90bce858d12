/*
 * Traps that are answered here. A cluster expands $(NAME) in commands, arguments and variables: a
 * dollar sign is doubled. Its start-up probe gives up after so many refusals, where ours asks for
 * so long: it becomes one question a second. It starts all containers at once: what others depend
 * on becomes a sidecar, which has to have started before the next. A pod that it ends may still be
 * given requests for a moment, and has some: it waits before SIGTERM.
 */
#include "engine/kube_objects.h"

#include <stdio.h>

#include "base/buffer.h"
#include "base/encode.h"

enum { USER = 1000, REFUSED_BYTES = 200, SOON_S = 10 };

void kube_namespace_name(const char *project, char out[KUBE_NAME_MAX])
{
    snprintf(out, KUBE_NAME_MAX, "homerun-%.54s", project);
}

void kube_revision_name(const struct run_record *record, char out[KUBE_NAME_MAX])
{
    char number[20];
    int digits = snprintf(number, sizeof(number), "%llx", (unsigned long long)record->revision_id);
    snprintf(out, KUBE_NAME_MAX, "%.*s-%s", KUBE_DEPLOYMENT_MAX - 1 - digits, record->revision,
             number);
}

/* ---- small parts ---- */

static json_t *labels(const struct run_record *record, const char *owner)
{
    char number[24];
    snprintf(number, sizeof(number), "%llu", (unsigned long long)record->revision_id);
    return json_pack("{ss ss ss ss ss ss}", "app.kubernetes.io/managed-by", "homerun", KUBE_OWNER,
                     owner, KUBE_REVISION, number, "homerun.internal/service", record->service,
                     "homerun.internal/revision", record->revision, "homerun.internal/region",
                     record->region);
}

static json_t *selector(const struct run_record *record)
{
    char number[24];
    snprintf(number, sizeof(number), "%llu", (unsigned long long)record->revision_id);
    return json_pack("{ss}", KUBE_REVISION, number);
}

static json_t *metadata(const struct run_record *record, const char *name, const char *name_space,
                        const char *owner, const char *uid)
{
    char deployment[KUBE_NAME_MAX];
    kube_revision_name(record, deployment);
    json_t *out = json_pack("{ss ss so}", "name", name, "namespace", name_space, "labels",
                            labels(record, owner));
    if (uid != NULL) {
        json_object_set_new(out, "ownerReferences",
                            json_pack("[{ss ss ss ss}]", "apiVersion", "apps/v1", "kind",
                                      "Deployment", "name", deployment, "uid", uid));
    }
    return out;
}

/* As it is, whatever it looks like to a cluster. */
static json_t *literal(const char *text)
{
    struct buffer out = BUFFER_INIT(SIZE_MAX);
    for (; *text != '\0'; text++) {
        buffer_add_text(&out, *text == '$' ? "$" : "");
        buffer_add_byte(&out, *text);
    }
    json_t *value = json_slice(buffer_slice(&out));
    buffer_done(&out);
    return value;
}

static json_t *literals(const char *const *list)
{
    json_t *out = json_array();
    for (; *list != NULL; list++) {
        json_array_append_new(out, literal(*list));
    }
    return out;
}

static void set(json_t *value, const char *name, json_t *part)
{
    json_object_set_new(value, name, part);
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static const char *container_name(const struct run_record *record, size_t number, char room[32])
{
    const char *name = record->containers[number].name;
    snprintf(room, 32, "container-%zu", number);
    return *name != '\0' ? name : record->containers[number].port != 0 ? "app" : room;
}

/* ---- probes ---- */

static json_t *probe_action(const struct run_probe *probe, uint16_t port)
{
    json_t *headers = json_array();
    switch (probe->kind) {
    case PROBE_GRPC:
        json_decref(headers);
        return json_pack("{s{si ss}}", "grpc", "port", port, "service", probe->service);
    case PROBE_HTTP:
        for (size_t i = 0; i < probe->header_count; i++) {
            json_array_append_new(headers, json_pack("{ss ss}", "name", probe->headers[i].name,
                                                     "value", probe->headers[i].value));
        }
        return json_pack("{s{ss si so}}", "httpGet", "path", probe->path, "port", port,
                         "httpHeaders", headers);
    case PROBE_TCP:
    case PROBE_NONE:
        json_decref(headers);
        break;
    }
    return json_pack("{s{si}}", "tcpSocket", "port", port);
}

static json_t *probe_of(const struct run_container *container, const struct run_probe *probe,
                        bool startup)
{
    uint16_t port = probe->port != 0 ? probe->port : container->port;
    json_t *out = probe_action(probe, port);
    unsigned period_s = probe->period_s, failures = probe->failure_threshold;
    unsigned timeout_s = probe->timeout_s;
    if (startup && probe->kind == PROBE_TCP) {
        timeout_s = least(timeout_s, SOON_S); /* of a connection, not of an answer */
    }
    if (startup && timeout_s <= SOON_S) { /* for as long, once a second */
        failures = period_s * failures;
        period_s = 1;
    }
    set(out, "initialDelaySeconds", json_integer(probe->initial_delay_s));
    set(out, "periodSeconds", json_integer(period_s));
    set(out, "timeoutSeconds", json_integer(timeout_s));
    set(out, "failureThreshold", json_integer(failures));
    return out;
}

static void put_probes(json_t *out, const struct run_container *container)
{
    if (container->startup.kind != PROBE_NONE) {
        set(out, "startupProbe", probe_of(container, &container->startup, true));
    }
    if (container->liveness.kind != PROBE_NONE) {
        set(out, "livenessProbe", probe_of(container, &container->liveness, false));
    }
    if (container->readiness.kind != PROBE_NONE) {
        json_t *probe = probe_of(container, &container->readiness, false);
        set(probe, "successThreshold", json_integer(container->readiness.success_threshold));
        set(out, "readinessProbe", probe);
    }
}

/* ---- variables ---- */

/* Variables: a server refuses a name that comes twice, where the first counts elsewhere. */
struct variables {
    json_t *list, *names;
};

static void add_variable(struct variables *variables, const char *name, json_t *variable)
{
    auto_json *owned = variable;
    if (json_object_get(variables->names, name) == NULL) {
        json_object_set_new(variables->names, name, json_true());
        json_array_append(variables->list, owned);
    }
}

static void add_env(struct variables *variables, const char *name, const char *value)
{
    add_variable(variables, name, json_pack("{ss so}", "name", name, "value", literal(value)));
}

/* The key of the value NUMBER in the Secret. */
static const char *secret_key(size_t number, char room[32])
{
    snprintf(room, 32, "value-%zu", number);
    return room;
}

static void put_secret_env(struct variables *variables, size_t container, const char *secret,
                           const struct secrets *secrets)
{
    size_t number = 0;
    char key[32];
    for (const struct secret *one = secrets->first; one != NULL; one = one->next, number++) {
        if (one->container == container && one->name != NULL) {
            add_variable(variables, one->name,
                         json_pack("{ss s{s{ss ss}}}", "name", one->name, "valueFrom",
                                   "secretKeyRef", "name", secret, "key", secret_key(number, key)));
        }
    }
}

static json_t *env_of(const struct run_record *record, size_t number, const char *secret,
                      const struct secrets *secrets)
{
    const struct run_container *container = &record->containers[number];
    auto_json *names = json_object();
    struct variables variables = {.list = json_array(), .names = names};
    char port[8];
    snprintf(port, sizeof(port), "%u", container->port);
    if (container->port != 0) {
        add_env(&variables, "PORT", port);
    }
    add_env(&variables, "K_SERVICE", record->service);
    add_env(&variables, "K_REVISION", record->revision);
    add_env(&variables, "K_CONFIGURATION", record->service);
    for (size_t i = 0; i < container->env_count; i++) {
        add_env(&variables, container->env[i].name, container->env[i].value);
    }
    put_secret_env(&variables, number, secret, secrets);
    add_env(&variables, "HOME", "/tmp"); /* our user has none in the image's passwd */
    return variables.list;
}

/* ---- volumes ---- */

/* A volume of secrets for each folder of a container: "secret-CONTAINER-N". */
static void put_secret_files(json_t *volumes, json_t *mounts, size_t container, const char *secret,
                             const struct secrets *secrets)
{
    size_t number = 0, made = 0;
    char key[32], name[48];
    json_t *of_folders = json_object(); /* by folder */
    for (const struct secret *one = secrets->first; one != NULL; one = one->next, number++) {
        if (one->container != container || one->name != NULL) {
            continue;
        }
        json_t *items = json_object_get(of_folders, one->folder);
        if (items == NULL) {
            items = json_array();
            snprintf(name, sizeof(name), "secret-%zu-%zu", container, made++);
            json_array_append_new(volumes, json_pack("{ss s{ss sO}}", "name", name, "secret",
                                                     "secretName", secret, "items", items));
            json_array_append_new(mounts, json_pack("{ss ss sb}", "name", name, "mountPath",
                                                    one->folder, "readOnly", 1));
            json_object_set_new(of_folders, one->folder, items); /* owned there and above */
        }
        json_array_append_new(items,
                              json_pack("{ss ss si}", "key", secret_key(number, key), "path",
                                        one->path, "mode", one->mode == 0 ? 0444 : one->mode));
    }
    json_decref(of_folders);
}

/* The name that the volume of that name has in a pod, where those of secrets must not have it:
 * that of the first mount of it. */
static const char *volume_name(const struct run_record *record, const char *volume, char room[32])
{
    size_t number = 0;
    for (size_t i = 0; i < record->container_count; i++) {
        const struct run_container *container = &record->containers[i];
        for (size_t k = 0; k < container->mount_count; k++, number++) {
            if (strcmp(container->mounts[k].volume, volume) == 0) {
                snprintf(room, 32, "memory-%zu", number);
                return room;
            }
        }
    }
    return "";
}

static bool has_volume(const json_t *volumes, const char *name)
{
    size_t i;
    const json_t *volume;
    json_array_foreach(volumes, i, volume)
    {
        if (strcmp(json_text_or(volume, "name", ""), name) == 0) {
            return true;
        }
    }
    return false;
}

static json_t *mounts_of(const struct run_record *record, size_t number, json_t *volumes,
                         const char *secret, const struct secrets *secrets)
{
    const struct run_container *container = &record->containers[number];
    json_t *mounts = json_array();
    char bytes[32], room[32];
    for (size_t i = 0; i < container->mount_count; i++) {
        const struct run_mount *mount = &container->mounts[i];
        const char *volume = volume_name(record, mount->volume, room);
        if (!has_volume(volumes, volume)) {
            snprintf(bytes, sizeof(bytes), "%lld", (long long)mount->bytes);
            json_array_append_new(volumes, json_pack("{ss s{ss ss}}", "name", volume, "emptyDir",
                                                     "medium", "Memory", "sizeLimit", bytes));
        }
        json_array_append_new(mounts,
                              json_pack("{ss ss ss*}", "name", volume, "mountPath", mount->path,
                                        "subPath", *mount->sub == '\0' ? NULL : mount->sub));
    }
    put_secret_files(volumes, mounts, number, secret, secrets);
    return mounts;
}

/* ---- containers ---- */

static json_t *limits_of(const struct run_container *container)
{
    char cpu[32], memory[32];
    json_t *limits = json_object();
    snprintf(cpu, sizeof(cpu), "%lldm", (long long)container->cpu_m);
    snprintf(memory, sizeof(memory), "%lld", (long long)container->memory_bytes);
    if (container->cpu_m > 0) {
        set(limits, "cpu", json_string(cpu));
    }
    if (container->memory_bytes > 0) {
        set(limits, "memory", json_string(memory));
    }
    return json_pack("{so}", "limits", limits);
}

static json_t *container_of(const struct run_record *record, size_t number, json_t *volumes,
                            const char *secret, const struct secrets *secrets)
{
    const struct run_container *container = &record->containers[number];
    char room[32];
    unsigned drain_s = least(record->timeout_s, KUBE_DRAIN_S);
    json_t *out = json_pack(
        "{ss ss so so so s{sb s{s[s]}} s{s{s{si}}}}", "name", container_name(record, number, room),
        "image", container->image, "env", env_of(record, number, secret, secrets), "resources",
        limits_of(container), "volumeMounts", mounts_of(record, number, volumes, secret, secrets),
        "securityContext", "allowPrivilegeEscalation", 0, "capabilities", "drop", "ALL",
        "lifecycle", "preStop", "sleep", "seconds", (int)drain_s);
    if (container->command[0] != NULL) {
        set(out, "command", literals(container->command));
    }
    if (container->args[0] != NULL) {
        set(out, "args", literals(container->args));
    }
    if (*container->working_dir != '\0') {
        set(out, "workingDir", json_string(container->working_dir));
    }
    if (container->port != 0) {
        set(out, "ports",
            json_pack("[{si ss}]", "containerPort", container->port, "protocol", "TCP"));
    }
    put_probes(out, container);
    return out;
}

static bool depends(const struct run_container *container, const char *name)
{
    for (const char *const *at = container->depends_on; *at != NULL; at++) {
        if (**at != '\0' && strcmp(*at, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool has_dependents(const struct run_record *record, size_t number)
{
    for (size_t i = 0; i < record->container_count; i++) {
        if (depends(&record->containers[i], record->containers[number].name)) {
            return true;
        }
    }
    return false;
}

/* All that it depends on, and that is there, has its place. */
static bool may_follow(const struct run_record *record, size_t number, const bool placed[])
{
    for (size_t i = 0; i < record->container_count; i++) {
        if (!placed[i] && depends(&record->containers[number], record->containers[i].name)) {
            return false;
        }
    }
    return true;
}

/* Into ORDER, what is depended on first. False: they depend on each other. */
static bool in_order(const struct run_record *record, size_t order[RUN_CONTAINERS_MAX])
{
    bool placed[RUN_CONTAINERS_MAX] = {false};
    for (size_t count = 0; count < record->container_count; count++) {
        size_t next = 0;
        while (next < record->container_count &&
               (placed[next] || !may_follow(record, next, placed))) {
            next++;
        }
        if (next == record->container_count) {
            return false;
        }
        placed[next] = true;
        order[count] = next;
    }
    return true;
}

/* ---- what a cluster cannot do ---- */

static bool container_mappable(const struct run_container *container, struct error *err)
{
    if (*container->manifest != '\0') {
        return error_set(err, STATUS_UNIMPLEMENTED,
                         "The image %.*s was imported into this machine's own store, which a "
                         "cluster's nodes cannot read: push it to a registry and deploy that",
                         REFUSED_BYTES, container->image);
    }
    if (container->program[0] != NULL && !container->rules.built_in) {
        return error_set(err, STATUS_UNIMPLEMENTED,
                         "The image %.*s is a program of this machine, which a cluster does not "
                         "have: push an image of it to a registry and deploy that",
                         REFUSED_BYTES, container->image);
    }
    return true;
}

/* The record of a revision may be from a time when there was another engine. */
static bool mounts_mappable(const struct run_container *container, struct error *err)
{
    for (size_t i = 0; i < container->mount_count; i++) {
        const struct run_mount *mount = &container->mounts[i];
        if (*mount->source != '\0') {
            return error_set(err, STATUS_UNIMPLEMENTED,
                             "The volume \"%.63s\" is %.*s, which a cluster does not have: with "
                             "--engine=kubernetes there are volumes in memory and of secrets alone",
                             mount->volume, REFUSED_BYTES, mount->source);
        }
    }
    return true;
}

static bool mappable(const struct run_record *record, struct error *err)
{
    for (size_t i = 0; i < record->container_count; i++) {
        if (!container_mappable(&record->containers[i], err) ||
            !mounts_mappable(&record->containers[i], err)) {
            return false;
        }
    }
    return true;
}

/* ---- the documents ---- */

static json_t *pod_spec(const struct run_record *record, const char *secret,
                        const struct secrets *secrets, const size_t order[])
{
    json_t *containers = json_array(), *sidecars = json_array(), *volumes = json_array();
    unsigned drain_s = least(record->timeout_s, KUBE_DRAIN_S);
    for (size_t i = 0; i < record->container_count; i++) {
        json_t *container = container_of(record, order[i], volumes, secret, secrets);
        if (has_dependents(record, order[i])) {
            set(container, "restartPolicy", json_string("Always"));
            json_array_append_new(sidecars, container);
        } else {
            json_array_append_new(containers, container);
        }
    }
    json_t *spec =
        json_pack("{sb sb si so so s{sb si si si s{ss}}}", "automountServiceAccountToken", 0,
                  "enableServiceLinks", 0, "terminationGracePeriodSeconds",
                  (int)(drain_s + KUBE_TERM_S), "containers", containers, "volumes", volumes,
                  "securityContext", "runAsNonRoot", 1, "runAsUser", USER, "runAsGroup", USER,
                  "fsGroup", USER, "seccompProfile", "type", "RuntimeDefault");
    if (json_array_size(sidecars) > 0) {
        set(spec, "initContainers", sidecars);
    } else {
        json_decref(sidecars);
    }
    return spec;
}

json_t *kube_deployment(const struct run_record *record, const char *name_space, const char *owner,
                        const char *secret, const struct secrets *secrets, struct error *err)
{
    size_t order[RUN_CONTAINERS_MAX];
    char name[KUBE_NAME_MAX];
    if (!mappable(record, err)) {
        return NULL;
    }
    if (!in_order(record, order)) {
        error_set(err, STATUS_INVALID_ARGUMENT, "Its containers depend on each other");
        return NULL;
    }
    kube_revision_name(record, name);
    return json_pack("{ss ss so s{si s{ss} s{so} s{s{so} so}}}", "apiVersion", "apps/v1", "kind",
                     "Deployment", "metadata", metadata(record, name, name_space, owner, NULL),
                     "spec", "revisionHistoryLimit", 0, "strategy", "type", "Recreate", "selector",
                     "matchLabels", selector(record), "template", "metadata", "labels",
                     labels(record, owner), "spec", pod_spec(record, secret, secrets, order));
}

json_t *kube_service(const struct run_record *record, const char *name_space, const char *owner,
                     const char *uid)
{
    char name[KUBE_NAME_MAX];
    int port = run_record_ingress(record)->port;
    kube_revision_name(record, name);
    return json_pack("{ss ss so s{ss so s[{ss si si ss}]}}", "apiVersion", "v1", "kind", "Service",
                     "metadata", metadata(record, name, name_space, owner, uid), "spec",
                     "clusterIP", "None", "selector", selector(record), "ports", "name", "http",
                     "port", port, "targetPort", port, "protocol", "TCP");
}

json_t *kube_secret(const struct run_record *record, const char *name_space, const char *owner,
                    const char *uid, const char *name, const struct secrets *secrets)
{
    json_t *data = json_object();
    size_t number = 0;
    char key[32];
    auto_arena arena = {0};
    for (const struct secret *one = secrets->first; one != NULL; one = one->next, number++) {
        set(data, secret_key(number, key), json_slice(base64_encode(&arena, one->value)));
    }
    return json_pack("{ss ss so sb so}", "apiVersion", "v1", "kind", "Secret", "metadata",
                     metadata(record, name, name_space, owner, uid), "immutable", 1, "data", data);
}

json_t *kube_namespace(const char *name, const char *owner)
{
    return json_pack("{ss ss s{ss s{ss ss ss}}}", "apiVersion", "v1", "kind", "Namespace",
                     "metadata", "name", name, "labels", "app.kubernetes.io/managed-by", "homerun",
                     KUBE_OWNER, owner, "pod-security.kubernetes.io/enforce", "restricted");
}

json_t *kube_role_binding(const char *name_space, const char *owner, const char *account_space,
                          const char *account)
{
    return json_pack("{ss ss s{ss ss s{ss ss}} s{ss ss ss} s[{ss ss ss}]}", "apiVersion",
                     "rbac.authorization.k8s.io/v1", "kind", "RoleBinding", "metadata", "name",
                     "homerun-instances", "namespace", name_space, "labels",
                     "app.kubernetes.io/managed-by", "homerun", KUBE_OWNER, owner, "roleRef",
                     "apiGroup", "rbac.authorization.k8s.io", "kind", "ClusterRole", "name",
                     "homerun-instances", "subjects", "kind", "ServiceAccount", "namespace",
                     account_space, "name", account);
}

static json_t *peers(const char *ours, const char *sources)
{
    json_t *list = json_array();
    struct slice rest = slice_of(sources), source;
    if (*ours != '\0') {
        json_array_append_new(list,
                              json_pack("{s{s{ss}} s{s{ss}}}", "namespaceSelector", "matchLabels",
                                        "kubernetes.io/metadata.name", ours, "podSelector",
                                        "matchLabels", "app.kubernetes.io/name", "homerun"));
    }
    while (slice_cut(&rest, ',', &source)) {
        json_array_append_new(list, json_pack("{s{so}}", "ipBlock", "cidr", json_slice(source)));
    }
    return list;
}

json_t *kube_network_policy(const char *name_space, const char *owner, const char *ours,
                            const char *sources, bool egress)
{
    if (*ours == '\0' && *sources == '\0') {
        return NULL;
    }
    json_t *types = json_pack("[s]", "Ingress");
    if (!egress) {
        json_array_append_new(types, json_string("Egress"));
    }
    return json_pack("{ss ss s{ss ss s{ss ss}} s{s{} so s[{so}]}}", "apiVersion",
                     "networking.k8s.io/v1", "kind", "NetworkPolicy", "metadata", "name",
                     "homerun-only", "namespace", name_space, "labels",
                     "app.kubernetes.io/managed-by", "homerun", KUBE_OWNER, owner, "spec",
                     "podSelector", "policyTypes", types, "ingress", "from", peers(ours, sources));
}

json_t *kube_scale(uint32_t replicas, const char *version)
{
    return json_pack("{s{ss} s{sI}}", "metadata", "resourceVersion", version, "spec", "replicas",
                     (json_int_t)replicas);
}
