/* The question becomes a request, the gatherer gathers, the ladder decides. */
#include "control/access/explain.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/encode.h"
#include "control/identity/accounts.h"
#include "control/record/service_view.h"
#include "lookup/door_fields.h"

enum { SEARCHED_MAX = 1000 };

const char *explain_short_name(const struct explanation *explanation, const char *resource)
{
    const char *slash = strrchr(resource, '/');
    (void)explanation;
    return slash == NULL ? resource : slash + 1;
}

const char *explain_url(const struct explanation *explanation, const char *resource)
{
    struct service_view view;
    return service_view_find(explanation->control, explanation->arena, resource, &view)
               ? arena_string(explanation->arena, service_url(explanation->arena, &view, SLICE("")))
               : "";
}

const char *explain_span(struct arena *arena, int64_t seconds)
{
    if (seconds < 120) {
        return arena_printf(arena, "%lld s", (long long)seconds);
    }
    if (seconds < 3600) {
        return arena_printf(arena, "%lld min", (long long)(seconds / 60));
    }
    if (seconds < 48 * 3600) {
        return arena_printf(arena, "%lld h %lld min", (long long)(seconds / 3600),
                            (long long)(seconds / 60 % 60));
    }
    return arena_printf(arena, "%lld days", (long long)(seconds / 86400));
}

struct slice explain_plain(struct arena *arena, const char *text)
{
    char *out = arena_string(arena, slice_of(text));
    for (char *at = out; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at, next = (unsigned char)at[1];
        bool wide = c == 0xc2 && next >= 0x80 && next < 0xa0; /* U+0080 to U+009F */
        if ((c < 0x20 && c != '\n') || c == 0x7f || wide) {
            *at = '?';
            at[1] = wide ? '?' : at[1];
        }
    }
    return slice_of(out);
}

void explain_near(const struct explanation *explanation, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    json_array_append_new(explanation->near, json_slice(explain_plain(explanation->arena, text)));
}

/* ---- services by host ---- */

struct host_search {
    struct control *control;
    struct arena *arena;
    struct slice label; /* "NAME-NUMBER" or what else the first label is, without a tag */
    const char *found;
    size_t looked_at;
};

/* A label that begins with the service's name and '-', or is the name. */
static bool look_at_service(const struct store_doc *doc, void *ctx)
{
    struct host_search *search = ctx;
    struct slice name = slice_of(strrchr(doc->key, '/') + 1);
    bool same = slice_equal(search->label, name) ||
                (slice_starts(search->label, name) && search->label.len > name.len &&
                 search->label.data[name.len] == '-');
    /* The longest name wins: "web-api-…" is of web-api, not of web. */
    if (same && (search->found == NULL || strlen(strrchr(search->found, '/') + 1) < name.len)) {
        search->found = arena_string(search->arena, slice_of(doc->key));
    }
    return ++search->looked_at < SEARCHED_MAX;
}

const char *explain_service_of(struct api_call *call, const char *host)
{
    struct lookup *lookup = arena_new(&call->arena, struct lookup);
    struct host_search search = {.control = call->control, .arena = &call->arena};
    struct slice normal;
    lookup->reader = call->control->published;
    lookup->arena = &call->arena;
    index_reader_renew(call->control->published);
    const struct facts_route *route = lookup_table.route(lookup, slice_of(host), &normal);
    const struct facts_service *service =
        route == NULL ? NULL : lookup_table.service(lookup, route);
    const char *key = service == NULL ? "" : arena_string(&call->arena, service->resource_name);
    index_reader_release(call->control->published);
    if (key[0] != '\0' || normal.len == 0) {
        return key;
    }
    ptrdiff_t dot = slice_find(normal, '.');
    search.label = dot < 0 ? normal : slice_upto(normal, (size_t)dot);
    ptrdiff_t tag = slice_find_slice(search.label, SLICE("---"));
    search.label = tag < 0 ? search.label : slice_from(search.label, (size_t)tag + 3);
    store_look(call->control->store, STORE_SERVICE, "", look_at_service, &search);
    return search.found == NULL ? "" : search.found;
}

/* "HOST" of the service's default URL. */
static struct slice default_host(const struct explanation *explanation)
{
    struct service_view view;
    return service_view_find(explanation->control, explanation->arena, explanation->resource, &view)
               ? service_host(explanation->arena, &view, SLICE_NONE)
               : SLICE("");
}

/* ---- a refusal of the past ---- */

static enum token_fault token_fault_of(const char *name)
{
    for (int i = TOKEN_OK; i <= TOKEN_KIND; i++) {
        if (strcmp(token_fault_name((enum token_fault)i), name) == 0) {
            return (enum token_fault)i;
        }
    }
    return TOKEN_MALFORMED;
}

static enum rung rung_of(const char *name)
{
    for (int i = 0; i < RUNG_COUNT; i++) {
        if (strcmp(rung_name((enum rung)i), name) == 0) {
            return (enum rung)i;
        }
    }
    return RUNG_NO_BINDING;
}

static struct slice text_of(const struct explanation *explanation, const char *name)
{
    return arena_slice(explanation->arena,
                       slice_of(json_text_or(explanation->question->denial, name, "")));
}

/* What the log keeps of a credential (ingress/refusal.c), as if it had been looked at now. */
static void look_at_line(struct explanation *explanation)
{
    const json_t *line = explanation->question->denial;
    struct arena *arena = explanation->arena;
    struct credential_look *look = &explanation->look;
    struct slice *audiences = arena_array(arena, struct slice, 8);
    struct slice rest = text_of(explanation, "aud");
    size_t count = 0;
    while (count < 8 && slice_cut(&rest, ' ', &audiences[count])) {
        count++;
    }
    *look = (struct credential_look){
        .form = credential_form_of(text_of(explanation, "form")),
        .source = text_of(explanation, "header").len > 0 ? CREDENTIAL_SERVERLESS
                                                         : CREDENTIAL_AUTHORIZATION,
        .scheme = text_of(explanation, "scheme"),
        .readable = text_of(explanation, "iss").len > 0 || count > 0,
        .token = {.iss = text_of(explanation, "iss"),
                  .sub = text_of(explanation, "sub"),
                  .email = text_of(explanation, "email"),
                  .email_verified = text_of(explanation, "email").len > 0,
                  .token_use = text_of(explanation, "use"),
                  .sid = text_of(explanation, "sid"),
                  .client_id = text_of(explanation, "client"),
                  .audiences = audiences,
                  .audience_count = count,
                  .exp = json_number(line, "exp", INT64_MIN),
                  .iat = json_number(line, "iat", INT64_MIN),
                  .nbf = INT64_MIN},
    };
    if (look->token.sid.len > 0) {
        look->token.typ = SLICE("at+jwt"); /* or the line would not have it */
    }
}

/* The request that was refused, with a caller who is imagined from what was written down. */
static void imagine_denied(struct explanation *explanation)
{
    struct slice principal = text_of(explanation, "principal");
    struct member *member = arena_new(explanation->arena, struct member);
    look_at_line(explanation);
    if (explanation->look.readable) {
        struct facts_claims *claims = arena_new(explanation->arena, struct facts_claims);
        lookup_claims_view(&explanation->look.token, false, claims);
        explanation->request.claims = claims;
    } else if (principal.len > 0 && member_parse(explanation->arena, principal, member, NULL)) {
        explain_imagine(explanation->control, explanation->arena, member,
                        slice_of(explain_url(explanation, explanation->resource)),
                        &explanation->request);
    }
}

/* What the line says decided; of an account, where the log has one word, what is wrong with it now.
 */
static struct explain_case case_of_line(const struct explanation *explanation)
{
    const json_t *line = explanation->question->denial;
    const struct facts_at_door *door = explanation->facts.door;
    const struct facts_answer *caller = door != NULL ? &door->caller : &explanation->facts.caller;
    struct explain_case out = {.rung = rung_of(json_text_or(line, "rung", ""))};
    enum token_fault fault = token_fault_of(json_text_or(line, "fault", ""));
    if (out.rung != RUNG_BAD_CREDENTIAL && out.rung != RUNG_DOOR_TOKEN) {
        return out;
    }
    switch (explanation->look.form) {
    case FORM_JWT:
    case FORM_STRIPPED:
        break;
    case FORM_NONE:
    case FORM_EMPTY:
    case FORM_NO_TOKEN:
    case FORM_TWO_LINES:
    case FORM_SCHEME:
    case FORM_BARE:
    case FORM_TWICE:
    case FORM_SEVERAL:
    case FORM_TOO_LONG:
    case FORM_UNEXPANDED:
    case FORM_QUOTED:
    case FORM_GOOGLE_ACCESS:
    case FORM_API_KEY:
    case FORM_OPAQUE:
        out.fault = FACTS_CREDENTIAL;
        return out;
    }
    bool account = fault == TOKEN_SUBJECT;
    out.fault = fault == TOKEN_AUDIENCE                      ? FACTS_AUDIENCE
                : account && caller->fault != FACTS_NO_FAULT ? caller->fault
                : account                                    ? FACTS_ACCOUNT_UNKNOWN
                : fault == TOKEN_ISSUER                      ? FACTS_ISSUER
                                                             : FACTS_TOKEN;
    out.token_fault = fault;
    return out;
}

/* ---- the answer ---- */

static json_t *token_shown(const struct explanation *explanation)
{
    const struct credential_look *look = &explanation->look;
    struct arena *arena = explanation->arena;
    json_t *out = json_pack("{s:s}", "form", credential_form_name(look->form));
    if (look->text.len > 0) {
        unsigned char hash[32];
        EVP_Digest(look->text.data, look->text.len, hash, NULL, EVP_sha256(), NULL);
        json_object_set_new(
            out, "sha256",
            json_slice(hex_encode(arena, (struct slice){(char *)hash, sizeof(hash)})));
    }
    if (look->readable) {
        const struct {
            const char *name;
            struct slice value;
        } texts[] = {
            {"iss", look->token.iss}, {"sub", look->token.sub}, {"email", look->token.email}};
        json_t *audiences = json_array();
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
            if (texts[i].value.len > 0) {
                json_object_set_new(out, texts[i].name, json_slice(texts[i].value));
            }
        }
        for (size_t i = 0; i < look->token.audience_count && i < 8; i++) {
            json_array_append_new(audiences, json_slice(look->token.audiences[i]));
        }
        json_object_set_new(out, "aud", audiences);
        if (look->token.exp > 0 && look->token.exp < INT64_MAX / 1000000) {
            json_object_set_new(out, "expires",
                                json_slice(time_text(arena, look->token.exp * 1000000)));
        }
    }
    return out;
}

/* Adds a note where the cause of a past refusal is gone. */
static void note_now(const struct explanation *explanation, json_t *answer)
{
    if (explanation->question->denial == NULL) {
        return;
    }
    if (explanation->verdict.allowed && explanation->decided.fault != FACTS_TOKEN &&
        explanation->decided.fault != FACTS_CREDENTIAL &&
        explanation->decided.rung != RUNG_NO_CREDENTIAL) {
        json_object_set_new(answer, "note",
                            json_string("The same request would be let in now: access has changed "
                                        "since (`homerun access history` shows how)."));
    }
}

static json_t *answer_of(struct explanation *explanation)
{
    const struct explain_question *question = explanation->question;
    const struct facts *facts = &explanation->facts;
    bool past = question->denial != NULL;
    bool allowed = explanation->verdict.allowed && !past;
    enum rung rung = past ? explanation->decided.rung : explanation->verdict.rung;
    int64_t status =
        past ? json_number(question->denial, "status", 403) : explanation->verdict.status;
    json_t *answer =
        json_pack("{s:s, s:b, s:I, s:s, s:s, s:s}", "resource", explanation->resource, "allowed",
                  allowed, "status", (json_int_t)status, "rung", rung_name(rung), "rule",
                  rung_rule(rung), "fact", explain_fact(explanation, rung));
    const char *text = rung_log_text(rung);
    if (text[0] != '\0') {
        json_object_set_new(answer, "text", json_string(text));
    }
    if (!allowed) {
        struct explain_cause cause = explain_cause(explanation);
        json_object_set_new(answer, "cause",
                            json_slice(explain_plain(explanation->arena, cause.text)));
        json_object_set_new(answer, "code", json_string(cause.code));
        json_object_set(answer, "near", explanation->near);
    }
    auto_json *because = past ? NULL : explain_because(explanation);
    if (because != NULL) {
        json_object_set(answer, "because", because);
    }
    if (facts->caller.principal.len > 0) {
        json_object_set_new(answer, "principal", json_slice(facts->caller.principal));
    }
    const char *caller = explanation->caller;
    json_object_set_new(answer, "member",
                        question->member != NULL ? json_slice(question->member->text)
                        : caller != NULL         ? json_string(caller)
                                                 : json_string("(nobody)"));
    json_object_set_new(answer, "request",
                        json_pack("{s:s, s:o, s:s, s:o}", "method", question->method, "host",
                                  json_slice(explanation->request.authority), "path",
                                  question->path, "time",
                                  json_slice(time_text(explanation->arena, question->now_us))));
    if (explanation->look.form != FORM_NONE) {
        json_object_set_new(answer, "token", token_shown(explanation));
    }
    if (!past || (explanation->verdict.rung == rung && !explanation->verdict.allowed)) {
        json_object_set_new(answer, "rungs", explain_rungs(explanation));
    }
    note_now(explanation, answer);
    if (!allowed) {
        explain_changes(explanation, answer);
    }
    return answer;
}

/* What the door would read of the request. */
static void tell_door(const void *ctx, struct door_fields *out)
{
    const struct explanation *explanation = ctx;
    const struct http_headers *headers = &explanation->question->headers;
    bool upgrade = http_headers_find(headers, SLICE("upgrade")) != NULL;
    door_fields_read(headers, upgrade,
                     explanation->question->plain ? SLICE("http") : SLICE("https"), out);
}

static void gather(struct explanation *explanation)
{
    const struct explain_question *question = explanation->question;
    if (question->denial != NULL) {
        imagine_denied(explanation);
    } else if (question->member != NULL) {
        struct slice audience =
            slice_of(question->audience != NULL ? question->audience
                                                : explain_url(explanation, explanation->resource));
        explain_imagine(explanation->control, explanation->arena, question->member, audience,
                        &explanation->request);
    } else {
        credential_look(explanation->arena, &question->credential, &explanation->look);
    }
    facts_gather(&explanation->world->table, explanation->world, explanation->arena,
                 &explanation->request, &explanation->facts);
    explanation->verdict = policy_decide(&explanation->facts.ladder);
    explanation->decided = (struct explain_case){
        .rung = explanation->verdict.rung,
        .fault = explanation->facts.caller.fault,
        .token_fault = (enum token_fault)explanation->facts.token_fault,
    };
    if (question->denial != NULL) {
        explanation->decided = case_of_line(explanation);
    }
    explanation->caller = explain_caller(explanation);
}

/* In ARENA: asked and decided, over the index as it is until index_reader_release(). */
static struct explanation *explanation_new(struct api_call *call, struct arena *arena,
                                           const char *resource,
                                           const struct explain_question *question)
{
    struct control *control = call->control;
    struct explanation *explanation = arena_new(arena, struct explanation);
    *explanation = (struct explanation){
        .call = call,
        .control = control,
        .arena = arena,
        .resource = resource,
        .question = question,
        .world = arena_new(arena, struct what_if),
        .near = json_array(),
    };
    explanation->request = (struct facts_request){
        .method = slice_of(question->method),
        .authority = question->host == NULL ? default_host(explanation) : slice_of(question->host),
        .target = slice_of(question->path),
        .plain = question->plain && !control->settings.plain,
        .strict_paths = control->settings.strict_paths != 0,
        .network = question->network,
        .now_us = question->now_us,
        .credential = question->credential,
        .door_fields = tell_door,
        .door_fields_ctx = explanation,
    };
    what_if_init(explanation->world, control->published, arena);
    index_reader_renew(control->published);
    gather(explanation);
    return explanation;
}

json_t *explain(struct api_call *call, const char *resource,
                const struct explain_question *question, struct error *err)
{
    struct explanation *explanation = explanation_new(call, &call->arena, resource, question);
    json_t *answer = NULL;
    const struct facts_service *service = explanation->facts.service;
    if (service != NULL && !slice_is(service->resource_name, resource)) {
        error_field(err, "host", "The host %.200s leads to another service, '%.*s'.",
                    question->host == NULL ? "" : question->host,
                    SLICE_ARG(service->resource_name));
    } else {
        answer = answer_of(explanation);
    }
    index_reader_release(call->control->published);
    json_decref(explanation->near);
    return answer;
}

json_t *explain_briefly(struct api_call *call, const char *resource,
                        const struct explain_question *question)
{
    auto_arena arena = {0};
    struct explanation *explanation = explanation_new(call, &arena, resource, question);
    enum rung rung = explanation->verdict.rung;
    json_t *answer = json_pack("{s:s, s:b, s:s, s:s, s:s}", "resource", resource, "allowed",
                               explanation->verdict.allowed, "rung", rung_name(rung), "rule",
                               rung_rule(rung), "fact", explain_fact(explanation, rung));
    json_t *because = explain_because(explanation);
    if (because != NULL) {
        json_object_set_new(answer, "because", because);
    }
    index_reader_release(call->control->published);
    json_decref(explanation->near);
    return answer;
}
