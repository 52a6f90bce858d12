/* Images of containers: listing what is here, importing, building and removing. */
#include <stdio.h>
#include <unistd.h>

#include "cli/actions.h"
#include "cli/client.h"
#include "cli/image_build.h"
#include "cli/image_store.h"
#include "cli/terminal.h"

/* ---- the list ---- */

static const char *size_text(struct cli *cli, uint64_t bytes)
{
    static const struct {
        uint64_t unit;
        const char *name;
    } units[] = {{1000000000, "GB"}, {1000000, "MB"}, {1000, "kB"}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (bytes >= units[i].unit) {
            return arena_printf(
                &cli->arena, "%llu.%llu %s", (unsigned long long)(bytes / units[i].unit),
                (unsigned long long)(bytes % units[i].unit / (units[i].unit / 10)), units[i].name);
        }
    }
    return "";
}

static const char *what_text(struct cli *cli, const json_t *image)
{
    const json_t *program = json_object_get(image, "program");
    const char *dir = json_text_or(image, "dir", "");
    if (json_array_size(program) == 0) {
        return "container";
    }
    const char *text = texts_joined(cli, program, " ");
    if (json_flag(image, "builtIn", false)) {
        return arena_printf(&cli->arena, "%s (built in)", text);
    }
    return arena_printf(&cli->arena, "%s (in %s)", text, dir);
}

static const char *users_text(struct cli *cli, const json_t *image)
{
    const json_t *users = json_object_get(image, "usedBy");
    const char *text = "";
    for (size_t i = 0; i < json_array_size(users) && i < 3; i++) {
        text = arena_printf(&cli->arena, "%s%s%s", text, i > 0 ? ", " : "",
                            short_name(json_string_value(json_array_get(users, i))));
    }
    return json_array_size(users) <= 3
               ? text
               : arena_printf(&cli->arena, "%s and %zu more", text, json_array_size(users) - 3);
}

int action_images_list(struct cli *cli)
{
    static const char *const heads[] = {"IMAGE", "WHAT", "DIGEST", "SIZE", "USED BY", NULL};
    struct error err = {0};
    size_t i;
    json_t *image;
    auto_json *images = NULL;
    if (!session_open(cli, &err) || (images = list_all(cli, IMAGES_PATH, "images", &err)) == NULL) {
        return cli_fail(&err);
    }
    json_array_foreach(images, i, image)
    {
        uint64_t bytes = image_disk_bytes(cli, json_text_or(image, "manifest", ""));
        if (bytes > 0) {
            json_object_set_new(image, "sizeBytes", json_integer((json_int_t)bytes));
        }
    }
    if (print_formatted(cli, images)) {
        return 0;
    }
    struct table table;
    table_init(&table, cli, heads);
    json_array_foreach(images, i, image)
    {
        /* The digest has a column of its own. */
        table_add(&table, arena_printf(&cli->arena, "%.*s",
                                       (int)strcspn(json_text_or(image, "name", ""), "@"),
                                       json_text_or(image, "name", "")));
        table_add(&table, what_text(cli, image));
        table_add(&table, arena_printf(&cli->arena, "%.19s", json_text_or(image, "manifest", "")));
        table_add(&table, size_text(cli, (uint64_t)json_number(image, "sizeBytes", 0)));
        table_add(&table, users_text(cli, image));
    }
    table_print(&table);
    return 0;
}

/* ---- import and build ---- */

static int register_it(struct cli *cli, const char *name, struct slice digest)
{
    struct error err = {0};
    if (!image_register(cli, name, digest, &err)) {
        return cli_fail(&err);
    }
    printf("Image %s is there (%.*s): homerun deploy SERVICE --image=%s\n", name,
           SLICE_ARG(slice_upto(digest, 19)), name);
    return 0;
}

int action_images_import(struct cli *cli)
{
    struct error err = {0};
    struct slice digest;
    if (!session_open(cli, &err) || !image_copy(cli, cli->in.arguments[1], &digest, &err)) {
        return cli_fail(&err);
    }
    return register_it(cli, cli->in.arguments[0], digest);
}

int action_images_build(struct cli *cli)
{
    struct error err = {0};
    struct slice digest;
    const char *name = cli->in.arguments[0];
    if (!session_open(cli, &err) || !image_build(cli, cli->in.arguments[1], name, &digest, &err)) {
        return cli_fail(&err);
    }
    return register_it(cli, name, digest);
}

/* ---- removing ---- */

/* The layout that NAME was imported to, if nothing else of the list has it; NULL: there is none. */
static const char *own_layout(struct cli *cli, const char *name)
{
    struct error err = {0};
    auto_json *answer = NULL;
    unsigned users = 0;
    if (!session_call(cli, "GET", IMAGES_PATH, NULL, &answer, &err)) {
        return NULL;
    }
    const json_t *images = json_object_get(answer, "images");
    const char *manifest = json_text_or(image_row(cli, images, name), "manifest", "");
    for (size_t i = 0; i < json_array_size(images); i++) {
        users += strcmp(json_text_or(json_array_get(images, i), "manifest", ""), manifest) == 0;
    }
    return users == 1 && *manifest != '\0' ? image_layout(cli, manifest) : NULL;
}

bool image_remove(struct cli *cli, const char *name, struct error *err)
{
    auto_json *answer = NULL;
    const char *layout = own_layout(cli, name);
    const char *path = arena_printf(&cli->arena, "%s/%s", IMAGES_PATH, encoded(cli, name));
    if (!session_call(cli, "DELETE", path, NULL, &answer, err)) {
        return false;
    }
    if (layout != NULL && access(layout, F_OK) == 0) {
        tool_run_here((const char *[]){"rm", "-rf", layout, NULL});
    }
    return true;
}

int action_images_remove(struct cli *cli)
{
    struct error err = {0};
    if (!image_remove(cli, cli->in.arguments[0], &err)) {
        return cli_fail(&err);
    }
    printf("Image %s is removed.\n", cli->in.arguments[0]);
    return 0;
}
