/*
 * `access probe`: asks each service as a stranger does, and holds what comes back against what is
 * declared. What the gate does is seen from outside, so that a fault of ours would be seen too.
 */
#include "cli/probe.h"

#include <stdio.h>

#include "cli/actions.h"
#include "cli/client.h"
#include "cli/https_head.h"
#include "cli/terminal.h"

/* The row of access:public for RESOURCE; NULL if it is not public. */
static const json_t *row_of(const json_t *rows, const char *resource)
{
    size_t i;
    const json_t *row;
    json_array_foreach(rows, i, row)
    {
        if (strcmp(json_text_or(row, "resource", ""), resource) == 0) {
            return row;
        }
    }
    return NULL;
}

/* Whether a condition decides, which may be true of one path and false of another. */
static bool has_condition(const json_t *row)
{
    size_t i;
    const json_t *reason;
    json_array_foreach(json_object_get(row, "reasons"), i, reason)
    {
        const char *text = json_string_value(reason);
        if (text != NULL && strstr(text, "under a condition") != NULL &&
            json_text(row, "publicUntil") == NULL) {
            return true;
        }
    }
    return false;
}

static enum probe_declared declared_of(const json_t *service, const json_t *rows)
{
    const json_t *row = row_of(rows, json_text_or(service, "name", ""));
    if (row == NULL || strcmp(json_text_or(service, "ingress", "INGRESS_TRAFFIC_ALL"),
                              "INGRESS_TRAFFIC_ALL") != 0) {
        return PROBE_CLOSED;
    }
    return has_condition(row) ? PROBE_DEPENDS : PROBE_OPEN;
}

/* A door sends strangers to sign in, or refuses them in its own words. */
static bool is_let_in(const json_t *service, const struct head_answer *answer)
{
    bool door = json_flag(service, "iapEnabled", false);
    return !answer->denied &&
           !(door && (answer->status == 302 || answer->status == 401 || answer->status == 403));
}

bool probe_all(struct cli *cli, probe_fn *each, void *ctx, struct error *err)
{
    const char *path = arena_printf(&cli->arena, "/v2/projects/%s/locations/-/services",
                                    encoded(cli, session_project(cli)));
    const char *ca = arena_printf(&cli->arena, "%s/ca.pem", session_data(cli));
    auto_json *answer = NULL;
    auto_json *services = list_all(cli, path, "services", err);
    if (services == NULL ||
        !session_call(cli, "GET", "/homerun/v1/access:public", NULL, &answer, err)) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(services); i++) {
        const json_t *service = json_array_get(services, i);
        const char *url = json_text(service, "uri");
        struct probe_result result = {
            .service = short_name(json_text_or(service, "name", "")),
            .declared = declared_of(service, json_object_get(answer, "services"))};
        struct head_answer got;
        if (url == NULL) {
            continue; /* no address of ours */
        }
        result.answered = https_head(&cli->arena, url, ca, &got, &result.why);
        if (result.answered) {
            result.status = got.status;
            result.let_in = is_let_in(service, &got);
        }
        result.differs = !result.answered || (result.declared != PROBE_DEPENDS &&
                                              result.let_in != (result.declared == PROBE_OPEN));
        each(&result, ctx);
    }
    return true;
}

const char *probe_word(enum probe_declared declared)
{
    static const char *const words[] = {
        [PROBE_CLOSED] = "closed", [PROBE_OPEN] = "public", [PROBE_DEPENDS] = "public in part"};
    return words[declared];
}

/* ---- the command ---- */

struct shown {
    struct cli *cli;
    struct table table;
    json_t *rows;
    unsigned differ;
};

static void show(const struct probe_result *result, void *ctx)
{
    struct shown *shown = ctx;
    const char *real = !result->answered ? "no answer" : result->let_in ? "public" : "closed";
    shown->differ += result->differs;
    table_add(&shown->table, result->service);
    table_add(&shown->table, probe_word(result->declared));
    table_add(&shown->table, real);
    table_add(&shown->table, !result->answered
                                 ? arena_string(&shown->cli->arena, slice_of(result->why.text))
                                 : arena_printf(&shown->cli->arena, "%d", result->status));
    table_add(&shown->table, result->differs ? "DIFFERS" : NULL);
    json_array_append_new(shown->rows,
                          json_pack("{s:s, s:s, s:s, s:i, s:b}", "service", result->service,
                                    "declared", probe_word(result->declared), "real", real,
                                    "status", result->status, "differs", result->differs));
}

int action_access_probe(struct cli *cli)
{
    static const char *const heads[] = {"SERVICE", "DECLARED", "FOR A STRANGER",
                                        "ANSWER",  "",         NULL};
    struct error err = {0};
    struct shown shown = {.cli = cli};
    auto_json *rows = shown.rows = json_array();
    table_init(&shown.table, cli, heads);
    if (!session_open(cli, &err) || !probe_all(cli, show, &shown, &err)) {
        return cli_fail(&err);
    }
    if (!print_formatted(cli, rows) && json_array_size(rows) > 0) {
        table_print(&shown.table);
    }
    return shown.differ > 0 ? 1 : 0;
}
