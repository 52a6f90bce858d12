/*
 * The instances of a project, as the engine of each node told the meter within the last second or
 * so. Who may list the project's revisions may see what runs of them.
 */
#include "control/api/instances.h"

#include <arpa/inet.h>

#include "control/api/peer_questions.h"
#include "control/call/peers.h"
#include "control/publish/nodes.h"
#include "control/run/metrics.h"
#include "ipc/board.h"

#define PROJECT "projects/{project}"
#define SERVICE PROJECT "/locations/{region}/services/{service}"

struct listing {
    const char *project, *region, *service; /* "": all */
    const char *node;                       /* NULL: there is no cluster */
    struct arena *arena;
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
    struct arena *arena = listing->arena;
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
    if (listing->node != NULL) {
        json_object_set_new(row, "node", json_string(listing->node));
    }
    json_array_append_new(listing->rows, row);
}

/* Pods are of no node: all of them see them. */
static const char *node_shown(const struct control *control)
{
    bool shown = control->nodes != NULL && strcmp(control->settings.engine, "kubernetes") != 0;
    return shown ? nodes_own_name(control) : NULL;
}

/* What this node's engine runs of what ASKED names. */
static json_t *own_rows(struct control *control, struct arena *arena, const json_t *asked)
{
    struct listing listing = {
        .project = json_text_or(asked, "project", ""),
        .region = json_text_or(asked, "region", ""),
        .service = json_text_or(asked, "service", ""),
        .node = node_shown(control),
        .arena = arena,
        .rows = json_array(),
    };
    metrics_each_instance(control->metrics, add_row, &listing);
    return listing.rows;
}

json_t *instances_of_node(struct control *control, const json_t *asked, struct error *err)
{
    auto_arena arena = {0};
    (void)err;
    return own_rows(control, &arena, asked);
}

/*
 * With --engine=kubernetes all nodes see the same pods: each is one row, of no node, and has what
 * all of them have under way. Other engines' instances are of one node each.
 */
json_t *instances_merge(json_t *rows, const struct peer_answers *others)
{
    auto_json *known = json_object();
    json_t *out = json_array();
    for (size_t i = 0; i <= others->count; i++) {
        const json_t *more = i == 0 ? rows : others->all[i - 1].body;
        size_t at;
        json_t *row;
        json_array_foreach(more, at, row)
        {
            const char *id = json_text_or(row, "id", "");
            json_t *same = json_object_get(known, id);
            if (same != NULL) {
                int64_t requests = json_number(same, "requestsInFlight", 0) +
                                   json_number(row, "requestsInFlight", 0);
                json_object_set_new(same, "requestsInFlight", json_integer(requests));
            } else if (json_is_object(row)) {
                json_object_set(known, id, row);
                json_array_append(out, row);
            }
        }
    }
    return out;
}

static json_t *asked_of(const struct api_call *call)
{
    return json_pack("{ss ss ss}", "project", api_param(call, "project"), "region",
                     api_param(call, "region"), "service", api_param(call, "service"));
}

static void list_all(struct api_call *call, const struct peer_answers *others)
{
    auto_json *asked = asked_of(call);
    auto_json *rows = own_rows(call->control, &call->arena, asked);
    json_t *body = json_pack("{so}", "instances", instances_merge(rows, others));
    api_add_unreachable(body, others);
    api_reply(call, body);
}

static void instances_list(struct api_call *call)
{
    auto_json *asked = asked_of(call);
    api_ask_peers(call, "instances", asked, list_all);
}

const struct api_route instances_routes[] = {
    {"GET", "/homerun/v1/" PROJECT "/instances", "run.revisions.list", PROJECT, API_NO_BODY,
     instances_list, "homerun.v1.ListInstances"},
    {"GET", "/homerun/v1/" SERVICE "/instances", "run.revisions.list", SERVICE, API_NO_BODY,
     instances_list, "homerun.v1.ListServiceInstances"},
};
const size_t instances_route_count = sizeof(instances_routes) / sizeof(instances_routes[0]);
