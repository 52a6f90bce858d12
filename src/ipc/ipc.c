/*
 * Channels. The kernel keeps packets whole and in order, so a channel is little more than a check
 * of each packet against its row of message_rules, and a queue for when the peer is slow or being
 * restarted. Reading is bounded for each turn of the loop, so that a talkative peer cannot starve
 * the others.
 */
#include "ipc/ipc.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdalign.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"

enum {
    QUEUE_BYTES_MAX = 1024 * 1024,
    PACKETS_PER_TURN = 64,
    WITH_FDS_MAX = 1024, /* bytes beside descriptors */
    BODY_MAX = IPC_PACKET_MAX - sizeof(struct message_head),
};

struct packet {
    struct packet *next;
    size_t bytes;
    char data[]; /* head and body */
};

struct ipc_channel {
    uv_poll_t poll;
    int fd;
    enum process_role self, peer;
    ipc_receive receive;
    void *ctx;
    struct packet *first, *last; /* waiting to be sent */
    size_t queued_bytes;
    unsigned fds_max; /* that a message of this peer may bring */
    int fds[SOCKETS_MAX];
    unsigned fd_count, fd_next;
    bool ended; /* the peer is gone for good, or broke a rule */
    bool closing;
};

/* Texts in messages end with a NUL whatever the sender wrote, so that no reader can run past them.
 */
#define END_OF(what, field) offsetof(struct what, field) + sizeof(((struct what *)NULL)->field) - 1
static const struct {
    enum message_type type;
    size_t last;
} texts[] = {
    {MSG_REVISION_STATE, END_OF(msg_revision_state, text)},
    {MSG_UNKNOWN_KEY, END_OF(msg_unknown_key, issuer)},
    {MSG_UNKNOWN_KEY, END_OF(msg_unknown_key, kid)},
    {MSG_SIGNED, END_OF(msg_signed, kid)},
    {MSG_METADATA_OPEN, END_OF(msg_metadata_open, instance)},
    {MSG_METADATA_OPEN, END_OF(msg_metadata_open, revision)},
    {MSG_METADATA_OPEN, END_OF(msg_metadata_open, project)},
    {MSG_METADATA_OPEN, END_OF(msg_metadata_open, project_number)},
    {MSG_METADATA_OPEN, END_OF(msg_metadata_open, region)},
    {MSG_METADATA_CLOSE, END_OF(msg_metadata_close, instance)},
};

/* ---- packets ---- */

static bool fits_rule(enum message_type type, size_t bytes)
{
    const struct message_rule *rule = &message_rules[type];
    return bytes >= rule->bytes_min && bytes <= rule->bytes_max;
}

/* Why the packet of GOT bytes breaks its row, or NULL if it is good; then *head is filled. */
static const char *packet_fault(char *packet, size_t got, struct message_head *head)
{
    if (got < sizeof(*head) || got > IPC_PACKET_MAX) {
        return "size of the packet";
    }
    memcpy(head, packet, sizeof(*head));
    if (head->version != IPC_VERSION) {
        return "version";
    }
    if (head->bytes != got - sizeof(*head)) {
        return "length";
    }
    if (head->type <= MSG_NONE || head->type >= MSG_TYPES) {
        return "type";
    }
    if (!fits_rule(head->type, head->bytes)) {
        return "size of the message";
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i].type == head->type) {
            packet[sizeof(*head) + texts[i].last] = '\0';
        }
    }
    return NULL;
}

static bool may_say(enum message_type type, enum process_role from, enum process_role to)
{
    return (message_rules[type].senders >> from & 1) != 0 &&
           (message_rules[type].receivers >> to & 1) != 0;
}

static struct message_head head_of(enum message_type type, size_t bytes)
{
    return (struct message_head){
        .version = IPC_VERSION, .type = (uint16_t)type, .bytes = (uint32_t)bytes};
}

/* One try, never waits. */
static ssize_t packet_send(int fd, const struct message_head *head, const void *body)
{
    struct message_head copy = *head;
    struct iovec parts[2] = {{.iov_base = &copy, .iov_len = sizeof(copy)}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 1};
    if (head->bytes > 0) {
        /* sendmsg() only reads, yet its structure has no const. */
        memcpy(&parts[1].iov_base, &body, sizeof(body));
        parts[1].iov_len = head->bytes;
        message.msg_iovlen = 2;
    }
    ssize_t sent;
    do {
        sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent;
}

/* One try, never waits. The true size of the packet, even if it was larger than its place. */
static ssize_t packet_receive(int fd, char packet[IPC_PACKET_MAX])
{
    ssize_t got;
    do {
        got = recv(fd, packet, IPC_PACKET_MAX, MSG_DONTWAIT | MSG_TRUNC);
    } while (got < 0 && errno == EINTR);
    return got;
}

/* The same, keeping the descriptors that came with it. */
static ssize_t packet_receive_fds(struct ipc_channel *channel, char packet[IPC_PACKET_MAX])
{
    alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * SOCKETS_MAX)];
    struct iovec part = {.iov_base = packet, .iov_len = IPC_PACKET_MAX};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    ssize_t got;
    do {
        got = recvmsg(channel->fd, &message, MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    channel->fd_count = channel->fd_next = 0;
    if (got < 0) {
        return got;
    }
    for (struct cmsghdr *at = CMSG_FIRSTHDR(&message); at != NULL; at = CMSG_NXTHDR(&message, at)) {
        if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t count = (at->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(at) + i * sizeof(int), sizeof(fd));
            if (channel->fd_count < SOCKETS_MAX) {
                channel->fds[channel->fd_count++] = fd;
            } else {
                close(fd);
            }
        }
    }
    return got;
}

static void fds_forget(struct ipc_channel *channel)
{
    while (channel->fd_next < channel->fd_count) {
        close(channel->fds[channel->fd_next++]);
    }
    channel->fd_count = channel->fd_next = 0;
}

int ipc_take_fd(struct ipc_channel *channel)
{
    return channel->fd_next < channel->fd_count ? channel->fds[channel->fd_next++] : -1;
}

static bool is_full(int number)
{
    return number == EAGAIN || number == EWOULDBLOCK || number == ENOBUFS;
}

/* ---- a channel on a loop ---- */

static void queue_forget(struct ipc_channel *channel)
{
    while (channel->first != NULL) {
        struct packet *packet = channel->first;
        channel->first = packet->next;
        free(packet);
    }
    channel->last = NULL;
    channel->queued_bytes = 0;
}

/* The end of the channel's use; its owner hears MSG_NONE, once, and closes it when it likes. */
static void channel_end(struct ipc_channel *channel)
{
    channel->ended = true;
    uv_poll_stop(&channel->poll);
    queue_forget(channel);
    channel->receive(channel, MSG_NONE, NULL, 0, channel->ctx);
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void channel_watch(struct ipc_channel *channel)
{
    int events = UV_READABLE | (channel->first != NULL ? UV_WRITABLE : 0);
    uv_poll_start(&channel->poll, events, on_poll);
}

/* Sends what waits. False if the channel has ended. */
static bool channel_flush(struct ipc_channel *channel)
{
    while (channel->first != NULL) {
        struct packet *packet = channel->first;
        ssize_t sent = send(channel->fd, packet->data, packet->bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0) {
            return is_full(errno);
        }
        channel->first = packet->next;
        channel->queued_bytes -= packet->bytes;
        if (channel->first == NULL) {
            channel->last = NULL;
        }
        free(packet);
    }
    channel_watch(channel);
    return true;
}

static void channel_read(struct ipc_channel *channel)
{
    alignas(max_align_t) char packet[IPC_PACKET_MAX];
    for (int i = 0; i < PACKETS_PER_TURN && !channel->closing && !channel->ended; i++) {
        ssize_t got = channel->fds_max > 0 ? packet_receive_fds(channel, packet)
                                           : packet_receive(channel->fd, packet);
        if (got < 0 && is_full(errno)) {
            return;
        }
        if (got <= 0) {
            channel_end(channel); /* an empty packet reads like the end, and is as wrong */
            return;
        }
        struct message_head head = {0};
        const char *fault = packet_fault(packet, (size_t)got, &head);
        if (fault == NULL && !may_say(head.type, channel->peer, channel->self)) {
            fault = "sender";
        }
        if (fault == NULL && channel->fd_count > message_rules[head.type].fds_max) {
            fault = "number of descriptors";
        }
        if (fault != NULL) {
            fds_forget(channel);
            log_error("ipc: peer=%s type=%u bytes=%zd: wrong %s, channel closed",
                      process_role_name(channel->peer), head.type, got, fault);
            channel_end(channel);
            return;
        }
        channel->receive(channel, head.type, packet + sizeof(head), head.bytes, channel->ctx);
        fds_forget(channel);
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct ipc_channel *channel = poll->data;
    if (status < 0) {
        channel_end(channel);
        return;
    }
    if ((events & UV_WRITABLE) != 0 && !channel_flush(channel)) {
        channel_end(channel);
        return;
    }
    if ((events & UV_READABLE) != 0) {
        channel_read(channel);
    }
}

struct ipc_channel *ipc_open(uv_loop_t *loop, int fd, enum process_role self,
                             enum process_role peer, ipc_receive receive, void *ctx,
                             struct error *err)
{
    struct ipc_channel *channel = mem_new(struct ipc_channel);
    *channel =
        (struct ipc_channel){.fd = fd, .self = self, .peer = peer, .receive = receive, .ctx = ctx};
    int status = uv_poll_init(loop, &channel->poll, fd);
    if (status != 0) {
        free(channel);
        error_set(err, STATUS_INTERNAL, "channel to %s: %s", process_role_name(peer),
                  uv_strerror(status));
        return NULL;
    }
    for (unsigned type = MSG_NONE + 1; type < MSG_TYPES; type++) {
        if (may_say(type, peer, self) && message_rules[type].fds_max > channel->fds_max) {
            channel->fds_max = message_rules[type].fds_max;
        }
    }
    channel->poll.data = channel;
    channel_watch(channel);
    return channel;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void ipc_close(struct ipc_channel *channel)
{
    if (channel == NULL || channel->closing) {
        return;
    }
    channel->closing = true;
    queue_forget(channel);
    uv_close((uv_handle_t *)&channel->poll, on_closed);
}

static bool channel_queue(struct ipc_channel *channel, const struct message_head *head,
                          const void *body)
{
    size_t bytes = sizeof(*head) + head->bytes;
    if (channel->queued_bytes + bytes > QUEUE_BYTES_MAX) {
        return false;
    }
    struct packet *packet = mem_bytes(sizeof(*packet) + bytes);
    packet->next = NULL;
    packet->bytes = bytes;
    memcpy(packet->data, head, sizeof(*head));
    if (head->bytes > 0) {
        memcpy(packet->data + sizeof(*head), body, head->bytes);
    }
    if (channel->last == NULL) {
        channel->first = packet;
    } else {
        channel->last->next = packet;
    }
    channel->last = packet;
    channel->queued_bytes += bytes;
    channel_watch(channel);
    return true;
}

bool ipc_send(struct ipc_channel *channel, enum message_type type, const void *body, size_t bytes)
{
    assert(may_say(type, channel->self, channel->peer));
    assert(fits_rule(type, bytes));
    if (channel->closing || channel->ended) {
        return false;
    }
    struct message_head head = head_of(type, bytes);
    if (channel->first == NULL) {
        if (packet_send(channel->fd, &head, body) >= 0) {
            return true;
        }
        if (!is_full(errno)) {
            return false; /* the loop hears of it too, and ends the channel */
        }
    }
    return channel_queue(channel, &head, body);
}

bool ipc_send_fds(struct ipc_channel *channel, enum message_type type, const void *body,
                  size_t bytes, const int *fds, unsigned count)
{
    assert(may_say(type, channel->self, channel->peer));
    assert(fits_rule(type, bytes) && count <= message_rules[type].fds_max);
    if (channel->closing || channel->ended || channel->first != NULL) {
        return false;
    }
    struct message_head head = head_of(type, bytes);
    char packet[sizeof(head) + WITH_FDS_MAX];
    assert(bytes <= WITH_FDS_MAX);
    memcpy(packet, &head, sizeof(head));
    memcpy(packet + sizeof(head), body, bytes);
    alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * SOCKETS_MAX)] = {0};
    struct iovec part = {.iov_base = packet, .iov_len = sizeof(head) + bytes};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (count > 0) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int) * count);
        memcpy(CMSG_DATA(rights), fds, sizeof(int) * count);
    }
    ssize_t sent;
    do {
        sent = sendmsg(channel->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

/* ---- before a loop runs ---- */

/* Waits until FD can be read or written, but not past DEADLINE. */
static bool wait_for(int fd, short events, int64_t deadline_us, struct error *err)
{
    if (file_wait(fd, events, deadline_us)) {
        return true;
    }
    return errno == ETIMEDOUT
               ? error_set(err, STATUS_DEADLINE_EXCEEDED, "the other process did not answer")
               : error_errno(err, "wait for the other process");
}

bool ipc_send_now(int fd, enum message_type type, const void *body, size_t bytes,
                  unsigned timeout_ms, struct error *err)
{
    if (type <= MSG_NONE || type >= MSG_TYPES || !fits_rule(type, bytes)) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "a message of %zu bytes does not fit (type %d)", bytes, (int)type);
    }
    int64_t deadline_us = clock_mono_us() + (int64_t)timeout_ms * 1000;
    struct message_head head = head_of(type, bytes);
    while (packet_send(fd, &head, body) < 0) {
        if (!is_full(errno)) {
            return error_errno(err, "send to the other process");
        }
        if (!wait_for(fd, POLLOUT, deadline_us, err)) {
            return false;
        }
    }
    return true;
}

void ipc_forget(int fd)
{
    char byte;
    while (recv(fd, &byte, 1, MSG_DONTWAIT | MSG_TRUNC) > 0) {
    }
}

bool ipc_receive_now(int fd, enum message_type *type, void *body, size_t *bytes,
                     unsigned timeout_ms, struct error *err)
{
    alignas(max_align_t) char packet[IPC_PACKET_MAX];
    int64_t deadline_us = clock_mono_us() + (int64_t)timeout_ms * 1000;
    ssize_t got;
    while ((got = packet_receive(fd, packet)) < 0) {
        if (!is_full(errno)) {
            return error_errno(err, "receive from the other process");
        }
        if (!wait_for(fd, POLLIN, deadline_us, err)) {
            return false;
        }
    }
    if (got == 0) {
        return error_set(err, STATUS_UNAVAILABLE, "the other process has gone");
    }
    struct message_head head = {0};
    const char *fault = packet_fault(packet, (size_t)got, &head);
    if (fault != NULL) {
        return error_set(err, STATUS_INTERNAL, "a message with a wrong %s", fault);
    }
    memcpy(body, packet + sizeof(head), head.bytes);
    *type = head.type;
    *bytes = head.bytes;
    return true;
}
