/*
 * What the files of the container backend share: the backend, the home of an instance, and a
 * container in it. Each file is one idea; container_backend.c is their table.
 */
#pragma once

#include "base/cgroups.h"
#include "engine/backend.h"
#include "engine/children.h"
#include "engine/egress.h"
#include "engine/inner_socket.h"
#include "engine/namespaces.h"
#include "engine/oci_store.h"
#include "engine/output.h"
#include "engine/process_watch.h"
#include "engine/tool.h"

/* From 2^31 on: no account has such a number, and containers of other tools are far below. */
#define USERS_FIRST UINT32_C(0x80000000)

enum {
    HOMES_MAX = 16384,
    CONTAINER_PATH_BYTES = 4500,
    CONTAINER_DELETE_S = 20,
    CONTAINER_LAYER_BYTES = 512 * 1024 * 1024, /* where no memory limit is known */
};

struct backend {
    uv_loop_t *loop;
    struct children *children;
    struct oci_store *store;
    bool metadata;          /* there is a metadata server */
    uint16_t services_port; /* of the URLs of services */
    bool localhost;         /* their names end with ".localhost" */
    char trust_dir[160];
    const char *trust;               /* that folder: see trust.h; NULL: no certificate to trust */
    const struct egress_way *egress; /* of instances; NULL: they have no way out */
    char run[128];                   /* folder: of bundles, in the engine's own mounts */
    struct cgroups groups;
    const char *manager;              /* of crun: how it makes control groups */
    char state[CONTAINER_PATH_BYTES]; /* crun's --root */
    bool state_on_disk;               /* no folder of this machine is in memory */
    int null_fd, dir_fd;
    unsigned char used[HOMES_MAX];
    unsigned next;
    char notes[CONTAINER_PATH_BYTES];   /* folder: of the ways out, see egress.h */
    char outputs[CONTAINER_PATH_BYTES]; /* folder: FIFOs of what containers write */
    struct backend_home *homes;         /* all */
    struct backend_container *adopted;  /* until settle(), by next */
    struct backend_container *deleting; /* have exited; crun forgets them */
};

struct backend_home {
    struct backend *backend;
    struct backend_home *next; /* of all */
    unsigned number;
    struct namespaces namespaces;
    struct inner_socket metadata;
    struct inner_socket services; /* leads to the other services; fd -1: nothing does */
    int names_fd;                 /* asked for their names; -1 likewise */
    struct egress *egress;        /* NULL: no way out */
    /* of the preparation */
    const struct run_record *record;
    size_t prepared;
    bool egress_waits;               /* it is not ready yet */
    char no_way_out[400];            /* why there will be none; "" */
    struct backend_container *early; /* made meanwhile: they run once it is */
    struct oci_get *get;
    void (*done)(void *ctx, const char *why);
    void *done_ctx;
    char roots[RUN_CONTAINERS_MAX][CONTAINER_PATH_BYTES]; /* unpacked images; "" for programs */
    char volumes[RUN_MOUNTS_MAX][64];                     /* names of those that are made */
    size_t volume_count;
    uv_timer_t timer;
};

enum container_state { CREATING, HELD, RUNNING, EXITED };

struct backend_container {
    struct backend_home *home;
    struct backend *backend;
    enum container_state state;
    char id[64];
    char dir[CONTAINER_PATH_BYTES]; /* of the bundle */
    pid_t crun, pid;                /* the one that makes it; its first process */
    int64_t begun_us;               /* before crun was started */
    int pending_signal;             /* asked for while it was being made */
    bool hold;                      /* it is to wait when it is made */
    bool frozen;
    int64_t calm_cpu_m; /* its limit once it has started; 0: it has it already */
    bool released;      /* not any more, once there is a way out */
    bool early;         /* it is in its home's list of this name */
    bool lost;          /* it was ended, since there will be no way out */
    struct backend_container *early_next;
    struct tool *starting; /* crun, that lets it go */
    struct output *outputs[2];
    struct process_watch *watch; /* of one that was adopted */
    struct tool *delete;
    struct backend_container *next; /* among those that are deleted, or were adopted */
    const struct backend_events *events;
    void *ctx;
};

/* ---- container_home.c: what the containers of an instance share ---- */

struct backend_home *container_home_open(struct backend *backend, uint16_t port,
                                         struct board_address *address, struct error *err);
void container_home_close(struct backend_home *home);
const char *container_digest(const struct backend_home *home, size_t number);
unsigned container_metadata(const struct backend_home *home, int out[2]);
unsigned container_services(const struct backend_home *home, int out[3]);
/* Makes the places that the containers of HOME reach us at; one of them is meant to listen on PORT.
 */
void container_no_places(struct backend_home *home);
void container_open_places(struct backend_home *home, uint16_t port);
unsigned container_sockets(struct backend_home *home, int family, int *out, unsigned count);
bool container_listeners(const struct backend_home *home, struct listeners *out, struct error *err);
void home_list(struct backend_home *home);
/* Where volume NUMBER of the home is mounted. */
void home_volume_path(const struct backend_home *home, size_t number, char out[200]);
/* The first of the users of the home with that NUMBER. */
uid_t home_users(unsigned number);
/* The path of the file that says which process leads out of the home with that NUMBER. */
void home_note_path(const struct backend *backend, unsigned number, char out[CONTAINER_PATH_BYTES]);

/* ---- container_prepare.c: images, and the way out ---- */

void container_prepare(struct backend_home *home, const struct run_record *record,
                       void (*done)(void *ctx, const char *why), void *ctx);
bool container_is_program(const struct run_container *container);
void container_keep_images(struct backend *backend, const struct run_record *record);
void container_sweep_images(struct backend *backend);

/* ---- container_bundle.c: the folder that crun starts a container from ---- */

bool container_write_bundle(struct backend_container *container, struct arena *arena,
                            const struct backend_order *order, struct error *err);

/* ---- container_group.c: its control group ---- */

/* Whether the kernel has killed something in it for want of memory. */
bool container_out_of_memory(const struct backend_container *container);
void container_calm(struct backend_container *container);
bool container_freeze(struct backend_container *container, bool frozen);
/* Unfreezes the processes of the container ID if they were frozen: frozen ones react to no signal.
 */
void container_group_thaw(const struct backend *backend, const char *id);
bool container_usage(const struct backend_container *container, struct backend_usage *out);

/* ---- container.c: its life ---- */

struct backend_container *container_start(struct backend_home *home,
                                          const struct backend_order *order, struct error *err);
bool container_renew(struct backend_container *container, const struct secrets *secrets,
                     size_t number, struct error *err);
void container_release(struct backend_container *container);
void container_signal(struct backend_container *container, int number);
void container_free(struct backend_container *container);
/* HOME has a way out now: containers that were made before may run. If there is none, they end. */
void container_way_out(struct backend_home *home);
/* The container's last process has ended, or it was never made. CTX is the container. */
void container_ended(void *ctx, int status);
/* WRITE_FDS NULL: the FIFOs are there already. */
void container_open_outputs(struct backend_container *container, int *write_fds);
/* crun has forgotten it: the rest of it goes. */
void container_over(struct backend_container *container);

/* ---- container_adopt.c: from one engine to the next ---- */

json_t *container_save(const struct backend_home *home, struct backend_container *const *containers,
                       size_t count);
struct backend_home *container_adopt(struct backend *backend, const json_t *saved,
                                     const struct backend_order *orders, size_t count,
                                     struct backend_container **out, struct error *err);
/* Without root: moves into the user namespace of what an engine before us left running; false if
 * nothing of it is there. */
bool container_join(const struct backend *backend);
/* Ends containers of an earlier engine that were not adopted. Called before any container of our
 * own runs. */
void container_settle(struct backend *backend);
