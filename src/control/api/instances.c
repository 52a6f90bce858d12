/*
 * The instances of a project, as the engine told the meter within the last second or so. Who may
 * list the project's revisions may see what runs of them.
 */
#include "control/api/instances.h"

#include <arpa/inet.h>

#include "control/call/call.h"
#include "control/run/metrics.h"
#include "ipc/board.h"

#define PROJECT "projects/{project}"
#define SERVICE PROJECT "/locations/{region}/services/{service}"

struct listing {
    struct api_call *call;
    const char *project, *region, *service; /* "": all */
    json_t *rows;
};

static const char *state_name(uint64_t state)
{
    static const char *const names[] = {
        [METER_PREPARED] = "PREPARED", [METER_STARTING] = "STARTING",
        [METER_READY] = "READY",       [METER_NOT_READY] = "NOT_READY",
        [METER_FROZEN] = "FROZEN",     [METER_DRAINING] = "DRAINING",
        [METER_ENDING] = "ENDING",
    };
    return state < sizeof(names) / sizeof(names[0]) ? names[state] : "STATE_UNSPECIFIED";
}

static bool is_asked(const char *asked, const char *name)
{
    return *asked == '\0' || strcmp(asked, name) == 0;
}

static const char *address_of(struct arena *arena, const struct meter_instance *one)
{
    struct board_address address = {
        .ipv4 = htonl((uint32_t)one->ipv4), .port = (uint16_t)one->port, .is_v6 = one->is_v6 != 0};
    memcpy(address.ipv6, one->ipv6, sizeof(address.ipv6));
    struct sockaddr_storage socket;
    char text[64];
    board_address_socket(&address, &socket);
    net_address_text((const struct sockaddr *)&socket, text, true);
    return arena_string(arena, slice_of(text));
}

static void add_row(void *ctx, const struct meter_instance *one)
{
    struct listing *listing = ctx;
    struct arena *arena = &listing->call->arena;
    if (!is_asked(listing->project, one->project) || !is_asked(listing->region, one->region) ||
        !is_asked(listing->service, one->service)) {
        return;
    }
    json_t *row = json_pack(
        "{ss so ss ss ss sI sI sI sf so}", "id", one->id, "revision",
        json_string(arena_printf(arena, "projects/%s/locations/%s/services/%s/revisions/%s",
                                 one->project, one->region, one->service, one->revision)),
        "service", one->service, "region", one->region, "state", state_name(one->state),
        "requestsInFlight", (json_int_t)one->requests, "maxRequests", (json_int_t)one->places,
        "memoryBytes", (json_int_t)one->memory_bytes, "cpu", (double)one->cpu_m / 1000, "startTime",
        json_slice(time_text(arena, (int64_t)one->since_us)));
    if (one->port > 0) {
        json_object_set_new(row, "address", json_string(address_of(arena, one)));
        json_object_set_new(row, "ownNetwork", json_boolean(one->own_network));
    }
    json_array_append_new(listing->rows, row);
}

static void instances_list(struct api_call *call)
{
    struct listing listing = {
        .call = call,
        .project = api_param(call, "project"),
        .region = api_param(call, "region"),
        .service = api_param(call, "service"),
        .rows = json_array(),
    };
    metrics_each_instance(call->control->metrics, add_row, &listing);
    api_reply(call, json_pack("{so}", "instances", listing.rows));
}

const struct api_route instances_routes[] = {
    {"GET", "/homerun/v1/" PROJECT "/instances", "run.revisions.list", PROJECT, API_NO_BODY,
     instances_list, "homerun.v1.ListInstances"},
    {"GET", "/homerun/v1/" SERVICE "/instances", "run.revisions.list", SERVICE, API_NO_BODY,
     instances_list, "homerun.v1.ListServiceInstances"},
};
const size_t instances_route_count = sizeof(instances_routes) / sizeof(instances_routes[0]);
