/* Services and revisions: routes, the gate's record, the engine's record. */
#include "base/buffer.h"
#include "control/publish/change.h"
#include "control/publish/hosts.h"
#include "control/publish/publish.h"
#include "control/record/images.h"
#include "control/record/projects.h"
#include "control/record/resource_tree.h"
#include "control/record/service_view.h"
#include "control/record/volumes.h"
#include "model/service_run.h"

#include <stdlib.h>

static void add_node(struct control *control, struct index_service *out, const char *key)
{
    auto_doc doc = {0};
    if (out->node_count < INDEX_NODES_MAX &&
        store_get(control->store, STORE_NODE, key, &doc, NULL) == STORE_FOUND) {
        out->nodes[out->node_count++] = doc.id;
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
                          const struct service *service, struct index_service *out)
{
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
    for (size_t i = 0; i < service->custom_audiences_count; i++) {
        add_audience(out, slice_of(service->custom_audiences[i]));
    }
}

static void add_target(struct control *control, struct arena *arena, const char *key,
                       const struct service *service, const struct traffic_target *from,
                       struct index_service *out)
{
    auto_doc doc = {0};
    const char *name = arena_printf(arena, "%s/revisions/%s", key, from->revision);
    if (out->target_count == INDEX_TARGETS_MAX ||
        store_get(control->store, STORE_REVISION, name, &doc, NULL) != STORE_FOUND) {
        return;
    }
    const struct template *template = &revision_from_doc(arena, doc.body)->template;
    const struct container *taker = template_taker(template);
    out->targets[out->target_count++] = (struct index_target){
        .revision_id = doc.id,
        .percent = (uint32_t)from->percent,
        .concurrency = (uint32_t) template->concurrency,
        .timeout_s = (uint32_t)(template->timeout_us / 1000000),
        .max_instances = (uint32_t)service_bounds(service, from->revision, template, true).max,
        .http2 = taker != NULL && strcmp(container_serves(taker).name, "h2c") == 0,
        .affinity = template->session_affinity,
        .revision = slice_of(from->revision),
        .tag = slice_of(from->tag),
    };
}

static enum index_ingress ingress_of(const struct service *service)
{
    switch (service->ingress) {
    case SERVICE_INGRESS_UNSPECIFIED:
    case SERVICE_INGRESS_ALL:
        return INDEX_INGRESS_ALL;
    case SERVICE_INGRESS_INTERNAL_LOAD_BALANCER:
        return INDEX_INGRESS_INTERNAL_AND_LB;
    case SERVICE_INGRESS_INTERNAL_ONLY:
        return INDEX_INGRESS_INTERNAL;
    case SERVICE_INGRESS_UNKNOWN:
    case SERVICE_INGRESS_NONE:
        break;
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
                      const struct service *wished, const struct index_service *service,
                      struct buffer *note, struct error *err)
{
    struct index_route route = {.service_id = service->id, .default_url = true};
    if (!put_hosts_of(change, view, key, route, true, note, err)) {
        return false;
    }
    for (size_t i = 0; i < wished->traffic_count; i++) {
        route.tag = slice_of(wished->traffic[i].tag);
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

/* Reads the targets that are in force, and notes which revisions they are. */
static void add_targets(struct change *change, const char *key, const struct service *service,
                        struct index_service *out, struct buffer *note)
{
    size_t left = INDEX_TARGETS_MAX;
    for (size_t i = 0; i < service->status.traffic_count && left > 0; i++) {
        const struct traffic_target *target = &service->status.traffic[i];
        if (target->revision[0] != '\0') {
            add_target(change->control, &change->arena, key, service, target, out);
            buffer_printf(note, "r %s\n", target->revision);
            left--;
        }
    }
}

static bool publish_service(struct change *change, const char *key, const struct store_doc *doc,
                            struct slice note, struct error *err)
{
    struct arena *arena = &change->arena;
    struct control *control = change->control;
    struct service_view view;
    const struct service *service = service_from_doc(arena, doc->body);
    struct index_service *out = arena_new(arena, struct index_service);
    if (!service_view_find(control, arena, key, &view)) {
        return error_set(err, STATUS_INTERNAL, "%s: its project is gone", key);
    }
    *out = (struct index_service){
        .id = doc->id,
        .invoker_check_off = service->invoker_iam_disabled,
        .check_off_until_us = service_check_off_until(service),
        .default_url_disabled = service->default_uri_disabled,
        .ingress = ingress_of(service),
        .project = slice_of(view.project),
        .project_number = slice_of(view.project_number),
        .region = slice_of(view.region),
        .name = slice_of(view.name),
        .resource_name = slice_of(key),
    };
    time_read(slice_of(service->create_time), &out->created_us);
    add_nodes(control, arena, key, out);
    add_audiences(arena, &view, service, out);
    if (service->iap_enabled && !publish_door_of(control->store, arena, key, &view, out->nodes,
                                                 out->node_count, &out->door, err)) {
        return false;
    }
    struct buffer new_note = BUFFER_INIT(1 << 20);
    buffer_printf(&new_note, "%llu\n", (unsigned long long)doc->id);
    add_targets(change, key, service, out, &new_note);
    bool good =
        put_hosts(change, &view, key, service, out, &new_note, err) &&
        index_txn_put_service(change->txn, out, err) &&
        put_revisions(change, key, note, buffer_slice(&new_note), err) &&
        index_txn_put_note(change->txn, note_key(arena, key), buffer_slice(&new_note), err) &&
        give_back_hosts(change, key, note, buffer_slice(&new_note), err);
    buffer_done(&new_note);
    return good;
}

bool change_service(struct change *change, const char *key, struct error *err)
{
    auto_doc doc = {0};
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
    /* Services of a project that is being deleted are not served, as if they were gone. */
    return project_is_live(change->control, &change->arena, key)
               ? publish_service(change, key, &doc, note, err)
               : forget_service(change, key, note, err);
}

/* ---- revisions ---- */

static bool is_target(const struct service *service, const char *revision)
{
    for (size_t i = 0; i < service->status.traffic_count; i++) {
        if (strcmp(service->status.traffic[i].revision, revision) == 0) {
            return true;
        }
    }
    return false;
}

static bool publish_revision(struct change *change, const char *service_key, const char *name,
                             const struct store_doc *doc, struct error *err)
{
    struct arena *arena = &change->arena;
    struct control *control = change->control;
    struct service_view view;
    struct store_doc of;
    if (!service_view_find(control, arena, service_key, &view)) {
        return error_set(err, STATUS_INTERNAL, "%s: its project is gone", service_key);
    }
    if (store_get(control->store, STORE_SERVICE, service_key, &of, err) != STORE_FOUND) {
        return index_txn_delete_revision(change->txn, doc->id, err);
    }
    auto_json *body = of.body;
    const struct service *service = service_from_doc(arena, body);
    const struct revision *revision = revision_from_doc(arena, doc->body);
    auto_json *images = images_of_revision(control, arena, revision);
    auto_json *folders = volumes_mapped(control, arena, view.project, &revision->template);
    struct service_run run = {
        .id = doc->id,
        .name = name,
        .reachable = is_target(service, name) && project_is_live(control, arena, service_key),
        .images = images,
        .folders = folders,
    };
    auto_json *record = service_run_record(&view, service, &run, revision);
    json_object_set_new(record, "service_id", json_integer((json_int_t)of.id));
    struct slice text = json_write(arena, record);
    change->touched_run = true;
    char id[32];
    snprintf(id, sizeof(id), "%llu", (unsigned long long)doc->id);
    const char *key = arena_printf(arena, "revision %s/revisions/%s", service_key, name);
    return index_txn_put_revision(change->txn, doc->id, text, err) &&
           index_txn_put_note(change->txn, slice_of(key), slice_of(id), err);
}

bool change_revision(struct change *change, const char *key, struct error *err)
{
    auto_doc doc = {0};
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
    return publish_revision(change, service, key + at + strlen("/revisions/"), &doc, err);
}
