/*
 * What has to be there before the containers of an instance can be made: their images, unpacked.
 * The way out of the network only has to be there before they run, and is made meanwhile. Also:
 * which images are still needed.
 */
#include <stdio.h>

#include "engine/container.h"
#include "engine/private_ranges.h"

static void prepare_next(struct backend_home *home);

/* The first that fails, or the last that is done. */
static void prepare_end(struct backend_home *home, const char *why)
{
    void (*done)(void *ctx, const char *why) = home->done;
    home->done = NULL;
    if (done != NULL) {
        done(home->done_ctx, why);
    }
}

static void on_image(void *ctx, const char *root, const char *why)
{
    struct backend_home *home = ctx;
    home->get = NULL;
    if (root == NULL) {
        prepare_end(home, why);
        return;
    }
    snprintf(home->roots[home->prepared], CONTAINER_PATH_BYTES, "%s", root);
    home->prepared++;
    prepare_next(home);
}

bool container_is_program(const struct run_container *container)
{
    return container->program[0] != NULL;
}

/* Who asks for the image of container NUMBER. */
static void image_key(const struct run_record *record, size_t number, char out[64])
{
    snprintf(out, 64, "%llu-%zu", (unsigned long long)record->revision_id, number);
}

static void prepare_next(struct backend_home *home)
{
    const struct run_record *record = home->record;
    while (home->prepared < record->container_count &&
           container_is_program(&record->containers[home->prepared])) {
        home->prepared++;
    }
    if (home->prepared == record->container_count) {
        prepare_end(home, NULL);
        return;
    }
    const struct run_container *container = &record->containers[home->prepared];
    char key[64];
    image_key(record, home->prepared, key);
    home->get = oci_store_get(home->backend->store, key, container->image, container->manifest,
                              on_image, home);
}

static void on_egress(void *ctx, const char *why)
{
    struct backend_home *home = ctx;
    home->egress_waits = false;
    if (why != NULL) {
        snprintf(home->no_way_out, sizeof(home->no_way_out),
                 "its outgoing network could not be set up (%.250s): `homerun up --egress none` "
                 "does without",
                 why);
        prepare_end(home, home->no_way_out);
    }
    container_way_out(home);
}

static void on_prepare(uv_timer_t *timer)
{
    struct backend_home *home = timer->data;
    struct backend *backend = home->backend;
    struct error err = {0};
    if (home->record->egress == RUN_EGRESS_PUBLIC &&
        !private_ranges_close(&home->namespaces, &err)) {
        prepare_end(home, err.text);
        return;
    }
    if (backend->egress != NULL && home->record->egress != RUN_EGRESS_NONE) {
        char note[CONTAINER_PATH_BYTES];
        home_note_path(backend, home->number, note);
        home->egress = egress_new(backend->loop, backend->children, backend->egress,
                                  &home->namespaces, note, on_egress, home, &err);
        home->egress_waits = true;
        if (home->egress == NULL) {
            on_egress(home, err.text);
            return;
        }
    }
    prepare_next(home);
}

void container_prepare(struct backend_home *home, const struct run_record *record,
                       void (*done)(void *ctx, const char *why), void *ctx)
{
    home->record = record;
    home->done = done;
    home->done_ctx = ctx;
    uv_timer_start(&home->timer, on_prepare, 0, 0);
}

/* ---- images that nobody uses ---- */

void container_keep_images(struct backend *backend, const struct run_record *record)
{
    char key[64];
    for (size_t i = 0; i < record->container_count; i++) {
        if (!container_is_program(&record->containers[i])) {
            image_key(record, i, key);
            oci_store_keep(backend->store, key, record->containers[i].manifest);
        }
    }
}

/* What runs is kept, whatever the records say. */
void container_sweep_images(struct backend *backend)
{
    for (const struct backend_home *home = backend->homes; home != NULL; home = home->next) {
        for (size_t i = 0; i < RUN_CONTAINERS_MAX; i++) {
            oci_store_keep_root(backend->store, home->roots[i]);
        }
    }
    oci_store_sweep(backend->store);
}
