/* Questions of access: who may, why, what is public, and since when. */
#include "control/api/access.h"

#include "control/api/access_inside.h"

#include <stdio.h>

#include "control/record/policy_doc.h"
#include "control/record/projects.h"
#include "model/service.h"

enum { HISTORY_MAX = 500 };

/* Where the question stands: the body of a method that has one; NULL: in the query. */
const json_t *access_body(const struct api_call *call)
{
    return call->route->body == NULL ? NULL : call->body;
}

const char *access_asked(struct api_call *call, const char *name)
{
    const json_t *body = access_body(call);
    return body != NULL ? json_text(body, name) : api_query(call, name);
}

/* The service that the query names: "projects/P/locations/L/services/S", or a bare name in the
 * default place. */
bool access_service(struct api_call *call, struct store_doc *out, struct error *err)
{
    const char *resource = access_asked(call, "resource");
    if (resource == NULL) {
        return error_field(err, "resource",
                           "The question needs resource=projects/…/services/NAME.");
    }
    if (strchr(resource, '/') == NULL) {
        resource = arena_printf(&call->arena, "projects/%s/locations/%s/services/%s",
                                call->control->settings.project, call->region, resource);
    }
    if (!api_allowed(call, "run.services.getIamPolicy", resource, err)) {
        return false;
    }
    return store_load(call->control->store, STORE_SERVICE, resource, out, err,
                      "Service '%s' was not found.", resource);
}

/* The same for questions about what is served now. */
static bool load_served(struct api_call *call, struct store_doc *out, struct error *err)
{
    if (!access_service(call, out, err)) {
        return false;
    }
    if (project_is_live(call->control, &call->arena, out->key)) {
        return true;
    }
    json_decref(out->body);
    return error_set(err, STATUS_FAILED_PRECONDITION,
                     "The project of '%s' is being deleted: its services answer nobody (404).",
                     out->key);
}

/* ---- who ---- */

static void add_binding(json_t *rows, const char *node, const struct binding *binding)
{
    for (size_t i = 0; i < binding->member_count; i++) {
        json_t *row = json_pack("{s:o, s:o, s:s}", "member", json_slice(binding->members[i]),
                                "role", json_slice(binding->role), "on", node);
        if (binding->condition.expression.len > 0) {
            json_object_set_new(row, "condition", json_slice(binding->condition.expression));
        }
        json_array_append_new(rows, row);
    }
}

/* Every binding that lets someone invoke, own and inherited. */
static bool collect_bindings(struct api_call *call, const char *key, json_t *rows,
                             struct error *err)
{
    struct store *store = call->control->store;
    const char *node = key;
    do {
        struct policy_doc policy;
        if (!policy_doc_load(store, &call->arena, node, &policy, err)) {
            return false;
        }
        for (size_t i = 0; i < policy.count; i++) {
            if (role_invokes_services(call->control->store, policy.bindings[i].role)) {
                add_binding(rows, node, &policy.bindings[i]);
            }
        }
        json_decref(policy.body);
    } while (resource_parent(store, &call->arena, node, &node));
    return true;
}

static void access_who(struct api_call *call)
{
    struct error err;
    struct store_doc doc;
    if (!load_served(call, &doc, &err)) {
        api_fail(call, &err);
        return;
    }
    bool off = json_flag(doc.body, "invokerIamDisabled", false);
    json_t *answer = json_pack("{s:s, s:b, s:s}", "resource", doc.key, "invokerIamDisabled", off,
                               "ingress", json_text_or(doc.body, "ingress", ""));
    json_t *rows = json_array();
    bool good = collect_bindings(call, doc.key, rows, &err);
    json_object_set_new(answer, "bindings", rows);
    json_decref(doc.body);
    if (!good) {
        json_decref(answer);
        api_fail(call, &err);
        return;
    }
    api_reply(call, answer);
}

/* ---- public ---- */

struct public_walk {
    struct api_call *call;
    json_t *services;
};

/* "allUsers" of the service's own policy: above it, no policy may name them. */
static const char *all_users_role(struct api_call *call, const char *key, bool *conditional)
{
    struct policy_doc policy;
    const char *found = NULL;
    if (!policy_doc_load(call->control->store, &call->arena, key, &policy, NULL)) {
        return NULL;
    }
    for (size_t i = 0; i < policy.count; i++) {
        for (size_t k = 0; k < policy.bindings[i].member_count; k++) {
            if (slice_is(policy.bindings[i].members[k], "allUsers") &&
                role_invokes_services(call->control->store, policy.bindings[i].role)) {
                found = arena_string(&call->arena, policy.bindings[i].role);
                *conditional = policy.bindings[i].condition.expression.len > 0;
            }
        }
    }
    json_decref(policy.body);
    return found;
}

/* Since when, and by whose hand: the newest row of the audit log that made it so. */
struct opening {
    const char *key;
    bool by_policy; /* allUsers, else the check */
    char since[40];
    char by[320];
};

static bool facts_open(const json_t *facts, bool by_policy)
{
    size_t b, m;
    json_t *binding, *member;
    if (!by_policy) {
        return json_flag(facts, "invokerIamDisabled", false);
    }
    json_array_foreach(json_object_get(facts, "bindings"), b, binding)
    {
        json_array_foreach(json_object_get(binding, "members"), m, member)
        {
            if (strcmp(json_string_value(member), "allUsers") == 0) {
                return true;
            }
        }
    }
    return false;
}

static bool find_opening(int64_t number, const json_t *row, void *ctx)
{
    struct opening *opening = ctx;
    (void)number;
    if (strcmp(json_text_or(row, "resource", ""), opening->key) != 0 ||
        !facts_open(json_object_get(row, "after"), opening->by_policy) ||
        facts_open(json_object_get(row, "before"), opening->by_policy)) {
        return true;
    }
    snprintf(opening->since, sizeof(opening->since), "%s", json_text_or(row, "time", ""));
    snprintf(opening->by, sizeof(opening->by), "%s", json_text_or(row, "caller", ""));
    return false;
}

/* The earlier of the two openings, if both doors stand open. */
static void put_opening(struct api_call *call, json_t *row, const char *key, bool off, bool granted)
{
    struct opening found = {.since = ""};
    for (int by_policy = 0; by_policy <= 1; by_policy++) {
        struct opening opening = {.key = key, .by_policy = by_policy != 0};
        if (!(by_policy != 0 ? granted : off)) {
            continue;
        }
        store_audit_each(call->control->store, key, HISTORY_MAX, find_opening, &opening, NULL);
        if (opening.since[0] != '\0' &&
            (found.since[0] == '\0' || strcmp(opening.since, found.since) < 0)) {
            found = opening;
        }
    }
    if (found.since[0] != '\0') {
        json_object_set_new(row, "since", json_string(found.since));
        json_object_set_new(row, "by", json_string(found.by));
    }
}

static bool public_one(const struct store_doc *doc, void *ctx)
{
    struct public_walk *walk = ctx;
    bool conditional = false;
    bool off = json_flag(doc->body, "invokerIamDisabled", false);
    const char *role = all_users_role(walk->call, doc->key, &conditional);
    if ((!off && role == NULL) || !api_holds(walk->call, "run.services.getIamPolicy", doc->key) ||
        !project_is_live(walk->call->control, &walk->call->arena, doc->key)) {
        return true;
    }
    json_t *row = json_pack("{s:s, s:s}", "resource", doc->key, "ingress",
                            json_text_or(doc->body, "ingress", "INGRESS_TRAFFIC_ALL"));
    json_t *reasons = json_array();
    if (off) {
        json_array_append_new(reasons, json_string("The Invoker IAM check is off."));
    }
    if (role != NULL) {
        json_array_append_new(
            reasons, json_string(arena_printf(&walk->call->arena, "allUsers has %s%s.", role,
                                              conditional ? ", under a condition" : "")));
    }
    json_object_set_new(row, "reasons", reasons);
    put_opening(walk->call, row, doc->key, off, role != NULL);
    json_array_append_new(walk->services, row);
    return true;
}

static void access_public(struct api_call *call)
{
    struct error err;
    struct public_walk walk = {.call = call, .services = json_array()};
    if (!store_each(call->control->store, STORE_SERVICE, "", public_one, &walk, &err)) {
        json_decref(walk.services);
        api_fail(call, &err);
        return;
    }
    api_reply(call, json_pack("{s:o}", "services", walk.services));
}

/* ---- history ---- */

struct history {
    const char *key;
    json_t *rows;
};

static bool history_one(int64_t number, const json_t *row, void *ctx)
{
    struct history *history = ctx;
    const char *resource = json_text_or(row, "resource", "");
    size_t length = strlen(history->key);
    if (resource[length] != '\0' && resource[length] != '/') {
        return true; /* another resource whose name begins like this one's */
    }
    json_t *copy = json_deep_copy(row);
    json_object_set_new(copy, "number", json_integer(number));
    json_array_append_new(history->rows, copy);
    return true;
}

/*
 * The node whose history is asked for: a service, or what stands above it, each guarded by the
 * permission to read its policy. A project's history has that of all in it. NULL and *err.
 */
static const char *history_node(struct api_call *call, struct error *err)
{
    static const struct {
        const char *prefix, *permission;
    } kinds[] = {
        {"projects/", "resourcemanager.projects.getIamPolicy"},
        {"folders/", "resourcemanager.folders.getIamPolicy"},
        {"organizations/", "resourcemanager.organizations.getIamPolicy"},
    };
    const char *resource = api_query(call, "resource");
    for (size_t i = 0; resource != NULL && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        size_t length = strlen(kinds[i].prefix);
        const char *id = resource + length;
        if (strncmp(resource, kinds[i].prefix, length) != 0 || strchr(id, '/') != NULL) {
            continue;
        }
        const char *known = i == 0 ? project_id(call->control, &call->arena, id) : NULL;
        resource = known == NULL ? resource : arena_printf(&call->arena, "projects/%s", known);
        return api_allowed(call, kinds[i].permission, resource, err) ? resource : NULL;
    }
    struct store_doc doc;
    if (!access_service(call, &doc, err)) {
        return NULL;
    }
    json_decref(doc.body);
    return arena_string(&call->arena, slice_of(doc.key));
}

static void access_history(struct api_call *call)
{
    struct error err;
    const char *node = history_node(call, &err);
    if (node == NULL) {
        api_fail(call, &err);
        return;
    }
    struct history history = {.key = node, .rows = json_array()};
    if (!store_audit_each(call->control->store, node, HISTORY_MAX, history_one, &history, &err)) {
        json_decref(history.rows);
        api_fail(call, &err);
        return;
    }
    api_reply(call, json_pack("{s:o}", "history", history.rows));
}

#define METHOD "homerun.v1.Access."

const struct api_route access_routes[] = {
    {"GET", "/homerun/v1/access:who", NULL, NULL, API_SELF_CHECKED, access_who, METHOD "Who"},
    {"GET", "/homerun/v1/access:explain", NULL, NULL, API_SELF_CHECKED, access_explain,
     METHOD "Explain"},
    {"POST", "/homerun/v1/access:explain", NULL, NULL, API_SELF_CHECKED, access_explain,
     METHOD "ExplainRequest", explain_fields},
    {"GET", "/homerun/v1/access:public", NULL, NULL, API_SELF_CHECKED, access_public,
     METHOD "Public"},
    {"GET", "/homerun/v1/access:history", NULL, NULL, API_SELF_CHECKED, access_history,
     METHOD "History"},
};
const size_t access_route_count = sizeof(access_routes) / sizeof(access_routes[0]);
