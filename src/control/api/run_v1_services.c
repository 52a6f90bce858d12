/* Services in Knative's form, and the configurations and routes that are only views of them. */
#include "control/access/orgpolicy.h"
#include "control/api/run_v1.h"
#include "control/call/call.h"
#include "control/record/projects.h"
#include "model/resource_name.h"

static void fail(struct api_call *call, const struct error *err)
{
    orgpolicy_fail(call, err);
}

json_t *v1_list(const char *kind, json_t *items)
{
    return json_pack("{ss ss s{} so s[]}", "apiVersion", "serving.knative.dev/v1", "kind", kind,
                     "metadata", "items", items, "unreachable");
}

json_t *v1_success(void)
{
    return json_pack("{ss ss s{} ss}", "kind", "Status", "apiVersion", "v1", "metadata", "status",
                     "Success");
}

/* dryRun=all is the only value that Kubernetes knows. */
static bool dry_run(struct api_call *call, bool *out, struct error *err)
{
    const char *text = api_query(call, "dryRun");
    *out = text != NULL && strcmp(text, "all") == 0;
    if (text != NULL && text[0] != '\0' && !*out) {
        return error_field(err, "dryRun", "must be 'all'");
    }
    return true;
}

/* The path's service, by any of its names: a configuration and a route are views of it. */
static const char *name_of(const struct api_call *call)
{
    static const char *const params[] = {"service", "configuration", "route"};
    const char *name = "";
    for (size_t i = 0; i < 3 && name[0] == '\0'; i++) {
        name = api_param(call, params[i]);
    }
    return name;
}

const char *v1_service_key(struct api_call *call, struct error *err)
{
    const char *project = api_param(call, "project");
    const char *region = run_region(call, project, name_of(call));
    if (region == NULL) { /* it stands in several, as the handler says to who may know */
        return arena_printf(&call->arena, "projects/%s", project);
    }
    if (region[0] == '\0') {
        error_set(err, STATUS_INVALID_ARGUMENT, "The region '-' names no single service.");
        return NULL;
    }
    return resource_name_text(
        &call->arena,
        &(struct resource_name){.project = project, .location = region, .service = name_of(call)});
}

/* The service that the path names. */
static bool find(struct api_call *call, struct run_service *out, struct error *err)
{
    const char *project = api_param(call, "project");
    const char *name = name_of(call);
    const char *region = run_region(call, project, name);
    *out = (struct run_service){0};
    if (region == NULL) { /* "not found" would be taken for gone */
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "Service '%s' is in several regions of project '%s', and the request "
                         "names none: put the region in front of the path, as in "
                         "/us-central1/apis/….",
                         name, project);
    }
    return run_service_load(call, project, region, name, out, err) &&
           (out->body != NULL || run_service_missing(out, err));
}

/* ---- get, list ---- */

typedef json_t *service_form(struct arena *arena, const struct service_view *view);

static void get_view(struct api_call *call, service_form *form)
{
    struct error err = {0};
    struct run_service service;
    if (!find(call, &service, &err)) {
        run_service_done(&service);
        fail(call, &err);
        return;
    }
    json_t *answer = form(&call->arena, &service.view);
    run_service_done(&service);
    api_reply(call, answer);
}

void v1_service_get(struct api_call *call)
{
    get_view(call, service_to_v1);
}

struct listing {
    struct api_call *call;
    struct service_view view;
    const char *selector;
    service_form *form;
    json_t *items;
};

/* Region and name stand in the key: projects/P/locations/L/services/S. */
static bool list_add(const struct store_doc *doc, void *ctx)
{
    struct listing *listing = ctx;
    struct arena *arena = &listing->call->arena;
    struct resource_name name;
    if (!resource_name_read(arena, slice_of(doc->key), &name) || name.service == NULL) {
        return true;
    }
    struct service_view view = listing->view;
    view.region = name.location;
    view.name = name.service;
    view.version = service_version(doc->body);
    view.doc = doc->body;
    auto_json *item = listing->form(arena, &view);
    if (listing->selector == NULL || v1_selector_matches(listing->selector, item)) {
        json_array_append(listing->items, item);
    }
    return true;
}

static void list(struct api_call *call, const char *kind, service_form *form)
{
    struct error err = {0};
    const char *project = api_param(call, "project");
    struct listing listing = {
        .call = call,
        .selector = api_query(call, "labelSelector"),
        .form = form,
        .view = {.project = project,
                 .project_number = project_number(call->control, &call->arena, project),
                 .domain = call->control->settings.domain,
                 .https_port = call->control->settings.https_port},
    };
    if (listing.view.project_number == NULL) {
        error_set(&err, STATUS_NOT_FOUND, "Project '%s' not found or deleted.", project);
        fail(call, &err);
        return;
    }
    const char *prefix = run_services_prefix(call, project);
    listing.items = json_array();
    auto_json *answer = v1_list(kind, listing.items);
    if (store_each(call->control->store, STORE_SERVICE, prefix, list_add, &listing, &err)) {
        api_reply(call, json_steal(&answer));
    } else {
        fail(call, &err);
    }
}

void v1_service_list(struct api_call *call)
{
    list(call, "ServiceList", service_to_v1);
}

/* ---- create, replace, delete ---- */

/* The body's own names must not contradict the path. */
static bool names_agree(struct api_call *call, const char *project, const char *name,
                        struct error *err)
{
    const struct v1_metadata sent = v1_metadata_of(&call->arena, call->body);
    const char *space = sent.name_space;
    if (space[0] != '\0') {
        const char *id = project_id(call->control, &call->arena, space);
        if (id == NULL || strcmp(id, project) != 0) {
            return error_field(err, "metadata.namespace",
                               "'%.100s' is not the project of the request, '%s'", space, project);
        }
    }
    if (strcmp(sent.name, name) != 0) {
        return error_field(err, "metadata.name", "must be '%s', the name in the request", name);
    }
    return true;
}

static bool apply(struct api_call *call, struct run_service *service, const char *method,
                  struct error *err)
{
    struct run_wish wish = {.method = method, .version = "", .v1_words = true};
    if (!dry_run(call, &wish.dry_run, err) ||
        !names_agree(call, service->view.project, service->view.name, err)) {
        return false;
    }
    auto_json *sent =
        service_from_v1(call->body, service->view.doc, &wish.version, &call->arena, err);
    if (sent == NULL) {
        return false;
    }
    auto_json *wanted = wish.doc = service_v1_change(&call->arena, &service->view, sent);
    return run_service_apply(call, service, &wish, err);
}

static bool create(struct api_call *call, struct run_service *service, struct error *err)
{
    const char *project = api_param(call, "project");
    const char *name = v1_metadata_of(&call->arena, call->body).name;
    *service = (struct run_service){0};
    if (call->region[0] == '\0') {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "The region '-' names no single place: deploy to one region.");
    }
    if (!service_name_valid(slice_of(name), err) ||
        !run_service_load(call, project, call->region, name, service, err)) {
        return false;
    }
    if (service->body != NULL) {
        return error_set(err, STATUS_ALREADY_EXISTS, "Resource '%s' already exists.", name);
    }
    return apply(call, service, "CreateService", err);
}

static void answer_service(struct api_call *call, struct run_service *service, bool good,
                           const struct error *err)
{
    if (!good) {
        run_service_done(service);
        fail(call, err);
        return;
    }
    json_t *answer = service_to_v1(&call->arena, &service->view);
    run_service_done(service);
    api_reply(call, answer);
}

void v1_service_create(struct api_call *call)
{
    struct error err = {0};
    struct run_service service;
    bool good = create(call, &service, &err);
    answer_service(call, &service, good, &err);
}

void v1_service_replace(struct api_call *call)
{
    struct error err = {0};
    struct run_service service;
    bool good = find(call, &service, &err) && apply(call, &service, "ReplaceService", &err);
    answer_service(call, &service, good, &err);
}

void v1_service_delete(struct api_call *call)
{
    struct error err = {0};
    struct run_service service;
    bool dry;
    bool good = find(call, &service, &err) && dry_run(call, &dry, &err) &&
                run_service_delete(call, &service, "", dry, NULL, &err);
    run_service_done(&service);
    if (!good) {
        fail(call, &err);
        return;
    }
    api_reply(call, v1_success());
}

/* ---- configurations and routes ---- */

void v1_configuration_get(struct api_call *call)
{
    get_view(call, configuration_to_v1);
}

void v1_configuration_list(struct api_call *call)
{
    list(call, "ConfigurationList", configuration_to_v1);
}

void v1_route_get(struct api_call *call)
{
    get_view(call, route_to_v1);
}

void v1_route_list(struct api_call *call)
{
    list(call, "RouteList", route_to_v1);
}
