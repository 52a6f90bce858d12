/*
 * From what a token says to what its owner may (docs/access.md, A11, C5 to C7). A principal has
 * several names that a binding may know them by: their own, their groups', their domain's,
 * allAuthenticatedUsers. Each is looked up on the service, its project and upwards.
 */
#include "policy/facts_inside.h"

enum { NAMES_MAX = 8 };

/* ---- audience ---- */

/* What may stand in a path (RFC 3986 section 3.3): no query, no fragment, nothing that could end
 * the host in some reader's eyes. */
static bool is_path_text(struct slice text)
{
    static const char marks[] = "/-._~!$&'()*+,;=:@%";
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && memchr(marks, c, sizeof(marks) - 1) == NULL) {
            return false;
        }
    }
    return true;
}

/* WANTED, or WANTED and a path: what Cloud Tasks, Scheduler and Pub/Sub push send by default. */
static bool is_below_url(struct slice audience, struct slice wanted)
{
    if (audience.len <= wanted.len || audience.data[wanted.len] != '/' ||
        !slice_starts(audience, wanted)) {
        return false;
    }
    struct slice path = slice_from(audience, wanted.len);
    return !slice_starts(path, SLICE("//")) && is_path_text(path);
}

static bool audience_fits(const struct facts_service *service, struct slice audience)
{
    for (size_t i = 0; i < service->audience_count; i++) {
        if (slice_equal(service->audiences[i], audience) ||
            (i < service->url_audience_count && is_below_url(audience, service->audiences[i]))) {
            return true;
        }
    }
    return false;
}

static bool audiences_fit(const struct facts_service *service, const struct facts_issuer *issuer,
                          const struct facts_claims *claims, bool *everywhere)
{
    bool fits = false;
    for (size_t i = 0; i < claims->audience_count; i++) {
        if (issuer->ours && slice_is(claims->audiences[i], GCLOUD_AUDIENCE)) {
            *everywhere = fits = true;
        } else if (audience_fits(service, claims->audiences[i])) {
            fits = true;
        }
    }
    return fits;
}

/* ---- names ---- */

struct names {
    struct slice items[NAMES_MAX]; /* the first is the principal's own, if there is one */
    size_t count;
};

static void add(struct names *names, struct slice name)
{
    if (name.len > 0 && names->count < NAMES_MAX) {
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

static bool is_authority_of(const struct facts_issuer *issuer, struct slice domain)
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

/* An account of our own: what is known of its sub, whatever else the token claims. */
static enum facts_fault names_of_account(const struct gathering *gathering,
                                         const struct facts_claims *claims, struct names *out)
{
    struct facts_account account;
    if (claims->sub.len == 0) {
        return FACTS_SUBJECT;
    }
    if (!gathering->lookups->account(gathering->ctx, claims->sub, &account) ||
        account.member.len == 0) {
        return FACTS_ACCOUNT_UNKNOWN;
    }
    switch (account.state) {
    case FACTS_ACCOUNT_ACTIVE:
        break;
    case FACTS_ACCOUNT_DISABLED:
        return FACTS_ACCOUNT_IS_DISABLED;
    case FACTS_ACCOUNT_DELETED:
        return FACTS_ACCOUNT_IS_DELETED;
    }
    if (claims->user_key.len > 0 &&
        !gathering->lookups->user_key(gathering->ctx, claims->user_key)) {
        return FACTS_KEY_REVOKED;
    }
    add(out, account.member);
    add_text(out, gathering->arena, "domain:", account.domain);
    return FACTS_NO_FAULT;
}

/*
 * An e-mail address counts if it is verified and the issuer may speak for it: Google for all users,
 * others for the domains that they are authoritative for. Nobody outside speaks for a service
 * account, unless the operator has listed its domain: our project IDs are not Google's.
 */
static void add_email(const struct facts_issuer *issuer, const struct facts_claims *claims,
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

static enum facts_fault names_of_stranger(const struct gathering *gathering,
                                          const struct facts_issuer *issuer,
                                          const struct facts_claims *claims, struct names *out)
{
    struct arena *arena = gathering->arena;
    if (claims->sub.len == 0) {
        return FACTS_SUBJECT;
    }
    if (issuer->pool.len > 0) {
        add(out, slice_of(arena_printf(arena, "principal://%.*s/subject/%.*s",
                                       SLICE_ARG(issuer->pool), SLICE_ARG(claims->sub))));
        add(out, slice_of(arena_printf(arena, "principalSet://%.*s/*", SLICE_ARG(issuer->pool))));
    }
    add_email(issuer, claims, arena, out);
    if (is_authority_of(issuer, claims->hd)) {
        add_text(out, arena, "domain:", lower(arena, claims->hd));
    }
    return FACTS_NO_FAULT;
}

/* ---- the judgement ---- */

/* What one of NAMES is granted, or else one of their groups. */
static void names_judge(struct gathering *gathering, const struct slice *names, size_t count,
                        struct facts_answer *out)
{
    for (size_t i = 0; i < count && out->grant != GRANT_YES; i++) {
        out->grant = gather_grants(gathering, names[i], out->grant, &out->binding);
    }
    for (size_t i = 0; i < count && out->grant != GRANT_YES; i++) {
        size_t group_count;
        const struct slice *groups =
            gathering->lookups->groups(gathering->ctx, names[i], &group_count);
        for (size_t k = 0; k < group_count && out->grant != GRANT_YES; k++) {
            out->grant = gather_grants(gathering, groups[k], out->grant, &out->binding);
        }
    }
}

void gather_caller(struct gathering *gathering, const struct facts_claims *claims,
                   struct facts_answer *out)
{
    struct facts_issuer issuer;
    struct names names = {.count = 0};
    *out = (struct facts_answer){.fault = FACTS_ISSUER};
    if (!gathering->lookups->issuer(gathering->ctx, claims->iss, &issuer)) {
        return;
    }
    out->fault = issuer.ours ? names_of_account(gathering, claims, &names)
                             : names_of_stranger(gathering, &issuer, claims, &names);
    out->principal = names.count > 0 ? names.items[0] : claims->sub;
    if (out->fault == FACTS_NO_FAULT &&
        !audiences_fit(gathering->facts->service, &issuer, claims, &out->fits_everywhere)) {
        out->fault = FACTS_AUDIENCE;
    }
    if (out->fault != FACTS_NO_FAULT) {
        return;
    }
    if (issuer.ours || issuer.google_like) {
        add(&names, SLICE("allAuthenticatedUsers"));
    }
    names_judge(gathering, names.items, names.count, out);
}

void gather_names(struct gathering *gathering, struct facts_answer *out)
{
    const struct facts_request *request = gathering->request;
    *out = (struct facts_answer){.principal = request->names[0]};
    names_judge(gathering, request->names, request->name_count, out);
}
