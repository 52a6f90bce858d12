/*
 * Status as Knative clients read it: gcloud waits on the condition Ready, shows the others as
 * stages, and prints the message of a condition that is False.
 */
#include "model/service_run.h"
#include "model/service_settings.h"
#include "model/service_tables.h"

struct state {
    const char *ready; /* True, False, Unknown */
    const char *reason, *message, *time;
};

/* CREATED: when what is READY was made. */
static struct state state_of(const struct readiness *ready, const char *created)
{
    return (struct state){
        .ready = ready->state == CONDITION_SUCCEEDED ? "True"
                 : ready->state == CONDITION_FAILED  ? "False"
                                                     : "Unknown",
        .reason = ready->reason,
        .message = ready->message,
        .time = ready->time[0] != '\0' ? ready->time : created,
    };
}

static json_t *condition(const char *type, const char *status, const struct state *state)
{
    json_t *out =
        json_pack("{ssssss}", "type", type, "status", status, "lastTransitionTime", state->time);
    if (state->reason[0] != '\0') {
        json_object_set_new(out, "reason", json_string(state->reason));
    }
    if (state->message[0] != '\0') {
        json_object_set_new(out, "message", json_string(state->message));
    }
    return out;
}

static json_t *service_conditions(const struct service *service)
{
    static const struct state quiet = {"", "", "", ""};
    struct state state = state_of(&service->status.ready, service->create_time);
    struct state routes = state;
    const char *routed = state.ready;
    const char *configured = state.ready;
    bool serves = service->status.traffic_count > 0;
    if (strcmp(state.ready, "False") == 0 && serves && service->status.routed) {
        /* An older revision goes on serving as it should. */
        routed = "True";
        routes.reason = quiet.reason;
        routes.message = quiet.message;
    } else if (strcmp(state.reason, "RevisionMissing") == 0) {
        configured = "True";
    }
    struct state configuration = state;
    if (strcmp(configured, "True") == 0) {
        configuration.reason = quiet.reason;
        configuration.message = quiet.message;
    }
    return json_pack("[ooo]", condition("Ready", state.ready, &state),
                     condition("ConfigurationsReady", configured, &configuration),
                     condition("RoutesReady", routed, &routes));
}

/* What was asked for and has no effect: gcloud prints a condition that is a warning. */
static void warning_add(struct arena *arena, const struct service *service, json_t *conditions)
{
    const char *text = settings_warning(arena, service->source, true);
    if (text[0] == '\0') {
        return;
    }
    struct state state = state_of(&service->status.ready, service->create_time);
    state.reason = "NotSupported";
    state.message = text;
    json_t *warning = condition("SettingsApplied", "False", &state);
    json_object_set_new(warning, "severity", json_string("Warning"));
    json_array_append_new(conditions, warning);
}

/* The entries of spec.traffic one by one, with the revision that each means, and the URL of its
 * tag. */
static json_t *service_traffic(struct arena *arena, const struct service_view *view,
                               const struct service *service)
{
    json_t *out = json_array();
    for (size_t i = 0; i < service->status.traffic_count; i++) {
        const struct traffic_target *entry = &service->status.traffic[i];
        json_t *target = json_object();
        form_write(traffic_forms, entry->source, target);
        if (entry->tag[0] != '\0') {
            json_object_set_new(target, "url",
                                json_arena_text(service_url(arena, view, slice_of(entry->tag))));
        }
        json_array_append_new(out, target);
    }
    return out;
}

static void put_text(json_t *object, const char *name, const char *text)
{
    if (text[0] != '\0') {
        json_object_set_new(object, name, json_string(text));
    }
}

json_t *service_urls(struct arena *arena, const struct service_view *view)
{
    struct slice hosts[SERVICE_HOSTS_MAX];
    size_t count = service_hosts(arena, view, SLICE_NONE, hosts);
    json_t *urls = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(urls, json_arena_text(service_host_url(arena, view, hosts[i])));
    }
    return urls;
}

json_t *service_v1_status(struct arena *arena, const struct service_view *view)
{
    auto_arena own = {0};
    const struct service *service = service_from_doc(&own, view->doc);
    const struct service_status *is = &service->status;
    const char *url = arena_string(arena, service_url(arena, view, SLICE_NONE));
    json_t *conditions = service_conditions(service);
    warning_add(arena, service, conditions);
    json_t *status = json_pack("{sI so}", "observedGeneration", (json_int_t)is->observed_generation,
                               "conditions", conditions);
    put_text(status, "latestReadyRevisionName", is->latest_ready);
    put_text(status, "latestCreatedRevisionName", is->latest_created);
    json_object_set_new(status, "traffic", service_traffic(arena, view, service));
    json_object_set_new(status, "url", json_string(url));
    json_object_set_new(status, "address", json_pack("{ss}", "url", url));
    return status;
}

json_t *revision_v1_status(const struct service_view *service, const char *name, const json_t *doc)
{
    static const char *const health[] = {"ContainerHealthy", "ResourcesAvailable"};
    auto_arena own = {0};
    const struct revision *revision = revision_from_doc(&own, doc);
    struct state state = state_of(&revision->status.ready, revision->create_time);
    bool active = service_reaches(service_from_doc(&own, service->doc), name);
    struct state activity = {
        .reason = active ? "" : "Reserve",
        .message = active ? "" : "Revision is not reachable by traffic or tag.",
        .time = state.time,
    };
    json_t *conditions = json_array();
    json_array_append_new(conditions, condition("Ready", state.ready, &state));
    json_array_append_new(conditions, condition("Active", active ? "True" : "False", &activity));
    if (!active) {
        json_object_set_new(json_array_get(conditions, 1), "severity", json_string("Info"));
    }
    for (size_t i = 0; i < sizeof(health) / sizeof(health[0]); i++) {
        json_array_append_new(conditions, condition(health[i], state.ready, &state));
    }
    json_t *status = json_pack("{siso}", "observedGeneration", 1, "conditions", conditions);
    put_text(status, "imageDigest", revision->image_digest);
    put_text(status, "serviceName", service->name);
    return status;
}
