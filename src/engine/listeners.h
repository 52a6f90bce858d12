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
    bool v4;       /* it takes connections to 127.0.0.1 */
    uid_t user;
    uint32_t inode;
    char address[46]; /* "0.0.0.0", "::" */
};

struct listeners {
    struct listener *list;
    size_t count;
};

/*
 * All TCP sockets of this network namespace that listen. UNAVAILABLE if the kernel does not tell.
 * The caller frees them with listeners_done(), also after a failure.
 */
bool listeners_read(struct listeners *out, struct error *err);
void listeners_done(struct listeners *listeners);

/* Whether a connection to 127.0.0.1:PORT may end at LISTENER. */
bool listener_takes(const struct listener *listener, uint16_t port);
