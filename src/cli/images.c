/* A name for a program of this machine: registering it, and what its deployers may choose. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/actions.h"
#include "cli/image_store.h"
#include "model/image_rules.h"

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
            "warning: %s is read by %s: anyone who may deploy this image can change what it runs\n",
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
                "warning: %s runs whatever its arguments say: with --allow-args, anyone who may "
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
    if (!session_call(cli, "POST", IMAGES_PATH, body, &answer, &err)) {
        return cli_fail(&err);
    }
    printf("Image %s is there: homerun deploy SERVICE --image=%s\n", cli->in.arguments[0],
           cli->in.arguments[0]);
    warn_of_rules(cli, body);
    warn_of_folder(cli, dir);
    return 0;
}
