/*
 * A pool belongs to its project; so only the administrators of the project's pools decide who is
 * "principal://…" of them (control/identity/federation.h). What is deleted is gone at once: there
 * is no undelete, and the name is free again for another one.
 */
#include "control/api/identity_pools.h"

#include "control/api/crm_operation.h"
#include "control/call/paging.h"
#include "control/identity/federation_mapping.h"
#include "control/identity/jwks_fetch.h"
#include "control/record/projects.h"
#include "trust/trust.h"

enum {
    ID_MIN = 4,
    ID_MAX = 32,
    PAGE_MAX = 100,
    AUDIENCES_MAX = 10,
    KEYS_MOST = 64,
};

#define OUTPUT(text)                                                                               \
    {                                                                                              \
        .name = (text), .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY                           \
    }
#define COMMON                                                                                     \
    OUTPUT("name"), OUTPUT("state"), OUTPUT("expireTime"),                                         \
        {.name = "displayName", .kind = FIELD_STRING, .max = 32},                                  \
        {.name = "description", .kind = FIELD_STRING, .max = 256},                                 \
    {                                                                                              \
        .name = "disabled", .kind = FIELD_BOOL                                                     \
    }
#define REFUSED(text, why)                                                                         \
    {                                                                                              \
        .name = (text), .kind = FIELD_ANY, .flags = FIELD_REFUSED, .note = (why)                   \
    }

static const char *const modes[] = {"MODE_UNSPECIFIED", "FEDERATION_ONLY", NULL};
static const char no_certificates[] =
    "Homerun's pools federate tokens; they issue no certificates.";
static const char only_openid[] = "Homerun's providers are OpenID issuers: give oidc.";

static const struct field pool_fields[] = {
    COMMON,
    {.name = "mode", .kind = FIELD_ENUM, .names = modes},
    REFUSED("inlineCertificateIssuanceConfig", no_certificates),
    REFUSED("inlineTrustConfig", no_certificates),
    {0},
};

static const struct field oidc_fields[] = {
    {.name = "issuerUri", .kind = FIELD_STRING, .max = 500},
    {.name = "allowedAudiences", .kind = FIELD_LIST, .item = FIELD_STRING},
    {.name = "jwksJson", .kind = FIELD_STRING},
    {0},
};
static const struct field provider_fields[] = {
    COMMON,
    {.name = "attributeMapping", .kind = FIELD_MAP, .item = FIELD_STRING},
    {.name = "attributeCondition", .kind = FIELD_STRING, .max = FEDERATION_CONDITION_MAX},
    {.name = "oidc", .kind = FIELD_OBJECT, .fields = oidc_fields},
    REFUSED("aws", only_openid),
    REFUSED("saml", only_openid),
    REFUSED("x509", only_openid),
    {0},
};

/* What differs between the two. */
struct kind {
    const char *store, *noun, *type;
    const struct field *fields;
};
static const struct kind pool_kind = {STORE_POOL, "pool", "google.iam.v1.WorkloadIdentityPool",
                                      pool_fields};
static const struct kind provider_kind = {
    STORE_PROVIDER, "provider", "google.iam.v1.WorkloadIdentityPoolProvider", provider_fields};

/* ---- names ---- */

/* "projects/P/locations/global/workloadIdentityPools/POOL", P as the record or as answers have it.
 */
static const char *pool_name(struct api_call *call, const char *project)
{
    return arena_printf(&call->arena, "projects/%s/locations/global/workloadIdentityPools/%s",
                        project, api_param(call, "pool"));
}

static const char *pool_key(struct api_call *call)
{
    return pool_name(call, api_param(call, "project"));
}

static const char *provider_key(struct api_call *call, const char *id)
{
    return arena_printf(&call->arena, "%s/providers/%s", pool_key(call), id);
}

/* The name in answers has the project's number. */
static const char *public_name(struct api_call *call, const char *key)
{
    const char *project = api_param(call, "project");
    const char *number = project_number(call->control, &call->arena, project);
    return arena_printf(&call->arena, "projects/%s%s", number == NULL ? project : number,
                        key + strlen("projects/") + strlen(project));
}

static bool id_valid(const char *field, const char *id, struct error *err)
{
    size_t length = strlen(id);
    bool good = length >= ID_MIN && length <= ID_MAX && id[0] != '-' && id[length - 1] != '-' &&
                strncmp(id, "gcp-", 4) != 0;
    for (size_t i = 0; i < length && good; i++) {
        good = (id[i] >= 'a' && id[i] <= 'z') || (id[i] >= '0' && id[i] <= '9') || id[i] == '-';
    }
    return good || error_field(err, field,
                               "An ID has %d to %d lower-case letters, digits and hyphens, no "
                               "hyphen at its ends, and does not begin with gcp-.",
                               ID_MIN, ID_MAX);
}

static const char *asked_id(struct api_call *call, const char *parameter)
{
    const char *id = api_query(call, parameter);
    return id == NULL ? "" : id;
}

/* ---- answers ---- */

static json_t *shown(struct api_call *call, const char *key, const json_t *body)
{
    json_t *out = json_copy((json_t *)(uintptr_t)body);
    json_object_del(out, "jwks");
    json_object_set_new(out, "name", json_string(public_name(call, key)));
    json_object_set_new(out, "state", json_string("ACTIVE"));
    return out;
}

/* The change's operation is told of as one below KEY, and the change committed. */
static bool end_change(struct api_call *call, struct change **change, const struct kind *kind,
                       const char *key, const json_t *body, json_t **answer, struct error *err)
{
    auto_json *response = shown(call, key, body);
    if (!crm_operation_new(call, kind->type, response, answer, err)) {
        return false;
    }
    const char *operation = json_text_or(*answer, "name", "");
    json_object_set_new(
        *answer, "name",
        json_string(arena_printf(&call->arena, "%s/%s", public_name(call, key), operation)));
    return change_commit(change, err);
}

static bool keep(struct api_call *call, const struct kind *kind, const char *key,
                 const json_t *before, const json_t *body, json_t **answer, struct error *err)
{
    const char *deed = arena_printf(&call->arena, "%s-identity-%s",
                                    before == NULL ? "create" : "update", kind->noun);
    auto_change *change = api_change(call, err);
    return change != NULL &&
           store_put(call->control->store, kind->store, key, body, NULL, NULL, err) &&
           change_audit(change, key, deed, before, body, err) &&
           end_change(call, &change, kind, key, body, answer, err);
}

static bool load(struct api_call *call, const struct kind *kind, const char *key,
                 struct store_doc *out, struct error *err)
{
    return store_load(call->control->store, kind->store, key, out, err,
                      "The identity %s %s was not found.", kind->noun, key);
}

static bool is_free(struct api_call *call, const struct kind *kind, const char *key,
                    struct error *err)
{
    switch (store_get(call->control->store, kind->store, key, NULL, err)) {
    case STORE_ABSENT:
        return true;
    case STORE_FAILED:
        return false;
    case STORE_FOUND:
        break;
    }
    return error_set(err, STATUS_ALREADY_EXISTS, "The identity %s %s exists already.", kind->noun,
                     key);
}

/* ---- what providers may say ---- */

static bool mapping_valid(const json_t *mapping, struct error *err)
{
    const char *key;
    json_t *value;
    if (json_object_size(mapping) > FEDERATION_ATTRIBUTES_MAX) {
        return error_field(err, "attributeMapping", "At most %d attributes are mapped.",
                           FEDERATION_ATTRIBUTES_MAX);
    }
    json_object_foreach((json_t *)(uintptr_t)mapping, key, value)
    {
        if (!federation_mapping_valid(key, json_string_value(value), err)) {
            return false;
        }
    }
    return json_object_get(mapping, "google.subject") != NULL ||
           error_field(err, "attributeMapping",
                       "google.subject must be mapped: google.subject=assertion.sub.");
}

/* The keys that were given become the record's; others are fetched when the first token comes. */
static bool take_keys(struct api_call *call, json_t *body, struct error *err)
{
    struct trust_jwk keys[KEYS_MOST];
    size_t count = 0;
    const char *text = json_text(body, "oidc.jwksJson");
    if (text == NULL) {
        return true;
    }
    if (!trust_jwks_read(&call->arena, slice_of(text), keys, KEYS_MOST, &count, err) ||
        count == 0) {
        return error_field(err, "oidc.jwksJson",
                           "No key set (RFC 7517) with a key for RS256, ES256 or EdDSA.");
    }
    json_t *jwks = json_read(slice_of(text), err);
    return jwks != NULL && json_object_set_new(body, "jwks", jwks) == 0;
}

static bool provider_valid(struct api_call *call, json_t *body, struct error *err)
{
    const char *issuer = json_text_or(body, "oidc.issuerUri", "");
    const json_t *audiences = json_at(body, "oidc.allowedAudiences");
    size_t i;
    json_t *one;
    if (!jwks_may_be_fetched(&call->arena, issuer) || strpbrk(issuer, "?#") != NULL) {
        return error_field(err, "oidc.issuerUri",
                           "An issuer is named by an https URL without query and fragment, or is a "
                           "port of this machine.");
    }
    if (strcmp(issuer, call->control->url) == 0 ||
        strcmp(issuer, call->control->settings.api_url) == 0) {
        return error_field(err, "oidc.issuerUri", "That is this Homerun's own issuer.");
    }
    if (json_array_size(audiences) > AUDIENCES_MAX) {
        return error_field(err, "oidc.allowedAudiences", "At most %d audiences.", AUDIENCES_MAX);
    }
    json_array_foreach(audiences, i, one)
    {
        if (json_string_length(one) == 0 || json_string_length(one) > 256) {
            return error_field(err, "oidc.allowedAudiences", "An audience has 1 to 256 bytes.");
        }
    }
    const char *condition = json_text_or(body, "attributeCondition", "");
    return mapping_valid(json_object_get(body, "attributeMapping"), err) &&
           (condition[0] == '\0' || federation_condition_valid(condition, err)) &&
           take_keys(call, body, err);
}

/* ---- reading ---- */

static void get(struct api_call *call, const struct kind *kind, const char *key)
{
    struct error err = {0};
    struct store_doc doc;
    if (!load(call, kind, key, &doc, &err)) {
        api_fail(call, &err);
        return;
    }
    auto_json *body = doc.body;
    api_reply(call, shown(call, key, body));
}

static bool list_one(struct api_call *call, const struct store_doc *doc, void *ctx, json_t **out,
                     struct error *err)
{
    (void)ctx;
    (void)err;
    *out = shown(call, doc->key, doc->body);
    return true;
}

static void list(struct api_call *call, const struct kind *kind, const char *prefix,
                 const char *name)
{
    api_reply_page(call, &(struct page){.kind = kind->store,
                                        .prefix = prefix,
                                        .list = name,
                                        .most = PAGE_MAX,
                                        .item = list_one});
}

static void pools_get(struct api_call *call)
{
    get(call, &pool_kind, pool_key(call));
}

static void pools_list(struct api_call *call)
{
    list(call, &pool_kind, pool_key(call), "workloadIdentityPools");
}

static void providers_get(struct api_call *call)
{
    get(call, &provider_kind, provider_key(call, api_param(call, "provider")));
}

static void providers_list(struct api_call *call)
{
    struct error err = {0};
    if (!load(call, &pool_kind, pool_key(call), NULL, &err)) {
        api_fail(call, &err);
        return;
    }
    list(call, &provider_kind, provider_key(call, ""), "workloadIdentityPoolProviders");
}

/* ---- changing ---- */

/* An issuer of the installation that was added with the pool speaks for it: the project must not
 * make other speakers for names that were granted something for its sake. */
static bool has_issuer(const struct store_doc *doc, void *ctx)
{
    const char **pool = ctx;
    if (strcmp(json_text_or(doc->body, "pool", ""), *pool) == 0) {
        *pool = NULL;
    }
    return *pool != NULL;
}

static bool create_pool(struct api_call *call, json_t **answer, struct error *err)
{
    const char *id = asked_id(call, "workloadIdentityPoolId");
    const char *key = arena_printf(&call->arena, "%s%s", pool_key(call), id);
    const char *pool = arena_printf(&call->arena, "iam.googleapis.com/%s", public_name(call, key));
    if (!id_valid("workloadIdentityPoolId", id, err) || !is_free(call, &pool_kind, key, err) ||
        !store_each(call->control->store, STORE_ISSUER, "", has_issuer, &pool, err)) {
        return false;
    }
    if (pool == NULL) {
        return error_set(err, STATUS_ALREADY_EXISTS,
                         "The pool %s is spoken for by an issuer of the installation: `homerun "
                         "issuers list` shows it.",
                         key);
    }
    return keep(call, &pool_kind, key, NULL, call->body, answer, err);
}

static void pools_create(struct api_call *call)
{
    struct error err = {0};
    json_t *answer = NULL;
    bool good = create_pool(call, &answer, &err);
    api_answer(call, good, answer, &err);
}

static bool create_provider(struct api_call *call, json_t **answer, struct error *err)
{
    const char *id = asked_id(call, "workloadIdentityPoolProviderId");
    const char *key = provider_key(call, id);
    return id_valid("workloadIdentityPoolProviderId", id, err) &&
           load(call, &pool_kind, pool_key(call), NULL, err) &&
           is_free(call, &provider_kind, key, err) && provider_valid(call, call->body, err) &&
           keep(call, &provider_kind, key, NULL, call->body, answer, err);
}

static void providers_create(struct api_call *call)
{
    struct error err = {0};
    json_t *answer = NULL;
    bool good = create_provider(call, &answer, &err);
    api_answer(call, good, answer, &err);
}

/* Keys stay while they are the same issuer's, and were not given by hand. */
static bool keeps_keys(const json_t *before, const json_t *after)
{
    return strcmp(json_text_or(before, "oidc.issuerUri", ""),
                  json_text_or(after, "oidc.issuerUri", "")) == 0 &&
           json_text(before, "oidc.jwksJson") == NULL;
}

static bool patch(struct api_call *call, const struct kind *kind, const char *key, json_t **answer,
                  struct error *err)
{
    struct store_doc doc;
    const char *mask = api_query(call, "updateMask");
    if (!load(call, kind, key, &doc, err)) {
        return false;
    }
    auto_json *before = doc.body;
    auto_json *after = json_deep_copy(before);
    json_object_del(after, "jwks");
    if (!mask_merge(kind->fields, slice_of(mask == NULL ? "*" : mask), after, call->body, err)) {
        return false;
    }
    if (kind == &provider_kind) {
        json_t *jwks = json_object_get(before, "jwks");
        if (jwks != NULL && keeps_keys(before, after)) {
            json_object_set(after, "jwks", jwks);
        }
        if (!provider_valid(call, after, err)) {
            return false;
        }
    }
    return keep(call, kind, key, before, after, answer, err);
}

static void pools_patch(struct api_call *call)
{
    struct error err = {0};
    json_t *answer = NULL;
    bool good = patch(call, &pool_kind, pool_key(call), &answer, &err);
    api_answer(call, good, answer, &err);
}

static void providers_patch(struct api_call *call)
{
    struct error err = {0};
    json_t *answer = NULL;
    bool good =
        patch(call, &provider_kind, provider_key(call, api_param(call, "provider")), &answer, &err);
    api_answer(call, good, answer, &err);
}

static bool add_key(const struct store_doc *doc, void *ctx)
{
    json_array_append_new(ctx, json_string(doc->key));
    return true;
}

/* A pool goes with its providers. */
static bool delete_providers(struct api_call *call, struct error *err)
{
    auto_json *keys = json_array();
    size_t i;
    json_t *one;
    if (!store_each(call->control->store, STORE_PROVIDER, provider_key(call, ""), add_key, keys,
                    err)) {
        return false;
    }
    json_array_foreach(keys, i, one)
    {
        if (!store_delete(call->control->store, STORE_PROVIDER, json_string_value(one), err)) {
            return false;
        }
    }
    return true;
}

static bool discard(struct api_call *call, const struct kind *kind, const char *key,
                    json_t **answer, struct error *err)
{
    struct store_doc doc;
    if (!load(call, kind, key, &doc, err)) {
        return false;
    }
    auto_json *body = doc.body;
    const char *deed = arena_printf(&call->arena, "delete-identity-%s", kind->noun);
    auto_change *change = api_change(call, err);
    return change != NULL && (kind != &pool_kind || delete_providers(call, err)) &&
           store_delete(call->control->store, kind->store, key, err) &&
           change_audit(change, key, deed, body, NULL, err) &&
           end_change(call, &change, kind, key, body, answer, err);
}

static void pools_delete(struct api_call *call)
{
    struct error err = {0};
    json_t *answer = NULL;
    bool good = discard(call, &pool_kind, pool_key(call), &answer, &err);
    api_answer(call, good, answer, &err);
}

static void providers_delete(struct api_call *call)
{
    struct error err = {0};
    json_t *answer = NULL;
    bool good = discard(call, &provider_kind, provider_key(call, api_param(call, "provider")),
                        &answer, &err);
    api_answer(call, good, answer, &err);
}

/* Done when they are answered, but gcloud asks once more. Only of what the path names. */
static void operations_get(struct api_call *call)
{
    struct error err = {0};
    struct store_doc doc;
    const char *provider = api_param(call, "provider");
    const char *key = provider[0] != '\0' ? provider_key(call, provider) : pool_key(call);
    const char *wanted = public_name(call, key);
    const char *name = arena_printf(&call->arena, "operations/%s", api_param(call, "operation"));
    bool found = store_load(call->control->store, STORE_OPERATION, name, &doc, &err,
                            "Operation '%s' was not found.", name);
    auto_json *body = found ? doc.body : NULL;
    if (found && strcmp(json_text_or(body, "response.name", ""), wanted) != 0) {
        found = error_set(&err, STATUS_NOT_FOUND, "Operation '%s' was not found.", name);
    }
    if (!found) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, json_pack("{s:s, s:b, s:O}", "name",
                              arena_printf(&call->arena, "%s/%s", wanted, name), "done", 1,
                              "response", json_object_get(body, "response")));
}

/* A pool of this server has none: they are for certificates. Terraform asks whenever it reads. */
static void rules_list(struct api_call *call)
{
    struct error err = {0};
    auto_doc doc = {0};
    if (!load(call, &pool_kind, pool_key(call), &doc, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, json_pack("{s:[]}", "attestationRules"));
}

#define POOLS     "/v1/projects/{project}/locations/global/workloadIdentityPools"
#define POOL      POOLS "/{pool}"
#define PROVIDERS POOL "/providers"
#define PROVIDER  PROVIDERS "/{provider}"
#define ON        "projects/{project}"
#define MAY(what) "iam.googleapis.com/workloadIdentityPool" what
#define METHOD    "google.iam.v1.WorkloadIdentityPools."

const struct api_route identity_pools_routes[] = {
    {"GET", POOLS, MAY("s.list"), ON, 0, pools_list, METHOD "ListWorkloadIdentityPools"},
    {"POST", POOLS, MAY("s.create"), ON, 0, pools_create, METHOD "CreateWorkloadIdentityPool",
     pool_fields},
    {"GET", POOL, MAY("s.get"), ON, 0, pools_get, METHOD "GetWorkloadIdentityPool"},
    {"PATCH", POOL, MAY("s.update"), ON, 0, pools_patch, METHOD "UpdateWorkloadIdentityPool",
     pool_fields},
    {"DELETE", POOL, MAY("s.delete"), ON, 0, pools_delete, METHOD "DeleteWorkloadIdentityPool"},
    {"GET", POOL ":listAttestationRules", MAY("s.get"), ON, 0, rules_list,
     METHOD "ListAttestationRules"},
    {"POST", POOL ":addAttestationRule", MAY("s.update"), ON, 0, NULL, METHOD "AddAttestationRule"},
    {"POST", POOL ":removeAttestationRule", MAY("s.update"), ON, 0, NULL,
     METHOD "RemoveAttestationRule"},
    {"POST", POOL ":setAttestationRules", MAY("s.update"), ON, 0, NULL,
     METHOD "SetAttestationRules"},
    {"GET", POOL "/operations/{operation}", MAY("s.get"), ON, 0, operations_get,
     METHOD "GetOperation"},
    {"GET", PROVIDERS, MAY("Providers.list"), ON, 0, providers_list,
     METHOD "ListWorkloadIdentityPoolProviders"},
    {"POST", PROVIDERS, MAY("Providers.create"), ON, 0, providers_create,
     METHOD "CreateWorkloadIdentityPoolProvider", provider_fields},
    {"GET", PROVIDER, MAY("Providers.get"), ON, 0, providers_get,
     METHOD "GetWorkloadIdentityPoolProvider"},
    {"PATCH", PROVIDER, MAY("Providers.update"), ON, 0, providers_patch,
     METHOD "UpdateWorkloadIdentityPoolProvider", provider_fields},
    {"DELETE", PROVIDER, MAY("Providers.delete"), ON, 0, providers_delete,
     METHOD "DeleteWorkloadIdentityPoolProvider"},
    {"GET", PROVIDER "/operations/{operation}", MAY("Providers.get"), ON, 0, operations_get,
     METHOD "GetProviderOperation"},
};
const size_t identity_pools_route_count =
    sizeof(identity_pools_routes) / sizeof(identity_pools_routes[0]);
