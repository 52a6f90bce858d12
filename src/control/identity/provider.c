#include "control/identity/provider.h"

#include "base/clock.h"
#include "base/encode.h"
#include "control/identity/jwks_fetch.h"
#include "control/publish/change.h"
#include "ipc/signer_client.h"

/* ---- finding ---- */

static const char *text_in(struct arena *arena, const json_t *body, const char *path,
                           const char *otherwise)
{
    const char *text = json_text(body, path);
    return text == NULL ? otherwise : arena_string(arena, slice_of(text));
}

static void take(struct arena *arena, const struct store_doc *doc, struct provider *out)
{
    const json_t *body = doc->body;
    *out = (struct provider){
        .key = arena_string(arena, slice_of(doc->key)),
        .name = text_in(arena, body, "name", ""),
        .id = doc->id,
        .issuer = text_in(arena, body, "issuer", ""),
        .client_id = text_in(arena, body, "signIn.clientId", ""),
        .secret = "",
        .scopes = text_in(arena, body, "signIn.scopes", "openid profile email groups"),
        .groups_claim = text_in(arena, body, "signIn.groupsClaim", "groups"),
        .authorize_url = text_in(arena, body, "description.authorization_endpoint", ""),
        .token_url = text_in(arena, body, "description.token_endpoint", ""),
        .userinfo_url = text_in(arena, body, "description.userinfo_endpoint", NULL),
        .end_session_url = text_in(arena, body, "description.end_session_endpoint", NULL),
        .secret_in_form = json_flag(body, "description.secretInForm", false),
        .names_itself = json_flag(body, "description.namesItself", false),
        .described_us = json_number(body, "description.describedUs", 0),
        .body = body,
    };
}

static bool none(struct error *err)
{
    return error_set(err, STATUS_NOT_FOUND, "There is no identity provider of that name here.");
}

bool provider_find(struct control *control, struct arena *arena, const char *key,
                   struct provider *out, json_t **body, struct error *err)
{
    auto_doc doc = {0};
    switch (store_get(control->store, STORE_ISSUER, key, &doc, err)) {
    case STORE_ABSENT:
        return none(err);
    case STORE_FAILED:
        return false;
    case STORE_FOUND:
        break;
    }
    if (json_object_get(doc.body, "signIn") == NULL) {
        return none(err);
    }
    take(arena, &doc, out);
    *body = json_steal(&doc.body);
    return true;
}

struct wanted {
    struct slice issuer;
    struct store_doc found;
};

static bool is_wanted(const struct store_doc *doc, void *ctx)
{
    struct wanted *wanted = ctx;
    if (json_object_get(doc->body, "signIn") == NULL ||
        !slice_is(wanted->issuer, json_text_or(doc->body, "issuer", ""))) {
        return true;
    }
    wanted->found = *doc;
    json_incref(wanted->found.body);
    return false;
}

bool provider_find_issuer(struct control *control, struct arena *arena, struct slice issuer,
                          struct provider *out, json_t **body, struct error *err)
{
    struct wanted wanted = {.issuer = issuer};
    if (!store_each(control->store, STORE_ISSUER, "", is_wanted, &wanted, err)) {
        return false;
    }
    if (wanted.found.body == NULL) {
        return none(err);
    }
    take(arena, &wanted.found, out);
    *body = wanted.found.body;
    return true;
}

struct walk {
    bool (*fn)(const char *name, const char *shown, void *ctx);
    void *ctx;
};

static bool each_one(const struct store_doc *doc, void *ctx)
{
    const struct walk *walk = ctx;
    const char *name = json_text_or(doc->body, "name", "");
    return json_object_get(doc->body, "signIn") == NULL ||
           walk->fn(name, json_text_or(doc->body, "signIn.displayName", name), walk->ctx);
}

bool providers_each(struct control *control,
                    bool (*fn)(const char *name, const char *shown, void *ctx), void *ctx)
{
    struct walk walk = {fn, ctx};
    return store_each(control->store, STORE_ISSUER, "", each_one, &walk, NULL);
}

/* ---- sealing ---- */

bool provider_seal(struct control *control, struct arena *arena, const char *name,
                   struct slice text, const char **sealed, struct error *err)
{
    struct slice out;
    if (!signer_call_named(control->signer_fd, &control->signer_next_id, SIGN_SEAL, slice_of(name),
                           text, arena, &out, err)) {
        return false;
    }
    *sealed = arena_string(arena, base64_encode(arena, out));
    return true;
}

bool provider_unseal(struct control *control, struct arena *arena, const char *name,
                     const char *sealed, struct slice *text, struct error *err)
{
    struct slice bytes;
    return (base64_decode_any(arena, slice_of(sealed), &bytes) ||
            error_set(err, STATUS_DATA_LOSS, "what was sealed for %s is damaged", name)) &&
           signer_call_named(control->signer_fd, &control->signer_next_id, SIGN_OPEN,
                             slice_of(name), bytes, arena, text, err);
}

bool provider_open(struct control *control, struct arena *arena, struct provider *provider,
                   struct error *err)
{
    const char *sealed = json_text(provider->body, "signIn.sealedSecret");
    struct slice secret;
    if (sealed == NULL) {
        return true;
    }
    if (!provider_unseal(control, arena, provider->key, sealed, &secret, err)) {
        return false;
    }
    provider->secret = arena_string(arena, secret);
    return true;
}

/* ---- description ---- */

const char *provider_description_url(struct arena *arena, const char *issuer)
{
    size_t length = strlen(issuer);
    const char *slash = length > 0 && issuer[length - 1] == '/' ? "" : "/";
    return arena_printf(arena, "%s%s.well-known/openid-configuration", issuer, slash);
}

static bool lists(const json_t *value, const char *wanted)
{
    size_t i;
    json_t *one;
    json_array_foreach(value, i, one)
    {
        if (json_is_string(one) && strcmp(json_string_value(one), wanted) == 0) {
            return true;
        }
    }
    return false;
}

static bool keep_endpoint(json_t *out, const json_t *about, const char *name, bool needed,
                          struct error *err)
{
    auto_arena arena = {0};
    const char *url = json_text(about, name);
    if (url == NULL) {
        return !needed || error_field(err, "issuer", "Its description names no %s.", name);
    }
    if (strlen(url) > 1000 || strchr(url, '#') != NULL || !jwks_may_be_fetched(&arena, url)) {
        return error_field(err, "issuer", "Its %s is neither an https URL nor one of this machine.",
                           name);
    }
    json_object_set_new(out, name, json_string(url));
    return true;
}

/* What it cannot do without, of lists that it may leave out. */
static bool fits(const json_t *about, struct error *err)
{
    const json_t *methods = json_object_get(about, "code_challenge_methods_supported");
    const json_t *types = json_object_get(about, "response_types_supported");
    if (types != NULL && !lists(types, "code")) {
        return error_field(err, "issuer", "It does not offer the authorization code flow.");
    }
    return methods == NULL || lists(methods, "S256") ||
           error_field(err, "issuer", "It offers PKCE, but not with S256.");
}

json_t *provider_description(const char *issuer, const char *text, struct error *err)
{
    auto_json *about = json_read(slice_of(text), err);
    auto_json *out = json_object();
    const json_t *methods = json_object_get(about, "token_endpoint_auth_methods_supported");
    const json_t *algs = json_object_get(about, "id_token_signing_alg_values_supported");
    bool good = about != NULL;
    if (good && strcmp(json_text_or(about, "issuer", ""), issuer) != 0) {
        good = error_field(err, "issuer",
                           "Its description is of the issuer %.200s, and must be of %.200s, byte "
                           "for byte. Give the one that it has.",
                           json_text_or(about, "issuer", "(none)"), issuer);
    }
    good = good && fits(about, err) &&
           keep_endpoint(out, about, "authorization_endpoint", true, err) &&
           keep_endpoint(out, about, "token_endpoint", true, err) &&
           keep_endpoint(out, about, "jwks_uri", true, err) &&
           keep_endpoint(out, about, "userinfo_endpoint", false, err) &&
           keep_endpoint(out, about, "end_session_endpoint", false, err);
    if (good) {
        json_object_set_new(out, "secretInForm",
                            json_boolean(methods != NULL &&
                                         !lists(methods, "client_secret_basic") &&
                                         lists(methods, "client_secret_post")));
        json_object_set_new(out, "namesItself",
                            json_boolean(json_is_true(json_object_get(
                                about, "authorization_response_iss_parameter_supported"))));
        if (json_is_array(algs)) {
            json_object_set_new(out, "algs", json_deep_copy(algs));
        }
        json_object_set_new(out, "describedUs", json_integer((json_int_t)clock_wall_us()));
    }
    return good ? json_steal(&out) : NULL;
}

bool provider_describe(struct control *control, const struct provider *provider,
                       json_t *description, struct error *err)
{
    struct store_doc doc;
    if (store_get(control->store, STORE_ISSUER, provider->key, &doc, err) != STORE_FOUND) {
        return false;
    }
    auto_json *body = doc.body;
    if (doc.id != provider->id) {
        return error_set(err, STATUS_ABORTED, "the provider was replaced meanwhile");
    }
    json_object_set(body, "jwksUri", json_object_get(description, "jwks_uri"));
    json_object_set(body, "description", description);
    auto_change *change = change_begin(control, NULL, err);
    return change != NULL &&
           store_put(control->store, STORE_ISSUER, provider->key, body, NULL, NULL, err) &&
           change_issuer(change, provider->key, err) &&
           change_audit(change, provider->key, "refresh-issuer", NULL, NULL, err) &&
           change_commit(&change, err);
}
