/* Folders of this machine that stand for buckets of Cloud Storage and NFS exports. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/actions.h"
#include "cli/client.h"
#include "cli/terminal.h"

static const char *volumes_path(struct cli *cli)
{
    return arena_printf(&cli->arena, "/homerun/v1/projects/%s/volumes",
                        encoded(cli, session_project(cli)));
}

int action_volumes_list(struct cli *cli)
{
    static const char *const heads[] = {"VOLUME", "FOLDER", "READ ONLY", "SERVICE ACCOUNTS", NULL};
    struct error err = {0};
    struct table table;
    size_t i, k;
    json_t *volume, *account;
    auto_json *volumes =
        session_open(cli, &err) ? list_all(cli, volumes_path(cli), "volumes", &err) : NULL;
    if (volumes == NULL) {
        return cli_fail(&err);
    }
    if (print_formatted(cli, volumes)) {
        return 0;
    }
    table_init(&table, cli, heads);
    json_array_foreach(volumes, i, volume)
    {
        const char *accounts = "";
        json_array_foreach(json_object_get(volume, "serviceAccounts"), k, account)
        {
            accounts = arena_printf(&cli->arena, "%s%s%s", accounts, k == 0 ? "" : ", ",
                                    json_string_value(account));
        }
        table_add(&table, json_text(volume, "name"));
        table_add(&table, json_text(volume, "dir"));
        table_add(&table, json_flag(volume, "readOnly", false) ? "yes" : "no");
        table_add(&table, *accounts == '\0' ? "all of the project" : accounts);
    }
    table_print(&table);
    return 0;
}

int action_volumes_map(struct cli *cli)
{
    struct error err = {0};
    struct option_walk walk = {0};
    struct slice account;
    char dir[PATH_MAX];
    const char *name = cli->in.arguments[0];
    if (realpath(cli->in.arguments[1], dir) == NULL) {
        return cli_fail_with("%s: there is no such folder", cli->in.arguments[1]);
    }
    auto_json *answer = NULL;
    auto_json *body = json_pack("{ss ss sb s[]}", "name", name, "dir", dir, "readOnly",
                                option_given(&cli->in, "read-only"), "serviceAccounts");
    while (option_next(&cli->in, "service-account", &walk, &account)) {
        json_array_append_new(json_object_get(body, "serviceAccounts"), json_slice(account));
    }
    if (!session_open(cli, &err) ||
        !session_call(cli, "POST", volumes_path(cli), body, &answer, &err)) {
        return cli_fail(&err);
    }
    printf("Services of %s that have the volume %s see the folder %s%s.\n", session_project(cli),
           name, dir, option_given(&cli->in, "read-only") ? ", and cannot write it" : "");
    return 0;
}

int action_volumes_unmap(struct cli *cli)
{
    struct error err = {0};
    auto_json *answer = NULL;
    const char *name = cli->in.arguments[0];
    if (!session_open(cli, &err)) {
        return cli_fail(&err);
    }
    const char *path = arena_printf(&cli->arena, "%s/%s", volumes_path(cli), encoded(cli, name));
    if (!session_call(cli, "DELETE", path, NULL, &answer, &err)) {
        return cli_fail(&err);
    }
    printf("%s is mapped no more: instances that start from now on fail.\n", name);
    return 0;
}
