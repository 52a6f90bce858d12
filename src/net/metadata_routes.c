/*
 * Who asks a cloud's metadata server from its machine gets that machine's rights. Most of these
 * servers are neighbours by link; the others have addresses of their own, which a way out of a
 * container's network would lead to as to any other.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <net/route.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/net.h"

static const struct {
    const char *address;
    unsigned bits;
} servers[] = {
    {"169.254.0.0", 16},     /* all neighbours by link (RFC 3927): AWS, Google, Azure and more */
    {"168.63.129.16", 32},   /* Azure: the machine's agent */
    {"100.100.100.200", 32}, /* Alibaba */
    {"100.96.0.96", 32},     /* Volcengine */
    {"192.0.0.192", 32},     /* Oracle, its older machines */
};

static const char *const servers_v6[] = {"fd00:ec2::254" /* AWS */, "fd20:ce::254" /* Google */};

static struct sockaddr address_of(in_addr_t address)
{
    const struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = address};
    struct sockaddr out;
    static_assert(sizeof(in) == sizeof(out), "an address of IPv4 is as long as any");
    memcpy(&out, &in, sizeof(out));
    return out;
}

static bool close_v4(int fd)
{
    for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
        struct rtentry route = {
            .rt_dst = address_of(inet_addr(servers[i].address)),
            .rt_genmask = address_of(htonl(UINT32_MAX << (32 - servers[i].bits))),
            .rt_flags = RTF_UP | RTF_REJECT | (servers[i].bits == 32 ? RTF_HOST : 0),
        };
        if (ioctl(fd, SIOCADDRT, &route) != 0) {
            return false;
        }
    }
    return true;
}

bool net_close_metadata(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int fd_v6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0); /* -1: this kernel has no IPv6 */
    bool good = fd >= 0 && close_v4(fd);
    for (size_t i = 0; fd_v6 >= 0 && i < sizeof(servers_v6) / sizeof(servers_v6[0]); i++) {
        struct in6_rtmsg route = {
            .rtmsg_dst_len = 128, .rtmsg_metric = 1, .rtmsg_flags = RTF_UP | RTF_REJECT};
        inet_pton(AF_INET6, servers_v6[i], &route.rtmsg_dst);
        good = ioctl(fd_v6, SIOCADDRT, &route) == 0 && good;
    }
    int number = errno;
    if (fd >= 0) {
        close(fd);
    }
    if (fd_v6 >= 0) {
        close(fd_v6);
    }
    errno = number;
    return good;
}
