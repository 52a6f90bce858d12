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

/* An OAuth client that the door's settings list: what a person's program got a token for. */
static bool is_for_client(const struct facts_door *door, const struct facts_claims *claims)
{
    for (size_t i = 0; i < claims->audience_count; i++) {
        for (size_t k = 0; k < door->client_count; k++) {
            if (slice_equal(claims->audiences[i], door->clients[k])) {
                return true;
            }
        }
    }
    return false;
}

/* WHOLE without PREFIX in front of it; *whole as it was, and false, where there is none. */
static bool drop_prefix(struct slice *whole, struct slice prefix)
{
    bool there = slice_starts(*whole, prefix);
    *whole = there ? slice_from(*whole, prefix.len) : *whole;
    return there;
}

/* The audience of a self-signed JWT: the URL that is called, without query, or "https://HOST/" and
 * an asterisk. */
static bool is_for_url(const struct gathering *gathering, struct slice audience)
{
    const struct facts_request *request = gathering->request;
    struct slice path = path_of_target(request->target);
    struct slice host = gathering->facts->host;
    if (!drop_prefix(&audience, SLICE("https://")) &&
        !(slice_is(gathering->facts->door->fields.scheme, "http") &&
          drop_prefix(&audience, SLICE("http://")))) {
        return false;
    }
    if (!drop_prefix(&audience, request->authority) && !drop_prefix(&audience, host)) {
        return false;
    }
    return slice_equal(audience, path) || slice_is(audience, "/*") ||
           (audience.len == 0 && slice_is(path, "/"));
}

static enum facts_fault audience_fault(struct gathering *gathering,
                                       const struct facts_issuer *issuer,
                                       const struct facts_claims *claims, bool *everywhere)
{
    const struct facts_service *service = gathering->facts->service;
    if (claims->self_signed) {
        gathering->conditional = true; /* it is good for this request's URL */
        return claims->audience_count == 1 && is_for_url(gathering, claims->audiences[0])
                   ? FACTS_NO_FAULT
                   : FACTS_URL;
    }
    if (audiences_fit(service, issuer, claims, everywhere)) {
        return FACTS_NO_FAULT;
    }
    if (gathering->at_door && is_for_client(&service->door, claims)) {
        return claims->email.len > 0 ? FACTS_NO_FAULT : FACTS_EMAIL;
    }
    return FACTS_AUDIENCE;
}

/* ---- names ---- */

struct names {
    struct slice items[NAMES_MAX]; /* the first is the principal's own, if there is one */
    size_t count;
    struct slice email; /* that may be used; "" */
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

/* What `gcloud auth login` has got ends with the session of its person (docs/access.md, S10). */
static bool session_stands(const struct gathering *gathering, const struct facts_claims *claims)
{
    const struct facts_session *session =
        gathering->lookups->agent == NULL
            ? NULL
            : gathering->lookups->agent(gathering->ctx, claims->hangs_on);
    return session != NULL && session->agent.len > 0 && slice_equal(session->sub, claims->sub) &&
           session->expire_us > gathering->request->now_us;
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
    if (claims->hangs_on.len > 0 && !session_stands(gathering, claims)) {
        return FACTS_AGENT_ENDED;
    }
    out->email = slice_from(account.member, (size_t)(slice_find(account.member, ':') + 1));
    if (claims->self_signed && !slice_equal(out->email, claims->email)) {
        return FACTS_SUBJECT; /* the account that has the key is not the one that the token names */
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
    out->email = email;
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

/* What follows once NAMES are known: the principal is the first of them. */
static void answer_names(const struct facts_issuer *issuer, struct names *names,
                         struct facts_answer *out)
{
    out->ours = issuer->ours;
    out->email = names->email;
    if (names->count > 0) {
        out->principal = names->items[0];
    }
    if (out->fault == FACTS_NO_FAULT && (issuer->ours || issuer->google_like)) {
        add(names, SLICE("allAuthenticatedUsers"));
    }
}

void gather_caller(struct gathering *gathering, const struct facts_claims *claims,
                   struct facts_answer *out)
{
    struct facts_issuer issuer = {.ours = true};
    struct names names = {.count = 0};
    *out = (struct facts_answer){.fault = FACTS_ISSUER, .principal = claims->sub};
    if (!claims->self_signed && !gathering->lookups->issuer(gathering->ctx, claims->iss, &issuer)) {
        out->principal = SLICE_NONE;
        return;
    }
    out->fault = issuer.ours ? names_of_account(gathering, claims, &names)
                             : names_of_stranger(gathering, &issuer, claims, &names);
    if (out->fault == FACTS_NO_FAULT) {
        out->fault = audience_fault(gathering, &issuer, claims, &out->fits_everywhere);
    }
    answer_names(&issuer, &names, out);
    if (out->fault == FACTS_NO_FAULT) {
        names_judge(gathering, names.items, names.count, out);
    }
}

/* The groups that a provider names: sets of its pool, and never groups of ours (docs/access.md,
 * C7). */
static void judge_groups_of_pool(struct gathering *gathering, struct slice pool,
                                 const struct facts_session *session, struct facts_answer *out)
{
    for (size_t i = 0; pool.len > 0 && i < session->group_count && out->grant != GRANT_YES; i++) {
        struct slice name =
            slice_of(arena_printf(gathering->arena, "principalSet://%.*s/group/%.*s",
                                  SLICE_ARG(pool), SLICE_ARG(session->groups[i])));
        out->grant = gather_grants(gathering, name, out->grant, &out->binding);
    }
}

void gather_session(struct gathering *gathering, const struct facts_session *session,
                    struct facts_answer *out)
{
    bool local = session->sub.len > 0;
    struct facts_issuer issuer = {.ours = true};
    struct names names = {.count = 0};
    const struct facts_claims claims = {
        .iss = session->issuer,
        .sub = local ? session->sub : session->subject,
        .email = session->email,
        .email_verified = true, /* or it would not be in the session */
    };
    *out = (struct facts_answer){.fault = FACTS_ISSUER};
    if (!local &&
        (!gathering->lookups->issuer(gathering->ctx, session->issuer, &issuer) || issuer.ours)) {
        return;
    }
    out->fault = local ? names_of_account(gathering, &claims, &names)
                       : names_of_stranger(gathering, &issuer, &claims, &names);
    answer_names(&issuer, &names, out);
    if (out->fault == FACTS_NO_FAULT) {
        names_judge(gathering, names.items, names.count, out);
        judge_groups_of_pool(gathering, issuer.pool, session, out);
    }
}

/* The part of a name behind its kind where that is an address, or "@" and a domain; else "". */
static struct slice address_of(struct arena *arena, struct slice name)
{
    if (drop_prefix(&name, SLICE("user:")) || drop_prefix(&name, SLICE("serviceAccount:"))) {
        return name;
    }
    return drop_prefix(&name, SLICE("domain:"))
               ? slice_of(arena_printf(arena, "@%.*s", SLICE_ARG(name)))
               : SLICE("");
}

void gather_names(struct gathering *gathering, struct facts_answer *out)
{
    const struct facts_request *request = gathering->request;
    *out = (struct facts_answer){.principal = request->names[0],
                                 .email = address_of(gathering->arena, request->names[0])};
    names_judge(gathering, request->names, request->name_count, out);
}

void gather_agent(struct gathering *gathering, struct facts_answer *out)
{
    const struct slice names[] = {gathering->facts->service->door.agent,
                                  SLICE("allAuthenticatedUsers")};
    *out = (struct facts_answer){.principal = names[0]};
    names_judge(gathering, names, names[0].len > 0 ? 2 : 0, out);
}
