/*
 * Where requests go: the wish (traffic) and what is in force (status.traffic). A wish that names a
 * revision which is not ready yet does not move anyone; it comes into force in the same change that
 * finds the revision ready.
 */
#include "model/service_run.h"

#include "model/service_tables.h"

#define LATEST "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"

size_t service_targets(const json_t *doc, struct service_target *out, size_t max)
{
    const json_t *entries = json_at(doc, "status.traffic");
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(entries) && count < max; i++) {
        const json_t *entry = json_array_get(entries, i);
        const char *revision = json_text(entry, "revision");
        if (revision == NULL) {
            continue;
        }
        out[count++] = (struct service_target){
            .revision = slice_of(revision),
            .percent = (int)json_number(entry, "percent", 0),
            .tag = slice_of(json_text_or(entry, "tag", "")),
        };
    }
    return count;
}

bool service_reaches(const json_t *doc, const char *revision)
{
    const json_t *entries = json_at(doc, "status.traffic");
    for (size_t i = 0; i < json_array_size(entries); i++) {
        const json_t *entry = json_array_get(entries, i);
        bool used = json_number(entry, "percent", 0) > 0 || json_text(entry, "tag") != NULL;
        if (used && strcmp(json_text_or(entry, "revision", ""), revision) == 0) {
            return true;
        }
    }
    return false;
}

json_t *traffic_or_default(const json_t *traffic)
{
    if (json_array_size(traffic) > 0) {
        return json_deep_copy(traffic);
    }
    return json_pack("[{sssi}]", "type", LATEST, "percent", 100);
}

/* The revision that ENTRY means now; NULL if there is none that is ready. */
static const char *entry_revision(const json_t *doc, const json_t *entry, revision_ready_fn *ready,
                                  void *ctx)
{
    if (strcmp(json_text_or(entry, "type", ""), LATEST) == 0) {
        return json_text(doc, "status.latestReadyRevision");
    }
    const char *revision = json_text(entry, "revision");
    return revision != NULL && ready(revision, ctx) ? revision : NULL;
}

/* NULL if a target with a percentage is not ready. Tags that lead nowhere yet are left out. */
static json_t *traffic_resolve(const json_t *doc, revision_ready_fn *ready, void *ctx)
{
    auto_json *wish = traffic_or_default(json_object_get(doc, "traffic"));
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(wish); i++) {
        const json_t *entry = json_array_get(wish, i);
        const char *revision = entry_revision(doc, entry, ready, ctx);
        if (revision != NULL) {
            json_t *copy = json_deep_copy(entry);
            json_object_set_new(copy, "revision", json_string(revision));
            json_array_append_new(out, copy);
        } else if (json_number(entry, "percent", 0) > 0) {
            json_decref(out);
            return NULL;
        }
    }
    return out;
}

void service_settle(json_t *doc, revision_ready_fn *ready, void *ctx, const char *condition,
                    const char *reason, const char *message, const char *now)
{
    json_t *traffic = traffic_resolve(doc, ready, ctx);
    bool moved = traffic != NULL;
    if (moved) {
        json_put(doc, "status.traffic", traffic);
    }
    if (!moved && strcmp(condition, "CONDITION_SUCCEEDED") == 0) {
        condition = "CONDITION_FAILED";
        reason = "RevisionMissing";
        message = "Traffic names a revision that is not ready.";
    }
    if (strcmp(json_text_or(doc, "status.ready", ""), condition) != 0) {
        json_put(doc, "status.transitionTime", json_string(now));
    }
    json_put(doc, "status.ready", json_string(condition));
    json_put(doc, "status.reason", json_string(reason));
    json_put(doc, "status.message", json_string(message));
    json_put(doc, "status.routed", json_boolean(moved));
    json_put(doc, "status.observedGeneration", json_integer(json_number(doc, "generation", 1)));
}

bool service_check_off(const json_t *doc)
{
    return json_flag(doc, "invokerIamDisabled", false);
}

bool service_door_on(const json_t *doc)
{
    return json_flag(doc, "iapEnabled", false);
}

json_t *service_access_facts(const json_t *doc)
{
    if (doc == NULL) {
        return NULL;
    }
    json_t *facts = json_pack("{sbsbss}", "invokerIamDisabled", service_check_off(doc),
                              "defaultUriDisabled", json_flag(doc, "defaultUriDisabled", false),
                              "ingress", json_text_or(doc, "ingress", "INGRESS_TRAFFIC_ALL"));
    json_t *audiences = json_object_get(doc, "customAudiences");
    const json_t *notes = json_object_get(doc, "annotations");
    if (service_check_off_until(doc) != 0) {
        json_object_set(facts, "publicUntil", json_object_get(notes, SERVICE_PUBLIC_UNTIL));
        json_object_set_new(facts, "publicReason", json_string(service_public_reason(doc)));
    }
    if (service_door_on(doc)) {
        json_object_set_new(facts, "iapEnabled", json_true());
    }
    if (json_array_size(audiences) > 0) {
        json_object_set(facts, "customAudiences", audiences);
    }
    return facts;
}
