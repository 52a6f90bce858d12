/*
 * The metadata server's place inside of an instance's network: 169.254.169.254, port 80.
 *
 * Port 80 itself stays free for the containers, many of which listen there on all addresses: what
 * comes to that address and port is led to a socket at another port by a program of the kernel
 * (BPF, sk_lookup). Where the kernel allows none, the socket is at port 80, and an image that
 * listens there itself cannot start.
 */
#pragma once

#include "engine/namespaces.h"

#define METADATA_ADDRESS "169.254.169.254"

struct metadata_socket {
    int fd;      /* listens; -1: there is none */
    int link_fd; /* holds the program in place; -1: there is none */
};

/* TAKEN: a container is meant to listen on port 80. */
bool metadata_socket_open(const struct namespaces *namespaces, bool taken,
                          struct metadata_socket *out, struct error *err);
void metadata_socket_close(struct metadata_socket *socket);
