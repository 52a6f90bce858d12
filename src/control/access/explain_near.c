/*
 * Bindings that come near: the role is there, but on another service; the name is there, but of
 * another kind or domain; the condition is there, and false now. Each is a look at the policies of
 * the record, bounded in number, and at the caller's names as the gate knows them.
 */
#include "control/access/explain.h"

#include <stdio.h>

#include "control/record/groups.h"
#include "control/record/policy_doc.h"
#include "control/record/resource_tree.h"
#include "control/record/roles.h"
#include "control/record/tags.h"
#include "model/service_run.h"
#include "policy/path.h"

enum {
    POLICIES_MAX = 1000,
    SIBLINGS_MAX = 200,
    NEAR_MAX = 6,
    PARTS_MAX = 12,
    ADDRESS_MAX = 64,
    HISTORY_MAX = 100
};

/* Names that a binding may know the caller by. */
struct names {
    struct slice items[GROUPS_MAX + 4];
    size_t count;
    struct member self; /* kind MEMBER_ALL_USERS: nobody is known */
    bool federated;
};

static bool lets_invoke(const struct explanation *explanation, struct slice role)
{
    return role_gives(explanation->control->store, role, SLICE("run.routes.invoke"));
}

static void names_find(const struct explanation *explanation, struct names *out)
{
    struct arena *arena = explanation->arena;
    memset(out, 0, sizeof(*out));
    if (explanation->caller == NULL ||
        !member_parse(arena, slice_of(explanation->caller), &out->self, NULL)) {
        out->self.kind = MEMBER_ALL_USERS;
        return;
    }
    out->items[out->count++] = out->self.text;
    out->count += groups_of(explanation->control, arena, out->self.text, out->items + 1);
    out->federated = out->self.kind == MEMBER_PRINCIPAL || out->self.kind == MEMBER_PRINCIPAL_SET;
    if (!out->federated) {
        out->items[out->count++] = SLICE("allAuthenticatedUsers");
    }
}

static bool names_hold(const struct names *names, struct slice member)
{
    for (size_t i = 0; i < names->count; i++) {
        if (slice_equal(names->items[i], member)) {
            return true;
        }
    }
    return false;
}

static bool binding_has(const struct binding *binding, const struct names *names,
                        struct slice *found)
{
    for (size_t i = 0; i < binding->member_count; i++) {
        if (names_hold(names, binding->members[i])) {
            *found = binding->members[i];
            return true;
        }
    }
    return false;
}

/* ---- conditions ---- */

static struct cel_env env_of(const struct explanation *explanation, struct lazy_tags *tags)
{
    struct slice path;
    bool clear = path_normal(explanation->arena, explanation->request.target, &path) == PATH_FINE;
    *tags = (struct lazy_tags){.control = explanation->control,
                               .arena = explanation->arena,
                               .resource = explanation->resource};
    return (struct cel_env){
        .time_us = explanation->question->now_us,
        .host = explanation->facts.host,
        .path = clear ? path : SLICE_NONE,
        .resource_name = slice_of(explanation->resource),
        .resource_type = SLICE("run.googleapis.com/Service"),
        .resource_service = SLICE("run.googleapis.com"),
        .has_tag = lazy_tags_match,
        .tag_ctx = tags,
        .modified_role_count = -1,
    };
}

/* The next part of *REST, up to an && that stands in no bracket and no string. */
static struct slice cut_part(struct slice *rest)
{
    int depth = 0;
    char quote = '\0';
    size_t at = 0;
    for (; at < rest->len; at++) {
        char c = rest->data[at];
        if (quote != '\0') {
            at += c == '\\';
            quote = c == quote ? '\0' : quote;
        } else if (c == '"' || c == '\'') {
            quote = c;
        } else if (c == '(' || c == '[') {
            depth++;
        } else if (c == ')' || c == ']') {
            depth--;
        } else if (depth == 0 && c == '&' && at + 1 < rest->len && rest->data[at + 1] == '&') {
            break;
        }
    }
    struct slice part = slice_trim(slice_upto(*rest, at));
    *rest = slice_from(*rest, at + 2);
    return part;
}

/* What the request has of the attributes that PART asks for. */
static const char *values_of(const struct explanation *explanation, struct slice part,
                             const struct cel_env *env)
{
    struct arena *arena = explanation->arena;
    const char *out = "";
    if (slice_find_slice(part, SLICE("request.time")) >= 0) {
        out = arena_printf(arena, " (the time is %.*s)", SLICE_ARG(time_text(arena, env->time_us)));
    }
    if (slice_find_slice(part, SLICE("request.path")) >= 0) {
        out = env->path.len > 0 ? arena_printf(arena, "%s (the path is %.*s)", out,
                                               SLICE_ARG(slice_upto(env->path, 200)))
                                : arena_printf(arena, "%s (the path has no normal form)", out);
    }
    if (slice_find_slice(part, SLICE("request.host")) >= 0) {
        out = arena_printf(arena, "%s (the host is %.*s)", out,
                           SLICE_ARG(slice_upto(env->host, 200)));
    }
    if (slice_find_slice(part, SLICE("destination.")) >= 0 ||
        slice_find_slice(part, SLICE("access_levels")) >= 0) {
        out = arena_printf(arena, "%s (services do not have that attribute, so it is never true)",
                           out);
    }
    return out;
}

/* "PART is false (the path is /b)"; "" if the whole is true. */
static const char *false_part(const struct explanation *explanation,
                              const struct condition *condition)
{
    struct lazy_tags tags;
    struct cel_env env = env_of(explanation, &tags);
    struct slice rest = condition->expression;
    if (cel_eval(condition->program, &env, explanation->arena) == CEL_TRUE) {
        return "";
    }
    for (int i = 0; i < PARTS_MAX && rest.len > 0; i++) {
        struct slice part = cut_part(&rest);
        struct slice program;
        if (cel_compile(explanation->arena, part, &program, NULL) &&
            cel_eval(program, &env, explanation->arena) != CEL_TRUE) {
            return arena_printf(explanation->arena, "`%.*s` is not true for this request%s",
                                SLICE_ARG(part), values_of(explanation, part, &env));
        }
    }
    return arena_printf(explanation->arena, "`%.*s` is not true for this request%s",
                        SLICE_ARG(condition->expression),
                        values_of(explanation, condition->expression, &env));
}

/* ---- policies of the service and above it ---- */

static const char *where(const struct explanation *explanation, const char *node)
{
    return strcmp(node, explanation->resource) == 0 ? explain_short_name(explanation, node) : node;
}

/* A binding of NAMES that lets invoke, under a condition that is false. */
static const char *condition_near(const struct explanation *explanation, const struct names *names,
                                  const char *node, const struct policy_doc *policy)
{
    for (size_t i = 0; i < policy->count; i++) {
        const struct binding *binding = &policy->bindings[i];
        struct slice member;
        if (binding->condition.program.len == 0 || !lets_invoke(explanation, binding->role) ||
            !binding_has(binding, names, &member)) {
            continue;
        }
        const char *part = false_part(explanation, &binding->condition);
        if (part[0] != '\0') {
            return arena_printf(explanation->arena, "%.*s has %.*s on %s under a condition, and %s",
                                SLICE_ARG(member), SLICE_ARG(binding->role),
                                where(explanation, node), part);
        }
    }
    return NULL;
}

/* A role that shows services, or does other things, and does not let invoke. */
static const char *role_near(const struct explanation *explanation, const struct names *names,
                             const char *node, const struct policy_doc *policy)
{
    for (size_t i = 0; i < policy->count; i++) {
        const struct binding *binding = &policy->bindings[i];
        struct slice member;
        if (!lets_invoke(explanation, binding->role) && binding_has(binding, names, &member)) {
            bool known = roles_find(binding->role) != NULL;
            return arena_printf(explanation->arena,
                                "%.*s has %.*s on %s, which does not let invoke services "
                                "(run.routes.invoke is not in it%s)",
                                SLICE_ARG(member), SLICE_ARG(binding->role),
                                where(explanation, node),
                                known ? "" : ", or the role is not known here");
        }
    }
    return NULL;
}

/* How many letters A and B differ by; over 2: 3. */
static unsigned letters_apart(struct slice a, struct slice b)
{
    unsigned row[ADDRESS_MAX + 1];
    if (a.len > ADDRESS_MAX || b.len > ADDRESS_MAX || a.len + 2 < b.len || b.len + 2 < a.len) {
        return 3;
    }
    for (unsigned j = 0; j <= b.len; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a.len; i++) {
        unsigned before = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b.len; j++) {
            unsigned change = before + (a.data[i - 1] != b.data[j - 1]);
            before = row[j];
            unsigned insert = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            row[j] = change < insert ? change : insert;
        }
    }
    return row[b.len] < 3 ? row[b.len] : 3;
}

static struct slice local_part(struct slice address)
{
    ptrdiff_t at = slice_find_last(address, '@');
    return at < 0 ? address : slice_upto(address, (size_t)at);
}

static struct slice domain_part(struct slice address)
{
    ptrdiff_t at = slice_find_last(address, '@');
    return at < 0 ? SLICE("") : slice_from(address, (size_t)at + 1);
}

/* "serviceAccount:E?uid=N" of a deleted member: E. */
static struct slice deleted_address(struct slice text)
{
    struct slice rest = slice_from(text, sizeof("deleted:") - 1);
    ptrdiff_t colon = slice_find(rest, ':');
    ptrdiff_t end = slice_find(rest, '?');
    return colon < 0 || end < colon ? SLICE("")
                                    : slice_from(slice_upto(rest, (size_t)end), (size_t)colon + 1);
}

/* One member of a binding that lets invoke: whether it is nearly the caller. */
static const char *member_near(const struct explanation *explanation, const struct names *names,
                               struct slice text, struct slice role, const char *node)
{
    struct arena *arena = explanation->arena;
    struct member member;
    struct slice self = names->self.value;
    const char *at = where(explanation, node);
    if (slice_starts(text, SLICE("deleted:")) && self.len > 0 &&
        slice_equal(deleted_address(text), self)) {
        return arena_printf(
            arena,
            "%.*s on %s is still given to an account of that name which was deleted: "
            "the one that was made anew is another (%.*s)",
            SLICE_ARG(role), at, SLICE_ARG(text));
    }
    if (self.len == 0 || names->federated || !member_parse(arena, text, &member, NULL) ||
        slice_find(self, '@') < 0) {
        return NULL;
    }
    if (member.kind == MEMBER_DOMAIN) {
        return slice_equal(member.value, domain_part(self))
                   ? arena_printf(
                         arena,
                         "%.*s has %.*s on %s, and nobody here may speak for that domain: an "
                         "issuer has to be marked as its authority (issuers add --domains)",
                         SLICE_ARG(text), SLICE_ARG(role), at)
                   : NULL;
    }
    if (slice_find(member.value, '@') < 0 || slice_equal(member.text, names->self.text)) {
        return NULL;
    }
    if (slice_equal(member.value, self)) {
        return arena_printf(arena,
                            "%.*s on %s is given to %.*s: the address is right, the kind before "
                            "it is not",
                            SLICE_ARG(role), at, SLICE_ARG(text));
    }
    if (member.kind == names->self.kind &&
        slice_equal(local_part(member.value), local_part(self))) {
        return arena_printf(arena, "%.*s on %s is given to %.*s: the same name at another %s",
                            SLICE_ARG(role), at, SLICE_ARG(text),
                            member.kind == MEMBER_SERVICE_ACCOUNT ? "project" : "domain");
    }
    if (member.kind == MEMBER_USER && names->self.kind == MEMBER_USER &&
        letters_apart(member.value, self) < 3) {
        return arena_printf(arena, "%.*s on %s is given to %.*s, which is spelled nearly the same",
                            SLICE_ARG(role), at, SLICE_ARG(text));
    }
    return NULL;
}

static const char *spelling_near(const struct explanation *explanation, const struct names *names,
                                 const char *node, const struct policy_doc *policy)
{
    for (size_t i = 0; i < policy->count; i++) {
        const struct binding *binding = &policy->bindings[i];
        if (!lets_invoke(explanation, binding->role)) {
            continue;
        }
        for (size_t k = 0; k < binding->member_count; k++) {
            const char *near =
                member_near(explanation, names, binding->members[k], binding->role, node);
            if (near != NULL) {
                return near;
            }
        }
    }
    return NULL;
}

/* A group that would be enough, and all who are signed in, for those who are not among them. */
static const char *group_near(const struct explanation *explanation, const struct names *names,
                              const char *node, const struct policy_doc *policy)
{
    for (size_t i = 0; i < policy->count; i++) {
        const struct binding *binding = &policy->bindings[i];
        if (!lets_invoke(explanation, binding->role)) {
            continue;
        }
        for (size_t k = 0; k < binding->member_count; k++) {
            struct slice member = binding->members[k];
            if (slice_starts(member, SLICE("group:")) && !names_hold(names, member)) {
                return arena_printf(
                    explanation->arena, "%.*s has %.*s on %s, and %s is not in that group",
                    SLICE_ARG(member), SLICE_ARG(binding->role), where(explanation, node),
                    explanation->caller == NULL ? "nobody known" : explanation->caller);
            }
            if (names->federated && slice_is(member, "allAuthenticatedUsers")) {
                return arena_printf(
                    explanation->arena,
                    "allAuthenticatedUsers has %.*s on %s, and identities of a pool "
                    "are not among them",
                    SLICE_ARG(binding->role), where(explanation, node));
            }
        }
    }
    return NULL;
}

/* Another service account that is let in: the caller may run as the wrong one. */
static const char *account_near(const struct explanation *explanation, const struct names *names,
                                const char *node, const struct policy_doc *policy)
{
    for (size_t i = 0; names->self.kind == MEMBER_SERVICE_ACCOUNT && i < policy->count; i++) {
        const struct binding *binding = &policy->bindings[i];
        if (!lets_invoke(explanation, binding->role) || strcmp(node, explanation->resource) != 0) {
            continue;
        }
        for (size_t k = 0; k < binding->member_count; k++) {
            if (slice_starts(binding->members[k], SLICE("serviceAccount:"))) {
                return arena_printf(explanation->arena,
                                    "%s lets %.*s in, and the call came as another account",
                                    where(explanation, node), SLICE_ARG(binding->members[k]));
            }
        }
    }
    return NULL;
}

typedef const char *near_test(const struct explanation *explanation, const struct names *names,
                              const char *node, const struct policy_doc *policy);

/* The first that TEST finds, from the service upwards. */
static const char *upwards(const struct explanation *explanation, const struct names *names,
                           near_test *test)
{
    struct store *store = explanation->control->store;
    const char *node = explanation->resource;
    const char *found = NULL;
    do {
        auto_policy policy = {0};
        if (policy_doc_load(store, explanation->arena, node, &policy, NULL)) {
            found = test(explanation, names, node, &policy);
        }
    } while (found == NULL && resource_parent(store, explanation->arena, node, &node));
    return found;
}

/* ---- policies elsewhere ---- */

struct elsewhere {
    const struct explanation *explanation;
    const struct names *names;
    size_t left;
    const char *found;
};

/* The first of MEMBERS that is one of NAMES; NULL if none is. */
static const char *member_among(const json_t *members, const struct names *names)
{
    size_t i;
    json_t *member;
    json_array_foreach(members, i, member)
    {
        const char *text = json_string_value(member);
        if (text != NULL && names_hold(names, slice_of(text))) {
            return text;
        }
    }
    return NULL;
}

/* What DOC, whose policy gives the caller a role that lets invoke, is for them. */
static const char *place_of(const struct explanation *explanation, const char *key)
{
    const char *name = explain_short_name(explanation, key);
    switch (policy_node_of(key)) {
    case POLICY_ACCOUNT:
        return arena_printf(explanation->arena, "%s, a service account, where it opens no service",
                            key);
    case POLICY_PROJECT:
        return arena_printf(explanation->arena, "%s, another project", key);
    case POLICY_SERVICE:
    case POLICY_FOLDER:
    case POLICY_ORGANIZATION:
    case POLICY_TAG:
    case POLICY_SECRET:
    case POLICY_DOOR:
        break;
    }
    return strcmp(name, explain_short_name(explanation, explanation->resource)) == 0
               ? arena_printf(explanation->arena, "%s, a service of the same name elsewhere", key)
               : arena_printf(explanation->arena, "%s, another service", name);
}

/*
 * The caller's role that lets invoke, in a policy of another service or of an account. The
 * documents are read as they come: there may be many.
 */
static bool look_elsewhere(const struct store_doc *doc, void *ctx)
{
    struct elsewhere *search = ctx;
    const struct explanation *explanation = search->explanation;
    bool below = strncmp(explanation->resource, doc->key, strlen(doc->key)) == 0;
    size_t i;
    json_t *binding;
    json_array_foreach(below ? NULL : json_object_get(doc->body, "bindings"), i, binding)
    {
        const char *role = json_text_or(binding, "role", "");
        const char *member = member_among(json_object_get(binding, "members"), search->names);
        if (member != NULL && lets_invoke(explanation, slice_of(role))) {
            search->found = arena_printf(explanation->arena, "%s has %s on %s", member, role,
                                         place_of(explanation, doc->key));
            return false;
        }
    }
    return --search->left > 0;
}

static const char *elsewhere_near(const struct explanation *explanation, const struct names *names)
{
    struct elsewhere search = {.explanation = explanation, .names = names, .left = POLICIES_MAX};
    store_look(explanation->control->store, STORE_POLICY, "projects/", look_elsewhere, &search);
    return search.found;
}

/* ---- the two causes ---- */

struct explain_cause explain_binding_cause(const struct explanation *explanation)
{
    static const struct {
        const char *code;
        near_test *test;
    } tests[] = {
        {"condition_false", condition_near},
        {"role_without_invoke", role_near},
        {"nearly_the_member", spelling_near},
        {"not_in_group", group_near},
        {NULL, NULL},
        {"other_account", account_near},
    };
    struct names *names = arena_new(explanation->arena, struct names);
    struct arena *arena = explanation->arena;
    const char *who = explanation->caller == NULL ? "the caller" : explanation->caller;
    const char *name = explain_short_name(explanation, explanation->resource);
    const char *code = NULL;
    const char *first = NULL;
    names_find(explanation, names);
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        const char *near = tests[i].test != NULL ? upwards(explanation, names, tests[i].test)
                                                 : elsewhere_near(explanation, names);
        if (near == NULL) {
            continue;
        }
        if (first == NULL) {
            first = near;
            code = tests[i].code != NULL ? tests[i].code : "role_elsewhere";
        } else if (json_array_size(explanation->near) < NEAR_MAX) {
            explain_near(explanation, "%s", near);
        }
    }
    if (first == NULL) {
        return (struct explain_cause){
            "no_role", arena_printf(arena, "%s has no role that lets it invoke %s", who, name)};
    }
    return (struct explain_cause){
        code, arena_printf(arena, "%s may not invoke %s: %s", who, name, first)};
}

/* ---- nobody knocked ---- */

struct closing {
    const char *key;
    char time[40], by[320];
    bool by_policy;
};

static bool facts_open(const json_t *facts, bool by_policy)
{
    size_t b, m;
    json_t *binding, *member;
    if (!by_policy) {
        return access_facts_check_off(facts);
    }
    json_array_foreach(json_object_get(facts, "bindings"), b, binding)
    {
        json_array_foreach(json_object_get(binding, "members"), m, member)
        {
            if (slice_is(slice_of(json_string_value(member)), "allUsers")) {
                return true;
            }
        }
    }
    return false;
}

/* The newest row by which a service ceased to be public. */
static bool look_for_closing(int64_t number, const json_t *row, void *ctx)
{
    struct closing *closing = ctx;
    const json_t *before = json_object_get(row, "before");
    const json_t *after = json_object_get(row, "after");
    (void)number;
    if (strcmp(json_text_or(row, "resource", ""), closing->key) != 0) {
        return true;
    }
    for (int by_policy = 0; by_policy < 2; by_policy++) {
        if (facts_open(before, by_policy != 0) && !facts_open(after, by_policy != 0)) {
            closing->by_policy = by_policy != 0;
            snprintf(closing->time, sizeof(closing->time), "%s", json_text_or(row, "time", ""));
            snprintf(closing->by, sizeof(closing->by), "%s", json_text_or(row, "caller", ""));
            return false;
        }
    }
    return true;
}

/* Another service of the project whose Invoker IAM check is off. */
struct sibling {
    const struct explanation *explanation;
    size_t left;
    const char *found;
};

static bool look_at_sibling(const struct store_doc *doc, void *ctx)
{
    struct sibling *search = ctx;
    const struct explanation *explanation = search->explanation;
    auto_arena arena = {0};
    if (strcmp(doc->key, explanation->resource) != 0 &&
        service_check_off_at(service_from_doc(&arena, doc->body), explanation->question->now_us)) {
        search->found =
            explain_short_name(explanation, arena_string(explanation->arena, slice_of(doc->key)));
    }
    return search->found == NULL && --search->left > 0;
}

static const char *sibling_near(const struct explanation *explanation)
{
    struct sibling search = {.explanation = explanation, .left = SIBLINGS_MAX};
    const char *end = strstr(explanation->resource, "/locations/");
    const char *prefix =
        arena_printf(explanation->arena, "%.*s/",
                     (int)(end == NULL ? 0 : end - explanation->resource), explanation->resource);
    store_look(explanation->control->store, STORE_SERVICE, prefix, look_at_sibling, &search);
    return search.found;
}

/* A binding of all who are signed in, for one who is not. */
static const char *signed_in_near(const struct explanation *explanation, const struct names *names,
                                  const char *node, const struct policy_doc *policy)
{
    (void)names;
    for (size_t i = 0; i < policy->count; i++) {
        const struct binding *binding = &policy->bindings[i];
        for (size_t k = 0; k < binding->member_count; k++) {
            if (slice_is(binding->members[k], "allAuthenticatedUsers") &&
                lets_invoke(explanation, binding->role)) {
                return arena_printf(explanation->arena,
                                    "allAuthenticatedUsers has %.*s on %s, so that a token of any "
                                    "account would do",
                                    SLICE_ARG(binding->role), where(explanation, node));
            }
        }
    }
    return NULL;
}

static void near_of_stranger(const struct explanation *explanation, const struct names *everybody)
{
    const char *name = explain_short_name(explanation, explanation->resource);
    struct closing closing = {.key = explanation->resource};
    const char *elsewhere = elsewhere_near(explanation, everybody);
    store_audit_look(explanation->control->store, explanation->resource, HISTORY_MAX,
                     look_for_closing, &closing);
    const struct facts_service *service = explanation->facts.service;
    if (service != NULL && service->invoker_check_off && service->check_off_until_us != 0) {
        explain_near(explanation, "%s was public until %.*s, as its check was set to be off", name,
                     SLICE_ARG(time_text(explanation->arena, service->check_off_until_us)));
    }
    if (closing.time[0] != '\0') {
        explain_near(explanation, "%s was public until %s, when %s %s", name, closing.time,
                     closing.by,
                     closing.by_policy ? "took allUsers away" : "turned the Invoker IAM check on");
    }
    const char *signed_in = upwards(explanation, everybody, signed_in_near);
    const char *sibling = sibling_near(explanation);
    if (signed_in != NULL) {
        explain_near(explanation, "%s", signed_in);
    }
    if (sibling != NULL) {
        explain_near(explanation, "the Invoker IAM check is off on %s, and not on %s", sibling,
                     name);
    }
    if (elsewhere != NULL) {
        explain_near(explanation, "%s", elsewhere);
    }
}

struct explain_cause explain_stranger_cause(const struct explanation *explanation)
{
    struct names *everybody = arena_new(explanation->arena, struct names);
    const char *name = explain_short_name(explanation, explanation->resource);
    struct arena *arena = explanation->arena;
    everybody->items[everybody->count++] = SLICE("allUsers");
    const char *condition = upwards(explanation, everybody, condition_near);
    near_of_stranger(explanation, everybody);
    if (explanation->look.form == FORM_EMPTY) {
        return (struct explain_cause){
            "empty_header",
            arena_printf(arena,
                         "%s is there and empty, so the request brought no identity token: what "
                         "should have printed it printed nothing",
                         explanation->look.source == CREDENTIAL_SERVERLESS
                             ? "X-Serverless-Authorization, which decides alone,"
                             : "Authorization")};
    }
    if (condition != NULL) {
        return (struct explain_cause){
            "public_condition_false",
            arena_printf(arena, "%s is public under a condition alone: %s", name, condition)};
    }
    if (slice_is(slice_of(explanation->question->method), "OPTIONS")) {
        return (struct explain_cause){
            "preflight",
            arena_printf(arena,
                         "a browser's preflight (OPTIONS) carries no identity token, and %s is not "
                         "public: pages of other origins can call public services alone",
                         name)};
    }
    if (json_array_size(explanation->near) > 0) {
        return (struct explain_cause){
            "no_token",
            arena_printf(arena,
                         "the request brought no identity token, and %s is not "
                         "public: %s",
                         name, json_string_value(json_array_get(explanation->near, 0)))};
    }
    return (struct explain_cause){
        "no_token",
        arena_printf(arena, "the request brought no identity token, and %s is not public", name)};
}
