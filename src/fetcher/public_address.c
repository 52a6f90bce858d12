#include "fetcher/public_address.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A network: its first address and how many bits of that count. */
struct range {
    uint8_t first[16];
    unsigned bits;
};

/* IPv4 (IANA's registry, RFC 6890); all of them but the public ones. */
static const struct range special_v4[] = {
    {{0}, 8},             /* this network */
    {{10}, 8},            /* private */
    {{100, 64}, 10},      /* shared, of providers */
    {{127}, 8},           /* loopback */
    {{169, 254}, 16},     /* link-local; metadata servers */
    {{172, 16}, 12},      /* private */
    {{192, 0, 0}, 24},    /* protocols */
    {{192, 0, 2}, 24},    /* documentation */
    {{192, 31, 196}, 24}, /* AS112 */
    {{192, 52, 193}, 24}, /* AMT */
    {{192, 88, 99}, 24},  /* 6to4 relays */
    {{192, 168}, 16},     /* private */
    {{192, 175, 48}, 24}, /* AS112 */
    {{198, 18}, 15},      /* measurements */
    {{198, 51, 100}, 24}, /* documentation */
    {{203, 0, 113}, 24},  /* documentation */
    {{224}, 3},           /* multicast, reserved, broadcast */
};

/* IPv6: only 2000::/3 is given out, and of that not these. */
static const struct range given_v6 = {{0x20}, 3};
static const struct range special_v6[] = {
    {{0x20, 0x01, 0x00}, 23},             /* protocols; Teredo, ORCHID */
    {{0x20, 0x01, 0x0d, 0xb8}, 32},       /* documentation */
    {{0x20, 0x02}, 16},                   /* 6to4: an IPv4 address within */
    {{0x26, 0x20, 0x00, 0x4f, 0x80}, 48}, /* AS112 */
    {{0x3f, 0xff, 0x00}, 20},             /* documentation */
};

static bool is_within(const uint8_t *address, const struct range *range)
{
    unsigned bytes = range->bits / 8, rest = range->bits % 8;
    if (memcmp(address, range->first, bytes) != 0) {
        return false;
    }
    return rest == 0 || (address[bytes] ^ range->first[bytes]) >> (8 - rest) == 0;
}

static bool is_within_any(const uint8_t *address, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (is_within(address, &ranges[i])) {
            return true;
        }
    }
    return false;
}

/* The bytes of ADDRESS, and how many; an IPv4 address within one of IPv6 as itself. NULL: neither.
 */
static const uint8_t *bytes_of(const struct sockaddr *address, size_t *count)
{
    static const struct range mapped = {{[10] = 0xff, [11] = 0xff}, 96};
    const uint8_t *bytes;
    if (address == NULL) {
        return NULL;
    }
    if (address->sa_family == AF_INET) {
        *count = 4;
        return (const uint8_t *)&((const struct sockaddr_in *)(const void *)address)->sin_addr;
    }
    if (address->sa_family != AF_INET6) {
        return NULL;
    }
    bytes = (const uint8_t *)&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    *count = is_within(bytes, &mapped) ? 4 : 16;
    return *count == 4 ? bytes + 12 : bytes;
}

/* Also where that cannot be found out: then nobody is asked. */
static bool is_of_this_machine(const uint8_t *address, size_t count)
{
    struct ifaddrs *list, *at;
    bool found = false;
    if (getifaddrs(&list) != 0) {
        return true;
    }
    for (at = list; at != NULL && !found; at = at->ifa_next) {
        size_t own_count;
        const uint8_t *own = bytes_of(at->ifa_addr, &own_count);
        found = own != NULL && own_count == count && memcmp(own, address, count) == 0;
    }
    freeifaddrs(list);
    return found;
}

bool address_is_public(const struct sockaddr *address)
{
    size_t count;
    const uint8_t *bytes = bytes_of(address, &count);
    if (bytes == NULL) {
        return false;
    }
    bool special =
        count == 4
            ? is_within_any(bytes, special_v4, sizeof(special_v4) / sizeof(special_v4[0]))
            : !is_within(bytes, &given_v6) ||
                  is_within_any(bytes, special_v6, sizeof(special_v6) / sizeof(special_v6[0]));
    return !special && !is_of_this_machine(bytes, count);
}
