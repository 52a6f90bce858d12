/*
 * Revisions in Knative's form. A v1 path names a revision without its service; the service is the
 * longest one whose name begins it, found among the keys of the region.
 */
#include "control/api/run_v1.h"

#include <stdlib.h>

#include "control/call/call.h"
#include "model/resource_name.h"

/* Loads the service that a revision key belongs to. */
static bool service_of(struct api_call *call, const char *revision_key, struct run_service *out,
                       struct error *err)
{
    struct resource_name name;
    if (!resource_name_read(&call->arena, slice_of(revision_key), &name) || name.service == NULL) {
        return error_set(err, STATUS_INTERNAL, "a revision without a service");
    }
    return run_service_load(call, name.project, name.location, name.service, out, err) &&
           (out->body != NULL || run_service_missing(out, err));
}

/* ---- finding one ---- */

struct found {
    struct run_service service;
    struct store_doc doc;
};

/* Each '-' of the name may be where the service's name ends. */
static bool probe_services(struct api_call *call, const char *region, const char *name,
                           struct found *out)
{
    const char *project = api_param(call, "project");
    for (const char *at = strchr(name, '-'); at != NULL; at = strchr(at + 1, '-')) {
        const char *key =
            arena_printf(&call->arena, "projects/%s/locations/%s/services/%.*s/revisions/%s",
                         project, region, (int)(at - name), name, name);
        if (strlen(key) < sizeof(out->doc.key) &&
            store_get(call->control->store, STORE_REVISION, key, &out->doc, NULL) == STORE_FOUND) {
            snprintf(out->doc.key, sizeof(out->doc.key), "%s", key);
            return true;
        }
    }
    return false;
}

static bool find(struct api_call *call, struct found *out, struct error *err)
{
    const char *name = api_param(call, "revision");
    bool there = call->region[0] != '\0' && strlen(name) < 64 &&
                 probe_services(call, call->region, name, out);
    if (!there) {
        return error_set(
            err, STATUS_NOT_FOUND,
            "Resource '%.64s' of kind 'REVISION' in region '%s' in project '%s' does not exist.",
            name, call->region, api_param(call, "project"));
    }
    if (!service_of(call, out->doc.key, &out->service, err)) {
        store_doc_done(&out->doc);
        return false;
    }
    return true;
}

void v1_revision_get(struct api_call *call)
{
    struct error err = {0};
    struct found found = {0};
    if (!find(call, &found, &err)) {
        run_service_done(&found.service);
        api_fail(call, &err);
        return;
    }
    json_t *answer = revision_to_v1(&call->arena, &found.service.view, api_param(call, "revision"),
                                    found.doc.version, found.doc.body);
    store_doc_done(&found.doc);
    run_service_done(&found.service);
    api_reply(call, answer);
}

void v1_revision_delete(struct api_call *call)
{
    struct error err = {0};
    struct found found = {0};
    const char *dry = api_query(call, "dryRun");
    bool good = find(call, &found, &err);
    if (good) {
        store_doc_done(&found.doc);
        good = run_revision_delete(call, &found.service, api_param(call, "revision"),
                                   dry != NULL && strcmp(dry, "all") == 0, NULL, &err);
    }
    run_service_done(&found.service);
    if (!good) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, v1_success());
}

/* ---- listing ---- */

struct listing {
    struct api_call *call;
    const char *selector;
    struct run_service service; /* of the revisions at hand: they come in the order of keys */
    json_t *items;
};

static bool list_add(const struct store_doc *doc, void *ctx)
{
    struct listing *listing = ctx;
    struct api_call *call = listing->call;
    const char *key = listing->service.key;
    size_t len = key == NULL ? 0 : strlen(key);
    if (key == NULL || strncmp(doc->key, key, len) != 0 || doc->key[len] != '/') {
        run_service_done(&listing->service);
        if (!service_of(call, doc->key, &listing->service, NULL)) {
            return true;
        }
    }
    auto_json *item = revision_to_v1(&call->arena, &listing->service.view,
                                     strrchr(doc->key, '/') + 1, doc->version, doc->body);
    if (listing->selector == NULL || v1_selector_matches(listing->selector, item)) {
        json_array_append(listing->items, item);
    }
    return true;
}

struct dated {
    const char *created;
    size_t place;
    json_t *item;
};

static int newer_first(const void *a, const void *b)
{
    const struct dated *one = a, *other = b;
    int order = strcmp(other->created, one->created);
    return order != 0 ? order : one->place < other->place ? 1 : -1;
}

/* As Cloud Run lists them; takes ITEMS. */
static json_t *newest_first(struct arena *arena, json_t *taken)
{
    auto_json *items = taken;
    size_t count = json_array_size(items);
    struct dated *dated = arena_array(arena, struct dated, count);
    json_t *sorted = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *item = json_array_get(items, i);
        dated[i] = (struct dated){v1_metadata_of(arena, item).created, i, item};
    }
    qsort(dated, count, sizeof(*dated), newer_first);
    for (size_t i = 0; i < count; i++) {
        json_array_append(sorted, dated[i].item);
    }
    return sorted;
}

void v1_revision_list(struct api_call *call)
{
    struct error err = {0};
    struct listing listing = {
        .call = call,
        .selector = api_query(call, "labelSelector"),
        .items = json_array(),
    };
    const char *project = api_param(call, "project");
    const char *prefix = run_services_prefix(call, project);
    bool good = store_each(call->control->store, STORE_REVISION, prefix, list_add, &listing, &err);
    run_service_done(&listing.service);
    api_answer(call, good, v1_list("RevisionList", newest_first(&call->arena, listing.items)),
               &err);
}
