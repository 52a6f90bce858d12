/*
 * The way of a request, step by step. Each step either goes on to the next, or answers, or waits
 * for something that calls back: nothing blocks, and every wait has a deadline that the tick sees.
 */
#include "ingress/request.h"

#include <stdio.h>

#include "base/clock.h"
#include "http/url.h"
#include "ingress/refusal.h"
#include "policy/decide.h"

static const struct {
    int status;
    bool is_error;
    const char *text;
} failures[] = {
    [FAILURE_NO_REVISION] = {503, true, ""},
    [FAILURE_START] = {500, true,
                       "The request failed because the instance could not start successfully."},
    [FAILURE_INSTANCE] = {503, true,
                          "The request failed because either the HTTP response was malformed or "
                          "connection to the instance had an error."},
    [FAILURE_FULL] = {429, false,
                      "The request was aborted because there was no available instance."},
    [FAILURE_TOO_SLOW] = {500, true,
                          "The request was aborted because there was no available instance."},
    [FAILURE_TIMEOUT] = {504, true,
                         "The request has been terminated because it has reached the maximum "
                         "request timeout."},
    [FAILURE_TOO_LARGE] = {413, false, ""},
    [FAILURE_RESPONSE_TOO_LARGE] = {500, true,
                                    "Response size was too large. Please consider reducing "
                                    "response size."},
    [FAILURE_HEADERS] = {431, false, ""},
    [FAILURE_SIGNER] = {503, true,
                        "The request failed because the assertion of who sent it could not be "
                        "signed."},
    [FAILURE_CUT_OFF] = {503, true,
                         "The request was not judged: this node is cut off from the record."},
};

enum { CLIENT_LEFT = 499, H2_INTERNAL_ERROR = 2 };

/* ---- answers of our own ---- */

static void request_refuse(struct request *request, const struct gate_answer *answer)
{
    if (rung_is_of_door(answer->verdict.rung)) {
        door_answer(request, answer);
        return;
    }
    page_denial(request->denial);
    request->refused = (int)answer->verdict.rung;
    refusal_note(request->arena, request->head, &request->record);
    request->state = REQUEST_ANSWERED;
    request->record.status = answer->verdict.status;
    request->record.denial = slice_of(request->denial);
    request->record.text = slice_of(rung_log_text(answer->verdict.rung));
    request->record.response_bytes = page_reply(request->exchange, answer->verdict.status,
                                                request->record.path, request->denial, NULL);
    exchange_resume(request->exchange); /* so that a short body can be read away */
}

void request_fail(struct request *request, enum failure failure)
{
    if (request->state == REQUEST_ANSWERED) {
        return;
    }
    request->state = REQUEST_ANSWERED;
    request->record.text = slice_of(failures[failure].text);
    request->record.is_error = failures[failure].is_error;
    relay_stop(request);
    if (request->head_sent) {
        exchange_abort(request->exchange, H2_INTERNAL_ERROR);
        return;
    }
    bool away = request->own != OWN_NONE && failures[failure].status != 413 &&
                failures[failure].status != 431;
    request->record.status = away ? 503 : failures[failure].status;
    struct http_headers headers = {0};
    if (failure == FAILURE_SIGNER || failure == FAILURE_CUT_OFF) {
        http_headers_add(&headers, request->arena, SLICE("retry-after"), SLICE("3"));
    }
    request->record.response_bytes = away ? own_host_unavailable(request)
                                          : page_reply(request->exchange, failures[failure].status,
                                                       request->record.path, "", &headers);
    exchange_resume(request->exchange);
}

/* ---- the steps ---- */

/* As `access explain --network` has it. */
static struct slice network_name(enum network network)
{
    switch (network) {
    case NETWORK_OUTSIDE:
        return SLICE("");
    case NETWORK_LOAD_BALANCER:
        return SLICE("load-balancer");
    case NETWORK_INSIDE:
        return SLICE("internal");
    }
    return SLICE("");
}

/* What the log, and the steps behind the gate, keep of the gate's answer. */
static void request_note(struct request *request, const struct gate_answer *answer)
{
    struct arena *arena = request->arena;
    const struct index_service *service = answer->service;
    char address[ADDRESS_TEXT_MAX];
    request->record.remote_ip = arena_slice(arena, address_text(&answer->client, address));
    request->record.rung = slice_of(rung_name(answer->verdict.rung));
    request->record.principal = arena_slice(arena, answer->principal);
    request->record.network = network_name(answer->network);
    request->strip_authorization = answer->strip_authorization;
    request->behind_door = answer->door.facts != NULL;
    request->drop_authorization = request->behind_door && answer->door.drop_authorization;
    if (answer->fault != TOKEN_OK) {
        request->record.fault = slice_of(token_fault_name(answer->fault));
    }
    if (service != NULL) {
        request->service_id = service->id;
        request->record.project = arena_slice(arena, service->project);
        request->record.region = arena_slice(arena, service->region);
        request->record.service = arena_slice(arena, service->name);
        request->record.tag = arena_slice(arena, answer->tag);
    }
}

/*
 * Whether the container may be asked to switch protocols: by HTTP/1.1 for a GET without a body (as
 * RFC 6455 has it), by HTTP/2 for WebSocket (RFC 8441). Never to another HTTP, in which more
 * requests would pass this gate unseen.
 */
static bool may_upgrade(const struct http_request *head)
{
    static const struct slice refused[] = {SLICE_INIT("h2"), SLICE_INIT("http/"),
                                           SLICE_INIT("tls/")};
    struct slice protocol = head->upgrade;
    if (protocol.len == 0) {
        return false;
    }
    if (head->version == HTTP_2) {
        return slice_is(head->method, "CONNECT") &&
               slice_equal_nocase(protocol, SLICE("websocket"));
    }
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        if (slice_equal_nocase(slice_upto(protocol, refused[i].len), refused[i])) {
            return false;
        }
    }
    return slice_is(head->method, "GET") && head->framing == HTTP_NO_BODY &&
           slice_find(protocol, ',') < 0;
}

/* Behind the gate: which revision, and then a place on one of its instances. */
static void request_pass(struct request *request, const struct gate_answer *answer)
{
    const struct http_request *head = request->head;
    if (!dispatch_choose(request, answer->service, answer->tag)) {
        request_fail(request, FAILURE_NO_REVISION);
        return;
    }
    request->record.revision = request->target.revision;
    request->upgrade = may_upgrade(head) && !request->target.http2;
    if (slice_is(head->method, "CONNECT") && !request->upgrade) {
        request_fail(request, FAILURE_INSTANCE);
        return;
    }
    if (head->framing == HTTP_LENGTH && head->length > BODY_MAX_HTTP1 && !request->target.http2) {
        request_fail(request, FAILURE_TOO_LARGE);
        return;
    }
    request->deadline_us = request->arrived_us + (int64_t)request->target.timeout_s * 1000000;
    person_keep(request, answer);
    person_tell(request);
}

/* Whether the request should wait for the key that its token names. */
static bool waits_for_key(struct request *request, const struct gate_answer *answer)
{
    struct worker *worker = request->worker;
    int64_t now = clock_mono_us();
    bool bad_token = answer->verdict.rung == RUNG_BAD_CREDENTIAL ||
                     answer->verdict.rung == RUNG_DOOR_TOKEN ||
                     answer->verdict.rung == RUNG_DOOR_NOBODY; /* Proxy-Authorization */
    if (!bad_token || answer->unknown_key.issuer.len == 0) {
        return false;
    }
    if (request->state == REQUEST_WAITS_FOR_KEY) {
        return now < request->deadline_us;
    }
    if (worker->key_waiters >= KEY_WAITERS_MAX || !keys_ask(worker, &answer->unknown_key, now)) {
        return false;
    }
    request->state = REQUEST_WAITS_FOR_KEY;
    request->deadline_us = request->arrived_us + KEY_WAIT_MS * 1000;
    worker->key_waiters++;
    return true;
}

/*
 * A node of a cluster whose lease has run out does not know what others have changed. Asked before
 * the index is read (ipc/lease.h).
 */
static bool is_cut_off(const struct worker *worker)
{
    return !lease_runs(worker->lease) && !(worker->serve_stale && lease_has_run(worker->lease));
}

/* The gate's answer has to be asked for again: the index has news, or time is up. */
static void request_judge(struct request *request)
{
    struct worker *worker = request->worker;
    struct gate_answer answer;
    if (is_cut_off(worker)) {
        worker->key_waiters -= request->state == REQUEST_WAITS_FOR_KEY;
        request_fail(request, FAILURE_CUT_OFF);
        return;
    }
    gate_decide(worker->gate, request->arena, request->head, &request->source,
                request->state == REQUEST_NEW ? request->record.received_us : clock_wall_us(),
                &answer);
    if (waits_for_key(request, &answer)) {
        return;
    }
    if (request->state == REQUEST_WAITS_FOR_KEY) {
        worker->key_waiters--;
        request->state = REQUEST_NEW;
    }
    request_note(request, &answer);
    if (answer.verdict.allowed) {
        request_pass(request, &answer);
    } else {
        request_refuse(request, &answer);
    }
}

/* ---- time ---- */

static void request_due(struct request *request, int64_t now)
{
    switch (request->state) {
    case REQUEST_WAITS_FOR_KEY:
        if (now >= request->deadline_us || gate_has_news(request->worker->gate)) {
            request_judge(request);
        }
        return;
    case REQUEST_WAITS_FOR_SIGNER:
        person_due(request, now);
        return;
    case REQUEST_WAITS_FOR_PLACE:
        if (now >= request->deadline_us) {
            request_fail(request, FAILURE_TIMEOUT);
        } else if (dispatch_is_in_vain(request, now)) {
            request_fail(request, FAILURE_INSTANCE);
        } else if (now >= request->queue_deadline_us && !dispatch_may_wait_on(request)) {
            request_fail(request, dispatch_failure(request));
        }
        return;
    case REQUEST_RELAYED:
        if (now >= request->deadline_us) {
            request_fail(request, FAILURE_TIMEOUT);
        }
        return;
    case REQUEST_NEW:
    case REQUEST_ANSWERED:
        return;
    }
}

static void request_tick(uv_timer_t *timer)
{
    struct worker *worker = timer->data;
    int64_t now = clock_mono_us();
    struct request *next;
    for (struct request *at = TAILQ_FIRST(&worker->requests); at != NULL; at = next) {
        next = TAILQ_NEXT(at, all);
        request_due(at, now);
    }
    dispatch_tick(worker->dispatch, now);
    sockets_tick(worker);
    pools_sweep(worker->pools, (int64_t)uv_now(worker->loop) * 1000);
    insides_sweep(worker->insides);
    access_log_flush(worker->log);
    if (worker->request_count == 0) {
        uv_timer_stop(timer);
    }
}

/* ---- birth ---- */

static struct request *request_new(struct worker *worker, struct exchange *exchange,
                                   struct slice project)
{
    struct arena *arena = exchange_arena(exchange);
    struct request *request = arena_new(arena, struct request);
    const struct http_request *head = exchange_request(exchange);
    const struct http_header *agent = http_headers_find(&head->headers, SLICE("user-agent"));
    request->worker = worker;
    request->exchange = exchange;
    request->arena = arena;
    request->head = head;
    request->source = (struct source){exchange_peer(exchange), project};
    request->arrived_us = clock_mono_us();
    request->refused = -1;
    request->record = (struct access_record){
        .method = head->method,
        .scheme = network_scheme(&worker->networks, &request->source,
                                 exchange_is_tls(exchange) ? SLICE("https") : SLICE("http"),
                                 &head->headers),
        .host = head->authority,
        .path = url_path(head->path),
        .user_agent = agent == NULL ? SLICE_NONE : agent->value,
        .version = head->version,
        .received_us = clock_wall_us(),
        .trace = &request->trace,
    };
    trace_read(&worker->random, &head->headers, &request->trace);
    exchange_set_user(exchange, request);
    TAILQ_INSERT_TAIL(&worker->requests, request, all);
    if (worker->request_count++ == 0 && !uv_is_active((uv_handle_t *)&worker->tick)) {
        uv_timer_start(&worker->tick, request_tick, TICK_MS, TICK_MS);
    }
    return request;
}

static void begin(struct request *request)
{
    struct exchange *exchange = request->exchange;
    if (request->head->framing != HTTP_NO_BODY) {
        exchange_pause(exchange); /* nothing of the body is wanted before there is a container */
    }
    if (own_host_is(request)) {
        own_host_relay(request, OWN_HOST);
        return;
    }
    request_judge(request);
}

static void on_request(struct exchange *exchange, void *ctx)
{
    begin(request_new(ctx, exchange, SLICE_NONE));
}

static void on_inside_request(struct exchange *exchange, void *ctx)
{
    const struct inside *inside = ctx;
    begin(request_new(inside_worker(inside), exchange, inside_project(inside)));
}

/* The last of a request: its line in the log. */
static void on_close(struct exchange *exchange, bool aborted)
{
    struct request *request = exchange_user(exchange);
    if (request == NULL) {
        return;
    }
    struct worker *worker = request->worker;
    if (request->state == REQUEST_WAITS_FOR_KEY) {
        worker->key_waiters--;
    }
    person_leave(request);
    relay_stop(request);
    if (aborted && request->record.status == 0) {
        request->record.status = CLIENT_LEFT;
    }
    request->record.latency_us = clock_mono_us() - request->arrived_us;
    access_log_add(worker->log, &request->record);
    if (request->service_id != 0) {
        meter_count(worker->meter, worker->number, request->service_id,
                    &(struct meter_request){
                        .status = request->record.status,
                        .refused = request->refused,
                        .latency_us = request->record.latency_us,
                        .request_bytes = request->record.request_bytes,
                        .response_bytes = request->record.response_bytes,
                    });
    }
    worker->log_now |= request->denial[0] != '\0';
    TAILQ_REMOVE(&worker->requests, request, all);
    worker->request_count--;
    exchange_set_user(exchange, NULL);
}

/* ---- plain HTTP: the way to HTTPS ---- */

static struct slice https_url(struct request *request)
{
    const struct settings *settings = &request->worker->settings;
    struct slice path = request->head->path;
    struct slice host;
    uint16_t port;
    char shown[16] = "";
    if (!url_authority(request->arena, request->head->authority, &host, &port)) {
        return SLICE_NONE;
    }
    if (settings->https_port != 443) {
        snprintf(shown, sizeof(shown), ":%d", settings->https_port);
    }
    bool v6 = slice_find(host, ':') >= 0;
    path = path.len > 0 && path.data[0] == '/' ? path : SLICE("/");
    return slice_of(arena_printf(request->arena, "https://%s%.*s%s%s%.*s", v6 ? "[" : "",
                                 SLICE_ARG(host), v6 ? "]" : "", shown, SLICE_ARG(path)));
}

static void on_plain_request(struct exchange *exchange, void *ctx)
{
    struct request *request = request_new(ctx, exchange, SLICE_NONE);
    struct http_headers headers = {0};
    struct gate_answer answer;
    if (is_cut_off(request->worker)) {
        request_fail(request, FAILURE_CUT_OFF);
        return;
    }
    gate_decide_plain(request->worker->gate, request->arena, request->head, &request->source,
                      request->record.received_us, &answer);
    struct slice url = https_url(request);
    bool leads_on = answer.verdict.rung == RUNG_PLAIN_HTTP || own_host_is(request);
    if (!leads_on || url.len == 0) {
        request_note(request, &answer);
        request_refuse(request, &answer);
        return;
    }
    request->state = REQUEST_ANSWERED;
    request->record.status = 302;
    http_headers_add(&headers, request->arena, SLICE("location"), url);
    exchange_reply(exchange, 302, "text/html; charset=UTF-8",
                   SLICE("<html><head><title>302 Found</title></head>"
                         "<body><h1>302 Found</h1></body></html>\n"),
                   &headers);
}

/* ---- what never became a request ---- */

/* A line without a service: nobody knows where it wanted to go. */
static void on_fault(void *ctx, const struct net_fault *fault)
{
    struct worker *worker = ctx;
    char text[ADDRESS_TEXT_MAX];
    struct address peer;
    address_of_peer(fault->peer, &peer);
    struct access_record record = {
        .remote_ip = address_text(&peer, text),
        .version = fault->version,
        .status = fault->status,
        .received_us = clock_wall_us(),
        .text = slice_of(fault->why),
    };
    access_log_add(worker->log, &record);
    worker->log_now = true;
}

static void on_inside_fault(void *ctx, const struct net_fault *fault)
{
    on_fault(inside_worker(ctx), fault);
}

const struct exchange_events request_events_inside = {
    .on_request = on_inside_request,
    .on_fault = on_inside_fault,
    .on_body = relay_body,
    .on_body_end = relay_body_end,
    .on_writable = relay_writable,
    .on_close = on_close,
};

const struct exchange_events request_events_https = {
    .on_request = on_request,
    .on_fault = on_fault,
    .on_body = relay_body,
    .on_body_end = relay_body_end,
    .on_writable = relay_writable,
    .on_close = on_close,
};

const struct exchange_events request_events_redirect = {
    .on_request = on_plain_request,
    .on_fault = on_fault,
    .on_body = relay_body,
    .on_body_end = relay_body_end,
    .on_writable = relay_writable,
    .on_close = on_close,
};
