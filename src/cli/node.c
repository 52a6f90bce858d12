/* The tree above projects, as commands name it: --organization, --folder, --project. */
#include "cli/node.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/client.h"
#include "cli/terminal.h"

/* "folders/12" of "12" and of "folders/12". */
static const char *node_named(struct cli *cli, const char *kind, const char *id)
{
    size_t length = strlen(kind);
    const char *bare = strncmp(id, kind, length) == 0 && id[length] == '/' ? id + length + 1 : id;
    return arena_printf(&cli->arena, "%s/%s", kind, encoded(cli, bare));
}

json_t *organization_load(struct cli *cli, struct error *err)
{
    auto_json *found = list_all(cli, "/v3/organizations:search", "organizations", err);
    if (found == NULL) {
        return NULL;
    }
    json_t *organization = json_incref(json_array_get(found, 0));
    if (organization == NULL) {
        error_set(err, STATUS_NOT_FOUND, "there is no organization that you may see");
    }
    return organization;
}

const char *node_given(struct cli *cli, struct error *err)
{
    static const struct {
        const char *flag, *kind;
    } kinds[] = {{"organization", "organizations"}, {"folder", "folders"}, {"project", "projects"}};
    const char *node = NULL;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const char *id = option_text(&cli->in, kinds[i].flag, NULL);
        if (id != NULL && node != NULL) {
            error_set(err, STATUS_INVALID_ARGUMENT,
                      "only one of --organization, --folder and --project can be given");
            return NULL;
        }
        node = id != NULL ? node_named(cli, kinds[i].kind, id) : node;
    }
    return node != NULL ? node : "";
}

const char *parent_given(struct cli *cli, struct error *err)
{
    const char *node = node_given(cli, err);
    if (node == NULL || node[0] != '\0') {
        return node;
    }
    auto_json *organization = organization_load(cli, err);
    return organization == NULL
               ? NULL
               : arena_string(&cli->arena, slice_of(json_text_or(organization, "name", "")));
}

const char *folder_path(struct cli *cli, const char *id)
{
    return arena_printf(&cli->arena, "/v3/%s", node_named(cli, "folders", id));
}

void document_print(struct cli *cli, const json_t *value)
{
    if (!print_formatted(cli, value)) {
        struct slice text = yaml_write(&cli->arena, value);
        fwrite(text.data, 1, text.len, stdout);
    }
}
