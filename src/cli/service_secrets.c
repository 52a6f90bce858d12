/* The flags of secrets, as gcloud has them: NAME=SECRET:VERSION is a variable,
 * /DIR/FILE=SECRET:VERSION a file in a folder of its own. */
#include <stdio.h>

#include "base/random.h"
#include "cli/client.h"
#include "cli/service_edit.h"

/* What a flag says behind its '='. */
struct use {
    const char *secret, *version;
};

static bool use_of(struct cli *cli, const char *flag, struct slice text, struct use *out,
                   struct error *err)
{
    ptrdiff_t colon = slice_find_last(text, ':');
    if (colon <= 0 || (size_t)colon + 1 == text.len) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "--%s: %.*s: it must be SECRET:VERSION, such as db-password:latest", flag,
                         SLICE_ARG(text));
    }
    out->secret = arena_string(&cli->arena, slice_upto(text, (size_t)colon));
    out->version = arena_string(&cli->arena, slice_from(text, (size_t)colon + 1));
    return true;
}

static json_t *list_in(json_t *object, const char *name)
{
    json_t *list = json_object_get(object, name);
    if (!json_is_array(list)) {
        list = json_array();
        json_object_set_new(object, name, list);
    }
    return list;
}

/* ---- taking away ---- */

/* Takes from the list NAME of OBJECT what has TEXT in FIELD; of variables, NULL: all secrets. */
static void drop(json_t *object, const char *name, const char *field, const char *text)
{
    json_t *list = json_object_get(object, name);
    for (size_t i = json_array_size(list); i-- > 0;) {
        const json_t *one = json_array_get(list, i);
        bool named = text != NULL && strcmp(json_text_or(one, field, ""), text) == 0;
        if (named || (text == NULL && json_object_get(one, "valueSource") != NULL)) {
            json_array_remove(list, i);
        }
    }
}

static const json_t *secret_volume(const json_t *template, const char *name)
{
    const json_t *volumes = json_object_get(template, "volumes");
    for (size_t i = 0; i < json_array_size(volumes); i++) {
        const json_t *volume = json_array_get(volumes, i);
        if (strcmp(json_text_or(volume, "name", ""), name) == 0) {
            return json_object_get(volume, "secret");
        }
    }
    return NULL;
}

/* Takes the mount at FOLDER with its volume; NULL: all that are secrets. Another mount stays. */
static bool drop_mount(json_t *template, json_t *container, const char *folder)
{
    json_t *mounts = json_object_get(container, "volumeMounts");
    bool stays = false;
    for (size_t i = json_array_size(mounts); i-- > 0;) {
        const json_t *mount = json_array_get(mounts, i);
        const char *name = json_text_or(mount, "name", "");
        if (folder != NULL && strcmp(json_text_or(mount, "mountPath", ""), folder) != 0) {
            continue;
        }
        if (secret_volume(template, name) == NULL) {
            stays = stays || folder != NULL;
            continue;
        }
        drop(template, "volumes", "name", name);
        json_array_remove(mounts, i);
    }
    return !stays;
}

/* "/secrets" of "/secrets/db". */
static const char *folder_of(struct cli *cli, struct slice path)
{
    ptrdiff_t last = slice_find_last(path, '/');
    return arena_string(&cli->arena, slice_upto(path, last <= 0 ? 1 : (size_t)last));
}

static void remove_one(struct cli *cli, json_t *template, json_t *container, struct slice key)
{
    if (key.len > 0 && key.data[0] == '/') {
        drop_mount(template, container, folder_of(cli, key));
    } else {
        drop(container, "env", "name", arena_string(&cli->arena, key));
    }
}

/* ---- adding ---- */

static bool add_file(struct cli *cli, json_t *template, json_t *container, struct slice path,
                     const struct use *use, struct error *err)
{
    const char *folder = folder_of(cli, path);
    const char *file = short_name(arena_string(&cli->arena, path));
    char tail[9];
    if (file[0] == '\0' || strcmp(folder, "/") == 0) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "%.*s: a secret is a file in a folder: /FOLDER/FILE=SECRET:VERSION",
                         SLICE_ARG(path));
    }
    if (!drop_mount(template, container, folder)) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "%s has another volume: a secret takes a folder of its own", folder);
    }
    random_text(tail, 8, "bcdfghjklmnpqrstvwxz");
    const char *name = arena_printf(&cli->arena, "secret-%s", tail);
    json_array_append_new(list_in(container, "volumeMounts"),
                          json_pack("{ssss}", "name", name, "mountPath", folder));
    json_array_append_new(list_in(template, "volumes"),
                          json_pack("{sss{sss[{ssss}]}}", "name", name, "secret", "secret",
                                    use->secret, "items", "path", file, "version", use->version));
    return true;
}

static bool add_one(struct cli *cli, const char *flag, json_t *template, json_t *container,
                    struct slice pair, struct error *err)
{
    struct use use = {NULL, NULL};
    ptrdiff_t equals = slice_find(pair, '=');
    if (equals <= 0) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "--%s: %.*s: it must be NAME=SECRET:VERSION",
                         flag, SLICE_ARG(pair));
    }
    struct slice key = slice_upto(pair, (size_t)equals);
    if (!use_of(cli, flag, slice_from(pair, (size_t)equals + 1), &use, err)) {
        return false;
    }
    if (key.data[0] == '/') {
        return add_file(cli, template, container, key, &use, err);
    }
    const char *name = arena_string(&cli->arena, key);
    drop(container, "env", "name", name);
    json_array_append_new(list_in(container, "env"),
                          json_pack("{sss{s{ssss}}}", "name", name, "valueSource", "secretKeyRef",
                                    "secret", use.secret, "version", use.version));
    return true;
}

static bool add_all(struct cli *cli, const char *flag, json_t *template, json_t *container,
                    struct error *err)
{
    struct option_walk walk = {0};
    struct slice pair;
    while (option_next(&cli->in, flag, &walk, &pair)) {
        if (!add_one(cli, flag, template, container, pair, err)) {
            return false;
        }
    }
    return true;
}

bool secrets_edit(struct cli *cli, json_t *template, json_t *container, struct error *err)
{
    struct option_walk walk = {0};
    struct slice key;
    if (option_given(&cli->in, "set-secrets") || option_given(&cli->in, "clear-secrets")) {
        drop(container, "env", "name", NULL);
        drop_mount(template, container, NULL);
    }
    while (option_next(&cli->in, "remove-secrets", &walk, &key)) {
        remove_one(cli, template, container, key);
    }
    return add_all(cli, "set-secrets", template, container, err) &&
           add_all(cli, "update-secrets", template, container, err);
}
