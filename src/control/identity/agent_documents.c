#include "control/identity/agent_documents.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/identity/guesses.h"
#include "control/identity/http_fetch.h"

enum { US_PER_S = 1000000 };

/* ---- which are taken ---- */

static bool is_setting(const struct control *control, const char *kind)
{
    return strcmp(control->settings.client_documents, kind) == 0;
}

/* Connecting a datagram socket sends nothing: the kernel looks for a route. */
static bool has_route(const void *address, socklen_t bytes, int family)
{
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool found = fd >= 0 && connect(fd, address, bytes) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return found;
}

/* Whether this machine has a route to the public network. */
static bool machine_has_a_way_out(void)
{
    /* Addresses of documentation: they are nobody's. */
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(443)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(443)};
    inet_pton(AF_INET, "192.0.2.1", &v4.sin_addr);
    inet_pton(AF_INET6, "2001:db8::1", &v6.sin6_addr);
    return has_route(&v4, sizeof(v4), AF_INET) || has_route(&v6, sizeof(v6), AF_INET6);
}

bool agent_documents_on(const struct control *control)
{
    return is_setting(control, "private") ||
           (is_setting(control, "auto") && machine_has_a_way_out());
}

/* ---- what is known ---- */

bool agent_document_find(struct control *control, struct slice url, struct agent_client *out)
{
    if (!agent_client_find(control, url, out)) {
        return false;
    }
    int64_t age_us = clock_wall_us() - json_number(out->body, "fetchedUs", 0);
    if (age_us < 0 || age_us >= (int64_t)AGENT_DOCUMENT_FRESH_S * US_PER_S) {
        agent_client_done(out);
        return false;
    }
    return true;
}

/* ---- what it says ---- */

static bool refuse(struct agent_refusal *refusal, int status, const char *text)
{
    *refusal = (struct agent_refusal){status, "invalid_client", text};
    return false;
}

/* Its own name, no secret, and no other way to show who it is than that it is answered where it
 * says. */
static bool document_is_good(const json_t *document, struct slice url,
                             struct agent_refusal *refusal)
{
    if (!json_is_object(document)) {
        return refuse(refusal, 400, "it is no JSON object");
    }
    if (!slice_is(url, json_text_or(document, "client_id", ""))) {
        return refuse(refusal, 400, "its client_id is not the URL that it was fetched from");
    }
    if (json_object_get(document, "client_secret") != NULL ||
        json_object_get(document, "client_secret_expires_at") != NULL) {
        return refuse(refusal, 400, "it has a client_secret, which everybody could read there");
    }
    const json_t *method = json_object_get(document, "token_endpoint_auth_method");
    if (method != NULL &&
        (!json_is_string(method) || strcmp(json_string_value(method), "none") != 0)) {
        return refuse(refusal, 400,
                      "its token_endpoint_auth_method is not none, the only one that is taken");
    }
    return true;
}

struct fetching {
    struct api_call *call;
    struct slice url;
    agent_document_done done;
    void *ctx;
};

static bool same_as_before(const json_t *before, const json_t *body)
{
    static const char *const members[] = {"name", "redirects", "refreshes"};
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        if (!json_equal(json_object_get(before, members[i]), json_object_get(body, members[i]))) {
            return false;
        }
    }
    return true;
}

static bool keep(struct api_call *call, struct slice url, const json_t *document,
                 struct agent_refusal *refusal)
{
    struct error err;
    auto_agent_client before = {0};
    if (!document_is_good(document, url, refusal)) {
        return false;
    }
    auto_json *body = agent_client_describe(call, document, refusal);
    if (body == NULL) {
        return false;
    }
    bool known = agent_client_find(call->control, url, &before);
    if (known) {
        json_object_set(body, "madeUs", json_object_get(before.body, "madeUs"));
        json_object_set(body, "usedUs", json_object_get(before.body, "usedUs"));
    }
    json_object_set_new(body, "url", json_slice(url));
    json_object_set_new(body, "fetchedUs", json_integer((json_int_t)clock_wall_us()));
    bool changed = !known || !same_as_before(before.body, body);
    return agent_client_put(call, url, body, changed ? "describe-agent" : NULL, &err) ||
           refuse(refusal, 503, arena_string(&call->arena, slice_of(err.text)));
}

/* ---- fetching ---- */

static void on_document(struct control *control, void *ctx, long status, const char *text,
                        const char *why)
{
    const struct fetching *fetching = ctx;
    struct api_call *call = fetching->call;
    struct agent_refusal refusal = {0};
    struct error err = {0};
    control->documents_running--;
    if (text == NULL || status != 200) {
        refuse(&refusal, 400,
               text == NULL ? arena_string(&call->arena, slice_of(why))
                            : arena_printf(&call->arena, "it is answered with status %ld", status));
        fetching->done(call, fetching->ctx, &refusal);
        return;
    }
    auto_json *document = json_read(slice_of(text), &err);
    bool kept = document == NULL ? refuse(&refusal, 400, "it is no JSON")
                                 : keep(call, fetching->url, document, &refusal);
    fetching->done(call, fetching->ctx, kept ? NULL : &refusal);
}

void agent_document_fetch(struct api_call *call, struct slice url, agent_document_done done,
                          void *ctx)
{
    struct control *control = call->control;
    struct fetching *fetching = arena_new(&call->arena, struct fetching);
    struct agent_refusal refusal;
    bool here = is_setting(control, "private");
    *fetching = (struct fetching){call, arena_slice(&call->arena, url), done, ctx};
    if (guesses_too_many(control->registrations, call->peer, clock_mono_us())) {
        refuse(&refusal, 429, "ten were asked for from your address within a minute: wait one");
        done(call, ctx, &refusal);
        return;
    }
    if (control->documents_running >= AGENT_DOCUMENTS_AT_ONCE) {
        refuse(&refusal, 503, "others are being fetched: try again in a moment");
        done(call, ctx, &refusal);
        return;
    }
    guesses_count(control->registrations, call->peer, clock_mono_us());
    control->documents_running++;
    http_fetch(control,
               &(struct fetch_plan){
                   .uri = arena_string(&call->arena, url),
                   .bytes_max = AGENT_DOCUMENT_BYTES_MAX,
                   .only_json = true,
                   .only_public = !here,
                   .ca = here ? settings_path(&control->settings, &call->arena, "ca.pem") : NULL,
               },
               on_document, fetching);
}
