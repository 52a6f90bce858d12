/* Local images: a name for a program of this machine, which the process engine starts. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/actions.h"
#include "cli/client.h"
#include "model/image_rules.h"

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
        if (json_text(image, "manifest") != NULL) {
            text = arena_printf(&cli->arena, "container %.19s", json_text(image, "manifest"));
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

/* ---- what deployers may choose ---- */

static bool put_variables(struct cli *cli, json_t *body)
{
    struct option_walk walk = {0};
    struct slice text;
    json_t *list = json_array();
    json_object_set_new(body, "env", list);
    while (option_next(&cli->in, "env", &walk, &text)) {
        ptrdiff_t equals = slice_find(text, '=');
        json_t *variable = json_object();
        struct slice name = equals < 0 ? text : slice_upto(text, (size_t)equals);
        json_object_set_new(variable, "name", json_slice(name));
        if (equals >= 0) {
            json_object_set_new(variable, "value",
                                json_slice(slice_from(text, (size_t)equals + 1)));
        }
        json_array_append_new(list, variable);
    }
    return true;
}

static bool put_rules(struct cli *cli, json_t *body, struct error *err)
{
    struct option_walk walk = {0};
    struct slice name;
    json_t *allowed = json_array();
    put_variables(cli, body);
    json_object_set_new(body, "allowEnv", allowed);
    while (option_next(&cli->in, "allow-env", &walk, &name)) {
        if (slice_is(name, "safe")) {
            json_object_set_new(body, "allowSafeEnv", json_true());
        } else if (slice_is(name, "all") || slice_is(name, "*")) {
            return error_set(err, STATUS_INVALID_ARGUMENT,
                             "--allow-env=%.*s: say `safe` for all variables that no loader or "
                             "interpreter reads, and name the others that are wanted",
                             SLICE_ARG(name));
        } else {
            json_array_append_new(allowed, json_slice(name));
        }
    }
    json_object_set_new(body, "allowArgs", json_boolean(option_given(&cli->in, "allow-args")));
    json_object_set_new(body, "listensWide", json_boolean(option_given(&cli->in, "listens-wide")));
    return true;
}

/* ---- what the registrant should know ---- */

static void warn_of_variable(const char *name)
{
    const char *who = image_env_reader(name);
    if (who != NULL) {
        fprintf(
            stderr,
            "warning: %s is read by %s: whoever may deploy this image can change what it runs\n",
            name, who);
    }
}

/* Programs that run whatever their first argument says. */
static bool is_interpreter(const char *program)
{
    static const char *const names[] = {"sh",   "bash", "dash", "ash",  "zsh", "ksh",     "python",
                                        "node", "perl", "ruby", "php",  "lua", "busybox", "env",
                                        "java", "deno", "bun",  "sudo", "awk", "xargs",   "nice"};
    const char *slash = strrchr(program, '/');
    const char *name = slash == NULL ? program : slash + 1;
    size_t length = strcspn(name, "0123456789.");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strlen(names[i]) == length && strncmp(names[i], name, length) == 0) {
            return true;
        }
    }
    return false;
}

static void warn_of_rules(struct cli *cli, const json_t *body)
{
    const json_t *allowed = json_object_get(body, "allowEnv");
    const json_t *declared = json_object_get(body, "env");
    for (size_t i = 0; i < json_array_size(allowed); i++) {
        warn_of_variable(json_string_value(json_array_get(allowed, i)));
    }
    for (size_t i = 0; i < json_array_size(declared); i++) {
        warn_of_variable(json_text_or(json_array_get(declared, i), "name", ""));
    }
    if (option_given(&cli->in, "allow-args") && cli->in.rest_count == 1 &&
        is_interpreter(cli->in.rest[0])) {
        fprintf(stderr,
                "warning: %s runs whatever its arguments say: with --allow-args, whoever may "
                "deploy this image can run any program here\n",
                cli->in.rest[0]);
    }
}

/* Started as root, instances are users of their own; else they are who Homerun is. */
static void warn_of_folder(struct cli *cli, const char *dir)
{
    struct stat data, folder;
    if (stat(session_data(cli), &data) != 0 || stat(dir, &folder) != 0) {
        return;
    }
    if (strcmp(session_text(cli, "walls"), "none") == 0) {
        fprintf(stderr,
                "warning: Homerun does not run as root, so its instances run as the same user and "
                "can read its data folder and keys: register only what you would run by hand\n");
    } else if ((folder.st_mode & (S_IROTH | S_IXOTH)) != (S_IROTH | S_IXOTH)) {
        fprintf(stderr,
                "warning: instances run as users of their own, who may not read %s: "
                "`chmod -R o+rX %s`\n",
                dir, dir);
    }
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
    if (!put_rules(cli, body, &err)) {
        cli_fail(&err);
        return 2;
    }
    for (unsigned i = 0; i < cli->in.rest_count; i++) {
        json_array_append_new(json_object_get(body, "program"),
                              json_slice(slice_of(cli->in.rest[i])));
    }
    if (!session_call(cli, "POST", images_path, body, &answer, &err)) {
        return cli_fail(&err);
    }
    printf("Image %s is there: homerun deploy SERVICE --image=%s\n", cli->in.arguments[0],
           cli->in.arguments[0]);
    warn_of_rules(cli, body);
    warn_of_folder(cli, dir);
    return 0;
}

/* ---- images of containers ---- */

/* Runs a tool with our terminal, and waits. */
static bool run(const char *const *argv)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        char **words;
        memcpy(&words, &argv, sizeof(words)); /* execvp() only reads, yet has no const */
        execvp(argv[0], words);
        fprintf(stderr, "homerun: %s: %s\n", argv[0],
                errno == ENOENT ? "is not installed (apt-get install skopeo umoci)"
                                : strerror(errno));
        _exit(127);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Into a layout of its own below the data folder, named for the digest of the copy's manifest. */
static bool copy_image(struct cli *cli, const char *source, struct slice *digest, struct error *err)
{
    const char *dir = arena_printf(&cli->arena, "%s/images/layouts", session_data(cli));
    const char *beside = arena_printf(&cli->arena, "%s/import-%d", dir, (int)getpid());
    const char *file = arena_printf(&cli->arena, "%s/.import-%d", dir, (int)getpid());
    if (!file_make_dir(dir, 0700, err)) {
        return false;
    }
    const char *target = arena_printf(&cli->arena, "oci:%s:import", beside);
    const char *layout = arena_printf(&cli->arena, "%s:import", beside);
    bool good =
        run((const char *[]){"skopeo", "copy", "--digestfile", file, source, target, NULL}) &&
        file_read(&cli->arena, file, 256, digest, err);
    unlink(file);
    if (good) {
        *digest = slice_trim(*digest);
        const char *hex = arena_printf(&cli->arena, "%.*s", SLICE_ARG(slice_from(*digest, 7)));
        const char *final = arena_printf(&cli->arena, "%s/%s", dir, hex);
        good = run((const char *[]){"umoci", "tag", "--image", layout, hex, NULL}) &&
               (rename(beside, final) == 0 || access(final, F_OK) == 0);
    }
    run((const char *[]){"rm", "-rf", beside, NULL}); /* if it has still this name */
    return good || error_set(err, STATUS_FAILED_PRECONDITION, "%s could not be imported", source);
}

int action_images_import(struct cli *cli)
{
    struct error err = {0};
    struct slice digest;
    auto_json *answer = NULL;
    if (!session_open(cli, &err) || !copy_image(cli, cli->in.arguments[1], &digest, &err)) {
        return cli_fail(&err);
    }
    auto_json *body =
        json_pack("{s:s, s:o}", "name", cli->in.arguments[0], "manifest", json_slice(digest));
    if (!session_call(cli, "POST", images_path, body, &answer, &err)) {
        return cli_fail(&err);
    }
    printf("Image %s is there (%.*s): homerun deploy SERVICE --image=%s\n", cli->in.arguments[0],
           SLICE_ARG(slice_upto(digest, 19)), cli->in.arguments[0]);
    return 0;
}

/* The layout that NAME was imported to, if no other image has it; NULL: there is none. */
static const char *layout_of(struct cli *cli, const char *name)
{
    struct error err = {0};
    auto_json *answer = NULL;
    const char *found = NULL;
    unsigned users = 0;
    if (!session_call(cli, "GET", images_path, NULL, &answer, &err)) {
        return NULL;
    }
    const json_t *images = json_object_get(answer, "images");
    const char *wanted =
        strchr(name, ':') == NULL ? arena_printf(&cli->arena, "%s:latest", name) : name;
    for (size_t i = 0; i < json_array_size(images); i++) {
        const json_t *image = json_array_get(images, i);
        if (strcmp(json_text_or(image, "name", ""), wanted) == 0) {
            found = json_text_or(image, "manifest", "");
        }
    }
    for (size_t i = 0; found != NULL && i < json_array_size(images); i++) {
        users += strcmp(json_text_or(json_array_get(images, i), "manifest", ""), found) == 0;
    }
    return found == NULL || users != 1 || strncmp(found, "sha256:", 7) != 0
               ? NULL
               : arena_printf(&cli->arena, "%s/images/layouts/%s", session_data(cli), found + 7);
}

int action_images_remove(struct cli *cli)
{
    struct error err = {0};
    auto_json *answer = NULL;
    const char *layout = layout_of(cli, cli->in.arguments[0]);
    const char *path =
        arena_printf(&cli->arena, "%s/%s", images_path, encoded(cli, cli->in.arguments[0]));
    if (!session_call(cli, "DELETE", path, NULL, &answer, &err)) {
        return cli_fail(&err);
    }
    if (layout != NULL && access(layout, F_OK) == 0) {
        run((const char *[]){"rm", "-rf", layout, NULL});
    }
    printf("Image %s is removed.\n", cli->in.arguments[0]);
    return 0;
}
