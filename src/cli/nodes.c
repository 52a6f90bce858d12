/* `homerun nodes`: the nodes of a cluster, as the one that is asked knows them. */
#include <stdio.h>

#include "cli/actions.h"
#include "cli/client.h"
#include "cli/terminal.h"

int action_nodes_list(struct cli *cli)
{
    static const char *const heads[] = {"NODE", "STATE", "CHANGE", "LEASE LEFT", "API", NULL};
    struct error err = {0};
    struct table table;
    size_t i;
    json_t *node;
    auto_json *nodes =
        session_open(cli, &err) ? list_all(cli, "/homerun/v1/nodes", "nodes", &err) : NULL;
    if (nodes == NULL) {
        return cli_fail(&err);
    }
    if (print_formatted(cli, nodes)) {
        return 0;
    }
    table_init(&table, cli, heads);
    json_array_foreach(nodes, i, node)
    {
        double left_s = (double)json_number(node, "leaseLeftMs", 0) / 1000;
        table_add(&table, arena_printf(&cli->arena, "%s%s", json_text(node, "name"),
                                       json_flag(node, "asked", false) ? " (this one)" : ""));
        table_add(&table, json_text(node, "state"));
        table_add(&table, arena_printf(&cli->arena, "%lld",
                                       (long long)json_number(node, "appliedChange", 0)));
        table_add(&table, arena_printf(&cli->arena, "%.1f s", left_s));
        table_add(&table, json_text(node, "url"));
    }
    table_print(&table);
    return 0;
}

/* VERB of the node that is named; "" to remove it. */
static int change_node(struct cli *cli, const char *verb, const char *done)
{
    struct error err = {0};
    auto_json *answer = NULL;
    const char *name = cli->in.arguments[0];
    const char *path =
        arena_printf(&cli->arena, "/homerun/v1/nodes/%s%s", encoded(cli, name), verb);
    auto_json *body = *verb == '\0' ? NULL : json_object();
    if (!session_open(cli, &err) ||
        !session_call(cli, *verb == '\0' ? "DELETE" : "POST", path, body, &answer, &err)) {
        return cli_fail(&err);
    }
    printf("%s %s\n", name, done);
    return 0;
}

int action_nodes_drain(struct cli *cli)
{
    return option_given(&cli->in, "undo")
               ? change_node(cli, ":undrain", "says that it is healthy again.")
               : change_node(cli, ":drain",
                             "says that it is not healthy: a balancer that asks "
                             "/homerun/v1/health sends it no more requests. It serves those that "
                             "come.");
}

int action_nodes_remove(struct cli *cli)
{
    return change_node(cli, "", "is no node of this cluster any more.");
}
