/*
 * Three checks keep the socket of this machine from giving tokens to any program that finds it. The
 * header that only a client of metadata servers sends (a page in a browser cannot); the Host, which
 * must be an address or a name of this machine (a page whose name was rebound to it is of another
 * name); and the user at the other end, who must be one that could read the keys anyway. A program
 * that can reach the socket of an instance runs in that instance.
 */
#include "metadata/server.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/random.h"
#include "codec/codec.h"
#include "http/percent.h"
#include "http/query.h"
#include "http/url.h"

enum { PENDING_MAX = 256, PENDING_MS = 5000, TICK_MS = 500 };

/* A request that waits for control. */
struct pending {
    TAILQ_ENTRY(pending) link;
    struct workload *workload;
    struct exchange *exchange;
    struct tree_place place;
    bool recursive, json;
    uint64_t id;
    uint64_t since_ms;
};

/* ---- answers ---- */

static void answer(struct exchange *exchange, int status, const char *type, struct slice text,
                   const char *location)
{
    struct arena *arena = exchange_arena(exchange);
    struct http_headers extra = {0};
    http_headers_add(&extra, arena, SLICE("metadata-flavor"), SLICE("Google"));
    http_headers_add(&extra, arena, SLICE("cache-control"), SLICE("no-store"));
    http_headers_add(&extra, arena, SLICE("x-content-type-options"), SLICE("nosniff"));
    if (location != NULL) {
        http_headers_add(&extra, arena, SLICE("location"), slice_of(location));
    }
    exchange_reply(exchange, status, type, text, &extra);
}

static void answer_text(struct exchange *exchange, struct slice text)
{
    answer(exchange, 200, "application/text", text, NULL);
}

static void refuse(struct exchange *exchange, int status, const char *why)
{
    struct slice line = slice_of(arena_printf(exchange_arena(exchange), "%s\n", why));
    answer(exchange, status, "text/plain; charset=UTF-8", line, NULL);
}

/* ---- who asks, and how ---- */

static bool host_is_ours(struct arena *arena, struct slice authority)
{
    static const char *const names[] = {"localhost", "metadata.google.internal", "metadata"};
    struct slice host;
    uint16_t port;
    struct in_addr v4;
    if (!url_authority(arena, authority, &host, &port)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (slice_is(host, names[i])) {
            return true;
        }
    }
    /* An address cannot be someone else's name. */
    return slice_find(host, ':') >= 0 || inet_pton(AF_INET, arena_string(arena, host), &v4) == 1;
}

/* What a proxy adds: the program that asks is not the one at the other end. */
static bool came_by_proxy(const struct http_headers *headers)
{
    static const struct slice names[] = {
        SLICE_INIT("x-forwarded-for"), SLICE_INIT("x-forwarded-host"),
        SLICE_INIT("x-forwarded-proto"), SLICE_INIT("forwarded"), SLICE_INIT("via")};
    for (size_t i = 0; i < headers->count; i++) {
        for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
            if (http_name_reads_as(headers->items[i].name, names[k], false)) {
                return true;
            }
        }
    }
    return false;
}

const char *server_objection(struct arena *arena, const struct http_request *request)
{
    const struct http_header *flavor =
        http_headers_find(&request->headers, SLICE("metadata-flavor"));
    if (came_by_proxy(&request->headers)) {
        return "X-Forwarded-For, Forwarded or Via: a metadata server answers no proxies.";
    }
    if (flavor == NULL || !slice_is(flavor->value, "Google")) {
        return "Missing Metadata-Flavor:Google header.";
    }
    if (request->authority.len > 0 && !host_is_ours(arena, request->authority)) {
        return "That host is not this metadata server.";
    }
    return NULL;
}

static bool is_loopback(const struct sockaddr_storage *peer)
{
    if (peer->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)peer;
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    return peer->ss_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)peer)->sin6_addr);
}

/* Who asks at the socket of this machine; NULL: nobody whom we answer. From elsewhere only comes
 * what the operator's own choice of address lets in. */
static struct workload *asker(struct workload *machine, const struct exchange *exchange)
{
    struct server *server = machine->server;
    const struct sockaddr_storage *peer = exchange_peer(exchange);
    struct sockaddr_storage own;
    uid_t user;
    if (!exchange_own_end(exchange, &own)) {
        return NULL;
    }
    switch (peer_find(&server->peers, peer, &own, &user)) {
    case PEER_USER:
        if (user == 0 || user == server->users[0] || user == server->users[1]) {
            return machine;
        }
        return server->of_user == NULL ? NULL : server->of_user(server->of_user_ctx, user);
    case PEER_IN_DOUBT:
        return NULL;
    case PEER_ELSEWHERE:
        break;
    }
    return is_loopback(peer) ? NULL : machine;
}

/* ---- waiting for control ---- */

static void pending_free(struct pending *pending)
{
    struct server *server = pending->workload->server;
    TAILQ_REMOVE(&server->pending, pending, link);
    server->pending_count--;
    pending->workload->pending_count--;
    exchange_set_user(pending->exchange, NULL);
    free(pending);
    if (server->pending_count == 0) {
        uv_timer_stop(&server->timer);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct server *server = timer->data;
    uint64_t now_ms = uv_now(server->loop);
    struct pending *pending;
    while ((pending = TAILQ_FIRST(&server->pending)) != NULL &&
           now_ms - pending->since_ms >= PENDING_MS) {
        struct exchange *exchange = pending->exchange;
        pending_free(pending);
        refuse(exchange, 503, "Homerun's control process does not answer. Try again.");
    }
}

void server_forget(struct server *server, const struct workload *workload)
{
    for (struct pending *next, *one = TAILQ_FIRST(&server->pending); one != NULL; one = next) {
        next = TAILQ_NEXT(one, link);
        if (one->workload == workload) {
            struct exchange *exchange = one->exchange;
            pending_free(one);
            refuse(exchange, 503, "This instance has ended.");
        }
    }
}

/* ACCOUNT and CONTENT have WORKLOAD_BYTES_MAX together at most. */
static bool ask(const struct workload *workload, uint64_t id, enum workload_kind kind,
                struct slice account, struct slice content)
{
    const struct server *server = workload->server;
    struct slice revision = slice_of(workload->revision);
    struct buffer body =
        BUFFER_INIT(sizeof(struct msg_workload_ask) + WORKLOAD_BYTES_MAX + REVISION_NAME_MAX);
    struct msg_workload_ask head = {.id = id,
                                    .revision_id = workload->revision_id,
                                    .kind = kind,
                                    .account_bytes = (uint32_t)account.len,
                                    .bytes = (uint32_t)content.len,
                                    .revision_bytes = (uint32_t)revision.len};
    bool sent = buffer_add(&body, (struct slice){(const char *)&head, sizeof(head)}) &&
                buffer_add(&body, account) && buffer_add(&body, content) &&
                buffer_add(&body, revision) && server->control != NULL &&
                ipc_send(server->control, MSG_WORKLOAD_ASK, buffer_slice(&body).data,
                         buffer_slice(&body).len);
    buffer_done(&body);
    return sent;
}

/* The exchange is answered when control has spoken, or not within five seconds. */
static void wait_for(struct exchange *exchange, const struct pending *what, enum workload_kind kind,
                     struct slice bytes)
{
    struct workload *workload = what->workload;
    struct server *server = workload->server;
    struct slice account = kind == WORKLOAD_ACCOUNT ? SLICE_NONE : what->place.account;
    if (bytes.len + account.len > WORKLOAD_BYTES_MAX) {
        refuse(exchange, 400, "The account, the audience, or the list of scopes, is too long.");
        return;
    }
    if (!text_is_plain(bytes) || !text_is_plain(account)) {
        refuse(exchange, 400,
               "The account, the audience and the scopes must be UTF-8 text without control "
               "characters.");
        return;
    }
    bool room =
        server->pending_count < PENDING_MAX && workload->pending_count < workload->pending_max;
    struct pending *pending = room ? malloc(sizeof(*pending)) : NULL;
    uint64_t id = ++server->next_id;
    if (pending == NULL || !ask(workload, id, kind, account, bytes)) {
        free(pending);
        refuse(exchange, 503, "Too many requests wait for an answer. Try again.");
        return;
    }
    *pending = *what;
    pending->exchange = exchange;
    pending->id = id;
    pending->since_ms = uv_now(server->loop);
    TAILQ_INSERT_TAIL(&server->pending, pending, link);
    exchange_set_user(exchange, pending);
    workload->pending_count++;
    if (server->pending_count++ == 0) {
        uv_timer_start(&server->timer, on_tick, TICK_MS, TICK_MS);
    }
}

/* ---- values ---- */

static void show(struct exchange *exchange, const struct pending *what, struct slice email)
{
    struct arena *arena = exchange_arena(exchange);
    struct tree_facts facts = what->workload->facts;
    facts.email = email;
    const struct tree_place *place = &what->place;
    if (place->account.len > 0 && (email.len == 0 || (!slice_is(place->account, "default") &&
                                                      !slice_equal(place->account, email)))) {
        refuse(exchange, 404,
               what->workload->revision_id == 0
                   ? "There is no such service account here: only the project's default runtime "
                     "account."
                   : "There is no such service account here: only the one that this revision runs "
                     "as.");
    } else if (what->json || what->recursive) {
        answer(exchange, 200, "application/json", tree_json(arena, place, &facts), NULL);
    } else if (place->kind == TREE_LEAF) {
        answer_text(exchange, tree_text(arena, place->value, &facts));
    } else {
        answer_text(exchange, tree_listing(arena, place, &facts));
    }
}

static void show_token(struct exchange *exchange, const struct pending *what, struct slice token,
                       uint32_t seconds)
{
    if (what->place.value == TREE_IDENTITY) {
        answer_text(exchange, token);
        return;
    }
    auto_json *body = json_pack("{s:o, s:I, s:s}", "access_token", json_slice(token), "expires_in",
                                (json_int_t)seconds, "token_type", "Bearer");
    answer(exchange, 200, "application/json", json_write(exchange_arena(exchange), body), NULL);
}

static int http_status_of(uint32_t status)
{
    switch (status) {
    case STATUS_INVALID_ARGUMENT:
        return 400;
    case STATUS_NOT_FOUND:
        return 404;
    case STATUS_PERMISSION_DENIED:
    case STATUS_FAILED_PRECONDITION:
        return 403;
    case STATUS_UNAVAILABLE:
    case STATUS_DEADLINE_EXCEEDED:
        return 503;
    default: /* from another process: any number */
        return 500;
    }
}

void server_told(struct server *server, const void *body, size_t bytes)
{
    struct msg_workload_told head;
    struct pending *pending;
    memcpy(&head, body, sizeof(head));
    struct slice text = {(const char *)body + sizeof(head), bytes - sizeof(head)};
    TAILQ_FOREACH(pending, &server->pending, link)
    {
        if (pending->id == head.id) {
            break;
        }
    }
    if (pending == NULL || head.bytes != text.len) {
        return; /* who asked has left */
    }
    struct pending what = *pending;
    bool token = what.place.kind == TREE_LEAF &&
                 (what.place.value == TREE_TOKEN || what.place.value == TREE_IDENTITY);
    bool absent = head.status == STATUS_NOT_FOUND && !token;
    pending_free(pending);
    if (head.status != STATUS_OK && !absent) {
        const char *why = arena_string(exchange_arena(what.exchange), text);
        refuse(what.exchange, http_status_of(head.status), why);
    } else if (token) {
        show_token(what.exchange, &what, text, head.seconds);
    } else {
        show(what.exchange, &what, absent ? SLICE_NONE : text);
    }
}

/* ---- the way of a request ---- */

static bool query_is(struct arena *arena, struct slice query, const char *name, const char *value)
{
    struct slice found;
    return url_query_find(arena, query, name, &found) && slice_is(found, value);
}

/* Scopes come with commas; the token endpoint's form has spaces. */
static struct slice scopes_of(struct arena *arena, struct slice query)
{
    struct slice found;
    if (!url_query_find(arena, query, "scopes", &found)) {
        return SLICE_NONE;
    }
    char *text = arena_string(arena, found);
    for (size_t i = 0; i < found.len; i++) {
        text[i] = text[i] == ',' ? ' ' : text[i];
    }
    return (struct slice){text, found.len};
}

static void serve_leaf_token(struct exchange *exchange, const struct pending *what,
                             struct slice query)
{
    struct arena *arena = exchange_arena(exchange);
    struct slice audience;
    if (what->place.value == TREE_TOKEN) {
        wait_for(exchange, what, WORKLOAD_ACCESS, scopes_of(arena, query));
    } else if (!url_query_find(arena, query, "audience", &audience) || audience.len == 0) {
        refuse(exchange, 400, "non-empty audience parameter required");
    } else {
        wait_for(exchange, what, WORKLOAD_IDENTITY, audience);
    }
}

static void serve(struct workload *workload, struct exchange *exchange, struct slice target)
{
    struct arena *arena = exchange_arena(exchange);
    struct slice path, query = url_query(target);
    struct pending what = {
        .workload = workload,
        .recursive = query_is(arena, query, "recursive", "true"),
        .json = query_is(arena, query, "alt", "json"),
    };
    if (!url_decode(arena, url_path(target), false, &path) || !url_query_whole(arena, query)) {
        refuse(exchange, 400, "The path, or the query, is malformed.");
        return;
    }
    what.place = tree_find(arena, path);
    const struct tree_place *place = &what.place;
    if (place->kind == TREE_NOTHING) {
        refuse(exchange, 404, "There is no such value.");
    } else if (query_is(arena, query, "wait_for_change", "true")) {
        refuse(exchange, 400, "wait_for_change: nothing here changes.");
    } else if (place->kind == TREE_FOLDER_BARE && !what.recursive) {
        struct slice to = url_path(target);
        answer(exchange, 301, "text/plain; charset=UTF-8", SLICE(""),
               arena_printf(arena, "%.*s/", SLICE_ARG(to)));
    } else if (place->kind == TREE_LEAF &&
               (place->value == TREE_TOKEN || place->value == TREE_IDENTITY)) {
        serve_leaf_token(exchange, &what, query);
    } else {
        what.place.kind = place->kind == TREE_FOLDER_BARE ? TREE_FOLDER : place->kind;
        if (tree_needs_account(&what.place, what.recursive || what.json)) {
            wait_for(exchange, &what, WORKLOAD_ACCOUNT, SLICE_NONE);
        } else {
            show(exchange, &what, SLICE_NONE);
        }
    }
}

static void on_request(struct exchange *exchange, void *ctx)
{
    struct workload *workload = ctx;
    const struct http_request *request = exchange_request(exchange);
    const char *objection = server_objection(exchange_arena(exchange), request);
    exchange_set_user(exchange, NULL);
    if (objection != NULL) {
        refuse(exchange, 403, objection);
    } else if (workload->revision_id == 0 && (workload = asker(workload, exchange)) == NULL) {
        log_info("refused: a program of another user asked");
        refuse(exchange, 403,
               "This metadata server answers programs of the user who runs Homerun, and root's.");
    } else if (!slice_is(request->method, "GET") && !slice_is(request->method, "HEAD")) {
        refuse(exchange, 405, "Only GET and HEAD.");
    } else {
        serve(workload, exchange, request->path);
    }
}

static void on_body(struct exchange *exchange, struct slice data)
{
    (void)exchange, (void)data; /* nothing here has one; what comes is not kept */
}

static void on_body_end(struct exchange *exchange, const struct http_headers *trailers)
{
    (void)exchange, (void)trailers;
}

static void on_writable(struct exchange *exchange)
{
    (void)exchange; /* every answer is one short text */
}

static void on_close(struct exchange *exchange, bool aborted)
{
    (void)aborted;
    struct pending *pending = exchange_user(exchange);
    if (pending != NULL) {
        pending_free(pending);
    }
}

const struct exchange_events server_events = {
    .on_request = on_request,
    .on_body = on_body,
    .on_body_end = on_body_end,
    .on_writable = on_writable,
    .on_close = on_close,
};

void server_init(struct server *server)
{
    TAILQ_INIT(&server->pending);
    server->next_id = random_u64() >> 1; /* answers to a predecessor may still be on their way */
    uv_timer_init(server->loop, &server->timer);
    server->timer.data = server;
}
