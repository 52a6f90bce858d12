/*
 * Most of the generated client libraries speak gRPC unless told otherwise. A plain 404 would show
 * as a riddle there; a gRPC status (in the trailers, as gRPC has it) is shown word for word.
 */
#include "control/front/grpc_refuse.h"

#include "http/url.h"
#include "model/google_apis.h"

#define UNIMPLEMENTED "12"

static const char message[] =
    "Homerun does not speak gRPC. Choose REST in the client library: fallback: true (Node), "
    "transport=\"rest\" (Python), NewServicesRESTClient (Go), newHttpJsonBuilder (Java), "
    "RestGrpcAdapter (.NET), transport: rest (PHP, Ruby).";

bool grpc_refuse(struct exchange *exchange)
{
    const struct http_request *request = exchange_request(exchange);
    const struct http_header *type = http_headers_find(&request->headers, SLICE("content-type"));
    if (type == NULL || !slice_starts(type->value, SLICE("application/grpc"))) {
        return false;
    }
    struct arena *arena = exchange_arena(exchange);
    struct http_response head = {.status = 200, .framing = HTTP_CHUNKED};
    struct http_headers trailers = {0};
    http_headers_add(&head.headers, arena, SLICE("content-type"), SLICE("application/grpc"));
    http_headers_add(&trailers, arena, SLICE("grpc-status"), SLICE(UNIMPLEMENTED));
    struct slice host = SLICE_NONE;
    uint16_t port;
    const char *absent = url_authority(arena, request->authority, &host, &port)
                             ? google_api_absent(arena, host)
                             : NULL;
    http_headers_add(&trailers, arena, SLICE("grpc-message"),
                     slice_of(absent == NULL ? message : absent));
    exchange_respond(exchange, &head);
    exchange_end(exchange, &trailers);
    return true;
}

const char *grpc_command(const struct http_request *request)
{
    static const struct {
        const char *command, *why;
    } commands[] = {
        {".run.worker-pools.deploy ", "Worker pools are not part of Homerun, which has Cloud Run's "
                                      "services alone."},
    };
    const struct http_header *agent = http_headers_find(&request->headers, SLICE("user-agent"));
    for (size_t i = 0; agent != NULL && i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (slice_find_slice(agent->value, SLICE("command/gcloud.")) >= 0 &&
            slice_find_slice(agent->value, slice_of(commands[i].command)) >= 0) {
            return commands[i].why;
        }
    }
    return NULL;
}
