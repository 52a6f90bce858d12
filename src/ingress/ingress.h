/*
 * A worker: it takes requests to services, asks the gate, finds an instance and relays. Several run
 * side by side on the same listening sockets; each is one thread, reads the index and the board,
 * and holds nothing that another process owns.
 */
#pragma once

/* Runs as the role "ingress" with what the supervisor left open. The exit status. */
int ingress_main(int argc, char **argv);
