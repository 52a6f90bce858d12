/* Addresses as text, and listening sockets. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <unistd.h>

#include "base/slice.h"
#include "net/net.h"

enum { BACKLOG = 4096 };

static bool split_port(const char *text, char host[256], uint16_t *port)
{
    struct slice all = slice_of(text);
    ptrdiff_t colon = slice_find_last(all, ':');
    uint64_t number;
    if (colon < 0 || !slice_to_u64(slice_from(all, (size_t)colon + 1), &number) || number > 65535) {
        return false;
    }
    struct slice name = slice_upto(all, (size_t)colon);
    if (name.len > 2 && name.data[0] == '[' && name.data[name.len - 1] == ']') {
        name = slice_upto(slice_from(name, 1), name.len - 2);
    } else if (slice_find(name, ':') >= 0) {
        return false;
    }
    if (name.len == 0 || name.len > 255) {
        return false;
    }
    memcpy(host, name.data, name.len);
    host[name.len] = '\0';
    *port = (uint16_t)number;
    return true;
}

bool net_parse_address(const char *text, struct sockaddr_storage *out, socklen_t *out_len,
                       struct error *err)
{
    char host[256];
    uint16_t port;
    if (!split_port(text, host, &port)) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "\"%s\" is not an address with a port",
                         text);
    }
    *out = (struct sockaddr_storage){0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    /* The one name that needs no resolver, and must not depend on one. */
    if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &v4->sin_addr) ==
        1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        *out_len = sizeof(*v4);
        return true;
    }
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        *out_len = sizeof(*v6);
        return true;
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *found = NULL;
    char digits[8];
    snprintf(digits, sizeof(digits), "%u", (unsigned)port);
    int failure = getaddrinfo(host, digits, &hints, &found);
    if (failure != 0) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "\"%s\": %s", text, gai_strerror(failure));
    }
    memcpy(out, found->ai_addr, found->ai_addrlen);
    *out_len = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

int net_bind(const struct sockaddr *addr, socklen_t addr_len, struct error *err)
{
    char text[64];
    net_address_text(addr, text, true);
    int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        error_errno(err, "socket for %s", text);
        return -1;
    }
    int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (addr->sa_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    }
    if (bind(fd, addr, addr_len) != 0 || listen(fd, BACKLOG) != 0) {
        error_errno(err, "listen on %s", text);
        close(fd);
        return -1;
    }
    return fd;
}

void net_address_text(const struct sockaddr *addr, char out[64], bool with_port)
{
    char host[INET6_ADDRSTRLEN] = "?";
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)addr;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)addr;
    unsigned port = 0;
    bool brackets = false;
    if (addr->sa_family == AF_INET) {
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
        port = ntohs(v4->sin_port);
    } else if (addr->sa_family == AF_INET6) {
        /* IPv4 in IPv6 is written as what it is. */
        bool mapped = IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);
        inet_ntop(mapped ? AF_INET : AF_INET6, &v6->sin6_addr.s6_addr[mapped ? 12 : 0], host,
                  sizeof(host));
        port = ntohs(v6->sin6_port);
        brackets = !mapped && with_port;
    }
    snprintf(out, 64, "%s%s%s", brackets ? "[" : "", host, brackets ? "]" : "");
    if (with_port) {
        snprintf(out + strlen(out), 64 - strlen(out), ":%u", port);
    }
}

uint16_t net_bound_port(int fd)
{
    struct sockaddr_storage addr = {0};
    socklen_t length = sizeof(addr);
    if (getsockname(fd, (struct sockaddr *)&addr, &length) != 0) {
        return 0;
    }
    return ntohs(addr.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&addr)->sin6_port
                                            : ((struct sockaddr_in *)&addr)->sin_port);
}
