/* Networks by prefix. The lists are short and set by the operator, so they are searched in order.
 */
#include "ingress/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>

enum { V4_OFFSET = 12, V4_BITS_BEFORE = 96 };

static void put_v4(const void *v4, struct address *out)
{
    memset(out->bytes, 0, V4_OFFSET - 2);
    out->bytes[10] = out->bytes[11] = 0xff;
    memcpy(out->bytes + V4_OFFSET, v4, 4);
}

static bool is_v4(const struct address *address)
{
    static const uint8_t prefix[V4_OFFSET] = {[10] = 0xff, [11] = 0xff};
    return memcmp(address->bytes, prefix, sizeof(prefix)) == 0;
}

bool address_parse(struct slice text, struct address *out)
{
    char copy[ADDRESS_TEXT_MAX];
    struct in_addr v4;
    struct in6_addr v6;
    if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.data, '\0', text.len) != NULL) {
        return false;
    }
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, &v4) == 1) {
        put_v4(&v4, out);
        return true;
    }
    if (inet_pton(AF_INET6, copy, &v6) == 1) {
        memcpy(out->bytes, &v6, sizeof(out->bytes));
        return true;
    }
    return false;
}

void address_of_peer(const struct sockaddr_storage *peer, struct address *out)
{
    *out = (struct address){0};
    if (peer->ss_family == AF_INET) {
        put_v4(&((const struct sockaddr_in *)(const void *)peer)->sin_addr, out);
    } else if (peer->ss_family == AF_INET6) {
        memcpy(out->bytes, &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr,
               sizeof(out->bytes));
    }
}

/* By hand, since every request needs it and inet_ntop() goes through sprintf(). */
static size_t put_octet(char *at, unsigned value)
{
    size_t count = 0;
    if (value >= 100) {
        at[count++] = (char)('0' + value / 100);
    }
    if (value >= 10) {
        at[count++] = (char)('0' + value / 10 % 10);
    }
    at[count++] = (char)('0' + value % 10);
    return count;
}

struct slice address_text(const struct address *address, char out[ADDRESS_TEXT_MAX])
{
    size_t count = 0;
    if (!is_v4(address)) {
        inet_ntop(AF_INET6, address->bytes, out, ADDRESS_TEXT_MAX);
        return slice_of(out);
    }
    for (size_t i = 0; i < 4; i++) {
        if (i > 0) {
            out[count++] = '.';
        }
        count += put_octet(out + count, address->bytes[V4_OFFSET + i]);
    }
    out[count] = '\0';
    return (struct slice){out, count};
}

static bool cidr_read(struct slice text, struct cidr *out)
{
    ptrdiff_t slash = slice_find(text, '/');
    uint64_t bits = 0;
    struct slice base = slash < 0 ? text : slice_upto(text, (size_t)slash);
    if (!address_parse(base, &out->base)) {
        return false;
    }
    unsigned before = is_v4(&out->base) && slice_find(base, ':') < 0 ? V4_BITS_BEFORE : 0;
    out->bits = 128;
    if (slash < 0) {
        return true;
    }
    if (!slice_to_u64(slice_from(text, (size_t)slash + 1), &bits) || bits > 128 - before) {
        return false;
    }
    out->bits = before + (unsigned)bits;
    return true;
}

bool cidr_list_read(struct slice text, struct cidr_list *out, struct error *err)
{
    struct slice part;
    out->count = 0;
    while (slice_cut(&text, ',', &part)) {
        part = slice_trim(part);
        if (part.len == 0) {
            continue;
        }
        if (out->count == NETWORKS_MAX) {
            return error_set(err, STATUS_INVALID_ARGUMENT, "more than %d networks", NETWORKS_MAX);
        }
        if (!cidr_read(part, &out->items[out->count])) {
            return error_set(err, STATUS_INVALID_ARGUMENT, "not a network: %.*s", SLICE_ARG(part));
        }
        out->count++;
    }
    return true;
}

static bool cidr_holds(const struct cidr *cidr, const struct address *address)
{
    unsigned whole = cidr->bits / 8;
    unsigned rest = cidr->bits % 8;
    if (memcmp(cidr->base.bytes, address->bytes, whole) != 0) {
        return false;
    }
    return rest == 0 || ((cidr->base.bytes[whole] ^ address->bytes[whole]) >> (8 - rest)) == 0;
}

bool cidr_list_holds(const struct cidr_list *list, const struct address *address)
{
    for (size_t i = 0; i < list->count; i++) {
        if (cidr_holds(&list->items[i], address)) {
            return true;
        }
    }
    return false;
}

/* Nothing, or ":PORT". */
static bool is_port(struct slice text)
{
    uint64_t port;
    return text.len == 0 || (text.data[0] == ':' && text.len <= 6 &&
                             slice_to_u64(slice_from(text, 1), &port) && port <= UINT16_MAX);
}

/* An entry of X-Forwarded-For: an address, perhaps with a port ("192.0.2.1:80", "[fd00::1]:80").
 * Nothing else: what follows an address could be another reader's address. */
static bool entry_parse(struct slice entry, struct address *out)
{
    entry = slice_trim(entry);
    if (address_parse(entry, out)) {
        return true;
    }
    bool bracketed = entry.len > 0 && entry.data[0] == '[';
    ptrdiff_t end = slice_find(entry, bracketed ? ']' : ':');
    if (end <= 0) {
        return false;
    }
    struct slice address = slice_from(slice_upto(entry, (size_t)end), bracketed);
    return is_port(slice_from(entry, (size_t)end + bracketed)) && address_parse(address, out);
}

/*
 * Walks the entries from the right, over all lines. True once one is found that is no trusted
 * proxy. What cannot be read ends the walk: nothing to the left of it can be believed.
 */
static bool forwarded_client(const struct networks *networks, const struct http_headers *headers,
                             struct address *out)
{
    for (unsigned i = headers->count; i-- > 0;) {
        if (!slice_equal(headers->items[i].name, SLICE("x-forwarded-for"))) {
            continue;
        }
        struct slice left = headers->items[i].value;
        while (left.len > 0) {
            struct address found;
            ptrdiff_t comma = slice_find_last(left, ',');
            if (!entry_parse(slice_from(left, (size_t)(comma + 1)), &found)) {
                return false;
            }
            if (!cidr_list_holds(&networks->trusted_proxies, &found)) {
                *out = found;
                return true;
            }
            left = comma < 0 ? SLICE_NONE : slice_upto(left, (size_t)comma);
        }
    }
    return false;
}

/* Whether the peer itself is a trusted proxy: then what it says of the scheme counts. */
static bool network_is_proxy(const struct networks *networks, const struct source *source)
{
    struct address address;
    if (networks->trusted_proxies.count == 0 || source->project.len > 0) {
        return false;
    }
    address_of_peer(source->peer, &address);
    return cidr_list_holds(&networks->trusted_proxies, &address);
}

struct slice network_scheme(const struct networks *networks, const struct source *source,
                            struct slice own, const struct http_headers *headers)
{
    if (network_is_proxy(networks, source)) {
        const struct http_header *said = http_headers_find(headers, SLICE("x-forwarded-proto"));
        if (said != NULL && slice_is(said->value, "https")) {
            return SLICE("https");
        }
        if (said != NULL && slice_is(said->value, "http")) {
            return SLICE("http");
        }
    }
    return own;
}

enum network network_of(const struct networks *networks, const struct source *source,
                        const struct http_headers *headers, struct address *client)
{
    address_of_peer(source->peer, client);
    if (source->project.len > 0) {
        return NETWORK_OUTSIDE; /* what it is to a service of its project is found out there */
    }
    bool proxied =
        networks->trusted_proxies.count > 0 && cidr_list_holds(&networks->trusted_proxies, client);
    if (proxied && !forwarded_client(networks, headers, client)) {
        return NETWORK_LOAD_BALANCER;
    }
    if (cidr_list_holds(&networks->internal, client)) {
        return NETWORK_INSIDE;
    }
    return proxied ? NETWORK_LOAD_BALANCER : NETWORK_OUTSIDE;
}
