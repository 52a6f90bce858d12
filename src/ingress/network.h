/*
 * Where a request comes from: the socket's peer, or, when that is a proxy that the operator trusts,
 * the right-most entry of X-Forwarded-For that is not one (docs/access.md, A6, C10).
 */
#pragma once

#include <sys/socket.h>

#include "base/error.h"
#include "http/message.h"
#include "policy/decide.h"

enum { NETWORKS_MAX = 64, ADDRESS_TEXT_MAX = 46 };

/* IPv6 as it is, IPv4 as ::ffff:a.b.c.d, so that one comparison does for both. */
struct address {
    uint8_t bytes[16];
};

struct cidr {
    struct address base;
    unsigned bits; /* of 128 */
};

struct cidr_list {
    struct cidr items[NETWORKS_MAX];
    size_t count;
};

struct networks {
    struct cidr_list internal;
    struct cidr_list trusted_proxies;
};

/* Where a connection comes from. */
struct source {
    const struct sockaddr_storage *peer;
    /* The project ID of the instance, as the engine reports it: then its address is in a network of
     * its own, and the lists of networks do not apply. "": the connection came from outside. */
    struct slice project;
};

/* "10.0.0.0/8,fd00::/8,192.0.2.1"; empty text is an empty list. INVALID_ARGUMENT on failure. */
bool cidr_list_read(struct slice text, struct cidr_list *out, struct error *err);
bool cidr_list_holds(const struct cidr_list *list, const struct address *address);

/* False for anything but an IP address. */
bool address_parse(struct slice text, struct address *out);
void address_of_peer(const struct sockaddr_storage *peer, struct address *out);
struct slice address_text(const struct address *address, char out[ADDRESS_TEXT_MAX]);

/* The network, and in *CLIENT who the caller is. */
enum network network_of(const struct networks *networks, const struct source *source,
                        const struct http_headers *headers, struct address *client);
/* "https" or "http", as the client sees us: OWN, unless a trusted proxy says otherwise. */
struct slice network_scheme(const struct networks *networks, const struct source *source,
                            struct slice own, const struct http_headers *headers);
