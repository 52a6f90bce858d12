#include <stdio.h>
#include <stdlib.h>

#include "cli/actions.h"
#include "cli/client.h"
#include "cli/input.h"
#include "cli/outcome.h"
#include "cli/terminal.h"

static const char *revisions_path(struct cli *cli, const char *service)
{
    return arena_printf(&cli->arena, "%s/services/%s/revisions", region_path(cli), service);
}

static const char *ready_of(const json_t *revision)
{
    const json_t *conditions = json_object_get(revision, "conditions");
    for (size_t i = 0; i < json_array_size(conditions); i++) {
        const json_t *condition = json_array_get(conditions, i);
        if (strcmp(json_text_or(condition, "type", ""), "Ready") == 0) {
            return ready_word(condition);
        }
    }
    return "";
}

int action_revisions_list(struct cli *cli)
{
    static const char *const heads[] = {"REVISION", "READY", "SERVICE", "CREATED", "BY", NULL};
    struct error err = {0};
    if (!session_open(cli, &err)) {
        return cli_fail(&err);
    }
    const char *service = option_text(&cli->in, "service", NULL);
    const char *path = revisions_path(cli, service == NULL ? "-" : encoded(cli, service));
    auto_json *revisions = list_all(cli, path, "revisions", &err);
    if (revisions == NULL) {
        return cli_fail(&err);
    }
    if (print_formatted(cli, revisions)) {
        return 0;
    }
    struct table table;
    table_init(&table, cli, heads);
    for (size_t i = 0; i < json_array_size(revisions); i++) {
        const json_t *revision = json_array_get(revisions, i);
        table_add(&table, short_name(json_text_or(revision, "name", "")));
        table_add(&table, ready_of(revision));
        table_add(&table, short_name(json_text_or(revision, "service", "")));
        table_add(&table, json_text(revision, "createTime"));
        table_add(&table, json_text(revision, "creator"));
    }
    table_print(&table);
    return 0;
}

/* The full path of the revision NAME, whatever its service; NULL and *err. */
static const char *find_revision(struct cli *cli, const char *name, json_t **revision,
                                 struct error *err)
{
    auto_json *all = list_all(cli, revisions_path(cli, "-"), "revisions", err);
    for (size_t i = 0; i < json_array_size(all); i++) {
        json_t *one = json_array_get(all, i);
        const char *full = json_text_or(one, "name", "");
        if (strcmp(short_name(full), name) == 0) {
            *revision = json_incref(one);
            return arena_printf(&cli->arena, "/v2/%s", full);
        }
    }
    if (all != NULL) {
        error_set(err, STATUS_NOT_FOUND,
                  "there is no revision %s in %s (`homerun revisions list` shows them)", name,
                  session_region(cli));
    }
    return NULL;
}

int action_revisions_describe(struct cli *cli)
{
    struct error err = {0};
    auto_json *revision = NULL;
    if (!session_open(cli, &err) ||
        find_revision(cli, cli->in.arguments[0], &revision, &err) == NULL) {
        return cli_fail(&err);
    }
    if (!print_formatted(cli, revision)) {
        struct slice text = yaml_write(&cli->arena, revision);
        fwrite(text.data, 1, text.len, stdout);
    }
    return 0;
}

int action_revisions_delete(struct cli *cli)
{
    const char *name = cli->in.arguments[0];
    struct error err = {0};
    auto_json *revision = NULL;
    auto_json *operation = NULL;
    const char *path = session_open(cli, &err) ? find_revision(cli, name, &revision, &err) : NULL;
    if (path == NULL) {
        return cli_fail(&err);
    }
    if (!confirm(cli, arena_printf(&cli->arena, "Revision %s will be deleted", name))) {
        return cli_fail_with("nothing was deleted");
    }
    if (!session_call(cli, "DELETE", path, NULL, &operation, &err) ||
        !client_wait(cli, "Deleting", &operation, &err)) {
        return cli_fail(&err);
    }
    printf("Revision %s is deleted.\n", name);
    return 0;
}
