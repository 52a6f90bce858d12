#include "control/front/tls_leaf.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"
#include "control/record/regions.h"
#include "ipc/signer_client.h"
#include "trust/trust.h"

enum { RENEW_DAYS = 30, DAY_S = 86400 };

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

static bool is_good(struct arena *arena, const char *leaf, const char *names_file,
                    struct slice names)
{
    struct slice pem;
    struct slice had;
    return file_read(arena, leaf, 65536, &pem, NULL) &&
           file_read(arena, names_file, 65536, &had, NULL) && slice_equal(had, names) &&
           trust_cert_not_after(pem) > clock_wall_us() / 1000000 + RENEW_DAYS * DAY_S;
}

/* DATA/tls/NAME.pem and its like. */
static bool ensure(struct control *control, const char *name, struct slice wanted,
                   struct error *err)
{
    auto_arena arena = {0};
    const char *dir = arena_printf(&arena, "%s/tls", control->settings.data);
    const char *leaf = arena_printf(&arena, "%s/%s.pem", dir, name);
    const char *key = arena_printf(&arena, "%s/%s.key", dir, name);
    const char *names_file = arena_printf(&arena, "%s/%s.names", dir, name);
    struct slice answer;
    if (!file_make_dir(dir, 0700, err)) {
        return false;
    }
    if (is_good(&arena, leaf, names_file, wanted) && access(key, R_OK) == 0) {
        return true;
    }
    if (!signer_call(control->signer_fd, &control->signer_next_id, SIGN_LEAF, wanted, &arena,
                     &answer, NULL, err)) {
        return error_wrap(err, "the certificate %s", leaf);
    }
    ptrdiff_t end = slice_find(answer, '\0'); /* chain, NUL, key */
    return end > 0 && file_write(key, slice_from(answer, (size_t)end + 1), 0600, err) &&
           file_write(leaf, slice_upto(answer, (size_t)end), 0644, err) &&
           file_write(names_file, wanted, 0644, err);
}

bool tls_leaf_services(struct control *control, struct error *err)
{
    struct buffer names = BUFFER_INIT(65536);
    add_service_names(control, &names);
    bool good = ensure(control, "leaf", buffer_slice(&names), err);
    buffer_done(&names);
    return good;
}

void tls_leaf_forget_google(const struct control *control)
{
    static const char *const files[] = {"tls/google.key", "tls/google.pem", "tls/google.names"};
    auto_arena arena = {0};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        unlink(settings_path(&control->settings, &arena, files[i]));
    }
}

bool tls_leaf_google(struct control *control, struct error *err)
{
    return ensure(control, "google", SLICE("*.googleapis.com,accounts.google.com"), err);
}
