/* Services and revisions: routes, the gate's record, the engine's record. */
#include "base/buffer.h"
#include "base/log.h"
#include "control/publish/change.h"
#include "control/publish/hosts.h"
#include "control/publish/publish.h"
#include "control/record/images.h"
#include "control/record/policy_doc.h"
#include "control/record/projects.h"
#include "control/record/service_view.h"
#include "control/record/volumes.h"
#include "model/service_run.h"

#include <stdlib.h>

static void add_node(struct control *control, struct index_service *out, const char *key)
{
    struct store_doc doc;
    if (out->node_count < INDEX_NODES_MAX &&
        store_get(control->store, STORE_NODE, key, &doc, NULL) == STORE_FOUND) {
        out->nodes[out->node_count++] = doc.id;
        json_decref(doc.body);
    }
}

/* The service itself, then its project, folders and organization. */
static void add_nodes(struct control *control, struct arena *arena, const char *key,
                      struct index_service *out)
{
    const char *node = key;
    out->nodes[out->node_count++] = out->id;
    while (resource_parent(control->store, arena, node, &node)) {
        add_node(control, out, node);
    }
}

static void add_audience(struct index_service *out, struct slice audience)
{
    if (out->audience_count < INDEX_AUDIENCES_MAX) {
        out->audiences[out->audience_count++] = audience;
    }
}

/* Each URL with its port and without, since libraries strip or keep it; then the custom ones. */
static void add_audiences(struct arena *arena, const struct service_view *view,
                          struct index_service *out)
{
    size_t i;
    json_t *one;
    struct slice hosts[SERVICE_HOSTS_MAX];
    size_t count = service_hosts(arena, view, SLICE_NONE, hosts);
    for (size_t h = 0; h < count; h++) {
        struct slice url = service_host_url(arena, view, hosts[h]);
        struct slice bare = slice_of(arena_printf(arena, "https://%.*s", SLICE_ARG(hosts[h])));
        add_audience(out, url);
        if (!slice_equal(url, bare)) {
            add_audience(out, bare);
        }
    }
    out->url_audience_count = out->audience_count;
    json_array_foreach(json_object_get(view->doc, "customAudiences"), i, one)
    {
        add_audience(out, slice_of(json_string_value(one)));
    }
}

static const json_t *ingress_container(const json_t *template)
{
    size_t i;
    json_t *one;
    const json_t *containers = json_object_get(template, "containers");
    json_array_foreach(containers, i, one)
    {
        if (json_array_size(json_object_get(one, "ports")) > 0) {
            return one;
        }
    }
    return json_array_get(containers, 0);
}

static void add_target(struct control *control, struct arena *arena, const char *key,
                       const json_t *service, const struct service_target *from,
                       struct index_service *out)
{
    struct store_doc doc;
    const char *revision = arena_printf(arena, "%s/revisions/%.*s", key, SLICE_ARG(from->revision));
    if (out->target_count == INDEX_TARGETS_MAX ||
        store_get(control->store, STORE_REVISION, revision, &doc, NULL) != STORE_FOUND) {
        return;
    }
    const json_t *template = json_object_get(doc.body, "template");
    int64_t timeout_us = 300 * (int64_t)1000000;
    duration_read(slice_of(json_text_or(template, "timeout", "300s")), &timeout_us);
    struct service_bounds bounds =
        service_bounds(service, arena_string(arena, from->revision), template, true);
    const char *port_name = json_text_or(ingress_container(template), "ports[0].name", "http1");
    out->targets[out->target_count++] = (struct index_target){
        .revision_id = doc.id,
        .percent = (uint32_t)from->percent,
        .concurrency = (uint32_t)json_number(template, "maxInstanceRequestConcurrency", 80),
        .timeout_s = (uint32_t)(timeout_us / 1000000),
        .max_instances = (uint32_t)bounds.max,
        .http2 = strcmp(port_name, "h2c") == 0,
        .affinity = json_flag(template, "sessionAffinity", false),
        .revision = from->revision,
        .tag = from->tag,
    };
    json_decref(doc.body);
}

static enum index_ingress ingress_of(const json_t *doc)
{
    static const struct {
        const char *name;
        enum index_ingress value;
    } names[] = {
        {"INGRESS_TRAFFIC_ALL", INDEX_INGRESS_ALL},
        {"INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER", INDEX_INGRESS_INTERNAL_AND_LB},
        {"INGRESS_TRAFFIC_INTERNAL_ONLY", INDEX_INGRESS_INTERNAL},
        {"INGRESS_TRAFFIC_NONE", INDEX_INGRESS_NONE},
    };
    const char *asked = json_text_or(doc, "ingress", "INGRESS_TRAFFIC_ALL");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i].name, asked) == 0) {
            return names[i].value;
        }
    }
    return INDEX_INGRESS_NONE; /* a setting that we do not know lets nobody in */
}

/*
 * The note of a service: its id, then what was published for it, one per line: "h HOST", "r
 * REVISION". So that what is there no longer can be taken back, also when the document is gone.
 */

/* Whether the note has that line. */
static bool note_has(struct slice note, struct slice wanted)
{
    struct slice line;
    while (slice_cut(&note, '\n', &line)) {
        if (slice_equal(line, wanted)) {
            return true;
        }
    }
    return false;
}

/* The hosts of NOTE that NEW_NOTE does not have. */
static bool give_back_hosts(struct change *change, const char *key, struct slice note,
                            struct slice new_note, struct error *err)
{
    struct slice line;
    while (slice_cut(&note, '\n', &line)) {
        if (slice_starts(line, SLICE("h ")) && !note_has(new_note, line) &&
            !host_give_back(change, slice_from(line, 2), key, err)) {
            return false;
        }
    }
    return true;
}

/* Claims the hosts of TAG ("": the service's own), and leads them to it if it is SERVED. */
static bool put_hosts_of(struct change *change, const struct service_view *view, const char *key,
                         struct index_route route, bool served, struct buffer *note,
                         struct error *err)
{
    struct slice hosts[SERVICE_HOSTS_MAX];
    size_t count = service_hosts(&change->arena, view, route.tag, hosts);
    for (size_t i = 0; i < count; i++) {
        bool ours;
        buffer_printf(note, "h %.*s\n", SLICE_ARG(hosts[i]));
        if (!host_claim(change, hosts[i], key, &ours, err) ||
            (ours && !(served ? index_txn_put_route(change->txn, hosts[i], &route, err)
                              : index_txn_delete_route(change->txn, hosts[i], err)))) {
            return false;
        }
    }
    return true;
}

/* A tag that leads nowhere yet, as its revision is not ready, has its host all the same. */
static bool put_hosts(struct change *change, const struct service_view *view, const char *key,
                      const struct index_service *service, struct buffer *note, struct error *err)
{
    struct index_route route = {.service_id = service->id, .default_url = true};
    const json_t *wished = json_object_get(view->doc, "traffic");
    if (!put_hosts_of(change, view, key, route, true, note, err)) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(wished); i++) {
        route.tag = slice_of(json_text_or(json_array_get(wished, i), "tag", ""));
        if (route.tag.len > 0 && !put_hosts_of(change, view, key, route, false, note, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < service->target_count; i++) {
        route.tag = service->targets[i].tag;
        if (route.tag.len > 0 && !put_hosts_of(change, view, key, route, true, note, err)) {
            return false;
        }
    }
    return true;
}

static struct slice note_key(struct arena *arena, const char *key)
{
    return slice_of(arena_printf(arena, "service %s", key));
}

static bool forget_service(struct change *change, const char *key, struct slice note,
                           struct error *err)
{
    struct slice line;
    struct slice left = note;
    uint64_t id;
    if (!slice_cut(&left, '\n', &line) || !slice_to_u64(line, &id)) {
        return true; /* never published */
    }
    change->touched_run = true;
    return index_txn_delete_service(change->txn, id, err) &&
           index_txn_put_grants(change->txn, id, NULL, 0, err) &&
           index_txn_put_door_grants(change->txn, id, NULL, 0, err) &&
           publish_tags(change, key, id, err) &&
           index_txn_put_note(change->txn, note_key(&change->arena, key), SLICE_NONE, err) &&
           give_back_hosts(change, key, note, SLICE_NONE, err);
}

/* Run records of the revisions that could be reached, or now can: "reachable" may have changed. */
static bool put_revisions(struct change *change, const char *key, struct slice note,
                          struct slice new_note, struct error *err)
{
    struct slice line;
    struct slice both[] = {note, new_note};
    for (int i = 0; i < 2; i++) {
        while (slice_cut(&both[i], '\n', &line)) {
            if (slice_starts(line, SLICE("r ")) &&
                !change_revision(change,
                                 arena_printf(&change->arena, "%s/revisions/%.*s", key,
                                              SLICE_ARG(slice_from(line, 2))),
                                 err)) {
                return false;
            }
        }
    }
    return true;
}

static bool publish_service(struct change *change, const char *key, const struct store_doc *doc,
                            struct slice note, struct error *err)
{
    struct arena *arena = &change->arena;
    struct control *control = change->control;
    struct service_view view;
    struct service_target targets[INDEX_TARGETS_MAX];
    struct index_service *service = arena_new(arena, struct index_service);
    if (!service_view_find(control, arena, key, &view)) {
        return error_set(err, STATUS_INTERNAL, "%s: its project is gone", key);
    }
    view.doc = doc->body;
    *service = (struct index_service){
        .id = doc->id,
        .invoker_check_off = service_check_off(doc->body),
        .check_off_until_us = service_check_off_until(doc->body),
        .default_url_disabled = json_flag(doc->body, "defaultUriDisabled", false),
        .ingress = ingress_of(doc->body),
        .project = slice_of(view.project),
        .project_number = slice_of(view.project_number),
        .region = slice_of(view.region),
        .name = slice_of(view.name),
        .resource_name = slice_of(key),
    };
    time_read(slice_of(json_text_or(doc->body, "createTime", "")), &service->created_us);
    add_nodes(control, arena, key, service);
    add_audiences(arena, &view, service);
    if (!publish_door(change, key, &view, service, err)) {
        return false;
    }
    struct buffer new_note = BUFFER_INIT(1 << 20);
    buffer_printf(&new_note, "%llu\n", (unsigned long long)doc->id);
    size_t count = service_targets(doc->body, targets, INDEX_TARGETS_MAX);
    for (size_t i = 0; i < count; i++) {
        add_target(control, arena, key, doc->body, &targets[i], service);
        buffer_printf(&new_note, "r %.*s\n", SLICE_ARG(targets[i].revision));
    }
    bool good =
        put_hosts(change, &view, key, service, &new_note, err) &&
        index_txn_put_service(change->txn, service, err) &&
        put_revisions(change, key, note, buffer_slice(&new_note), err) &&
        index_txn_put_note(change->txn, note_key(arena, key), buffer_slice(&new_note), err) &&
        give_back_hosts(change, key, note, buffer_slice(&new_note), err);
    buffer_done(&new_note);
    return good;
}

bool change_service(struct change *change, const char *key, struct error *err)
{
    struct store_doc doc;
    struct slice note = SLICE_NONE;
    change_touch(change, STORE_SERVICE, key);
    if (index_txn_find_note(change->txn, note_key(&change->arena, key), &note)) {
        note = arena_slice(&change->arena, note); /* the map moves under our writes */
    }
    switch (store_get(change->control->store, STORE_SERVICE, key, &doc, err)) {
    case STORE_ABSENT:
        return forget_service(change, key, note, err);
    case STORE_FAILED:
        return false;
    case STORE_FOUND:
        break;
    }
    /* Of a project that is being deleted nothing is served, as if the service were gone. */
    bool good = project_is_live(change->control, &change->arena, key)
                    ? publish_service(change, key, &doc, note, err)
                    : forget_service(change, key, note, err);
    json_decref(doc.body);
    return good;
}

/* ---- revisions ---- */

static bool is_target(const json_t *service, struct slice revision)
{
    struct service_target targets[INDEX_TARGETS_MAX];
    size_t count = service_targets(service, targets, INDEX_TARGETS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (slice_equal(targets[i].revision, revision)) {
            return true;
        }
    }
    return false;
}

static bool publish_revision(struct change *change, const char *service_key, struct slice name,
                             const struct store_doc *doc, struct error *err)
{
    struct arena *arena = &change->arena;
    struct service_view view;
    struct store_doc service;
    if (!service_view_find(change->control, arena, service_key, &view)) {
        return error_set(err, STATUS_INTERNAL, "%s: its project is gone", service_key);
    }
    if (store_get(change->control->store, STORE_SERVICE, service_key, &service, err) !=
        STORE_FOUND) {
        return index_txn_delete_revision(change->txn, doc->id, err);
    }
    view.doc = service.body;
    const json_t *template = json_object_get(doc->body, "template");
    auto_json *images = images_of_template(change->control, arena, template,
                                           json_object_get(doc->body, "manifests"));
    bool reachable =
        is_target(service.body, name) && project_is_live(change->control, arena, service_key);
    auto_json *body = volumes_resolved(change->control, arena, view.project, doc->body);
    auto_json *record =
        service_run_record(&view, doc->id, arena_string(arena, name), body, images, reachable);
    json_object_set_new(record, "service_id", json_integer((json_int_t)service.id));
    struct slice text = json_write(arena, record);
    json_decref(service.body);
    change->touched_run = true;
    char id[32];
    snprintf(id, sizeof(id), "%llu", (unsigned long long)doc->id);
    const char *key =
        arena_printf(arena, "revision %s/revisions/%.*s", service_key, SLICE_ARG(name));
    return index_txn_put_revision(change->txn, doc->id, text, err) &&
           index_txn_put_note(change->txn, slice_of(key), slice_of(id), err);
}

bool change_revision(struct change *change, const char *key, struct error *err)
{
    struct store_doc doc;
    struct slice name = slice_of(key);
    ptrdiff_t at = slice_find_slice(name, SLICE("/revisions/"));
    struct slice note_name = slice_of(arena_printf(&change->arena, "revision %s", key));
    struct slice note;
    uint64_t id;
    change_touch(change, STORE_REVISION, key);
    if (at < 0) {
        return error_set(err, STATUS_INTERNAL, "%s is no revision", key);
    }
    const char *service = arena_string(&change->arena, slice_upto(name, (size_t)at));
    name = slice_from(name, (size_t)at + strlen("/revisions/"));
    switch (store_get(change->control->store, STORE_REVISION, key, &doc, err)) {
    case STORE_FAILED:
        return false;
    case STORE_ABSENT:
        if (!index_txn_find_note(change->txn, note_name, &note) || !slice_to_u64(note, &id)) {
            return true;
        }
        change->touched_run = true;
        return index_txn_delete_revision(change->txn, id, err) &&
               index_txn_put_note(change->txn, note_name, SLICE_NONE, err);
    case STORE_FOUND:
        break;
    }
    bool good = publish_revision(change, service, name, &doc, err);
    json_decref(doc.body);
    return good;
}
