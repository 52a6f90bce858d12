/*
 * Status in v2's words: a terminal condition that Terraform and the client libraries wait for, the
 * conditions that lead to it, and where the traffic goes.
 */
#include "model/service_run.h"
#include "model/service_settings.h"
#include "model/service_tables.h"
#include "model/service_v2.h"

struct state {
    enum condition_state state;
    const char *reason, *message, *time;
};

/* CREATED: when what is READY was made. */
static struct state state_of(const struct readiness *ready, const char *created)
{
    return (struct state){
        .state = ready->state > CONDITION_NONE ? ready->state : CONDITION_PENDING,
        .reason = ready->reason,
        .message = ready->message,
        .time = ready->time[0] != '\0' ? ready->time : created,
    };
}

/* Our reasons, in the enum of v2 that has a word for each. */
static const struct {
    const char *ours, *field, *theirs;
} reasons[] = {
    {"Deploying", "revisionReason", "PENDING"},
    {"ContainerMissing", "reason", "CONTAINER_MISSING"},
    {"SecretsAccessCheckFailed", "reason", "SECRETS_ACCESS_CHECK_FAILED"},
    {"HealthCheckContainerError", "revisionReason", "HEALTH_CHECK_CONTAINER_ERROR"},
    {"HealthCheckSkipped", "revisionReason", "HEALTH_CHECK_SKIPPED"},
    {"Reserve", "revisionReason", "RESERVE"},
    {"RevisionMissing", "reason", "REVISION_FAILED"},
};

static json_t *condition(const char *type, const struct state *state)
{
    json_t *out = json_pack("{ssssss}", "type", type, "state", condition_state_names[state->state],
                            "lastTransitionTime", state->time);
    if (state->message[0] != '\0') {
        json_object_set_new(out, "message", json_string(state->message));
    }
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (strcmp(reasons[i].ours, state->reason) == 0) {
            json_object_set_new(out, reasons[i].field, json_string(reasons[i].theirs));
        }
    }
    return out;
}

static struct state good(const struct state *state)
{
    return (struct state){CONDITION_SUCCEEDED, "", "", state->time};
}

json_t *service_v2_terminal_condition(const struct service *service)
{
    struct state state = state_of(&service->status.ready, service->create_time);
    if (state.state == CONDITION_PENDING) {
        state.state = CONDITION_RECONCILING;
    }
    return condition("Ready", &state);
}

/* What was asked for and has no effect. */
static void warning_add(struct arena *arena, const struct service *service, json_t *conditions)
{
    const char *text = settings_warning(arena, service->source, false);
    if (text[0] == '\0') {
        return;
    }
    struct state state = state_of(&service->status.ready, service->create_time);
    struct state refused = {CONDITION_FAILED, "", text, state.time};
    json_t *warning = condition("SettingsApplied", &refused);
    json_object_set_new(warning, "severity", json_string("WARNING"));
    json_array_append_new(conditions, warning);
}

json_t *service_v2_conditions(struct arena *arena, const struct service *service)
{
    struct state state = state_of(&service->status.ready, service->create_time);
    struct state routes = state, configuration = state;
    bool serves = service->status.traffic_count > 0;
    if (state.state == CONDITION_FAILED && serves && service->status.routed) {
        routes = good(&state); /* an older revision goes on serving as it should */
    } else if (strcmp(state.reason, "RevisionMissing") == 0) {
        configuration = good(&state);
    }
    json_t *conditions = json_pack("[oo]", condition("RoutesReady", &routes),
                                   condition("ConfigurationsReady", &configuration));
    warning_add(arena, service, conditions);
    return conditions;
}

json_t *service_v2_traffic_statuses(struct arena *arena, const struct service_view *view,
                                    const struct service *service)
{
    json_t *out = json_array();
    for (size_t i = 0; i < service->status.traffic_count; i++) {
        const struct traffic_target *target = &service->status.traffic[i];
        json_t *status = json_deep_copy(target->source);
        if (target->percent == 0) {
            json_object_del(status, "percent");
        }
        if (target->tag[0] != '\0') {
            json_object_set_new(status, "uri",
                                json_arena_text(service_url(arena, view, slice_of(target->tag))));
        }
        json_array_append_new(out, status);
    }
    return out;
}

json_t *revision_v2_conditions(const struct service *service, const char *name,
                               const struct revision *revision)
{
    static const char *const health[] = {"ContainerHealthy", "ContainerReady",
                                         "ResourcesAvailable"};
    struct state state = state_of(&revision->status.ready, revision->create_time);
    struct state active = good(&state);
    if (!service_reaches(service, name)) {
        active = (struct state){CONDITION_FAILED, "Reserve",
                                "Revision is not reachable by traffic or tag.", state.time};
    }
    json_t *conditions = json_pack("[o]", condition("Ready", &state));
    for (size_t i = 0; i < sizeof(health) / sizeof(health[0]); i++) {
        json_array_append_new(conditions, condition(health[i], &state));
    }
    json_t *activity = condition("Active", &active);
    if (active.state == CONDITION_FAILED) {
        json_object_set_new(activity, "severity", json_string("INFO"));
    }
    json_array_append_new(conditions, activity);
    return conditions;
}
