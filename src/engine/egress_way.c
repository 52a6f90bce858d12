#include "engine/egress_way.h"

#include <string.h>

#include "engine/tool.h"

/* A file system of its own (empty) and listed system calls; it keeps sockets and low ports. */
static const char *const slirp4netns[] = {
    "--configure",
    "--mtu=65520",
    "--disable-host-loopback",
    "--enable-sandbox",
    "--enable-seccomp",
    "--ready-fd=3",
    "--netns-type=path",
    "/proc/self/fd/0",
    "eth0",
    NULL,
};

/*
 * It stands in namespaces of its own and lists its system calls unasked. Without --no-map-gw its
 * gateway would lead to this machine's loopback; without the four ports it would take ports of this
 * machine for the inside, and ports of the loopback inside for those of this machine. Its own
 * choice of an address would be this machine's, which could not be reached then.
 */
static const char *const pasta[] = {
    "--foreground",
    "--quiet",
    "--runas",
    "0",
    "--config-net",
    "--ipv4-only",
    "--address",
    EGRESS_ADDRESS,
    "--netmask",
    "255.255.255.0",
    "--gateway",
    EGRESS_GATEWAY,
    "--dns-forward",
    EGRESS_RESOLVER,
    "--no-map-gw",
    "--no-dhcp",
    "--tcp-ports",
    "none",
    "--udp-ports",
    "none",
    "--tcp-ns",
    "none",
    "--udp-ns",
    "none",
    "--ns-ifname",
    "eth0",
    "--pid",
    "/proc/self/fd/3",
    "--netns",
    "/proc/self/fd/0",
    NULL,
};

/* The first one is taken where both are installed. */
static const struct egress_way ways[] = {
    {"slirp4netns", slirp4netns},
    {"pasta", pasta},
};

const struct egress_way *egress_way_find(const char *wanted, char path[4096], struct error *err)
{
    bool any = strcmp(wanted, "auto") == 0;
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        if ((any || strcmp(wanted, ways[i].name) == 0) && tool_find(ways[i].name, path)) {
            return &ways[i];
        }
    }
    error_set(err, STATUS_FAILED_PRECONDITION, "%s not installed",
              any                            ? "neither slirp4netns nor pasta (package passt) is"
              : strcmp(wanted, "pasta") == 0 ? "pasta (package passt) is"
                                             : "slirp4netns is");
    return NULL;
}
