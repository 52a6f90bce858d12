/*
 * Services in v2's form. Each change answers with an operation, which is done in that answer unless
 * a revision has to start; what changes nothing is not a change at all.
 */
#include "base/clock.h"
#include "control/access/new_tags.h"
#include "control/access/orgpolicy.h"
#include "control/api/run_v2.h"
#include "control/call/paging.h"
#include "control/operations/operations.h"
#include "control/record/projects.h"
#include "model/resource_name.h"

#define SERVICE "Service"

static json_t *form(struct api_call *call, const struct service_view *view)
{
    json_t *out = service_to_v2(&call->arena, view);
    if (api_numbers_asked(call)) {
        service_v2_numbers(out);
    }
    return out;
}

/* ---- get, list ---- */

void v2_service_get(struct api_call *call)
{
    struct error err = {0};
    struct run_service service;
    if (!v2_service_load(call, &service, &err) ||
        (service.body == NULL && !run_service_missing(&service, &err))) {
        v2_fail(call, &err);
        return;
    }
    json_t *answer = form(call, &service.view);
    run_service_done(&service);
    api_reply(call, answer);
}

static bool list_item(struct api_call *call, const struct store_doc *doc, void *ctx, json_t **out,
                      struct error *err)
{
    (void)err;
    struct service_view *view = ctx;
    struct resource_name name;
    if (!resource_name_read(&call->arena, slice_of(doc->key), &name) || name.service == NULL) {
        return true;
    }
    view->region = name.location;
    view->name = name.service;
    view->version = service_version(doc->body);
    view->doc = doc->body;
    *out = form(call, view);
    return true;
}

void v2_service_list(struct api_call *call)
{
    struct error err = {0};
    const char *project = api_param(call, "project");
    struct service_view view = {
        .project = project,
        .project_number = project_number(call->control, &call->arena, project),
        .domain = call->control->settings.domain,
        .https_port = call->control->settings.https_port,
    };
    if (view.project_number == NULL) {
        error_set(&err, STATUS_NOT_FOUND, "Project '%s' not found or deleted.", project);
        v2_fail(call, &err);
        return;
    }
    const char *prefix = run_services_prefix(call, project);
    api_reply_page(call, &(struct page){.kind = STORE_SERVICE,
                                        .prefix = prefix,
                                        .list = "services",
                                        .item = list_item,
                                        .ctx = &view,
                                        .bare = true});
}

/* ---- create, patch ---- */

static void reply_operation(struct api_call *call, const struct service_view *view, const char *id)
{
    const struct resource_name name = {
        .project = view->project, .location = view->region, .operation = id};
    v2_reply_operation(call, resource_name_text(&call->arena, &name));
}

/* Answers a change that run_service_apply() has made, or has found good. */
static void reply_change(struct api_call *call, struct run_service *service, bool dry_run)
{
    if (dry_run) {
        v2_reply_validated(call, SERVICE, service_to_v2(&call->arena, &service->view));
        return;
    }
    reply_operation(call, &service->view, service->stored->status.operation);
}

/* The body's own name must not contradict the path. */
static bool name_agrees(const struct run_service *service, const json_t *wish, struct error *err)
{
    const char *name = json_text(wish, "name");
    if (name == NULL || strcmp(name, service->key) == 0) {
        return true;
    }
    struct slice rest = slice_of(name), project, number;
    bool by_number = slice_cut(&rest, '/', &project) && slice_cut(&rest, '/', &number) &&
                     slice_is(number, service->view.project_number) &&
                     slice_ends(slice_of(service->key), rest);
    return by_number ||
           error_field(err, "service.name", "must be '%s', the name in the request", service->key);
}

/* "tags" are no part of a service: they are bound to it, and read through the bindings. */
static bool take_tags(struct api_call *call, const struct run_service *service, struct error *err)
{
    auto_json *tags = json_incref(json_object_get(call->body, "tags"));
    if (tags != NULL && !json_is_null(tags) && !json_is_object(tags)) {
        return error_field(err, "service.tags", "must be an object");
    }
    json_object_del(call->body, "tags");
    call->new_tags = new_tags_read(call, tags, "run.services.createTagBinding", service->key, err);
    return call->new_tags != NULL;
}

static bool create(struct api_call *call, struct run_service *service, bool dry_run,
                   struct error *err)
{
    const char *name = api_query(call, "serviceId");
    name = name != NULL ? name : api_query(call, "service_id");
    *service = (struct run_service){0};
    if (call->region[0] == '\0') {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "The location '-' names no single place: deploy to one location.");
    }
    if (name == NULL) {
        return error_field(err, "service_id", "serviceId is required.");
    }
    if (!service_name_valid(slice_of(name), err) ||
        !run_service_load(call, api_param(call, "project"), call->region, name, service, err)) {
        return false;
    }
    if (service->body != NULL) {
        return error_set(err, STATUS_ALREADY_EXISTS, "Resource '%s' already exists.", name);
    }
    auto_json *wish = take_tags(call, service, err) ? service_from_v2(call->body, err) : NULL;
    if (wish == NULL || !name_agrees(service, wish, err)) {
        return false;
    }
    auto_json *doc = service_v2_change(&call->arena, &service->view, wish, SLICE_NONE, err);
    struct run_wish run = {
        .doc = doc, .version = "", .method = "CreateService", .dry_run = dry_run};
    return doc != NULL && run_service_apply(call, service, &run, err);
}

void v2_service_create(struct api_call *call)
{
    struct error err = {0};
    struct run_service service;
    bool dry_run = api_query_flag(call, "validateOnly");
    if (create(call, &service, dry_run, &err)) {
        reply_change(call, &service, dry_run);
    } else {
        v2_fail(call, &err);
    }
    run_service_done(&service);
}

/*
 * A change that changes nothing: no generation, no revision, no audit row. It waits for a revision
 * that is on its way, as any other change would.
 */
static void reply_unchanged(struct api_call *call, struct run_service *service, bool dry_run)
{
    struct error err = {0};
    const struct service_view *view = &service->view;
    if (!orgpolicy_check_service(call, service->key, "UpdateService", service->body, &err)) {
        v2_fail(call, &err);
        return;
    }
    if (dry_run) {
        v2_reply_validated(call, SERVICE, service_to_v2(&call->arena, view));
        return;
    }
    if (service->stored->status.ready.state != CONDITION_PENDING) {
        v2_reply_done(call, service, "update", SERVICE);
        return;
    }
    auto_change *change = api_change(call, &err);
    const char *id = change == NULL ? NULL
                                    : operation_new(call->control, &call->arena, view->project,
                                                    view->region, service->key, "update", &err);
    if (id == NULL || !change_commit(&change, &err)) {
        v2_fail(call, &err);
        return;
    }
    reply_operation(call, view, id);
}

struct patch {
    struct run_service service;
    bool dry_run, unchanged;
};

/* The service, or the place for it if the caller may fill that. */
static bool patch_load(struct api_call *call, struct patch *patch, struct error *err)
{
    struct run_service *service = &patch->service;
    if (!v2_service_load(call, service, err)) {
        return false;
    }
    if (service->body != NULL) {
        return api_allowed(call, "run.services.get", service->key, err);
    }
    if (!api_query_flag(call, "allowMissing")) {
        return run_service_missing(service, err);
    }
    return api_allowed(call, "run.services.create",
                       arena_printf(&call->arena, "projects/%s", service->view.project), err);
}

static bool patch_apply(struct api_call *call, struct patch *patch, struct error *err)
{
    struct run_service *service = &patch->service;
    const char *mask = api_query(call, "updateMask");
    mask = mask != NULL ? mask : api_query(call, "update_mask");
    struct slice named = service->body == NULL ? SLICE_NONE : slice_of(mask);
    auto_json *wish = service_from_v2(call->body, err);
    if (wish == NULL || !name_agrees(service, wish, err) ||
        !v2_etag_matches(json_text(wish, "etag"), service_etag(&call->arena, &service->view),
                         service->view.name, err)) {
        return false;
    }
    auto_json *doc = service_v2_change(&call->arena, &service->view, wish, named, err);
    struct run_wish run = {
        .doc = doc,
        .version = "",
        .method = service->body == NULL ? "CreateService" : "UpdateService",
        .dry_run = patch->dry_run,
        .new_revision = api_query_flag(call, "forceNewRevision"),
    };
    if (doc == NULL) {
        return false;
    }
    patch->unchanged =
        service->body != NULL && !run.new_revision && service_asks_same(service->body, doc);
    return patch->unchanged || run_service_apply(call, service, &run, err);
}

void v2_service_patch(struct api_call *call)
{
    struct error err = {0};
    struct patch patch = {.dry_run = api_query_flag(call, "validateOnly")};
    struct run_service *service = &patch.service;
    if (!patch_load(call, &patch, &err) || !patch_apply(call, &patch, &err)) {
        v2_fail(call, &err);
    } else if (patch.unchanged) {
        reply_unchanged(call, service, patch.dry_run);
    } else {
        reply_change(call, service, patch.dry_run);
    }
    run_service_done(service);
}

/* ---- delete ---- */

void v2_service_delete(struct api_call *call)
{
    struct error err = {0};
    struct run_service service;
    bool dry_run = api_query_flag(call, "validateOnly");
    bool good = v2_service_load(call, &service, &err) &&
                (service.body != NULL || run_service_missing(&service, &err)) &&
                v2_etag_matches(api_query(call, "etag"), service_etag(&call->arena, &service.view),
                                service.view.name, &err);
    auto_json *last = good ? service_to_v2(&call->arena, &service.view) : NULL;
    json_object_set_new(last, "deleteTime", json_slice(time_text(&call->arena, clock_wall_us())));
    struct run_trace trace = {.kind = "delete", .type = SERVICE, .response = last};
    if (!good || !run_service_delete(call, &service, "", dry_run, &trace, &err)) {
        v2_fail(call, &err);
    } else if (dry_run) {
        v2_reply_validated(call, SERVICE, json_steal(&last));
    } else {
        v2_reply_operation(call, trace.operation);
    }
    run_service_done(&service);
}
