/*
 * The home of an instance: a pair of namespaces (users and network) that all its containers join, a
 * metadata server's socket in it, and the volumes that they share.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "engine/container.h"
#include "engine/rootfs.h"
#include "engine/rootless.h"

static bool take_number(struct backend *backend, unsigned *out)
{
    for (unsigned i = 0; i < HOMES_MAX; i++) {
        unsigned at = (backend->next + i) % HOMES_MAX;
        if (backend->used[at] == 0) {
            backend->used[at] = 1;
            backend->next = at + 1;
            *out = at;
            return true;
        }
    }
    return false;
}

void home_list(struct backend_home *home)
{
    home->next = home->backend->homes;
    home->backend->homes = home;
}

static void unlist_home(struct backend_home *home)
{
    struct backend_home **link = &home->backend->homes;
    while (*link != home) {
        link = &(*link)->next;
    }
    *link = home->next;
}

void container_no_places(struct backend_home *home)
{
    home->metadata = home->services = (struct inner_socket){-1, -1};
    home->names_fd = -1;
}

void container_open_places(struct backend_home *home, uint16_t port)
{
    const struct backend *backend = home->backend;
    const struct inner_place metadata = {
        .address = METADATA_ADDRESS, .label = "lo:1", .port = METADATA_PORT, .taken = port == 80};
    /*
     * Many programs know ".localhost" as the loopback and ask nobody (RFC 6761 section 6.3). A
     * container that is to listen on that port itself keeps its loopback: ingress comes to it
     * there.
     */
    const struct inner_place services = {
        .address = SERVICES_ADDRESS,
        .label = "lo:2",
        .port = backend->services_port,
        .loopback = backend->localhost && port != backend->services_port,
        .taken = port == backend->services_port,
    };
    struct error why = {0};
    if (backend->metadata &&
        !inner_socket_open(&home->namespaces, &metadata, &home->metadata, &why)) {
        log_warn("metadata server: %s", why.text);
    }
    if (!inner_socket_open(&home->namespaces, &services, &home->services, &why) ||
        (home->names_fd = inner_names_open(&home->namespaces, &services, &why)) < 0) {
        log_warn("way to other services: %s", why.text);
        inner_socket_close(&home->services);
    }
}

struct backend_home *container_home_open(struct backend *backend, uint16_t port,
                                         struct board_address *address, struct error *err)
{
    unsigned number;
    if (!take_number(backend, &number)) {
        error_set(err, STATUS_RESOURCE_EXHAUSTED, "no users are left for another instance");
        return NULL;
    }
    struct backend_home *home = mem_new(struct backend_home);
    home->backend = backend;
    home->number = number;
    home_list(home);
    container_no_places(home);
    if (!namespaces_open(&home->namespaces, home_users(number), err)) {
        backend->used[number] = 0;
        unlist_home(home);
        free(home);
        return NULL;
    }
    container_open_places(home, port);
    uv_timer_init(backend->loop, &home->timer);
    home->timer.data = home;
    *address =
        (struct board_address){.ipv4 = htonl(INADDR_LOOPBACK), .port = port, .own_network = 1};
    return home;
}

static void on_home_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void home_volume_path(const struct backend_home *home, size_t number, char out[200])
{
    snprintf(out, 200, "%s/volume-%u-%zu", home->backend->run, home->number, number);
}

uid_t home_users(unsigned number)
{
    return rootless() ? ROOTLESS_FIRST : USERS_FIRST + number * NAMESPACE_USERS;
}

void container_home_close(struct backend_home *home)
{
    unlist_home(home);
    if (home->get != NULL) {
        oci_get_cancel(home->get);
    }
    char path[200];
    for (size_t i = 0; i < home->volume_count; i++) {
        home_volume_path(home, i, path);
        rootfs_volume_remove(path);
    }
    egress_free(home->egress);
    inner_socket_close(&home->metadata);
    inner_socket_close(&home->services);
    if (home->names_fd >= 0) {
        close(home->names_fd);
    }
    namespaces_close(&home->namespaces);
    home->backend->used[home->number] = 0;
    uv_close((uv_handle_t *)&home->timer, on_home_closed);
}

/* The folder of an unpacked image is named for it. */
const char *container_digest(const struct backend_home *home, size_t number)
{
    static char text[80];
    const char *slash = strrchr(home->roots[number], '/');
    snprintf(text, sizeof(text), "%s%.64s",
             slash == NULL ? "" : "sha256:", slash == NULL ? "" : slash + 1);
    return text;
}

unsigned container_metadata(const struct backend_home *home, int out[2])
{
    out[0] = home->metadata.fd;
    out[1] = home->metadata.link_fd;
    return out[0] < 0 ? 0 : out[1] < 0 ? 1 : 2;
}

unsigned container_services(const struct backend_home *home, int out[3])
{
    out[0] = home->services.fd;
    out[1] = home->names_fd;
    out[2] = home->services.link_fd;
    return out[0] < 0 ? 0 : out[2] < 0 ? 2 : 3;
}

unsigned container_sockets(struct backend_home *home, int family, int *out, unsigned count)
{
    return namespaces_sockets(&home->namespaces, family, SOCK_STREAM, out, count);
}

static bool is_place(const struct backend_home *home, const struct listener *listener)
{
    return strcmp(listener->address, METADATA_ADDRESS) == 0 ||
           strcmp(listener->address, SERVICES_ADDRESS) == 0 ||
           /* without the kernel's program it is at the port itself */
           (home->services.fd >= 0 && home->services.link_fd < 0 && !listener->udp &&
            listener->port == home->backend->services_port);
}

/* Those of the containers: the places of ours are nobody's fault. */
bool container_listeners(const struct backend_home *home, struct listeners *out, struct error *err)
{
    size_t kept = 0;
    if (!namespaces_listeners(&home->namespaces, out, err)) {
        return false;
    }
    for (size_t i = 0; i < out->count; i++) {
        if (!is_place(home, &out->list[i])) {
            out->list[kept++] = out->list[i];
        }
    }
    out->count = kept;
    return true;
}

/* The path of the file that says which process leads out of the home with that NUMBER. */
void home_note_path(const struct backend *backend, unsigned number, char out[CONTAINER_PATH_BYTES])
{
    snprintf(out, CONTAINER_PATH_BYTES, "%.4400s/%u", backend->notes, number);
}
