/*
 * Everybody has a channel to the supervisor, and those that edges[] names. What is not in a row
 * below is closed in that process: ingress can have the doors' assertions signed and nothing else,
 * the signer has no network, control cannot accept a request to a service, the fetcher has nothing
 * but its channels, and only the engine starts programs.
 */
#include "supervisor/rights.h"

#include <linux/capability.h>

#include "ipc/board.h"

#define BIT(what) (1u << (what))
#define CAP(what) (UINT64_C(1) << (what))

/* To read and write the data folder when it belongs to another user than root. */
#define CAPS_FILES (CAP(CAP_DAC_OVERRIDE) | CAP(CAP_FOWNER) | CAP(CAP_CHOWN))

/* To give away what is left: each process narrows itself further once it has opened its files. */
#define CAPS_SHED (CAP(CAP_SETUID) | CAP(CAP_SETGID) | CAP(CAP_SETPCAP))

#define CAPS_ALL UINT64_MAX

const struct role_rights role_rights[] = {
    {
        .role = PROCESS_SIGNER,
        .stage = 0,
        .holds = BIT(HOLD_SETTINGS),
        .capabilities = CAPS_FILES | CAPS_SHED | CAP(CAP_IPC_LOCK),
    },
    {
        .role = PROCESS_FETCHER,
        .stage = 0, /* so that it ends after control */
        .needs = BIT(HOLD_FETCHER),
        .on_demand = true,
        .bare = true,
        .program = HOLD_FETCHER,
        .user = 2 + BOARD_WORKERS,
        .capabilities = CAPS_SHED,
    },
    {
        .role = PROCESS_CONTROL,
        .stage = 1,
        .holds = BIT(HOLD_SETTINGS) | BIT(HOLD_API) | BIT(HOLD_API_TLS) | BIT(HOLD_METER) |
                 BIT(HOLD_LEASE),
        .capabilities = CAPS_FILES | CAPS_SHED,
    },
    {
        .role = PROCESS_ENGINE,
        .stage = 2,
        .holds = BIT(HOLD_SETTINGS) | BIT(HOLD_BOARD) | BIT(HOLD_METER) | BIT(HOLD_LOG_INSTANCES) |
                 BIT(HOLD_LEASE),
        .wakes = true,
        .may_gain = true,
        .capabilities = CAPS_ALL,
    },
    {
        .role = PROCESS_INGRESS,
        .stage = 2,
        .many = true,
        .holds = BIT(HOLD_SETTINGS) | BIT(HOLD_BOARD) | BIT(HOLD_HTTPS) | BIT(HOLD_HTTP) |
                 BIT(HOLD_TICKETS) | BIT(HOLD_LOG_REQUESTS) | BIT(HOLD_DENIALS) | BIT(HOLD_METER) |
                 BIT(HOLD_LEASE),
        .wakes = true,
        .user = 2, /* to 1 + BOARD_WORKERS */
        .capabilities = CAPS_FILES | CAPS_SHED,
    },
    {
        .role = PROCESS_METADATA,
        .stage = 2,
        .needs = BIT(HOLD_METADATA),
        .holds = BIT(HOLD_SETTINGS) | BIT(HOLD_METADATA),
        .user = 1,
        .capabilities = CAPS_SHED,
    },
};
const unsigned role_rights_count = sizeof(role_rights) / sizeof(role_rights[0]);

const struct edge edges[EDGES] = {
    {PROCESS_CONTROL, PROCESS_SIGNER},   {PROCESS_CONTROL, PROCESS_ENGINE},
    {PROCESS_INGRESS, PROCESS_ENGINE},   {PROCESS_INGRESS, PROCESS_CONTROL},
    {PROCESS_METADATA, PROCESS_CONTROL}, {PROCESS_ENGINE, PROCESS_METADATA},
    {PROCESS_INGRESS, PROCESS_SIGNER},   {PROCESS_CONTROL, PROCESS_FETCHER},
};

static const char *const holding_names[HOLDINGS] = {
    [HOLD_SETTINGS] = "settings",
    [HOLD_BOARD] = "board",
    [HOLD_METER] = "meter",
    [HOLD_LEASE] = "lease",
    [HOLD_API] = "api",
    [HOLD_API_TLS] = "api-tls",
    [HOLD_HTTPS] = "https",
    [HOLD_HTTP] = "http",
    [HOLD_METADATA] = "metadata",
    [HOLD_TICKETS] = "tickets",
    [HOLD_LOG_REQUESTS] = "log-requests",
    [HOLD_LOG_INSTANCES] = "log-instances",
    [HOLD_DENIALS] = "denials",
    [HOLD_FETCHER] = "program",
};

const char *holding_name(enum holding holding)
{
    return holding_names[holding];
}
