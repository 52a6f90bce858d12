/*
 * Rules of routing stand before all routes, also before more specific ones that a way out brings
 * with it, and after the addresses of the network itself. A container has no right to change them.
 */
#include "engine/private_ranges.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/egress_way.h"

enum { FIRST = 10, SECOND = 20 }; /* priorities: the smaller one is looked at first */

static const struct range {
    const char *address;
    int family;
    unsigned bits;
    unsigned priority;
    unsigned char action;
} ranges[] = {
    {EGRESS_RESOLVER, AF_INET, 32, FIRST, FR_ACT_TO_TBL},
    {EGRESS_GATEWAY, AF_INET, 32, FIRST, FR_ACT_TO_TBL}, /* else no route by it can be made */
    /* Cloud Run: what counts as an internal address. */
    {"10.0.0.0", AF_INET, 8, SECOND, FR_ACT_UNREACHABLE},      /* RFC 1918 */
    {"172.16.0.0", AF_INET, 12, SECOND, FR_ACT_UNREACHABLE},   /* RFC 1918 */
    {"192.168.0.0", AF_INET, 16, SECOND, FR_ACT_UNREACHABLE},  /* RFC 1918 */
    {"100.64.0.0", AF_INET, 10, SECOND, FR_ACT_UNREACHABLE},   /* RFC 6598 */
    {"240.0.0.0", AF_INET, 4, SECOND, FR_ACT_UNREACHABLE},     /* class E */
    {"199.36.153.4", AF_INET, 30, SECOND, FR_ACT_UNREACHABLE}, /* restricted.googleapis.com */
    {"199.36.153.8", AF_INET, 30, SECOND, FR_ACT_UNREACHABLE}, /* private.googleapis.com */
    {"fc00::", AF_INET6, 7, SECOND, FR_ACT_UNREACHABLE},       /* RFC 4193 */
};

struct question {
    struct nlmsghdr head;
    struct fib_rule_hdr rule;
    char attributes[RTA_SPACE(16) + RTA_SPACE(4)];
};

static void add(struct question *question, unsigned short type, const void *value, size_t bytes)
{
    char *at = (char *)question + question->head.nlmsg_len;
    const struct rtattr attribute = {.rta_type = type,
                                     .rta_len = (unsigned short)RTA_LENGTH(bytes)};
    memcpy(at, &attribute, sizeof(attribute));
    memcpy(at + RTA_LENGTH(0), value, bytes);
    question->head.nlmsg_len += (unsigned)RTA_SPACE(bytes);
}

/* 0, or what the kernel says against it. */
static int ask(int fd, const struct range *range)
{
    struct {
        struct nlmsghdr head;
        struct nlmsgerr error;
        char rest[256];
    } answer;
    unsigned char address[16];
    struct question question = {
        .head = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct fib_rule_hdr)),
                 .nlmsg_type = RTM_NEWRULE,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL},
        .rule = {.family = (unsigned char)range->family,
                 .dst_len = (unsigned char)range->bits,
                 .table = range->action == FR_ACT_TO_TBL ? RT_TABLE_MAIN : RT_TABLE_UNSPEC,
                 .action = range->action},
    };
    inet_pton(range->family, range->address, address);
    add(&question, FRA_DST, address, range->family == AF_INET ? 4 : 16);
    add(&question, FRA_PRIORITY, &range->priority, sizeof(range->priority));
    if (send(fd, &question, question.head.nlmsg_len, 0) < 0) {
        return errno;
    }
    ssize_t got = recv(fd, &answer, sizeof(answer), 0); /* the kernel has answered by now */
    if (got < 0) {
        return errno;
    }
    bool whole = (size_t)got >= sizeof(answer.head) + sizeof(answer.error);
    return whole && answer.head.nlmsg_type == NLMSG_ERROR ? -answer.error.error : EPROTO;
}

bool private_ranges_close(const struct namespaces *namespaces, struct error *err)
{
    int fd = -1, fault = 0;
    if (namespaces_sockets(namespaces, AF_NETLINK, SOCK_RAW, &fd, 1) == 0) { /* of routes */
        return error_errno(err, "no socket can be made in the instance's network");
    }
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]) && fault == 0; i++) {
        fault = ask(fd, &ranges[i]);
        if (ranges[i].family == AF_INET6 && (fault == EAFNOSUPPORT || fault == EOPNOTSUPP)) {
            fault = 0; /* a kernel without IPv6 leads nowhere by it */
        }
    }
    close(fd);
    errno = fault;
    return fault == 0 || error_errno(err, "private addresses cannot be closed to the instance "
                                          "(--vpc-egress=private-ranges-only)");
}
