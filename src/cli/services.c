#include <stdio.h>
#include <stdlib.h>

#include "cli/actions.h"
#include "cli/client.h"
#include "cli/input.h"
#include "cli/outcome.h"
#include "cli/services_show.h"
#include "cli/terminal.h"
#include "cli/until.h"

int action_services_list(struct cli *cli)
{
    static const char *const heads[] = {
        "SERVICE",          "READY",        "REGION", "URL", "LAST DEPLOYED BY",
        "LAST DEPLOYED AT", "PUBLIC UNTIL", NULL};
    struct error err = {0};
    if (!session_open(cli, &err)) {
        return cli_fail(&err);
    }
    const char *region = option_given(&cli->in, "region") ? session_region(cli) : "-";
    const char *path = arena_printf(&cli->arena, "/v2/projects/%s/locations/%s/services",
                                    encoded(cli, session_project(cli)), encoded(cli, region));
    auto_json *services = list_all(cli, path, "services", &err);
    if (services == NULL) {
        return cli_fail(&err);
    }
    if (print_formatted(cli, services)) {
        return 0;
    }
    struct table table;
    table_init(&table, cli, heads);
    for (size_t i = 0; i < json_array_size(services); i++) {
        const json_t *service = json_array_get(services, i);
        const char *name = json_text_or(service, "name", "");
        struct slice rest = slice_of(name), part = SLICE_NONE;
        for (int word = 0; word < 4 && slice_cut(&rest, '/', &part); word++) {
        }
        table_add(&table, short_name(name));
        table_add(&table, ready_word(json_object_get(service, "terminalCondition")));
        table_add(&table, arena_string(&cli->arena, part));
        table_add(&table, json_text(service, "uri"));
        table_add(&table, json_text(service, "lastModifier"));
        table_add(&table, json_text(service, "updateTime"));
        table_add(&table, json_flag(service, "invokerIamDisabled", false)
                              ? until_of_service(service)
                              : NULL);
    }
    if (json_array_size(services) == 0) {
        fprintf(stderr, "There is no service: `homerun deploy SERVICE --image=IMAGE` makes one.\n");
        return 0;
    }
    table_print(&table);
    return 0;
}

int action_services_describe(struct cli *cli)
{
    struct error err = {0};
    auto_json *service = NULL;
    if (!session_open(cli, &err) ||
        !session_call(cli, "GET", service_path(cli, cli->in.arguments[0]), NULL, &service, &err)) {
        return cli_fail(&err);
    }
    service_print(cli, service);
    return 0;
}

int action_services_delete(struct cli *cli)
{
    const char *name = cli->in.arguments[0];
    struct error err = {0};
    auto_json *operation = NULL;
    if (!session_open(cli, &err)) {
        return cli_fail(&err);
    }
    if (!confirm(cli, arena_printf(&cli->arena, "Service %s will be deleted", name))) {
        return cli_fail_with("nothing was deleted");
    }
    if (!session_call(cli, "DELETE", service_path(cli, name), NULL, &operation, &err) ||
        !client_wait(cli, "Deleting", &operation, &err)) {
        return cli_fail(&err);
    }
    printf("Service %s is deleted.\n", name);
    return 0;
}

/* ---- replace: the Knative form, as gcloud takes it ---- */

static bool replace_call(struct cli *cli, const char *name, const json_t *doc, json_t **answer,
                         struct error *err)
{
    const char *list =
        arena_printf(&cli->arena, "/v1/projects/%s/locations/%s/services",
                     encoded(cli, session_project(cli)), encoded(cli, session_region(cli)));
    const char *path = arena_printf(&cli->arena, "%s/%s", list, encoded(cli, name));
    struct error why = {0};
    if (session_call(cli, "PUT", path, doc, answer, &why)) {
        return true;
    }
    if (why.status == STATUS_NOT_FOUND) {
        return session_call(cli, "POST", list, doc, answer, err);
    }
    *err = why;
    return false;
}

int action_services_replace(struct cli *cli)
{
    struct error err = {0};
    auto_json *doc = NULL;
    auto_json *answer = NULL;
    if (!session_open(cli, &err) ||
        (doc = document_read(cli, cli->in.arguments[0], &err)) == NULL) {
        return cli_fail(&err);
    }
    const char *name = json_text(doc, "metadata.name");
    if (name == NULL) {
        return cli_fail_with("%s: no metadata.name: is it a Knative Service?",
                             cli->in.arguments[0]);
    }
    if (!replace_call(cli, name, doc, &answer, &err)) {
        return cli_fail(&err);
    }
    auto_json *service = NULL;
    if (!session_call(cli, "GET", service_path(cli, name), NULL, &service, &err)) {
        return cli_fail(&err);
    }
    service_print(cli, service);
    return 0;
}
