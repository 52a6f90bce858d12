#include "cli/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/progress.h"
#include "http/percent.h"

enum { PAGES_MAX = 1000, WAITS_MAX = 200 };

const char *encoded(struct cli *cli, const char *text)
{
    return arena_string(&cli->arena, url_encode(&cli->arena, slice_of(text)));
}

const char *region_path(struct cli *cli)
{
    return arena_printf(&cli->arena, "/v2/projects/%s/locations/%s",
                        encoded(cli, session_project(cli)), encoded(cli, session_region(cli)));
}

const char *service_path(struct cli *cli, const char *name)
{
    return arena_printf(&cli->arena, "%s/services/%s", region_path(cli), encoded(cli, name));
}

const char *short_name(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash == NULL ? name : slash + 1;
}

/* ---- operations ---- */

static bool wait_done(struct cli *cli, json_t **operation, struct error *err)
{
    for (int i = 0; i < WAITS_MAX && !json_flag(*operation, "done", false); i++) {
        const char *name = json_text(*operation, "name");
        if (name == NULL) {
            return error_set(err, STATUS_INTERNAL, "the API's answer is no operation");
        }
        const char *path = arena_printf(&cli->arena, "/v2/%s:wait", name);
        auto_json *body = json_pack("{s:s}", "timeout", "30s");
        json_t *next = NULL;
        if (!session_call(cli, "POST", path, body, &next, err)) {
            return false;
        }
        json_decref(*operation);
        *operation = next;
    }
    if (!json_flag(*operation, "done", false)) {
        return error_set(err, STATUS_DEADLINE_EXCEEDED,
                         "the operation is not done yet: `homerun services describe` shows how it "
                         "goes on");
    }
    const char *text = json_text(*operation, "error.message");
    if (text != NULL) {
        return error_set(err, (enum status)json_number(*operation, "error.code", STATUS_UNKNOWN),
                         "%s", text);
    }
    return true;
}

bool client_wait(struct cli *cli, const char *what, json_t **operation, struct error *err)
{
    progress_begin(cli, what);
    bool good = wait_done(cli, operation, err);
    progress_end(cli);
    return good;
}

/* ---- lists ---- */

json_t *list_all(struct cli *cli, const char *path, const char *name, struct error *err)
{
    auto_json *all = json_array();
    const char *next = "";
    for (int page = 0; page < PAGES_MAX; page++) {
        const char *joint = strchr(path, '?') == NULL ? "?" : "&";
        const char *full = next[0] == '\0' ? path
                                           : arena_printf(&cli->arena, "%s%spageToken=%s", path,
                                                          joint, encoded(cli, next));
        auto_json *answer = NULL;
        if (!session_call(cli, "GET", full, NULL, &answer, err)) {
            return NULL;
        }
        json_t *items = json_at(answer, name);
        if (json_is_array(items)) {
            json_array_extend(all, items);
        }
        next = arena_string(&cli->arena, slice_of(json_text_or(answer, "nextPageToken", "")));
        if (next[0] == '\0') {
            break;
        }
    }
    return json_incref(all);
}

const char *texts_joined(struct cli *cli, const json_t *list, const char *between)
{
    const char *text = "";
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *one = json_string_value(json_array_get(list, i));
        text =
            arena_printf(&cli->arena, "%s%s%s", text, i > 0 ? between : "", one == NULL ? "" : one);
    }
    return text;
}
