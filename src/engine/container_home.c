/*
 * The home of an instance: a pair of namespaces (users and network) that all its containers join, a
 * metadata server's socket in it, and the volumes that they share.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "engine/container.h"
#include "engine/rootfs.h"

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

struct backend_home *container_home_open(struct backend *backend, uint16_t port,
                                         struct board_address *address, struct error *err)
{
    unsigned number;
    if (!take_number(backend, &number)) {
        error_set(err, STATUS_RESOURCE_EXHAUSTED, "no users are left for another instance");
        return NULL;
    }
    struct backend_home *home = calloc(1, sizeof(*home));
    if (home == NULL) {
        abort();
    }
    home->backend = backend;
    home->number = number;
    home_list(home);
    home->metadata = (struct metadata_socket){-1, -1};
    if (!namespaces_open(&home->namespaces, USERS_FIRST + number * NAMESPACE_USERS, err)) {
        backend->used[number] = 0;
        unlist_home(home);
        free(home);
        return NULL;
    }
    struct error why = {0};
    if (backend->metadata &&
        !metadata_socket_open(&home->namespaces, port == 80, &home->metadata, &why)) {
        log_warn("%s", why.text);
    }
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

void home_volume_path(const struct backend_home *home, size_t number, char out[64])
{
    snprintf(out, 64, CONTAINER_RUN_DIR "/volume-%u-%zu", home->number, number);
}

void container_home_close(struct backend_home *home)
{
    unlist_home(home);
    if (home->get != NULL) {
        oci_get_cancel(home->get);
    }
    char path[64];
    for (size_t i = 0; i < home->volume_count; i++) {
        home_volume_path(home, i, path);
        rootfs_volume_remove(path);
    }
    egress_free(home->egress);
    metadata_socket_close(&home->metadata);
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

unsigned container_sockets(struct backend_home *home, int *out, unsigned count)
{
    return namespaces_sockets(&home->namespaces, out, count);
}

/* The path of the file that says which process leads out of the home with that NUMBER. */
void home_note_path(const struct backend *backend, unsigned number, char out[CONTAINER_PATH_BYTES])
{
    snprintf(out, CONTAINER_PATH_BYTES, "%.4400s/%u", backend->notes, number);
}
