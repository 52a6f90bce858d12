/*
 * Who maps a folder decides what of this machine services may read and write: so it takes what the
 * organization's owner holds, as registering a program does.
 */
#include "control/api/volumes.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "control/call/call.h"
#include "control/record/volumes.h"
#include "model/service_volumes.h"

#define OWNERS  "resourcemanager.organizations.setIamPolicy"
#define PROJECT "projects/{project}"

enum { NAME_BYTES_MAX = 300, ACCOUNTS_MAX = 100 };

static const struct field volume_fields[] = {
    {.name = "name",
     .kind = FIELD_STRING,
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = NAME_BYTES_MAX},
    {.name = "dir", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .min = 1, .max = PATH_MAX - 1},
    {.name = "readOnly", .kind = FIELD_BOOL},
    {.name = "serviceAccounts", .kind = FIELD_LIST, .item = FIELD_STRING},
    {0},
};

static bool list_one(const struct store_doc *doc, void *ctx)
{
    json_array_append(ctx, doc->body);
    return true;
}

static void volumes_list(struct api_call *call)
{
    struct error err = {0};
    json_t *list = json_array();
    const char *prefix = volume_key(&call->arena, api_param(call, "project"), "");
    bool good = store_each(call->control->store, STORE_VOLUME, prefix, list_one, list, &err);
    api_answer(call, good, json_pack("{so}", "volumes", list), &err);
}

/* A bucket's name, or an NFS server and its path. */
static bool name_valid(const char *name, struct error *err)
{
    static const char set[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._/:";
    return (strspn(name, set) == strlen(name) && name[0] != '/' && name[0] != ':') ||
           error_field(err, "name", "'%.100s' is neither a bucket nor SERVER:/PATH", name);
}

/* Whether the folder A is B, or stands above it. Both without links. */
static bool holds(const char *a, const char *b)
{
    size_t length = strlen(a);
    while (length > 0 && a[length - 1] == '/') {
        length--;
    }
    return strncmp(a, b, length) == 0 && (b[length] == '/' || b[length] == '\0');
}

/* The folder as it is without links: later ones on the way to it lead nowhere. */
static bool folder_valid(struct api_call *call, json_t *asked, struct error *err)
{
    char folder[PATH_MAX], data[PATH_MAX];
    struct stat status;
    const char *dir = json_text_or(asked, "dir", "");
    if (dir[0] != '/') {
        return error_field(err, "dir", "must be an absolute path");
    }
    if (realpath(dir, folder) == NULL || stat(folder, &status) != 0) {
        return error_field(err, "dir",
                           "there is no folder %.300s on this machine, or control may "
                           "not look at it",
                           dir);
    }
    if (!S_ISDIR(status.st_mode)) {
        return error_field(err, "dir", "%.300s is not a folder", dir);
    }
    if (realpath(call->control->settings.data, data) != NULL &&
        (holds(folder, data) || holds(data, folder))) {
        return error_field(err, "dir",
                           "the folder %.300s holds the data folder of this server, or lies in "
                           "it: services could read its keys",
                           folder);
    }
    json_object_set_new(asked, "dir", json_string(folder));
    return true;
}

/* ---- who mounts it ---- */

struct usage {
    const char *name;
    json_t *revisions; /* their keys */
};

static bool usage_collect(const struct store_doc *doc, void *ctx)
{
    struct usage *usage = ctx;
    auto_arena arena = {0};
    const struct template *template = &revision_from_doc(&arena, doc->body)->template;
    for (size_t i = 0; i < template->volumes_count; i++) {
        const char *source;
        for (size_t k = 0; (source = volume_source(&arena, &template->volumes[i], k)) != NULL;
             k++) {
            if (strcmp(source, usage->name) == 0) {
                json_array_append_new(usage->revisions, json_string(doc->key));
                return true;
            }
        }
    }
    return true;
}

/* The mapping NAME is BODY from now on (NULL: there is none), also for what is deployed already. */
static bool volume_put(struct api_call *call, const char *name, const json_t *body,
                       struct error *err)
{
    struct store *store = call->control->store;
    struct arena *arena = &call->arena;
    const char *project = api_param(call, "project");
    const char *key = volume_key(arena, project, name);
    auto_json *users = json_array();
    struct usage usage = {name, users};
    struct store_doc doc = {0};
    const char *prefix = arena_printf(arena, "projects/%s/", project);
    enum store_result found = store_get(store, STORE_VOLUME, key, &doc, err);
    auto_json *before = found == STORE_FOUND ? doc.body : NULL;
    if (found == STORE_FAILED) {
        return false;
    }
    if (body == NULL && before == NULL) {
        return error_set(err, STATUS_NOT_FOUND, "Volume '%.200s' is mapped to no folder.", name);
    }
    auto_change *change = api_change(call, err);
    if (change == NULL ||
        !(body != NULL ? store_put(store, STORE_VOLUME, key, body, NULL, NULL, err)
                       : store_delete(store, STORE_VOLUME, key, err)) ||
        !store_each(store, STORE_REVISION, prefix, usage_collect, &usage, err)) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(users); i++) {
        if (!change_revision(change, json_string_value(json_array_get(users, i)), err)) {
            return false;
        }
    }
    return change_audit(change, key, body != NULL ? "map" : "unmap", before, body, err) &&
           change_commit(&change, err);
}

static void volumes_map(struct api_call *call)
{
    struct error err = {0};
    auto_json *asked = NULL;
    if ((asked = fields_read(volume_fields, call->body, "", &err)) == NULL ||
        !name_valid(json_text_or(asked, "name", ""), &err) || !folder_valid(call, asked, &err) ||
        (json_array_size(json_object_get(asked, "serviceAccounts")) > ACCOUNTS_MAX &&
         !error_field(&err, "serviceAccounts", "has more than %d", ACCOUNTS_MAX)) ||
        !volume_put(call, json_text_or(asked, "name", ""), asked, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, json_incref(asked));
}

static void volumes_unmap(struct api_call *call)
{
    struct error err = {0};
    if (!volume_put(call, api_param(call, "volume"), NULL, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, json_object());
}

const struct api_route volumes_routes[] = {
    {"GET", "/homerun/v1/" PROJECT "/volumes", "run.services.list", PROJECT, API_NO_BODY,
     volumes_list, "homerun.v1.Volumes.ListVolumes"},
    {"POST", "/homerun/v1/" PROJECT "/volumes", OWNERS, "organization", 0, volumes_map,
     "homerun.v1.Volumes.MapVolume"},
    {"DELETE", "/homerun/v1/" PROJECT "/volumes/{volume=**}", OWNERS, "organization", API_NO_BODY,
     volumes_unmap, "homerun.v1.Volumes.UnmapVolume"},
};
const size_t volumes_route_count = sizeof(volumes_routes) / sizeof(volumes_routes[0]);
