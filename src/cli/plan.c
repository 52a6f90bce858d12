/* `access plan`, and --dry-run of the commands that change access: who would gain, who would lose.
 */
#include <stdio.h>

#include "cli/actions.h"
#include "cli/client.h"

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
    json_t *policy = NULL;
    if (!session_open(cli, &err) ||
        (file != NULL && (policy = document_read(cli, file, &err)) == NULL)) {
        return cli_fail(&err);
    }
    return plan_of_flags(cli, cli->in.arguments[0], policy);
}
