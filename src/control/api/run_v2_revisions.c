/* Revisions in v2's form; a path names the service that each belongs to. */
#include "control/api/run_v2.h"
#include "control/call/paging.h"
#include "model/resource_name.h"

struct found {
    struct run_service service;
    struct store_doc doc; /* body owned; NULL if there is none */
};

static bool find(struct api_call *call, struct found *out, struct error *err)
{
    *out = (struct found){0};
    if (!v2_service_load(call, &out->service, err)) {
        return false;
    }
    const char *name = api_param(call, "revision");
    const char *key = arena_printf(&call->arena, "%s/revisions/%s", out->service.key, name);
    if (out->service.body == NULL || strlen(key) >= sizeof(out->doc.key) ||
        store_get(call->control->store, STORE_REVISION, key, &out->doc, NULL) != STORE_FOUND) {
        return error_set(
            err, STATUS_NOT_FOUND,
            "Resource '%.64s' of kind 'REVISION' in region '%s' in project '%s' does not exist.",
            name, call->region, api_param(call, "project"));
    }
    return true;
}

static void found_done(struct found *found)
{
    store_doc_done(&found->doc);
    run_service_done(&found->service);
}

static json_t *form(struct api_call *call, const struct service_view *service, const char *name,
                    const json_t *revision)
{
    json_t *out = revision_to_v2(&call->arena, service, name, revision);
    if (api_numbers_asked(call)) {
        revision_v2_numbers(out);
    }
    return out;
}

void v2_revision_get(struct api_call *call)
{
    struct error err = {0};
    struct found found;
    if (!find(call, &found, &err)) {
        v2_fail(call, &err);
    } else {
        api_reply(call,
                  form(call, &found.service.view, api_param(call, "revision"), found.doc.body));
    }
    found_done(&found);
}

void v2_revision_delete(struct api_call *call)
{
    struct error err = {0};
    struct found found;
    const char *name = api_param(call, "revision");
    bool dry_run = api_query_flag(call, "validateOnly");
    bool good = find(call, &found, &err) &&
                v2_etag_matches(api_query(call, "etag"),
                                revision_etag(&call->arena, found.doc.body), name, &err);
    auto_json *last =
        good ? revision_to_v2(&call->arena, &found.service.view, name, found.doc.body) : NULL;
    struct run_trace trace = {.kind = "delete-revision", .type = "Revision", .response = last};
    if (!good || !run_revision_delete(call, &found.service, name, dry_run, &trace, &err)) {
        v2_fail(call, &err);
    } else if (dry_run) {
        v2_reply_validated(call, "Revision", json_steal(&last));
    } else {
        v2_reply_operation(call, trace.operation);
    }
    found_done(&found);
}

/* The service of the revisions at hand: they come in the order of keys. */
static bool list_item(struct api_call *call, const struct store_doc *doc, void *ctx, json_t **out,
                      struct error *err)
{
    struct run_service *service = ctx;
    size_t len = service->key == NULL ? 0 : strlen(service->key);
    if (len == 0 || strncmp(doc->key, service->key, len) != 0 || doc->key[len] != '/') {
        struct resource_name name;
        run_service_done(service);
        if (!resource_name_read(&call->arena, slice_of(doc->key), &name) || name.service == NULL) {
            return error_set(err, STATUS_INTERNAL, "a revision without a service");
        }
        if (!run_service_load(call, name.project, name.location, name.service, service, err)) {
            return false;
        }
    }
    if (service->body != NULL) {
        *out = form(call, &service->view, strrchr(doc->key, '/') + 1, doc->body);
    }
    return true;
}

void v2_revision_list(struct api_call *call)
{
    struct run_service service = {0};
    const char *project = api_param(call, "project");
    const char *name = api_param(call, "service");
    const char *prefix;
    if (call->region[0] == '\0') {
        prefix = arena_printf(&call->arena, "projects/%s/locations/", project);
    } else if (strcmp(name, "-") == 0) {
        prefix =
            arena_printf(&call->arena, "projects/%s/locations/%s/services/", project, call->region);
    } else {
        prefix = arena_printf(&call->arena, "projects/%s/locations/%s/services/%s/revisions/",
                              project, call->region, name);
    }
    api_reply_page(call, &(struct page){.kind = STORE_REVISION,
                                        .prefix = prefix,
                                        .list = "revisions",
                                        .item = list_item,
                                        .ctx = &service,
                                        .bare = true});
    run_service_done(&service);
}
