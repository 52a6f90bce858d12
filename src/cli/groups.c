#include "cli/groups.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/actions.h"
#include "cli/client.h"
#include "cli/terminal.h"

static const char groups_path[] = "/homerun/v1/groups";

static const char *path_of(struct cli *cli, const char *group)
{
    return arena_printf(&cli->arena, "%s/%s", groups_path, encoded(cli, group));
}

int action_groups_list(struct cli *cli)
{
    static const char *const heads[] = {"GROUP", "MEMBERS", NULL};
    struct error err = {0};
    auto_json *groups = NULL;
    if (!session_open(cli, &err) || (groups = list_all(cli, groups_path, "groups", &err)) == NULL) {
        return cli_fail(&err);
    }
    if (print_formatted(cli, groups)) {
        return 0;
    }
    struct table table;
    table_init(&table, cli, heads);
    for (size_t i = 0; i < json_array_size(groups); i++) {
        const json_t *group = json_array_get(groups, i);
        table_add(&table, json_text(group, "email"));
        table_add(&table, texts_joined(cli, json_object_get(group, "members"), ", "));
    }
    table_print(&table);
    return 0;
}

int action_groups_create(struct cli *cli)
{
    struct error err = {0};
    struct option_walk walk = {0};
    struct slice member;
    auto_json *answer = NULL;
    auto_json *body = json_pack("{s:s, s:[]}", "email", cli->in.arguments[0], "members");
    while (option_next(&cli->in, "members", &walk, &member)) {
        json_array_append_new(json_object_get(body, "members"), json_slice(member));
    }
    if (!session_call(cli, "POST", groups_path, body, &answer, &err)) {
        return cli_fail(&err);
    }
    printf("Group %s is created.\n", cli->in.arguments[0]);
    return 0;
}

int action_groups_delete(struct cli *cli)
{
    struct error err = {0};
    auto_json *answer = NULL;
    if (!session_call(cli, "DELETE", path_of(cli, cli->in.arguments[0]), NULL, &answer, &err)) {
        return cli_fail(&err);
    }
    printf("Group %s is deleted.\n", cli->in.arguments[0]);
    return 0;
}

bool group_change(struct cli *cli, const char *name, const char *member, bool add,
                  struct error *err)
{
    auto_json *group = NULL;
    auto_json *answer = NULL;
    if (!session_call(cli, "GET", path_of(cli, name), NULL, &group, err)) {
        return false;
    }
    json_t *members = json_object_get(group, "members");
    size_t at = 0;
    while (at < json_array_size(members) &&
           strcmp(json_string_value(json_array_get(members, at)), member) != 0) {
        at++;
    }
    bool is_there = at < json_array_size(members);
    if (add == is_there) {
        return error_set(err, STATUS_FAILED_PRECONDITION, "%s is %s in %s", member,
                         add ? "already" : "not", name);
    }
    if (add) {
        json_array_append_new(members, json_string(member));
    } else {
        json_array_remove(members, at);
    }
    auto_json *body = json_pack("{s:s, s:O}", "email", name, "members", members);
    return session_call(cli, "PUT", path_of(cli, name), body, &answer, err);
}

static int member_command(struct cli *cli, bool add)
{
    const char *member = option_text(&cli->in, "member", NULL);
    struct error err = {0};
    if (member == NULL) {
        return cli_refuse_with("`homerun %s` needs --member=MEMBER", cli->in.command->name);
    }
    if (!group_change(cli, cli->in.arguments[0], member, add, &err)) {
        return cli_fail(&err);
    }
    printf("%s is %s %s.\n", member, add ? "in" : "no longer in", cli->in.arguments[0]);
    return 0;
}

int action_groups_add_member(struct cli *cli)
{
    return member_command(cli, true);
}

int action_groups_remove_member(struct cli *cli)
{
    return member_command(cli, false);
}
