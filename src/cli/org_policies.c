/* Organization policies of a project, a folder or the organization, as `gcloud org-policies` has
 * them. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/actions.h"
#include "cli/client.h"
#include "cli/input.h"
#include "cli/node.h"
#include "cli/terminal.h"

/* "projects/demo", of the session if nothing else is named. */
static const char *policy_node(struct cli *cli, struct error *err)
{
    const char *node = session_open(cli, err) ? node_given(cli, err) : NULL;
    if (node == NULL || node[0] != '\0') {
        return node;
    }
    return arena_printf(&cli->arena, "projects/%s", encoded(cli, session_project(cli)));
}

/* "/v2/NODE/policies/CONSTRAINT" of the command's first argument. NULL and *err. */
static const char *policy_path(struct cli *cli, struct error *err)
{
    const char *node = policy_node(cli, err);
    const char *constraint = cli->in.arguments[0];
    if (strncmp(constraint, "constraints/", 12) == 0) {
        constraint += 12;
    }
    return node == NULL
               ? NULL
               : arena_printf(&cli->arena, "/v2/%s/policies/%s", node, encoded(cli, constraint));
}

static const char *rules_text(struct cli *cli, const json_t *policy)
{
    const json_t *rules = json_at(policy, "spec.rules");
    if (json_flag(policy, "spec.reset", false)) {
        return "reset";
    }
    return rules == NULL ? "" : arena_string(&cli->arena, json_write(&cli->arena, rules));
}

int action_org_policies_list(struct cli *cli)
{
    static const char *const heads[] = {"CONSTRAINT", "RULES", NULL};
    struct error err = {0};
    auto_json *policies = NULL;
    const char *node = policy_node(cli, &err);
    if (node == NULL ||
        (policies = list_all(cli, arena_printf(&cli->arena, "/v2/%s/policies", node), "policies",
                             &err)) == NULL) {
        return cli_fail(&err);
    }
    if (print_formatted(cli, policies)) {
        return 0;
    }
    struct table table;
    table_init(&table, cli, heads);
    for (size_t i = 0; i < json_array_size(policies); i++) {
        const json_t *policy = json_array_get(policies, i);
        table_add(&table, short_name(json_text_or(policy, "name", "")));
        table_add(&table, rules_text(cli, policy));
    }
    table_print(&table);
    return 0;
}

int action_org_policies_describe(struct cli *cli)
{
    struct error err = {0};
    auto_json *policy = NULL;
    const char *path = policy_path(cli, &err);
    if (path != NULL && option_given(&cli->in, "effective")) {
        path = arena_printf(&cli->arena, "%s:getEffectivePolicy", path);
    }
    if (path == NULL || !session_call(cli, "GET", path, NULL, &policy, &err)) {
        return cli_fail(&err);
    }
    document_print(cli, policy);
    return 0;
}

/* Replaces the policy NAME ("NODE/policies/C"), or makes it. */
static bool policy_put(struct cli *cli, const char *name, const json_t *policy, json_t **answer,
                       struct error *err)
{
    struct error why = {0};
    size_t parent = strlen(name) - strlen(short_name(name));
    if (session_call(cli, "PATCH", arena_printf(&cli->arena, "/v2/%s", name), policy, answer,
                     &why)) {
        return true;
    }
    if (why.status != STATUS_NOT_FOUND || parent == 0) {
        *err = why;
        return false;
    }
    const char *list = arena_printf(&cli->arena, "/v2/%.*s", (int)(parent - 1), name);
    return session_call(cli, "POST", list, policy, answer, err);
}

int action_org_policies_set(struct cli *cli)
{
    struct error err = {0};
    auto_json *policy = NULL;
    auto_json *answer = NULL;
    if (!session_open(cli, &err) ||
        (policy = document_read(cli, cli->in.arguments[0], &err)) == NULL) {
        return cli_fail(&err);
    }
    const char *name = json_text(policy, "name");
    if (name == NULL) {
        return cli_fail_with("%s: no name (projects/PROJECT/policies/CONSTRAINT)",
                             cli->in.arguments[0]);
    }
    if (!policy_put(cli, name, policy, &answer, &err)) {
        return cli_fail(&err);
    }
    document_print(cli, answer);
    return 0;
}

int action_org_policies_reset(struct cli *cli)
{
    struct error err = {0};
    auto_json *answer = NULL;
    const char *path = policy_path(cli, &err);
    if (path == NULL) {
        return cli_fail(&err);
    }
    const char *name = path + strlen("/v2/");
    auto_json *policy = json_pack("{s:s, s:{s:b}}", "name", name, "spec", "reset", 1);
    if (!policy_put(cli, name, policy, &answer, &err)) {
        return cli_fail(&err);
    }
    document_print(cli, answer);
    return 0;
}

int action_org_policies_delete(struct cli *cli)
{
    struct error err = {0};
    auto_json *answer = NULL;
    const char *path = policy_path(cli, &err);
    if (path == NULL || !session_call(cli, "DELETE", path, NULL, &answer, &err)) {
        return cli_fail(&err);
    }
    printf("Policy %s is deleted.\n", cli->in.arguments[0]);
    return 0;
}
