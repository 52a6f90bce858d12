/*
 * Reading run records. Control writes them, so a wrong one is a fault of ours and is refused
 * whole; numbers are still brought into the ranges that the rest of this room relies on.
 */
#include "engine/run_record.h"

#include <stdlib.h>

#include "base/memory.h"
#include "codec/codec.h"

static int64_t number(const json_t *value, const char *name, int64_t otherwise, int64_t least,
                      int64_t most)
{
    int64_t found = json_number(value, name, otherwise);
    return found < least ? least : found > most ? most : found;
}

static const char *text(struct arena *arena, const json_t *value, const char *name)
{
    return arena_string(arena, slice_of(json_text_or(value, name, "")));
}

static const char *const *texts(struct arena *arena, const json_t *value, const char *name,
                                size_t max)
{
    const json_t *list = json_object_get(value, name);
    size_t count = json_array_size(list);
    count = count < max ? count : max;
    const char **out = arena_array(arena, const char *, count + 1);
    for (size_t i = 0; i < count; i++) {
        const char *item = json_string_value(json_array_get(list, i));
        out[i] = arena_string(arena, slice_of(item == NULL ? "" : item));
    }
    return out;
}

static const struct run_pair *env(struct arena *arena, json_t *map, size_t *count)
{
    struct run_pair *pairs = arena_array(arena, struct run_pair, json_object_size(map) + 1);
    const char *name;
    json_t *value;
    *count = 0;
    json_object_foreach(map, name, value)
    {
        if (!json_is_string(value) || *count == RUN_ENV_MAX) {
            continue;
        }
        pairs[(*count)++] = (struct run_pair){
            .name = arena_string(arena, slice_of(name)),
            .value = arena_string(arena, slice_of(json_string_value(value))),
        };
    }
    return pairs;
}

static const struct run_pair *headers(struct arena *arena, const json_t *list, size_t *count)
{
    enum { HEADERS_MAX = 32 };
    size_t size = json_array_size(list);
    *count = size < HEADERS_MAX ? size : HEADERS_MAX;
    struct run_pair *pairs = arena_array(arena, struct run_pair, *count + 1);
    for (size_t i = 0; i < *count; i++) {
        const json_t *header = json_array_get(list, i);
        pairs[i] = (struct run_pair){
            .name = text(arena, header, "name"),
            .value = text(arena, header, "value"),
        };
    }
    return pairs;
}

static const struct run_mount *mounts(struct arena *arena, const json_t *list, size_t *count)
{
    size_t size = json_array_size(list);
    *count = size < RUN_MOUNTS_MAX ? size : RUN_MOUNTS_MAX;
    struct run_mount *out = arena_array(arena, struct run_mount, *count + 1);
    for (size_t i = 0; i < *count; i++) {
        const json_t *mount = json_array_get(list, i);
        out[i] = (struct run_mount){
            .volume = text(arena, mount, "volume"),
            .path = text(arena, mount, "path"),
            .sub = text(arena, mount, "sub"),
            .bytes = number(mount, "bytes", 0, 0, INT64_MAX),
            .source = text(arena, mount, "source"),
            .dir = text(arena, mount, "dir"),
            .read_only = json_flag(mount, "read_only", false),
        };
    }
    return out;
}

static const struct {
    const char *name;
    enum probe_kind kind;
} kinds[] = {{"tcp", PROBE_TCP}, {"http", PROBE_HTTP}, {"grpc", PROBE_GRPC}};

static struct run_probe probe(struct arena *arena, const json_t *value)
{
    struct run_probe out = {.kind = PROBE_NONE};
    const char *kind = json_text_or(value, "kind", "");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kind, kinds[i].name) == 0) {
            out.kind = kinds[i].kind;
        }
    }
    if (out.kind == PROBE_NONE) {
        return out;
    }
    out.port = (uint16_t)number(value, "port", 0, 0, 65535);
    out.path = text(arena, value, "path");
    out.path = *out.path == '\0' ? "/" : out.path;
    out.service = text(arena, value, "service");
    out.headers = headers(arena, json_object_get(value, "headers"), &out.header_count);
    out.initial_delay_s = (unsigned)number(value, "initial_delay_s", 0, 0, 3600);
    out.period_s = (unsigned)number(value, "period_s", 10, 1, 3600);
    out.timeout_s = (unsigned)number(value, "timeout_s", 1, 1, 3600);
    out.success_threshold = (unsigned)number(value, "success_threshold", 1, 1, 3600);
    out.failure_threshold = (unsigned)number(value, "failure_threshold", 3, 1, 3600);
    return out;
}

/* As documented: TCP on the port, within four minutes. */
static const struct run_probe default_startup = {
    .kind = PROBE_TCP,
    .path = "/",
    .service = "",
    .period_s = 240,
    .timeout_s = 240,
    .failure_threshold = 1,
};

static void container(struct arena *arena, const json_t *value, struct run_container *out)
{
    *out = (struct run_container){
        .name = text(arena, value, "name"),
        .image = text(arena, value, "image"),
        .dir = text(arena, value, "dir"),
        .working_dir = text(arena, value, "working_dir"),
        .manifest = text(arena, value, "manifest"),
        .rules = image_rules_read(arena, json_object_get(value, "rules")),
        .program = texts(arena, value, "program", RUN_ARGUMENTS_MAX),
        .command = texts(arena, value, "command", RUN_ARGUMENTS_MAX),
        .args = texts(arena, value, "args", RUN_ARGUMENTS_MAX),
        .secret_env = texts(arena, value, "secret_env", RUN_ENV_MAX),
        .port = (uint16_t)number(value, "port", 0, 0, 65535),
        .http2 = json_flag(value, "http2", false),
        .startup = probe(arena, json_object_get(value, "startup_probe")),
        .liveness = probe(arena, json_object_get(value, "liveness_probe")),
        .readiness = probe(arena, json_object_get(value, "readiness_probe")),
        .cpu_m = number(value, "cpu_m", 0, 0, 1000000),
        .cpu_boost = json_flag(value, "cpu_boost", false),
        .memory_bytes = number(value, "memory_bytes", 0, 0, INT64_MAX),
        .depends_on = texts(arena, value, "depends_on", RUN_CONTAINERS_MAX),
    };
    out->mounts = mounts(arena, json_object_get(value, "mounts"), &out->mount_count);
    out->env = env(arena, json_object_get(value, "env"), &out->env_count);
    if (out->port != 0 && out->startup.kind == PROBE_NONE) {
        out->startup = default_startup;
    }
}

/* A word that is not known closes. */
static enum run_egress egress(const char *word)
{
    return strcmp(word, "all") == 0      ? RUN_EGRESS_ALL
           : strcmp(word, "public") == 0 ? RUN_EGRESS_PUBLIC
                                         : RUN_EGRESS_NONE;
}

static bool fill(struct run_record *record, const json_t *value, struct error *err)
{
    struct arena *arena = &record->arena;
    const json_t *containers = json_object_get(value, "containers");
    record->revision_id = (uint64_t)json_number(value, "revision_id", 0);
    record->service_id = (uint64_t)json_number(value, "service_id", 0);
    record->revision = text(arena, value, "revision");
    record->service = text(arena, value, "service");
    record->project = text(arena, value, "project");
    record->project_number = text(arena, value, "project_number");
    record->region = text(arena, value, "region");
    record->concurrency = (uint32_t)number(value, "concurrency", 80, 1, 1000);
    record->concurrency_target_m = (uint32_t)number(value, "concurrency_target_m", 600, 0, 1000);
    record->cpu_target_m = (uint32_t)number(value, "cpu_target_m", 600, 0, 1000);
    record->timeout_s = (uint32_t)number(value, "timeout_s", 300, 1, 3600);
    record->max_instances = (uint32_t)number(value, "max_instances", 100, 0, 100000);
    record->min_instances = (uint32_t)number(value, "min_instances", 0, 0, 100000);
    record->reachable = json_flag(value, "reachable", true);
    record->secrets = json_flag(value, "secrets", false);
    record->egress = egress(json_text_or(value, "way_out", "all"));
    record->container_count = json_array_size(containers);
    if (record->revision_id == 0 || *record->revision == '\0') {
        return error_set(err, STATUS_INTERNAL, "a run record without a revision");
    }
    if (record->container_count == 0 || record->container_count > RUN_CONTAINERS_MAX) {
        return error_set(err, STATUS_INTERNAL, "revision %s: %zu containers", record->revision,
                         record->container_count);
    }
    for (size_t i = 0; i < record->container_count; i++) {
        container(arena, json_array_get(containers, i), &record->containers[i]);
    }
    if (run_record_ingress(record) == NULL) {
        return error_set(err, STATUS_INTERNAL, "revision %s: no container has a port",
                         record->revision);
    }
    return true;
}

struct run_record *run_record_read(struct slice json, struct error *err)
{
    auto_json *value = json_read(json, err);
    if (value == NULL) {
        return NULL;
    }
    struct run_record *record = mem_new(struct run_record);
    record->refs = 1;
    record->json = arena_string(&record->arena, json);
    if (!fill(record, value, err)) {
        run_record_unref(record);
        return NULL;
    }
    return record;
}

struct run_record *run_record_ref(struct run_record *record)
{
    record->refs++;
    return record;
}

void run_record_unref(struct run_record *record)
{
    if (record == NULL || --record->refs > 0) {
        return;
    }
    arena_done(&record->arena);
    free(record);
}

const struct run_container *run_record_ingress(const struct run_record *record)
{
    for (size_t i = 0; i < record->container_count; i++) {
        if (record->containers[i].port != 0) {
            return &record->containers[i];
        }
    }
    return NULL;
}

bool run_record_may_have_minimum(struct slice json)
{
    const struct slice name = SLICE("\"min_instances\":");
    ptrdiff_t at = slice_find_slice(json, name);
    if (at < 0) {
        return slice_find_slice(json, SLICE("min_instances")) >= 0;
    }
    struct slice rest = slice_from(json, (size_t)at + name.len);
    return !slice_starts(rest, SLICE("0,")) && !slice_starts(rest, SLICE("0}"));
}

bool run_record_same_folders(const struct run_record *a, const struct run_record *b)
{
    if (a->container_count != b->container_count) {
        return false;
    }
    for (size_t i = 0; i < a->container_count; i++) {
        const struct run_container *x = &a->containers[i], *y = &b->containers[i];
        if (x->mount_count != y->mount_count) {
            return false;
        }
        for (size_t k = 0; k < x->mount_count; k++) {
            if (strcmp(x->mounts[k].dir, y->mounts[k].dir) != 0 ||
                x->mounts[k].read_only != y->mounts[k].read_only) {
                return false;
            }
        }
    }
    return true;
}
