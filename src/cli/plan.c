/* `access plan`, and --dry-run of the commands that change access: who would gain, who would lose.
 */
#include "cli/plan.h"

#include <stdio.h>

#include "cli/actions.h"
#include "cli/input.h"
#include "cli/terminal.h"

static void print_callers(const char *head, const json_t *rows, long long requests)
{
    if (json_array_size(rows) == 0) {
        return;
    }
    printf("%s (%lld recorded requests):\n", head, requests);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        const char *path = json_text_or(row, "path", "/");
        printf("  %6lld  %s%s%s  (%s -> %s, last %s)\n", (long long)json_number(row, "requests", 0),
               json_text_or(row, "who", ""), strcmp(path, "/") == 0 ? "" : " ",
               strcmp(path, "/") == 0 ? "" : path, json_text_or(row, "before", ""),
               json_text_or(row, "after", ""), json_text_or(row, "last", ""));
    }
}

static void print_plan(struct cli *cli, const json_t *plan)
{
    struct paint paint = paint_of(cli);
    const json_t *gains = json_object_get(plan, "gains"), *loses = json_object_get(plan, "loses");
    bool before = json_flag(plan, "publicBefore", false);
    bool after = json_flag(plan, "publicAfter", false);
    if (after && !before) {
        printf("%sThis makes the service public: everybody may call it.%s\n", paint.red, paint.off);
    } else if (before && !after) {
        printf("The service would not be public any more.\n");
    }
    print_callers("Would be let in, and are not now", gains,
                  (long long)json_number(plan, "requestsGained", 0));
    print_callers("Would be refused, and are let in now", loses,
                  (long long)json_number(plan, "requestsLost", 0));
    if (json_array_size(gains) == 0 && json_array_size(loses) == 0) {
        printf("No recorded caller would gain or lose.\n");
    }
    printf("Of %lld recorded requests%s%s, %lld would be answered as before.\n",
           (long long)json_number(plan, "requestsRead", 0),
           json_text_or(plan, "since", "")[0] == '\0' ? "" : " since ",
           json_text_or(plan, "since", ""), (long long)json_number(plan, "requestsUnchanged", 0));
    if (!json_flag(plan, "organizationPolicy.allowed", true)) {
        printf("%sOrganization policy says no:%s %s\n", paint.red, paint.off,
               json_text_or(plan, "organizationPolicy.text", ""));
    }
    printf("Nothing was changed.\n");
}

/* One service or allow policy that would violate an organization policy, and who loses by what ends
 * that. */
static void print_breach(const json_t *breach)
{
    const char *resource = json_text_or(breach, "resource", "");
    const json_t *violations = json_object_get(breach, "violations");
    const json_t *mended = json_object_get(breach, "mended");
    printf("\n%s\n", resource);
    for (size_t i = 0; i < json_array_size(violations); i++) {
        const json_t *one = json_array_get(violations, i);
        printf("  - %s%s\n", json_text_or(one, "what", ""),
               json_flag(one, "now", false) ? " (already so)" : "");
    }
    if (mended == NULL) {
        printf("  What would end that is not known here.\n");
        return;
    }
    if (json_object_get(mended, "invokerIamDisabled") != NULL) {
        printf("  It ends with: --invoker-iam-check\n");
    }
    if (json_text(mended, "ingress") != NULL) {
        printf("  It ends with: --ingress=%s\n", json_text(mended, "ingress"));
    }
    if (json_object_get(mended, "iapEnabled") != NULL) {
        printf("  It ends with: %s\n",
               json_flag(mended, "iapEnabled", false) ? "--iap" : "--no-iap");
    }
    if (json_text(mended, "members") != NULL) {
        printf("  It ends when those members are taken away.\n");
    }
    print_callers("  Would then be refused, and are let in now", json_object_get(mended, "loses"),
                  (long long)json_number(mended, "requestsLost", 0));
    long long judged = (long long)json_number(mended, "servicesJudged", 0);
    long long concerned = (long long)json_number(mended, "servicesConcerned", 0);
    if (judged > 0 && json_array_size(json_object_get(mended, "loses")) == 0) {
        printf("  No recorded caller would lose by that.\n");
    }
    if (judged < concerned) {
        printf("  It concerns %lld services: the requests of %lld were looked at.\n", concerned,
               judged);
    }
}

static void print_breaches(const json_t *breaches)
{
    for (size_t i = 0; i < json_array_size(breaches); i++) {
        print_breach(json_array_get(breaches, i));
    }
}

static void print_omitted(const json_t *plan, const char *field, const char *what)
{
    if (json_number(plan, field, 0) > 0) {
        printf("\n%lld more %s were not looked at.\n", (long long)json_number(plan, field, 0),
               what);
    }
}

static void print_policy_plan(const json_t *plan)
{
    const json_t *services = json_object_get(plan, "services");
    const json_t *policies = json_object_get(plan, "policies");
    printf("Setting %s refuses no request at once: organization policy is asked when something is "
           "changed.\n",
           json_text_or(plan, "policy", ""));
    printf(
        "%zu of %lld services and %zu of %lld other allow policies violate it: they stay as they "
        "are, and what violates it can not be set again.\n",
        json_array_size(services), (long long)json_number(plan, "servicesRead", 0),
        json_array_size(policies), (long long)json_number(plan, "policiesRead", 0));
    print_breaches(services);
    print_breaches(policies);
    print_omitted(plan, "servicesOmitted", "services");
    print_omitted(plan, "policiesOmitted", "allow policies");
    printf("Nothing was changed.\n");
}

/* Plans the organization policy in FILE, which has the form that `org-policies set-policy` takes.
 */
static int policy_plan(struct cli *cli, const char *file)
{
    struct error err = {0};
    auto_json *plan = NULL;
    json_t *policy = document_read(cli, file, &err);
    if (policy == NULL) {
        return cli_fail(&err);
    }
    auto_json *question = json_pack("{s:o}", "organizationPolicy", policy);
    if (!session_call(cli, "POST", "/homerun/v1/access:plan", question, &plan, &err)) {
        return cli_fail(&err);
    }
    if (!print_formatted(cli, plan)) {
        print_policy_plan(plan);
    }
    return 0;
}

int plan_ask(struct cli *cli, const char *service, json_t *question)
{
    struct error err = {0};
    auto_json *plan = NULL;
    const char *resource = arena_printf(&cli->arena, "projects/%s/locations/%s/services/%s",
                                        session_project(cli), session_region(cli), service);
    json_object_set_new(question, "resource", json_string(resource));
    if (!session_call(cli, "POST", "/homerun/v1/access:plan", question, &plan, &err)) {
        return cli_fail(&err);
    }
    if (!print_formatted(cli, plan)) {
        print_plan(cli, plan);
    }
    return 0;
}

static const char *ingress_name(const char *word)
{
    static const char *const names[][2] = {
        {"all", "INGRESS_TRAFFIC_ALL"},
        {"internal", "INGRESS_TRAFFIC_INTERNAL_ONLY"},
        {"internal-and-cloud-load-balancing", "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(word, names[i][0]) == 0) {
            return names[i][1];
        }
    }
    return word;
}

int plan_of_flags(struct cli *cli, const char *service, json_t *policy)
{
    auto_json *question = json_object();
    const char *ingress = option_text(&cli->in, "ingress", NULL);
    if (policy != NULL) {
        json_object_set_new(question, "policy", policy);
    }
    if (option_given(&cli->in, "no-invoker-iam-check")) {
        json_object_set_new(question, "invokerIamDisabled", json_true());
    } else if (option_given(&cli->in, "invoker-iam-check")) {
        json_object_set_new(question, "invokerIamDisabled", json_false());
    }
    if (option_given(&cli->in, "iap") || option_given(&cli->in, "no-iap")) {
        json_object_set_new(question, "iapEnabled", json_boolean(option_given(&cli->in, "iap")));
    }
    if (ingress != NULL) {
        json_object_set_new(question, "ingress", json_string(ingress_name(ingress)));
    }
    if (json_object_size(question) == 0) {
        return cli_fail_with("nothing of access would change: a plan is of --invoker-iam-check, "
                             "--no-invoker-iam-check, --ingress, --iap, --no-iap or a policy");
    }
    return plan_ask(cli, service, question);
}

int action_access_plan(struct cli *cli)
{
    struct error err = {0};
    const char *file = option_text(&cli->in, "policy", NULL);
    const char *org_policy = option_text(&cli->in, "org-policy", NULL);
    json_t *policy = NULL;
    if ((org_policy != NULL) == (cli->in.argument_count == 1)) {
        return cli_refuse_with("`homerun access plan` takes a SERVICE, or --org-policy=FILE for an "
                               "organization policy");
    }
    if (org_policy != NULL) {
        return session_open(cli, &err) ? policy_plan(cli, org_policy) : cli_fail(&err);
    }
    if (!session_open(cli, &err) ||
        (file != NULL && (policy = document_read(cli, file, &err)) == NULL)) {
        return cli_fail(&err);
    }
    return plan_of_flags(cli, cli->in.arguments[0], policy);
}
