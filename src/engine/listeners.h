/*
 * The listening sockets of this machine, as the kernel reports them (sock_diag): a program that
 * says where it listens may be wrong, or lie.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct listener {
    uint16_t port;
    bool loopback; /* it cannot be reached from outside of this machine */
    bool v4, v6;   /* it takes connections to 127.0.0.1, to ::1 */
    bool udp;
    uid_t user;
    uint32_t inode;
    char address[46]; /* "0.0.0.0", "::" */
};

struct listeners {
    struct listener *list;
    size_t count;
    unsigned given_first, given_last; /* ports that the kernel gives to clients by itself */
};

/*
 * Reads all TCP sockets of this network namespace that listen, and all UDP sockets that receive
 * from any address on a port outside of ip_local_port_range: the ports of clients come from that
 * range, and such a socket looks like one of a server. UNAVAILABLE if the kernel does not answer.
 * The caller frees them with listeners_done(), also after a failure.
 */
bool listeners_read(struct listeners *out, struct error *err);
void listeners_done(struct listeners *listeners);

/* Whether a connection (of TCP) to 127.0.0.1:PORT may end at LISTENER. */
bool listener_takes(const struct listener *listener, uint16_t port);

/*
 * Describes where a container listens, if it cannot be reached on PORT: "it listens on
 * 127.0.0.1:3000 and [::]:9000, and not on port 8080 of its loopback". ALL are its sockets. OUT is
 * "" if one of them can be reached.
 */
void listeners_say(const struct listeners *all, uint16_t port, char *out, size_t size);
