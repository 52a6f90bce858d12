/*
 * `access:at`: who could invoke a service at a moment of the past, rebuilt from the audit log. Each
 * of its rows has what decided access before and after, so that the newest row that is not younger
 * than the moment tells the state, and nothing is summed up.
 */
#include "control/api/access_inside.h"

#include "base/clock.h"
#include "control/record/resource_tree.h"
#include "control/record/roles.h"
#include "model/service_run.h"

enum { ROWS_MAX = 100000 };

/* What one resource had at the moment: the policy, or the settings of a service. */
struct past {
    const char *resource;
    const char *time; /* as rows have it: they compare as texts */
    bool of_policy;
    bool found;
    json_t *state;   /* of the row that was found, or of the oldest younger one; NULL: nothing */
    json_t *younger; /* the oldest row that is younger: {"time", "caller", "deed"} */
    unsigned rows;   /* that are younger */
};

/* Policies have rows of their own; a service that comes or goes takes its policy with it. */
static bool is_of(const struct past *past, const json_t *row)
{
    const char *deed = json_text_or(row, "deed", "");
    bool policy = strcmp(deed, "set-iam-policy") == 0;
    bool service = strcmp(deed, "delete") == 0 || strcmp(deed, "create") == 0;
    bool other = strcmp(deed, "set-iap-policy") == 0 || strcmp(deed, "iap-settings") == 0 ||
                 strcmp(deed, "bind-tag") == 0 || strcmp(deed, "unbind-tag") == 0 ||
                 strcmp(deed, "org-policy-dry-run") == 0 || strcmp(deed, "set-org-policy") == 0 ||
                 strcmp(deed, "delete-org-policy") == 0;
    return past->of_policy ? policy || service : !policy && !other;
}

/* The row's part: of a policy, nothing where the row is of the service itself. */
static const json_t *part_of(const struct past *past, const json_t *row, const char *when)
{
    bool policy = strcmp(json_text_or(row, "deed", ""), "set-iam-policy") == 0;
    return past->of_policy && !policy ? NULL : json_object_get(row, when);
}

static void keep(struct past *past, const json_t *state)
{
    json_decref(past->state);
    past->state = json_deep_copy(state);
}

static bool look_at_row(int64_t number, const json_t *row, void *ctx)
{
    struct past *past = ctx;
    (void)number;
    if (strcmp(json_text_or(row, "resource", ""), past->resource) != 0 || !is_of(past, row)) {
        return true;
    }
    if (strcmp(json_text_or(row, "time", ""), past->time) <= 0) {
        past->found = true;
        keep(past, part_of(past, row, "after"));
        return false;
    }
    past->found = true; /* until an older one is */
    past->rows++;
    keep(past, part_of(past, row, "before"));
    json_decref(past->younger);
    past->younger =
        json_pack("{s:s, s:s, s:s}", "time", json_text_or(row, "time", ""), "caller",
                  json_text_or(row, "caller", ""), "deed", json_text_or(row, "deed", ""));
    return true;
}

/* The policy of NODE at that time: {"bindings"}, or NULL. Owned by the caller. */
static bool policy_at(struct api_call *call, struct past *past, json_t **out, struct error *err)
{
    struct store_doc doc;
    past->of_policy = true;
    if (!store_audit_each(call->control->store, past->resource, ROWS_MAX, look_at_row, past, err)) {
        return false;
    }
    *out = past->state;
    past->state = NULL;
    if (past->found) {
        return true;
    }
    /* No change of it is in the audit log: it is as it was. */
    switch (store_get(call->control->store, STORE_POLICY, past->resource, &doc, err)) {
    case STORE_FOUND:
        *out = doc.body;
        return true;
    case STORE_ABSENT:
        return true;
    case STORE_FAILED:
        break;
    }
    return false;
}

static void add_rows(struct api_call *call, const char *node, const json_t *policy, json_t *rows)
{
    size_t b, m;
    json_t *binding, *member;
    json_array_foreach(json_object_get(policy, "bindings"), b, binding)
    {
        const char *role = json_text_or(binding, "role", "");
        const char *condition = json_text(binding, "condition.expression");
        if (!role_gives(call->control->store, slice_of(role), SLICE("run.routes.invoke"))) {
            continue;
        }
        json_array_foreach(json_object_get(binding, "members"), m, member)
        {
            json_t *row = json_pack("{s:O, s:s, s:s}", "member", member, "role", role, "on", node);
            if (condition != NULL) {
                json_object_set_new(row, "condition", json_string(condition));
            }
            json_array_append_new(rows, row);
        }
    }
}

/* Everybody, without a condition but one that had not ended yet. */
static bool is_open(const json_t *rows, int64_t at_us)
{
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row)
    {
        int64_t end_us;
        const char *condition = json_text(row, "condition");
        if (strcmp(json_text_or(row, "member", ""), "allUsers") == 0 &&
            (condition == NULL ||
             (condition_ends(slice_of(condition), &end_us) && at_us < end_us))) {
            return true;
        }
    }
    return false;
}

static bool check_open(const json_t *facts, int64_t at_us)
{
    int64_t until_us;
    const char *until = json_text(facts, "publicUntil");
    return access_facts_check_off(facts) &&
           (until == NULL || !time_read(slice_of(until), &until_us) || at_us < until_us);
}

static bool collect(struct api_call *call, const char *key, const char *time, json_t *rows,
                    struct past *service, struct error *err)
{
    const char *node = key;
    service->resource = key;
    service->time = time;
    if (!store_audit_each(call->control->store, key, ROWS_MAX, look_at_row, service, err)) {
        return false;
    }
    do {
        struct past past = {.resource = node, .time = time};
        auto_json *policy = NULL;
        bool good = policy_at(call, &past, &policy, err);
        if (good && service->state != NULL) {
            add_rows(call, node, policy, rows);
        }
        json_decref(past.younger);
        if (!good) {
            return false;
        }
    } while (resource_parent(call->control->store, &call->arena, node, &node));
    return true;
}

/* A service that is there no more can be asked about: by those who may read policies of its
 * project. */
static const char *resource_of(struct api_call *call, struct error *err)
{
    const char *resource = api_query(call, "resource");
    if (resource == NULL || strstr(resource, "/services/") == NULL) {
        error_field(err, "resource", "The question needs resource=projects/…/services/NAME.");
        return NULL;
    }
    return api_allowed(call, "run.services.getIamPolicy", resource, err) ? resource : NULL;
}

void access_at(struct api_call *call)
{
    struct error err;
    struct past service = {0};
    int64_t at_us = 0;
    const char *asked = api_query(call, "time");
    const char *key = resource_of(call, &err);
    if (key == NULL ||
        ((asked == NULL || !time_read(slice_of(asked), &at_us)) &&
         !error_field(&err, "time", "'%.60s' is no time such as 2030-01-31T12:00:00Z.",
                      asked == NULL ? "" : asked)) ||
        (at_us > clock_wall_us() &&
         !error_field(&err, "time", "%.60s is in the future: access plan tells what would be.",
                      asked))) {
        api_fail(call, &err);
        return;
    }
    const char *time = arena_string(&call->arena, time_text(&call->arena, at_us));
    json_t *rows = json_array();
    bool good = collect(call, key, time, rows, &service, &err);
    json_t *answer = json_pack("{s:s, s:s, s:b, s:b, s:i, s:o}", "resource", key, "time", time,
                               "exists", service.state != NULL, "public",
                               service.state != NULL &&
                                   (check_open(service.state, at_us) || is_open(rows, at_us)),
                               "changesSince", (int)service.rows, "bindings", rows);
    if (service.state != NULL) {
        json_object_set(answer, "service", service.state);
    }
    if (service.younger != NULL) {
        json_object_set(answer, "nextChange", service.younger);
    }
    json_decref(service.state);
    json_decref(service.younger);
    api_answer(call, good, answer, &err);
}
