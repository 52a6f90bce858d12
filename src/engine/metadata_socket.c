#include "engine/metadata_socket.h"

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

enum { PORT = 80, BACKLOG = 32 };

/* ---- the address ---- */

static struct sockaddr_in at_port(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, METADATA_ADDRESS, &address.sin_addr);
    return address;
}

/* On the loopback, and that address alone: its class would take in its neighbours. */
static bool add_address(int fd)
{
    struct ifreq request = {.ifr_name = "lo:1"};
    struct sockaddr_in address = at_port(0);
    memcpy(&request.ifr_addr, &address, sizeof(address));
    if (ioctl(fd, SIOCSIFADDR, &request) != 0) {
        return false;
    }
    address.sin_addr.s_addr = INADDR_NONE; /* 255.255.255.255 */
    memcpy(&request.ifr_netmask, &address, sizeof(address));
    return ioctl(fd, SIOCSIFNETMASK, &request) == 0;
}

static bool listen_at(int fd, uint16_t port)
{
    struct sockaddr_in address = at_port(port);
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
#define IF_NOT(reg, value, steps) /* compares 32 bits */                                           \
    {                                                                                              \
        .code = BPF_JMP32 | BPF_JNE | BPF_K, .dst_reg = (reg), .imm = (value), .off = (steps)      \
    }
#define IF_ZERO(reg, steps)                                                                        \
    {                                                                                              \
        .code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = (reg), .imm = 0, .off = (steps)              \
    }

/* Leads connections to the address and port to the socket in MAP. */
static int program_of(int map)
{
    const struct sockaddr_in address = at_port(PORT);
    const struct bpf_insn steps[] = {
        COPY(BPF_REG_6, BPF_REG_1), /* the context */
        LOAD(BPF_REG_2, BPF_REG_6, offsetof(struct bpf_sk_lookup, family)),
        IF_NOT(BPF_REG_2, AF_INET, 20),
        LOAD(BPF_REG_2, BPF_REG_6, offsetof(struct bpf_sk_lookup, protocol)),
        IF_NOT(BPF_REG_2, IPPROTO_TCP, 18),
        LOAD(BPF_REG_2, BPF_REG_6, offsetof(struct bpf_sk_lookup, local_port)), /* host order */
        IF_NOT(BPF_REG_2, PORT, 16),
        LOAD(BPF_REG_2, BPF_REG_6, offsetof(struct bpf_sk_lookup, local_ip4)),
        IF_NOT(BPF_REG_2, (int32_t)address.sin_addr.s_addr, 14),
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
static int lead_to(int fd, const struct namespaces *namespaces)
{
    int map = map_of(fd);
    int program = map < 0 ? -1 : program_of(map);
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

static int new_socket(const struct namespaces *namespaces)
{
    int fd = -1;
    namespaces_sockets(namespaces, &fd, 1);
    if (fd >= 0 && !add_address(fd)) {
        int number = errno;
        close(fd);
        errno = number;
        return -1;
    }
    return fd;
}

bool metadata_socket_open(const struct namespaces *namespaces, bool taken,
                          struct metadata_socket *out, struct error *err)
{
    *out = (struct metadata_socket){.fd = new_socket(namespaces), .link_fd = -1};
    if (out->fd >= 0 && listen_at(out->fd, 0)) {
        out->link_fd = lead_to(out->fd, namespaces);
        if (out->link_fd >= 0) {
            return true;
        }
    }
    metadata_socket_close(out);
    if (!taken) {
        out->fd = new_socket(namespaces);
    }
    if (out->fd >= 0 && listen_at(out->fd, PORT)) {
        return true;
    }
    error_errno(err, "no socket for a metadata server could be made in the instance's network");
    metadata_socket_close(out);
    return false;
}

void metadata_socket_close(struct metadata_socket *socket)
{
    if (socket->fd >= 0) {
        close(socket->fd);
    }
    if (socket->link_fd >= 0) {
        close(socket->link_fd);
    }
    *socket = (struct metadata_socket){-1, -1};
}
