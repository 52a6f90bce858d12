/*
 * A socket belongs to the user who made it, but one that its program has closed belongs to root: so
 * only those count that are established. The kernel compares an exact question with one family and
 * one interface at a time, and a socket may be of IPv6 though it speaks IPv4 (Java's are), or be
 * bound to the loopback interface: all of these are asked, and must name the same socket.
 */
#include "metadata/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

enum { ESTABLISHED = 1, QUESTIONS = 4, REPLY_BYTES = 8192, REPLIES_MAX = 16 };

static const unsigned char mapped_head[12] = {[10] = 0xff, [11] = 0xff};

void peer_finder_close(struct peer_finder *finder)
{
    if (finder->fd >= 0) {
        close(finder->fd);
    }
    finder->fd = -1;
}

/* ---- addresses ---- */

static void put_v4(const void *address, unsigned char out[16])
{
    memcpy(out, mapped_head, sizeof(mapped_head));
    memcpy(out + sizeof(mapped_head), address, 4);
}

static bool read_address(const struct sockaddr_storage *address, unsigned char out[16],
                         in_port_t *port)
{
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
        put_v4(&v4->sin_addr, out);
        *port = v4->sin_port;
        return true;
    }
    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
        memcpy(out, &v6->sin6_addr, 16);
        *port = v6->sin6_port;
        return true;
    }
    return false;
}

static bool is_v4(const struct peer_ends *ends)
{
    return memcmp(ends->own, mapped_head, sizeof(mapped_head)) == 0 &&
           memcmp(ends->other, mapped_head, sizeof(mapped_head)) == 0;
}

static bool same_ends(const struct peer_ends *a, const struct peer_ends *b)
{
    return memcmp(a->own, b->own, 16) == 0 && memcmp(a->other, b->other, 16) == 0 &&
           a->own_port == b->own_port && a->other_port == b->other_port;
}

/* ---- one question, one answer ---- */

static bool send_question(struct peer_finder *finder, int family, unsigned interface,
                          const struct peer_ends *ends)
{
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 body;
    } question = {
        .head = {.nlmsg_len = sizeof(question),
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST,
                 .nlmsg_seq = ++finder->sequence},
        .body = {.sdiag_family = (uint8_t)family,
                 .sdiag_protocol = IPPROTO_TCP,
                 .idiag_states = UINT32_MAX,
                 .id = {.idiag_sport = ends->own_port,
                        .idiag_dport = ends->other_port,
                        .idiag_if = interface,
                        .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}},
    };
    size_t skipped = family == AF_INET ? sizeof(mapped_head) : 0;
    memcpy(question.body.id.idiag_src, ends->own + skipped, 16 - skipped);
    memcpy(question.body.id.idiag_dst, ends->other + skipped, 16 - skipped);
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    return sendto(finder->fd, &question, sizeof(question), MSG_DONTWAIT,
                  (const struct sockaddr *)&kernel, sizeof(kernel)) == (ssize_t)sizeof(question);
}

static void read_answer(const struct inet_diag_msg *message, struct peer_answer *out)
{
    *out = (struct peer_answer){
        .ends = {.own_port = message->id.idiag_sport, .other_port = message->id.idiag_dport},
        .state = message->idiag_state,
        .cookie = (uint64_t)message->id.idiag_cookie[1] << 32 | message->id.idiag_cookie[0],
        .user = message->idiag_uid,
    };
    if (message->idiag_family == AF_INET) {
        put_v4(message->id.idiag_src, out->ends.own);
        put_v4(message->id.idiag_dst, out->ends.other);
    } else {
        memcpy(out->ends.own, message->id.idiag_src, 16);
        memcpy(out->ends.other, message->id.idiag_dst, 16);
    }
}

enum reply { REPLY_SOCKET, REPLY_NONE, REPLY_FAULT };

/* The kernel has answered before sendto() returns. What an earlier question left is passed over. */
static enum reply take_reply(struct peer_finder *finder, struct peer_answer *out)
{
    union {
        struct nlmsghdr head;
        char bytes[REPLY_BYTES];
    } reply;
    for (int i = 0; i < REPLIES_MAX; i++) {
        struct sockaddr_nl from = {0};
        socklen_t from_bytes = sizeof(from);
        ssize_t got = recvfrom(finder->fd, &reply, sizeof(reply), MSG_DONTWAIT,
                               (struct sockaddr *)&from, &from_bytes);
        if (got < (ssize_t)sizeof(reply.head) || reply.head.nlmsg_len > (size_t)got) {
            return REPLY_FAULT;
        }
        if (from.nl_pid != 0 || reply.head.nlmsg_seq != finder->sequence) {
            continue; /* not the kernel's, or not to this question */
        }
        if (reply.head.nlmsg_type == NLMSG_ERROR) {
            struct nlmsgerr fault = {0};
            if (reply.head.nlmsg_len >= NLMSG_LENGTH(sizeof(fault))) {
                memcpy(&fault, NLMSG_DATA(&reply.head), sizeof(fault));
            }
            /* EINVAL: a kernel without IPv6 is asked for it. */
            return fault.error == -ENOENT || fault.error == -EINVAL ? REPLY_NONE : REPLY_FAULT;
        }
        if (reply.head.nlmsg_type != SOCK_DIAG_BY_FAMILY ||
            reply.head.nlmsg_len < NLMSG_LENGTH(sizeof(struct inet_diag_msg))) {
            return REPLY_FAULT;
        }
        struct inet_diag_msg message;
        memcpy(&message, NLMSG_DATA(&reply.head), sizeof(message));
        read_answer(&message, out);
        return REPLY_SOCKET;
    }
    return REPLY_FAULT;
}

/* ---- the answer to the caller ---- */

enum peer_found peer_judge(const struct peer_answer *answers, size_t count,
                           const struct peer_ends *wanted, uid_t *out)
{
    const struct peer_answer *found = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct peer_answer *answer = &answers[i];
        if (!same_ends(&answer->ends, wanted)) {
            continue;
        }
        if (answer->state != ESTABLISHED || (found != NULL && found->cookie != answer->cookie)) {
            return PEER_IN_DOUBT;
        }
        found = answer;
    }
    if (found == NULL) {
        return PEER_ELSEWHERE;
    }
    *out = found->user;
    return PEER_USER;
}

enum peer_found peer_find(struct peer_finder *finder, const struct sockaddr_storage *peer,
                          const struct sockaddr_storage *own, uid_t *out)
{
    struct peer_ends wanted;
    struct peer_answer answers[QUESTIONS];
    size_t count = 0;
    if (finder->fd < 0 || !read_address(peer, wanted.own, &wanted.own_port) ||
        !read_address(own, wanted.other, &wanted.other_port)) {
        return PEER_IN_DOUBT;
    }
    for (int i = 0; i < QUESTIONS; i++) {
        int family = i % 2 == 0 ? AF_INET6 : AF_INET;
        unsigned interface = i < 2 ? 0 : finder->loopback;
        if ((family == AF_INET && !is_v4(&wanted)) || (i >= 2 && interface == 0)) {
            continue;
        }
        if (!send_question(finder, family, interface, &wanted)) {
            return PEER_IN_DOUBT;
        }
        switch (take_reply(finder, &answers[count])) {
        case REPLY_SOCKET:
            count++;
            break;
        case REPLY_NONE:
            break;
        case REPLY_FAULT:
            return PEER_IN_DOUBT;
        }
    }
    return peer_judge(answers, count, &wanted, out);
}

/* ---- opening ---- */

/* A connection of our own must be found: a kernel without its module answers as if there were none,
 * and others may not know the question. */
static bool finds_ourselves(struct peer_finder *finder)
{
    struct sockaddr_storage to = {0}, from = {0};
    socklen_t to_bytes = sizeof(struct sockaddr_in), from_bytes = sizeof(from);
    uid_t user;
    *(struct sockaddr_in *)&to =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool found =
        listener >= 0 && client >= 0 && bind(listener, (struct sockaddr *)&to, to_bytes) == 0 &&
        listen(listener, 1) == 0 && getsockname(listener, (struct sockaddr *)&to, &to_bytes) == 0 &&
        (connect(client, (struct sockaddr *)&to, to_bytes) == 0 || errno == EINPROGRESS) &&
        getsockname(client, (struct sockaddr *)&from, &from_bytes) == 0 &&
        peer_find(finder, &from, &to, &user) == PEER_USER && user == geteuid();
    if (listener >= 0) {
        close(listener);
    }
    if (client >= 0) {
        close(client);
    }
    return found;
}

void peer_finder_open(struct peer_finder *finder)
{
    *finder = (struct peer_finder){
        .fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG),
        .loopback = if_nametoindex("lo"),
    };
    if (finder->fd >= 0 && !finds_ourselves(finder)) {
        peer_finder_close(finder);
    }
}
