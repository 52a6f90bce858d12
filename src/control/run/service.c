/*
 * A change of a service, from wish to record. The order is that of the promises: may the caller,
 * does it make sense, does the organization allow it; then one change with everything in it, which
 * is published before the call is answered.
 */
#include "control/run/service.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/uuid.h"
#include "control/access/new_tags.h"
#include "control/access/orgpolicy.h"
#include "control/identity/accounts.h"
#include "control/operations/operations.h"
#include "control/record/door.h"
#include "control/record/images.h"
#include "control/record/policy_doc.h"
#include "control/record/projects.h"
#include "control/record/regions.h"
#include "control/record/volumes.h"
#include "control/run/checks.h"
#include "model/resource_name.h"

enum { REVISIONS_MAX = 1000 };

/* ---- finding ---- */

static const char *service_key(struct arena *arena, const char *project, const char *region,
                               const char *name)
{
    return resource_name_text(
        arena, &(struct resource_name){.project = project, .location = region, .service = name});
}

const char *run_services_prefix(struct api_call *call, const char *project)
{
    bool anywhere = call->region[0] == '\0';
    const struct resource_name above = {.project = project,
                                        .location = anywhere ? NULL : call->region};
    return resource_name_prefix(&call->arena, &above, anywhere ? "locations" : "services");
}

bool run_service_load(struct api_call *call, const char *project, const char *region,
                      const char *name, struct run_service *out, struct error *err)
{
    struct store_doc doc;
    *out = (struct run_service){
        .key = service_key(&call->arena, project, region, name),
        .view = {.project = project,
                 .project_number = project_number(call->control, &call->arena, project),
                 .region = region,
                 .name = name,
                 .domain = call->control->settings.domain,
                 .https_port = call->control->settings.https_port},
    };
    if (out->view.project_number == NULL) {
        return error_set(err, STATUS_NOT_FOUND, "Project '%s' not found or deleted.", project);
    }
    switch (store_get(call->control->store, STORE_SERVICE, out->key, &doc, err)) {
    case STORE_FOUND:
        out->id = doc.id;
        out->body = doc.body;
        out->view.doc = doc.body;
        out->view.version = service_version(doc.body);
        return true;
    case STORE_ABSENT:
        return true;
    case STORE_FAILED:
        return false;
    }
    return false;
}

void run_service_done(struct run_service *service)
{
    json_decref(service->body);
    service->body = NULL;
    service->view.doc = NULL;
}

bool run_service_missing(const struct run_service *service, struct error *err)
{
    return error_set(
        err, STATUS_NOT_FOUND,
        "Resource '%s' of kind 'SERVICE' in region '%s' in project '%s' does not exist.",
        service->view.name, service->view.region, service->view.project);
}

static bool is_in(struct api_call *call, const char *project, const char *region, const char *name)
{
    struct store_doc doc;
    const char *key = service_key(&call->arena, project, region, name);
    if (store_get(call->control->store, STORE_SERVICE, key, &doc, NULL) != STORE_FOUND) {
        return false;
    }
    json_decref(doc.body);
    return true;
}

const char *run_region(struct api_call *call, const char *project, const char *name)
{
    const char *found = NULL;
    if (api_param(call, "region")[0] != '\0' || call->region_from_host ||
        is_in(call, project, call->region, name)) {
        return call->region;
    }
    for (size_t i = 0; regions[i][0] != NULL; i++) {
        if (is_in(call, project, regions[i][0], name)) {
            if (found != NULL) {
                return NULL; /* the path does not say which */
            }
            found = regions[i][0];
        }
    }
    return found != NULL ? found : call->region;
}

/* ---- permissions that depend on the content ---- */

/* The account that the template's instances would run as. */
static const char *runtime_account(struct api_call *call, const struct service_view *view,
                                   const json_t *template)
{
    const char *email = json_text(template, "serviceAccount");
    return email != NULL ? email
                         : arena_printf(&call->arena, "%s-compute@developer.gserviceaccount.com",
                                        view->project_number);
}

/* Whether the account's project lets its accounts be used elsewhere, if the service is elsewhere.
 */
static bool may_leave_its_project(struct api_call *call, const struct run_service *service,
                                  const char *account, struct error *err)
{
    const char *home = arena_printf(&call->arena, "projects/%s/", service->view.project);
    if (strncmp(account, home, strlen(home)) == 0) {
        return true;
    }
    struct slice left = slice_of(account), kind = SLICE_NONE, id = SLICE_NONE;
    slice_cut(&left, '/', &kind);
    slice_cut(&left, '/', &id);
    return orgpolicy_check_flag(call, "iam.disableCrossProjectServiceAccountUsage",
                                arena_printf(&call->arena, "projects/%.*s", SLICE_ARG(id)), err);
}

static bool may_act_as(struct api_call *call, const struct run_service *service,
                       const json_t *template, struct error *err)
{
    const char *email = runtime_account(call, &service->view, template);
    const char *key = account_key_of(call->control, &call->arena, slice_of(email));
    if (key == NULL) {
        key = arena_printf(&call->arena, "projects/%s/serviceAccounts/%s", service->view.project,
                           email);
    }
    /* Absent or forbidden is one answer, in Cloud Run's words, for owners too. */
    if (api_allowed(call, "iam.serviceAccounts.actAs", key, err) &&
        store_load(call->control->store, STORE_ACCOUNT, key, NULL, err, "%s", key)) {
        return may_leave_its_project(call, service, key, err);
    }
    if (err->status != STATUS_PERMISSION_DENIED && err->status != STATUS_NOT_FOUND) {
        return false;
    }
    call->denied_permission = "iam.serviceAccounts.actAs";
    call->denied_resource = key;
    return error_set(err, STATUS_PERMISSION_DENIED,
                     "Permission 'iam.serviceaccounts.actAs' denied on service account %s (or it "
                     "may not exist).",
                     email);
}

/* Whether the policy lets everybody invoke, once nothing else stands before the service. Under a
 * condition too: and where the policy cannot be read. */
static bool lets_everybody_in(struct api_call *call, const char *key)
{
    struct policy_doc policy;
    struct store *store = call->control->store;
    if (!policy_doc_load(store, &call->arena, key, &policy, NULL)) {
        return true;
    }
    json_decref(policy.body);
    for (size_t i = 0; i < policy.count; i++) {
        for (size_t k = 0; k < policy.bindings[i].member_count; k++) {
            if (slice_is(policy.bindings[i].members[k], "allUsers") &&
                role_gives(store, policy.bindings[i].role, SLICE("run.routes.invoke"))) {
                return true;
            }
        }
    }
    return false;
}

/*
 * Turning the Invoker IAM check either way, or setting until when it is off, decides who may call:
 * it takes the permission to set the policy as well. So does turning IAP off where nothing is
 * behind it, which makes the service public.
 */
static bool may_toggle(struct api_call *call, const struct run_service *service,
                       const json_t *wished, struct error *err)
{
    bool opens = service_door_on(service->body) && !service_door_on(wished) &&
                 (service_check_off(wished) || lets_everybody_in(call, service->key));
    if (!opens && service_check_off(service->body) == service_check_off(wished) &&
        service_check_off_until(service->body) == service_check_off_until(wished)) {
        return true;
    }
    return api_allowed(call, "run.services.setIamPolicy", service->key, err);
}

/* Browsers keep the cookies of a sign-in from hosts without TLS, but for those of this machine. */
static bool door_can_be(struct api_call *call, const struct run_service *service,
                        const struct run_wish *wish, struct error *err)
{
    const struct settings *settings = &call->control->settings;
    struct slice domain = slice_of(settings->domain);
    bool local = slice_is(domain, "localhost") || slice_ends(domain, SLICE(".localhost"));
    if (!settings->plain || local || !service_door_on(wish->doc) ||
        service_door_on(service->body)) {
        return true;
    }
    return error_field(
        err, wish->v1_words ? "metadata.annotations[run.googleapis.com/iap-enabled]" : "iapEnabled",
        "Identity-Aware Proxy needs HTTPS: services are served over plain HTTP "
        "here (--plain), where browsers keep no cookie of a sign-in for names "
        "below %s. Start Homerun without --plain.",
        settings->domain);
}

static bool version_matches(const struct run_service *service, const char *version,
                            struct error *err)
{
    auto_arena arena = {0};
    int64_t asked = -1;
    if (version[0] == '\0') {
        return true;
    }
    if (service->body != NULL && version_read(slice_of(version), &asked) &&
        asked == service->view.version) {
        return true;
    }
    struct slice current =
        service->body == NULL ? SLICE("0") : version_text(&arena, service->view.version);
    return error_set(err, STATUS_ABORTED,
                     "Conflict for resource '%s': version '%.64s' was specified but current "
                     "version is '%.*s'.",
                     service->view.name, version, SLICE_ARG(current));
}

/* ---- the next document ---- */

static json_t *text_value(const char *text)
{
    return json_slice(slice_of(text));
}

static const char *caller_name(struct api_call *call)
{
    const struct caller *caller = &call->caller;
    return arena_string(&call->arena, caller->email.len > 0 ? caller->email : caller->member);
}

static json_t *next_document(struct api_call *call, const struct run_service *service,
                             const json_t *wished, const char *now)
{
    json_t *next = json_deep_copy(wished);
    const json_t *old = service->body;
    const char *who = caller_name(call);
    json_object_set_new(next, "traffic", traffic_or_default(json_object_get(wished, "traffic")));
    json_object_set_new(next, "createTime", text_value(json_text_or(old, "createTime", now)));
    json_object_set_new(next, "updateTime", text_value(now));
    json_object_set_new(next, "creator", text_value(json_text_or(old, "creator", who)));
    json_object_set_new(next, "lastModifier", text_value(who));
    json_object_set_new(next, "generation", json_integer(json_number(old, "generation", 0) + 1));
    json_t *status = json_object_get(old, "status");
    json_object_set_new(next, "status", status == NULL ? json_object() : json_deep_copy(status));
    return next;
}

/* Traffic may name revisions that exist, and the one that is being made. */
static bool traffic_exists(struct api_call *call, const struct run_service *service,
                           const json_t *next, const char *new_revision, bool v1, struct error *err)
{
    const json_t *traffic = json_object_get(next, "traffic");
    for (size_t i = 0; i < json_array_size(traffic); i++) {
        const json_t *entry = json_array_get(traffic, i);
        const char *revision = json_text(entry, "revision");
        const char *tag = json_text_or(entry, "tag", "");
        struct store_doc doc;
        if (!service_tag_fits(&service->view, slice_of(tag))) {
            return error_field(err, v1 ? "spec.traffic" : "traffic",
                               "The tag '%s' leaves no room for the service in a host name of 63 "
                               "characters.",
                               tag);
        }
        if (revision == NULL || strcmp(revision, new_revision) == 0) {
            continue;
        }
        const char *key = arena_printf(&call->arena, "%s/revisions/%s", service->key, revision);
        if (store_get(call->control->store, STORE_REVISION, key, &doc, NULL) != STORE_FOUND) {
            return error_field(err, v1 ? "spec.traffic" : "traffic",
                               "Revision '%s' does not exist or is deleted", revision);
        }
        json_decref(doc.body);
    }
    return true;
}

/* ---- old revisions ---- */

struct oldest {
    const json_t *service;
    json_t *found; /* {"key", "time", "id"} */
    size_t count;
};

static bool oldest_consider(const struct store_doc *doc, void *ctx)
{
    struct oldest *oldest = ctx;
    const char *name = strrchr(doc->key, '/') + 1;
    const char *time = json_text_or(doc->body, "createTime", "");
    oldest->count++;
    if (service_reaches(oldest->service, name) ||
        strcmp(name, json_text_or(oldest->service, "status.latestReadyRevision", "")) == 0 ||
        strcmp(name, json_text_or(oldest->service, "status.latestCreatedRevision", "")) == 0) {
        return true;
    }
    if (oldest->found == NULL || strcmp(time, json_text_or(oldest->found, "time", "")) < 0) {
        json_decref(oldest->found);
        oldest->found =
            json_pack("{ss ss sI}", "key", doc->key, "time", time, "id", (json_int_t)doc->id);
    }
    return true;
}

/* Over a thousand revisions, the oldest that nothing leads to goes. *gone_id is 0 if none has to.
 */
static bool revisions_trim(struct change *change, struct control *control, const char *key,
                           const json_t *next, uint64_t *gone_id, struct error *err)
{
    auto_arena arena = {0};
    struct oldest oldest = {.service = next};
    *gone_id = 0;
    if (json_number(next, "status.revisionCounter", 0) <= REVISIONS_MAX) {
        return true;
    }
    const char *prefix = arena_printf(&arena, "%s/revisions/", key);
    bool good = store_each(control->store, STORE_REVISION, prefix, oldest_consider, &oldest, err);
    auto_json *found = oldest.found;
    if (!good || found == NULL || oldest.count <= REVISIONS_MAX) {
        return good;
    }
    const char *gone = json_text(found, "key");
    *gone_id = (uint64_t)json_number(found, "id", 0);
    return store_delete(control->store, STORE_REVISION, gone, err) &&
           change_revision(change, gone, err);
}

/* ---- the change ---- */

struct plan {
    struct run_service *service;
    json_t *next;
    struct run_revision revision; /* body NULL if none is made */
    uint64_t revision_id, gone_id;
    const char *now;
};

static const char *deed_of(const struct plan *plan)
{
    bool before = service_check_off(plan->service->body);
    bool after = service_check_off(plan->next);
    if (before != after) {
        return after ? "invoker-check-off" : "invoker-check-on";
    }
    if (after &&
        service_check_off_until(plan->service->body) != service_check_off_until(plan->next)) {
        return "invoker-check-off-until";
    }
    if (service_door_on(plan->service->body) != service_door_on(plan->next)) {
        return service_door_on(plan->next) ? "iap-on" : "iap-off";
    }
    return plan->service->body == NULL ? "create" : "update";
}

static bool plan_put_revision(struct api_call *call, struct plan *plan, struct error *err)
{
    return plan->revision.body == NULL ||
           store_put(call->control->store, STORE_REVISION, plan->revision.key, plan->revision.body,
                     &plan->revision_id, NULL, err);
}

static bool plan_publish(struct change *change, struct plan *plan, struct error *err)
{
    return change_service(change, plan->service->key, err) &&
           (plan->revision.body == NULL || change_revision(change, plan->revision.key, err));
}

/* The operation that the change is the work of. A change that is only tried has none. */
static bool plan_operation(struct api_call *call, struct plan *plan, struct error *err)
{
    const struct service_view *view = &plan->service->view;
    const char *operation = operation_new(call->control, &call->arena, view->project, view->region,
                                          plan->service->key, deed_of(plan), err);
    if (operation == NULL) {
        return false;
    }
    json_put(plan->next, "status.operation", text_value(operation));
    return true;
}

/*
 * Makes the change, or only TRIES it: then it is made up to the commit, so that whatever refuses it
 * refuses the trial too, and is given up.
 */
static bool plan_commit(struct api_call *call, struct plan *plan, bool tries, struct error *err)
{
    struct control *control = call->control;
    struct run_service *service = plan->service;
    uint64_t id = service->id;
    bool pending = strcmp(json_text_or(plan->next, "status.ready", ""), "CONDITION_PENDING") == 0;
    auto_change *change = api_change(call, err);
    auto_json *before = service_access_facts(service->body);
    auto_json *after = service_access_facts(plan->next);
    if (change == NULL || (!tries && !plan_operation(call, plan, err)) ||
        !plan_put_revision(call, plan, err) ||
        !store_put(control->store, STORE_SERVICE, service->key, plan->next, &id, NULL, err) ||
        (call->new_tags != NULL &&
         !new_tags_put(change, call, service->key, id, call->new_tags, err)) ||
        (!pending && !tries && !run_service_finish(control, service->key, err)) ||
        !revisions_trim(change, control, service->key, plan->next, &plan->gone_id, err) ||
        !plan_publish(change, plan, err) ||
        !change_audit(change, service->key, deed_of(plan), before, after, err)) {
        return false;
    }
    if (tries) {
        return true;
    }
    service->id = id;
    return change_commit(&change, err);
}

static void plan_tell(struct control *control, const struct plan *plan)
{
    struct msg_revision gone = {.revision_id = plan->gone_id};
    const char *state = json_text_or(plan->revision.body, "status.ready", "");
    if (strcmp(state, "CONDITION_PENDING") == 0) {
        revision_check_begin(control, plan->revision_id, plan->revision.key);
        revision_checks_ask(control);
    }
    if (plan->gone_id != 0 && control->engine != NULL) {
        ipc_send(control->engine, MSG_REVISION_GONE, &gone, sizeof(gone));
    }
    operation_wake(control, plan->service->key);
}

/* status as of now: waits for the new revision, or is what the newest revision is. */
static void plan_settle(struct api_call *call, struct plan *plan)
{
    struct run_ready ready = {.control = call->control, .service_key = plan->service->key};
    const json_t *revision = plan->revision.body;
    const json_t *old = plan->next; /* its status is still that of before */
    const json_t *source = revision != NULL ? revision : old;
    const char *condition = json_text_or(source, "status.ready", "CONDITION_SUCCEEDED");
    const char *reason = json_text_or(source, "status.reason", "");
    if (revision != NULL) {
        json_put(plan->next, "status.latestCreatedRevision", text_value(plan->revision.name));
        if (strcmp(condition, "CONDITION_SUCCEEDED") == 0) { /* nobody is asked to check it */
            json_put(plan->next, "status.latestReadyRevision", text_value(plan->revision.name));
            ready.also = plan->revision.name;
            reason = "";
        }
        json_put(plan->next, "status.revisionCounter",
                 json_integer(json_number(plan->next, "status.revisionCounter", 0) + 1));
    } else if (strcmp(reason, "RevisionMissing") == 0) {
        condition = "CONDITION_SUCCEEDED"; /* only traffic was at fault: look at it anew */
        reason = "";
    }
    const char *message = reason[0] == '\0' ? "" : json_text_or(source, "status.message", "");
    service_settle(plan->next, run_is_ready, &ready,
                   arena_string(&call->arena, slice_of(condition)),
                   arena_string(&call->arena, slice_of(reason)),
                   arena_string(&call->arena, slice_of(message)), plan->now);
}

static bool plan_make(struct api_call *call, const struct run_wish *wish, struct plan *plan,
                      struct error *err)
{
    struct run_service *service = plan->service;
    const json_t *template = json_object_get(wish->doc, "template");
    bool revised = service->body == NULL || wish->new_revision ||
                   template_differs(json_object_get(service->body, "template"), template);
    if ((revised && (!may_act_as(call, service, template, err) ||
                     !images_allow(call->control, &call->arena, template, wish->v1_words, err) ||
                     !volumes_allow(call->control, &call->arena, service->view.project, template,
                                    wish->v1_words, err))) ||
        !version_matches(service, wish->version, err) ||
        !orgpolicy_check_service(call, service->key, wish->method, wish->doc, err)) {
        return false;
    }
    plan->next = next_document(call, service, wish->doc, plan->now);
    const char *uid = json_text(service->body, "uid");
    json_object_set_new(plan->next, "uid", text_value(uid != NULL ? uid : uuid_new(&call->arena)));
    struct service_view view = service->view;
    view.doc = plan->next;
    if (revised && !run_revision_new(call, &view, service->key, plan->now, &plan->revision, err)) {
        return false;
    }
    if (!traffic_exists(call, service, plan->next, plan->revision.name, wish->v1_words, err)) {
        return false;
    }
    plan_settle(call, plan);
    return true;
}

bool run_service_apply(struct api_call *call, struct run_service *service,
                       const struct run_wish *wish, struct error *err)
{
    struct plan plan = {
        .service = service,
        .now = arena_string(&call->arena, time_text(&call->arena, clock_wall_us())),
    };
    if (!may_toggle(call, service, wish->doc, err) || !door_can_be(call, service, wish, err) ||
        (service->body == NULL && !service_name_valid(slice_of(service->view.name), err)) ||
        !service_validate(service->view.name, wish->doc, wish->v1_words, err)) {
        return false;
    }
    if (service->body != NULL && !wish->new_revision &&
        service_asks_same(service->body, wish->doc)) {
        return version_matches(service, wish->version, err) &&
               orgpolicy_check_service(call, service->key, wish->method, wish->doc, err);
    }
    bool good = plan_make(call, wish, &plan, err) && plan_commit(call, &plan, wish->dry_run, err);
    if (good) {
        json_decref(service->body);
        service->body = json_incref(plan.next);
        service->view.doc = service->body;
        service->view.version = service_version(service->body);
        if (!wish->dry_run) {
            plan_tell(call->control, &plan);
        }
    }
    json_decref(plan.next);
    json_decref(plan.revision.body);
    return good;
}

/* ---- how it went ---- */

static json_t *record(struct control *control, const char *kind, const char *key)
{
    struct store_doc doc;
    return store_get(control->store, kind, key, &doc, NULL) == STORE_FOUND ? doc.body : NULL;
}

/* A service whose newest revision failed earlier does not fail a later change that makes no
 * revision. */
json_t *run_service_failure(struct control *control, const char *service_key)
{
    auto_arena arena = {0};
    auto_json *service = record(control, STORE_SERVICE, service_key);
    if (strcmp(json_text_or(service, "status.ready", ""), "CONDITION_FAILED") != 0) {
        return NULL;
    }
    const char *key = arena_printf(&arena, "%s/revisions/%s", service_key,
                                   json_text_or(service, "status.latestCreatedRevision", ""));
    auto_json *revision = record(control, STORE_REVISION, key);
    bool new = json_number(revision, "generation", 0) == json_number(service, "generation", -1);
    if (!new &&strcmp(json_text_or(service, "status.reason", ""), "RevisionMissing") != 0) {
        return NULL;
    }
    return json_pack("{siss}", "code", STATUS_FAILED_PRECONDITION, "message",
                     json_text_or(service, "status.message", ""));
}

bool run_service_finish(struct control *control, const char *service_key, struct error *err)
{
    auto_json *failure = run_service_failure(control, service_key);
    return operation_finish(control, service_key, failure, err);
}

/* ---- deleting ---- */

struct collecting {
    json_t *revisions; /* [{"key", "id"}] */
};

static bool revision_collect(const struct store_doc *doc, void *ctx)
{
    struct collecting *collecting = ctx;
    json_array_append_new(collecting->revisions,
                          json_pack("{ss sI}", "key", doc->key, "id", (json_int_t)doc->id));
    return true;
}

static bool delete_all(struct api_call *call, struct change *change, const char *key,
                       const json_t *revisions, struct error *err)
{
    struct store *store = call->control->store;
    const char *door = door_of_service(&call->arena, key);
    if (!store_delete(store, STORE_SERVICE, key, err) ||
        !store_delete(store, STORE_POLICY, key, err) ||
        !store_delete(store, STORE_POLICY, door, err) ||
        !store_delete(store, STORE_DOOR, door, err)) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(revisions); i++) {
        const char *revision = json_text(json_array_get(revisions, i), "key");
        if (!store_delete(store, STORE_REVISION, revision, err) ||
            !change_revision(change, revision, err)) {
            return false;
        }
    }
    return change_service(change, key, err) && change_policy(change, key, err) &&
           change_policy(change, door, err) && run_service_finish(call->control, key, err);
}

static void tell_gone(struct control *control, const json_t *revisions)
{
    for (size_t i = 0; i < json_array_size(revisions); i++) {
        struct msg_revision gone = {
            .revision_id = (uint64_t)json_number(json_array_get(revisions, i), "id", 0),
        };
        revision_check_end(control, gone.revision_id);
        if (control->engine != NULL) {
            ipc_send(control->engine, MSG_REVISION_GONE, &gone, sizeof(gone));
        }
    }
}

bool run_service_delete(struct api_call *call, struct run_service *service, const char *version,
                        bool dry_run, struct error *err)
{
    auto_json *revisions = json_array();
    struct collecting collecting = {revisions};
    const char *prefix = arena_printf(&call->arena, "%s/revisions/", service->key);
    if (service->body == NULL) {
        return run_service_missing(service, err);
    }
    if (!version_matches(service, version, err)) {
        return false;
    }
    if (dry_run) {
        return true;
    }
    auto_change *change = api_change(call, err);
    auto_json *before = service_access_facts(service->body);
    if (change == NULL ||
        !store_each(call->control->store, STORE_REVISION, prefix, revision_collect, &collecting,
                    err) ||
        !delete_all(call, change, service->key, revisions, err) ||
        !change_audit(change, service->key, "delete", before, NULL, err) ||
        !change_commit(&change, err)) {
        return false;
    }
    tell_gone(call->control, revisions);
    operation_wake(call->control, service->key);
    return true;
}

bool run_revision_delete(struct api_call *call, const struct run_service *service,
                         const char *revision, bool dry_run, struct error *err)
{
    const char *key = arena_printf(&call->arena, "%s/revisions/%s", service->key, revision);
    const json_t *wish = json_object_get(service->body, "traffic");
    bool wanted = service_reaches(service->body, revision);
    struct store_doc doc;
    for (size_t i = 0; i < json_array_size(wish); i++) {
        const char *named = json_text_or(json_array_get(wish, i), "revision", "");
        wanted = wanted || strcmp(named, revision) == 0;
    }
    if (wanted ||
        strcmp(json_text_or(service->body, "status.latestCreatedRevision", ""), revision) == 0) {
        return error_set(err, STATUS_FAILED_PRECONDITION,
                         "Revision '%s' cannot be deleted: traffic or a tag leads to it, or it is "
                         "the latest one.",
                         revision);
    }
    if (store_get(call->control->store, STORE_REVISION, key, &doc, err) != STORE_FOUND) {
        return error_set(err, STATUS_NOT_FOUND, "Revision '%s' does not exist.", revision);
    }
    json_decref(doc.body);
    if (dry_run) {
        return true;
    }
    auto_change *change = api_change(call, err);
    if (change == NULL || !store_delete(call->control->store, STORE_REVISION, key, err) ||
        !change_revision(change, key, err) ||
        !change_audit(change, key, "delete", NULL, NULL, err) || !change_commit(&change, err)) {
        return false;
    }
    auto_json *gone = json_pack("[{sI}]", "id", (json_int_t)doc.id);
    tell_gone(call->control, gone);
    return true;
}
