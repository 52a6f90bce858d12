/*
 * Status in v2's words: a terminal condition that Terraform and the client libraries wait for, the
 * conditions that lead to it, and where the traffic goes.
 */
#include "model/service_settings.h"
#include "model/service_v2.h"

struct state {
    const char *state; /* CONDITION_SUCCEEDED… */
    const char *reason, *message, *time;
};

static struct state state_of(const json_t *doc)
{
    const char *ready = json_text_or(doc, "status.ready", "");
    return (struct state){
        .state = ready[0] == '\0' ? "CONDITION_PENDING" : ready,
        .reason = json_text_or(doc, "status.reason", ""),
        .message = json_text_or(doc, "status.message", ""),
        .time = json_text_or(doc, "status.transitionTime", json_text_or(doc, "createTime", "")),
    };
}

static bool is(const struct state *state, const char *word)
{
    return strcmp(state->state, word) == 0;
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
    json_t *out = json_pack("{ssssss}", "type", type, "state", state->state, "lastTransitionTime",
                            state->time);
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
    return (struct state){"CONDITION_SUCCEEDED", "", "", state->time};
}

json_t *service_v2_terminal_condition(const json_t *doc)
{
    struct state state = state_of(doc);
    if (is(&state, "CONDITION_PENDING")) {
        state.state = "CONDITION_RECONCILING";
    }
    return condition("Ready", &state);
}

/* What was asked for and has no effect. */
static void warning_add(struct arena *arena, const json_t *doc, json_t *conditions)
{
    const char *text = settings_warning(arena, doc, false);
    if (text[0] == '\0') {
        return;
    }
    struct state state = state_of(doc);
    struct state refused = {"CONDITION_FAILED", "", text, state.time};
    json_t *warning = condition("SettingsApplied", &refused);
    json_object_set_new(warning, "severity", json_string("WARNING"));
    json_array_append_new(conditions, warning);
}

json_t *service_v2_conditions(struct arena *arena, const json_t *doc)
{
    struct state state = state_of(doc);
    struct state routes = state, configuration = state;
    bool serves = json_array_size(json_at(doc, "status.traffic")) > 0;
    if (is(&state, "CONDITION_FAILED") && serves && json_flag(doc, "status.routed", false)) {
        routes = good(&state); /* an older revision goes on serving as it should */
    } else if (strcmp(state.reason, "RevisionMissing") == 0) {
        configuration = good(&state);
    }
    json_t *conditions = json_pack("[oo]", condition("RoutesReady", &routes),
                                   condition("ConfigurationsReady", &configuration));
    warning_add(arena, doc, conditions);
    return conditions;
}

json_t *service_v2_traffic_statuses(struct arena *arena, const struct service_view *view)
{
    json_t *out = json_array();
    size_t i;
    json_t *entry;
    json_array_foreach(json_at(view->doc, "status.traffic"), i, entry)
    {
        json_t *status = json_deep_copy(entry);
        const char *tag = json_text(entry, "tag");
        if (json_number(entry, "percent", 0) == 0) {
            json_object_del(status, "percent");
        }
        if (tag != NULL) {
            json_object_set_new(status, "uri",
                                json_arena_text(service_url(arena, view, slice_of(tag))));
        }
        json_array_append_new(out, status);
    }
    return out;
}

json_t *revision_v2_conditions(const struct service_view *service, const char *name,
                               const json_t *revision)
{
    static const char *const health[] = {"ContainerHealthy", "ContainerReady",
                                         "ResourcesAvailable"};
    struct state state = state_of(revision);
    struct state active = good(&state);
    if (!service_reaches(service->doc, name)) {
        active = (struct state){"CONDITION_FAILED", "Reserve",
                                "Revision is not reachable by traffic or tag.", state.time};
    }
    json_t *conditions = json_pack("[o]", condition("Ready", &state));
    for (size_t i = 0; i < sizeof(health) / sizeof(health[0]); i++) {
        json_array_append_new(conditions, condition(health[i], &state));
    }
    json_t *activity = condition("Active", &active);
    if (is(&active, "CONDITION_FAILED")) {
        json_object_set_new(activity, "severity", json_string("INFO"));
    }
    json_array_append_new(conditions, activity);
    return conditions;
}
