/*
 * An image is a name for a program of this machine: who registers one decides what this machine
 * executes, perhaps with the owner's key in reach. So it takes what the organization's owner holds.
 */
#include "control/api/run_images.h"

#include <limits.h>
#include <stdlib.h>

#include "control/call/call.h"
#include "control/publish/change.h"
#include "control/record/images.h"
#include "model/image_rules.h"

#define OWNERS "resourcemanager.organizations.setIamPolicy"

enum {
    NAME_BYTES_MAX = 512,
    PROGRAM_ARGS_MAX = 100,
    PROGRAM_BYTES_MAX = 65536,
    DIR_BYTES_MAX = 4096,
    VARIABLES_MAX = 1000,
    VARIABLE_BYTES_MAX = 32768,
};

static const struct field variable_fields[] = {
    {.name = "name",
     .kind = FIELD_STRING,
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = VARIABLE_BYTES_MAX},
    {.name = "value", .kind = FIELD_STRING, .max = VARIABLE_BYTES_MAX},
    {0},
};

static const struct field image_fields[] = {
    {.name = "name",
     .kind = FIELD_STRING,
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = NAME_BYTES_MAX},
    {.name = "dir", .kind = FIELD_STRING, .max = DIR_BYTES_MAX},
    {.name = "program", .kind = FIELD_LIST, .item = FIELD_STRING},
    {.name = "manifest", .kind = FIELD_STRING, .max = 80},
    {.name = "env", .kind = FIELD_LIST, .item = FIELD_OBJECT, .fields = variable_fields},
    {.name = "allowArgs", .kind = FIELD_BOOL},
    {.name = "allowEnv", .kind = FIELD_LIST, .item = FIELD_STRING},
    {.name = "allowSafeEnv", .kind = FIELD_BOOL},
    {.name = "listensWide", .kind = FIELD_BOOL},
    {.name = "digest", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "builtIn", .kind = FIELD_BOOL, .flags = FIELD_OUTPUT_ONLY},
    {.name = "usedBy", .kind = FIELD_LIST, .item = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {0},
};

static json_t *image_form(const char *name, const json_t *image)
{
    json_t *out = json_pack("{ss}", "name", name);
    json_object_update(out, (json_t *)(uintptr_t)image);
    return out;
}

/* ---- the list, and who uses what ---- */

struct listing {
    struct api_call *call;
    json_t *rows;      /* what is shown */
    json_t *by_key;    /* rows by key, and by "KEY@MANIFEST" of those that have one */
    json_t *manifests; /* the manifests that revisions run, for every caller */
    char *project;     /* "projects/P", of the last revision, */
    bool is_shown;     /* and whether the caller may list its revisions */
};

/* The name of an image is as much as its project shows to whom: no revision is named to others. */
static bool may_see(struct listing *listing, const char *revision_key)
{
    struct arena *arena = &listing->call->arena;
    ptrdiff_t at = slice_find_slice(slice_of(revision_key), SLICE("/locations/"));
    struct slice project = slice_upto(slice_of(revision_key), at < 0 ? 0 : (size_t)at);
    if (listing->project == NULL || !slice_is(project, listing->project)) {
        listing->project = arena_string(arena, project);
        listing->is_shown = api_holds(listing->call, "run.revisions.list", listing->project);
    }
    return listing->is_shown;
}

static void add_row(struct listing *listing, const char *key, json_t *row)
{
    const char *manifest = json_text(row, "manifest");
    json_object_set(listing->by_key, key, row);
    if (manifest != NULL) {
        json_object_set(listing->by_key,
                        arena_printf(&listing->call->arena, "%s@%s", key, manifest), row);
    }
    json_array_append_new(listing->rows, row);
}

/* The row of an image that has no name here, or no more: it is of a registry, or was imported
 * before another one took its name. */
static json_t *other_row(struct listing *listing, const char *key, const char *manifest)
{
    bool is_named = json_object_get(listing->by_key, key) != NULL;
    const char *name = is_named ? arena_printf(&listing->call->arena, "%s@%s", key, manifest) : key;
    json_t *row = json_pack("{ss ss s[]}", "name", name, "dir", "", "program");
    if (*manifest != '\0') {
        json_object_set_new(row, "manifest", json_string(manifest));
        json_object_set_new(row, "digest", json_string(manifest));
    }
    add_row(listing,
            *manifest == '\0' ? key : arena_printf(&listing->call->arena, "%s@%s", key, manifest),
            row);
    return row;
}

static void count_container(struct listing *listing, const struct store_doc *doc,
                            const struct revision *revision, const struct container *container)
{
    struct arena *arena = &listing->call->arena;
    const char *reference = container->image;
    const char *manifest = pair_find(revision->manifests, revision->manifests_count, reference);
    const char *at = strrchr(revision->image_digest, '@');
    bool takes_requests = container == template_taker(&revision->template);
    const char *key = image_key(arena, reference);
    json_t *row = json_object_get(listing->by_key, key);
    if (manifest == NULL && json_array_size(json_object_get(row, "program")) == 0) {
        manifest = takes_requests && at != NULL ? at + 1 : ""; /* the engine has pulled it */
    }
    if (manifest != NULL && *manifest != '\0') {
        json_array_append_new(listing->manifests, json_string(manifest));
    }
    if (!may_see(listing, doc->key)) {
        return;
    }
    if (manifest != NULL) {
        const char *exact = *manifest == '\0' ? key : arena_printf(arena, "%s@%s", key, manifest);
        row = json_object_get(listing->by_key, exact);
        row = row == NULL ? other_row(listing, key, manifest) : row;
    }
    json_t *users = json_object_get(row, "usedBy");
    if (users == NULL) {
        users = json_array();
        json_object_set_new(row, "usedBy", users);
    }
    const char *last = json_string_value(json_array_get(users, json_array_size(users) - 1));
    if (last == NULL || strcmp(last, doc->key) != 0) {
        json_array_append_new(users, json_string(doc->key));
    }
}

static bool count_revision(const struct store_doc *doc, void *ctx)
{
    auto_arena arena = {0};
    const struct revision *revision = revision_from_doc(&arena, doc->body);
    for (size_t i = 0; i < revision->template.containers_count; i++) {
        count_container(ctx, doc, revision, &revision->template.containers[i]);
    }
    return true;
}

static bool list_stored(const struct store_doc *doc, void *ctx)
{
    add_row(ctx, doc->key, image_form(doc->key, doc->body));
    return true;
}

static void list_builtin(const char *key, json_t *image, void *ctx)
{
    add_row(ctx, key, image_form(key, image));
}

static void images_list(struct api_call *call)
{
    struct error err = {0};
    struct store *store = call->control->store;
    auto_json *answer = json_pack("{s[]}", "images");
    auto_json *by_key = json_object();
    auto_json *manifests = json_array();
    struct listing listing = {.call = call,
                              .rows = json_object_get(answer, "images"),
                              .by_key = by_key,
                              .manifests = manifests};
    images_each_builtin(&call->arena, list_builtin, &listing);
    if (!store_each(store, STORE_IMAGE, "", list_stored, &listing, &err) ||
        !store_each(store, STORE_REVISION, "", count_revision, &listing, &err)) {
        api_fail(call, &err);
        return;
    }
    /* Who may remove images has to know which are needed, also where they see no revision. */
    if (api_holds(call, OWNERS, api_expand(call, "organization"))) {
        json_object_set(answer, "manifests", manifests);
    }
    api_reply(call, json_incref(answer));
}

static bool name_valid(struct api_call *call, const char *name, struct error *err)
{
    static const char set[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._/:";
    auto_json *there = NULL;
    if (name[0] == '\0' || name[0] == '/' || strspn(name, set) != strlen(name)) {
        return error_field(err, "name", "'%.100s' is not an image reference NAME[:TAG]", name);
    }
    if (image_find(call->control, &call->arena, name, &there, NULL) &&
        json_flag(there, "builtIn", false)) {
        return error_field(err, "name", "'%.100s' is built in", name);
    }
    return true;
}

/* An image of containers, whose manifest of that digest is in DATA/images. */
static bool manifest_valid(const json_t *image, struct error *err)
{
    const char *digest = json_text_or(image, "manifest", "");
    if (strncmp(digest, "sha256:", 7) != 0 || strlen(digest) != 71 ||
        strspn(digest + 7, "0123456789abcdef") != 64) {
        return error_field(err, "manifest", "'%.80s' is not a digest: sha256:…", digest);
    }
    return (json_array_size(json_object_get(image, "program")) == 0 &&
            json_text_or(image, "dir", "")[0] == '\0') ||
           error_field(err, "manifest", "an image of containers has neither program nor dir");
}

static bool program_valid(const json_t *image, struct error *err)
{
    const json_t *program = json_object_get(image, "program");
    const char *dir = json_text_or(image, "dir", "");
    size_t bytes = 0;
    if (json_text(image, "manifest") != NULL) {
        return manifest_valid(image, err);
    }
    if (json_array_size(program) < 1 || json_array_size(program) > PROGRAM_ARGS_MAX) {
        return error_field(err, "program", "has 1 to %d parts: the program and its arguments",
                           PROGRAM_ARGS_MAX);
    }
    for (size_t i = 0; i < json_array_size(program); i++) {
        bytes += json_string_length(json_array_get(program, i)) + 1;
    }
    if (json_string_length(json_array_get(program, 0)) == 0 || bytes > PROGRAM_BYTES_MAX) {
        return error_field(err, "program", "must begin with a program, in at most %d bytes",
                           PROGRAM_BYTES_MAX);
    }
    if (dir[0] != '\0' && dir[0] != '/') {
        return error_field(err, "dir", "must be an absolute path");
    }
    return true;
}

static bool variable_valid(const char *field, const char *name, struct error *err)
{
    static const char *const ours[] = {"PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION"};
    if (name == NULL || name[0] == '\0' || strchr(name, '=') != NULL) {
        return error_field(err, field, "a variable needs a name, without '='");
    }
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        if (strcmp(name, ours[i]) == 0) {
            return error_field(err, field, "%s is set by the system", name);
        }
    }
    return true;
}

static bool variables_valid(const json_t *image, struct error *err)
{
    const json_t *declared = json_object_get(image, "env");
    const json_t *allowed = json_object_get(image, "allowEnv");
    if (json_array_size(declared) + json_array_size(allowed) > VARIABLES_MAX) {
        return error_field(err, "env", "has more than %d variables", VARIABLES_MAX);
    }
    for (size_t i = 0; i < json_array_size(declared); i++) {
        const char *name = json_text(json_array_get(declared, i), "name");
        if (!variable_valid("env", name, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < json_array_size(allowed); i++) {
        if (!variable_valid("allowEnv", json_string_value(json_array_get(allowed, i)), err)) {
            return false;
        }
    }
    return true;
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

/* Deployers choose a folder inside of the image's: none of them may lead to our keys. */
static bool folder_valid(struct api_call *call, const char *dir, struct error *err)
{
    char data[PATH_MAX], folder[PATH_MAX];
    if (dir[0] == '\0' || realpath(dir, folder) == NULL ||
        realpath(call->control->settings.data, data) == NULL) {
        return true; /* one that is not there is for the engine to tell of */
    }
    return (!holds(folder, data) && !holds(data, folder)) ||
           error_field(err, "dir",
                       "the folder %.300s holds the data folder of this server, or lies in it: "
                       "instances could read its keys. Choose another, or keep the data elsewhere "
                       "(homerun up --data)",
                       dir);
}

/* ---- who uses an image ---- */

struct usage {
    const char *key;   /* of the image */
    json_t *revisions; /* their keys */
    size_t revision_max;
};

static bool usage_collect(const struct store_doc *doc, void *ctx)
{
    struct usage *usage = ctx;
    auto_arena arena = {0};
    const struct template *template = &revision_from_doc(&arena, doc->body)->template;
    for (size_t i = 0; i < template->containers_count; i++) {
        if (strcmp(image_key(&arena, template->containers[i].image), usage->key) == 0) {
            json_array_append_new(usage->revisions, json_string(doc->key));
            break;
        }
    }
    return json_array_size(usage->revisions) < usage->revision_max;
}

static bool image_put(struct api_call *call, const char *key, const json_t *image,
                      struct error *err)
{
    struct store *store = call->control->store;
    auto_json *users = json_array();
    struct usage usage = {key, users, SIZE_MAX};
    auto_change *change = api_change(call, err);
    if (change == NULL || !store_put(store, STORE_IMAGE, key, image, NULL, NULL, err) ||
        !store_each(store, STORE_REVISION, "", usage_collect, &usage, err)) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(users); i++) {
        if (!change_revision(change, json_string_value(json_array_get(users, i)), err)) {
            return false;
        }
    }
    return change_audit(change, arena_printf(&call->arena, "images/%s", key), "create", NULL, image,
                        err) &&
           change_commit(&change, err);
}

static json_t *image_document(struct api_call *call, const char *key, const json_t *asked)
{
    const char *manifest = json_text(asked, "manifest");
    const char *dir = json_text_or(asked, "dir", "");
    json_t *program = json_object_get(asked, "program");
    if (manifest != NULL) {
        return image_of_manifest(manifest);
    }
    return json_pack("{ss sO so}", "dir", dir, "program", program, "digest",
                     json_slice(image_digest(&call->arena, key, dir, program)));
}

static void images_add(struct api_call *call)
{
    struct error err = {0};
    auto_json *asked = NULL;
    if ((asked = fields_read(image_fields, call->body, "", &err)) == NULL ||
        !name_valid(call, json_text_or(asked, "name", ""), &err) || !program_valid(asked, &err) ||
        !variables_valid(asked, &err) ||
        !folder_valid(call, json_text_or(asked, "dir", ""), &err)) {
        api_fail(call, &err);
        return;
    }
    const char *key = image_key(&call->arena, json_text(asked, "name"));
    auto_json *image = image_document(call, key, asked);
    auto_json *rules = image_rules_record(asked);
    json_object_update(image, rules);
    if (!image_put(call, key, image, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, image_form(key, image));
}

/* ---- removing ---- */

static bool remove_image(struct api_call *call, const char *key, struct error *err)
{
    struct store_doc doc;
    struct store *store = call->control->store;
    auto_json *users = json_array();
    struct usage usage = {key, users, 1};
    if (!store_load(store, STORE_IMAGE, key, &doc, err, "Image '%.300s' not found.", key)) {
        return false;
    }
    auto_json *image = doc.body;
    if (!store_each(store, STORE_REVISION, "", usage_collect, &usage, err)) {
        return false;
    }
    if (json_array_size(users) > 0) {
        return error_set(err, STATUS_FAILED_PRECONDITION, "Image '%.200s' is used by %.500s.", key,
                         json_string_value(json_array_get(users, 0)));
    }
    auto_change *change = api_change(call, err);
    return change != NULL && store_delete(store, STORE_IMAGE, key, err) &&
           change_audit(change, arena_printf(&call->arena, "images/%s", key), "delete", image, NULL,
                        err) &&
           change_commit(&change, err);
}

static void images_remove(struct api_call *call)
{
    struct error err = {0};
    const char *key = image_key(&call->arena, api_param(call, "image"));
    if (!remove_image(call, key, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, json_object());
}

/* Images are the installation's: they are shown to who sees its own project. */
const struct api_route run_images_routes[] = {
    {"GET", "/homerun/v1/images", "run.services.list", "installation", API_NO_BODY, images_list,
     "homerun.v1.Images.ListImages"},
    {"POST", "/homerun/v1/images", OWNERS, "organization", 0, images_add,
     "homerun.v1.Images.CreateImage"},
    {"DELETE", "/homerun/v1/images/{image=**}", OWNERS, "organization", API_NO_BODY, images_remove,
     "homerun.v1.Images.DeleteImage"},
};
const size_t run_images_route_count = sizeof(run_images_routes) / sizeof(run_images_routes[0]);
