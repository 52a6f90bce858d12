/*
 * Finds the process at the other end of a connection. The kernel is asked for the one socket whose
 * two addresses are ours the other way round (NETLINK_SOCK_DIAG): users may share a local port
 * where their remote ends differ, so one address alone identifies nobody.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

struct peer_finder {
    int fd; /* of netlink; -1 where the kernel cannot be asked */
    uint32_t sequence;
    unsigned loopback; /* index of the loopback interface; 0 if there is none */
};

enum peer_found {
    PEER_USER,      /* exactly one established connection of this machine: *out is its user */
    PEER_IN_DOUBT,  /* of this machine, but closing, or several sockets match: no owner can be named
                     */
    PEER_ELSEWHERE, /* no socket of this machine has these ends */
};

/* Opened once: the sandbox opens no socket later. */
void peer_finder_open(struct peer_finder *finder);
void peer_finder_close(struct peer_finder *finder);

/*
 * Finds who has the connection from PEER to OWN: addresses as accept() and getsockname() give them
 * for our socket. Where the kernel cannot be asked, everybody is PEER_IN_DOUBT.
 */
enum peer_found peer_find(struct peer_finder *finder, const struct sockaddr_storage *peer,
                          const struct sockaddr_storage *own, uid_t *out);

/* A connection's two ends, as its owner sees them: IPv4 as ::ffff:a.b.c.d, ports as on the wire. */
struct peer_ends {
    unsigned char own[16], other[16];
    in_port_t own_port, other_port;
};

/* What the kernel said of one socket. */
struct peer_answer {
    struct peer_ends ends;
    uint8_t state;
    uint64_t cookie; /* of the socket, unique while the machine runs */
    uid_t user;
};

/*
 * Judges the COUNT answers of the kernel to the question WANTED. Sockets with other addresses are
 * ignored (the kernel answers with a listener where it finds no connection); the same socket is
 * counted once.
 */
enum peer_found peer_judge(const struct peer_answer *answers, size_t count,
                           const struct peer_ends *wanted, uid_t *out);
