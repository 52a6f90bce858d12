#include <stdio.h>
#include <stdlib.h>

#include "cli/actions.h"
#include "cli/client.h"
#include "cli/input.h"
#include "cli/node.h"
#include "cli/terminal.h"

int action_folders_list(struct cli *cli)
{
    static const char *const heads[] = {"FOLDER", "NAME", "PARENT", "STATE", NULL};
    struct error err = {0};
    auto_json *folders = NULL;
    const char *parent = session_open(cli, &err) ? parent_given(cli, &err) : NULL;
    if (parent == NULL) {
        return cli_fail(&err);
    }
    const char *path = arena_printf(&cli->arena, "/v3/folders?parent=%s%s", encoded(cli, parent),
                                    option_given(&cli->in, "deleted") ? "&showDeleted=true" : "");
    folders = list_all(cli, path, "folders", &err);
    if (folders == NULL) {
        return cli_fail(&err);
    }
    if (print_formatted(cli, folders)) {
        return 0;
    }
    struct table table;
    table_init(&table, cli, heads);
    for (size_t i = 0; i < json_array_size(folders); i++) {
        const json_t *folder = json_array_get(folders, i);
        table_add(&table, short_name(json_text_or(folder, "name", "")));
        table_add(&table, json_text(folder, "displayName"));
        table_add(&table, json_text(folder, "parent"));
        table_add(&table, json_text(folder, "state"));
    }
    table_print(&table);
    return 0;
}

int action_folders_create(struct cli *cli)
{
    struct error err = {0};
    auto_json *answer = NULL;
    const char *parent = session_open(cli, &err) ? parent_given(cli, &err) : NULL;
    if (parent == NULL) {
        return cli_fail(&err);
    }
    auto_json *body =
        json_pack("{s:s, s:s}", "parent", parent, "displayName", cli->in.arguments[0]);
    if (!session_call(cli, "POST", "/v3/folders", body, &answer, &err)) {
        return cli_fail(&err);
    }
    if (!print_formatted(cli, json_object_get(answer, "response"))) {
        printf("Folder %s is created: %s.\n", cli->in.arguments[0],
               short_name(json_text_or(answer, "response.name", "")));
    }
    return 0;
}

int action_folders_describe(struct cli *cli)
{
    struct error err = {0};
    auto_json *folder = NULL;
    const char *path = folder_path(cli, cli->in.arguments[0]);
    if (!session_call(cli, "GET", path, NULL, &folder, &err)) {
        return cli_fail(&err);
    }
    document_print(cli, folder);
    return 0;
}

int action_folders_delete(struct cli *cli)
{
    struct error err = {0};
    auto_json *answer = NULL;
    const char *path = folder_path(cli, cli->in.arguments[0]);
    if (!confirm(cli,
                 arena_printf(&cli->arena, "Folder %s will be deleted", cli->in.arguments[0]))) {
        return cli_fail_with("nothing was deleted");
    }
    if (!session_call(cli, "DELETE", path, NULL, &answer, &err)) {
        return cli_fail(&err);
    }
    printf("Folder %s is deleted.\n", cli->in.arguments[0]);
    return 0;
}

int action_folders_undelete(struct cli *cli)
{
    struct error err = {0};
    auto_json *answer = NULL;
    const char *path =
        arena_printf(&cli->arena, "%s:undelete", folder_path(cli, cli->in.arguments[0]));
    if (!session_call(cli, "POST", path, NULL, &answer, &err)) {
        return cli_fail(&err);
    }
    printf("Folder %s is back.\n", cli->in.arguments[0]);
    return 0;
}
