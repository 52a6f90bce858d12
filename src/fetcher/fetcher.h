/*
 * The fetcher: the one process that asks servers of others (keys and descriptions of issuers,
 * tokens of identity providers, descriptions of agents), so that what they send (TLS, certificates,
 * HTTP) is parsed where nothing of ours lies. It holds no key, no record and no index, may read the
 * certificates that this machine trusts and nothing else, and knows of a question what it takes to
 * ask it.
 *
 * The supervisor starts it when control has something to ask, and ends it when control has had
 * nothing for a while. It is a program of its own, homerun-fetcher: libcurl brings some thirty
 * libraries, which each process and each command of `homerun` would load with it.
 */
#pragma once

/* Entry of the program: argv as exec gave it. Returns the exit status. */
int fetcher_main(int argc, char **argv);
