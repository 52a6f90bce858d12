/*
 * Whose program is at the other end of a connection: the kernel's table of TCP connections says it
 * for those of this machine. Opened once, since the sandbox closes every file later.
 */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

struct peer_table {
    int fds[2]; /* IPv4, IPv6; -1 where the kernel has none */
};

void peer_table_open(struct peer_table *table);

/* The user whose open connection has PEER as its own end. False if there is none here. */
bool peer_user(const struct peer_table *table, const struct sockaddr_storage *peer, uid_t *out);

/* One line of that table: whether it is an established connection with END ("0100007F:1F90") as its
 * own end. */
bool peer_line(const char *line, const char *end, uid_t *out);
