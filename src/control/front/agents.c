/*
 * A person lets an agent in: /authorize judges what the agent asks for, the sign-in says who the
 * person is, and the consent page asks them. A browser is sent to another place only by the
 * person's own click, or to a program on their own machine: anybody can register an agent, so
 * anything else would lend our name to every address (RFC 9700 section 4.11.2).
 */
#include "control/front/agents.h"

#include "base/clock.h"
#include "control/front/agents_inside.h"
#include "control/front/cookies.h"
#include "control/front/door_inside.h"
#include "control/identity/agent_documents.h"
#include "http/percent.h"
#include "http/query.h"

enum { LIST_MAX = 100, US_PER_S = 1000000 };

/* ---- parameters ---- */

bool agent_parameter(struct api_call *call, struct slice form, const char *name, struct slice *out)
{
    struct slice rest = form, pair, decoded;
    unsigned count = 0;
    *out = SLICE("");
    while (slice_cut(&rest, '&', &pair)) {
        ptrdiff_t equals = slice_find(pair, '=');
        struct slice key = equals < 0 ? pair : slice_upto(pair, (size_t)equals);
        struct slice value = equals < 0 ? SLICE("") : slice_from(pair, (size_t)equals + 1);
        if (url_decode(&call->arena, key, true, &decoded) && slice_is(decoded, name)) {
            count++;
            if (!url_decode(&call->arena, value, true, out)) {
                return false;
            }
        }
    }
    return count <= 1;
}

/* ---- the way back to the agent ---- */

static void add_parameter(struct api_call *call, struct buffer *url, const char *name,
                          struct slice value)
{
    bool begun = slice_find(buffer_slice(url), '?') >= 0;
    buffer_printf(url, "%s%s=%.*s", begun ? "&" : "?", name,
                  SLICE_ARG(url_encode(&call->arena, value)));
}

const char *agent_way_back(struct api_call *call, const struct agent_request *request,
                           const char *name, struct slice value)
{
    struct buffer url = BUFFER_INIT(AGENT_URL_MAX + 4 * AGENT_STATE_MAX + 1024);
    buffer_add(&url, request->redirect);
    add_parameter(call, &url, name, value);
    if (request->state.len > 0) {
        add_parameter(call, &url, "state", request->state);
    }
    add_parameter(call, &url, "iss", slice_of(door_auth_url(call)));
    const char *text = arena_string(&call->arena, buffer_slice(&url));
    buffer_done(&url);
    return text;
}

/* ---- what is asked for ---- */

/* What is wrong with a request whose client and redirect URI are good. */
struct fault {
    const char *code; /* RFC 6749 section 4.1.2.1; NULL: nothing */
    const char *text;
};

static void send_fault(struct api_call *call, const struct agent_request *request,
                       const struct fault *fault)
{
    struct agent_redirect place;
    const char *why;
    const char *url = agent_way_back(call, request, "error", slice_of(fault->code));
    if (!agent_redirect_read(&call->arena, request->redirect, &place, &why)) {
        door_refuse(call, 400, "This program cannot be let in", fault->text);
        return;
    }
    if (place.loopback) {
        door_redirect(call, 302, url, NULL, 0);
        return;
    }
    struct door_page page = door_page(400, "This program cannot be let in");
    door_page_add(&page, "<p>It asks in a way that Homerun does not answer: ");
    door_page_text(call, &page, slice_of(fault->text));
    door_page_add(&page, " (<code>");
    door_page_text(call, &page, slice_of(fault->code));
    door_page_add(&page, "</code>)</p><p><a class=\"button quiet\" rel=\"noreferrer\" href=\"");
    door_page_text(call, &page, slice_of(url));
    door_page_add(&page, "\">Back to ");
    door_page_text(call, &page, place.host);
    door_page_add(&page, "</a></p>");
    door_page_reply(call, &page);
}

/* Whether RESOURCE is a URL behind our listeners; *host: of it. */
static bool resource_is_here(struct api_call *call, struct slice resource, struct slice *host)
{
    const struct settings *settings = &call->control->settings;
    uint16_t port;
    bool https;
    return agent_resource_read(&call->arena, resource, &https, host, &port) &&
           (https ? port == settings->https_port : settings->plain && port == settings->http_port);
}

/* Whether HOST is a service's with a door; *max_age_s: of sign-ins, 0 if any is. Not to be told to
 * strangers: they learn which services there are by no other way. */
static bool has_door(struct api_call *call, struct slice host, int64_t *max_age_s)
{
    struct index_reader *published = call->control->published;
    struct index_service *service = arena_new(&call->arena, struct index_service);
    struct index_route route;
    index_reader_renew(published);
    bool served = index_reader_route(published, host, &route) &&
                  index_reader_service(published, route.service_id, service) && service->door.on;
    *max_age_s = served ? service->door.max_age_s : 0;
    index_reader_release(published);
    return served;
}

/* The scopes that exist among those that are asked for. */
static struct slice known_scopes(struct arena *arena, struct slice asked)
{
    struct slice word;
    bool openid = asked.len == 0, email = asked.len == 0;
    while (slice_cut(&asked, ' ', &word)) {
        openid = openid || slice_is(word, "openid");
        email = email || slice_is(word, "email");
    }
    return slice_of(arena_printf(arena, "%s%s%s", openid ? "openid" : "",
                                 openid && email ? " " : "", email || !openid ? "email" : ""));
}

static bool asks_for_silence(struct slice prompt)
{
    struct slice word;
    while (slice_cut(&prompt, ' ', &word)) {
        if (slice_is(word, "none")) {
            return true;
        }
    }
    return false;
}

/* A challenge is base64url of a SHA-256 (RFC 7636 section 4.2). */
static bool is_challenge(struct slice text)
{
    return ticket_is_whole(text);
}

static const struct fault no_such_target = {
    "invalid_target",
    "it names no one service of this Homerun that lets people in by sign-in (resource)."};

/* Fills REQUEST beyond its client and redirect URI. Whether there is such a service is asked once
 * it is known who asks. */
static struct fault read_request(struct api_call *call, struct agent_request *request)
{
    struct slice query = call->query, type, mode, method, prompt, scope, given;
    if (!agent_parameter(call, query, "state", &request->state) ||
        request->state.len > AGENT_STATE_MAX) {
        request->state = SLICE("");
        return (struct fault){"invalid_request", "its state is sent twice, or over 2 KiB."};
    }
    if (!agent_parameter(call, query, "response_type", &type) ||
        !agent_parameter(call, query, "response_mode", &mode) ||
        !agent_parameter(call, query, "code_challenge", &request->challenge) ||
        !agent_parameter(call, query, "code_challenge_method", &method) ||
        !agent_parameter(call, query, "prompt", &prompt) ||
        !agent_parameter(call, query, "scope", &scope) ||
        !agent_parameter(call, query, "request", &given) || given.len > 0) {
        return (struct fault){"invalid_request", "a parameter stands there twice, is broken, or is "
                                                 "none that is taken."};
    }
    if (!slice_is(type, "code") || (mode.len > 0 && !slice_is(mode, "query"))) {
        return (struct fault){"unsupported_response_type", "it wants no code in the query."};
    }
    if (!slice_is(method, "S256") || !is_challenge(request->challenge)) {
        return (struct fault){"invalid_request", "it sends no code_challenge by S256 (PKCE)."};
    }
    if (!agent_parameter(call, query, "resource", &request->resource) ||
        !resource_is_here(call, request->resource, &request->host)) {
        return no_such_target;
    }
    if (asks_for_silence(prompt)) {
        return (struct fault){"consent_required", "it wants to be let in without a question."};
    }
    request->scope = known_scopes(&call->arena, scope);
    return (struct fault){NULL, NULL};
}

/* ---- the consent page ---- */

void agent_add_line(struct api_call *call, struct door_page *page, const char *label,
                    struct slice value)
{
    door_page_add(page, "<p class=\"soft\">");
    door_page_add(page, label);
    door_page_add(page, "</p>");
    door_add_name(call, page, value);
}

void agent_add_button(struct door_page *page, const char *value, const char *text,
                      const char *class)
{
    door_page_add(page, "<button type=\"submit\" name=\"answer\" value=\"");
    door_page_add(page, value);
    door_page_add(page, "\"");
    door_page_add(page, class);
    door_page_add(page, ">");
    door_page_add(page, text);
    door_page_add(page, "</button>");
}

/* An origin as Content-Security-Policy can name it: IPv6 addresses it cannot. */
static const char *policy_source(struct api_call *call, const struct agent_redirect *place)
{
    return slice_find(place->origin, '[') >= 0 ? "http:"
                                               : arena_string(&call->arena, place->origin);
}

/* What the name of a program is worth. */
static void add_who_says_so(struct api_call *call, struct door_page *page,
                            const struct agent_client *client, bool loopback)
{
    struct agent_redirect document;
    const char *why;
    if (!agent_id_is_url(client->id) ||
        !agent_redirect_read(&call->arena, client->id, &document, &why)) {
        door_page_add(page, "<p class=\"soft\">Nobody has checked that name: any program can use "
                            "it.</p>");
        return;
    }
    agent_add_line(call, page, "That is what this site says of it:", document.host);
    door_page_add(page, "<p class=\"soft\"><code>");
    door_page_text(call, page, client->id);
    door_page_add(page, "</code></p>");
    if (loopback) {
        door_page_add(page, "<p class=\"soft\">Nobody has checked that the program is that site's: "
                            "any program on the same computer can say so.</p>");
    }
}

static const char *cookie_of(struct api_call *call, struct slice id)
{
    return arena_printf(&call->arena, COOKIE_ASKED "%.*s", SLICE_ARG(slice_upto(id, 8)));
}

void agent_show(struct api_call *call, struct door_page *page, struct slice id,
                const struct session_key *session)
{
    struct api_header dropped[COOKIES_DROPPED_MAX];
    struct slice shown =
        agent_flow_show(call->control->sealer, &call->arena, id, session, moment_now());
    unsigned count = cookies_drop_oldest(call, COOKIE_ASKED, TRIPS_IN_BROWSER_MAX, dropped);
    for (unsigned i = 0; i < count; i++) {
        door_page_header(page, dropped[i]);
    }
    door_page_header(page, cookie_set(call, cookie_of(call, id), shown, AGENT_FLOW_S));
}

bool agent_is_shown(struct api_call *call, struct slice id, const struct session_key *session)
{
    bool several;
    struct slice shown =
        cookie_find(exchange_request(call->exchange), cookie_of(call, id), &several);
    return agent_flow_is_shown(call->control->sealer, &call->arena, id, session, shown,
                               moment_now());
}

static void consent_page(struct api_call *call, struct slice id,
                         const struct agent_request *request, const struct agent_client *client,
                         const struct session *session)
{
    struct door_page page = door_page(200, "Let this program in?");
    struct agent_redirect place = {0};
    const char *why;
    agent_redirect_read(&call->arena, request->redirect, &place, &why);
    door_page_add(&page, "<p>A program wants to use a service in your name. It calls itself</p>");
    struct slice name = client->name.len > 0 ? client->name : SLICE("(nothing)");
    door_add_name(call, &page, slice_of(arena_printf(&call->arena, "“%.*s”", SLICE_ARG(name))));
    add_who_says_so(call, &page, client, place.loopback);
    agent_add_line(call, &page, "The service:", request->resource);
    agent_add_line(call, &page, "In the name of:", session->person.shown);
    agent_add_line(call, &page,
                   place.loopback ? "The program runs on the computer with this browser, at:"
                                  : "You will be sent to, and the program runs at:",
                   place.host);
    door_page_add(&page,
                  "<p>It may do there what you may do, until you end it on the start page here, or "
                  "sign out. It gets nothing else of Homerun.</p>"
                  "<form method=\"post\" action=\"/authorize\">"
                  "<input type=\"hidden\" name=\"r\" value=\"");
    door_page_text(call, &page, id);
    door_page_add(&page, "\">");
    agent_add_button(&page, "allow", "Let it in", "");
    agent_add_button(&page, "deny", "Cancel", " class=\"quiet\"");
    door_page_add(&page, "</form><p class=\"soft\">If you did not just start this "
                         "yourself, cancel.</p>");
    page.form_to = policy_source(call, &place);
    agent_show(call, &page, id, &session->key);
    door_page_reply(call, &page);
}

void agent_too_long(struct api_call *call)
{
    door_refuse(call, 400, "This program asks for too much",
                "What it asks with (its state, addresses and scopes) is over 4000 bytes together.");
}

void agent_over(struct api_call *call)
{
    door_refuse(call, 400, "This request is over",
                "It was answered already, or took longer than ten minutes. Begin again in the "
                "program that asked.");
}

void agent_sign_in_first(struct api_call *call, const char *target, struct slice host, bool again)
{
    struct slice login_id, nonce;
    struct login login;
    const struct sealer *sealer = call->control->sealer;
    struct moment now = moment_now();
    login_new(sealer, &call->arena,
              slice_of(settings_own_host(&call->control->settings, &call->arena, "auth")),
              slice_of(target), again, now, &login_id, &nonce);
    if (!login_find(sealer, &call->arena, login_id, now, &login)) {
        agent_over(call);
        return;
    }
    if (!again && door_provider_resume(call, &login)) {
        return;
    }
    login.host = host; /* what is entered in the end */
    door_sign_in_page(call, &login, again);
}

bool agent_sign_in_is_due(const struct session *session, int64_t max_age_s)
{
    int64_t age_us = clock_wall_us() - session->signed_in_us;
    return max_age_s > 0 && (age_us < 0 || age_us / US_PER_S >= max_age_s);
}

static void another_address(struct api_call *call)
{
    door_refuse(call, 400, "This program asks for another address",
                "It wants your browser to be sent to an address that it has not registered "
                "(redirect_uri). Nothing was sent there.");
}

/* AGAIN: the person is signed in, for too long. */
static void sign_in_first(struct api_call *call, struct slice id,
                          const struct agent_request *request, bool again)
{
    agent_sign_in_first(call, arena_printf(&call->arena, "/authorize?r=%.*s", SLICE_ARG(id)),
                        request->host, again);
}

/* Asks the person of SESSION about CLIENT. */
static void ask(struct api_call *call, struct slice id, const struct agent_request *request,
                const struct agent_client *client, const struct session *session)
{
    int64_t max_age_s;
    struct error err;
    if (!agent_client_redirects(client, request->redirect)) {
        another_address(call);
        return;
    }
    if (!has_door(call, request->host, &max_age_s)) {
        agent_flow_deny(call->control, id, moment_now());
        send_fault(call, request, &no_such_target);
        return;
    }
    if (agent_sign_in_is_due(session, max_age_s)) {
        sign_in_first(call, id, request, true);
        return;
    }
    if (!session_touch(call, session, &err)) {
        door_fail(call, &err);
        return;
    }
    consent_page(call, id, request, client, session);
}

/* ---- clients ---- */

/* What was asked for, once more: a document has been fetched meanwhile. */
struct asked {
    struct slice id;
    struct agent_request request;
};

static void cannot_be_described(struct api_call *call, struct slice url, int status,
                                const char *why)
{
    struct door_page page = door_page(status, "This program's description cannot be used");
    bool whole = slice_ends(slice_of(why), SLICE("."));
    door_page_add(&page, "<p>The program names this place as its description (client_id):</p>");
    door_add_name(call, &page, slice_upto(url, AGENT_DOCUMENT_URL_MAX));
    door_page_add(&page, "<p>It is not taken: ");
    door_page_text(call, &page, slice_of(why));
    door_page_add(&page, whole ? "</p>" : ".</p>");
    door_page_add(&page, "<p class=\"soft\">Nobody was let in, and your browser was sent to "
                         "nobody.</p>");
    door_page_reply(call, &page);
}

/* The person may have signed out while the document was on its way. */
static void on_described(struct api_call *call, void *ctx, const struct agent_refusal *refusal)
{
    const struct asked *asked = ctx;
    auto_agent_client client = {0};
    auto_session session = {0};
    bool found;
    if (call->exchange == NULL) {
        api_end(call);
    } else if (refusal != NULL) {
        agent_flow_deny(call->control, asked->id, moment_now());
        cannot_be_described(call, asked->request.client, refusal->status, refusal->text);
    } else if (!agent_client_find(call->control, asked->request.client, &client)) {
        agent_over(call);
    } else if (!door_session(call, &session, &found)) {
        return;
    } else if (!found) {
        sign_in_first(call, asked->id, &asked->request, false);
    } else {
        ask(call, asked->id, &asked->request, &client, &session);
    }
}

/* Finds out who the person is, and then which program it is. A stranger makes this Homerun ask
 * nobody, and learns nothing of services. */
static void go_on(struct api_call *call, struct slice id, const struct agent_request *request)
{
    auto_session session = {0};
    auto_agent_client client = {0};
    bool found;
    if (!door_session(call, &session, &found)) {
        return;
    }
    if (!found) {
        sign_in_first(call, id, request, false);
    } else if (!agent_id_is_url(request->client)
                   ? agent_client_find(call->control, request->client, &client)
                   : agent_document_find(call->control, request->client, &client)) {
        ask(call, id, request, &client, &session);
    } else if (agent_id_is_url(request->client)) {
        struct asked *asked = arena_new(&call->arena, struct asked);
        *asked = (struct asked){id, *request};
        agent_document_fetch(call, request->client, on_described, asked);
    } else {
        agent_over(call);
    }
}

/* ---- the requests of browsers ---- */

/* Whether the client of REQUEST may ask at all, as far as a stranger can be told; the call has been
 * answered if false. Until it is known that it belongs to its redirect URI, nobody is sent
 * anywhere. */
static bool client_may_ask(struct api_call *call, struct agent_request *request)
{
    auto_agent_client client = {0};
    const char *why;
    bool by_url = false;
    if (!agent_parameter(call, call->query, "client_id", &request->client) ||
        (!(by_url = agent_id_is_url(request->client)) &&
         !agent_client_find(call->control, request->client, &client))) {
        door_refuse(call, 400, "This program is not registered",
                    "It has to register anew: what it registered was not used for a while, or "
                    "this is another Homerun. Removing and adding the server in the program does "
                    "that.");
        return false;
    }
    if (by_url && !agent_documents_on(call->control)) {
        cannot_be_described(call, request->client, 400,
                            "this Homerun takes no descriptions by URL. The program can register, "
                            "or the operator allows them (--client-documents)");
        return false;
    }
    if (by_url && !agent_document_url(
                      &call->arena, request->client,
                      strcmp(call->control->settings.client_documents, "private") == 0, &why)) {
        cannot_be_described(call, request->client, 400, arena_printf(&call->arena, "it %s", why));
        return false;
    }
    if (!agent_parameter(call, call->query, "redirect_uri", &request->redirect) ||
        (!by_url && !agent_client_redirects(&client, request->redirect))) {
        another_address(call);
        return false;
    }
    return true;
}

static void authorize_get(struct api_call *call)
{
    struct agent_request request = {0};
    struct slice id;
    if (url_query_find(&call->arena, call->query, "r", &id)) {
        if (agent_flow_find(call->control, &call->arena, id, moment_now(), &request)) {
            go_on(call, id, &request);
        } else {
            agent_over(call);
        }
        return;
    }
    if (!client_may_ask(call, &request)) {
        return;
    }
    const struct fault fault = read_request(call, &request);
    if (fault.code != NULL && agent_id_is_url(request.client)) {
        door_refuse(call, 400, "This program cannot be let in",
                    arena_printf(&call->arena, "It asks in a way that Homerun does not answer: %s",
                                 fault.text));
        return;
    }
    if (fault.code != NULL) {
        send_fault(call, &request, &fault);
        return;
    }
    id = agent_flow_new(call->control->sealer, &call->arena, &request, moment_now());
    if (id.len == 0) {
        agent_too_long(call);
        return;
    }
    go_on(call, id, &request);
}

static void authorize_post(struct api_call *call)
{
    struct agent_request request;
    struct slice id = SLICE_NONE, answer = SLICE_NONE, code;
    struct error err;
    auto_session session = {0};
    bool found;
    if (!door_from_own_page(call)) {
        door_not_from_here(call);
        return;
    }
    url_query_find(&call->arena, call->raw_body, "r", &id);
    url_query_find(&call->arena, call->raw_body, "answer", &answer);
    if (!door_session(call, &session, &found)) {
        return;
    }
    if (!found || !agent_is_shown(call, id, &session.key) ||
        !agent_flow_find(call->control, &call->arena, id, moment_now(), &request) ||
        request.host.len == 0) { /* gcloud's (agents_gcloud.c) */
        agent_over(call);
        return;
    }
    if (!slice_is(answer, "allow")) {
        agent_flow_deny(call->control, id, moment_now());
        door_redirect(call, 303, agent_way_back(call, &request, "error", SLICE("access_denied")),
                      NULL, 0);
        return;
    }
    if (!agent_flow_allow(call, id, &request, &session.key, &code, &err)) {
        door_fail(call, &err);
        return;
    }
    door_redirect(call, 303, agent_way_back(call, &request, "code", code), NULL, 0);
}

/* ---- those who are in ---- */

static void add_agent(struct api_call *call, struct door_page *page,
                      const struct agent_grant *grant)
{
    struct slice name = grant->name.len > 0 ? grant->name : SLICE("a program without a name");
    door_page_add(page, "<form method=\"post\" action=\"/_homerun/auth/agents\"><p>“");
    door_page_text(call, page, name);
    door_page_add(page, "” (");
    door_page_text(call, page, grant->place);
    door_page_add(page, ") at ");
    door_page_text(call, page, grant->resource);
    door_page_add(page, "<br><span class=\"soft\">let in ");
    door_page_text(call, page, slice_upto(time_text(&call->arena, grant->made_us), 10));
    door_page_add(page, ", last came ");
    door_page_text(call, page, slice_upto(time_text(&call->arena, grant->used_us), 10));
    door_page_add(page, "</span></p><input type=\"hidden\" name=\"agent\" value=\"");
    door_page_text(call, page, slice_of(grant->digits));
    door_page_add(page, "\"><button type=\"submit\" class=\"quiet\">End it</button></form>");
}

void door_agents_add(struct api_call *call, struct door_page *page, const struct session *session)
{
    struct agent_grant *grants = arena_array(&call->arena, struct agent_grant, LIST_MAX);
    size_t count = agent_grants_list(call, session, grants, LIST_MAX);
    if (count == 0) {
        return;
    }
    door_page_add(page, "<hr><h2>Programs that you have let in</h2>");
    /* A page has its bound: the form for the rest comes once some of these have been ended. */
    for (size_t i = 0; i < count && buffer_len(&page->body) < DOOR_PAGE_MAX / 2; i++) {
        add_agent(call, page, &grants[i]);
    }
    door_page_add(page, "<hr>");
}

static void agents_post(struct api_call *call)
{
    auto_session session = {0};
    struct slice digits = SLICE_NONE;
    bool found;
    struct error err;
    if (!door_from_own_page(call)) {
        door_not_from_here(call);
        return;
    }
    url_query_find(&call->arena, call->raw_body, "agent", &digits);
    if (!door_session(call, &session, &found)) {
        return;
    }
    if (found && !agent_grant_end_own(call, &session, digits, &err)) {
        door_fail(call, &err);
        return;
    }
    door_redirect(call, 303, arena_printf(&call->arena, "%s/", door_auth_url(call)), NULL, 0);
}

#define METHOD "homerun.v1.Agents."
#define OPEN   NULL, NULL, API_ANONYMOUS | API_ON_AUTH

const struct api_route agent_routes[] = {
    {"GET", "/authorize", OPEN | API_NO_BODY, authorize_get, METHOD "Authorize"},
    {"POST", "/authorize", OPEN | API_FORM, authorize_post, METHOD "AnswerForPerson"},
    {"POST", "/_homerun/auth/agents", OPEN | API_FORM, agents_post, METHOD "EndAgent"},
};
const size_t agent_route_count = sizeof(agent_routes) / sizeof(agent_routes[0]);
