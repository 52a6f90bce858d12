/*
 * The settings of `homerun up`, after checking: read by the command line, and passed by the
 * supervisor to every process as lines of "name=value" on a descriptor of its own. One list of rows
 * has names and meanings.
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"

struct settings {
    char data[4096];   /* absolute path of the data folder */
    char api_url[256]; /* "http://127.0.0.1:8080": as bound, once the sockets are open */
    char
        public_url[256]; /* of the API, where clients reach it by another address: a balancer; "" */
    char api_tls_url[256]; /* "" if the API is not served over TLS */
    char https_url[256];
    char http_url[256];
    char metadata_url[256]; /* "" if there is no metadata server */
    char domain[128];       /* "run.localhost": services live under SERVICE-N.REGION.DOMAIN */
    char project[64];
    char project_number[32];
    char region[64];
    char organization[32];
    char engine[16];               /* auto, process, oci, kubernetes */
    char egress[16];               /* of containers: auto, none, slirp4netns, pasta */
    char client_documents[16];     /* of agents (CIMD): auto, private, off */
    char kubeconfig[4096];         /* absolute path; "": of the pod that we are in */
    char kubernetes_owner[64];     /* of all that is ours there; "": made once */
    char kubernetes_sources[1024]; /* CIDRs that Homerun's requests come from; "" */
    char store[512];               /* "sqlite" or a postgresql:// URL */
    char node[64];                 /* our name among the nodes of a cluster; "" until it is made */
    char cluster_key[4096];        /* absolute path of what the keys of a cluster are wrapped by */
    char when_cut_off[16];         /* of a cluster: refuse, serve-stale */
    char internal[1024];           /* CIDRs, comma-separated */
    char trusted_proxies[1024];
    char tls_certificates[2048]; /* operator's own: "chain.pem:key.pem", comma-separated; first is
                                    the fallback behind the local one */
    int cluster;                 /* others work by the same record */
    int lease_s;                 /* of a node of a cluster */
    int idle_s;
    int prepared; /* instances that may wait prepared, at most: fewer where memory is small */
    int frozen;   /* idle instances that may wait frozen, likewise; 0: none */
    int workers;
    int plain; /* serve on the HTTP listener instead of redirecting */
    int strict_paths;
    int large_responses; /* no limit on answers of containers that speak HTTP/1 */
    int connect;         /* the API listener takes CONNECT to Google's hosts */
    int api_host;        /* api.DOMAIN leads to the API */
    int https_port;      /* of the URLs that we show */
    int http_port;
    int log_level;
};

void settings_default(struct settings *settings);
/*
 * Both directions of the handing over. A text with a control character, or one that is too long, is
 * refused. The reader takes a file from its start (so that a successor may read it again) and a
 * pipe to its end; what is absent has its default.
 */
bool settings_write(const struct settings *settings, int fd, struct error *err);
bool settings_read(struct settings *out, int fd, struct error *err);

/*
 * The host of a service of Homerun itself on the services' listener: "auth.DOMAIN" for "auth",
 * "console.DOMAIN" for "console" and "api.DOMAIN" for "api" (only with settings.api_host), and its
 * URL, without a slash at the end. No container ever answers there.
 */
const char *settings_own_host(const struct settings *settings, struct arena *arena,
                              const char *name);
const char *settings_own_url(const struct settings *settings, struct arena *arena,
                             const char *name);

/* The path of NAME below the data folder, in ARENA. */
const char *settings_path(const struct settings *settings, struct arena *arena, const char *name);
