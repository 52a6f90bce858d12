/* Organization policies of the project, as `gcloud org-policies` has them. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/actions.h"
#include "cli/client.h"

static const char *policies_path(struct cli *cli)
{
    return arena_printf(&cli->arena, "/v2/projects/%s/policies",
                        encoded(cli, session_project(cli)));
}

static const char *policy_path(struct cli *cli, const char *constraint)
{
    return arena_printf(&cli->arena, "%s/%s", policies_path(cli), encoded(cli, constraint));
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
    if (!session_open(cli, &err) ||
        (policies = list_all(cli, policies_path(cli), "policies", &err)) == NULL) {
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

static void policy_print(struct cli *cli, const json_t *policy)
{
    if (!print_formatted(cli, policy)) {
        struct slice text = yaml_write(&cli->arena, policy);
        fwrite(text.data, 1, text.len, stdout);
    }
}

int action_org_policies_describe(struct cli *cli)
{
    struct error err = {0};
    auto_json *policy = NULL;
    if (!session_open(cli, &err) ||
        !session_call(cli, "GET", policy_path(cli, cli->in.arguments[0]), NULL, &policy, &err)) {
        return cli_fail(&err);
    }
    policy_print(cli, policy);
    return 0;
}

int action_org_policies_set(struct cli *cli)
{
    struct error err = {0}, why = {0};
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
    const char *constraint = short_name(name);
    size_t parent = strlen(name) - strlen(constraint);
    const char *path = arena_printf(&cli->arena, "/v2/%s", name);
    if (!session_call(cli, "PATCH", path, policy, &answer, &why)) {
        const char *list = arena_printf(&cli->arena, "/v2/%.*s", (int)(parent - 1), name);
        if (why.status != STATUS_NOT_FOUND || parent == 0 ||
            !session_call(cli, "POST", list, policy, &answer, &why)) {
            return cli_fail(&why);
        }
    }
    policy_print(cli, answer);
    return 0;
}

int action_org_policies_delete(struct cli *cli)
{
    struct error err = {0};
    auto_json *answer = NULL;
    if (!session_open(cli, &err) ||
        !session_call(cli, "DELETE", policy_path(cli, cli->in.arguments[0]), NULL, &answer, &err)) {
        return cli_fail(&err);
    }
    printf("Policy %s is deleted.\n", cli->in.arguments[0]);
    return 0;
}
