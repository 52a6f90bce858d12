/* iamcredentials.googleapis.com/v1: tokens and signatures on behalf of a service account. */
#include "control/api/iamcredentials.h"

#include "base/clock.h"
#include "base/encode.h"
#include "control/access/orgpolicy.h"
#include "control/identity/account_keys.h"
#include "control/identity/accounts.h"
#include "control/identity/issuer_mint.h"
#include "ipc/signer_client.h"

enum {
    LIFETIME_MAX_S = 3600,
    LIFETIME_EXTENDED_S = 12 * 3600,
    DELEGATES_MAX = 8,
    PAYLOAD_MAX = 32768
};

/* Go's library says the path's parameter in the body once more: it is passed over. */
#define NAME                                                                                       \
    {                                                                                              \
        .name = "name", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY                           \
    }

static const struct field access_fields[] = {
    NAME,
    {.name = "delegates", .kind = FIELD_LIST, .item = FIELD_STRING},
    {.name = "scope", .kind = FIELD_LIST, .item = FIELD_STRING, .flags = FIELD_REQUIRED},
    {.name = "lifetime", .kind = FIELD_DURATION},
    {0},
};
static const struct field id_fields[] = {
    NAME,
    {.name = "delegates", .kind = FIELD_LIST, .item = FIELD_STRING},
    {.name = "audience", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
    {.name = "includeEmail", .kind = FIELD_BOOL},
    {.name = "organizationNumberIncluded", .kind = FIELD_BOOL},
    {0},
};
static const struct field sign_fields[] = {
    NAME,
    {.name = "delegates", .kind = FIELD_LIST, .item = FIELD_STRING},
    {.name = "payload", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
    {0},
};

/* PERMISSION on an account, which its address or unique ID names; the sentence names the role that
 * helps. */
static bool allowed_on(struct api_call *call, const char *permission, const char *named,
                       struct account *out, struct error *err)
{
    struct control *control = call->control;
    bool found = strchr(named, '@') != NULL
                     ? account_by_email(control, &call->arena, slice_of(named), out)
                     : account_by_sub(control, &call->arena, slice_of(named), out);
    const char *resource = found && !out->user
                               ? out->key
                               : arena_printf(&call->arena, "projects/-/serviceAccounts/%s", named);
    if (!api_holds(call, permission, resource) || !found || out->user) {
        call->denied_permission = permission;
        call->denied_resource = resource;
        return error_set(err, STATUS_PERMISSION_DENIED,
                         "Permission '%s' denied on resource (or it may not exist). The caller "
                         "needs roles/iam.serviceAccountTokenCreator on %s; being an Owner is not "
                         "enough.",
                         permission, named);
    }
    if (out->disabled) {
        return error_set(err, STATUS_FAILED_PRECONDITION, "The service account %s is disabled.",
                         named);
    }
    return true;
}

/*
 * The chain of delegates: the caller may act through the first, that one through the next, and the
 * last through the target. Each link is judged with the identity of the one before.
 */
static bool through_delegates(struct api_call *call, const json_t *asked, const char *permission,
                              struct account *out, struct error *err)
{
    const json_t *delegates = json_object_get(asked, "delegates");
    size_t i;
    json_t *one;
    struct caller original = call->caller;
    if (json_array_size(delegates) > DELEGATES_MAX) {
        return error_field(err, "delegates", "At most %d delegates.", DELEGATES_MAX);
    }
    json_array_foreach(delegates, i, one)
    {
        struct slice name = slice_of(json_string_value(one));
        name = slice_from(name, (size_t)(slice_find_last(name, '/') + 1));
        struct account link;
        if (!allowed_on(call, "iam.serviceAccounts.implicitDelegation",
                        arena_string(&call->arena, name), &link, err)) {
            call->caller = original;
            return false;
        }
        account_caller(call->control, &call->arena, &link, &call->caller);
    }
    bool good = allowed_on(call, permission, api_param(call, "account"), out, err);
    call->caller = original;
    return good;
}

/* Reads the body by TABLE and finds the target; NULL after an answer was given. */
static json_t *admit(struct api_call *call, const struct field *table, const char *permission,
                     struct account *out)
{
    struct error err;
    auto_json *cleaned = json_copy(call->body);
    if (json_is_null(json_object_get(cleaned, "delegates"))) {
        json_object_del(cleaned, "delegates"); /* gcloud sends null */
    }
    auto_json *asked = fields_read(table, cleaned, "", &err);
    if (asked == NULL || !through_delegates(call, asked, permission, out, &err)) {
        api_fail(call, &err);
        return NULL;
    }
    return json_steal(&asked);
}

/* A list of texts without spaces: else one could be taken for two. */
static bool all_said(const json_t *scopes)
{
    size_t i;
    json_t *one;
    json_array_foreach(scopes, i, one)
    {
        if (json_string_length(one) == 0 || strpbrk(json_string_value(one), " \t\r\n") != NULL) {
            return false;
        }
    }
    return i > 0;
}

static const char *joined_scopes(struct arena *arena, const json_t *scopes)
{
    const char *out = "";
    size_t i;
    json_t *one;
    json_array_foreach(scopes, i, one)
    {
        out = arena_printf(arena, "%s%s%s", out, i == 0 ? "" : " ", json_string_value(one));
    }
    return out;
}

static void generate_access_token(struct api_call *call)
{
    struct error err;
    struct account account;
    struct slice token;
    int64_t lifetime_us = (int64_t)LIFETIME_MAX_S * 1000000;
    auto_json *asked = admit(call, access_fields, "iam.serviceAccounts.getAccessToken", &account);
    if (asked == NULL) {
        return;
    }
    if (!all_said(json_object_get(asked, "scope"))) {
        error_field(&err, "scope", "At least one scope is required, and none may be empty.");
        api_fail(call, &err);
        return;
    }
    duration_read(slice_of(json_text_or(asked, "lifetime", "")), &lifetime_us);
    int max_s = lifetime_us > (int64_t)LIFETIME_MAX_S * 1000000 &&
                        orgpolicy_extends_lifetime(call, account.key, account.email)
                    ? LIFETIME_EXTENDED_S
                    : LIFETIME_MAX_S;
    if (lifetime_us <= 0 || lifetime_us > (int64_t)max_s * 1000000) {
        error_field(&err, "lifetime",
                    "The lifetime must be over 0 and at most %d seconds; the constraint "
                    "iam.allowServiceAccountCredentialLifetimeExtension lists accounts that may "
                    "have 12 hours.",
                    max_s);
        api_fail(call, &err);
        return;
    }
    struct token_grant grant = {
        .sub = account.sub,
        .email = account.email,
        .scope = joined_scopes(&call->arena, json_object_get(asked, "scope")),
        .seconds = lifetime_us / 1000000,
    };
    if (!issuer_access_token(call->control, &call->arena, &grant, &token, &err)) {
        api_fail(call, &err);
        return;
    }
    char *expiry =
        arena_string(&call->arena, time_text(&call->arena, clock_wall_us() + lifetime_us));
    memcpy(strchr(expiry, '.'), "Z", 2); /* whole seconds, as clients parse it */
    api_reply(call,
              json_pack("{s:o, s:s}", "accessToken", json_slice(token), "expireTime", expiry));
}

static void generate_id_token(struct api_call *call)
{
    struct error err;
    struct account account;
    struct slice token;
    auto_json *asked = admit(call, id_fields, "iam.serviceAccounts.getOpenIdToken", &account);
    if (asked == NULL) {
        return;
    }
    if (json_text_or(asked, "audience", "")[0] == '\0') {
        error_field(&err, "audience", "The audience must not be empty.");
        api_fail(call, &err);
        return;
    }
    struct token_grant grant = {
        .sub = account.sub,
        .email = account.email,
        .audience = json_text_or(asked, "audience", ""),
        .without_email = !json_flag(asked, "includeEmail", false),
    };
    if (!issuer_id_token(call->control, &call->arena, &grant, &token, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, json_pack("{s:o}", "token", json_slice(token)));
}

static void sign_jwt(struct api_call *call)
{
    struct error err;
    struct account account;
    struct slice signature;
    char kid[64];
    auto_json *asked = admit(call, sign_fields, "iam.serviceAccounts.signJwt", &account);
    if (asked == NULL) {
        return;
    }
    struct slice payload = slice_of(json_text_or(asked, "payload", ""));
    auto_json *claims = payload.len > PAYLOAD_MAX ? NULL : json_read(payload, &err);
    if (!json_is_object(claims)) {
        error_field(&err, "payload", "The payload must be a JSON object of at most %d bytes.",
                    PAYLOAD_MAX);
        api_fail(call, &err);
        return;
    }
    /* A JWT that claims to come from our issuer would be an ID token of anybody's: never. */
    const char *iss = json_text_or(claims, "iss", "");
    if (strcmp(iss, call->control->url) == 0 || strcmp(iss, call->control->settings.api_url) == 0) {
        error_field(&err, "payload", "The issuer of a self-signed JWT must be the account.");
        api_fail(call, &err);
        return;
    }
    const json_t *exp = json_object_get(claims, "exp");
    int64_t now_s = clock_wall_us() / 1000000;
    if (exp != NULL && (!json_is_integer(exp) || json_integer_value(exp) < now_s ||
                        json_integer_value(exp) > now_s + LIFETIME_EXTENDED_S)) {
        error_field(&err, "payload", "exp must be a time of the next 12 hours, in seconds.");
        api_fail(call, &err);
        return;
    }
    if (!signer_call_account(call->control->signer_fd, &call->control->signer_next_id,
                             SIGN_ACCOUNT_JWT, slice_of(account.sub), payload, &call->arena,
                             &signature, kid, &err) ||
        !account_know_own_key(call->control, call, &account, kid, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, json_pack("{s:s, s:o}", "keyId", kid, "signedJwt", json_slice(signature)));
}

static void sign_blob(struct api_call *call)
{
    struct error err;
    struct account account;
    struct slice bytes;
    struct slice signature;
    char kid[64];
    auto_json *asked = admit(call, sign_fields, "iam.serviceAccounts.signBlob", &account);
    if (asked == NULL) {
        return;
    }
    if (!base64_decode_any(&call->arena, slice_of(json_text_or(asked, "payload", "")), &bytes) ||
        bytes.len > PAYLOAD_MAX) {
        error_field(&err, "payload", "The payload must be base64 of at most %d bytes.",
                    PAYLOAD_MAX);
        api_fail(call, &err);
        return;
    }
    if (!signer_call_account(call->control->signer_fd, &call->control->signer_next_id,
                             SIGN_ACCOUNT_BLOB, slice_of(account.sub), bytes, &call->arena,
                             &signature, kid, &err) ||
        !account_know_own_key(call->control, call, &account, kid, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, json_pack("{s:s, s:o}", "keyId", kid, "signedBlob",
                              json_slice(base64_encode(&call->arena, signature))));
}

#define ACCOUNT "/v1/projects/{project}/serviceAccounts/{account}"
#define METHOD  "google.iam.credentials.v1.IAMCredentials."

const struct api_route iamcredentials_routes[] = {
    {"POST", ACCOUNT ":generateAccessToken", NULL, NULL, API_SELF_CHECKED, generate_access_token,
     METHOD "GenerateAccessToken", .why = API_WHY_ASKED},
    {"POST", ACCOUNT ":generateIdToken", NULL, NULL, API_SELF_CHECKED, generate_id_token,
     METHOD "GenerateIdToken", .why = API_WHY_CHAIN},
    {"POST", ACCOUNT ":signJwt", NULL, NULL, API_SELF_CHECKED, sign_jwt, METHOD "SignJwt",
     .why = API_WHY_CHAIN},
    {"GET", ACCOUNT "/allowedLocations", NULL, NULL, 0, NULL,
     "google.iam.credentials.v1.IAMCredentials.GetAllowedLocations"},
    {"POST", ACCOUNT ":signBlob", NULL, NULL, API_SELF_CHECKED, sign_blob, METHOD "SignBlob",
     .why = API_WHY_CHAIN},
};
const size_t iamcredentials_route_count =
    sizeof(iamcredentials_routes) / sizeof(iamcredentials_routes[0]);
