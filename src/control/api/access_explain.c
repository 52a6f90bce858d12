/* `access:explain`: a refusal of the past, a pasted command, a token, or a request that is
 * imagined. */
#include "control/api/access_inside.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "control/access/denial.h"
#include "control/access/explain.h"
#include "control/api/peer_questions.h"
#include "control/call/peers.h"
#include "control/record/projects.h"
#include "http/curl_line.h"

/* What a line of the request log tells of a refusal. */
static json_t *denial_shown(const json_t *line)
{
    static const char *const shown[] = {"denial", "time", "service",   "region", "method", "url",
                                        "status", "rung", "principal", "fault",  "text"};
    json_t *out = json_object();
    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
        json_t *value = json_object_get(line, shown[i]);
        if (value != NULL) {
            json_object_set(out, shown[i], value);
        }
    }
    return out;
}

/* "https://HOST/PATH" of the log. The query was not kept. */
static void read_url(struct api_call *call, const char *url, struct explain_question *out)
{
    struct slice rest = slice_of(url);
    ptrdiff_t at = slice_find_slice(rest, SLICE("://"));
    out->plain = slice_starts(rest, SLICE("http://"));
    rest = at < 0 ? rest : slice_from(rest, (size_t)at + 3);
    ptrdiff_t end = slice_find(rest, '/');
    out->host = arena_string(&call->arena, end < 0 ? rest : slice_upto(rest, (size_t)end));
    out->path = end < 0 ? "/" : arena_string(&call->arena, slice_from(rest, (size_t)end));
}

static enum network network_of_line(const json_t *line)
{
    const char *network = json_text_or(line, "network", "");
    return strcmp(network, "internal") == 0        ? NETWORK_INSIDE
           : strcmp(network, "load-balancer") == 0 ? NETWORK_LOAD_BALANCER
                                                   : NETWORK_OUTSIDE;
}

/* The service that a refused request was for, or meant; "" if none is known. */
static const char *resource_of_line(struct api_call *call, const json_t *line, const char *host)
{
    const char *service = json_text_or(line, "service", "");
    return service[0] == '\0' ? explain_service_of(call, host)
                              : arena_printf(&call->arena, "projects/%s/locations/%s/services/%s",
                                             json_text_or(line, "project", ""),
                                             json_text_or(line, "region", ""), service);
}

/* The explanation of LINE; NULL for those who may read the log and not the policy. */
static json_t *explain_line(struct api_call *call, const json_t *line)
{
    struct error ignored = {0};
    struct explain_question question = {
        .method = arena_string(&call->arena, slice_of(json_text_or(line, "method", "GET"))),
        .network = network_of_line(line),
        .denial = line,
        .now_us = clock_wall_us(),
    };
    read_url(call, json_text_or(line, "url", "https://-/"), &question);
    time_read(slice_of(json_text_or(line, "time", "")), &question.now_us);
    const char *resource = resource_of_line(call, line, question.host);
    if (resource[0] != '\0' && !api_holds(call, "run.services.getIamPolicy", resource)) {
        return NULL;
    }
    return explain(call, resource, &question, &ignored);
}

/* False where there is no LINE, or it is not for this caller. */
static bool explain_found(struct api_call *call, const json_t *line)
{
    const char *of = json_text_or(line, "project", "");
    if (line == NULL ||
        (of[0] != '\0' && !api_holds(call, "logging.logEntries.list",
                                     arena_printf(&call->arena, "projects/%s", of)))) {
        return false;
    }
    auto_json *shown = denial_shown(line);
    json_t *answer = explain_line(call, line);
    if (answer == NULL) {
        api_reply(call, json_incref(shown));
        return true;
    }
    json_object_update(answer, shown);
    json_object_set(answer, "fact", json_object_get(answer, "cause"));
    api_reply(call, answer);
    return true;
}

static void refuse_denial(struct api_call *call, const char *id)
{
    struct error err;
    error_set(&err, STATUS_NOT_FOUND,
              "No denial %.40s is in the request log%s%s. It may be older than the log reaches.",
              id, call->unreachable == NULL ? "" : ", as far as it was reached; not asked: ",
              call->unreachable == NULL ? "" : call->unreachable);
    api_fail(call, &err);
}

/* ---- a refusal whose line is on its way, or at another node ---- */

/*
 * A worker answers before it writes: who asks at once may be there before the line is. This node
 * looks at once, then asks the others, and goes on looking while it does; then all are asked once
 * more.
 */
enum { WAIT_MS = 50, WAITS = 10, WAITERS_MAX = 64 };

struct waiter {
    uv_timer_t timer;
    struct api_call *call;
    const char *id; /* in the call's arena */
    unsigned looks;
};

/* Control is one thread: no locks. */
static unsigned waiters;

json_t *denial_of_node(struct control *control, const json_t *asked, struct error *err)
{
    auto_arena arena = {0};
    const char *id = json_text_or(asked, "denial", "");
    json_t *line = denial_id_check(id, err) ? denial_find(control, &arena, id) : NULL;
    return line != NULL ? json_pack("{so}", "line", line) : json_object();
}

static bool explain_own(struct api_call *call, const char *id)
{
    auto_json *line = denial_find(call->control, &call->arena, id);
    return explain_found(call, line);
}

static bool explain_others(struct api_call *call, const struct peer_answers *others)
{
    for (size_t i = 0; i < others->count; i++) {
        const json_t *line = json_object_get(others->all[i].body, "line");
        if (line != NULL && explain_found(call, line)) {
            return true;
        }
    }
    return false;
}

/* The last look: nobody has it. */
static void explain_or_refuse(struct api_call *call, const struct peer_answers *others)
{
    const char *id = call->user;
    if (!explain_others(call, others) && !explain_own(call, id)) {
        refuse_denial(call, id);
    }
}

static void ask_others(struct api_call *call, const char *id,
                       void (*finish)(struct api_call *call, const struct peer_answers *others))
{
    auto_json *asked = json_pack("{ss}", "denial", id);
    call->user = arena_string(&call->arena, slice_of(id));
    api_ask_peers(call, "denial", asked, finish);
}

static void on_waiter_closed(uv_handle_t *handle)
{
    free(handle->data);
    waiters--;
}

static void on_look(uv_timer_t *timer)
{
    struct waiter *waiter = timer->data;
    bool left = waiter->call->exchange == NULL;
    if (left) {
        api_end(waiter->call);
    } else if (!explain_own(waiter->call, waiter->id)) {
        if (++waiter->looks < WAITS) {
            return;
        }
        ask_others(waiter->call, waiter->id, explain_or_refuse);
    }
    uv_close((uv_handle_t *)timer, on_waiter_closed);
}

static void explain_or_wait(struct api_call *call, const struct peer_answers *others)
{
    const char *id = call->user;
    if (explain_others(call, others)) {
        return;
    }
    if (waiters >= WAITERS_MAX) {
        refuse_denial(call, id);
        return;
    }
    waiters++;
    struct waiter *waiter = mem_new(struct waiter);
    waiter->call = call;
    waiter->id = id;
    uv_timer_init(call->control->loop, &waiter->timer);
    waiter->timer.data = waiter;
    uv_timer_start(&waiter->timer, on_look, WAIT_MS, WAIT_MS);
}

static void explain_denial(struct api_call *call, const char *id)
{
    struct error err;
    const char *project =
        arena_printf(&call->arena, "projects/%s", call->control->settings.project);
    if (!denial_id_check(id, &err) ||
        !api_allowed(call, "logging.logEntries.list", project, &err)) {
        api_fail(call, &err);
    } else if (!explain_own(call, id)) {
        ask_others(call, id, explain_or_wait);
    }
}

/* What the gate would be asked, as a body. The query has the same names, but no credentials: they
 * would be in logs. */
const struct field explain_fields[] = {
    {.name = "resource", .kind = FIELD_STRING},
    {.name = "method", .kind = FIELD_STRING, .max = 32},
    {.name = "host", .kind = FIELD_STRING, .max = 300},
    {.name = "path", .kind = FIELD_STRING, .max = 8192},
    {.name = "network", .kind = FIELD_STRING},
    {.name = "internal", .kind = FIELD_BOOL},
    {.name = "time", .kind = FIELD_STRING},
    {.name = "member", .kind = FIELD_STRING},
    {.name = "curl", .kind = FIELD_STRING, .max = CURL_LINE_MAX},
    {.name = "token", .kind = FIELD_STRING, .max = 32768},
    {.name = "authorization", .kind = FIELD_LIST, .item = FIELD_STRING},
    {.name = "serverlessAuthorization", .kind = FIELD_LIST, .item = FIELD_STRING},
    {.name = "headers", .kind = FIELD_LIST, .item = FIELD_STRING},
    {0},
};

static bool network_read(struct api_call *call, enum network *out, struct error *err)
{
    static const struct {
        const char *name;
        enum network network;
    } names[] = {
        {"outside", NETWORK_OUTSIDE},
        {"load-balancer", NETWORK_LOAD_BALANCER},
        {"internal", NETWORK_INSIDE},
    };
    const char *text = access_asked(call, "network");
    const json_t *body = access_body(call);
    bool internal =
        body != NULL ? json_flag(body, "internal", false) : api_query_flag(call, "internal");
    *out = internal ? NETWORK_INSIDE : NETWORK_OUTSIDE;
    for (size_t i = 0; text != NULL && i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i].name, text) == 0) {
            *out = names[i].network;
            return true;
        }
    }
    return text == NULL ||
           error_field(err, "network", "A network is outside, load-balancer or internal.");
}

/* Lines of one header: how many, and the last of them. */
static unsigned lines_read(const json_t *body, const char *name, struct slice *last)
{
    const json_t *lines = body == NULL ? NULL : json_object_get(body, name);
    size_t count = json_array_size(lines);
    if (count > 0) {
        *last = slice_of(json_string_value(json_array_get(lines, count - 1)));
    }
    return (unsigned)count;
}

/*
 * What a shell would have put into the credential of a pasted command: a token of gcloud or of
 * homerun is imagined for who asks, or for whom the command names; anything else is not known.
 */
static bool imagine_expansion(struct api_call *call, const struct curl_header *header,
                              struct explain_question *out, struct error *err)
{
    struct arena *arena = &call->arena;
    struct slice as = curl_command_flag(header->command, "as");
    struct slice account = curl_command_flag(header->command, "impersonate-service-account");
    struct slice audience = curl_command_flag(header->command, "audience");
    struct member *member = arena_new(arena, struct member);
    if (header->expands == CURL_UNKNOWN) {
        return error_field(
            err, "curl",
            "What the shell puts in the place of %.*s cannot be known here: paste the "
            "command with the token in it, or name who calls (member).",
            SLICE_ARG(slice_upto(header->command, 80)));
    }
    if (account.len > 0) {
        as = slice_of(arena_printf(arena, "serviceAccount:%.*s", SLICE_ARG(account)));
    }
    if (audience.len == 0) {
        audience = curl_command_flag(header->command, "audiences");
    }
    if (header->expands == CURL_ACCESS_TOKEN) {
        out->wants = "access";
        return true;
    }
    if (!member_parse(arena, as.len > 0 ? as : call->caller.member, member, err)) {
        return false;
    }
    out->member = member;
    out->audience = audience.len > 0 ? arena_string(arena, audience) : GCLOUD_AUDIENCE;
    return true;
}

/* One field of the request's head. False if it is none that carries a credential. */
static bool add_field(struct api_call *call, struct slice name, struct slice value,
                      struct explain_question *out)
{
    if (slice_is(name, "authorization")) {
        out->credential.authorization = value;
        out->credential.authorization_count++;
        return true;
    }
    if (slice_is(name, "x-serverless-authorization")) {
        out->credential.serverless = value;
        out->credential.serverless_count++;
        return true;
    }
    http_headers_add(&out->headers, &call->arena, name, value);
    return false;
}

/* The request that a pasted command would make. */
static bool curl_read(struct api_call *call, const char *text, struct explain_question *out,
                      struct error *err)
{
    struct curl_line *line = arena_new(&call->arena, struct curl_line);
    const struct curl_header *deciding = NULL;
    if (!curl_line_read(&call->arena, slice_of(text), line, err)) {
        return false;
    }
    out->method = arena_string(&call->arena, line->method);
    out->host = arena_string(&call->arena, line->authority);
    out->path = arena_string(&call->arena, line->target);
    out->plain = slice_is(line->scheme, "http");
    for (size_t i = 0; i < line->header_count; i++) {
        const struct curl_header *header = &line->headers[i];
        if (add_field(call, header->name, header->value, out) && header->expands != CURL_LITERAL) {
            deciding = header;
        }
    }
    return out->member != NULL || deciding == NULL || imagine_expansion(call, deciding, out, err);
}

/* "Name: value", one a line, as a browser's tools copy them. */
static bool headers_read(struct api_call *call, struct explain_question *out, struct error *err)
{
    const json_t *lines =
        access_body(call) == NULL ? NULL : json_object_get(access_body(call), "headers");
    size_t i;
    json_t *one;
    json_array_foreach(lines, i, one)
    {
        char *line = arena_string(&call->arena, slice_of(json_string_value(one)));
        size_t colon = strcspn(line, ":");
        if (i >= CURL_HEADERS_MAX || line[colon] == '\0' || colon == 0) {
            return error_field(err, "headers", "At most %d lines of the form NAME: VALUE.",
                               CURL_HEADERS_MAX);
        }
        for (size_t k = 0; k < colon; k++) {
            line[k] = line[k] >= 'A' && line[k] <= 'Z' ? (char)(line[k] + 32) : line[k];
        }
        add_field(call, (struct slice){line, colon}, slice_trim(slice_of(line + colon + 1)), out);
    }
    return true;
}

static bool question_read(struct api_call *call, struct explain_question *out, struct error *err)
{
    const char *named = access_asked(call, "member");
    const char *time = access_asked(call, "time");
    const char *method = access_asked(call, "method");
    const char *path = access_asked(call, "path");
    struct member *member = arena_new(&call->arena, struct member);
    *out = (struct explain_question){
        .method = method == NULL ? "GET" : method,
        .host = access_asked(call, "host"),
        .path = path == NULL ? "/" : path,
        .now_us = clock_wall_us(),
    };
    out->credential.authorization_count =
        lines_read(access_body(call), "authorization", &out->credential.authorization);
    out->credential.serverless_count =
        lines_read(access_body(call), "serverlessAuthorization", &out->credential.serverless);
    const char *token = access_body(call) == NULL ? NULL : access_asked(call, "token");
    if (token != NULL && out->credential.authorization_count == 0) {
        out->credential.authorization = slice_of(arena_printf(&call->arena, "Bearer %s", token));
        out->credential.authorization_count = 1;
    }
    if (time != NULL && !time_read(slice_of(time), &out->now_us)) {
        return error_field(err, "time", "'%.60s' is no time such as 2030-01-31T12:00:00Z.", time);
    }
    if (named != NULL) {
        if (out->credential.authorization_count + out->credential.serverless_count > 0) {
            return error_field(err, "member", "Ask for a member or with a credential, not both.");
        }
        if (!member_parse(&call->arena, slice_of(named), member, err)) {
            return false;
        }
        out->member = member;
    }
    const char *curl = access_body(call) == NULL ? NULL : access_asked(call, "curl");
    return headers_read(call, out, err) && (curl == NULL || curl_read(call, curl, out, err)) &&
           network_read(call, &out->network, err);
}

/* The service that is asked about: named, or the one that the request leads to. */
static const char *resource_asked(struct api_call *call, const struct explain_question *question)
{
    struct credential_look look;
    if (access_asked(call, "resource") != NULL) {
        return NULL;
    }
    if (question->host != NULL) {
        return explain_service_of(call, question->host);
    }
    credential_look(&call->arena, &question->credential, &look);
    if (!look.readable || look.token.audience_count == 0) {
        return NULL;
    }
    struct explain_question of_audience = {0};
    read_url(call, arena_string(&call->arena, look.token.audiences[0]), &of_audience);
    const char *found = explain_service_of(call, of_audience.host);
    return found[0] == '\0' ? NULL : found;
}

/* The resource to explain, for those who may know: a store key, or "" for a host that leads
 * nowhere. NULL and *err. */
static const char *resource_for(struct api_call *call, const struct explain_question *question,
                                struct error *err)
{
    auto_doc doc = {0};
    const char *found = resource_asked(call, question);
    if (found == NULL) {
        if (!access_service(call, &doc, err)) {
            return NULL;
        }
        return arena_string(&call->arena, slice_of(doc.key));
    }
    const char *project =
        arena_printf(&call->arena, "projects/%s", call->control->settings.project);
    return api_allowed(call, found[0] != '\0' ? "run.services.getIamPolicy" : "run.services.list",
                       found[0] != '\0' ? found : project, err)
               ? found
               : NULL;
}

void access_explain(struct api_call *call)
{
    struct error err;
    struct explain_question question;
    const char *denial = api_query(call, "denial");
    if (denial != NULL) {
        explain_denial(call, denial);
        return;
    }
    const char *resource =
        question_read(call, &question, &err) ? resource_for(call, &question, &err) : NULL;
    json_t *answer = resource == NULL ? NULL : explain(call, resource, &question, &err);
    if (answer == NULL) {
        api_fail(call, &err);
        return;
    }
    if (resource[0] != '\0' && !project_is_live(call->control, &call->arena, resource)) {
        json_object_set_new(answer, "note",
                            json_string("The project is being deleted: its services answer "
                                        "nobody (404)."));
    }
    api_reply(call, answer);
}
