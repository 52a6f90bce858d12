/*
 * Other OpenID issuers whose tokens are believed, and those that people sign in with. The latter
 * are asked at once what they say of themselves: one that cannot be asked now is not added.
 */
#include "control/api/issuers.h"

#include "control/identity/http_fetch.h"
#include "control/identity/jwks_fetch.h"
#include "control/identity/provider.h"
#include "control/identity/renewal.h"

static const struct field sign_in_fields[] = {
    {.name = "clientId", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .min = 1, .max = 500},
    {.name = "clientSecret", .kind = FIELD_STRING, .max = 2000}, /* never given back */
    {.name = "scopes", .kind = FIELD_STRING, .max = 500},
    {.name = "groupsClaim", .kind = FIELD_STRING, .max = 100},
    {.name = "displayName", .kind = FIELD_STRING, .max = 100},
    {0},
};

static const struct field issuer_fields[] = {
    {.name = "name", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .max = 63},
    {.name = "issuer", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .max = 500},
    {.name = "jwks", .kind = FIELD_ANY},
    {.name = "jwksUri", .kind = FIELD_STRING, .max = 2000},
    {.name = "domains", .kind = FIELD_LIST, .item = FIELD_STRING},
    {.name = "pool", .kind = FIELD_STRING, .max = 300},
    {.name = "googleLike", .kind = FIELD_BOOL},
    {.name = "signIn", .kind = FIELD_OBJECT, .fields = sign_in_fields},
    {0},
};

/* What anybody may see: neither the sealed secret nor what the provider says of itself. */
static json_t *shown(const json_t *body)
{
    json_t *copy = json_deep_copy(body);
    json_object_del(json_object_get(copy, "signIn"), "sealedSecret");
    json_object_del(copy, "description");
    return copy;
}

static bool collect(const struct store_doc *doc, void *ctx)
{
    json_array_append_new(ctx, shown(doc->body));
    return true;
}

static void issuers_list(struct api_call *call)
{
    struct error err;
    json_t *all = json_array();
    bool good = store_each(call->control->store, STORE_ISSUER, "", collect, all, &err);
    api_answer(call, good, json_pack("{s:o}", "issuers", all), &err);
}

static bool issuer_check(struct api_call *call, const json_t *asked, struct error *err)
{
    const char *name = json_text_or(asked, "name", "");
    const char *url = json_text_or(asked, "issuer", "");
    const char *uri = json_text(asked, "jwksUri");
    for (const char *c = name; *c != '\0'; c++) {
        if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '-')) {
            return error_field(err, "name", "A name has lower-case letters, digits and hyphens.");
        }
    }
    if (name[0] == '\0' || url[0] == '\0') {
        return error_field(err, "issuer", "Both a name and an issuer are needed.");
    }
    if (strcmp(url, call->control->url) == 0 || strcmp(url, call->control->settings.api_url) == 0) {
        return error_field(err, "issuer", "That is this Homerun's own issuer.");
    }
    bool signs_in = json_object_get(asked, "signIn") != NULL;
    if (signs_in && (uri != NULL || json_object_get(asked, "jwks") != NULL)) {
        return error_field(
            err, "jwksUri",
            "A provider that people sign in with says by itself where its keys are.");
    }
    if (signs_in &&
        !jwks_may_be_fetched(&call->arena, provider_description_url(&call->arena, url))) {
        return error_field(err, "issuer",
                           "A provider that people sign in with is reached by https, or on this "
                           "machine.");
    }
    if (!signs_in && uri == NULL && json_object_get(asked, "jwks") == NULL) {
        return error_field(err, "jwksUri", "Either jwks or jwksUri is needed.");
    }
    if (uri != NULL && !jwks_may_be_fetched(&call->arena, uri)) {
        return error_field(err, "jwksUri", "Keys are fetched by https, or from this machine.");
    }
    return true;
}

static bool same_issuer(const struct store_doc *doc, void *ctx)
{
    const json_t **asked = ctx;
    bool same =
        strcmp(json_text_or(doc->body, "issuer", ""), json_text_or(*asked, "issuer", "?")) == 0 ||
        strcmp(json_text_or(doc->body, "name", ""), json_text_or(*asked, "name", "?")) == 0;
    if (same) {
        *asked = NULL;
    }
    return !same;
}

static bool issuer_put(struct api_call *call, json_t *body, struct error *err)
{
    const json_t *left = body;
    const char *key = arena_printf(&call->arena, "issuers/%s", json_text_or(body, "name", ""));
    if (!store_each(call->control->store, STORE_ISSUER, "", same_issuer, &left, err)) {
        return false;
    }
    if (left == NULL) {
        return error_set(err, STATUS_ALREADY_EXISTS,
                         "An issuer of that name or URL exists already; remove it first.");
    }
    auto_json *told = shown(body);
    auto_change *change = api_change(call, err);
    return change != NULL &&
           store_put(call->control->store, STORE_ISSUER, key, body, NULL, NULL, err) &&
           change_issuer(change, key, err) &&
           change_audit(change, key, "add-issuer", NULL, told, err) && change_commit(&change, err);
}

static void issuer_added(struct api_call *call, json_t *body)
{
    struct error err;
    auto_json *taken = body;
    bool good = issuer_put(call, taken, &err);
    api_answer(call, good, good ? shown(taken) : NULL, &err);
}

/* The keys have come, or not: the call goes on. */
static void issuer_fetched(struct control *control, void *ctx, const char *text, const char *why)
{
    (void)control;
    struct api_call *call = ctx;
    auto_json *body = call->user;
    struct error err;
    json_t *jwks = text == NULL ? NULL : json_read(slice_of(text), &err);
    if (jwks == NULL) {
        error_field(&err, "jwksUri", "No key set could be read from there: %s.",
                    why == NULL ? "it is not JSON" : why);
        api_fail(call, &err);
        return;
    }
    json_object_set_new(body, "jwks", jwks);
    issuer_added(call, json_steal(&body));
}

/* ---- one that people sign in with ---- */

/* The secret is sealed, and a pool is named, whose members its people are. */
static bool sign_in_prepare(struct api_call *call, json_t *body, struct error *err)
{
    json_t *sign_in = json_object_get(body, "signIn");
    const char *name = json_text_or(body, "name", "");
    const char *secret = json_text_or(sign_in, "clientSecret", "");
    const char *sealed;
    if (secret[0] != '\0') {
        if (!provider_seal(call->control, &call->arena,
                           arena_printf(&call->arena, "issuers/%s", name), slice_of(secret),
                           &sealed, err)) {
            return false;
        }
        json_object_set_new(sign_in, "sealedSecret", json_string(sealed));
    }
    json_object_del(sign_in, "clientSecret");
    if (json_text(body, "pool") == NULL) {
        json_object_set_new(
            body, "pool",
            json_string(arena_printf(
                &call->arena, "iam.googleapis.com/locations/global/workforcePools/%s", name)));
    }
    return true;
}

static void issuer_described(struct control *control, void *ctx, long status, const char *text,
                             const char *why)
{
    struct api_call *call = ctx;
    json_t *body = call->user;
    struct error err;
    json_t *description = NULL;
    if (status != 200) {
        error_field(&err, "issuer", "Its description, %s, could not be read: %s.",
                    provider_description_url(&call->arena, json_text_or(body, "issuer", "")),
                    why != NULL ? why : arena_printf(&call->arena, "it answered with %ld", status));
    } else {
        description = provider_description(json_text_or(body, "issuer", ""), text, &err);
    }
    if (description == NULL) {
        json_decref(body);
        api_fail(call, &err);
        return;
    }
    const char *uri =
        arena_string(&call->arena, slice_of(json_text_or(description, "jwks_uri", "")));
    json_object_set_new(body, "jwksUri", json_string(uri));
    json_object_set_new(body, "description", description);
    jwks_fetch(control, uri, issuer_fetched, call);
}

static void issuers_create(struct api_call *call)
{
    struct error err;
    auto_json *body = fields_read(issuer_fields, call->body, "", &err);
    if (body == NULL || !issuer_check(call, body, &err)) {
        api_fail(call, &err);
        return;
    }
    if (json_object_get(body, "signIn") != NULL) {
        if (!sign_in_prepare(call, body, &err)) {
            api_fail(call, &err);
            return;
        }
        const struct fetch_plan plan = {
            .uri = provider_description_url(&call->arena, json_text_or(body, "issuer", ""))};
        call->user = json_steal(&body);
        http_fetch(call->control, &plan, issuer_described, call);
        return;
    }
    const char *uri = json_text(body, "jwksUri");
    if (uri == NULL || json_object_get(body, "jwks") != NULL) {
        issuer_added(call, json_steal(&body));
        return;
    }
    call->user = json_steal(&body);
    jwks_fetch(call->control, uri, issuer_fetched, call);
}

static bool is_of_provider(const json_t *body, void *ctx)
{
    return strcmp(json_text_or(body, "provider", ""), ctx) == 0;
}

/* Signs out everybody who signed in with it: a later issuer of the same name is another one. */
static void issuers_delete(struct api_call *call)
{
    struct error err;
    unsigned count;
    const char *key = arena_printf(&call->arena, "issuers/%s", api_param(call, "issuer"));
    if (!store_load(call->control->store, STORE_ISSUER, key, NULL, &err, "There is no issuer %s.",
                    api_param(call, "issuer"))) {
        api_fail(call, &err);
        return;
    }
    if (!session_end_all(call, key, "sign-out-by-removal", NULL, is_of_provider,
                         (void *)(uintptr_t)key, &count, &err)) {
        api_fail(call, &err);
        return;
    }
    auto_change *change = api_change(call, &err);
    if (change == NULL || !store_delete(call->control->store, STORE_ISSUER, key, &err) ||
        !change_issuer(change, key, &err) ||
        !change_audit(change, key, "remove-issuer", NULL, NULL, &err) ||
        !change_commit(&change, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, json_object());
}

/* Answered once each of its sessions has been asked about. */
static void renewed(void *ctx)
{
    api_reply(ctx, json_object());
}

static void issuers_renew(struct api_call *call)
{
    struct error err;
    struct provider provider;
    auto_json *body = NULL;
    const char *key = arena_printf(&call->arena, "issuers/%s", api_param(call, "issuer"));
    if (!provider_find(call->control, &call->arena, key, &provider, &body, &err)) {
        api_fail(call, &err);
        return;
    }
    renewals_now(call->control->renewals, key, renewed, call);
}

/* As in homerun.c: who is believed decides over everything. */
#define ROOT   "resourcemanager.organizations.setIamPolicy", "organization"
#define READ   "resourcemanager.projects.getIamPolicy", "installation"
#define METHOD "homerun.v1."

const struct api_route issuer_routes[] = {
    {"GET", "/homerun/v1/issuers", READ, 0, issuers_list, METHOD "ListIssuers"},
    {"POST", "/homerun/v1/issuers", ROOT, 0, issuers_create, METHOD "CreateIssuer"},
    {"DELETE", "/homerun/v1/issuers/{issuer}", ROOT, 0, issuers_delete, METHOD "DeleteIssuer"},
    {"POST", "/homerun/v1/issuers/{issuer}:renew", ROOT, 0, issuers_renew, METHOD "RenewSessions",
     api_no_fields},
};
const size_t issuer_route_count = sizeof(issuer_routes) / sizeof(issuer_routes[0]);
