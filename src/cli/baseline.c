/*
 * `org-policies baseline`: what Google sets for organizations made since May 2024, and that the
 * Invoker IAM check is required. A policy that is set already is left as it is. Policies look at
 * changes alone, so that nothing that serves today stops; what stands open is told.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/actions.h"
#include "cli/client.h"
#include "cli/node.h"
#include "cli/terminal.h"

static const struct {
    const char *constraint;
    bool own_customer; /* a list of the organization's own customer; else it is enforced */
    const char *means;
} baseline[] = {
    {"run.managed.requireInvokerIam", false, "the Invoker IAM check cannot be turned off"},
    {"iam.allowedPolicyMemberDomains", true, "allUsers and strangers cannot be bound"},
    {"iam.disableServiceAccountKeyCreation", false, "no new keys of service accounts"},
    {"iam.disableServiceAccountKeyUpload", false, "nor uploaded ones"},
    {"iam.automaticIamGrantsForDefaultServiceAccounts", false,
     "default accounts of new projects are not Editors"},
};
enum { BASELINE = sizeof(baseline) / sizeof(baseline[0]) };

static bool is_excepted(struct cli *cli, const char *constraint)
{
    struct option_walk walk = {0};
    struct slice one;
    while (option_next(&cli->in, "except", &walk, &one)) {
        if (slice_is(one, constraint)) {
            return true;
        }
    }
    return false;
}

/* A name that is none of these would leave in what was to be left out. */
static bool check_except(struct cli *cli, struct error *err)
{
    struct option_walk walk = {0};
    struct slice one;
    while (option_next(&cli->in, "except", &walk, &one)) {
        size_t i = 0;
        while (i < BASELINE && !slice_is(one, baseline[i].constraint)) {
            i++;
        }
        if (i == BASELINE) {
            return error_set(err, STATUS_INVALID_ARGUMENT,
                             "--except %.*s: the baseline has no such constraint", SLICE_ARG(one));
        }
    }
    return true;
}

static json_t *policy_of(struct cli *cli, const json_t *organization, size_t i)
{
    const char *node = json_text_or(organization, "name", "");
    const char *name = arena_printf(&cli->arena, "%s/policies/%s", node, baseline[i].constraint);
    if (!baseline[i].own_customer) {
        return json_pack("{s:s, s:{s:[{s:b}]}}", "name", name, "spec", "rules", "enforce", 1);
    }
    const char *customer = json_text_or(organization, "directoryCustomerId", "");
    return json_pack("{s:s, s:{s:[{s:{s:[s]}}]}}", "name", name, "spec", "rules", "values",
                     "allowedValues", arena_printf(&cli->arena, "is:%s", customer));
}

/* Sets one, unless it is set; *DONE is what became of it. */
static bool policy_apply(struct cli *cli, const json_t *organization, size_t i, const char **done,
                         struct error *err)
{
    struct error why = {0};
    auto_json *policy = policy_of(cli, organization, i);
    auto_json *there = NULL;
    auto_json *answer = NULL;
    const char *path = arena_printf(&cli->arena, "/v2/%s", json_text_or(policy, "name", ""));
    if (is_excepted(cli, baseline[i].constraint)) {
        *done = "left out";
        return true;
    }
    if (session_call(cli, "GET", path, NULL, &there, &why)) {
        *done = "kept: set before";
        return true;
    }
    if (why.status != STATUS_NOT_FOUND) {
        *err = why;
        return false;
    }
    if (option_given(&cli->in, "dry-run")) {
        *done = "would be set";
        return true;
    }
    const char *list =
        arena_printf(&cli->arena, "/v2/%s/policies", json_text_or(organization, "name", ""));
    *done = "set";
    return session_call(cli, "POST", list, policy, &answer, err);
}

static void tell_open(const json_t *open)
{
    size_t count = json_array_size(open);
    if (count == 0) {
        printf("\nNo service is public now.\n");
        return;
    }
    printf("\n%zu %s public and %s so:\n", count, count == 1 ? "service is" : "services are",
           count == 1 ? "stays" : "stay");
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_array_get(open, i);
        const json_t *reasons = json_object_get(one, "reasons");
        printf("  %s", json_text_or(one, "resource", ""));
        for (size_t r = 0; r < json_array_size(reasons); r++) {
            printf("%s %s", r == 0 ? ":" : "", json_string_value(json_array_get(reasons, r)));
        }
        printf("\n");
    }
}

/* What serves on, though a policy that is in force now would not let it be made so. */
static void tell_violations(const json_t *violations)
{
    size_t count = json_array_size(violations);
    if (count > 0) {
        printf("\nOf these, every change is refused until they meet the policy:\n");
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_array_get(violations, i);
        printf("  %s: %s: %s\n", json_text_or(one, "resource", ""),
               json_text_or(one, "constraint", ""), json_text_or(one, "advice", ""));
    }
}

static void print_rows(struct cli *cli, const json_t *rows)
{
    static const char *const heads[] = {"CONSTRAINT", "POLICY", "MEANS", NULL};
    struct table table;
    table_init(&table, cli, heads);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        table_add(&table, json_text(row, "constraint"));
        table_add(&table, json_text(row, "policy"));
        table_add(&table, json_text(row, "means"));
    }
    table_print(&table);
}

int action_org_policies_baseline(struct cli *cli)
{
    struct error err = {0};
    auto_json *rows = json_array();
    auto_json *open = NULL;
    auto_json *violations = NULL;
    auto_json *organization = NULL;
    if (!check_except(cli, &err) || !session_open(cli, &err) ||
        (organization = organization_load(cli, &err)) == NULL) {
        return cli_fail(&err);
    }
    for (size_t i = 0; i < BASELINE; i++) {
        const char *done = "";
        if (!policy_apply(cli, organization, i, &done, &err)) {
            print_rows(cli, rows); /* what was set before it failed */
            return cli_fail(&err);
        }
        json_array_append_new(rows,
                              json_pack("{s:s, s:s, s:s}", "constraint", baseline[i].constraint,
                                        "policy", done, "means", baseline[i].means));
    }
    open = list_all(cli, "/homerun/v1/access:public", "services", &err);
    violations = list_all(cli, "/homerun/v1/orgpolicy:violations", "violations", &err);
    if (open == NULL || violations == NULL) {
        return cli_fail(&err);
    }
    auto_json *answer =
        json_pack("{s:O, s:O, s:O}", "policies", rows, "public", open, "violations", violations);
    if (!print_formatted(cli, answer)) {
        print_rows(cli, rows);
        tell_open(open);
        tell_violations(violations);
    }
    return 0;
}
