#include "engine/inner_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BACKLOG = 32, NAMES_PORT = 53 };

/* ---- the address ---- */

static struct sockaddr_in at_port(const struct inner_place *place, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, place->address, &address.sin_addr);
    return address;
}

/* On the loopback, and that address alone: its class would take in its neighbours. */
static bool add_address(const struct inner_place *place, int fd)
{
    struct ifreq request = {0};
    struct sockaddr_in address = at_port(place, 0);
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", place->label);
    memcpy(&request.ifr_addr, &address, sizeof(address));
    if (ioctl(fd, SIOCSIFADDR, &request) != 0) {
        return false;
    }
    address.sin_addr.s_addr = INADDR_NONE; /* 255.255.255.255 */
    memcpy(&request.ifr_netmask, &address, sizeof(address));
    return ioctl(fd, SIOCSIFNETMASK, &request) == 0;
}

static bool listen_at(const struct inner_place *place, int fd, uint16_t port)
{
    struct sockaddr_in address = at_port(place, port);
    /* An engine before us may have made one at this port, which is closed a little later. */
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int));
    return bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, BACKLOG) == 0;
}

/* ---- the program ---- */

static int bpf(enum bpf_cmd command, union bpf_attr *attributes)
{
    return (int)syscall(SYS_bpf, command, attributes, sizeof(*attributes));
}

static uint64_t address_of(const void *pointer)
{
    return (uint64_t)(uintptr_t)pointer;
}

/* A map of sockets that holds FD alone. */
static int map_of(int fd)
{
    const uint32_t key = 0;
    const uint64_t value = (uint64_t)fd;
    union bpf_attr make = {
        .map_type = BPF_MAP_TYPE_SOCKMAP,
        .key_size = sizeof(key),
        .value_size = sizeof(value),
        .max_entries = 1,
    };
    int map = bpf(BPF_MAP_CREATE, &make);
    union bpf_attr put = {
        .map_fd = (uint32_t)map, .key = address_of(&key), .value = address_of(&value)};
    if (map >= 0 && bpf(BPF_MAP_UPDATE_ELEM, &put) != 0) {
        close(map);
        return -1;
    }
    return map;
}

#define LOAD(to, from, offset_) /* 32 bits */                                                      \
    {                                                                                              \
        .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = (to), .src_reg = (from), .off = (offset_)    \
    }
#define COPY(to, from)                                                                             \
    {                                                                                              \
        .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = (to), .src_reg = (from)                    \
    }
#define SET(to, value)                                                                             \
    {                                                                                              \
        .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = (to), .imm = (value)                       \
    }
#define ADD(to, value)                                                                             \
    {                                                                                              \
        .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = (to), .imm = (value)                       \
    }
#define CALL(function)                                                                             \
    {                                                                                              \
        .code = BPF_JMP | BPF_CALL, .imm = (function)                                              \
    }
#define END                                                                                        \
    {                                                                                              \
        .code = BPF_JMP | BPF_EXIT                                                                 \
    }
#define IF(reg, value, steps) /* compares 32 bits */                                               \
    {                                                                                              \
        .code = BPF_JMP32 | BPF_JEQ | BPF_K, .dst_reg = (reg), .imm = (value), .off = (steps)      \
    }
#define IF_NOT(reg, value, steps) /* compares 32 bits */                                           \
    {                                                                                              \
        .code = BPF_JMP32 | BPF_JNE | BPF_K, .dst_reg = (reg), .imm = (value), .off = (steps)      \
    }
#define IF_ZERO(reg, steps)                                                                        \
    {                                                                                              \
        .code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = (reg), .imm = 0, .off = (steps)              \
    }

/* Leads connections to the address and port to the socket in MAP. */
static int program_of(const struct inner_place *place, int map)
{
    const int32_t address = (int32_t)at_port(place, 0).sin_addr.s_addr;
    const int32_t other = place->loopback ? (int32_t)htonl(INADDR_LOOPBACK) : address;
    const struct bpf_insn steps[] = {
        COPY(BPF_REG_6, BPF_REG_1), /* the context */
        LOAD(BPF_REG_2, BPF_REG_6, offsetof(struct bpf_sk_lookup, family)),
        IF_NOT(BPF_REG_2, AF_INET, 21),
        LOAD(BPF_REG_2, BPF_REG_6, offsetof(struct bpf_sk_lookup, protocol)),
        IF_NOT(BPF_REG_2, IPPROTO_TCP, 19),
        LOAD(BPF_REG_2, BPF_REG_6, offsetof(struct bpf_sk_lookup, local_port)), /* host order */
        IF_NOT(BPF_REG_2, place->port, 17),
        LOAD(BPF_REG_2, BPF_REG_6, offsetof(struct bpf_sk_lookup, local_ip4)),
        IF(BPF_REG_2, address, 1),
        IF_NOT(BPF_REG_2, other, 14),
        /* sock = map[0] */
        {.code = BPF_ST | BPF_MEM | BPF_W, .dst_reg = BPF_REG_10, .off = -4, .imm = 0},
        COPY(BPF_REG_2, BPF_REG_10),
        ADD(BPF_REG_2, -4),
        {.code = BPF_LD | BPF_IMM | BPF_DW,
         .dst_reg = BPF_REG_1,
         .src_reg = BPF_PSEUDO_MAP_FD,
         .imm = map},
        {0}, /* the second half of that step */
        CALL(BPF_FUNC_map_lookup_elem),
        IF_ZERO(BPF_REG_0, 7),
        /* assign(context, sock, no flags), release(sock) */
        COPY(BPF_REG_7, BPF_REG_0),
        COPY(BPF_REG_1, BPF_REG_6),
        COPY(BPF_REG_2, BPF_REG_7),
        SET(BPF_REG_3, 0),
        CALL(BPF_FUNC_sk_assign),
        COPY(BPF_REG_1, BPF_REG_7),
        CALL(BPF_FUNC_sk_release),
        SET(BPF_REG_0, SK_PASS), /* where every test above jumps to */
        END,
    };
    union bpf_attr load = {
        .prog_type = BPF_PROG_TYPE_SK_LOOKUP,
        .expected_attach_type = BPF_SK_LOOKUP,
        .insns = address_of(steps),
        .insn_cnt = sizeof(steps) / sizeof(steps[0]),
        .license = address_of("GPL"), /* what the kernel asks of those that call these functions */
    };
    return bpf(BPF_PROG_LOAD, &load);
}

/* Descriptor of what holds the program in place; -1 and errno. */
static int lead_to(const struct inner_place *place, int fd, const struct namespaces *namespaces)
{
    int map = map_of(fd);
    int program = map < 0 ? -1 : program_of(place, map);
    union bpf_attr attach = {.link_create = {.prog_fd = (uint32_t)program,
                                             .target_fd = (uint32_t)namespaces->net_fd,
                                             .attach_type = BPF_SK_LOOKUP}};
    int link = program < 0 ? -1 : bpf(BPF_LINK_CREATE, &attach);
    int number = errno;
    const int done[] = {map, program};
    for (size_t i = 0; i < 2; i++) {
        if (done[i] >= 0) {
            close(done[i]);
        }
    }
    errno = number;
    return link;
}

/* ---- the whole ---- */

/* Of the TYPE SOCK_STREAM or SOCK_DGRAM, in a network that has the address. */
static int new_socket(const struct inner_place *place, const struct namespaces *namespaces,
                      int type)
{
    int fd = -1;
    namespaces_sockets(namespaces, AF_INET, type, &fd, 1);
    if (fd >= 0 && !add_address(place, fd)) {
        int number = errno;
        close(fd);
        errno = number;
        return -1;
    }
    return fd;
}

bool inner_socket_open(const struct namespaces *namespaces, const struct inner_place *place,
                       struct inner_socket *out, struct error *err)
{
    *out = (struct inner_socket){.fd = new_socket(place, namespaces, SOCK_STREAM), .link_fd = -1};
    if (out->fd >= 0 && listen_at(place, out->fd, 0)) {
        out->link_fd = lead_to(place, out->fd, namespaces);
        if (out->link_fd >= 0) {
            return true;
        }
    }
    inner_socket_close(out);
    if (!place->taken) {
        out->fd = new_socket(place, namespaces, SOCK_STREAM);
    }
    struct inner_place all = *place;
    all.address = place->loopback ? "0.0.0.0" : place->address;
    if (out->fd >= 0 && listen_at(&all, out->fd, place->port)) {
        return true;
    }
    error_errno(err, "no socket at %s:%u could be made in the instance's network", place->address,
                place->port);
    inner_socket_close(out);
    return false;
}

void inner_socket_close(struct inner_socket *socket)
{
    if (socket->fd >= 0) {
        close(socket->fd);
    }
    if (socket->link_fd >= 0) {
        close(socket->link_fd);
    }
    *socket = (struct inner_socket){-1, -1};
}

int inner_names_open(const struct namespaces *namespaces, const struct inner_place *place,
                     struct error *err)
{
    struct sockaddr_in address = at_port(place, NAMES_PORT);
    int fd = new_socket(place, namespaces, SOCK_DGRAM);
    /* An engine before us may have made one that a worker still has open. */
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == 0 &&
        bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
        return fd;
    }
    error_errno(err, "no resolver could be made in the instance's network");
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}
