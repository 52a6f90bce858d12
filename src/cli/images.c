/* Local images: a name for a program of this machine, which the process engine starts. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/actions.h"
#include "cli/client.h"

static const char images_path[] = "/homerun/v1/images";

int action_images_list(struct cli *cli)
{
    static const char *const heads[] = {"IMAGE", "FOLDER", "PROGRAM", NULL};
    struct error err = {0};
    auto_json *images = NULL;
    if (!session_open(cli, &err) || (images = list_all(cli, images_path, "images", &err)) == NULL) {
        return cli_fail(&err);
    }
    if (print_formatted(cli, images)) {
        return 0;
    }
    struct table table;
    table_init(&table, cli, heads);
    for (size_t i = 0; i < json_array_size(images); i++) {
        const json_t *image = json_array_get(images, i);
        const json_t *program = json_object_get(image, "program");
        const char *text = "";
        for (size_t p = 0; p < json_array_size(program); p++) {
            text = arena_printf(&cli->arena, "%s%s%s", text, p > 0 ? " " : "",
                                json_string_value(json_array_get(program, p)));
        }
        if (json_flag(image, "builtIn", false)) {
            text = arena_printf(&cli->arena, "%s (built in)", text);
        }
        table_add(&table, json_text(image, "name"));
        table_add(&table, json_text(image, "dir"));
        table_add(&table, text);
    }
    table_print(&table);
    return 0;
}

int action_images_add(struct cli *cli)
{
    struct error err = {0};
    char dir[PATH_MAX];
    const char *given = option_text(&cli->in, "dir", ".");
    if (cli->in.rest_count == 0) {
        return cli_refuse_with("say what to start: homerun images add %s --dir=%s -- PROGRAM …",
                               cli->in.arguments[0], given);
    }
    if (realpath(given, dir) == NULL || access(dir, X_OK) < 0) {
        return cli_fail_with("--dir %s: there is no such folder, or it may not be entered", given);
    }
    auto_json *answer = NULL;
    auto_json *body =
        json_pack("{s:s, s:s, s:[]}", "name", cli->in.arguments[0], "dir", dir, "program");
    for (unsigned i = 0; i < cli->in.rest_count; i++) {
        json_array_append_new(json_object_get(body, "program"),
                              json_slice(slice_of(cli->in.rest[i])));
    }
    if (!session_call(cli, "POST", images_path, body, &answer, &err)) {
        return cli_fail(&err);
    }
    printf("Image %s is there: homerun deploy SERVICE --image=%s\n", cli->in.arguments[0],
           cli->in.arguments[0]);
    return 0;
}

int action_images_remove(struct cli *cli)
{
    struct error err = {0};
    auto_json *answer = NULL;
    const char *path =
        arena_printf(&cli->arena, "%s/%s", images_path, encoded(cli, cli->in.arguments[0]));
    if (!session_call(cli, "DELETE", path, NULL, &answer, &err)) {
        return cli_fail(&err);
    }
    printf("Image %s is removed.\n", cli->in.arguments[0]);
    return 0;
}
