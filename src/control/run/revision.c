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

#define PENDING   "CONDITION_PENDING"
#define SUCCEEDED "CONDITION_SUCCEEDED"
#define FAILED    "CONDITION_FAILED"

static json_t *text_value(const char *text)
{
    return json_slice(slice_of(text));
}

bool run_is_ready(const char *revision, void *ctx)
{
    const struct run_ready *ready = ctx;
    auto_arena arena = {0};
    struct store_doc doc;
    const char *key = arena_printf(&arena, "%s/revisions/%s", ready->service_key, revision);
    if (ready->also != NULL && strcmp(ready->also, revision) == 0) {
        return true;
    }
    if (store_get(ready->control->store, STORE_REVISION, key, &doc, NULL) != STORE_FOUND) {
        return false;
    }
    bool is = strcmp(json_text_or(doc.body, "status.ready", ""), SUCCEEDED) == 0;
    json_decref(doc.body);
    return is;
}

/* ---- making one ---- */

static bool revision_exists(struct api_call *call, const char *key)
{
    struct store_doc doc;
    if (store_get(call->control->store, STORE_REVISION, key, &doc, NULL) != STORE_FOUND) {
        return false;
    }
    json_decref(doc.body);
    return true;
}

/* The name asked for, or SERVICE-NNNNN-xyz. */
static bool revision_name(struct api_call *call, const struct service_view *service,
                          const char *key, struct run_revision *out, struct error *err)
{
    const char *asked = json_text(service->doc, "template.revision");
    unsigned number =
        (unsigned)((json_number(service->doc, "status.revisionCounter", 0) + 1) % 100000);
    char tail[4];
    if (asked != NULL) {
        snprintf(out->name, sizeof(out->name), "%s", asked);
        out->key = arena_printf(&call->arena, "%s/revisions/%s", key, out->name);
        return !revision_exists(call, out->key) ||
               error_set(err, STATUS_ALREADY_EXISTS,
                         "Revision named '%s' with different configuration already exists.", asked);
    }
    do {
        random_text(tail, 3, "bcdfghjklmnpqrstvwxz");
        snprintf(out->name, sizeof(out->name), "%.49s-%05u-%s", service->name, number, tail);
        out->key = arena_printf(&call->arena, "%s/revisions/%s", key, out->name);
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

static void status_put(json_t *doc, const char *condition, const char *reason, const char *message,
                       const char *now)
{
    json_put(doc, "status.ready", text_value(condition));
    json_put(doc, "status.reason", text_value(reason));
    json_put(doc, "status.message", text_value(message));
    json_put(doc, "status.transitionTime", text_value(now));
}

/* What can be known without an engine. */
static void revision_judge(struct api_call *call, const char *project,
                           struct run_revision *revision, const char *now)
{
    struct arena *arena = &call->arena;
    const json_t *template = json_object_get(revision->body, "template");
    const json_t *containers = json_object_get(template, "containers");
    json_t *manifests = json_object();
    struct error fault = {0};
    json_object_set_new(revision->body, "manifests", manifests);
    if (json_flag(template, "healthCheckDisabled", false)) {
        status_put(revision->body, SUCCEEDED, "HealthCheckSkipped", "", now);
    } else {
        status_put(revision->body, PENDING, "Deploying", "", now);
    }
    for (size_t i = 0; i < json_array_size(containers); i++) {
        const char *reference = json_text_or(json_array_get(containers, i), "image", "");
        auto_json *image = NULL;
        if (image_find(call->control, arena, reference, &image, &fault)) {
            if (i == 0) {
                json_object_set_new(revision->body, "imageDigest",
                                    text_value(image_pinned(arena, reference, image)));
            }
            /* A revision runs what its tag meant when it was made, whatever is imported later. */
            const char *manifest = json_text(image, "manifest");
            if (manifest != NULL) {
                json_object_set_new(manifests, reference, text_value(manifest));
            }
        } else if (!engine_pulls(call->control)) {
            status_put(revision->body, FAILED, "ContainerMissing",
                       not_ready_message(arena, revision->name, fault.text), now);
            return;
        }
    }
    if (!run_secrets_check(call->control, arena, project, template, &fault)) {
        status_put(revision->body, FAILED, "SecretsAccessCheckFailed",
                   not_ready_message(arena, revision->name, fault.text), now);
    }
}

static json_t *revision_template(struct api_call *call, const struct service_view *service)
{
    json_t *template = template_with_defaults(json_object_get(service->doc, "template"));
    if (json_text(template, "serviceAccount") == NULL) {
        json_object_set_new(
            template, "serviceAccount",
            text_value(arena_printf(&call->arena, "%s-compute@developer.gserviceaccount.com",
                                    service->project_number)));
    }
    json_object_del(template, "revision");
    return template;
}

bool run_revision_new(struct api_call *call, const struct service_view *service, const char *key,
                      const char *now, struct run_revision *out, struct error *err)
{
    if (!revision_name(call, service, key, out, err)) {
        return false;
    }
    out->body = json_pack("{so so so so sI so}", "uid", text_value(uuid_new(&call->arena)),
                          "createTime", text_value(now), "creator",
                          text_value(json_text_or(service->doc, "lastModifier", "")), "service",
                          text_value(service->name), "generation",
                          (json_int_t)json_number(service->doc, "generation", 1), "template",
                          revision_template(call, service));
    revision_judge(call, service->project, out, now);
    return true;
}

/* ---- what the engine found out ---- */

struct finding {
    struct control *control;
    struct arena arena;
    char *service_key, *revision_key;
    const char *name; /* short, of the revision */
    const char *now;
    json_t *service, *revision;
    bool ready;
    const char *reason, *message;
};

static void finding_done(struct finding *finding)
{
    json_decref(finding->service);
    json_decref(finding->revision);
    arena_done(&finding->arena);
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
    finding->now = arena_string(&finding->arena, time_text(&finding->arena, clock_wall_us()));
    finding->revision = load(control, STORE_REVISION, finding->revision_key, NULL);
    finding->service = load(control, STORE_SERVICE, finding->service_key, NULL);
    return finding->revision != NULL && finding->service != NULL &&
           strcmp(json_text_or(finding->revision, "status.ready", ""), PENDING) == 0;
}

/* An older revision that becomes ready late does not take the place of a newer one. */
static bool is_newest_ready(const struct finding *finding)
{
    const char *current = json_text(finding->service, "status.latestReadyRevision");
    if (current == NULL) {
        return true;
    }
    auto_arena arena = {0};
    const char *key = arena_printf(&arena, "%s/revisions/%s", finding->service_key, current);
    auto_json *other = load(finding->control, STORE_REVISION, key, NULL);
    return json_number(finding->revision, "generation", 0) >= json_number(other, "generation", 0);
}

static void finding_apply(struct finding *finding)
{
    struct run_ready ready = {.control = finding->control, .service_key = finding->service_key};
    const char *condition = finding->ready ? SUCCEEDED : FAILED;
    json_t *service = finding->service;
    struct arena *arena = &finding->arena;
    bool latest =
        strcmp(json_text_or(service, "status.latestCreatedRevision", ""), finding->name) == 0;
    if (finding->ready && is_newest_ready(finding)) {
        json_put(service, "status.latestReadyRevision", text_value(finding->name));
    }
    if (latest) {
        service_settle(service, run_is_ready, &ready, condition, finding->reason, finding->message,
                       finding->now);
        return;
    }
    const char *now_ready = json_text_or(service, "status.ready", PENDING);
    service_settle(service, run_is_ready, &ready, arena_string(arena, slice_of(now_ready)),
                   arena_string(arena, slice_of(json_text_or(service, "status.reason", ""))),
                   arena_string(arena, slice_of(json_text_or(service, "status.message", ""))),
                   finding->now);
}

/* The engine has pulled the image of the container that takes the requests. */
static void put_digest(struct finding *finding, const char *digest)
{
    const json_t *containers = json_at(finding->revision, "template.containers");
    const json_t *taker = json_array_get(containers, 0);
    for (size_t i = 0; i < json_array_size(containers); i++) {
        const json_t *one = json_array_get(containers, i);
        taker = json_array_size(json_object_get(one, "ports")) > 0 ? one : taker;
    }
    auto_json *image = json_pack("{ss}", "digest", digest);
    json_object_set_new(
        finding->revision, "imageDigest",
        text_value(image_pinned(&finding->arena, json_text_or(taker, "image", ""), image)));
}

static bool finding_record(struct finding *finding, struct error *err)
{
    struct control *control = finding->control;
    auto_change *change = change_begin(control, NULL, err);
    if (change == NULL) {
        return false;
    }
    status_put(finding->revision, finding->ready ? SUCCEEDED : FAILED, finding->reason,
               finding->message, finding->now);
    if (!store_put(control->store, STORE_REVISION, finding->revision_key, finding->revision, NULL,
                   NULL, err)) {
        return false;
    }
    finding_apply(finding);
    bool resting = strcmp(json_text_or(finding->service, "status.ready", ""), PENDING) != 0;
    return store_put(control->store, STORE_SERVICE, finding->service_key, finding->service, NULL,
                     NULL, err) &&
           (!resting || run_service_finish(control, finding->service_key, err)) &&
           change_revision(change, finding->revision_key, err) &&
           change_service(change, finding->service_key, err) &&
           change_audit(change, finding->revision_key,
                        finding->ready ? "revision-ready" : "revision-failed", NULL, NULL, err) &&
           change_commit(&change, err);
}

void run_revision_state(struct control *control, const struct msg_revision_state *state)
{
    struct finding finding = {.control = control, .ready = state->state == REVISION_STARTED};
    struct error err = {0};
    char text[sizeof(state->text)];
    snprintf(text, sizeof(text), "%.*s", (int)sizeof(state->text) - 1, state->text);
    if (!finding_load(&finding, state->revision_id)) {
        revision_check_end(control, state->revision_id);
        finding_done(&finding);
        return;
    }
    finding.reason = finding.ready ? "" : "HealthCheckContainerError";
    finding.message = "";
    if (!finding.ready && text[0] == '\0') {
        snprintf(text, sizeof(text),
                 "The user-provided container failed to start and listen on the port defined "
                 "provided by the PORT=%u environment variable within the allocated timeout.",
                 state->port);
    }
    if (!finding.ready) {
        finding.message = strncmp(text, "Revision ", 9) == 0
                              ? text
                              : not_ready_message(&finding.arena, finding.name, text);
    }
    if (finding.ready && strncmp(text, "sha256:", 7) == 0) {
        put_digest(&finding, text);
    }
    if (finding_record(&finding, &err)) {
        log_info("revision: name=%s ready=%d", finding.name, finding.ready);
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
    if (strcmp(json_text_or(doc->body, "status.ready", ""), PENDING) == 0) {
        revision_check_begin(ctx, doc->id, doc->key);
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
