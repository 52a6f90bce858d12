#include "cli/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/progress.h"
#include "http/url.h"

enum { DOCUMENT_BYTES_MAX = 4 * 1024 * 1024, PAGES_MAX = 1000, WAITS_MAX = 200 };

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

/* ---- files ---- */

static bool standard_input(struct cli *cli, struct slice *out, struct error *err)
{
    struct buffer text = BUFFER_INIT(DOCUMENT_BYTES_MAX);
    char bytes[16384];
    ssize_t got;
    while ((got = read(STDIN_FILENO, bytes, sizeof(bytes))) > 0 &&
           buffer_add(&text, (struct slice){bytes, (size_t)got})) {
    }
    *out = arena_slice(&cli->arena, buffer_slice(&text));
    buffer_done(&text);
    return got == 0 || error_set(err, STATUS_INVALID_ARGUMENT, "standard input: too long");
}

bool text_read(struct cli *cli, const char *path, struct slice *out, struct error *err)
{
    if (strcmp(path, "-") == 0) {
        return standard_input(cli, out, err);
    }
    return file_read(&cli->arena, path, DOCUMENT_BYTES_MAX, out, err);
}

json_t *document_read(struct cli *cli, const char *path, struct error *err)
{
    struct slice text;
    if (!text_read(cli, path, &text, err)) {
        return NULL;
    }
    json_t *value = yaml_read(text, err); /* of which JSON is a part */
    if (value == NULL) {
        error_wrap(err, "%s", path);
    }
    return value;
}

bool confirm(struct cli *cli, const char *question)
{
    if (option_given(&cli->in, "quiet") || isatty(STDIN_FILENO) != 1) {
        return true;
    }
    char line[16] = "";
    fprintf(stderr, "%s (y/N)? ", question);
    fflush(stderr);
    return fgets(line, sizeof(line), stdin) != NULL && (line[0] == 'y' || line[0] == 'Y');
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
