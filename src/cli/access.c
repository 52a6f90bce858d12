/* `homerun access`: what the server's own ladder says, as tables. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/actions.h"
#include "cli/client.h"

/* GET of an access method, with the service (NULL: none) as its resource. */
static bool access_get(struct cli *cli, const char *method, const char *service, const char *more,
                       json_t **answer, struct error *err)
{
    const char *path = arena_printf(&cli->arena, "/homerun/v1/access:%s", method);
    const char *joint = "?";
    if (service != NULL) {
        const char *resource = arena_printf(&cli->arena, "projects/%s/locations/%s/services/%s",
                                            session_project(cli), session_region(cli), service);
        path = arena_printf(&cli->arena, "%s?resource=%s", path,
                            encoded(cli, strchr(service, '/') == NULL ? resource : service));
        joint = "&";
    }
    if (more[0] != '\0') {
        path = arena_printf(&cli->arena, "%s%s%s", path, joint, more);
    }
    return session_call(cli, "GET", path, NULL, answer, err);
}

int action_access_who(struct cli *cli)
{
    static const char *const heads[] = {"MEMBER", "ROLE", "GRANTED ON", "CONDITION", NULL};
    struct error err = {0};
    auto_json *answer = NULL;
    if (!session_open(cli, &err) ||
        !access_get(cli, "who", cli->in.arguments[0], "", &answer, &err)) {
        return cli_fail(&err);
    }
    if (print_formatted(cli, answer)) {
        return 0;
    }
    struct paint paint = paint_of(cli);
    if (json_flag(answer, "invokerIamDisabled", false)) {
        printf("%sEveryone%s: the Invoker IAM check is off.\n\n", paint.yellow, paint.off);
    }
    struct table table;
    table_init(&table, cli, heads);
    const json_t *rows = json_object_get(answer, "bindings");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        table_add(&table, json_text(row, "member"));
        table_add(&table, json_text(row, "role"));
        table_add(&table, json_text(row, "on"));
        table_add(&table, json_text(row, "condition"));
    }
    table_print(&table);
    return 0;
}

/* ---- explain ---- */

/* "d-…" in the place of a service is a denial: what the header Homerun-Denial said. */
static const char *denial_of(struct cli *cli)
{
    const char *first = cli->in.arguments[0];
    size_t after = first == NULL || strncmp(first, "d-", 2) != 0 ? 0 : strlen(first);
    return after == 22 ? first : option_text(&cli->in, "denial", NULL);
}

static const char *explain_query(struct cli *cli)
{
    static const char *const flags[] = {"member", "host", "path"};
    const char *denial = denial_of(cli);
    const char *query =
        denial == NULL ? "" : arena_printf(&cli->arena, "denial=%s", encoded(cli, denial));
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        const char *value = option_text(&cli->in, flags[i], NULL);
        if (value != NULL) {
            query = arena_printf(&cli->arena, "%s%s%s=%s", query, query[0] == '\0' ? "" : "&",
                                 flags[i], encoded(cli, value));
        }
    }
    if (option_given(&cli->in, "internal")) {
        query = arena_printf(&cli->arena, "%s%sinternal=true", query, query[0] == '\0' ? "" : "&");
    }
    return query;
}

static void print_members(const json_t *answer)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)answer, name, value)
    {
        if (json_is_string(value)) {
            printf("  %-12s %s\n", name, json_string_value(value));
        } else if (json_is_integer(value)) {
            printf("  %-12s %lld\n", name, (long long)json_integer_value(value));
        }
    }
}

static void print_verdict(struct cli *cli, const json_t *answer)
{
    struct paint paint = paint_of(cli);
    bool allowed = json_flag(answer, "allowed", false);
    printf("%s%s%s: %s may%s invoke %s (HTTP %lld).\n", allowed ? paint.green : paint.red,
           allowed ? "Yes" : "No", paint.off, json_text_or(answer, "member", ""),
           allowed ? "" : " not", json_text_or(answer, "resource", ""),
           (long long)json_number(answer, "status", 0));
    printf("  Decided by   %s\n", json_text_or(answer, "rung", ""));
    const char *text = json_text(answer, "text");
    if (text != NULL) {
        printf("  Because      %s\n", text);
    }
    const char *on = json_text(answer, "because.on");
    if (on != NULL) {
        printf("  Because      %s has %s on %s\n", json_text_or(answer, "because.member", ""),
               json_text_or(answer, "because.role", ""), on);
    }
    const char *condition = json_text_or(answer, "because.condition", "");
    if (condition[0] != '\0') {
        printf("  Where        %s\n", condition);
    }
}

int action_access_explain(struct cli *cli)
{
    const char *service = cli->in.argument_count > 0 ? cli->in.arguments[0] : NULL;
    struct error err = {0};
    auto_json *answer = NULL;
    if (denial_of(cli) != NULL) {
        service = NULL;
    } else if (service == NULL) {
        return cli_refuse_with("name a service (and --member=MEMBER), or the Homerun-Denial of a "
                               "refused request");
    }
    if (!session_open(cli, &err) ||
        !access_get(cli, "explain", service, explain_query(cli), &answer, &err)) {
        return cli_fail(&err);
    }
    if (print_formatted(cli, answer)) {
        return 0;
    }
    if (json_object_get(answer, "allowed") == NULL) {
        print_members(answer);
    } else {
        print_verdict(cli, answer);
    }
    return 0;
}

/* ---- public, history ---- */

static const char *joined(struct cli *cli, const json_t *texts)
{
    const char *out = "";
    for (size_t i = 0; i < json_array_size(texts); i++) {
        const char *text = json_string_value(json_array_get(texts, i));
        out = arena_printf(&cli->arena, "%s%s%s", out, i > 0 ? " " : "", text == NULL ? "" : text);
    }
    return out;
}

int action_access_public(struct cli *cli)
{
    static const char *const heads[] = {"RESOURCE", "INGRESS", "WHY", "SINCE", "BY", NULL};
    struct error err = {0};
    auto_json *answer = NULL;
    if (!session_open(cli, &err) || !access_get(cli, "public", NULL, "", &answer, &err)) {
        return cli_fail(&err);
    }
    if (print_formatted(cli, answer)) {
        return 0;
    }
    struct table table;
    table_init(&table, cli, heads);
    const json_t *rows = json_object_get(answer, "services");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        table_add(&table, json_text(row, "resource"));
        table_add(&table, json_text(row, "ingress"));
        table_add(&table, joined(cli, json_object_get(row, "reasons")));
        table_add(&table, json_text(row, "since"));
        table_add(&table, json_text(row, "by"));
    }
    if (json_array_size(rows) == 0) {
        printf("Nothing is public.\n");
        return 0;
    }
    table_print(&table);
    return 0;
}

int action_access_history(struct cli *cli)
{
    static const char *const heads[] = {"TIME", "WHO", "FROM", "DEED", "RESOURCE", NULL};
    struct error err = {0};
    auto_json *answer = NULL;
    if (!session_open(cli, &err) ||
        !access_get(cli, "history", cli->in.arguments[0], "", &answer, &err)) {
        return cli_fail(&err);
    }
    if (print_formatted(cli, answer)) {
        return 0;
    }
    struct table table;
    table_init(&table, cli, heads);
    const json_t *rows = json_object_get(answer, "history");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        table_add(&table, json_text(row, "time"));
        table_add(&table, json_text(row, "caller"));
        table_add(&table, json_text(row, "peer"));
        table_add(&table, json_text(row, "deed"));
        table_add(&table, json_text(row, "resource"));
    }
    table_print(&table);
    return 0;
}
