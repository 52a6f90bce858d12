#include "control/front/tls_leaf.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "control/record/regions.h"
#include "ipc/signer_client.h"
#include "trust/trust.h"

enum { RENEW_DAYS = 30, DAY_S = 86400, PEM_BYTES_MAX = 65536, LOOK_MS = 60 * 1000 };

/* One wildcard per region, since a wildcard stands for one label alone, one for the hosts without a
 * region (service_hosts()), and what people type by hand. */
static void add_service_names(const struct control *control, struct buffer *out)
{
    const char *domain = control->settings.domain;
    buffer_printf(out, "localhost,%s,*.%s,*.a.%s,127.0.0.1,::1", domain, domain, domain);
    for (size_t i = 0; regions[i][0] != NULL; i++) {
        buffer_printf(out, ",*.%s.%s", regions[i][0], domain);
    }
}

/* Good for a while, for the names that are wanted, and of the CA that clients are given. */
static bool is_good(const struct control *control, struct arena *arena, const char *leaf,
                    const char *names_file, struct slice names)
{
    struct slice pem, had, ca;
    return file_read(arena, leaf, PEM_BYTES_MAX, &pem, NULL) &&
           file_read(arena, names_file, PEM_BYTES_MAX, &had, NULL) && slice_equal(had, names) &&
           file_read(arena, settings_path(&control->settings, arena, "ca.pem"), PEM_BYTES_MAX, &ca,
                     NULL) &&
           slice_ends(pem, ca) &&
           trust_cert_is_good(pem, clock_wall_us() / 1000000, RENEW_DAYS * DAY_S);
}

/* DATA/tls/NAME.pem and its like. *FRESH, which may be NULL: chain, NUL, key, if they are new. */
static bool ensure(struct control *control, const char *name, struct slice wanted,
                   struct arena *arena, struct slice *fresh, struct error *err)
{
    const char *dir = arena_printf(arena, "%s/tls", control->settings.data);
    const char *leaf = arena_printf(arena, "%s/%s.pem", dir, name);
    const char *key = arena_printf(arena, "%s/%s.key", dir, name);
    const char *names_file = arena_printf(arena, "%s/%s.names", dir, name);
    struct slice answer;
    if (!file_make_dir(dir, 0700, err)) {
        return false;
    }
    if (is_good(control, arena, leaf, names_file, wanted) && access(key, R_OK) == 0) {
        return true;
    }
    if (!signer_call(control->signer_fd, &control->signer_next_id, SIGN_LEAF, wanted, arena,
                     &answer, NULL, err)) {
        return error_wrap(err, "the certificate %s", leaf);
    }
    ptrdiff_t end = slice_find(answer, '\0'); /* chain, NUL, key */
    if (fresh != NULL) {
        *fresh = answer;
    }
    return end > 0 && file_write(key, slice_from(answer, (size_t)end + 1), 0600, err) &&
           file_write(leaf, slice_upto(answer, (size_t)end), 0644, err) &&
           file_write(names_file, wanted, 0644, err);
}

static bool ensure_services(struct control *control, struct arena *arena, struct slice *fresh,
                            struct error *err)
{
    struct buffer names = BUFFER_INIT(65536);
    add_service_names(control, &names);
    bool good = ensure(control, "leaf", buffer_slice(&names), arena, fresh, err);
    buffer_done(&names);
    return good;
}

static bool ensure_google(struct control *control, struct arena *arena, struct slice *fresh,
                          struct error *err)
{
    struct slice names = SLICE("*.googleapis.com,accounts.google.com");
    return ensure(control, "google", names, arena, fresh, err);
}

bool tls_leaf_services(struct control *control, struct error *err)
{
    auto_arena arena = {0};
    return ensure_services(control, &arena, NULL, err);
}

bool tls_leaf_google(struct control *control, struct error *err)
{
    auto_arena arena = {0};
    return ensure_google(control, &arena, NULL, err);
}

void tls_leaf_forget_google(const struct control *control)
{
    static const char *const files[] = {"tls/google.key", "tls/google.pem", "tls/google.names"};
    auto_arena arena = {0};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        unlink(settings_path(&control->settings, &arena, files[i]));
    }
}

/* ---- while running ---- */

static void tell_workers(struct control *control, struct slice chain_and_key)
{
    for (size_t i = 0; i < BOARD_WORKERS; i++) {
        if (control->ingress[i] != NULL &&
            !ipc_send(control->ingress[i], MSG_LEAF, chain_and_key.data, chain_and_key.len)) {
            log_warn("worker %zu does not take the new certificate: it reads it when it starts", i);
        }
    }
}

/* Ours: NULL if we have no such listener. */
static void exchange_own(struct net_tls *tls, struct slice chain_and_key)
{
    struct error err = {0};
    size_t end = (size_t)slice_find(chain_and_key, '\0');
    if (tls != NULL && !net_tls_renew(tls, slice_upto(chain_and_key, end),
                                      slice_from(chain_and_key, end + 1), &err)) {
        log_error("%s", err.text);
    }
}

static void on_look(uv_timer_t *timer)
{
    struct control *control = timer->data;
    auto_arena arena = {0};
    struct error err = {0};
    struct slice fresh = SLICE_NONE;
    if (!ensure_services(control, &arena, &fresh, &err)) {
        log_error("%s", err.text);
    } else if (fresh.len > 0) {
        log_info("the services' certificate was renewed");
        tell_workers(control, fresh);
        exchange_own(control->api_tls, fresh);
    }
    fresh = SLICE_NONE;
    if (control->connect_tls == NULL) {
        return;
    }
    if (!ensure_google(control, &arena, &fresh, &err)) {
        log_error("%s", err.text);
    } else if (fresh.len > 0) {
        exchange_own(control->connect_tls, fresh);
    }
}

/* As on disk: chain, NUL, key. */
static bool read_pair(const struct control *control, struct arena *arena, struct slice *out)
{
    struct slice chain, key;
    if (!file_read(arena, settings_path(&control->settings, arena, "tls/leaf.pem"), PEM_BYTES_MAX,
                   &chain, NULL) ||
        !file_read(arena, settings_path(&control->settings, arena, "tls/leaf.key"), PEM_BYTES_MAX,
                   &key, NULL)) {
        return false;
    }
    char *both = arena_alloc(arena, chain.len + 1 + key.len);
    memcpy(both, chain.data, chain.len);
    both[chain.len] = '\0';
    memcpy(both + chain.len + 1, key.data, key.len);
    *out = (struct slice){both, chain.len + 1 + key.len};
    return true;
}

void tls_leaf_watch(struct control *control)
{
    auto_arena arena = {0};
    struct slice pair;
    if (read_pair(control, &arena, &pair)) {
        tell_workers(control, pair);
    }
    uv_timer_init(control->loop, &control->leaf_timer);
    control->leaf_timer.data = control;
    uv_timer_start(&control->leaf_timer, on_look, LOOK_MS, LOOK_MS);
    uv_unref((uv_handle_t *)&control->leaf_timer);
}
