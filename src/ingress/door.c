/*
 * A person is led to sign-in or sees a page, a program gets a status and one line of plain text:
 * the words that people and programs know from Google's door, which labels them as HTML. Every
 * answer says that it is the door's, and none may be stored.
 */
#include <stdio.h>

#include "ingress/door_pages.h"
#include "ingress/door_person.h"
#include "ingress/refusal.h"
#include "ingress/request.h"

/* ---- answers ---- */

static void add(struct request *request, struct http_headers *headers, const char *name,
                struct slice value)
{
    http_headers_add(headers, request->arena, slice_of(name), value);
}

static void reply(struct request *request, int status, const char *type, struct slice body,
                  struct http_headers *headers)
{
    add(request, headers, "x-goog-iap-generated-response", SLICE("true"));
    add(request, headers, "cache-control", SLICE("no-store"));
    add(request, headers, "x-content-type-options", SLICE("nosniff"));
    request->state = REQUEST_ANSWERED;
    request->record.status = status;
    request->record.response_bytes = body.len;
    exchange_reply(request->exchange, status, type, body, headers);
    exchange_resume(request->exchange); /* so that a short body can be read away */
}

static void redirect(struct request *request, struct slice url)
{
    struct http_headers headers = {0};
    add(request, &headers, "location", url);
    reply(request, 302, "text/html; charset=UTF-8", SLICE(""), &headers);
}

/* "https://HOST:PORT" as the client called it. */
static struct slice origin_of(const struct request *request)
{
    return slice_of(arena_printf(request->arena, "%.*s://%.*s", SLICE_ARG(request->record.scheme),
                                 SLICE_ARG(request->head->authority)));
}

/* A path that can stand between quotes as it is; else none. */
static struct slice quotable_path(struct slice path)
{
    static const char marks[] = "/-._~!$&'()*+,;=:@%";
    enum { PATH_MAX_CHARS = 1024 };
    for (size_t i = 0; i < path.len; i++) {
        char c = path.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && memchr(marks, c, sizeof(marks) - 1) == NULL) {
            return SLICE("");
        }
    }
    return path.len > PATH_MAX_CHARS || slice_is(path, "/") ? SLICE("") : path;
}

/* ---- refusals ---- */

/* The words of Google's door for what is wrong with a token. */
static const char *fault_words(const struct gate_answer *answer)
{
    switch (answer->door.fault) {
    case FACTS_NO_FAULT:
        return "empty token";
    case FACTS_CREDENTIAL:
        return "Unable to parse JWT";
    case FACTS_TOKEN:
        break;
    case FACTS_AUDIENCE:
        return "Invalid bearer token. Invalid JWT audience.";
    case FACTS_URL:
        return "Audience specified does not match requested endpoint";
    case FACTS_EMAIL:
        return "JWT 'email' claim isn't a string";
    case FACTS_AGENT_ENDED:
        return "Invalid bearer token. Its person has signed out, or has ended what the agent may.";
    case FACTS_AGENT_IS_STALE:
        return "Invalid bearer token. Its person has to sign in anew.";
    case FACTS_ISSUER:
    case FACTS_SUBJECT:
    case FACTS_ACCOUNT_UNKNOWN:
    case FACTS_ACCOUNT_IS_DISABLED:
    case FACTS_ACCOUNT_IS_DELETED:
    case FACTS_KEY_REVOKED:
        return "Invalid bearer token. The account or its key is not valid.";
    }
    switch (answer->fault) {
    case TOKEN_SIGNATURE:
    case TOKEN_UNKNOWN_KEY:
    case TOKEN_ALG:
        return "JWT signature is invalid";
    case TOKEN_EXPIRED:
    case TOKEN_NOT_YET:
    case TOKEN_LIFETIME:
        return "Invalid bearer token. The JWT is expired, not valid yet, or valid for too long.";
    case TOKEN_KIND:
        return "Invalid bearer token. It is no identity token.";
    case TOKEN_OK:
    case TOKEN_MALFORMED:
    case TOKEN_TOO_LONG:
    case TOKEN_ISSUER:
    case TOKEN_AUDIENCE:
    case TOKEN_SUBJECT:
        break;
    }
    return "Unable to parse JWT";
}

/* Where a program learns how to get a token (RFC 9728 section 5.1). */
static struct slice challenge(struct request *request, bool bad_token)
{
    struct slice origin = origin_of(request);
    struct slice path = quotable_path(request->record.path);
    return slice_of(arena_printf(
        request->arena,
        "Bearer %sresource_metadata=\"%.*s/.well-known/oauth-protected-resource%.*s\", "
        "scope=\"openid email\"",
        bad_token ? "error=\"invalid_token\", " : "", SLICE_ARG(origin), SLICE_ARG(path)));
}

static void refuse_unknown(struct request *request, const struct gate_answer *answer,
                           struct http_headers *headers)
{
    bool bad_token = answer->verdict.rung == RUNG_DOOR_TOKEN ||
                     answer->door.facts->fields.proxy_authorization.count > 0;
    struct slice words =
        slice_of(arena_printf(request->arena, "Invalid IAP credentials: %s", fault_words(answer)));
    bool authorized = http_headers_find(&request->head->headers, SLICE("authorization")) != NULL;
    add(request, headers, "www-authenticate", challenge(request, bad_token));
    if (door_is_form_of_person(request->head->method, &answer->door.facts->fields, authorized)) {
        add(request, headers, "content-security-policy", SLICE(DOOR_PAGE_CSP));
        add(request, headers, "referrer-policy", SLICE("no-referrer"));
        words = door_page_form_kept(request->arena, origin_of(request), words,
                                    slice_of(request->denial));
    }
    reply(request, 401, "text/html; charset=UTF-8", words, headers);
}

/* 403 and 400: a page for who can be shown one. */
static void refuse(struct request *request, const struct gate_answer *answer,
                   struct http_headers *headers)
{
    struct slice page = answer->service->door.denied_page;
    if (answer->door.may_be_person && answer->verdict.rung == RUNG_DOOR_NO_GRANT && page.len > 0) {
        add(request, headers, "location", page);
        reply(request, 302, "text/html; charset=UTF-8", SLICE(""), headers);
        return;
    }
    const struct door_page_words words = {
        .rung = answer->verdict.rung,
        .who = answer->door.email.len > 0 ? answer->door.email : answer->principal,
        .host = answer->host,
        .denial = slice_of(request->denial),
    };
    if (!answer->door.may_be_person) {
        reply(request, answer->verdict.status, "text/plain; charset=UTF-8",
              door_page_plain(request->arena, &words), headers);
        return;
    }
    add(request, headers, "content-security-policy", SLICE(DOOR_PAGE_CSP));
    add(request, headers, "referrer-policy", SLICE("no-referrer"));
    reply(request, answer->verdict.status, "text/html; charset=UTF-8",
          door_page_html(request->arena, &words), headers);
}

/* ---- errands ---- */

static void identity(struct request *request, const struct gate_answer *answer)
{
    struct http_headers headers = {0};
    struct arena *arena = request->arena;
    struct door_person person;
    door_person_of(arena, &answer->door, &person);
    reply(request, 200, "application/json",
          slice_of(arena_printf(arena, "{\"email\":%s,\"sub\":%s}\n",
                                door_json_text(arena, person.shown_email),
                                door_json_text(arena, person.shown_id))),
          &headers);
}

/* What may read the metadata: every page, as it says no more than a refusal does. */
static void metadata(struct request *request)
{
    struct http_headers headers = {0};
    static const struct slice root = SLICE_INIT("/.well-known/oauth-protected-resource");
    struct slice path = request->record.path;
    struct slice below = slice_from(path, root.len);
    add(request, &headers, "access-control-allow-origin", SLICE("*"));
    if (slice_is(request->head->method, "OPTIONS")) {
        add(request, &headers, "access-control-allow-methods", SLICE("GET"));
        add(request, &headers, "access-control-allow-headers", SLICE("*"));
        reply(request, 204, "text/plain", SLICE(""), &headers);
        return;
    }
    struct slice origin = origin_of(request);
    struct slice resource = quotable_path(below);
    if (resource.len != below.len && !slice_is(below, "/")) {
        reply(request, 404, "text/plain; charset=UTF-8",
              SLICE("This path cannot be the name of a resource.\n"), &headers);
        return;
    }
    reply(request, 200, "application/json",
          slice_of(
              arena_printf(request->arena,
                           "{\"resource\":\"%.*s%.*s\",\"authorization_servers\":[\"%s\"],"
                           "\"bearer_methods_supported\":[\"header\"],"
                           "\"scopes_supported\":[\"openid\",\"email\"]}\n",
                           SLICE_ARG(origin), SLICE_ARG(resource),
                           settings_own_url(&request->worker->settings, request->arena, "auth"))),
          &headers);
}

/* Back to the URL without the parameter that asked for a sign-in, which has been by now. */
static void after_forced_login(struct request *request)
{
    static const struct slice name = SLICE_INIT("gcp-iap-mode");
    struct slice target = request->head->path;
    struct slice value = door_parameter(target, name); /* lies in the target */
    size_t at = (size_t)(value.data - target.data);
    struct slice before = slice_upto(target, at - name.len - 1);
    struct slice after = slice_from(target, at + value.len);
    /* One of the two separators goes with it. */
    if (after.len > 0 && after.data[0] == '&') {
        after = slice_from(after, 1);
    } else {
        before = slice_upto(before, before.len - 1);
    }
    redirect(request,
             slice_of(arena_printf(request->arena, "%.*s%.*s%.*s", SLICE_ARG(origin_of(request)),
                                   SLICE_ARG(before), SLICE_ARG(after))));
}

static void page(struct request *request, struct slice policy, struct slice body)
{
    struct http_headers headers = {0};
    add(request, &headers, "content-security-policy", policy);
    reply(request, 200, "text/html; charset=UTF-8", body, &headers);
}

static void not_found(struct request *request)
{
    struct http_headers headers = {0};
    reply(request, 404, "text/plain; charset=UTF-8",
          SLICE("The door of this service has nothing at this path.\n"), &headers);
}

void door_keys(struct request *request, struct slice document)
{
    struct http_headers headers = {0};
    add(request, &headers, "access-control-allow-origin", SLICE("*"));
    reply(request, 200, "application/json", document, &headers);
}

static void run_errand(struct request *request, const struct gate_answer *answer)
{
    switch (answer->door.errand) {
    case DOOR_METADATA:
        metadata(request);
        return;
    case DOOR_IDENTITY:
        identity(request, answer);
        return;
    case DOOR_FORCE_LOGIN:
        after_forced_login(request);
        return;
    case DOOR_REFRESH:
        page(request, SLICE(DOOR_PAGE_CSP), door_page_refreshed(request->arena));
        return;
    case DOOR_REFRESHER:
        page(request, SLICE(DOOR_FRAME_CSP), door_page_refresher(request->arena));
        return;
    case DOOR_SIGN_IN:
        own_host_relay(request, OWN_PATH);
        return;
    case DOOR_CLEAR_COOKIE:
        own_host_relay(request, OWN_CLEAR);
        return;
    case DOOR_KEYS_PEM:
    case DOOR_KEYS_JWK:
        person_keys(request, answer->door.errand);
        return;
    case DOOR_NOT_FOUND:
    case DOOR_NO_ERRAND:
        break;
    }
    not_found(request);
}

void door_answer(struct request *request, const struct gate_answer *answer)
{
    struct http_headers headers = {0};
    if (answer->verdict.rung == RUNG_DOOR_ERRAND) {
        run_errand(request, answer);
        return;
    }
    page_denial(request->denial);
    request->refused = (int)answer->verdict.rung;
    if (answer->verdict.rung == RUNG_DOOR_TOKEN) {
        refusal_note(request->arena, request->head, &request->record);
    }
    request->record.denial = slice_of(request->denial);
    request->record.text = slice_of(rung_log_text(answer->verdict.rung));
    add(request, &headers, "homerun-denial", slice_of(request->denial));
    switch (answer->verdict.status) {
    case 302:
        own_host_relay(request,
                       answer->verdict.rung == RUNG_DOOR_SIGN_IN_DUE ? OWN_LOGIN_ANEW : OWN_LOGIN);
        return;
    case 401:
        refuse_unknown(request, answer, &headers);
        return;
    default:
        refuse(request, answer, &headers);
        return;
    }
}
