/*
 * Secrets: what is known of them beside their values, which secret_versions.c has. A secret belongs
 * to a project; there is one machine, so that replication and regions decide nothing here.
 */
#include "control/api/secrets.h"

#include <stdio.h>

#include "base/clock.h"
#include "control/access/iam_policy.h"
#include "control/api/secrets_inside.h"
#include "control/call/paging.h"
#include "control/record/projects.h"

enum {
    PAGE_MAX = 25000,
    LABELS_MAX = 64,
    ANNOTATIONS_BYTES_MAX = 16 * 1024,
    ALIASES_MAX = 50,
    ALIAS_BYTES_MAX = 63,
    NAME_BYTES_MAX = 63,
};

/* ---- what a secret may have ---- */

#define OUTPUT(text)                                                                               \
    {                                                                                              \
        .name = (text), .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY                           \
    }
#define REFUSED(text, why)                                                                         \
    {                                                                                              \
        .name = (text), .kind = FIELD_ANY, .flags = FIELD_REFUSED, .note = (why)                   \
    }

static const char no_kms[] =
    "Homerun's signer holds the one key that secrets are encrypted with; there is no Cloud KMS.";
static const char no_topics[] =
    "Homerun has no Pub/Sub that could tell of secrets: leave topics and rotation away.";

static const struct field automatic_fields[] = {REFUSED("customerManagedEncryption", no_kms), {0}};
static const struct field replica_fields[] = {
    {.name = "location", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .min = 1, .max = 63},
    REFUSED("customerManagedEncryption", no_kms),
    {0},
};
static const struct field managed_fields[] = {
    {.name = "replicas", .kind = FIELD_LIST, .item = FIELD_OBJECT, .fields = replica_fields},
    {0},
};
static const struct field replication_fields[] = {
    {.name = "automatic", .kind = FIELD_OBJECT, .fields = automatic_fields},
    {.name = "userManaged", .kind = FIELD_OBJECT, .fields = managed_fields},
    {0},
};
static const struct field secret_fields[] = {
    OUTPUT("name"),
    {.name = "replication", .kind = FIELD_OBJECT, .fields = replication_fields},
    OUTPUT("createTime"),
    {.name = "labels", .kind = FIELD_MAP, .item = FIELD_STRING},
    REFUSED("topics", no_topics),
    {.name = "expireTime", .kind = FIELD_TIME},
    {.name = "ttl", .kind = FIELD_DURATION},
    {.name = "etag", .kind = FIELD_STRING},
    REFUSED("rotation", no_topics),
    {.name = "versionAliases", .kind = FIELD_MAP, .item = FIELD_INT64},
    {.name = "annotations", .kind = FIELD_MAP, .item = FIELD_STRING},
    REFUSED("versionDestroyTtl",
            "Homerun destroys a version at once, as it is told to: versionDestroyTtl would put it "
            "off."),
    REFUSED("customerManagedEncryption", no_kms),
    REFUSED("tags", "Homerun binds tags by the API of tag bindings: leave tags away."),
    {0},
};

/* ---- shared with the versions ---- */

const char *secrets_key(struct api_call *call)
{
    return secret_key(&call->arena, api_param(call, "project"), api_param(call, "secret"));
}

bool secrets_load(struct api_call *call, struct store_doc *out, struct error *err)
{
    return secret_load(call->control, &call->arena, secrets_key(call), out, err);
}

const char *secrets_etag(struct api_call *call, int64_t version)
{
    return arena_printf(&call->arena, "\"%012llx\"", (unsigned long long)version);
}

bool secrets_etag_good(struct api_call *call, const char *etag, int64_t version, struct error *err)
{
    return etag == NULL || etag[0] == '\0' || strcmp(etag, secrets_etag(call, version)) == 0 ||
           error_set(err, STATUS_FAILED_PRECONDITION,
                     "The etag that was given, %.60s, is not the current one: it was changed since "
                     "it was read.",
                     etag);
}

/* ---- answers ---- */

/* int64 is text in JSON. */
static json_t *shown_aliases(struct api_call *call, json_t *aliases)
{
    const char *alias;
    json_t *number, *out = json_object();
    json_object_foreach(aliases, alias, number)
    {
        const char *digits = arena_printf(&call->arena, "%lld", json_integer_value(number));
        json_object_set_new(out, alias, json_string(digits));
    }
    return out;
}

static json_t *secret_json(struct api_call *call, const struct store_doc *doc)
{
    static const char *const maps[] = {"labels", "annotations", "versionAliases"};
    json_t *out = json_copy(doc->body);
    json_object_del(out, "nextVersion");
    json_object_set_new(out, "name",
                        json_string(secret_public_name(call->control, &call->arena, doc->key)));
    json_object_set_new(out, "etag", json_string(secrets_etag(call, doc->version)));
    json_t *aliases = json_object_get(out, "versionAliases");
    if (aliases != NULL) {
        json_object_set_new(out, "versionAliases", shown_aliases(call, aliases));
    }
    for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
        if (json_object_size(json_object_get(out, maps[i])) == 0) {
            json_object_del(out, maps[i]);
        }
    }
    return out;
}

/* ---- checks ---- */

static bool is_lower_word(const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        bool good =
            (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c >= 0x80;
        if (!good) {
            return false;
        }
    }
    return true;
}

static bool labels_valid(json_t *labels, struct error *err)
{
    const char *key;
    json_t *value;
    if (json_object_size(labels) > LABELS_MAX) {
        return error_field(err, "secret.labels", "A secret has at most %d labels.", LABELS_MAX);
    }
    json_object_foreach(labels, key, value)
    {
        const char *text = json_string_value(value);
        bool starts = (key[0] >= 'a' && key[0] <= 'z') || (unsigned char)key[0] >= 0x80;
        if (!starts || strlen(key) > NAME_BYTES_MAX * 2 || strlen(text) > NAME_BYTES_MAX * 2 ||
            !is_lower_word(key) || !is_lower_word(text)) {
            return error_field(err, "secret.labels",
                               "\"%.63s\" is no label: keys and values have at most %d lower-case "
                               "letters, digits, dashes and underscores, and a key begins with a "
                               "letter.",
                               key, NAME_BYTES_MAX);
        }
    }
    return true;
}

/* As of Kubernetes: letters and digits at both ends, with dashes, underscores and dots between. */
static bool annotation_key_valid(const char *key)
{
    size_t length = strlen(key);
    bool good = length >= 1 && length <= NAME_BYTES_MAX;
    for (size_t i = 0; i < length && good; i++) {
        char c = key[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        good = word || (i > 0 && i + 1 < length && strchr("-_.", c) != NULL);
    }
    return good;
}

static bool annotations_valid(json_t *annotations, struct error *err)
{
    const char *key;
    json_t *value;
    size_t bytes = 0;
    json_object_foreach(annotations, key, value)
    {
        bytes += strlen(key) + json_string_length(value);
        if (!annotation_key_valid(key)) {
            return error_field(err, "secret.annotations",
                               "\"%.63s\" is no name of an annotation: it has at most %d letters "
                               "and digits, with dashes, underscores and dots between them.",
                               key, NAME_BYTES_MAX);
        }
    }
    return bytes <= ANNOTATIONS_BYTES_MAX ||
           error_field(err, "secret.annotations", "All annotations have at most %d bytes.",
                       ANNOTATIONS_BYTES_MAX);
}

static bool alias_valid(const char *alias)
{
    size_t length = strlen(alias);
    bool letter = (alias[0] >= 'a' && alias[0] <= 'z') || (alias[0] >= 'A' && alias[0] <= 'Z');
    return letter && length <= ALIAS_BYTES_MAX && strcmp(alias, "latest") != 0 &&
           secret_id_valid(slice_of(alias));
}

/* SECRET is as it will be. */
static bool aliases_valid(const json_t *secret, struct error *err)
{
    const char *alias;
    json_t *number, *aliases = json_object_get(secret, "versionAliases");
    if (json_object_size(aliases) > ALIASES_MAX) {
        return error_field(err, "secret.versionAliases", "A secret has at most %d aliases.",
                           ALIASES_MAX);
    }
    json_object_foreach(aliases, alias, number)
    {
        if (!alias_valid(alias)) {
            return error_field(err, "secret.versionAliases",
                               "\"%.63s\" is no alias: it has at most %d letters, digits, dashes "
                               "and underscores, begins with a letter, and is not latest.",
                               alias, ALIAS_BYTES_MAX);
        }
        if (json_integer_value(number) < 1 ||
            json_integer_value(number) >= json_number(secret, "nextVersion", 1)) {
            return error_field(err, "secret.versionAliases",
                               "The alias \"%.63s\" is of version %lld, which there is not.", alias,
                               json_integer_value(number));
        }
    }
    return true;
}

static bool replication_valid(const json_t *secret, struct error *err)
{
    const json_t *automatic = json_at(secret, "replication.automatic");
    const json_t *managed = json_at(secret, "replication.userManaged");
    if ((automatic != NULL) == (managed != NULL)) {
        return error_field(err, "secret.replication",
                           "A secret's replication is either automatic or userManaged, which is "
                           "said when it is made.");
    }
    return managed == NULL || json_array_size(json_object_get(managed, "replicas")) > 0 ||
           error_field(err, "secret.replication.userManaged.replicas",
                       "A secret whose replication is userManaged names at least one location.");
}

/* A time to live becomes the time at which it is over. */
static bool take_expiry(struct api_call *call, json_t *secret, bool given, struct error *err)
{
    int64_t us, now_us = clock_wall_us();
    const char *ttl = json_text(secret, "ttl");
    if (ttl != NULL) {
        if (!duration_read(slice_of(ttl), &us) || us <= 0 || us > INT64_MAX / 2 - now_us) {
            return error_field(err, "secret.ttl", "A time to live is positive.");
        }
        json_object_set_new(secret, "expireTime", json_slice(time_text(&call->arena, now_us + us)));
        json_object_del(secret, "ttl");
        return true;
    }
    const char *end = json_text(secret, "expireTime");
    return !given || end == NULL || (time_read(slice_of(end), &us) && us > now_us) ||
           error_field(err, "secret.expireTime", "A secret expires in the future.");
}

static bool secret_valid(const json_t *secret, struct error *err)
{
    return replication_valid(secret, err) && labels_valid(json_object_get(secret, "labels"), err) &&
           annotations_valid(json_object_get(secret, "annotations"), err) &&
           aliases_valid(secret, err);
}

/* ---- changes ---- */

static bool keep(struct api_call *call, struct store_doc *doc, const json_t *before,
                 const char *deed, struct error *err)
{
    auto_change *change = api_change(call, err);
    return change != NULL &&
           store_put(call->control->store, STORE_SECRET, doc->key, doc->body, NULL, &doc->version,
                     err) &&
           change_audit(change, doc->key, deed, before, doc->body, err) &&
           change_commit(&change, err);
}

/* A secret whose time is over makes room for another one of its name. */
static bool name_is_free(struct api_call *call, const char *key, bool *over, struct error *err)
{
    auto_doc doc = {0};
    if (secret_load(call->control, &call->arena, key, &doc, err)) {
        return error_set(err, STATUS_ALREADY_EXISTS, "Secret [%.*s] already exists.",
                         SECRET_SHOWN_MAX, secret_public_name(call->control, &call->arena, key));
    }
    if (err->status != STATUS_NOT_FOUND) {
        return false;
    }
    *over = store_get(call->control->store, STORE_SECRET, key, NULL, err) == STORE_FOUND;
    return true;
}

static bool end_secret(struct api_call *call, const struct store_doc *doc, const char *deed,
                       struct error *err)
{
    auto_change *change = api_change(call, err);
    return change != NULL && secret_delete(call->control, &call->arena, doc->key, err) &&
           change_audit(change, doc->key, deed, doc->body, NULL, err) &&
           change_commit(&change, err);
}

static bool create(struct api_call *call, struct store_doc *doc, struct error *err)
{
    const char *project = api_param(call, "project");
    const char *id = api_query(call, "secretId");
    bool over = false;
    if (id == NULL || !secret_id_valid(slice_of(id))) {
        return error_field(err, "secretId",
                           "A secret ID has 1 to %d letters, digits, dashes and underscores.",
                           SECRET_ID_BYTES_MAX);
    }
    const char *key = secret_key(&call->arena, project, id);
    json_t *body = doc->body = call->body == NULL ? json_object() : json_copy(call->body);
    json_object_del(body, "etag");
    json_object_set_new(body, "createTime", json_slice(time_text(&call->arena, clock_wall_us())));
    json_object_set_new(body, "nextVersion", json_integer(1));
    snprintf(doc->key, sizeof(doc->key), "%s", key);
    if (!take_expiry(call, body, true, err) || !secret_valid(body, err) ||
        !project_must_live(call->control, &call->arena,
                           arena_printf(&call->arena, "projects/%s", project), err) ||
        !name_is_free(call, key, &over, err)) {
        return false;
    }
    struct store_doc old = {.body = NULL};
    if (over) {
        snprintf(old.key, sizeof(old.key), "%s", key);
        if (!end_secret(call, &old, "expire-secret", err)) {
            return false;
        }
    }
    return keep(call, doc, NULL, "create-secret", err);
}

static void create_secret(struct api_call *call)
{
    struct error err = {0};
    auto_doc doc = {0};
    bool good = create(call, &doc, &err);
    json_t *answer = good ? secret_json(call, &doc) : NULL;
    api_answer(call, good, answer, &err);
}

static bool patch(struct api_call *call, struct store_doc *doc, struct error *err)
{
    const char *mask = api_query(call, "updateMask");
    if (mask == NULL || mask[0] == '\0') {
        return error_field(err, "updateMask", "An update says by updateMask what it is of.");
    }
    if (!secrets_load(call, doc, err)) {
        return false;
    }
    auto_json *before = doc->body;
    json_t *body = doc->body = json_deep_copy(before);
    bool ends = mask_touches(slice_of(mask), "expireTime") || mask_touches(slice_of(mask), "ttl");
    if (!secrets_etag_good(call, json_text(call->body, "etag"), doc->version, err) ||
        !mask_merge(secret_fields, slice_of(mask), body, call->body, err)) {
        return false;
    }
    json_object_del(body, "etag");
    if (!json_same(json_object_get(before, "replication"), json_object_get(body, "replication"))) {
        return error_field(err, "secret.replication",
                           "The replication of a secret cannot be changed.");
    }
    return take_expiry(call, body, ends, err) && secret_valid(body, err) &&
           keep(call, doc, before, "update-secret", err);
}

static void patch_secret(struct api_call *call)
{
    struct error err = {0};
    auto_doc doc = {0};
    bool good = patch(call, &doc, &err);
    json_t *answer = good ? secret_json(call, &doc) : NULL;
    api_answer(call, good, answer, &err);
}

static void delete_secret(struct api_call *call)
{
    struct error err = {0};
    auto_doc doc = {0};
    bool good = secrets_load(call, &doc, &err) &&
                secrets_etag_good(call, api_query(call, "etag"), doc.version, &err) &&
                end_secret(call, &doc, "delete-secret", &err);
    if (good) {
        secrets_scrub(call->control);
    }
    api_answer(call, good, good ? json_object() : NULL, &err);
}

/* ---- reading ---- */

static void get_secret(struct api_call *call)
{
    struct error err = {0};
    auto_doc doc = {0};
    bool good = secrets_load(call, &doc, &err);
    json_t *answer = good ? secret_json(call, &doc) : NULL;
    api_answer(call, good, answer, &err);
}

/* ---- lists ---- */

static bool text_holds(const char *held, const struct filter_term *term)
{
    /* ':' asks whether the value is in it, without regard to case. */
    struct slice text = slice_of(held), value = term->value;
    if (!term->contains || slice_is(value, "*")) {
        return filter_like(text, value);
    }
    for (size_t at = 0; at + value.len <= text.len; at++) {
        if (slice_equal_nocase(slice_upto(slice_from(text, at), value.len), value)) {
            return true;
        }
    }
    return false;
}

static bool secrets_field_holds(const void *item, const struct filter_term *term, bool *known)
{
    static const char *const plain[] = {"name", "state", "createTime", "expireTime", "destroyTime"};
    static const char *const maps[] = {"labels.", "annotations."};
    struct slice name = term->name;
    char key[128];
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        if (slice_is(name, plain[i])) {
            const char *held = json_text(item, plain[i]);
            return held != NULL && text_holds(held, term);
        }
    }
    for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
        if (slice_starts(name, slice_of(maps[i]))) {
            struct slice of = slice_from(name, strlen(maps[i]));
            snprintf(key, sizeof(key), "%.*s", (int)strlen(maps[i]) - 1, maps[i]);
            const json_t *map = json_object_get(item, key);
            snprintf(key, sizeof(key), "%.*s", SLICE_ARG(of));
            const char *held = json_string_value(json_object_get(map, key));
            return held != NULL && text_holds(held, term);
        }
    }
    *known = false;
    return false;
}

const struct filter_fields secrets_fields = {
    secrets_field_holds, "Only name, state, times, labels and annotations can be filtered by"};

const char *secrets_filter(struct api_call *call)
{
    const char *filter = api_query(call, "filter");
    return filter == NULL ? "" : filter;
}

static bool list_one(struct api_call *call, const struct store_doc *doc, void *ctx, json_t **out,
                     struct error *err)
{
    const char *filter = ctx;
    (void)err;
    if (!secret_is_over(doc->body)) {
        auto_json *secret = secret_json(call, doc);
        *out = filter_holds(&secrets_fields, filter, secret) ? json_incref(secret) : NULL;
    }
    return true;
}

static void list_secrets(struct api_call *call)
{
    struct error err = {0};
    char *filter = arena_string(&call->arena, slice_of(secrets_filter(call)));
    if (!filter_check(&secrets_fields, filter, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply_page(
        call, &(struct page){.kind = STORE_SECRET,
                             .prefix = secret_key(&call->arena, api_param(call, "project"), ""),
                             .list = "secrets",
                             .most = PAGE_MAX,
                             .item = list_one,
                             .ctx = filter,
                             .counted = true,
                             .bare = true});
}

/* ---- rows ---- */

#define METHOD  "google.cloud.secretmanager.v1.SecretManagerService."
#define SECRETS "projects/{project}/secrets"
#define SECRET  SECRETS "/{secret}"
#define VERSION SECRET "/versions/{version}"
#define MAY     "secretmanager."

const struct api_route secrets_routes[] = {
    {"POST", "/v1/" SECRETS, MAY "secrets.create", "projects/{project}", 0, create_secret,
     METHOD "CreateSecret", secret_fields},
    {"GET", "/v1/" SECRETS, MAY "secrets.list", "projects/{project}", 0, list_secrets,
     METHOD "ListSecrets"},
    {"GET", "/v1/" SECRET, MAY "secrets.get", SECRET, 0, get_secret, METHOD "GetSecret"},
    {"PATCH", "/v1/" SECRET, MAY "secrets.update", SECRET, 0, patch_secret, METHOD "UpdateSecret",
     secret_fields},
    {"DELETE", "/v1/" SECRET, MAY "secrets.delete", SECRET, 0, delete_secret,
     METHOD "DeleteSecret"},
    {"POST", "/v1/" SECRET ":addVersion", MAY "versions.add", SECRET, 0, secrets_add_version,
     METHOD "AddSecretVersion", secrets_add_fields},
    {"GET", "/v1/" SECRET "/versions", MAY "versions.list", SECRET, 0, secrets_list_versions,
     METHOD "ListSecretVersions"},
    {"GET", "/v1/" VERSION, MAY "versions.get", VERSION, 0, secrets_get_version,
     METHOD "GetSecretVersion", .resource = secrets_version_key},
    {"GET", "/v1/" VERSION ":access", MAY "versions.access", VERSION, 0, secrets_access_version,
     METHOD "AccessSecretVersion", .resource = secrets_version_key},
    {"POST", "/v1/" VERSION ":enable", MAY "versions.enable", VERSION, 0, secrets_enable_version,
     METHOD "EnableSecretVersion", secrets_etag_fields, .resource = secrets_version_key},
    {"POST", "/v1/" VERSION ":disable", MAY "versions.disable", VERSION, 0, secrets_disable_version,
     METHOD "DisableSecretVersion", secrets_etag_fields, .resource = secrets_version_key},
    {"POST", "/v1/" VERSION ":destroy", MAY "versions.destroy", VERSION, 0, secrets_destroy_version,
     METHOD "DestroySecretVersion", secrets_etag_fields, .resource = secrets_version_key},
    {"GET", "/v1/" SECRET ":getIamPolicy", MAY "secrets.getIamPolicy", SECRET, 0, iam_get_policy,
     METHOD "GetIamPolicy"},
    {"POST", "/v1/" SECRET ":setIamPolicy", MAY "secrets.setIamPolicy", SECRET, 0, iam_set_policy,
     METHOD "SetIamPolicy"},
    {"POST", "/v1/" SECRET ":testIamPermissions", NULL, SECRET, API_SELF_CHECKED,
     iam_test_permissions, METHOD "TestIamPermissions", .why = API_WHY_TEST},
};
const size_t secrets_route_count = sizeof(secrets_routes) / sizeof(secrets_routes[0]);
