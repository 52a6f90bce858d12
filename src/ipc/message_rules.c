/* Who may say what to whom, and how long it is: the whole traffic between processes on one page. */
#include "ipc/ipc.h"

#define BIT(role) (1u << (role))

enum {
    CHILDREN = BIT(PROCESS_CONTROL) | BIT(PROCESS_INGRESS) | BIT(PROCESS_ENGINE) |
               BIT(PROCESS_SIGNER) | BIT(PROCESS_METADATA) | BIT(PROCESS_FETCHER),
    BODY_MAX = IPC_PACKET_MAX - sizeof(struct message_head),
};

#define EMPTY      0, 0
#define ONE(what)  sizeof(struct what), sizeof(struct what)
#define FROM(what) sizeof(struct what), BODY_MAX

const struct message_rule message_rules[MSG_TYPES] = {
    [MSG_READY] = {CHILDREN, BIT(PROCESS_SUPERVISOR), EMPTY},
    [MSG_DRAIN] = {BIT(PROCESS_SUPERVISOR), CHILDREN, EMPTY},
    [MSG_WORKER_GONE] = {BIT(PROCESS_SUPERVISOR), BIT(PROCESS_ENGINE) | BIT(PROCESS_CONTROL),
                         ONE(msg_worker_gone)},
    [MSG_DEMAND] = {BIT(PROCESS_INGRESS), BIT(PROCESS_ENGINE), ONE(msg_demand)},
    [MSG_START_FAILED] = {BIT(PROCESS_ENGINE), BIT(PROCESS_INGRESS), ONE(msg_start_failed)},
    [MSG_CHECK_REVISION] = {BIT(PROCESS_CONTROL), BIT(PROCESS_ENGINE), ONE(msg_revision)},
    [MSG_REVISION_STATE] = {BIT(PROCESS_ENGINE), BIT(PROCESS_CONTROL), ONE(msg_revision_state)},
    [MSG_REVISION_GONE] = {BIT(PROCESS_CONTROL), BIT(PROCESS_ENGINE), ONE(msg_revision)},
    [MSG_CHANGED] = {BIT(PROCESS_CONTROL), BIT(PROCESS_ENGINE), EMPTY},
    [MSG_UNKNOWN_KEY] = {BIT(PROCESS_INGRESS), BIT(PROCESS_CONTROL), ONE(msg_unknown_key)},
    [MSG_SIGN] = {BIT(PROCESS_CONTROL) | BIT(PROCESS_INGRESS), BIT(PROCESS_SIGNER), FROM(msg_sign)},
    [MSG_SIGNED] = {BIT(PROCESS_SIGNER), BIT(PROCESS_CONTROL) | BIT(PROCESS_INGRESS),
                    FROM(msg_signed)},
    [MSG_WORKLOAD_ASK] = {BIT(PROCESS_METADATA), BIT(PROCESS_CONTROL),
                          sizeof(struct msg_workload_ask),
                          sizeof(struct msg_workload_ask) + WORKLOAD_BYTES_MAX + REVISION_NAME_MAX},
    [MSG_WORKLOAD_TOLD] = {BIT(PROCESS_CONTROL), BIT(PROCESS_METADATA), FROM(msg_workload_told)},
    [MSG_SOCKETS_ASK] = {BIT(PROCESS_INGRESS), BIT(PROCESS_ENGINE), ONE(msg_sockets_ask)},
    [MSG_SOCKETS] = {BIT(PROCESS_ENGINE), BIT(PROCESS_INGRESS), ONE(msg_sockets), SOCKETS_MAX},
    [MSG_LOG] = {BIT(PROCESS_SUPERVISOR), BIT(PROCESS_INGRESS) | BIT(PROCESS_ENGINE), EMPTY, 1},
    [MSG_DOOR] = {BIT(PROCESS_INGRESS), BIT(PROCESS_CONTROL), EMPTY, 1},
    [MSG_ENGINE_STARTED] = {BIT(PROCESS_ENGINE),
                            BIT(PROCESS_CONTROL) | BIT(PROCESS_METADATA) | BIT(PROCESS_INGRESS),
                            EMPTY},
    [MSG_METADATA_STARTED] = {BIT(PROCESS_METADATA), BIT(PROCESS_ENGINE), EMPTY},
    [MSG_METADATA_OPEN] = {BIT(PROCESS_ENGINE), BIT(PROCESS_METADATA), ONE(msg_metadata_open), 2},
    [MSG_METADATA_CLOSE] = {BIT(PROCESS_ENGINE), BIT(PROCESS_METADATA), ONE(msg_metadata_close)},
    [MSG_INSIDE_WANTED] = {BIT(PROCESS_INGRESS), BIT(PROCESS_ENGINE), EMPTY},
    [MSG_INSIDE_OPEN] = {BIT(PROCESS_ENGINE), BIT(PROCESS_INGRESS), ONE(msg_inside_open), 3},
    [MSG_INSIDE_CLOSE] = {BIT(PROCESS_ENGINE), BIT(PROCESS_INGRESS), ONE(msg_inside_close)},
    [MSG_LEAF] = {BIT(PROCESS_CONTROL), BIT(PROCESS_INGRESS), 1, BODY_MAX},
    [MSG_SECRETS_ASK] = {BIT(PROCESS_ENGINE), BIT(PROCESS_CONTROL), ONE(msg_secrets_ask)},
    [MSG_SECRET] = {BIT(PROCESS_CONTROL), BIT(PROCESS_ENGINE), FROM(msg_secret)},
    [MSG_SECRETS_TOLD] = {BIT(PROCESS_CONTROL), BIT(PROCESS_ENGINE), ONE(msg_secrets_told)},
    [MSG_PLACES] = {BIT(PROCESS_ENGINE), BIT(PROCESS_CONTROL), FROM(msg_places)},
    [MSG_PLACES_TOLD] = {BIT(PROCESS_CONTROL), BIT(PROCESS_ENGINE), FROM(msg_places_told)},
    [MSG_TENURE] = {BIT(PROCESS_CONTROL), BIT(PROCESS_ENGINE), ONE(msg_tenure)},
    [MSG_FETCHER_WANTED] = {BIT(PROCESS_CONTROL), BIT(PROCESS_SUPERVISOR), ONE(msg_fetcher_wanted)},
    [MSG_FETCHER_STARTED] = {BIT(PROCESS_FETCHER), BIT(PROCESS_CONTROL), EMPTY},
    [MSG_FETCH] = {BIT(PROCESS_CONTROL), BIT(PROCESS_FETCHER), FROM(msg_fetch)},
    [MSG_FETCHED] = {BIT(PROCESS_FETCHER), BIT(PROCESS_CONTROL), FROM(msg_fetched)},
};

static const char *const role_names[PROCESS_ROLES] = {
    [PROCESS_SUPERVISOR] = "supervisor", [PROCESS_CONTROL] = "control",
    [PROCESS_INGRESS] = "ingress",       [PROCESS_ENGINE] = "engine",
    [PROCESS_SIGNER] = "signer",         [PROCESS_METADATA] = "metadata",
    [PROCESS_FETCHER] = "fetcher",
};

const char *process_role_name(enum process_role role)
{
    return role_names[role];
}
