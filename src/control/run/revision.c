/*
 * The life of a revision up to the moment when it is ready or has failed: what it is made of, what
 * the engine finds out about it, and what that means for its service.
 */
#include "control/run/service.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/uuid.h"
#include "control/operations/operations.h"
#include "control/record/images.h"
#include "control/run/checks.h"
#include "control/run/secrets.h"
#include "model/service_run.h"

bool run_is_ready(const char *revision, void *ctx)
{
    const struct run_ready *ready = ctx;
    auto_arena arena = {0};
    auto_doc doc = {0};
    const char *key = arena_printf(&arena, "%s/revisions/%s", ready->service_key, revision);
    if (ready->also != NULL && strcmp(ready->also, revision) == 0) {
        return true;
    }
    if (store_get(ready->control->store, STORE_REVISION, key, &doc, NULL) != STORE_FOUND) {
        return false;
    }
    return revision_from_doc(&arena, doc.body)->status.ready.state == CONDITION_SUCCEEDED;
}

/* ---- making one ---- */

static bool revision_exists(struct api_call *call, const char *key)
{
    return store_get(call->control->store, STORE_REVISION, key, NULL, NULL) == STORE_FOUND;
}

/* The name asked for, or SERVICE-NNNNN-xyz. */
static bool revision_name(struct api_call *call, const struct run_service *of,
                          const struct service *next, struct run_revision *out, struct error *err)
{
    const char *asked = next->template.revision;
    unsigned number = (unsigned)((next->status.revision_counter + 1) % 100000);
    char tail[4];
    if (asked[0] != '\0') {
        snprintf(out->name, sizeof(out->name), "%s", asked);
        out->key = arena_printf(&call->arena, "%s/revisions/%s", of->key, out->name);
        return !revision_exists(call, out->key) ||
               error_set(err, STATUS_ALREADY_EXISTS,
                         "Revision named '%s' with different configuration already exists.", asked);
    }
    do {
        random_text(tail, 3, "bcdfghjklmnpqrstvwxz");
        snprintf(out->name, sizeof(out->name), "%.49s-%05u-%s", of->view.name, number, tail);
        out->key = arena_printf(&call->arena, "%s/revisions/%s", of->key, out->name);
    } while (revision_exists(call, out->key));
    return true;
}

/* Engines that pull images themselves say so when they cannot. */
static bool engine_pulls(const struct control *control)
{
    return strcmp(control->settings.engine, "oci") == 0 ||
           strcmp(control->settings.engine, "kubernetes") == 0;
}

static const char *not_ready_message(struct arena *arena, const char *revision, const char *why)
{
    return arena_printf(arena, "Revision '%s' is not ready and cannot serve traffic. %s", revision,
                        why);
}

/* There is room for one of each container. */
static void manifest_add(struct revision *revision, const char *reference, const char *manifest)
{
    if (pair_find(revision->manifests, revision->manifests_count, reference) == NULL) {
        revision->manifests[revision->manifests_count++] =
            (struct text_pair){.name = reference, .value = manifest};
    }
}

/* What can be known without an engine. */
static struct readiness revision_judge(struct api_call *call, const char *project, const char *name,
                                       struct revision *revision)
{
    struct arena *arena = &call->arena;
    const struct template *template = &revision->template;
    struct error fault = {0};
    revision->manifests = arena_array(arena, struct text_pair, template->containers_count);
    for (size_t i = 0; i < template->containers_count; i++) {
        const char *reference = template->containers[i].image;
        auto_json *image = NULL;
        if (image_find(call->control, arena, reference, &image, &fault)) {
            if (i == 0) {
                revision->image_digest = image_pinned(arena, reference, image);
            }
            /* A revision runs what its tag meant when it was made, whatever is imported later. */
            const char *manifest = json_text(image, "manifest");
            if (manifest != NULL) {
                manifest_add(revision, reference, arena_string(arena, slice_of(manifest)));
            }
        } else if (!engine_pulls(call->control)) {
            return (struct readiness){CONDITION_FAILED, "ContainerMissing",
                                      not_ready_message(arena, name, fault.text), NULL};
        }
    }
    if (!run_secrets_check(call->control, arena, project, template, &fault)) {
        return (struct readiness){CONDITION_FAILED, "SecretsAccessCheckFailed",
                                  not_ready_message(arena, name, fault.text), NULL};
    }
    return template->health_check_disabled
               ? (struct readiness){CONDITION_SUCCEEDED, "HealthCheckSkipped", "", NULL}
               : (struct readiness){CONDITION_PENDING, "Deploying", "", NULL};
}

/* The template that NEXT has, as a revision has it. The document of its source is the call's. */
static struct template *revision_template(struct api_call *call, const struct run_service *of,
                                          const struct service *next, json_t **doc)
{
    *doc = template_with_defaults(next->template.source);
    struct template *template = template_from_doc(&call->arena, *doc);
    template->revision = "";
    if (template->service_account[0] == '\0') {
        template->service_account = arena_printf(
            &call->arena, "%s-compute@developer.gserviceaccount.com", of->view.project_number);
    }
    return template;
}

bool run_revision_new(struct api_call *call, const struct run_service *of,
                      const struct service *next, const char *now, struct run_revision *out,
                      struct error *err)
{
    if (!revision_name(call, of, next, out, err)) {
        return false;
    }
    struct revision *made = revision_from_doc(&call->arena, NULL);
    made->uid = uuid_new(&call->arena);
    made->create_time = now;
    made->creator = next->last_modifier;
    made->service = of->view.name;
    made->generation = next->generation;
    made->template = *revision_template(call, of, next, &out->template);
    made->status.ready = revision_judge(call, of->view.project, out->name, made);
    made->status.ready.time = now;
    out->made = made;
    return true;
}

/* ---- what the engine found out ---- */

struct finding {
    struct control *control;
    struct arena arena;
    char *service_key, *revision_key;
    const char *name; /* short, of the revision */
    json_t *service_doc, *revision_doc;
    struct service *service;
    struct revision *revision;
    struct readiness is; /* from now on */
};

static void finding_done(struct finding *finding)
{
    json_decref(finding->service_doc);
    json_decref(finding->revision_doc);
    arena_done(&finding->arena);
    *finding = (struct finding){.control = finding->control};
}

static json_t *load(struct control *control, const char *kind, const char *key, struct error *err)
{
    struct store_doc doc;
    return store_get(control->store, kind, key, &doc, err) == STORE_FOUND ? doc.body : NULL;
}

/* False if it is about nothing that is still being made. */
static bool finding_load(struct finding *finding, uint64_t revision_id)
{
    struct control *control = finding->control;
    const char *key = revision_check_find(control, revision_id);
    if (key == NULL) {
        return false;
    }
    finding->revision_key = arena_string(&finding->arena, slice_of(key));
    ptrdiff_t at = slice_find_slice(slice_of(key), SLICE("/revisions/"));
    finding->service_key = arena_string(&finding->arena, slice_upto(slice_of(key), (size_t)at));
    finding->name = finding->revision_key + at + strlen("/revisions/");
    finding->is.time = arena_string(&finding->arena, time_text(&finding->arena, clock_wall_us()));
    finding->revision_doc = load(control, STORE_REVISION, finding->revision_key, NULL);
    finding->service_doc = load(control, STORE_SERVICE, finding->service_key, NULL);
    finding->revision = revision_from_doc(&finding->arena, finding->revision_doc);
    finding->service = service_from_doc(&finding->arena, finding->service_doc);
    return finding->revision_doc != NULL && finding->service_doc != NULL &&
           finding->revision->status.ready.state == CONDITION_PENDING;
}

/* An older revision that becomes ready late does not take the place of a newer one. */
static bool is_newest_ready(const struct finding *finding)
{
    const char *current = finding->service->status.latest_ready;
    if (current[0] == '\0') {
        return true;
    }
    auto_arena arena = {0};
    const char *key = arena_printf(&arena, "%s/revisions/%s", finding->service_key, current);
    auto_json *other = load(finding->control, STORE_REVISION, key, NULL);
    return finding->revision->generation >= revision_from_doc(&arena, other)->generation;
}

/*
 * In a cluster every node serves a revision before anybody hears that it is ready: which requests
 * it gets is a change of its own, which is in force on all nodes when it returns. Others may have
 * changed the service meanwhile.
 */
static bool finding_serve(struct finding *finding, struct error *err)
{
    struct control *control = finding->control;
    struct run_ready ready = {
        .control = control, .service_key = finding->service_key, .also = finding->name};
    struct service_status *status = &finding->service->status;
    struct readiness is = status->ready;
    if (is_newest_ready(finding)) {
        status->latest_ready = finding->name;
    }
    service_settle(&finding->arena, finding->service, run_is_ready, &ready, &is);
    auto_json *doc = service_to_doc(finding->service);
    if (json_equal(doc, finding->service_doc)) {
        return true;
    }
    auto_change *change = change_begin(control, NULL, err);
    return change != NULL &&
           store_put(control->store, STORE_SERVICE, finding->service_key, doc, NULL, NULL, err) &&
           change_revision(change, finding->revision_key, err) &&
           change_service(change, finding->service_key, err) && change_commit(&change, err);
}

static void finding_apply(struct finding *finding)
{
    struct run_ready ready = {.control = finding->control, .service_key = finding->service_key};
    struct service_status *status = &finding->service->status;
    if (finding->is.state == CONDITION_SUCCEEDED && is_newest_ready(finding)) {
        status->latest_ready = finding->name;
    }
    struct readiness is =
        strcmp(status->latest_created, finding->name) == 0 ? finding->is : status->ready;
    is.state = is.state == CONDITION_NONE ? CONDITION_PENDING : is.state;
    is.time = finding->is.time;
    service_settle(&finding->arena, finding->service, run_is_ready, &ready, &is);
}

/* The engine has pulled the image of the container that takes the requests. */
static void put_digest(struct finding *finding, const char *digest)
{
    const struct container *taker = template_taker(&finding->revision->template);
    auto_json *image = json_pack("{ss}", "digest", digest);
    finding->revision->image_digest =
        image_pinned(&finding->arena, taker == NULL ? "" : taker->image, image);
}

static bool put(struct control *control, const char *kind, const char *key, json_t *doc,
                struct error *err)
{
    auto_json *taken = doc;
    return store_put(control->store, kind, key, taken, NULL, NULL, err);
}

static bool finding_record(struct finding *finding, struct error *err)
{
    struct control *control = finding->control;
    auto_change *change = change_begin(control, NULL, err);
    if (change == NULL) {
        return false;
    }
    finding->revision->status.ready = finding->is;
    if (!put(control, STORE_REVISION, finding->revision_key, revision_to_doc(finding->revision),
             err)) {
        return false;
    }
    finding_apply(finding);
    bool resting = finding->service->status.ready.state != CONDITION_PENDING;
    bool ready = finding->is.state == CONDITION_SUCCEEDED;
    return put(control, STORE_SERVICE, finding->service_key, service_to_doc(finding->service),
               err) &&
           (!resting || run_service_finish(control, finding->service_key, err)) &&
           change_revision(change, finding->revision_key, err) &&
           change_service(change, finding->service_key, err) &&
           change_audit(change, finding->revision_key, ready ? "revision-ready" : "revision-failed",
                        NULL, NULL, err) &&
           change_commit(&change, err);
}

void run_revision_state(struct control *control, const struct msg_revision_state *state)
{
    struct finding finding = {.control = control};
    struct error err = {0};
    bool ready = state->state == REVISION_STARTED;
    char text[sizeof(state->text)];
    snprintf(text, sizeof(text), "%.*s", (int)sizeof(state->text) - 1, state->text);
    bool there = finding_load(&finding, state->revision_id);
    if (there && ready && control->nodes != NULL) {
        bool serves = finding_serve(&finding, &err);
        bool outrun = !serves && store_was_outrun(control->store);
        finding_done(&finding);
        if (outrun) {
            return; /* on_state() comes again */
        }
        there = finding_load(&finding, state->revision_id);
    }
    if (!there) {
        revision_check_end(control, state->revision_id);
        finding_done(&finding);
        return;
    }
    if (!ready && text[0] == '\0') {
        snprintf(text, sizeof(text),
                 "The user-provided container failed to start and listen on the port defined "
                 "provided by the PORT=%u environment variable within the allocated timeout.",
                 state->port);
    }
    finding.is.state = ready ? CONDITION_SUCCEEDED : CONDITION_FAILED;
    finding.is.reason = ready ? "" : "HealthCheckContainerError";
    finding.is.message = ready ? ""
                         : strncmp(text, "Revision ", 9) == 0
                             ? text
                             : not_ready_message(&finding.arena, finding.name, text);
    if (ready && strncmp(text, "sha256:", 7) == 0) {
        put_digest(&finding, text);
    }
    if (finding_record(&finding, &err)) {
        log_info("revision: name=%s ready=%d", finding.name, ready);
        revision_check_end(control, state->revision_id);
        operation_wake(control, finding.service_key);
    } else {
        log_error("revision: name=%s: its state was not recorded: %s", finding.name, err.text);
    }
    finding_done(&finding);
}

/* ---- after a start ---- */

static bool resume_one(const struct store_doc *doc, void *ctx)
{
    auto_arena arena = {0};
    struct control *control = ctx;
    if (revision_from_doc(&arena, doc->body)->status.ready.state == CONDITION_PENDING &&
        revision_check_find(control, doc->id) == NULL) {
        revision_check_begin(control, doc->id, doc->key);
    }
    return true;
}

bool run_resume(struct control *control, struct error *err)
{
    if (!store_each(control->store, STORE_REVISION, "", resume_one, control, err)) {
        return false;
    }
    revision_checks_ask(control);
    return true;
}
