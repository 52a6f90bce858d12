/* A list in the order of age, which is the order of ending. A code stays known behind its end, so
 * that its second use is noticed. */
#include "control/identity/agent_flows.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "base/map.h"
#include "base/memory.h"

enum state { ASKED, ALLOWED, TAKEN };

struct flow {
    TAILQ_ENTRY(flow) by_age;
    struct arena arena;
    struct agent_request request;
    struct slice id, code, address;
    enum state state;
    struct session_key session; /* whom it is shown to; once it is taken, what it gave */
    int64_t end_us, code_end_us;
};

struct agent_flows {
    TAILQ_HEAD(, flow) flows; /* oldest first */
    struct map *by_id, *by_code;
    unsigned count;
};

struct agent_flows *agent_flows_new(void)
{
    struct agent_flows *flows = mem_new(struct agent_flows);
    TAILQ_INIT(&flows->flows);
    flows->by_id = map_new();
    flows->by_code = map_new();
    return flows;
}

static void drop(struct agent_flows *flows, struct flow *flow)
{
    map_remove(flows->by_id, flow->id);
    if (flow->code.len > 0) {
        map_remove(flows->by_code, flow->code);
    }
    TAILQ_REMOVE(&flows->flows, flow, by_age);
    flows->count--;
    arena_done(&flow->arena);
    free(flow);
}

void agent_flows_free(struct agent_flows *flows)
{
    if (flows == NULL) {
        return;
    }
    while (!TAILQ_EMPTY(&flows->flows)) {
        drop(flows, TAILQ_FIRST(&flows->flows));
    }
    map_free(flows->by_id);
    map_free(flows->by_code);
    free(flows);
}

/* Drops what is over, and makes room for one more: of the same address first. */
static void make_room(struct agent_flows *flows, struct slice address, int64_t boot_us)
{
    struct flow *first = TAILQ_FIRST(&flows->flows), *oldest = NULL, *at;
    unsigned of_address = 0;
    while (first != NULL && first->end_us <= boot_us) {
        drop(flows, first);
        first = TAILQ_FIRST(&flows->flows);
    }
    TAILQ_FOREACH(at, &flows->flows, by_age)
    {
        if (slice_equal(at->address, address)) {
            oldest = oldest == NULL ? at : oldest;
            of_address++;
        }
    }
    if (of_address >= AGENT_FLOWS_OF_ADDRESS_MAX) {
        drop(flows, oldest);
    } else if (flows->count >= AGENT_FLOWS_MAX) {
        drop(flows, first);
    }
}

static void copy_request(struct arena *arena, const struct agent_request *from,
                         struct agent_request *out)
{
    *out = (struct agent_request){
        .client = arena_slice(arena, from->client),
        .redirect = arena_slice(arena, from->redirect),
        .state = arena_slice(arena, from->state),
        .challenge = arena_slice(arena, from->challenge),
        .resource = arena_slice(arena, from->resource),
        .host = arena_slice(arena, from->host),
        .scope = arena_slice(arena, from->scope),
    };
}

struct slice agent_flow_new(struct agent_flows *flows, struct arena *arena,
                            const struct agent_request *request, const char *address,
                            int64_t boot_us)
{
    make_room(flows, slice_of(address), boot_us);
    struct flow *flow = mem_new(struct flow);
    copy_request(&flow->arena, request, &flow->request);
    flow->id = ticket_new(&flow->arena);
    flow->address = arena_slice(&flow->arena, slice_of(address));
    flow->end_us = boot_us + (int64_t)AGENT_FLOW_S * 1000000;
    TAILQ_INSERT_TAIL(&flows->flows, flow, by_age);
    map_put(flows->by_id, flow->id, flow);
    flows->count++;
    return arena_slice(arena, flow->id);
}

/* The flow of ID that waits for an answer; NULL if there is none. */
static struct flow *find_asked(const struct agent_flows *flows, struct slice id)
{
    struct flow *flow = id.len == TICKET_CHARS ? map_find(flows->by_id, id) : NULL;
    return flow != NULL && flow->state == ASKED ? flow : NULL;
}

bool agent_flow_find(struct agent_flows *flows, struct arena *arena, struct slice id,
                     int64_t boot_us, struct agent_request *out)
{
    const struct flow *flow = find_asked(flows, id);
    if (flow == NULL || flow->end_us <= boot_us) {
        return false;
    }
    copy_request(arena, &flow->request, out);
    return true;
}

void agent_flow_show(struct agent_flows *flows, struct slice id, const struct session_key *session)
{
    struct flow *flow = find_asked(flows, id);
    if (flow != NULL) {
        flow->session = *session;
    }
}

bool agent_flow_is_shown(const struct agent_flows *flows, struct slice id,
                         const struct session_key *session)
{
    const struct flow *flow = find_asked(flows, id);
    return flow != NULL && session->text[0] != '\0' &&
           strcmp(flow->session.text, session->text) == 0;
}

struct slice agent_flow_allow(struct agent_flows *flows, struct arena *arena, struct slice id,
                              int64_t boot_us)
{
    struct flow *flow = find_asked(flows, id);
    if (flow == NULL) {
        return SLICE_NONE;
    }
    flow->state = ALLOWED;
    flow->code = ticket_new(&flow->arena);
    flow->code_end_us = boot_us + (int64_t)AGENT_CODE_S * 1000000;
    map_put(flows->by_code, flow->code, flow);
    return arena_slice(arena, flow->code);
}

void agent_flow_deny(struct agent_flows *flows, struct slice id)
{
    struct flow *flow = find_asked(flows, id);
    if (flow != NULL) {
        drop(flows, flow);
    }
}

static struct flow *find_code(const struct agent_flows *flows, struct slice code)
{
    return code.len == TICKET_CHARS ? map_find(flows->by_code, code) : NULL;
}

enum agent_code agent_code_take(struct agent_flows *flows, struct arena *arena, struct slice code,
                                int64_t boot_us, struct agent_request *out,
                                struct session_key *session)
{
    struct flow *flow = find_code(flows, code);
    if (flow == NULL) {
        return AGENT_CODE_UNKNOWN;
    }
    *session = flow->session;
    if (flow->state == TAKEN) {
        return AGENT_CODE_USED;
    }
    flow->state = TAKEN;
    flow->session = (struct session_key){""};
    if (flow->code_end_us <= boot_us) {
        return AGENT_CODE_UNKNOWN;
    }
    copy_request(arena, &flow->request, out);
    return AGENT_CODE_GOOD;
}

void agent_code_gave(struct agent_flows *flows, struct slice code,
                     const struct session_key *session)
{
    struct flow *flow = find_code(flows, code);
    if (flow != NULL) {
        flow->session = *session;
    }
}
