/*
 * gcloud's own browser login, at the path that it has at Google. What comes of it opens the API in
 * all that the person may, so it asks for more than an agent does: a sign-in of the last minutes,
 * an account of this installation, and a yes to these words. The client is one that gcloud has
 * built in; where it may be answered at is fixed.
 */
#include "control/front/agents.h"
#include "control/front/agents_inside.h"
#include "control/front/door_inside.h"
#include "control/identity/accounts.h"
#include "control/identity/gcloud_login.h"
#include "http/query.h"

enum { FRESH_S = 10 * 60 };

/* Where gcloud listens, on a port of its choice; and a page of Google's that would show the code,
 * which we show ourselves: it is nobody's business there. */
static const char here[] = "http://localhost/";
static const char elsewhere[] = "https://sdk.cloud.google.com/authcode.html";

static void refuse(struct api_call *call, const char *why)
{
    door_refuse(call, 400, "gcloud cannot be let in", why);
}

/* Application-default credentials keep no token_uri: each library would take this installation's
 * refresh token to Google (and fail). */
static void refuse_adc(struct api_call *call)
{
    struct door_page page = door_page(400, "Application-default credentials are not made here");
    door_page_add(
        &page,
        "<p>The file that <code>gcloud auth application-default login</code> writes does not say "
        "where its token is good. Every library would send it to Google, where it means nothing, "
        "and must not be.</p><p>Libraries take a key file instead, which names this Homerun. On "
        "its machine, type</p><span class=\"command\">eval \"$(homerun env)\"</span>"
        "<p class=\"soft\">gcloud itself needs no such file: <code>gcloud auth login</code> signs "
        "it in.</p>");
    door_page_reply(call, &page);
}

static struct slice form_or_none(struct api_call *call, struct slice form, const char *name)
{
    struct slice value = SLICE("");
    return agent_parameter(call, form, name, &value) ? value : SLICE("");
}

/* False: the call has been answered. */
static bool read_request(struct api_call *call, struct agent_request *out)
{
    struct slice client = form_or_none(call, call->query, "client_id");
    if (slice_is(client, GCLOUD_ADC_CLIENT)) {
        refuse_adc(call);
        return false;
    }
    if (!slice_is(client, GCLOUD_LOGIN_CLIENT)) {
        refuse(call, "This page is for gcloud. Other programs register, and ask at /authorize.");
        return false;
    }
    *out = (struct agent_request){
        .client = client,
        .redirect = form_or_none(call, call->query, "redirect_uri"),
        .state = form_or_none(call, call->query, "state"),
        .challenge = form_or_none(call, call->query, "code_challenge"),
    };
    if (!slice_is(out->redirect, elsewhere) && !agent_redirect_is(SLICE(here), out->redirect)) {
        refuse(call, "It wants your browser to be sent to an address that is not gcloud's. Nothing "
                     "was sent there.");
        return false;
    }
    if (!slice_is(form_or_none(call, call->query, "response_type"), "code") ||
        !slice_is(form_or_none(call, call->query, "code_challenge_method"), "S256") ||
        !ticket_is_whole(out->challenge) || out->state.len > AGENT_STATE_MAX) {
        refuse(call, "It does not ask for a code with a code_challenge by S256 (PKCE), as gcloud "
                     "does.");
        return false;
    }
    return true;
}

static void consent_page(struct api_call *call, struct slice id,
                         const struct agent_request *request, const struct session *session)
{
    struct door_page page = door_page(200, "Let gcloud manage this installation?");
    bool far = slice_is(request->redirect, elsewhere);
    door_page_add(&page,
                  "<p>Anyone who runs it can do everything here that you may: deploy, open and "
                  "close services, and give roles.</p>");
    agent_add_line(call, &page, "In the name of:", session->person.shown);
    door_page_add(&page, far ? "<p>gcloud waits for a code, which you will see here. Type it "
                               "nowhere but where you have started <code>gcloud auth login</code> "
                               "yourself.</p>"
                             : "<p>gcloud runs on the computer with this browser.</p>");
    door_page_add(&page, "<form method=\"post\" action=\"/o/oauth2/auth\">"
                         "<input type=\"hidden\" name=\"r\" value=\"");
    door_page_text(call, &page, id);
    door_page_add(&page, "\">");
    agent_add_button(&page, "allow", "Let it manage this installation", "");
    agent_add_button(&page, "deny", "Cancel", " class=\"quiet\"");
    door_page_add(&page, "</form><p class=\"soft\">It ends when you sign out, or end it on the "
                         "start page here. If you did not just start this yourself, cancel.</p>");
    page.form_to = "http://localhost:*";
    agent_show(call, &page, id, &session->key);
    door_page_reply(call, &page);
}

static bool has_account(struct api_call *call, const struct session *session)
{
    struct account account;
    return session->person.sub.len > 0 &&
           account_by_sub(call->control, &call->arena, session->person.sub, &account);
}

static void ask(struct api_call *call, struct slice id, const struct agent_request *request)
{
    auto_session session = {0};
    bool found;
    if (!door_session(call, &session, &found)) {
        return;
    }
    if (!found || agent_sign_in_is_due(&session, FRESH_S)) {
        agent_sign_in_first(call,
                            arena_printf(&call->arena, "/o/oauth2/auth?r=%.*s", SLICE_ARG(id)),
                            slice_of(call->control->url), found);
        return;
    }
    if (!has_account(call, &session)) {
        refuse(call, "You are signed in by an identity provider, and have no account here. Only "
                     "accounts of this installation manage it: ask its owner for a link "
                     "(homerun invite).");
        return;
    }
    consent_page(call, id, request, &session);
}

static bool is_gclouds(const struct agent_request *request)
{
    return slice_is(request->client, GCLOUD_LOGIN_CLIENT);
}

static void auth_get(struct api_call *call)
{
    struct agent_request request;
    struct slice id;
    if (!url_query_find(&call->arena, call->query, "r", &id)) {
        if (!read_request(call, &request)) {
            return;
        }
        id = agent_flow_new(call->control->sealer, &call->arena, &request, moment_now());
        if (id.len == 0) {
            agent_too_long(call);
            return;
        }
    } else if (!agent_flow_find(call->control, &call->arena, id, moment_now(), &request) ||
               !is_gclouds(&request)) {
        agent_over(call);
        return;
    }
    ask(call, id, &request);
}

static void show_code(struct api_call *call, struct slice code)
{
    struct door_page page = door_page(200, "The code for gcloud");
    door_page_add(&page, "<p>gcloud asks for it where you have started it:</p>"
                         "<span class=\"command\">");
    door_page_text(call, &page, code);
    door_page_add(&page, "</span><p class=\"soft\">It counts once, for a minute. Give it to "
                         "nobody.</p>");
    door_page_reply(call, &page);
}

static void auth_post(struct api_call *call)
{
    struct slice form = call->raw_body, id = form_or_none(call, form, "r"), code;
    struct agent_request request;
    struct error err;
    auto_session session = {0};
    bool found;
    if (!door_from_own_page(call)) {
        door_not_from_here(call);
        return;
    }
    if (!door_session(call, &session, &found)) {
        return;
    }
    if (!found || !agent_is_shown(call, id, &session.key) ||
        !agent_flow_find(call->control, &call->arena, id, moment_now(), &request) ||
        !is_gclouds(&request)) {
        agent_over(call);
        return;
    }
    bool far = slice_is(request.redirect, elsewhere);
    if (!slice_is(form_or_none(call, form, "answer"), "allow")) {
        agent_flow_deny(call->control, id, moment_now());
        if (far) {
            door_refuse(call, 200, "gcloud was not let in", "You have cancelled it.");
            return;
        }
        door_redirect(call, 303, agent_way_back(call, &request, "error", SLICE("access_denied")),
                      NULL, 0);
        return;
    }
    if (!agent_flow_allow(call, id, &request, &session.key, &code, &err)) {
        door_fail(call, &err);
        return;
    }
    if (far) {
        show_code(call, code);
        return;
    }
    door_redirect(call, 303, agent_way_back(call, &request, "code", code), NULL, 0);
}

#define METHOD "homerun.v1.Agents."
#define OPEN   NULL, NULL, API_ANONYMOUS | API_ON_AUTH

const struct api_route gcloud_login_routes[] = {
    {"GET", "/o/oauth2/auth", OPEN | API_NO_BODY, auth_get, METHOD "AuthorizeGcloud"},
    {"POST", "/o/oauth2/auth", OPEN | API_FORM, auth_post, METHOD "AnswerGcloudForPerson"},
};
const size_t gcloud_login_route_count =
    sizeof(gcloud_login_routes) / sizeof(gcloud_login_routes[0]);
