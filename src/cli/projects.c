#include <stdio.h>
#include <stdlib.h>

#include "cli/actions.h"
#include "cli/client.h"
#include "cli/input.h"
#include "cli/node.h"
#include "cli/terminal.h"

static const char *project_path(struct cli *cli)
{
    return arena_printf(&cli->arena, "/v3/projects/%s", encoded(cli, cli->in.arguments[0]));
}

int action_projects_list(struct cli *cli)
{
    static const char *const heads[] = {"PROJECT", "NAME", "NUMBER", "PARENT", "STATE", NULL};
    struct error err = {0};
    auto_json *projects = NULL;
    const char *filter = option_text(&cli->in, "filter", "");
    if (!option_given(&cli->in, "deleted")) {
        filter = filter[0] == '\0' ? "state:ACTIVE"
                                   : arena_printf(&cli->arena, "state:ACTIVE AND (%s)", filter);
    }
    const char *path =
        arena_printf(&cli->arena, "/v3/projects:search?query=%s", encoded(cli, filter));
    if (!session_open(cli, &err) || (projects = list_all(cli, path, "projects", &err)) == NULL) {
        return cli_fail(&err);
    }
    if (print_formatted(cli, projects)) {
        return 0;
    }
    struct table table;
    table_init(&table, cli, heads);
    for (size_t i = 0; i < json_array_size(projects); i++) {
        const json_t *project = json_array_get(projects, i);
        table_add(&table, json_text(project, "projectId"));
        table_add(&table, json_text(project, "displayName"));
        table_add(&table, short_name(json_text_or(project, "name", "")));
        table_add(&table, json_text(project, "parent"));
        table_add(&table, json_text(project, "state"));
    }
    table_print(&table);
    return 0;
}

int action_projects_describe(struct cli *cli)
{
    struct error err = {0};
    auto_json *project = NULL;
    if (!session_open(cli, &err) ||
        !session_call(cli, "GET", project_path(cli), NULL, &project, &err)) {
        return cli_fail(&err);
    }
    document_print(cli, project);
    return 0;
}

/* KEY=VALUE of --labels. */
static bool labels_put(struct cli *cli, json_t *body, struct error *err)
{
    struct option_walk walk = {0};
    struct slice pair, key;
    json_t *labels = json_object();
    json_object_set_new(body, "labels", labels);
    while (option_next(&cli->in, "labels", &walk, &pair)) {
        struct slice value = pair;
        if (slice_find(pair, '=') <= 0 || !slice_cut(&value, '=', &key)) {
            return error_set(err, STATUS_INVALID_ARGUMENT, "--labels: it must be KEY=VALUE");
        }
        json_object_set_new(labels, arena_string(&cli->arena, key), json_slice(value));
    }
    return true;
}

int action_projects_create(struct cli *cli)
{
    struct error err = {0};
    auto_json *answer = NULL;
    const char *id = cli->in.arguments[0];
    const char *parent = session_open(cli, &err) ? parent_given(cli, &err) : NULL;
    if (parent == NULL) {
        return cli_fail(&err);
    }
    auto_json *body = json_pack("{s:s, s:s, s:s}", "projectId", id, "parent", parent, "displayName",
                                option_text(&cli->in, "name", id));
    if (!labels_put(cli, body, &err) ||
        !session_call(cli, "POST", "/v3/projects", body, &answer, &err)) {
        return cli_fail(&err);
    }
    if (!print_formatted(cli, json_object_get(answer, "response"))) {
        printf("Project %s is created.\n", id);
    }
    return 0;
}

int action_projects_delete(struct cli *cli)
{
    struct error err = {0};
    auto_json *answer = NULL;
    const char *id = cli->in.arguments[0];
    if (!session_open(cli, &err)) {
        return cli_fail(&err);
    }
    if (!confirm(cli, arena_printf(&cli->arena,
                                   "Project %s will be deleted, and all of its "
                                   "services will answer nobody",
                                   id))) {
        return cli_fail_with("nothing was deleted");
    }
    if (!session_call(cli, "DELETE", project_path(cli), NULL, &answer, &err)) {
        return cli_fail(&err);
    }
    printf("Project %s is deleted: its services answer nobody.\n"
           "`homerun projects undelete %s` brings it back.\n",
           id, id);
    return 0;
}

int action_projects_undelete(struct cli *cli)
{
    struct error err = {0};
    auto_json *answer = NULL;
    const char *path = arena_printf(&cli->arena, "%s:undelete", project_path(cli));
    if (!session_call(cli, "POST", path, NULL, &answer, &err)) {
        return cli_fail(&err);
    }
    printf("Project %s is back.\n", cli->in.arguments[0]);
    return 0;
}

int action_projects_move(struct cli *cli)
{
    struct error err = {0};
    auto_json *answer = NULL;
    const char *to = session_open(cli, &err) ? node_given(cli, &err) : NULL;
    if (to == NULL) {
        return cli_fail(&err);
    }
    if (to[0] == '\0') {
        return cli_refuse_with("where to? --folder=NUMBER or --organization=NUMBER is needed");
    }
    auto_json *body = json_pack("{s:s}", "destinationParent", to);
    const char *path = arena_printf(&cli->arena, "%s:move", project_path(cli));
    if (!session_call(cli, "POST", path, body, &answer, &err)) {
        return cli_fail(&err);
    }
    printf("Project %s is below %s now.\n", cli->in.arguments[0], to);
    return 0;
}
