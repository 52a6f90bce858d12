/*
 * The supervisor: opens the sockets, starts the other processes, restarts what dies; nothing else.
 * It parses nothing from outside: the command line has checked its settings, and its children send
 * it a handful of fixed messages.
 *
 * A child is born with the descriptors that its role may have (rights.c) and no others, in a
 * session of its own, with SIGPIPE ignored, and dies with the supervisor.
 */
#pragma once

#include "base/error.h"
#include "ipc/settings.h"

struct supervisor_plan {
    struct settings settings; /* the URLs and ports in it are filled in once the sockets are open */
    char api[128];            /* where to listen, "127.0.0.1:8080"; port 0: any */
    char api_tls[128];        /* the same API over TLS; "" for none */
    char https[128];
    char http[128];
    char metadata[128];    /* "off"; "" for the usual port, or any if that is taken */
    char ready_file[4096]; /* written beside DATA/ready.json; "" for none */
    const char *version;   /* of the program */
    const char *fetcher;   /* program of the fetcher; NULL: homerun-fetcher beside our own */
};

struct supervisor_events {
    /* Once, when every process serves and the ready file is written. */
    void (*on_ready)(const struct settings *settings, void *ctx);
    /* SIGHUP: changes *next, a copy of what runs, to what the configuration says now. */
    bool (*on_reload)(struct settings *next, void *ctx, struct error *err);
};

/*
 * Runs until SIGTERM or SIGINT, in the foreground. The exit status: 0 after a drain; 1 if the
 * machine or the data folder does not allow a start (nothing is changed then; standard error has
 * said why), or if a child ended because a person must act.
 */
int supervisor_run(const struct supervisor_plan *plan, const struct supervisor_events *events,
                   void *ctx);
