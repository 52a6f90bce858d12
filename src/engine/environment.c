#include "engine/environment.h"

#include <stdio.h>

/* What a user may not set: control refuses these; they are ours here in any case. PORT is ours only
 * in the container that takes the requests. */
static bool is_ours(struct slice name, bool ingress)
{
    static const char *const names[] = {"K_SERVICE", "K_REVISION", "K_CONFIGURATION"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (slice_is(name, names[i])) {
            return true;
        }
    }
    return ingress && slice_is(name, "PORT");
}

static size_t number_of(const struct backend_order *order)
{
    return (size_t)(order->container - order->record->containers);
}

static bool has_env(const struct backend_order *order, struct slice name)
{
    const struct run_container *container = order->container;
    for (size_t i = 0; i < container->env_count; i++) {
        if (slice_is(name, container->env[i].name)) {
            return true;
        }
    }
    return secrets_have(order->secrets, number_of(order), name);
}

static struct slice name_of(const char *pair)
{
    struct slice text = slice_of(pair);
    ptrdiff_t equals = slice_find(text, '=');
    return equals < 0 ? text : slice_upto(text, (size_t)equals);
}

static bool base_has(const char *const *base, const char *name)
{
    for (size_t i = 0; base[i] != NULL; i++) {
        if (slice_is(name_of(base[i]), name)) {
            return true;
        }
    }
    return false;
}

static bool list_has(const char *const *list, const char *name)
{
    while (*list != NULL && strcmp(*list, name) != 0) {
        list++;
    }
    return *list != NULL;
}

static size_t count_of(const char *const *list)
{
    size_t count = 0;
    while (list[count] != NULL) {
        count++;
    }
    return count;
}

static size_t count_of_secrets(const struct backend_order *order)
{
    size_t count = 0;
    for (const struct secret *one = order->secrets->first; one != NULL; one = one->next) {
        count++;
    }
    return count;
}

const char *const *environment_of(struct arena *arena, const struct backend_order *order,
                                  const char *const *base)
{
    const struct run_record *record = order->record;
    const struct run_container *container = order->container;
    char port[8];
    snprintf(port, sizeof(port), "%u", order->port);
    /* Those that a user or an image may replace come last. */
    const struct {
        const char *name, *value;
        bool always;
    } ours[] = {
        {"PORT", order->port != 0 ? port : NULL, true},
        {"K_SERVICE", record->service, true},
        {"K_REVISION", record->revision, true},
        {"K_CONFIGURATION", record->service, true},
        {"HOME", *container->dir != '\0' ? container->dir : "/home", false},
        {"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", false},
        {"TMPDIR", "/tmp", false},
        /* So that Google's libraries need not try the address first. */
        {"GCE_METADATA_HOST", order->metadata, false},
        /* Node adds it to its own; Python's requests have but their own unless they are told. */
        {"NODE_EXTRA_CA_CERTS", order->ca_file, false},
        {"REQUESTS_CA_BUNDLE", order->ca_folder, false},
    };
    enum { OURS = sizeof(ours) / sizeof(ours[0]) };
    const char **out =
        arena_array(arena, const char *,
                    OURS + count_of(base) + container->env_count + count_of_secrets(order) + 1);
    size_t count = 0;
    for (size_t i = 0; i < OURS; i++) {
        bool given = has_env(order, slice_of(ours[i].name)) || base_has(base, ours[i].name);
        if (ours[i].value != NULL && (ours[i].always || !given)) {
            out[count++] = arena_printf(arena, "%s=%s", ours[i].name, ours[i].value);
        }
    }
    for (size_t i = 0; base[i] != NULL; i++) {
        struct slice name = name_of(base[i]);
        if (!is_ours(name, order->port != 0) && !has_env(order, name)) {
            out[count++] = base[i];
        }
    }
    for (size_t i = 0; i < container->env_count; i++) {
        const struct run_pair *pair = &container->env[i];
        if (!is_ours(slice_of(pair->name), order->port != 0)) {
            out[count++] = arena_printf(arena, "%s=%s", pair->name, pair->value);
        }
    }
    for (const struct secret *one = order->secrets->first; one != NULL; one = one->next) {
        if (one->container == number_of(order) && one->name != NULL &&
            list_has(container->secret_env, one->name) &&
            !is_ours(slice_of(one->name), order->port != 0)) {
            out[count++] = arena_printf(arena, "%s=%s", one->name, one->value.data);
        }
    }
    return out;
}
