/*
 * A caller of whom no token is at hand. Who has an account here, or an issuer that may speak for
 * them, is imagined with the token that they could have, so that everything that the gate asks of a
 * token's owner is asked of them too: whether the account stands, whose domain counts, what
 * allAuthenticatedUsers means. Sets of callers are known by their names alone.
 */
#include "control/access/explain.h"

#include "control/identity/accounts.h"

enum { NAMES_MAX = 3 };

/* Which of the added issuers may speak for an address, or has a pool. */
struct issuer_search {
    struct arena *arena;
    struct slice domain, pool;
    const char *authority, *google_like, *of_pool; /* what was found */
};

static bool look_at_issuer(const struct store_doc *doc, void *ctx)
{
    struct issuer_search *search = ctx;
    const char *url = arena_string(search->arena, slice_of(json_text_or(doc->body, "issuer", "")));
    const json_t *domains = json_object_get(doc->body, "domains");
    for (size_t i = 0; i < json_array_size(domains); i++) {
        if (slice_equal_nocase(slice_of(json_string_value(json_array_get(domains, i))),
                               search->domain)) {
            search->authority = url;
        }
    }
    if (json_flag(doc->body, "googleLike", false)) {
        search->google_like = url;
    }
    if (search->pool.len > 0 && slice_is(search->pool, json_text_or(doc->body, "pool", ""))) {
        search->of_pool = url;
    }
    return true;
}

static void imagine_claims(struct arena *arena, struct slice iss, struct slice sub,
                           struct slice email, struct slice audience, struct facts_request *request)
{
    struct facts_claims *claims = arena_new(arena, struct facts_claims);
    struct slice *audiences = arena_array(arena, struct slice, 1);
    audiences[0] = arena_slice(arena, audience);
    *claims = (struct facts_claims){
        .iss = iss,
        .sub = sub,
        .email = email,
        .email_verified = email.len > 0,
        .audiences = audiences,
        .audience_count = 1,
    };
    request->claims = claims;
}

static void add_name(struct facts_request *request, struct slice *names, struct slice name)
{
    names[request->name_count++] = name;
    request->names = names;
}

/*
 * A user of whom nothing is known yet would get an account here with the first token that is made
 * for them (`homerun token --as`), if no issuer speaks for them.
 */
static void imagine_new_user(struct arena *arena, const struct member *member,
                             struct facts_request *request)
{
    struct slice *names = arena_array(arena, struct slice, NAMES_MAX);
    ptrdiff_t at = slice_find_last(member->value, '@');
    add_name(request, names, member->text);
    add_name(request, names,
             slice_of(arena_printf(arena, "domain:%.*s",
                                   SLICE_ARG(slice_from(member->value, (size_t)(at + 1))))));
    add_name(request, names, SLICE("allAuthenticatedUsers"));
}

static void imagine_address(struct control *control, struct arena *arena,
                            const struct member *member, struct slice audience,
                            struct facts_request *request)
{
    struct account account = {.sub = ""};
    struct slice ours = slice_of(control->issuer_url);
    bool robot = member->kind == MEMBER_SERVICE_ACCOUNT;
    bool here = account_by_email(control, arena, member->value, &account);
    if (here && account.user != robot) {
        imagine_claims(arena, ours, slice_of(account.sub), SLICE(""), audience, request);
        return;
    }
    struct issuer_search search = {.arena = arena};
    search.domain = slice_from(member->value, (size_t)(slice_find_last(member->value, '@') + 1));
    store_look(control->store, STORE_ISSUER, "", look_at_issuer, &search);
    const char *speaks = search.authority != NULL ? search.authority
                         : robot                  ? NULL
                                                  : search.google_like;
    if (speaks != NULL) {
        imagine_claims(arena, slice_of(speaks), SLICE("(somebody)"), member->value, audience,
                       request);
    } else if (robot) {
        imagine_claims(arena, ours, SLICE("(nobody)"), SLICE(""), audience, request);
    } else {
        imagine_new_user(arena, member, request);
    }
}

static void imagine_principal(struct control *control, struct arena *arena,
                              const struct member *member, struct slice audience,
                              struct facts_request *request)
{
    static const struct slice subject = SLICE_INIT("/subject/");
    struct issuer_search search = {.arena = arena, .pool = member_pool(member)};
    ptrdiff_t at = slice_find_slice(member->value, subject);
    store_look(control->store, STORE_ISSUER, "", look_at_issuer, &search);
    struct slice sub = at < 0 ? SLICE("") : slice_from(member->value, (size_t)at + subject.len);
    imagine_claims(arena, slice_of(search.of_pool == NULL ? "" : search.of_pool), sub, SLICE(""),
                   audience, request);
}

/* "deleted:serviceAccount:E?uid=N": the account that had that unique ID. */
static void imagine_deleted(struct control *control, struct arena *arena,
                            const struct member *member, struct slice audience,
                            struct facts_request *request)
{
    static const struct slice uid = SLICE_INIT("?uid=");
    ptrdiff_t at = slice_find_slice(member->text, uid);
    struct slice sub = at < 0 ? SLICE("(nobody)") : slice_from(member->text, (size_t)at + uid.len);
    imagine_claims(arena, slice_of(control->issuer_url), sub, SLICE(""), audience, request);
}

void explain_imagine(struct control *control, struct arena *arena, const struct member *member,
                     struct slice audience, struct facts_request *request)
{
    struct slice *names = arena_array(arena, struct slice, NAMES_MAX);
    switch (member->kind) {
    case MEMBER_ALL_USERS:
        return; /* who says nothing of themselves */
    case MEMBER_USER:
    case MEMBER_SERVICE_ACCOUNT:
        imagine_address(control, arena, member, audience, request);
        return;
    case MEMBER_PRINCIPAL:
        imagine_principal(control, arena, member, audience, request);
        return;
    case MEMBER_DELETED:
        imagine_deleted(control, arena, member, audience, request);
        return;
    case MEMBER_GROUP:
    case MEMBER_DOMAIN:
        add_name(request, names, member->text);
        add_name(request, names, SLICE("allAuthenticatedUsers"));
        return;
    case MEMBER_ALL_AUTHENTICATED:
    case MEMBER_PRINCIPAL_SET:
        add_name(request, names, member->text);
        return;
    }
}

/* The account that a token is of, or claims to be of. */
static const char *claimed_account(const struct explanation *explanation, const struct token *token)
{
    struct facts_issuer issuer;
    struct facts_account account;
    struct what_if *world = explanation->world;
    bool ours =
        lookup_is_for_agent(token) || (lookup_issuer(world, token->iss, &issuer) && issuer.ours);
    if (ours && token->sub.len > 0 && lookup_account(world, token->sub, &account) &&
        account.member.len > 0) {
        return arena_string(explanation->arena, account.member);
    }
    return NULL;
}

const char *explain_caller(const struct explanation *explanation)
{
    struct arena *arena = explanation->arena;
    const struct explain_question *question = explanation->question;
    const struct token *token = &explanation->look.token;
    struct member member;
    if (question->member != NULL) {
        return question->member->kind == MEMBER_ALL_USERS
                   ? NULL
                   : arena_string(arena, question->member->text);
    }
    struct slice principal = explanation->facts.caller.principal;
    if (principal.len > 0 && member_parse(arena, principal, &member, NULL)) {
        return arena_string(arena, principal);
    }
    if (!explanation->look.readable) {
        return NULL;
    }
    const char *known = claimed_account(explanation, token);
    if (known != NULL) {
        return known;
    }
    bool robot = slice_ends(token->email, SLICE(".gserviceaccount.com"));
    const char *named =
        arena_printf(arena, "%s:%.*s", robot ? "serviceAccount" : "user", SLICE_ARG(token->email));
    return token->email.len > 0 && member_parse(arena, slice_of(named), &member, NULL)
               ? arena_string(arena, member.text)
               : NULL;
}
