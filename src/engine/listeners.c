/*
 * A question and its answer over NETLINK_SOCK_DIAG for each protocol and family. It costs a few
 * tens of microseconds whatever the number of connections, since only those that listen are walked;
 * /proc/net/tcp would write out a line for every connection of the machine.
 */
#include "engine/listeners.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"

enum {
    ANSWER_BYTES = 32768,
    LISTENERS_MAX = 65536,
    WAIT_S = 1,           /* the kernel answers at once */
    UDP_OPEN = TCP_CLOSE, /* what the kernel calls a UDP socket that is connected to nobody */
};

/* A kind of sockets: how the kernel is asked for those that anybody may send to. */
struct kind {
    int protocol;
    unsigned state;
    const char *tables[2]; /* for kernels without sock_diag: IPv4, IPv6 */
};

static const struct kind kinds[] = {
    {IPPROTO_TCP, TCP_LISTEN, {"/proc/self/net/tcp", "/proc/self/net/tcp6"}},
    {IPPROTO_UDP, UDP_OPEN, {"/proc/self/net/udp", "/proc/self/net/udp6"}},
};

static const int families[] = {AF_INET, AF_INET6};

static bool is_loopback(int family, const unsigned char *bytes)
{
    static const unsigned char one[16] = {[15] = 1};
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (family == AF_INET) {
        return bytes[0] == 127;
    }
    return memcmp(bytes, one, 16) == 0 || (memcmp(bytes, mapped, 12) == 0 && bytes[12] == 127);
}

static bool takes_v4(int family, const unsigned char *bytes, bool v6only)
{
    static const unsigned char any[16] = {0};
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    const unsigned char *last = family == AF_INET ? bytes : bytes + 12;
    if (family == AF_INET6 && memcmp(bytes, any, 16) == 0) {
        return !v6only;
    }
    if (family == AF_INET6 && memcmp(bytes, mapped, 12) != 0) {
        return false;
    }
    return memcmp(last, any, 4) == 0 || memcmp(last, "\x7f\0\0\1", 4) == 0;
}

static bool takes_v6(int family, const unsigned char *bytes)
{
    static const unsigned char any[16] = {0}, one[16] = {[15] = 1};
    return family == AF_INET6 && (memcmp(bytes, any, 16) == 0 || memcmp(bytes, one, 16) == 0);
}

/* Whether a socket on PORT may be one of a client, that the kernel gave its port. */
static bool is_clients(const struct listeners *out, const struct kind *kind, unsigned port)
{
    return kind->protocol == IPPROTO_UDP && port >= out->given_first && port <= out->given_last;
}

/* Room for one more; NULL if there is none. */
static struct listener *add(struct listeners *out)
{
    if (out->count == LISTENERS_MAX) {
        return NULL;
    }
    if (out->count % 64 == 0) {
        out->list = mem_more(out->list, out->count + 64);
    }
    return &out->list[out->count++];
}

static void place(struct listener *out, int family, const void *address, bool v6only)
{
    out->loopback = is_loopback(family, address);
    out->v4 = takes_v4(family, address, v6only);
    out->v6 = takes_v6(family, address);
    inet_ntop(family, address, out->address, sizeof(out->address));
}

/* ---- sock_diag ---- */

/* The attribute that the kernel adds for sockets of IPv6. */
static bool is_v6only(const struct nlmsghdr *head)
{
    const char *at = (const char *)NLMSG_DATA(head) + NLMSG_ALIGN(sizeof(struct inet_diag_msg));
    const char *end = (const char *)head + head->nlmsg_len;
    while (end - at >= (ptrdiff_t)sizeof(struct nlattr)) {
        struct nlattr attribute;
        memcpy(&attribute, at, sizeof(attribute));
        if (attribute.nla_len < sizeof(attribute) || attribute.nla_len > end - at) {
            return false;
        }
        if (attribute.nla_type == INET_DIAG_SKV6ONLY) {
            return at[sizeof(attribute)] != 0;
        }
        at += NLA_ALIGN(attribute.nla_len);
    }
    return false;
}

static bool add_message(struct listeners *out, const struct kind *kind, const struct nlmsghdr *head)
{
    struct inet_diag_msg message;
    if (head->nlmsg_len < NLMSG_LENGTH(sizeof(message))) {
        return false;
    }
    memcpy(&message, NLMSG_DATA(head), sizeof(message));
    if (is_clients(out, kind, ntohs(message.id.idiag_sport))) {
        return true;
    }
    struct listener *listener = add(out);
    if (listener == NULL) {
        return false;
    }
    *listener = (struct listener){
        .port = ntohs(message.id.idiag_sport),
        .user = message.idiag_uid,
        .inode = message.idiag_inode,
        .udp = kind->protocol == IPPROTO_UDP,
    };
    place(listener, message.idiag_family, message.id.idiag_src, is_v6only(head));
    return true;
}

static bool ask(int fd, const struct kind *kind, int family)
{
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 request;
    } question = {
        .head = {.nlmsg_len = sizeof(question),
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .request = {.sdiag_family = (uint8_t)family,
                    .sdiag_protocol = (uint8_t)kind->protocol,
                    .idiag_states = 1u << kind->state},
    };
    return send(fd, &question, sizeof(question), 0) == sizeof(question);
}

/* Reads up to the end of an answer. False if there is no such end, or it says that there is a
 * fault. */
static bool take_answer(int fd, const struct kind *kind, struct listeners *out)
{
    static char answer[ANSWER_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
    for (;;) {
        ssize_t got = recv(fd, answer, sizeof(answer), 0);
        if (got <= 0) {
            return false;
        }
        size_t left = (size_t)got;
        for (struct nlmsghdr *head = (struct nlmsghdr *)answer; NLMSG_OK(head, left);
             head = NLMSG_NEXT(head, left)) {
            if (head->nlmsg_type == NLMSG_DONE) {
                return true;
            }
            if (head->nlmsg_type != SOCK_DIAG_BY_FAMILY || !add_message(out, kind, head)) {
                return false;
            }
        }
    }
}

static bool read_diag(const struct kind *kind, struct listeners *out)
{
    const struct timeval wait = {.tv_sec = WAIT_S};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    bool good = fd >= 0;
    if (good) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    }
    for (size_t i = 0; good && i < sizeof(families) / sizeof(families[0]); i++) {
        good = ask(fd, kind, families[i]) && take_answer(fd, kind, out);
    }
    if (fd >= 0) {
        close(fd);
    }
    return good;
}

/* ---- /proc/net/tcp and its like, for kernels without it ---- */

static bool add_line(struct listeners *out, const struct kind *kind, const char *line, int family)
{
    char text[33];
    unsigned port, state, user, inode;
    uint32_t words[4] = {0};
    /* number, own end, other end, state, queues, timer, retransmissions, user, timeout, inode */
    if (sscanf(line, " %*d: %32[0-9A-F]:%x %*s %x %*s %*s %*s %u %*s %u", text, &port, &state,
               &user, &inode) != 5 ||
        state != kind->state || is_clients(out, kind, port) ||
        strlen(text) != (family == AF_INET ? 8 : 32)) {
        return true;
    }
    for (size_t i = 0; text[8 * i] != '\0'; i++) { /* words of 32 bits, as this machine's numbers */
        char word[9] = {0};
        memcpy(word, text + 8 * i, 8);
        words[i] = (uint32_t)strtoul(word, NULL, 16);
    }
    struct listener *listener = add(out);
    if (listener == NULL) {
        return false;
    }
    *listener = (struct listener){
        .port = (uint16_t)port, .user = user, .inode = inode, .udp = kind->protocol == IPPROTO_UDP};
    place(listener, family, words, false);
    return true;
}

static bool read_table(const struct kind *kind, size_t which, struct listeners *out)
{
    char line[512];
    FILE *file = fopen(kind->tables[which], "re");
    bool good = file != NULL;
    while (good && fgets(line, sizeof(line), file) != NULL) {
        good = add_line(out, kind, line, families[which]);
    }
    if (file != NULL) {
        fclose(file);
    }
    return good;
}

/* ---- all of it ---- */

static bool read_kind(const struct kind *kind, struct listeners *out)
{
    size_t before = out->count;
    if (read_diag(kind, out)) {
        return true;
    }
    out->count = before;
    if (!read_table(kind, 0, out)) {
        return false;
    }
    read_table(kind, 1, out); /* not there without IPv6 */
    return true;
}

/* The ports that the kernel gives away by itself. */
static void read_range(struct listeners *out)
{
    unsigned first, last;
    FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
    bool told = file != NULL && fscanf(file, "%u %u", &first, &last) == 2;
    out->given_first = told ? first : 32768; /* the kernel's own, where it does not tell */
    out->given_last = told ? last : 60999;
    if (file != NULL) {
        fclose(file);
    }
}

bool listeners_read(struct listeners *out, struct error *err)
{
    *out = (struct listeners){0};
    read_range(out);
    if (read_kind(&kinds[0], out) && read_kind(&kinds[1], out)) {
        return true;
    }
    return error_set(err, STATUS_UNAVAILABLE, "this kernel does not tell who listens");
}

void listeners_done(struct listeners *listeners)
{
    free(listeners->list);
    *listeners = (struct listeners){0};
}

bool listener_takes(const struct listener *listener, uint16_t port)
{
    return !listener->udp && listener->port == port && listener->v4;
}

void listeners_say(const struct listeners *all, uint16_t port, char *out, size_t size)
{
    enum { NAMED = 3 };
    char list[NAMED * 64] = "";
    size_t named = 0, more = 0, length = 0;
    *out = '\0';
    for (size_t i = 0; i < all->count; i++) {
        const struct listener *one = &all->list[i];
        if (one->udp) {
            continue;
        }
        if (one->port == port && (one->v4 || one->v6)) {
            return;
        }
        if (named == NAMED) {
            more++;
            continue;
        }
        bool bare = strchr(one->address, ':') == NULL;
        length += (size_t)snprintf(list + length, sizeof(list) - length, "%s%s%s%s:%u",
                                   named == 0 ? "" : ", ", bare ? "" : "[", one->address,
                                   bare ? "" : "]", one->port);
        named++;
    }
    if (named == 0) {
        snprintf(out, size, "it listens on no port");
    } else {
        snprintf(out, size, "it listens on %s%s, and not on port %u of its loopback", list,
                 more > 0 ? " and others" : "", port);
    }
}
