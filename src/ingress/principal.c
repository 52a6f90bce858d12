/*
 * A principal has several names that a binding may know them by: their own, their groups', their
 * domain's, allAuthenticatedUsers. Each is looked up on the service, its project and upwards, and
 * unconditional grants are tried before any condition is.
 */
#include "ingress/principal.h"

#include "policy/path.h"

enum { NAMES_OWN_MAX = 8 };

/* ---- grants ---- */

static bool path_is_ready(struct circumstances *circumstances)
{
    if (circumstances->path == PATH_UNREAD) {
        enum path_fault fault = path_normal(circumstances->arena, circumstances->target,
                                            &circumstances->env.path);
        circumstances->path = fault == PATH_FINE ? PATH_NORMAL : PATH_UNCLEAR;
    }
    return circumstances->path == PATH_NORMAL;
}

static enum grant condition_judge(struct slice program, struct circumstances *circumstances)
{
    circumstances->asked = true;
    if (cel_reads_path(program) && !path_is_ready(circumstances)) {
        return GRANT_PATH_UNCLEAR;
    }
    return cel_eval(program, &circumstances->env, circumstances->arena) == CEL_TRUE ? GRANT_YES
                                                                                    : GRANT_NO;
}

/* YES wins over UNCLEAR, which wins over NO. */
static enum grant either(enum grant a, enum grant b)
{
    if (a == GRANT_YES || b == GRANT_YES) {
        return GRANT_YES;
    }
    return a == GRANT_NO ? b : a;
}

static enum grant node_judge(const struct index_reader *reader, uint64_t node, struct slice member,
                             struct circumstances *circumstances, struct grant_scratch *scratch)
{
    size_t max = sizeof(scratch->grants) / sizeof(scratch->grants[0]);
    size_t count = index_reader_grants(reader, node, member, scratch->grants, max);
    enum grant grant = GRANT_NO;
    for (size_t i = 0; i < count; i++) {
        if (scratch->grants[i].program.len == 0) {
            return GRANT_YES;
        }
    }
    for (size_t i = 0; i < count && grant != GRANT_YES; i++) {
        grant = either(grant, condition_judge(scratch->grants[i].program, circumstances));
    }
    return grant;
}

enum grant grants_judge(const struct index_reader *reader, const uint64_t *nodes, size_t count,
                        struct slice member, struct circumstances *circumstances,
                        struct grant_scratch *scratch)
{
    enum grant grant = GRANT_NO;
    for (size_t i = 0; i < count && grant != GRANT_YES; i++) {
        grant = either(grant, node_judge(reader, nodes[i], member, circumstances, scratch));
    }
    return grant;
}

/* ---- audience ---- */

static bool audience_fits(const struct index_service *service, struct slice audience)
{
    for (size_t i = 0; i < service->audience_count; i++) {
        struct slice wanted = service->audiences[i];
        if (slice_equal(wanted, audience)) {
            return true;
        }
        if (i < service->url_audience_count && audience.len == wanted.len + 1 &&
            audience.data[wanted.len] == '/' && slice_starts(audience, wanted)) {
            return true;
        }
    }
    return false;
}

/* *strip: gcloud's audience is among them, so the token would fit other services too. */
static bool audiences_fit(const struct index_service *service, const struct index_issuer *issuer,
                          const struct token *claims, bool *strip)
{
    bool fits = false;
    *strip = false;
    for (size_t i = 0; i < claims->audience_count; i++) {
        if (issuer->ours && slice_is(claims->audiences[i], GCLOUD_AUDIENCE)) {
            *strip = fits = true;
        } else if (audience_fits(service, claims->audiences[i])) {
            fits = true;
        }
    }
    return fits;
}

/* ---- names ---- */

struct names {
    struct slice items[NAMES_OWN_MAX]; /* the first is the principal's own, if there is one */
    size_t count;
};

static void add(struct names *names, struct slice name)
{
    if (name.len > 0 && names->count < NAMES_OWN_MAX) {
        names->items[names->count++] = name;
    }
}

static void add_text(struct names *names, struct arena *arena, const char *before,
                     struct slice value)
{
    if (value.len > 0) {
        add(names, slice_of(arena_printf(arena, "%s%.*s", before, SLICE_ARG(value))));
    }
}

static struct slice lower(struct arena *arena, struct slice text)
{
    char *out = arena_string(arena, text);
    for (size_t i = 0; i < text.len; i++) {
        if (out[i] >= 'A' && out[i] <= 'Z') {
            out[i] = (char)(out[i] + 32);
        }
    }
    return (struct slice){out, text.len};
}

static bool is_authority_of(const struct index_issuer *issuer, struct slice domain)
{
    struct slice rest = issuer->domains;
    struct slice part;
    while (domain.len > 0 && slice_cut(&rest, ',', &part)) {
        if (slice_equal_nocase(slice_trim(part), domain)) {
            return true;
        }
    }
    return false;
}

/* An account of our own: what the index says of its sub, whatever else the token claims. */
static bool names_of_account(const struct index_reader *reader, const struct token *claims,
                             struct arena *arena, struct names *out)
{
    struct index_account account;
    if (claims->sub.len == 0 || !index_reader_account(reader, claims->sub, &account) ||
        account.state != INDEX_ACCOUNT_ACTIVE) {
        return false;
    }
    /* Minted through a key of the account: that key must still be there and enabled. */
    if (claims->user_key.len > 0 && !index_reader_user_key(reader, claims->user_key)) {
        return false;
    }
    add(out, account.member);
    add_text(out, arena, "domain:", account.domain);
    return out->count > 0;
}

/*
 * An e-mail address counts if it is verified and the issuer may speak for it: Google for all users,
 * others for the domains that they are authoritative for. Nobody outside speaks for a service
 * account, unless the operator has listed its domain: our project IDs are not Google's.
 */
static void add_email(const struct index_issuer *issuer, const struct token *claims,
                      struct arena *arena, struct names *out)
{
    static const struct slice robots = SLICE_INIT("gserviceaccount.com");
    struct slice email = lower(arena, claims->email);
    ptrdiff_t at = slice_find_last(email, '@');
    if (!claims->email_verified || at <= 0 || slice_find(email, ':') >= 0) {
        return;
    }
    struct slice domain = slice_from(email, (size_t)at + 1);
    bool authority = is_authority_of(issuer, domain);
    bool robot = slice_ends(domain, robots);
    if (!authority && (robot || !issuer->google_like)) {
        return;
    }
    add_text(out, arena, robot ? "serviceAccount:" : "user:", email);
    if (authority && !robot) {
        add_text(out, arena, "domain:", domain);
    }
}

static void names_of_stranger(const struct index_issuer *issuer, const struct token *claims,
                              struct arena *arena, struct names *out)
{
    if (issuer->pool.len > 0 && claims->sub.len > 0) {
        add(out, slice_of(arena_printf(arena, "principal://%.*s/subject/%.*s",
                                       SLICE_ARG(issuer->pool), SLICE_ARG(claims->sub))));
        add(out, slice_of(arena_printf(arena, "principalSet://%.*s/*", SLICE_ARG(issuer->pool))));
    }
    add_email(issuer, claims, arena, out);
    if (is_authority_of(issuer, claims->hd)) {
        add_text(out, arena, "domain:", lower(arena, claims->hd));
    }
}

static void name_principal(struct verified_token *token, const struct names *names)
{
    struct slice name = names->count > 0 ? names->items[0] : token->claims.sub;
    name = slice_upto(name, TOKEN_PRINCIPAL_MAX);
    if (name.len > 0) {
        memcpy(token->principal, name.data, name.len);
    }
    token->principal_len = (uint16_t)name.len;
}

/* ---- the judgement ---- */

static enum grant names_judge(const struct index_reader *reader,
                              const struct index_service *service, const struct names *names,
                              struct circumstances *circumstances, struct grant_scratch *scratch)
{
    enum grant grant = GRANT_NO;
    for (size_t i = 0; i < names->count && grant != GRANT_YES; i++) {
        grant = either(grant, grants_judge(reader, service->nodes, service->node_count,
                                           names->items[i], circumstances, scratch));
    }
    for (size_t i = 0; i < names->count && grant != GRANT_YES; i++) {
        size_t max = sizeof(scratch->groups) / sizeof(scratch->groups[0]);
        size_t count = index_reader_groups(reader, names->items[i], scratch->groups, max);
        for (size_t k = 0; k < count && grant != GRANT_YES; k++) {
            grant = either(grant, grants_judge(reader, service->nodes, service->node_count,
                                               scratch->groups[k], circumstances, scratch));
        }
    }
    return grant;
}

void principal_judge(const struct index_reader *reader, const struct index_service *service,
                     struct verified_token *token, struct circumstances *circumstances,
                     struct grant_scratch *scratch, struct token_memo *out)
{
    struct index_issuer issuer;
    struct names names = {.count = 0};
    const struct token *claims = &token->claims;
    *out = (struct token_memo){.fault = TOKEN_ISSUER, .grant = GRANT_NO};
    if (!index_reader_issuer(reader, claims->iss, &issuer)) {
        return;
    }
    if (issuer.ours) {
        bool stands = names_of_account(reader, claims, circumstances->arena, &names);
        out->fault = stands ? TOKEN_OK : TOKEN_SUBJECT;
    } else {
        names_of_stranger(&issuer, claims, circumstances->arena, &names);
        out->fault = claims->sub.len > 0 ? TOKEN_OK : TOKEN_SUBJECT;
    }
    name_principal(token, &names);
    if (out->fault == TOKEN_OK && !audiences_fit(service, &issuer, claims, &out->strip)) {
        out->fault = TOKEN_AUDIENCE;
    }
    if (out->fault != TOKEN_OK) {
        return;
    }
    if (issuer.ours || issuer.google_like) {
        add(&names, SLICE("allAuthenticatedUsers"));
    }
    out->grant = names_judge(reader, service, &names, circumstances, scratch);
}
