/*
 * Listening sockets of Homerun inside of an instance's network: an address on its loopback, and a
 * port there.
 *
 * The port itself stays free for the containers, many of which listen on all addresses: what comes
 * to that address and port is led to a socket at another port by a program of the kernel (BPF,
 * sk_lookup). Where the kernel allows none, the socket is at the port itself, and a container that
 * listens there on all addresses cannot start.
 */
#pragma once

#include <stdint.h>

#include "engine/namespaces.h"

/* The metadata server, port 80. */
#define METADATA_ADDRESS "169.254.169.254"
enum { METADATA_PORT = 80 };
/* The other services, at the port of their URLs, and the resolver of their names. */
#define SERVICES_ADDRESS "169.254.169.253"

struct inner_place {
    const char *address;
    const char *label; /* of the address: "lo:1" */
    uint16_t port;
    bool loopback; /* the port of 127.0.0.1 leads there too, where the kernel allows the program */
    bool taken;    /* a container is meant to listen on that port */
};

struct inner_socket {
    int fd;      /* listens; -1: there is none */
    int link_fd; /* holds the program in place; -1: there is none */
};

bool inner_socket_open(const struct namespaces *namespaces, const struct inner_place *place,
                       struct inner_socket *out, struct error *err);
void inner_socket_close(struct inner_socket *socket);

/* A socket for questions about names at PLACE's address, UDP port 53; -1 and why. */
int inner_names_open(const struct namespaces *namespaces, const struct inner_place *place,
                     struct error *err);
