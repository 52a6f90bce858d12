/*
 * Who listens on this machine, as the kernel tells it (sock_diag): a program that says where it
 * listens may be wrong, or lie.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct listener {
    uint16_t port;
    bool loopback; /* nobody outside of this machine can reach it */
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
 * All TCP sockets of this network namespace that listen, and all UDP sockets that take from anybody
 * on a port that the kernel does not give away by itself: a client's port comes from that range
 * (ip_local_port_range), and a socket with such a port looks as one of a server does. UNAVAILABLE
 * if the kernel does not tell. The caller frees them with listeners_done(), also after a failure.
 */
bool listeners_read(struct listeners *out, struct error *err);
void listeners_done(struct listeners *listeners);

/* Whether a connection (of TCP) to 127.0.0.1:PORT may end at LISTENER. */
bool listener_takes(const struct listener *listener, uint16_t port);

/*
 * ALL of a container, where nobody is reached on PORT, in words: "it listens on 127.0.0.1:3000 and
 * [::]:9000, and not on port 8080 of its loopback". OUT is "" if somebody is.
 */
void listeners_say(const struct listeners *all, uint16_t port, char *out, size_t size);
