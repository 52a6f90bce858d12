/* `services logs SERVICE`: requests and output, oldest first, as `gcloud run services logs read`.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/actions.h"
#include "cli/client.h"

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 1000 };

static void print_entry(struct cli *cli, const json_t *entry)
{
    struct paint paint = paint_of(cli);
    const char *time = json_text_or(entry, "timestamp", "");
    const char *text = json_text(entry, "textPayload");
    const json_t *request = json_object_get(entry, "httpRequest");
    if (request != NULL) {
        long long status = json_number(request, "status", 0);
        text =
            arena_printf(&cli->arena, "%s %s%lld%s %s", json_text_or(request, "requestMethod", ""),
                         status >= 400 ? paint.red : paint.green, status, paint.off,
                         json_text_or(request, "requestUrl", ""));
    } else if (text == NULL) {
        struct slice whole = json_write(&cli->arena, json_object_get(entry, "jsonPayload"));
        text = arena_string(&cli->arena, whole);
    }
    printf("%s%s%s %s\n", paint.dim, time, paint.off, text);
}

int action_services_logs(struct cli *cli)
{
    /* gcloud says `services logs read SERVICE`; both are understood. */
    const char *name = cli->in.arguments[cli->in.argument_count - 1];
    struct error err = {0};
    if (!session_open(cli, &err)) {
        return cli_fail(&err);
    }
    uint64_t limit = option_number(&cli->in, "limit", LIMIT_DEFAULT);
    const char *filter = arena_printf(
        &cli->arena,
        "resource.type = cloud_run_revision \n AND resource.labels.service_name = %s \n "
        "AND resource.labels.location = %s \n AND severity >= DEFAULT",
        name, session_region(cli));
    auto_json *answer = NULL;
    auto_json *body =
        json_pack("{s:s, s:s, s:I, s:[s]}", "filter", filter, "orderBy", "timestamp desc",
                  "pageSize", (json_int_t)(limit > LIMIT_MAX ? LIMIT_MAX : limit), "resourceNames",
                  arena_printf(&cli->arena, "projects/%s", session_project(cli)));
    if (!session_call(cli, "POST", "/v2/entries:list", body, &answer, &err)) {
        return cli_fail(&err);
    }
    const json_t *entries = json_object_get(answer, "entries");
    if (option_given(&cli->in, "format") && print_formatted(cli, entries)) {
        return 0;
    }
    for (size_t i = json_array_size(entries); i-- > 0;) {
        print_entry(cli, json_array_get(entries, i));
    }
    return 0;
}
