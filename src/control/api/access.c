/* Questions of access: who may, why, what is public, and since when. */
#include "control/api/access.h"

#include "control/api/access_inside.h"

#include <stdio.h>

#include "base/clock.h"
#include "control/record/door.h"
#include "control/record/groups.h"
#include "control/record/policy_doc.h"
#include "control/record/projects.h"
#include "control/record/resource_tree.h"
#include "control/record/roles.h"
#include "model/service_run.h"

static const char invoke[] = "run.routes.invoke";
static const char enter[] = "iap.webServiceVersions.accessViaIAP";

enum { HISTORY_MAX = 500 };

bool condition_ends(struct slice expression, int64_t *end_us)
{
    static const struct slice head = SLICE_INIT("request.time < timestamp(");
    struct slice rest = slice_trim(expression);
    if (!slice_starts(rest, head) || !slice_ends(rest, SLICE(")")) || rest.len < head.len + 4) {
        return false;
    }
    rest = slice_upto(slice_from(rest, head.len), rest.len - head.len - 1);
    char quote = rest.data[0];
    if ((quote != '"' && quote != '\'') || rest.data[rest.len - 1] != quote) {
        return false;
    }
    return time_read(slice_upto(slice_from(rest, 1), rest.len - 2), end_us);
}

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

/* ID of the project of the service KEY. */
static const char *project_of(struct api_call *call, const char *key)
{
    struct slice left = slice_of(key), kind, id = SLICE_NONE;
    slice_cut(&left, '/', &kind);
    slice_cut(&left, '/', &id);
    return arena_string(&call->arena, id);
}

/* Like access_service(), for questions about what is served now. */
static bool load_served(struct api_call *call, struct store_doc *out, struct error *err)
{
    if (!access_service(call, out, err)) {
        return false;
    }
    if (project_is_live(call->control, &call->arena, out->key)) {
        return true;
    }
    store_doc_done(out);
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
            int64_t until_us;
            if (condition_ends(binding->condition.expression, &until_us)) {
                json_object_set_new(row, "reason", json_slice(binding->condition.description));
            }
        }
        json_array_append_new(rows, row);
    }
}

/* Every binding that gives PERMISSION on the resource KEY, own and inherited. */
static bool collect_bindings(struct api_call *call, const char *key, const char *permission,
                             json_t *rows, struct error *err)
{
    struct store *store = call->control->store;
    const char *node = key;
    do {
        auto_policy policy = {0};
        if (!policy_doc_load(store, &call->arena, node, &policy, err)) {
            return false;
        }
        for (size_t i = 0; i < policy.count; i++) {
            if (role_gives(store, policy.bindings[i].role, slice_of(permission))) {
                add_binding(rows, node, &policy.bindings[i]);
            }
        }
    } while (resource_parent(store, &call->arena, node, &node));
    return true;
}

/*
 * Whether requests that came in by the door may go on: they do as the service agent, whom the
 * invoker check asks like any other caller. The binding that lets it invoke is given in *WHY
 * (lent), an unconditional one if there is one; NULL where the check is off.
 */
static bool agent_may_invoke(struct api_call *call, bool check_off, const char *agent,
                             const json_t *rows, const json_t **why)
{
    struct slice groups[GROUPS_MAX];
    size_t count = groups_of(call->control, &call->arena, slice_of(agent), groups);
    size_t i;
    json_t *row;
    *why = NULL;
    json_array_foreach(rows, i, row)
    {
        const char *member = json_text_or(row, "member", "");
        bool means = strcmp(member, agent) == 0 || strcmp(member, "allUsers") == 0 ||
                     strcmp(member, "allAuthenticatedUsers") == 0;
        for (size_t g = 0; g < count && !means; g++) {
            means = slice_is(groups[g], member);
        }
        if (means && (*why == NULL || json_text(*why, "condition") != NULL)) {
            *why = row;
        }
    }
    return check_off || *why != NULL;
}

/* What the door adds: who may come in by it, and whether they get any further. */
static bool add_door(struct api_call *call, const struct store_doc *doc, bool off, json_t *answer,
                     struct error *err)
{
    const char *door = door_of_service(&call->arena, doc->key);
    const char *number = project_number(call->control, &call->arena, project_of(call, doc->key));
    const char *agent = arena_printf(&call->arena, "serviceAccount:%s",
                                     door_agent(&call->arena, number == NULL ? "" : number));
    const json_t *why;
    bool passes = agent_may_invoke(call, off, agent, json_object_get(answer, "bindings"), &why);
    bool shown = api_holds(call, "iap.webServices.getIamPolicy", door);
    json_object_set_new(answer, "iapEnabled", json_true());
    json_object_set_new(answer, "iapAgent", json_string(agent));
    json_object_set_new(answer, "iapAgentMayInvoke", json_boolean(passes));
    if (!shown) {
        json_object_set_new(answer, "iapHidden",
                            json_string("Who may come in by Identity-Aware Proxy is shown to those "
                                        "who hold iap.webServices.getIamPolicy."));
        return true;
    }
    json_t *rows = json_array();
    json_object_set_new(answer, "iapBindings", rows);
    return collect_bindings(call, door, enter, rows, err);
}

/* Until when a way stands open, or stood; and why. Nothing where no time is set. */
static void put_until(struct api_call *call, json_t *out, int64_t until_us, const char *reason)
{
    if (until_us != 0) {
        json_object_set_new(out, "publicUntil", json_slice(time_text(&call->arena, until_us)));
        if (reason[0] != '\0') {
            json_object_set_new(out, "publicReason", json_string(reason));
        }
    }
}

static void access_who(struct api_call *call)
{
    struct error err;
    auto_doc doc = {0};
    if (!load_served(call, &doc, &err)) {
        api_fail(call, &err);
        return;
    }
    const struct service *service = service_from_doc(&call->arena, doc.body);
    bool off = service_check_off_at(service, clock_wall_us());
    json_t *answer = json_pack("{s:s, s:b, s:s}", "resource", doc.key, "invokerIamDisabled", off,
                               "ingress", service_ingress_word(service, ""));
    json_t *rows = json_array();
    put_until(call, answer, service_check_off_until(service), service_public_reason(service));
    json_object_set_new(answer, "bindings", rows);
    bool good = collect_bindings(call, doc.key, invoke, rows, &err) &&
                (!service->iap_enabled || add_door(call, &doc, off, answer, &err));
    api_answer(call, good, answer, &err);
}

/* ---- public ---- */

struct public_walk {
    struct api_call *call;
    json_t *services;
};

/* The first row of "allUsers" in ROWS; NULL: there is none. One without a condition comes first. */
static const json_t *all_users(const json_t *rows)
{
    const json_t *found = NULL;
    int64_t until_us;
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row)
    {
        struct slice condition = slice_of(json_text_or(row, "condition", ""));
        if (condition_ends(condition, &until_us) && until_us <= clock_wall_us()) {
            continue; /* over */
        }
        if (strcmp(json_text_or(row, "member", ""), "allUsers") == 0 &&
            (found == NULL || json_text(found, "condition") != NULL)) {
            found = row;
        }
    }
    return found;
}

/* What the audit log can tell of how a service came to be public: the ways that stand open now. */
enum way { WAY_CHECK, WAY_POLICY, WAY_DOOR_POLICY, WAY_DOOR_OFF, WAYS };

/* Since when, and by whose hand: the newest row of the audit log that made it so. */
struct opening {
    const char *key;
    enum way way;
    char since[40];
    char by[320];
};

static bool facts_open(const json_t *facts, enum way way)
{
    size_t b, m;
    json_t *binding, *member;
    if (way == WAY_CHECK) {
        return access_facts_check_off(facts);
    }
    if (way == WAY_DOOR_OFF) {
        return facts != NULL && !access_facts_door_on(facts);
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

/* Whether a row is of the kind that could have opened that way: policies have rows of their own. */
static bool row_is_of(const json_t *row, enum way way)
{
    const char *deed = json_text_or(row, "deed", "");
    bool policy = strcmp(deed, "set-iam-policy") == 0, door = strcmp(deed, "set-iap-policy") == 0;
    bool settings = strcmp(deed, "iap-settings") == 0;
    switch (way) {
    case WAY_CHECK:
        return !policy && !door && !settings;
    case WAY_POLICY:
        return policy;
    case WAY_DOOR_POLICY:
        return door;
    case WAY_DOOR_OFF:
        return !policy && !door && !settings && json_object_get(row, "before") != NULL;
    case WAYS:
        break;
    }
    return false;
}

static bool find_opening(int64_t number, const json_t *row, void *ctx)
{
    struct opening *opening = ctx;
    (void)number;
    if (strcmp(json_text_or(row, "resource", ""), opening->key) != 0 ||
        !row_is_of(row, opening->way) || !facts_open(json_object_get(row, "after"), opening->way) ||
        facts_open(json_object_get(row, "before"), opening->way)) {
        return true;
    }
    snprintf(opening->since, sizeof(opening->since), "%s", json_text_or(row, "time", ""));
    snprintf(opening->by, sizeof(opening->by), "%s", json_text_or(row, "caller", ""));
    return false;
}

static struct opening opening_of(struct api_call *call, const char *key, enum way way)
{
    struct opening opening = {.key = key, .way = way};
    store_audit_look(call->control->store, key, HISTORY_MAX, find_opening, &opening);
    return opening;
}

/*
 * Of the invoker check the earlier of the ways that stand open; and the door, which stands before
 * it, must be open too: the later of both is when it became public.
 */
static void put_opening(struct api_call *call, json_t *row, const char *key, const bool open[WAYS])
{
    struct opening found = {.since = ""};
    for (enum way way = 0; way < WAYS; way++) {
        bool door = way == WAY_DOOR_POLICY || way == WAY_DOOR_OFF;
        if (!open[way]) {
            continue;
        }
        struct opening opening = opening_of(call, key, way);
        int order = strcmp(opening.since, found.since);
        if (opening.since[0] != '\0' &&
            (found.since[0] == '\0' || (door ? order > 0 : order < 0))) {
            found = opening;
        }
    }
    if (found.since[0] != '\0') {
        json_object_set_new(row, "since", json_string(found.since));
        json_object_set_new(row, "by", json_string(found.by));
    }
}

static void add_reason(json_t *reasons, const char *text)
{
    json_array_append_new(reasons, json_string(text));
}

static void add_grant(struct arena *arena, json_t *reasons, const char *before, const json_t *row)
{
    add_reason(reasons,
               arena_printf(arena, "%s%s has %s%s.", before, json_text_or(row, "member", ""),
                            json_text_or(row, "role", ""),
                            json_text(row, "condition") != NULL ? ", under a condition" : ""));
}

/*
 * Until when all ways that stand open do: nothing if one of them has no end. SERVICE: whose
 * check is off, else NULL; GRANTED: the row of allUsers, or NULL.
 */
static void until_of(struct api_call *call, const struct service *service, const json_t *granted,
                     json_t *out)
{
    int64_t check_us = service == NULL ? 0 : service_check_off_until(service);
    int64_t grant_us = 0;
    if (granted != NULL &&
        !condition_ends(slice_of(json_text_or(granted, "condition", "")), &grant_us)) {
        grant_us = 0;
    }
    if ((service != NULL && check_us == 0) || (granted != NULL && grant_us == 0)) {
        return;
    }
    bool by_check = check_us >= grant_us;
    put_until(call, out, by_check ? check_us : grant_us,
              by_check && service != NULL ? service_public_reason(service)
                                          : json_text_or(granted, "reason", ""));
}

/*
 * Why everybody gets to the service, sentence by sentence; false if not everybody does. Behind a
 * door, everybody must be let in by it, and its agent by the service.
 */
static bool reasons_of(struct api_call *call, const char *key, const struct service *service,
                       json_t *reasons, bool open[WAYS], json_t *until)
{
    struct error ignored;
    auto_json *rows = json_array(), *guests = json_array();
    struct arena *arena = &call->arena;
    const char *door = door_of_service(arena, key);
    bool door_on = service->iap_enabled;
    if (!collect_bindings(call, key, invoke, rows, &ignored) ||
        (door_on && !collect_bindings(call, door, enter, guests, &ignored))) {
        return false;
    }
    const json_t *granted = all_users(rows), *let_in = all_users(guests), *why = NULL;
    bool check_off = service_check_off_at(service, clock_wall_us());
    open[WAY_CHECK] = check_off;
    open[WAY_POLICY] = granted != NULL;
    open[WAY_DOOR_POLICY] = door_on;
    open[WAY_DOOR_OFF] = !door_on;
    if (door_on) {
        const char *number = project_number(call->control, arena, project_of(call, key));
        const char *agent = arena_printf(arena, "serviceAccount:%s",
                                         door_agent(arena, number == NULL ? "" : number));
        if (let_in == NULL || !agent_may_invoke(call, check_off, agent, rows, &why)) {
            return false;
        }
        add_grant(arena, reasons, "Identity-Aware Proxy asks nobody who they are: ", let_in);
    }
    if (check_off) {
        add_reason(reasons, "The Invoker IAM check is off.");
    }
    until_of(call, check_off ? service : NULL, granted, until);
    if (granted != NULL) {
        add_grant(arena, reasons, "", granted);
    } else if (why != NULL && !check_off) {
        add_grant(arena, reasons, "", why);
    }
    return json_array_size(reasons) > 0;
}

static bool public_one(const struct store_doc *doc, void *ctx)
{
    struct public_walk *walk = ctx;
    struct api_call *call = walk->call;
    bool open[WAYS] = {false};
    auto_json *reasons = json_array();
    auto_json *until = json_object();
    auto_arena arena = {0};
    const struct service *service = service_from_doc(&arena, doc->body);
    if (!reasons_of(call, doc->key, service, reasons, open, until) ||
        !api_holds(call, "run.services.getIamPolicy", doc->key) ||
        !project_is_live(call->control, &call->arena, doc->key)) {
        return true;
    }
    json_t *row = json_pack("{s:s, s:s}", "resource", doc->key, "ingress",
                            service_ingress_word(service, "INGRESS_TRAFFIC_ALL"));
    json_object_set(row, "reasons", reasons);
    json_object_update(row, until);
    put_opening(call, row, doc->key, open);
    json_array_append_new(walk->services, row);
    return true;
}

static void access_public(struct api_call *call)
{
    struct error err;
    struct public_walk walk = {.call = call, .services = json_array()};
    bool good = store_each(call->control->store, STORE_SERVICE, "", public_one, &walk, &err);
    api_answer(call, good, json_pack("{s:o}", "services", walk.services), &err);
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
    auto_doc doc = {0};
    if (!access_service(call, &doc, err)) {
        return NULL;
    }
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
    bool good =
        store_audit_each(call->control->store, node, HISTORY_MAX, history_one, &history, &err);
    api_answer(call, good, json_pack("{s:o}", "history", history.rows), &err);
}

#define METHOD "homerun.v1.Access."

const struct api_route access_routes[] = {
    {"GET", "/homerun/v1/access:who", NULL, NULL, API_SELF_CHECKED, access_who, METHOD "Who",
     .why = API_WHY_ASKED},
    {"GET", "/homerun/v1/access:what", NULL, NULL, API_SELF_CHECKED, access_what, METHOD "What",
     .why = API_WHY_ASKED},
    {"GET", "/homerun/v1/access:explain", NULL, NULL, API_SELF_CHECKED, access_explain,
     METHOD "Explain", .why = API_WHY_ASKED},
    {"POST", "/homerun/v1/access:explain", NULL, NULL, API_SELF_CHECKED, access_explain,
     METHOD "ExplainRequest", explain_fields, .why = API_WHY_ASKED},
    {"GET", "/homerun/v1/access:at", NULL, NULL, API_SELF_CHECKED, access_at, METHOD "At",
     .why = API_WHY_ASKED},
    {"POST", "/homerun/v1/access:plan", NULL, NULL, API_SELF_CHECKED, access_plan, METHOD "Plan",
     plan_fields, .why = API_WHY_ASKED},
    {"GET", "/homerun/v1/access:public", NULL, NULL, API_SELF_CHECKED, access_public,
     METHOD "Public", .why = API_WHY_ASKED},
    {"GET", "/homerun/v1/access:history", NULL, NULL, API_SELF_CHECKED, access_history,
     METHOD "History", .why = API_WHY_ASKED},
};
const size_t access_route_count = sizeof(access_routes) / sizeof(access_routes[0]);
