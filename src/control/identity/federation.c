#include "control/identity/federation.h"

#include <stdlib.h>

#include "base/clock.h"
#include "control/record/groups.h"
#include "control/record/projects.h"

enum { NAME_MAX_BYTES = 400, PROVIDER_MAX = 63, KEYS_MAX = 64 };

static const char host[] = "iam.googleapis.com/";

void federation_done(struct federation *federation)
{
    json_decref(federation->body);
    federation->body = NULL;
}

/* ---- finding ---- */

/* The pool's key in the record, "projects/ID/…", where its project is here; NULL else. Only the
 * project's number is a name of it: two names would be two identities. */
static const char *pool_key(struct control *control, struct arena *arena, struct slice pool)
{
    static const struct slice before = SLICE_INIT("iam.googleapis.com/projects/");
    struct slice number;
    uint64_t value;
    if (!slice_starts(pool, before)) {
        return NULL;
    }
    struct slice rest = slice_from(pool, before.len);
    if (!slice_cut(&rest, '/', &number) || !slice_to_u64(number, &value)) {
        return NULL;
    }
    const char *id = project_id(control, arena, arena_string(arena, number));
    const char *known = id == NULL ? NULL : project_number(control, arena, id);
    if (known == NULL || !slice_is(number, known) ||
        !project_is_live(control, arena, arena_printf(arena, "projects/%s", id))) {
        return NULL;
    }
    return arena_printf(arena, "projects/%s/%.*s", id, SLICE_ARG(rest));
}

/* Whether a pool, if it is in the record, may be used; *known: it is there. */
static bool pool_stands(struct control *control, const char *key, bool *known)
{
    auto_doc doc = {0};
    *known = false;
    if (key == NULL) {
        return true;
    }
    switch (store_get(control->store, STORE_POOL, key, &doc, NULL)) {
    case STORE_ABSENT:
        return true;
    case STORE_FAILED:
        return false;
    case STORE_FOUND:
        break;
    }
    *known = true;
    return !json_flag(doc.body, "disabled", false);
}

bool federation_pool_known(struct control *control, struct arena *arena, struct slice pool)
{
    bool known;
    pool_stands(control, pool_key(control, arena, pool), &known);
    return known;
}

static bool load(struct control *control, struct arena *arena, const char *kind, const char *key,
                 struct federation *out)
{
    struct store_doc doc;
    if (store_get(control->store, kind, key, &doc, NULL) != STORE_FOUND) {
        return false;
    }
    out->kind = kind;
    out->key = arena_string(arena, slice_of(key));
    out->id = doc.id;
    out->body = doc.body;
    return !json_flag(doc.body, "disabled", false);
}

/* A provider that the pool's project has made. */
static bool find_provider(struct control *control, struct arena *arena, const char *key,
                          struct slice provider, struct federation *out)
{
    const char *full = arena_printf(arena, "%s/providers/%.*s", key, SLICE_ARG(provider));
    if (!load(control, arena, STORE_PROVIDER, full, out)) {
        return false;
    }
    out->issuer = json_text_or(out->body, "oidc.issuerUri", "");
    out->discovers = json_text(out->body, "oidc.jwksJson") == NULL;
    return true;
}

/* An issuer of the installation, if it was added with just this pool. */
static bool find_issuer(struct control *control, struct arena *arena, struct slice provider,
                        struct federation *out)
{
    const char *key = arena_printf(arena, "issuers/%.*s", SLICE_ARG(provider));
    if (!load(control, arena, STORE_ISSUER, key, out) ||
        !slice_is(out->pool, json_text_or(out->body, "pool", ""))) {
        return false;
    }
    out->issuer = json_text_or(out->body, "issuer", "");
    out->jwks_uri = json_text(out->body, "jwksUri");
    return true;
}

bool federation_find(struct control *control, struct arena *arena, struct slice name,
                     struct federation *out)
{
    static const struct slice part = SLICE_INIT("/providers/");
    ptrdiff_t at = slice_find_slice(name, part);
    *out = (struct federation){0};
    if (name.len > NAME_MAX_BYTES || at < 0 || !slice_starts(name, slice_of(host)) ||
        !text_is_plain(name)) {
        return false;
    }
    bool known;
    out->name = arena_slice(arena, name);
    out->pool = slice_upto(out->name, (size_t)at);
    struct slice provider = slice_from(out->name, (size_t)at + part.len);
    const char *key = pool_key(control, arena, out->pool);
    if (provider.len == 0 || provider.len > PROVIDER_MAX || slice_find(provider, '/') >= 0 ||
        !pool_stands(control, key, &known)) {
        return false;
    }
    bool found = known && find_provider(control, arena, key, provider, out);
    /* What the project has made comes first, even where it is disabled. */
    if (!found && out->body == NULL) {
        found = find_issuer(control, arena, provider, out);
    }
    if (!found) {
        federation_done(out);
    }
    return found;
}

/* ---- believing ---- */

static bool audience_fits(struct arena *arena, const struct federation *federation,
                          struct slice audience)
{
    const json_t *allowed = json_at(federation->body, "oidc.allowedAudiences");
    size_t i;
    json_t *one;
    json_array_foreach(allowed, i, one)
    {
        if (slice_is(audience, json_string_value(one))) {
            return true;
        }
    }
    const char *name = arena_string(arena, federation->name);
    return json_array_size(allowed) == 0 &&
           (slice_is(audience, arena_printf(arena, "https://%s", name)) ||
            slice_is(audience, arena_printf(arena, "//%s", name)));
}

static bool audiences_fit(struct arena *arena, const struct federation *federation,
                          const struct token *token)
{
    for (size_t i = 0; i < token->audience_count; i++) {
        if (audience_fits(arena, federation, token->audiences[i])) {
            return true;
        }
    }
    return false;
}

static enum token_fault verify_signature(struct arena *arena, const struct federation *federation,
                                         const struct token *token)
{
    struct trust_jwk keys[KEYS_MAX];
    size_t count = 0;
    const json_t *jwks = json_object_get(federation->body, "jwks");
    if (jwks == NULL ||
        !trust_jwks_read(arena, json_write(arena, jwks), keys, KEYS_MAX, &count, NULL)) {
        return TOKEN_UNKNOWN_KEY;
    }
    for (size_t i = 0; i < count; i++) {
        if (!slice_equal(keys[i].kid, token->kid)) {
            continue;
        }
        struct trust_key *key = trust_key_from_spki(keys[i].spki, keys[i].alg, NULL);
        enum token_fault fault = key == NULL ? TOKEN_SIGNATURE : token_verify_signature(token, key);
        trust_key_free(key);
        return fault;
    }
    return TOKEN_UNKNOWN_KEY;
}

static enum token_fault judge(struct arena *arena, const struct federation *federation,
                              struct slice text, struct token *token)
{
    enum token_fault fault = token_parse(arena, text, token);
    if (fault != TOKEN_OK) {
        return fault;
    }
    if (token->iss.len == 0 || !slice_is(token->iss, federation->issuer)) {
        return TOKEN_ISSUER;
    }
    if (token->kid.len == 0) {
        return TOKEN_KIND;
    }
    if ((fault = verify_signature(arena, federation, token)) != TOKEN_OK ||
        (fault = token_verify_time(token, clock_wall_us() / 1000000)) != TOKEN_OK) {
        return fault;
    }
    return audiences_fit(arena, federation, token) ? TOKEN_OK : TOKEN_AUDIENCE;
}

static const char *fault_sentence(enum token_fault fault)
{
    static const struct {
        enum token_fault fault;
        const char *text;
    } sentences[] = {
        {TOKEN_MALFORMED, "The subject token is no JWT that can be read."},
        {TOKEN_TOO_LONG, "The subject token is too long."},
        {TOKEN_ALG,
         "The subject token's algorithm is not its key's, or not RS256, ES256 or EdDSA."},
        {TOKEN_SIGNATURE, "Invalid JWT Signature."},
        {TOKEN_EXPIRED, "The subject token has expired."},
        {TOKEN_NOT_YET, "The subject token is not valid yet: check this machine's clock."},
        {TOKEN_LIFETIME, "The subject token has no exp, or is for more than 24 hours."},
        {TOKEN_UNKNOWN_KEY, "The subject token's key (kid) is not among its issuer's."},
        {TOKEN_ISSUER, "The issuer (iss) of the subject token is not the provider's."},
        {TOKEN_KIND, "The subject token's header names no key (kid)."},
        {TOKEN_AUDIENCE,
         "The audience (aud) of the subject token is none of the provider's allowed audiences."},
    };
    for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++) {
        if (sentences[i].fault == fault) {
            return sentences[i].text;
        }
    }
    return "The subject token cannot be believed.";
}

enum token_fault federation_believe(struct arena *arena, const struct federation *federation,
                                    struct slice text, struct federated *out, struct error *err)
{
    struct token token;
    enum token_fault fault = judge(arena, federation, text, &token);
    *out = (struct federated){0};
    if (fault != TOKEN_OK) {
        error_set(err, STATUS_UNAUTHENTICATED, "%s", fault_sentence(fault));
        return fault;
    }
    auto_json *claims = json_read(token.payload, err);
    return claims != NULL &&
                   federation_map(arena, federation->pool, federation->body, claims, out, err)
               ? TOKEN_OK
               : TOKEN_SUBJECT;
}

/* ---- our own token ---- */

const char *federation_handle(struct arena *arena, const struct federation *federation)
{
    return arena_printf(arena, "%llu:%.*s", (unsigned long long)federation->id,
                        SLICE_ARG(federation->name));
}

bool federation_caller(struct control *control, struct arena *arena, const struct token *token,
                       struct caller *out)
{
    auto_federation federation = {0};
    struct slice name = token->user_key;
    struct slice number;
    uint64_t id;
    if (!slice_cut(&name, ':', &number) || !slice_to_u64(number, &id) ||
        !federation_find(control, arena, name, &federation) || federation.id != id) {
        return false;
    }
    struct slice found[GROUPS_MAX];
    struct slice *members =
        arena_array(arena, struct slice, GROUPS_MAX + FEDERATION_ATTRIBUTES_MAX + 3);
    size_t count = 0;
    size_t i;
    json_t *one;
    auto_json *claims = json_read(token->payload, NULL);
    members[count++] = token->sub;
    members[count++] =
        slice_of(arena_printf(arena, "principalSet://%.*s/*", SLICE_ARG(federation.pool)));
    json_array_foreach(json_object_get(claims, "homerun_sets"), i, one)
    {
        if (i < FEDERATION_ATTRIBUTES_MAX) {
            members[count++] = arena_slice(arena, slice_of(json_string_value(one)));
        }
    }
    size_t groups = groups_of(control, arena, token->sub, found);
    memcpy(members + count, found, groups * sizeof(found[0]));
    count += groups;
    members[count++] = SLICE("allUsers");
    *out = (struct caller){
        .authenticated = true,
        .federated = true,
        .sub = token->sub,
        .member = token->sub,
        .scope = token->scope,
        .principals = {.members = members, .count = count},
    };
    return true;
}
