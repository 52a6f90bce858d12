/* Tags of the organization, and on services: what conditions of grants and of policies ask for. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/actions.h"
#include "cli/client.h"
#include "cli/node.h"
#include "cli/terminal.h"

/* "//run.googleapis.com/projects/P/locations/R/services/S". */
static const char *full_name(struct cli *cli, const char *service)
{
    return arena_printf(&cli->arena, "//run.googleapis.com/projects/%s/locations/%s/services/%s",
                        session_project(cli), session_region(cli), service);
}

/* "ORG/KEY/VALUE" of "KEY/VALUE"; one that has a namespace stays as it is. */
static const char *namespaced(struct cli *cli, const char *tag, struct error *err)
{
    const char *slash = strchr(tag, '/');
    if (slash == NULL) {
        error_set(err, STATUS_INVALID_ARGUMENT, "%s: a tag reads KEY/VALUE", tag);
        return NULL;
    }
    if (strchr(slash + 1, '/') != NULL) {
        return tag;
    }
    auto_json *organization = organization_load(cli, err);
    return organization == NULL
               ? NULL
               : arena_printf(&cli->arena, "%s/%s",
                              short_name(json_text_or(organization, "name", "")), tag);
}

/* Each key of the organization with each of its values, in one list. NULL and *err. */
static json_t *tags_of_organization(struct cli *cli, struct error *err)
{
    auto_json *organization = organization_load(cli, err);
    const char *path = arena_printf(&cli->arena, "/v3/tagKeys?parent=%s",
                                    encoded(cli, json_text_or(organization, "name", "")));
    auto_json *keys = organization == NULL ? NULL : list_all(cli, path, "tagKeys", err);
    if (keys == NULL) {
        return NULL;
    }
    auto_json *all = json_array();
    for (size_t i = 0; i < json_array_size(keys); i++) {
        const char *key = json_text_or(json_array_get(keys, i), "name", "");
        path = arena_printf(&cli->arena, "/v3/tagValues?parent=%s", encoded(cli, key));
        auto_json *values = list_all(cli, path, "tagValues", err);
        if (values == NULL) {
            return NULL;
        }
        json_array_extend(all, values);
    }
    return json_incref(all);
}

int action_tags_list(struct cli *cli)
{
    static const char *const heads[] = {"TAG", "VALUE", "INHERITED", NULL};
    struct error err = {0};
    auto_json *tags = NULL;
    const char *service = option_text(&cli->in, "service", NULL);
    if (!session_open(cli, &err)) {
        return cli_fail(&err);
    }
    if (service == NULL) {
        tags = tags_of_organization(cli, &err);
    } else {
        const char *path = arena_printf(&cli->arena, "/v3/effectiveTags?parent=%s",
                                        encoded(cli, full_name(cli, service)));
        tags = list_all(cli, path, "effectiveTags", &err);
    }
    if (tags == NULL) {
        return cli_fail(&err);
    }
    if (print_formatted(cli, tags)) {
        return 0;
    }
    struct table table;
    table_init(&table, cli, heads);
    for (size_t i = 0; i < json_array_size(tags); i++) {
        const json_t *tag = json_array_get(tags, i);
        const char *name = service == NULL ? "namespacedName" : "namespacedTagValue";
        table_add(&table, json_text(tag, name));
        table_add(&table, json_text(tag, service == NULL ? "name" : "tagValue"));
        table_add(&table, json_flag(tag, "inherited", false) ? "yes" : "");
    }
    table_print(&table);
    return 0;
}

/* POST of a key or value, unless there is one of that name. */
static bool make(struct cli *cli, const char *list, const char *parent, const char *name,
                 struct error *err)
{
    struct error why = {0};
    auto_json *answer = NULL;
    auto_json *body = json_pack("{s:s, s:s}", "parent", parent, "shortName", name);
    if (session_call(cli, "POST", arena_printf(&cli->arena, "/v3/%s", list), body, &answer, &why) ||
        why.status == STATUS_ALREADY_EXISTS) {
        return true;
    }
    *err = why;
    return false;
}

static bool tag_make(struct cli *cli, const char *tag, struct error *err)
{
    struct slice value = slice_of(tag), number, key;
    auto_json *found = NULL;
    slice_cut(&value, '/', &number);
    slice_cut(&value, '/', &key);
    const char *parent = arena_printf(&cli->arena, "organizations/%.*s", SLICE_ARG(number));
    const char *name = arena_printf(&cli->arena, "%.*s/%.*s", SLICE_ARG(number), SLICE_ARG(key));
    const char *path =
        arena_printf(&cli->arena, "/v3/tagKeys/namespaced?name=%s", encoded(cli, name));
    return make(cli, "tagKeys", parent, arena_string(&cli->arena, key), err) &&
           session_call(cli, "GET", path, NULL, &found, err) &&
           make(cli, "tagValues", json_text_or(found, "name", ""), arena_string(&cli->arena, value),
                err);
}

int action_tags_create(struct cli *cli)
{
    struct error err = {0};
    const char *tag = session_open(cli, &err) ? namespaced(cli, cli->in.arguments[0], &err) : NULL;
    if (tag == NULL || !tag_make(cli, tag, &err)) {
        return cli_fail(&err);
    }
    printf("Tag %s is there.\n", tag);
    return 0;
}

int action_tags_bind(struct cli *cli)
{
    struct error err = {0};
    auto_json *answer = NULL;
    const char *service = cli->in.arguments[0];
    const char *tag = session_open(cli, &err) ? namespaced(cli, cli->in.arguments[1], &err) : NULL;
    if (tag == NULL) {
        return cli_fail(&err);
    }
    auto_json *body =
        json_pack("{s:s, s:s}", "parent", full_name(cli, service), "tagValueNamespacedName", tag);
    if (!session_call(cli, "POST", "/v3/tagBindings", body, &answer, &err)) {
        return cli_fail(&err);
    }
    printf("Service %s has the tag %s now.\n", service, tag);
    return 0;
}

/* The name of the binding of TAG to SERVICE. NULL and *err. */
static const char *binding_find(struct cli *cli, const char *service, const char *tag,
                                struct error *err)
{
    const char *path = arena_printf(&cli->arena, "/v3/tagBindings?parent=%s",
                                    encoded(cli, full_name(cli, service)));
    auto_json *bindings = list_all(cli, path, "tagBindings", err);
    for (size_t i = 0; i < json_array_size(bindings); i++) {
        const json_t *one = json_array_get(bindings, i);
        if (strcmp(json_text_or(one, "tagValueNamespacedName", ""), tag) == 0) {
            return arena_string(&cli->arena, slice_of(json_text_or(one, "name", "")));
        }
    }
    if (bindings != NULL) {
        error_set(err, STATUS_NOT_FOUND, "service %s has no tag %s of its own", service, tag);
    }
    return NULL;
}

int action_tags_unbind(struct cli *cli)
{
    struct error err = {0};
    auto_json *answer = NULL;
    const char *service = cli->in.arguments[0];
    const char *tag = session_open(cli, &err) ? namespaced(cli, cli->in.arguments[1], &err) : NULL;
    const char *name = tag == NULL ? NULL : binding_find(cli, service, tag, &err);
    if (name == NULL || !session_call(cli, "DELETE", arena_printf(&cli->arena, "/v3/%s", name),
                                      NULL, &answer, &err)) {
        return cli_fail(&err);
    }
    printf("Service %s has the tag %s no longer.\n", service, tag);
    return 0;
}
