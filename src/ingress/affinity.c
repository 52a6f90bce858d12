/* Sixteen digits each of the revision, the instance, and a keyed hash over both and the service. */
#include "ingress/affinity.h"

#include <stdio.h>

#include "base/map.h"

#define COOKIE "HOMERUN_AFFINITY"

static void value_write(char out[AFFINITY_VALUE_CHARS + 1], const uint8_t key[16],
                        uint64_t service_id, const struct affinity *affinity)
{
    uint64_t instance = (uint64_t)affinity->slot << 32 | affinity->generation;
    uint64_t signed_part[] = {service_id, affinity->revision_id, instance};
    uint64_t mac = siphash(key, (struct slice){(const char *)signed_part, sizeof(signed_part)});
    snprintf(out, AFFINITY_VALUE_CHARS + 1, "%016llx%016llx%016llx",
             (unsigned long long)affinity->revision_id, (unsigned long long)instance,
             (unsigned long long)mac);
}

static bool hex_read(struct slice text, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
        *out = *out << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return true;
}

static struct affinity value_read(const uint8_t key[16], uint64_t service_id, struct slice value)
{
    char wanted[AFFINITY_VALUE_CHARS + 1];
    uint64_t revision_id, instance;
    if (value.len != AFFINITY_VALUE_CHARS || !hex_read(slice_upto(value, 16), &revision_id) ||
        !hex_read(slice_upto(slice_from(value, 16), 16), &instance)) {
        return (struct affinity){0};
    }
    struct affinity named = {.revision_id = revision_id,
                             .slot = (uint32_t)(instance >> 32),
                             .generation = (uint32_t)instance};
    value_write(wanted, key, service_id, &named);
    unsigned char difference = 0;
    for (size_t i = 0; i < AFFINITY_VALUE_CHARS; i++) {
        difference |= (unsigned char)(wanted[i] ^ value.data[i]);
    }
    return difference == 0 ? named : (struct affinity){0};
}

struct affinity affinity_find(const uint8_t key[16], uint64_t service_id,
                              const struct http_headers *headers)
{
    for (unsigned i = 0; i < headers->count; i++) {
        struct slice rest = headers->items[i].value;
        struct slice pair;
        if (!slice_equal(headers->items[i].name, SLICE("cookie"))) {
            continue;
        }
        while (slice_cut(&rest, ';', &pair)) {
            pair = slice_trim(pair);
            if (slice_starts(pair, SLICE(COOKIE "="))) {
                return value_read(key, service_id, slice_from(pair, sizeof(COOKIE)));
            }
        }
    }
    return (struct affinity){0};
}

struct slice affinity_cookie(struct arena *arena, const uint8_t key[16], uint64_t service_id,
                             const struct affinity *affinity)
{
    char value[AFFINITY_VALUE_CHARS + 1];
    value_write(value, key, service_id, affinity);
    return slice_of(arena_printf(
        arena, COOKIE "=%s; Path=/; Max-Age=2592000; HttpOnly; Secure; SameSite=Lax", value));
}
