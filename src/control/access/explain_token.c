/*
 * A credential that cannot be believed: what is wrong with it, in words of the person who sent it.
 * The gate knows one answer, 401; people make some thirty mistakes, told apart here by the shape of
 * the header and by what the token claims.
 */
#include "control/access/explain.h"

#include <stdlib.h>

#include "control/identity/federation.h"
#include "control/record/projects.h"

static struct explain_cause cause(const char *code, const char *text)
{
    return (struct explain_cause){code, text};
}

/* ---- by the shape of the header ---- */

static const char *header_name(const struct explanation *explanation)
{
    return explanation->look.source == CREDENTIAL_SERVERLESS ? "X-Serverless-Authorization"
                                                             : "Authorization";
}

static struct explain_cause form_cause(const struct explanation *explanation)
{
    /* %s: the header. */
    static const struct {
        const char *code, *text;
    } forms[FORMS] = {
        [FORM_NO_TOKEN] = {"empty_token", "%s says Bearer and nothing behind it: what should have "
                                          "printed the token printed nothing"},
        [FORM_TWO_LINES] = {"two_headers",
                            "the request brought %s more than once: one token has to "
                            "be sent once"},
        [FORM_SCHEME] = {"other_scheme", "%s has another scheme than Bearer: a service takes an "
                                         "identity token, never a name and a password"},
        [FORM_BARE] = {"no_bearer", "the token in %s has no word Bearer before it"},
        [FORM_TWICE] = {"bearer_twice", "the word Bearer stands twice in %s"},
        [FORM_SEVERAL] = {"several_tokens",
                          "there are several words or tokens behind Bearer in %s"},
        [FORM_TOO_LONG] = {"too_long", "the token in %s has over 16 KiB"},
        [FORM_UNEXPANDED] = {"unexpanded", "%s holds the text of a command or a variable and not "
                                           "what it prints: no shell has replaced it (between "
                                           "single quotes none does)"},
        [FORM_QUOTED] = {"quoted", "the token in %s has quotes around it"},
        [FORM_GOOGLE_ACCESS] = {"access_token", "%s holds an access token (ya29.…) in place of an "
                                                "identity token"},
        [FORM_API_KEY] = {"api_key", "%s holds an API key in place of an identity token: a key "
                                     "names a project, and nobody in it"},
        [FORM_OPAQUE] = {"no_jwt", "what %s holds is no identity token: those have three parts, "
                                   "joined by dots"},
    };
    const struct credential_look *look = &explanation->look;
    const char *text = forms[look->form].text;
    if (look->form == FORM_SCHEME && look->scheme.len > 0) {
        return cause("other_scheme",
                     arena_printf(explanation->arena,
                                  "%s has the scheme %.*s: a service takes Bearer and an identity "
                                  "token, never a name and a password",
                                  header_name(explanation), SLICE_ARG(look->scheme)));
    }
    if (text == NULL) {
        return cause("malformed", "the token cannot be read: it was cut off or changed when it was "
                                  "copied");
    }
    ptrdiff_t at = slice_find_slice(slice_of(text), SLICE("%s"));
    return cause(forms[look->form].code, arena_printf(explanation->arena, "%.*s%s%s", (int)at, text,
                                                      header_name(explanation), text + at + 2));
}

/* ---- by what is no ID token ---- */

static bool is_self_signed(const struct token *token)
{
    return slice_find(token->iss, '@') > 0 && slice_ends(token->iss, SLICE(".gserviceaccount.com"));
}

static struct explain_cause kind_cause(const struct explanation *explanation)
{
    const struct token *token = &explanation->look.token;
    const char *agent = explain_agent(explanation);
    if (agent != NULL) {
        return cause("agent_token", agent);
    }
    if (slice_is(token->token_use, "access") || token->scope.len > 0) {
        return cause("access_token", "it is an access token, which opens the API, in place of an "
                                     "identity token, which opens services");
    }
    if (token->target_audience.len > 0) {
        return cause("assertion", "it is an assertion that asks for a token (target_audience), not "
                                  "the identity token that one gets for it");
    }
    return cause("not_identity_token",
                 token->token_use.len > 0
                     ? arena_printf(explanation->arena,
                                    "it is a token for another use (%.*s) in place of an identity "
                                    "token",
                                    SLICE_ARG(token->token_use))
                     : "it is no identity token by its type (typ)");
}

/* ---- by who issued it ---- */

struct issuer_near {
    struct arena *arena; /* of SAME */
    struct slice iss;
    const char *same; /* an issuer that differs in its slash or scheme alone */
};

static struct slice bare_url(struct slice url)
{
    ptrdiff_t at = slice_find_slice(url, SLICE("://"));
    url = at < 0 ? url : slice_from(url, (size_t)at + 3);
    return slice_ends(url, SLICE("/")) ? slice_upto(url, url.len - 1) : url;
}

static bool look_at_issuer(const struct store_doc *doc, void *ctx)
{
    struct issuer_near *near = ctx;
    const char *url = json_text_or(doc->body, "issuer", "");
    if (slice_equal_nocase(bare_url(slice_of(url)), bare_url(near->iss))) {
        near->same = arena_string(near->arena, slice_of(url));
        return false;
    }
    return true;
}

bool explain_is_exchanged(const struct explanation *explanation)
{
    const struct member *member = explanation->question->member;
    struct slice pool = member == NULL ? SLICE_NONE : member_pool(member);
    return pool.data != NULL &&
           federation_pool_known(explanation->control, explanation->arena, pool);
}

static struct explain_cause issuer_cause(const struct explanation *explanation)
{
    struct arena *arena = explanation->arena;
    if (explain_is_exchanged(explanation)) {
        return cause("exchanged",
                     "services take no tokens of this identity pool: its providers' tokens are "
                     "exchanged for access tokens, with which a job acts as a service account, and "
                     "that account's identity token is what a service takes");
    }
    const struct token *token = &explanation->look.token;
    struct slice iss = slice_upto(token->iss, 200);
    struct issuer_near near = {.arena = arena, .iss = iss};
    if (is_self_signed(token)) {
        return cause("self_signed",
                     "the service account has signed the token itself: a service takes an identity "
                     "token that was issued for the account, not one that it writes");
    }
    if (slice_find_slice(iss, SLICE("securetoken.google.com")) >= 0) {
        return cause("firebase", "it is a token of Firebase or Identity Platform, for users of an "
                                 "app: services do not take it, here or on Cloud Run");
    }
    if (slice_is(bare_url(iss), "accounts.google.com")) {
        return cause("google_issuer", "Google issued the token, and this Homerun has not been told "
                                      "to believe Google");
    }
    store_look(explanation->control->store, STORE_ISSUER, "", look_at_issuer, &near);
    if (near.same != NULL) {
        return cause(
            "issuer_spelling",
            arena_printf(arena,
                         "the token's issuer is %.*s, and the one that is believed here is "
                         "%s: issuers are compared letter by letter",
                         SLICE_ARG(iss), near.same));
    }
    if (slice_starts(iss, SLICE("http://localhost")) || slice_starts(iss, SLICE("http://127."))) {
        return cause("other_installation",
                     arena_printf(arena,
                                  "another installation issued the token (%.*s); this one is %s",
                                  SLICE_ARG(iss), explanation->control->url));
    }
    return cause("unknown_issuer",
                 arena_printf(arena, "the token's issuer, %.*s, is not one that is believed here",
                              SLICE_ARG(iss.len > 0 ? iss : SLICE("(none)"))));
}

/* ---- by time, key and signature ---- */

static struct explain_cause time_cause(const struct explanation *explanation,
                                       enum token_fault fault)
{
    struct arena *arena = explanation->arena;
    const struct token *token = &explanation->look.token;
    int64_t now_s = explanation->question->now_us / 1000000;
    if (fault == TOKEN_EXPIRED && token->exp > 0) {
        return cause("expired",
                     arena_printf(arena,
                                  "the token expired %s before the request (at %.*s): they "
                                  "live an hour",
                                  explain_span(arena, now_s - token->exp),
                                  SLICE_ARG(time_text(arena, token->exp * 1000000))));
    }
    if (fault == TOKEN_NOT_YET) {
        int64_t from = token->iat > token->nbf ? token->iat : token->nbf;
        return cause("not_yet",
                     arena_printf(arena,
                                  "the token is of the future: its clock was %s ahead of "
                                  "this machine's",
                                  explain_span(arena, from > now_s ? from - now_s : 0)));
    }
    return fault == TOKEN_EXPIRED
               ? cause("expired", "the token has expired: they live an hour")
               : cause("lifetime", token->exp == INT64_MIN
                                       ? "the token does not say when it ends (exp)"
                                       : "the token would live over 24 hours, and none may");
}

static struct explain_cause token_cause(const struct explanation *explanation)
{
    enum token_fault fault = explanation->decided.token_fault;
    switch (fault) {
    case TOKEN_EXPIRED:
    case TOKEN_NOT_YET:
    case TOKEN_LIFETIME:
        return time_cause(explanation, fault);
    case TOKEN_KIND:
        return kind_cause(explanation);
    case TOKEN_ISSUER:
        return issuer_cause(explanation);
    case TOKEN_ALG:
        return cause("algorithm", "the token is signed by an algorithm that is not taken (RS256, "
                                  "ES256 and EdDSA are; HS256 and none are not)");
    case TOKEN_TOO_LONG:
        return cause("too_long", "the token has over 16 KiB");
    case TOKEN_UNKNOWN_KEY:
        return cause(
            "unknown_key",
            "the token was signed by a key that its issuer does not have, or has no longer: "
            "the key was taken away, or the token is of an installation that was here "
            "before");
    case TOKEN_SIGNATURE:
        return cause("signature", "the token's signature does not fit what it says: it was changed "
                                  "on the way, or made by somebody else");
    case TOKEN_MALFORMED:
        if (explanation->look.form != FORM_JWT) {
            return form_cause(explanation);
        }
        return cause("malformed", "the token cannot be read: it was cut off or changed when it was "
                                  "copied");
    case TOKEN_OK:
    case TOKEN_AUDIENCE:
    case TOKEN_SUBJECT:
        break;
    }
    return cause("malformed", "the token cannot be believed");
}

/* ---- by account ---- */

static struct explain_cause account_cause(const struct explanation *explanation)
{
    struct arena *arena = explanation->arena;
    const char *who = explanation->caller == NULL ? "the account" : explanation->caller;
    switch (explanation->decided.fault) {
    case FACTS_ACCOUNT_IS_DISABLED:
        return cause("account_disabled", arena_printf(arena, "%s is disabled", who));
    case FACTS_ACCOUNT_IS_DELETED:
        return cause(
            "account_deleted",
            arena_printf(arena, "%s was deleted, with the unique ID that the token has", who));
    case FACTS_KEY_REVOKED:
        return cause("key_revoked",
                     arena_printf(arena,
                                  "the key of %s that the token was obtained by is disabled "
                                  "or deleted",
                                  who));
    case FACTS_SUBJECT:
        return cause("no_subject", "the token names nobody (sub)");
    case FACTS_NO_FAULT:
    case FACTS_CREDENTIAL:
    case FACTS_TOKEN:
    case FACTS_ISSUER:
    case FACTS_ACCOUNT_UNKNOWN:
    case FACTS_AUDIENCE:
    case FACTS_URL:
    case FACTS_EMAIL:
    case FACTS_AGENT_ENDED:
    case FACTS_AGENT_IS_STALE:
        break;
    }
    return cause("account_unknown",
                 arena_printf(arena, "no account here has the token's unique ID (sub %.*s)",
                              SLICE_ARG(slice_upto(explanation->look.token.sub, 64))));
}

/* ---- by audience ---- */

/* What an audience that does not fit leads to. */
static struct explain_cause audience_case(const struct explanation *explanation,
                                          struct slice audience)
{
    struct arena *arena = explanation->arena;
    struct lookup *lookup = arena_new(arena, struct lookup);
    const char *name = explain_short_name(explanation, explanation->resource);
    const char *url = explain_url(explanation, explanation->resource);
    struct slice shown = slice_upto(audience, 200);
    ptrdiff_t scheme = slice_find_slice(audience, SLICE("://"));
    struct slice rest = scheme < 0 ? audience : slice_from(audience, (size_t)scheme + 3);
    size_t end = 0;
    while (end < rest.len && strchr("/?#", rest.data[end]) == NULL) {
        end++;
    }
    struct slice host;
    lookup->reader = explanation->control->published;
    lookup->arena = arena;
    const struct facts_route *route = lookup_table.route(lookup, slice_upto(rest, end), &host);
    const struct facts_service *service =
        route == NULL ? NULL : lookup_table.service(lookup, route);
    if (slice_is(audience, GCLOUD_AUDIENCE)) {
        return cause("gcloud_audience",
                     "the token's audience is gcloud's own client, which counts only in tokens "
                     "of this Homerun's own issuer");
    }
    if (slice_is(bare_url(audience), "run.googleapis.com") ||
        slice_is(bare_url(audience), "run.app")) {
        return cause("api_audience",
                     arena_printf(arena,
                                  "the token was made for Cloud Run's API (%.*s) and not for "
                                  "%s: its audience has to be %s",
                                  SLICE_ARG(shown), name, url));
    }
    if (service != NULL && !slice_is(service->resource_name, explanation->resource)) {
        return cause("other_service",
                     arena_printf(arena,
                                  "the token was made for another service, %s: its audience "
                                  "is %.*s, and %s takes %s",
                                  explain_short_name(explanation,
                                                     arena_string(arena, service->resource_name)),
                                  SLICE_ARG(shown), name, url));
    }
    if (service != NULL && route->tag.len > 0) {
        return cause("tag_audience",
                     arena_printf(arena,
                                  "the token's audience is the address of the tag %.*s: it has "
                                  "to be the service's own, %s, whatever tag is called",
                                  SLICE_ARG(route->tag), url));
    }
    if (service != NULL && !route->default_url) {
        return cause("domain_audience",
                     arena_printf(arena,
                                  "the token's audience is the domain %.*s, which leads here "
                                  "and is no audience of %s yet",
                                  SLICE_ARG(host), name));
    }
    if (service != NULL && scheme < 0) {
        return cause("audience_without_scheme",
                     arena_printf(arena,
                                  "the token's audience is %.*s, without https://: it has to be "
                                  "%s",
                                  SLICE_ARG(shown), url));
    }
    if (service != NULL && slice_starts(audience, SLICE("http://"))) {
        return cause("audience_http",
                     arena_printf(arena,
                                  "the token's audience begins with http:// and has to begin "
                                  "with https://: %s",
                                  url));
    }
    if (service != NULL) {
        return cause("audience_form",
                     arena_printf(arena,
                                  "the token's audience is %.*s, and has to be %s, alone or "
                                  "with a path (no query, no other port)",
                                  SLICE_ARG(shown), url));
    }
    if (slice_is(audience, name)) {
        return cause("audience_name",
                     arena_printf(arena,
                                  "the token's audience is the bare name of the service: it has "
                                  "to be its URL, %s",
                                  url));
    }
    if (project_number(explanation->control, arena, arena_string(arena, shown)) != NULL) {
        return cause("audience_project",
                     arena_printf(arena,
                                  "the token's audience is a project and no service: it has to "
                                  "be %s",
                                  url));
    }
    return cause("wrong_audience",
                 arena_printf(arena, "the token was made for another audience, %.*s: %s takes %s",
                              SLICE_ARG(shown.len > 0 ? shown : SLICE("(none)")), name, url));
}

static struct explain_cause audience_cause(const struct explanation *explanation)
{
    const struct facts_claims *claims = explanation->request.claims;
    const struct token *token = &explanation->look.token;
    if (claims != NULL && claims->audience_count > 0) {
        return audience_case(explanation, claims->audiences[0]);
    }
    return audience_case(explanation, token->audience_count > 0 ? token->audiences[0] : SLICE(""));
}

struct explain_cause explain_token_cause(const struct explanation *explanation)
{
    if (explanation->look.form == FORM_STRIPPED) {
        return cause("stripped",
                     "the token's signature was taken off on the way to a container "
                     "(SIGNATURE_REMOVED_BY_GOOGLE): a container cannot pass a caller's "
                     "token on, it gets one of its own");
    }
    if (explanation->question->wants != NULL) {
        return cause("access_token",
                     "the command sends an access token, which opens the API, in place of an "
                     "identity token, which opens services (print-identity-token, token identity)");
    }
    switch (explanation->decided.fault) {
    case FACTS_CREDENTIAL:
        return form_cause(explanation);
    case FACTS_TOKEN:
        return token_cause(explanation);
    case FACTS_ISSUER:
        return issuer_cause(explanation);
    case FACTS_AUDIENCE:
    case FACTS_URL:
    case FACTS_EMAIL:
        return audience_cause(explanation);
    case FACTS_NO_FAULT:
    case FACTS_SUBJECT:
    case FACTS_ACCOUNT_UNKNOWN:
    case FACTS_ACCOUNT_IS_DISABLED:
    case FACTS_ACCOUNT_IS_DELETED:
    case FACTS_KEY_REVOKED:
    case FACTS_AGENT_ENDED:
    case FACTS_AGENT_IS_STALE:
        break;
    }
    return account_cause(explanation);
}
