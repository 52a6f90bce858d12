/*
 * Versions of secrets, and the only method that gives a value away. Which version a call is about
 * is known once "latest" or an alias has been looked up, and a condition may ask for it by number:
 * so secrets_version_key() says which one the permission is asked for.
 */
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/encode.h"
#include "control/api/secrets_inside.h"
#include "control/call/paging.h"

enum { PAGE_MAX = 25000 };

static const struct field payload_fields[] = {
    {.name = "data", .kind = FIELD_BYTES},
    {.name = "dataCrc32c", .kind = FIELD_INT64},
    {0},
};
/* Go's library says the path's parameter in the body once more: it is passed over. */
const struct field secrets_add_fields[] = {
    {.name = "parent", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "payload", .kind = FIELD_OBJECT, .fields = payload_fields, .flags = FIELD_REQUIRED},
    {0},
};
const struct field secrets_etag_fields[] = {
    {.name = "name", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "etag", .kind = FIELD_STRING},
    {0},
};

/* ---- one version ---- */

static json_t *version_json(struct api_call *call, const struct store_doc *secret,
                            const struct store_doc *doc)
{
    json_t *out = json_copy(doc->body);
    json_object_set_new(out, "name",
                        json_string(secret_public_name(call->control, &call->arena, doc->key)));
    json_object_set_new(out, "etag", json_string(secrets_etag(call, doc->version)));
    json_t *status = json_pack("{s{}}", "automatic");
    const json_t *replicas = json_at(secret->body, "replication.userManaged.replicas");
    if (replicas != NULL) {
        json_object_clear(status);
        json_put(status, "userManaged.replicas", json_deep_copy(replicas));
    }
    json_object_set_new(out, "replicationStatus", status);
    return out;
}

/* The call's version. */
static bool load(struct api_call *call, struct store_doc *secret, struct store_doc *version,
                 struct error *err)
{
    return secret_load(call->control, &call->arena, secrets_key(call), secret, err) &&
           secret_version_load(call->control, &call->arena, secret, api_param(call, "version"),
                               version, err);
}

static void done(struct store_doc *secret, struct store_doc *version)
{
    store_doc_done(secret);
    store_doc_done(version);
}

/* The key of the version that "latest" or an alias means now; of a version that does not exist, its
 * own name. */
const char *secrets_version_key(struct api_call *call, struct error *err)
{
    struct store_doc secret = {0}, version = {0};
    struct error absent;
    bool found = load(call, &secret, &version, &absent);
    (void)err;
    done(&secret, &version);
    return found ? arena_string(&call->arena, slice_of(version.key))
                 : arena_printf(&call->arena, "%s/versions/%s", secrets_key(call),
                                api_param(call, "version"));
}

void secrets_get_version(struct api_call *call)
{
    struct error err = {0};
    struct store_doc secret = {0}, version = {0};
    bool good = load(call, &secret, &version, &err);
    json_t *answer = good ? version_json(call, &secret, &version) : NULL;
    done(&secret, &version);
    api_answer(call, good, answer, &err);
}

static bool access_value(struct api_call *call, json_t **answer, struct error *err)
{
    struct store_doc secret = {0}, version = {0};
    struct slice value;
    bool good = load(call, &secret, &version, err) &&
                secret_value_read(call->control, &call->arena, secret.id, &version, &value, err);
    if (good) {
        const char *sum = arena_printf(&call->arena, "%u", crc32c(value));
        *answer = json_pack(
            "{sss{soss}}", "name", secret_public_name(call->control, &call->arena, version.key),
            "payload", "data", json_slice(base64_encode(&call->arena, value)), "dataCrc32c", sum);
    }
    done(&secret, &version);
    return good;
}

void secrets_access_version(struct api_call *call)
{
    struct error err = {0};
    json_t *answer = NULL;
    bool good = access_value(call, &answer, &err);
    api_answer(call, good, answer, &err);
}

/* Newest first, by numbers: what the record has in the order of their texts. */
static bool list_versions(struct api_call *call, const struct store_doc *secret, json_t *answer,
                          struct error *err)
{
    const char *filter = secrets_filter(call);
    struct paging paging;
    int64_t newest = json_number(secret->body, "nextVersion", 1) - 1, total = 0;
    auto_json *found = json_array();
    if (!filter_check(&secrets_fields, filter, err) ||
        !paging_init(&paging, call, PAGE_MAX, PAGE_MAX, err)) {
        return false;
    }
    for (int64_t number = newest; number > 0; number--) {
        auto_doc version = {0};
        const char *place = arena_printf(&call->arena, "%012lld", (long long)(newest - number));
        if (!store_load(call->control->store, STORE_SECRET_VERSION,
                        secret_version_key(&call->arena, secret->key, number), &version, err,
                        "Version %lld is not in the record.", (long long)number)) {
            return false;
        }
        auto_json *one = version_json(call, secret, &version);
        if (!filter_holds(&secrets_fields, filter, one)) {
            continue;
        }
        total++;
        if (paging_step(&paging, place) == PAGING_TAKE) {
            json_array_append(found, one);
        }
    }
    if (total > 0) {
        json_object_set(answer, "versions", found);
        json_object_set_new(answer, "totalSize", json_integer(total));
        paging_put(&paging, answer);
    }
    return true;
}

void secrets_list_versions(struct api_call *call)
{
    struct error err = {0};
    auto_doc secret = {0};
    json_t *answer = json_object();
    bool good = secrets_load(call, &secret, &err) && list_versions(call, &secret, answer, &err);
    api_answer(call, good, answer, &err);
}

/* ---- adding ---- */

/* The value, and whether the client said a sum of it, which then is right. */
static bool take_payload(struct api_call *call, struct slice *value, bool *summed,
                         struct error *err)
{
    const json_t *payload = json_object_get(call->body, "payload");
    const json_t *sum = json_object_get(payload, "dataCrc32c");
    const char *data = json_text_or(payload, "data", "");
    if (!base64_decode_any(&call->arena, slice_of(data), value)) {
        return error_field(err, "payload.data", "The value is not in base64.");
    }
    if (value->len == 0 || value->len > SECRET_VALUE_BYTES_MAX) {
        return error_field(err, "payload.data", "The value of a secret has 1 to %d bytes.",
                           SECRET_VALUE_BYTES_MAX);
    }
    *summed = sum != NULL;
    return sum == NULL || json_integer_value(sum) == (json_int_t)crc32c(*value) ||
           error_field(err, "payload.dataCrc32c",
                       "The checksum of the value (CRC32C) is not the one that was given: the "
                       "value was damaged on its way.");
}

static bool add(struct api_call *call, struct store_doc *secret, struct store_doc *version,
                struct error *err)
{
    struct control *control = call->control;
    struct slice value;
    bool summed = false;
    if (!secrets_load(call, secret, err) || !take_payload(call, &value, &summed, err)) {
        return false;
    }
    int64_t number = json_number(secret->body, "nextVersion", 1);
    snprintf(version->key, sizeof(version->key), "%s",
             secret_version_key(&call->arena, secret->key, number));
    version->body =
        json_pack("{soss}", "createTime", json_slice(time_text(&call->arena, clock_wall_us())),
                  "state", "ENABLED");
    if (summed) {
        json_object_set_new(version->body, "clientSpecifiedPayloadChecksum", json_true());
    }
    json_object_set_new(secret->body, "nextVersion", json_integer(number + 1));
    auto_change *change = api_change(call, err);
    return change != NULL &&
           store_put(control->store, STORE_SECRET, secret->key, secret->body, NULL, NULL, err) &&
           store_put(control->store, STORE_SECRET_VERSION, version->key, version->body, NULL,
                     &version->version, err) &&
           secret_value_put(control, &call->arena, secret->id, version->key, value, err) &&
           change_audit(change, version->key, "add-secret-version", NULL, version->body, err) &&
           change_commit(&change, err);
}

void secrets_add_version(struct api_call *call)
{
    struct error err = {0};
    struct store_doc secret = {0}, version = {0};
    bool good = add(call, &secret, &version, &err);
    json_t *answer = good ? version_json(call, &secret, &version) : NULL;
    done(&secret, &version);
    api_answer(call, good, answer, &err);
}

/* ---- states ---- */

struct step {
    const char *state, *deed;
};

static bool change_state(struct api_call *call, const struct step *step, struct store_doc *secret,
                         struct store_doc *version, struct error *err)
{
    struct control *control = call->control;
    bool destroys = strcmp(step->state, "DESTROYED") == 0;
    if (!load(call, secret, version, err) ||
        !secrets_etag_good(call, json_text(call->body, "etag"), version->version, err)) {
        return false;
    }
    if (strcmp(json_text_or(version->body, "state", ""), "DESTROYED") == 0) {
        return error_set(err, STATUS_FAILED_PRECONDITION,
                         "Secret Version [%.*s] is in DESTROYED state.", SECRET_SHOWN_MAX,
                         secret_public_name(control, &call->arena, version->key));
    }
    auto_json *before = json_copy(version->body);
    json_object_set_new(version->body, "state", json_string(step->state));
    if (destroys) {
        json_object_set_new(version->body, "destroyTime",
                            json_slice(time_text(&call->arena, clock_wall_us())));
    }
    auto_change *change = api_change(call, err);
    return change != NULL &&
           store_put(control->store, STORE_SECRET_VERSION, version->key, version->body, NULL,
                     &version->version, err) &&
           (!destroys || store_delete(control->store, STORE_SECRET_VALUE, version->key, err)) &&
           change_audit(change, version->key, step->deed, before, version->body, err) &&
           change_commit(&change, err);
}

static void take_step(struct api_call *call, const struct step *step)
{
    struct error err = {0};
    struct store_doc secret = {0}, version = {0};
    bool good = change_state(call, step, &secret, &version, &err);
    json_t *answer = good ? version_json(call, &secret, &version) : NULL;
    done(&secret, &version);
    if (good && strcmp(step->state, "DESTROYED") == 0) {
        secrets_scrub(call->control);
    }
    api_answer(call, good, answer, &err);
}

void secrets_enable_version(struct api_call *call)
{
    static const struct step step = {"ENABLED", "enable-secret-version"};
    take_step(call, &step);
}

void secrets_disable_version(struct api_call *call)
{
    static const struct step step = {"DISABLED", "disable-secret-version"};
    take_step(call, &step);
}

void secrets_destroy_version(struct api_call *call)
{
    static const struct step step = {"DESTROYED", "destroy-secret-version"};
    take_step(call, &step);
}
