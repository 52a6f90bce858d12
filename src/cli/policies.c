/* Allow policies of services, and of their doors: read, change, write with the etag that was read.
 */
#include "cli/policies.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/actions.h"
#include "cli/client.h"
#include "cli/input.h"
#include "cli/plan.h"
#include "cli/terminal.h"
#include "cli/until.h"

enum { TRIES = 5 };

static const char *policy_path(struct cli *cli, const char *resource, const char *verb)
{
    return arena_printf(&cli->arena, "%s:%s", resource, verb);
}

static bool policy_get(struct cli *cli, const char *resource, json_t **policy, struct error *err)
{
    if (strstr(resource, "/iap_web/") != NULL) {
        auto_json *asked = json_pack("{s:{s:i}}", "options", "requestedPolicyVersion", 3);
        return session_call(cli, "POST", policy_path(cli, resource, "getIamPolicy"), asked, policy,
                            err);
    }
    const char *path =
        arena_printf(&cli->arena, "%s:getIamPolicy?options.requestedPolicyVersion=3", resource);
    return session_call(cli, "GET", path, NULL, policy, err);
}

static bool same_condition(const json_t *binding, const json_t *condition)
{
    const json_t *own = json_object_get(binding, "condition");
    if (own == NULL || condition == NULL) {
        return own == NULL && condition == NULL;
    }
    return strcmp(json_text_or(own, "expression", ""), json_text_or(condition, "expression", "")) ==
               0 &&
           strcmp(json_text_or(own, "title", ""), json_text_or(condition, "title", "")) == 0;
}

static json_t *binding_find(json_t *bindings, const char *role, const json_t *condition)
{
    for (size_t i = 0; i < json_array_size(bindings); i++) {
        json_t *binding = json_array_get(bindings, i);
        if (strcmp(json_text_or(binding, "role", ""), role) == 0 &&
            same_condition(binding, condition)) {
            return binding;
        }
    }
    return NULL;
}

static size_t member_find(const json_t *members, const char *member)
{
    size_t i = 0;
    while (i < json_array_size(members) &&
           strcmp(json_string_value(json_array_get(members, i)), member) != 0) {
        i++;
    }
    return i;
}

static void grant_in(json_t *policy, const char *member, const char *role, const json_t *condition)
{
    json_t *bindings = json_object_get(policy, "bindings");
    if (!json_is_array(bindings)) {
        bindings = json_array();
        json_object_set_new(policy, "bindings", bindings);
    }
    json_t *binding = binding_find(bindings, role, condition);
    if (binding == NULL) {
        binding = json_pack("{s:s, s:[]}", "role", role, "members");
        if (condition != NULL) {
            json_object_set_new(binding, "condition", json_deep_copy(condition));
        }
        json_array_append_new(bindings, binding);
    }
    json_t *members = json_object_get(binding, "members");
    if (member_find(members, member) == json_array_size(members)) {
        json_array_append_new(members, json_string(member));
    }
}

static bool take_in(json_t *policy, const char *member, const char *role, const json_t *condition)
{
    json_t *bindings = json_object_get(policy, "bindings");
    json_t *binding = binding_find(bindings, role, condition);
    json_t *members = json_object_get(binding, "members");
    size_t at = member_find(members, member);
    if (at == json_array_size(members)) {
        return false;
    }
    json_array_remove(members, at);
    for (size_t i = json_array_size(bindings); i-- > 0;) {
        if (json_array_size(json_object_get(json_array_get(bindings, i), "members")) == 0) {
            json_array_remove(bindings, i);
        }
    }
    return true;
}

/* One change of a policy; EDIT is false, with *err, if it makes no sense. */
struct policy_wish {
    const char *member, *role;
    const json_t *condition;
    bool grant;
    bool (*edit)(const struct policy_wish *wish, json_t *policy, struct error *err);
};

/* Reads, changes and writes, again if somebody else changed it meanwhile. */
static bool policy_edit(struct cli *cli, const char *resource, const struct policy_wish *wish,
                        json_t **policy, struct error *err)
{
    struct error why = {0};
    for (int i = 0; i < TRIES; i++) {
        auto_json *now = NULL;
        if (!policy_get(cli, resource, &now, err) || !wish->edit(wish, now, err)) {
            return false;
        }
        json_object_set_new(now, "version", json_integer(3));
        auto_json *body = json_pack("{s:O}", "policy", now);
        why = (struct error){0};
        if (session_call(cli, "POST", policy_path(cli, resource, "setIamPolicy"), body, policy,
                         &why)) {
            return true;
        }
        if (why.status != STATUS_ABORTED) {
            break; /* ABORTED: somebody else changed it meanwhile */
        }
    }
    return error_set(err, why.status, "%s", why.text);
}

static bool edit_binding(const struct policy_wish *wish, json_t *policy, struct error *err)
{
    if (wish->grant) {
        grant_in(policy, wish->member, wish->role, wish->condition);
        return true;
    }
    return take_in(policy, wish->member, wish->role, wish->condition) ||
           error_set(err, STATUS_NOT_FOUND, "%s does not have %s%s there", wish->member, wish->role,
                     wish->condition == NULL ? "" : " under that condition");
}

bool binding_change(struct cli *cli, const char *resource, const char *member, const char *role,
                    const json_t *condition, bool grant, json_t **policy, struct error *err)
{
    const struct policy_wish wish = {member, role, condition, grant, edit_binding};
    return policy_edit(cli, resource, &wish, policy, err);
}

/* Takes the first grant away that is without a condition, or that --public-until made. */
static bool take_opening(const struct policy_wish *wish, json_t *policy)
{
    static const char title[] = "public until ";
    const json_t *bindings = json_object_get(policy, "bindings");
    if (take_in(policy, wish->member, wish->role, NULL)) {
        return true;
    }
    for (size_t i = 0; i < json_array_size(bindings); i++) {
        auto_json *condition =
            json_deep_copy(json_object_get(json_array_get(bindings, i), "condition"));
        const char *named = json_text_or(condition, "title", "");
        if (strncmp(named, title, sizeof(title) - 1) == 0 &&
            take_in(policy, wish->member, wish->role, condition)) {
            return true;
        }
    }
    return false;
}

static bool edit_opening(const struct policy_wish *wish, json_t *policy, struct error *err)
{
    bool found = false;
    while (take_opening(wish, policy)) {
        found = true;
    }
    if (wish->grant) {
        grant_in(policy, wish->member, wish->role, wish->condition);
    }
    return wish->grant || found ||
           error_set(err, STATUS_NOT_FOUND, "%s does not have %s there", wish->member, wish->role);
}

/* The policy as it would be. NULL and *err. */
static json_t *policy_edited(struct cli *cli, const char *resource, const struct policy_wish *wish,
                             struct error *err)
{
    auto_json *policy = NULL;
    if (!policy_get(cli, resource, &policy, err) || !wish->edit(wish, policy, err)) {
        return NULL;
    }
    json_object_set_new(policy, "version", json_integer(3));
    return json_incref(policy);
}

json_t *binding_opened(struct cli *cli, const char *resource, const json_t *condition, bool open,
                       struct error *err)
{
    const struct policy_wish wish = {"allUsers", "roles/run.invoker", condition, open,
                                     edit_opening};
    return policy_edited(cli, resource, &wish, err);
}

json_t *policy_with_agent(struct cli *cli, const char *resource, json_t *policy, const char *agent,
                          bool on, struct error *err)
{
    if (policy == NULL && !policy_get(cli, resource, &policy, err)) {
        return NULL;
    }
    if (on) {
        grant_in(policy, agent, "roles/run.invoker", NULL);
    } else {
        take_in(policy, agent, "roles/run.invoker", NULL);
    }
    json_object_set_new(policy, "version", json_integer(3));
    return policy;
}

bool binding_open(struct cli *cli, const char *resource, const json_t *condition, bool open,
                  json_t **policy, struct error *err)
{
    const struct policy_wish wish = {"allUsers", "roles/run.invoker", condition, open,
                                     edit_opening};
    return policy_edit(cli, resource, &wish, policy, err);
}

/* ---- commands ---- */

/* The service that is named, or with --iap its door. */
static const char *policy_resource(struct cli *cli)
{
    const char *service = cli->in.arguments[0];
    if (!option_given(&cli->in, "iap")) {
        return service_path(cli, service);
    }
    return arena_printf(&cli->arena, "/v1/projects/%s/iap_web/cloud_run-%s/services/%s",
                        encoded(cli, session_project(cli)), encoded(cli, session_region(cli)),
                        encoded(cli, service));
}

/* --dry-run: what POLICY, in the place of the one that is there, would do. Takes it. */
static int plan_of_policy(struct cli *cli, json_t *policy)
{
    bool of_door = option_given(&cli->in, "iap");
    auto_json *question = json_pack("{s:o}", of_door ? "iapPolicy" : "policy", policy);
    return plan_ask(cli, cli->in.arguments[0], question);
}

static void say_updated(const struct cli *cli)
{
    fprintf(stderr, "Updated IAM policy for %s %s.\n",
            option_given(&cli->in, "iap") ? "Identity-Aware Proxy of" : "service",
            cli->in.arguments[0]);
}

static void policy_print(struct cli *cli, const json_t *policy)
{
    static const char *const heads[] = {"ROLE", "MEMBER", "CONDITION", NULL};
    if (print_formatted(cli, policy)) {
        return;
    }
    struct table table;
    table_init(&table, cli, heads);
    const json_t *bindings = json_object_get(policy, "bindings");
    for (size_t i = 0; i < json_array_size(bindings); i++) {
        const json_t *binding = json_array_get(bindings, i);
        const json_t *members = json_object_get(binding, "members");
        for (size_t m = 0; m < json_array_size(members); m++) {
            table_add(&table, json_text(binding, "role"));
            table_add(&table, json_string_value(json_array_get(members, m)));
            table_add(&table, json_text(binding, "condition.expression"));
        }
    }
    table_print(&table);
}

int action_policy_get(struct cli *cli)
{
    struct error err = {0};
    auto_json *policy = NULL;
    if (!session_open(cli, &err) || !policy_get(cli, policy_resource(cli), &policy, &err)) {
        return cli_fail(&err);
    }
    policy_print(cli, policy);
    return 0;
}

/* "expression=EXPR,title=TITLE": the keys of gcloud; an expression may hold commas and '='. */
static bool condition_read(struct cli *cli, json_t **out, struct error *err)
{
    static const char *const keys[] = {"expression", "title", "description"};
    const char *text = option_text(&cli->in, "condition", "None");
    if (strcmp(text, "None") == 0) {
        return true;
    }
    *out = json_object();
    const char *at = text;
    while (*at != '\0') {
        size_t k = 0;
        while (k < 3 &&
               (strncmp(at, keys[k], strlen(keys[k])) != 0 || at[strlen(keys[k])] != '=')) {
            k++;
        }
        if (k == 3) {
            return error_set(err, STATUS_INVALID_ARGUMENT,
                             "--condition: it must be expression=EXPR,title=TITLE");
        }
        at += strlen(keys[k]) + 1;
        const char *end = at + strlen(at);
        for (size_t next = 0; next < 3; next++) {
            const char *mark = arena_printf(&cli->arena, ",%s=", keys[next]);
            const char *found = strstr(at, mark);
            end = found != NULL && found < end ? found : end;
        }
        json_object_set_new(*out, keys[k], json_slice((struct slice){at, (size_t)(end - at)}));
        at = *end == ',' ? end + 1 : end;
    }
    return true;
}

static int change(struct cli *cli, bool grant)
{
    const char *member = option_text(&cli->in, "member", NULL);
    const char *of_door = option_given(&cli->in, "iap") ? "roles/iap.httpsResourceAccessor" : NULL;
    const char *role = option_text(&cli->in, "role", of_door);
    struct error err = {0};
    auto_json *policy = NULL;
    auto_json *condition = NULL;
    struct until until;
    if (!until_given(cli, &until, &err)) {
        return cli_refuse_with("%s", err.text);
    }
    if (until.time != NULL && option_given(&cli->in, "condition")) {
        return cli_refuse_with("--public-until is a condition: give it or --condition");
    }
    if (member == NULL || role == NULL) {
        return cli_refuse_with("`homerun %s` needs --member=MEMBER and --role=ROLE",
                               cli->in.command->name);
    }
    if (until.time != NULL) {
        condition = until_condition(cli, &until);
    }
    if (!condition_read(cli, &condition, &err) || !session_open(cli, &err)) {
        return cli_fail(&err);
    }
    const char *path = policy_resource(cli);
    if (option_given(&cli->in, "dry-run")) {
        const struct policy_wish wish = {member, role, condition, grant, edit_binding};
        policy = policy_edited(cli, path, &wish, &err);
        return policy == NULL ? cli_fail(&err) : plan_of_policy(cli, json_incref(policy));
    }
    if (!binding_change(cli, path, member, role, condition, grant, &policy, &err)) {
        return cli_fail(&err);
    }
    say_updated(cli);
    policy_print(cli, policy);
    return 0;
}

int action_policy_add(struct cli *cli)
{
    return change(cli, true);
}

int action_policy_remove(struct cli *cli)
{
    return change(cli, false);
}

int action_policy_set(struct cli *cli)
{
    struct error err = {0};
    auto_json *policy = NULL;
    auto_json *answer = NULL;
    if (!session_open(cli, &err) ||
        (policy = document_read(cli, cli->in.arguments[1], &err)) == NULL) {
        return cli_fail(&err);
    }
    if (option_given(&cli->in, "dry-run")) {
        return plan_of_policy(cli, json_incref(policy));
    }
    auto_json *body = json_pack("{s:O}", "policy", policy);
    const char *path = policy_path(cli, policy_resource(cli), "setIamPolicy");
    if (!session_call(cli, "POST", path, body, &answer, &err)) {
        return cli_fail(&err);
    }
    say_updated(cli);
    policy_print(cli, answer);
    return 0;
}
