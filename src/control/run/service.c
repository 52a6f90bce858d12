/*
 * A change of a service, from wish to record. The order is that of the promises: may the caller,
 * does it make sense, does the organization allow it; then one change with everything in it, which
 * is published before the call is answered.
 */
#include "control/run/service.h"

#include <stdlib.h>

#include "base/clock.h"
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
#include "control/record/roles.h"
#include "control/record/volumes.h"
#include "control/run/checks.h"
#include "model/resource_name.h"
#include "model/service_run.h"

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

/* BODY, taken, is the service from now on. */
static void run_service_is(struct api_call *call, struct run_service *service, json_t *body)
{
    json_decref(service->body);
    service->body = body;
    service->stored = service_from_doc(&call->arena, body);
    service->view.doc = body;
    service->view.version = service_version(body);
}

bool run_service_load(struct api_call *call, const char *project, const char *region,
                      const char *name, struct run_service *out, struct error *err)
{
    struct store_doc doc;
    *out = (struct run_service){
        .key = service_key(&call->arena, project, region, name),
        .stored = service_from_doc(&call->arena, NULL),
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
        run_service_is(call, out, doc.body);
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
    service->stored = NULL;
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
    const char *key = service_key(&call->arena, project, region, name);
    return store_get(call->control->store, STORE_SERVICE, key, NULL, NULL) == STORE_FOUND;
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
                                   const struct template *template)
{
    return template->service_account[0] != '\0'
               ? template->service_account
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
                       const struct template *template, struct error *err)
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
    auto_policy policy = {0};
    struct store *store = call->control->store;
    if (!policy_doc_load(store, &call->arena, key, &policy, NULL)) {
        return true;
    }
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
                       const struct service *wished, struct error *err)
{
    const struct service *old = service->stored;
    bool opens = old->iap_enabled && !wished->iap_enabled &&
                 (wished->invoker_iam_disabled || lets_everybody_in(call, service->key));
    if (!opens && old->invoker_iam_disabled == wished->invoker_iam_disabled &&
        service_check_off_until(old) == service_check_off_until(wished)) {
        return true;
    }
    return api_allowed(call, "run.services.setIamPolicy", service->key, err);
}

/* Browsers keep the cookies of a sign-in from hosts without TLS, but for those of this machine. */
static bool door_can_be(struct api_call *call, const struct run_service *service,
                        const struct service *wished, bool v1_words, struct error *err)
{
    const struct settings *settings = &call->control->settings;
    struct slice domain = slice_of(settings->domain);
    bool local = slice_is(domain, "localhost") || slice_ends(domain, SLICE(".localhost"));
    if (!settings->plain || local || !wished->iap_enabled || service->stored->iap_enabled) {
        return true;
    }
    return error_field(
        err, v1_words ? "metadata.annotations[run.googleapis.com/iap-enabled]" : "iapEnabled",
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

static const char *caller_name(struct api_call *call)
{
    const struct caller *caller = &call->caller;
    return arena_string(&call->arena, caller->email.len > 0 ? caller->email : caller->member);
}

/* WISHED as it is recorded: what the server writes is of the service that it takes the place of. */
static struct service *next_service(struct api_call *call, const struct run_service *service,
                                    const json_t *wished, const char *now)
{
    const struct service *old = service->stored;
    struct service *next = service_from_doc(&call->arena, wished);
    const char *who = caller_name(call);
    next->uid = old->uid[0] != '\0' ? old->uid : uuid_new(&call->arena);
    next->create_time = old->create_time[0] != '\0' ? old->create_time : now;
    next->update_time = now;
    next->creator = old->creator[0] != '\0' ? old->creator : who;
    next->last_modifier = who;
    next->generation = old->generation + 1;
    next->status = old->status;
    traffic_fill(&call->arena, next);
    return next;
}

/* Traffic may name revisions that exist, and the one that is being made. */
static bool traffic_exists(struct api_call *call, const struct run_service *service,
                           const struct service *next, const char *new_revision, bool v1,
                           struct error *err)
{
    for (size_t i = 0; i < next->traffic_count; i++) {
        const struct traffic_target *target = &next->traffic[i];
        if (!service_tag_fits(&service->view, slice_of(target->tag))) {
            return error_field(err, v1 ? "spec.traffic" : "traffic",
                               "The tag '%s' leaves no room for the service in a host name of 63 "
                               "characters.",
                               target->tag);
        }
        if (target->revision[0] == '\0' || strcmp(target->revision, new_revision) == 0) {
            continue;
        }
        const char *key =
            arena_printf(&call->arena, "%s/revisions/%s", service->key, target->revision);
        if (store_get(call->control->store, STORE_REVISION, key, NULL, NULL) != STORE_FOUND) {
            return error_field(err, v1 ? "spec.traffic" : "traffic",
                               "Revision '%s' does not exist or is deleted", target->revision);
        }
    }
    return true;
}

/* ---- old revisions ---- */

struct oldest {
    struct arena arena;
    const struct service *service;
    const char *key, *time; /* of the oldest one that nothing leads to; NULL: there is none */
    uint64_t id;
    size_t count;
};

static bool oldest_consider(const struct store_doc *doc, void *ctx)
{
    struct oldest *oldest = ctx;
    auto_arena arena = {0};
    const struct service_status *status = &oldest->service->status;
    const char *name = strrchr(doc->key, '/') + 1;
    const char *time = revision_from_doc(&arena, doc->body)->create_time;
    oldest->count++;
    if (!service_reaches(oldest->service, name) && strcmp(name, status->latest_ready) != 0 &&
        strcmp(name, status->latest_created) != 0 &&
        (oldest->key == NULL || strcmp(time, oldest->time) < 0)) {
        oldest->key = arena_string(&oldest->arena, slice_of(doc->key));
        oldest->time = arena_string(&oldest->arena, slice_of(time));
        oldest->id = doc->id;
    }
    return true;
}

/* Over a thousand revisions, the oldest that nothing leads to goes. *gone_id is 0 if none has to.
 */
static bool revisions_trim(struct api_call *call, struct change *change, const char *key,
                           const struct service *next, uint64_t *gone_id, struct error *err)
{
    struct store *store = call->control->store;
    struct oldest oldest = {.service = next};
    *gone_id = 0;
    if (next->status.revision_counter <= REVISIONS_MAX) {
        return true;
    }
    const char *prefix = arena_printf(&call->arena, "%s/revisions/", key);
    bool good = store_each(store, STORE_REVISION, prefix, oldest_consider, &oldest, err);
    if (good && oldest.key != NULL && oldest.count > REVISIONS_MAX) {
        *gone_id = oldest.id;
        good = store_delete(store, STORE_REVISION, oldest.key, err) &&
               change_revision(change, oldest.key, err);
    }
    arena_done(&oldest.arena);
    return good;
}

/* ---- the change ---- */

struct plan {
    struct run_service *service;
    struct service *next;
    struct run_revision revision;
    uint64_t revision_id, gone_id;
    const char *now;
};

static const char *deed_of(const struct plan *plan)
{
    const struct service *old = plan->service->stored, *next = plan->next;
    if (old->invoker_iam_disabled != next->invoker_iam_disabled) {
        return next->invoker_iam_disabled ? "invoker-check-off" : "invoker-check-on";
    }
    if (service_check_off_until(old) != service_check_off_until(next)) {
        return "invoker-check-off-until";
    }
    if (old->iap_enabled != next->iap_enabled) {
        return next->iap_enabled ? "iap-on" : "iap-off";
    }
    return plan->service->body == NULL ? "create" : "update";
}

static bool plan_put_revision(struct api_call *call, struct plan *plan, struct error *err)
{
    if (plan->revision.made == NULL) {
        return true;
    }
    auto_json *body = revision_to_doc(plan->revision.made);
    return store_put(call->control->store, STORE_REVISION, plan->revision.key, body,
                     &plan->revision_id, NULL, err);
}

static bool plan_publish(struct change *change, struct plan *plan, struct error *err)
{
    return change_service(change, plan->service->key, err) &&
           (plan->revision.made == NULL || change_revision(change, plan->revision.key, err));
}

/* The operation that the change is the work of. A change that is only tried has none. */
static bool plan_operation(struct api_call *call, struct plan *plan, struct error *err)
{
    const struct service_view *view = &plan->service->view;
    const char *operation = operation_new(call->control, &call->arena, view->project, view->region,
                                          plan->service->key, deed_of(plan), err);
    plan->next->status.operation = operation;
    return operation != NULL;
}

/*
 * Makes the change, or only TRIES it: then it is made up to the commit, so that whatever refuses it
 * refuses the trial too, and is given up. *body is the service as it is recorded.
 */
static bool plan_commit(struct api_call *call, struct plan *plan, bool tries, json_t **body,
                        struct error *err)
{
    struct control *control = call->control;
    struct run_service *service = plan->service;
    uint64_t id = service->id;
    bool pending = plan->next->status.ready.state == CONDITION_PENDING;
    auto_change *change = api_change(call, err);
    auto_json *before = service_access_facts(service->stored);
    auto_json *after = service_access_facts(plan->next);
    if (change == NULL || (!tries && !plan_operation(call, plan, err))) {
        return false;
    }
    auto_json *next = service_to_doc(plan->next);
    if (!plan_put_revision(call, plan, err) ||
        !store_put(control->store, STORE_SERVICE, service->key, next, &id, NULL, err) ||
        (call->new_tags != NULL &&
         !new_tags_put(change, call, service->key, id, call->new_tags, err)) ||
        (!pending && !tries && !run_service_finish(control, service->key, err)) ||
        !revisions_trim(call, change, service->key, plan->next, &plan->gone_id, err) ||
        !plan_publish(change, plan, err) ||
        !change_audit(change, service->key, deed_of(plan), before, after, err)) {
        return false;
    }
    *body = json_incref(next);
    if (tries) {
        return true;
    }
    service->id = id;
    return change_commit(&change, err);
}

static void plan_tell(struct control *control, const struct plan *plan)
{
    struct msg_revision gone = {.revision_id = plan->gone_id};
    const struct revision *made = plan->revision.made;
    if (made != NULL && made->status.ready.state == CONDITION_PENDING) {
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
    struct service_status *status = &plan->next->status;
    const struct revision *made = plan->revision.made;
    struct readiness is = made != NULL ? made->status.ready : status->ready;
    is.state = is.state == CONDITION_NONE ? CONDITION_SUCCEEDED : is.state;
    if (made != NULL) {
        status->latest_created = plan->revision.name;
        status->revision_counter++;
        if (is.state == CONDITION_SUCCEEDED) { /* nobody is asked to check it */
            status->latest_ready = plan->revision.name;
            ready.also = plan->revision.name;
            is.reason = "";
        }
    } else if (strcmp(is.reason, "RevisionMissing") == 0) {
        is.state = CONDITION_SUCCEEDED; /* only traffic was at fault: look at it anew */
        is.reason = "";
    }
    is.message = is.reason[0] == '\0' ? "" : is.message;
    is.time = plan->now;
    service_settle(&call->arena, plan->next, run_is_ready, &ready, &is);
}

static bool plan_make(struct api_call *call, const struct run_wish *wish, struct plan *plan,
                      struct error *err)
{
    struct run_service *service = plan->service;
    plan->next = next_service(call, service, wish->doc, plan->now);
    const struct template *template = &plan->next->template;
    bool revised = service->body == NULL || wish->new_revision ||
                   template_differs(service->stored->template.source, template->source);
    if ((revised && (!may_act_as(call, service, template, err) ||
                     !images_allow(call->control, &call->arena, template, wish->v1_words, err) ||
                     !volumes_allow(call->control, &call->arena, service->view.project, template,
                                    wish->v1_words, err))) ||
        !version_matches(service, wish->version, err) ||
        !orgpolicy_check_service(call, service->key, wish->method, wish->doc, err)) {
        return false;
    }
    if (revised && !run_revision_new(call, service, plan->next, plan->now, &plan->revision, err)) {
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
    const struct service *wished = service_from_doc(&call->arena, wish->doc);
    if (!may_toggle(call, service, wished, err) ||
        !door_can_be(call, service, wished, wish->v1_words, err) ||
        (service->body == NULL && !service_name_valid(slice_of(service->view.name), err)) ||
        !service_validate(service->view.name, wish->doc, wish->v1_words, err) ||
        !service_labels_valid(service->body, wish->doc, wish->v1_words, err)) {
        return false;
    }
    if (service->body != NULL && !wish->new_revision &&
        service_asks_same(service->body, wish->doc)) {
        return version_matches(service, wish->version, err) &&
               orgpolicy_check_service(call, service->key, wish->method, wish->doc, err);
    }
    auto_json *body = NULL;
    bool good =
        plan_make(call, wish, &plan, err) && plan_commit(call, &plan, wish->dry_run, &body, err);
    if (good) {
        if (!wish->dry_run) {
            plan_tell(call->control, &plan);
        }
        run_service_is(call, service, json_steal(&body));
    }
    json_decref(plan.revision.template);
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
static json_t *run_service_failure(struct control *control, const char *service_key)
{
    auto_arena arena = {0};
    auto_json *body = record(control, STORE_SERVICE, service_key);
    const struct service *service = service_from_doc(&arena, body);
    const struct readiness *ready = &service->status.ready;
    if (ready->state != CONDITION_FAILED) {
        return NULL;
    }
    auto_json *newest = record(
        control, STORE_REVISION,
        arena_printf(&arena, "%s/revisions/%s", service_key, service->status.latest_created));
    bool new = revision_from_doc(&arena, newest)->generation == service->generation;
    if (!new &&strcmp(ready->reason, "RevisionMissing") != 0) {
        return NULL;
    }
    return json_pack("{siss}", "code", STATUS_FAILED_PRECONDITION, "message", ready->message);
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

static bool leave_trace(struct api_call *call, const struct run_service *service,
                        struct run_trace *trace, struct error *err)
{
    const struct service_view *view = &service->view;
    if (trace != NULL) {
        trace->operation =
            operation_new_done(call->control, &call->arena, view->project, view->region,
                               service->key, trace->kind, trace->type, trace->response, err);
    }
    return trace == NULL || trace->operation != NULL;
}

bool run_service_delete(struct api_call *call, struct run_service *service, const char *version,
                        bool dry_run, struct run_trace *trace, struct error *err)
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
    auto_json *before = service_access_facts(service->stored);
    if (change == NULL ||
        !store_each(call->control->store, STORE_REVISION, prefix, revision_collect, &collecting,
                    err) ||
        !delete_all(call, change, service->key, revisions, err) ||
        !change_audit(change, service->key, "delete", before, NULL, err) ||
        !leave_trace(call, service, trace, err) || !change_commit(&change, err)) {
        return false;
    }
    tell_gone(call->control, revisions);
    operation_wake(call->control, service->key);
    return true;
}

bool run_revision_delete(struct api_call *call, const struct run_service *service,
                         const char *revision, bool dry_run, struct run_trace *trace,
                         struct error *err)
{
    const char *key = arena_printf(&call->arena, "%s/revisions/%s", service->key, revision);
    const struct service *is = service->stored;
    bool wanted = service_reaches(is, revision);
    auto_doc doc = {0};
    for (size_t i = 0; i < is->traffic_count; i++) {
        wanted = wanted || strcmp(is->traffic[i].revision, revision) == 0;
    }
    if (wanted || strcmp(is->status.latest_created, revision) == 0) {
        return error_set(err, STATUS_FAILED_PRECONDITION,
                         "Revision '%s' cannot be deleted: traffic or a tag leads to it, or it is "
                         "the latest one.",
                         revision);
    }
    if (store_get(call->control->store, STORE_REVISION, key, &doc, err) != STORE_FOUND) {
        return error_set(err, STATUS_NOT_FOUND, "Revision '%s' does not exist.", revision);
    }
    if (dry_run) {
        return true;
    }
    auto_change *change = api_change(call, err);
    if (change == NULL || !store_delete(call->control->store, STORE_REVISION, key, err) ||
        !change_revision(change, key, err) ||
        !change_audit(change, key, "delete", NULL, NULL, err) ||
        !leave_trace(call, service, trace, err) || !change_commit(&change, err)) {
        return false;
    }
    auto_json *gone = json_pack("[{sI}]", "id", (json_int_t)doc.id);
    tell_gone(call->control, gone);
    return true;
}
