/*
 * A socket belongs to the user who made it, and one that its program has closed belongs to root: so
 * only those count that are established. The table is read in pieces, line by line, and may change
 * between two of them; a line that is missed then is found at the second try.
 */
#include "metadata/peer.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ESTABLISHED = 1, PIECE_BYTES = 64 * 1024, TRIES = 2 };

void peer_table_open(struct peer_table *table)
{
    table->fds[0] = open("/proc/self/net/tcp", O_RDONLY | O_CLOEXEC);
    table->fds[1] = open("/proc/self/net/tcp6", O_RDONLY | O_CLOEXEC);
}

bool peer_line(const char *line, const char *end, uid_t *out)
{
    char own[64], other[64];
    unsigned state, user;
    /* number, own end, other end, state, queues, timer, retransmissions, user */
    if (sscanf(line, " %*s %63s %63s %x %*s %*s %*s %u", own, other, &state, &user) != 4 ||
        state != ESTABLISHED || strcmp(own, end) != 0) {
        return false;
    }
    *out = user;
    return true;
}

static void end_text_v6(const struct in6_addr *address, in_port_t port, char out[64])
{
    uint32_t words[4];
    memcpy(words, address, sizeof(words));
    snprintf(out, 64, "%08X%08X%08X%08X:%04X", words[0], words[1], words[2], words[3], ntohs(port));
}

/* As the kernel writes it: words of 32 bits as this machine's numbers. */
static void end_text_v4(const struct sockaddr_in *v4, char out[64])
{
    snprintf(out, 64, "%08X:%04X", v4->sin_addr.s_addr, ntohs(v4->sin_port));
}

/* Java's sockets are of IPv6 even when they speak IPv4. */
static void end_text_mapped(const struct sockaddr_in *v4, char out[64])
{
    struct in6_addr address = {0};
    address.s6_addr[10] = address.s6_addr[11] = 0xff;
    memcpy(&address.s6_addr[12], &v4->sin_addr, sizeof(v4->sin_addr));
    end_text_v6(&address, v4->sin_port, out);
}

static bool search(int fd, const char *end, uid_t *out)
{
    static char piece[PIECE_BYTES + 1];
    size_t held = 0;
    ssize_t got;
    if (lseek(fd, 0, SEEK_SET) != 0) {
        return false;
    }
    while (held < PIECE_BYTES && (got = read(fd, piece + held, PIECE_BYTES - held)) > 0) {
        held += (size_t)got;
        piece[held] = '\0';
        char *line = piece;
        for (char *stop; (stop = strchr(line, '\n')) != NULL; line = stop + 1) {
            *stop = '\0';
            if (peer_line(line, end, out)) {
                return true;
            }
        }
        held = strlen(line);
        memmove(piece, line, held);
    }
    return false;
}

bool peer_user(const struct peer_table *table, const struct sockaddr_storage *peer, uid_t *out)
{
    char ends[2][64] = {"", ""}; /* in the table of IPv4, and in that of IPv6 */
    if (peer->ss_family == AF_INET) {
        end_text_v4((const struct sockaddr_in *)peer, ends[0]);
        end_text_mapped((const struct sockaddr_in *)peer, ends[1]);
    } else if (peer->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)peer;
        end_text_v6(&v6->sin6_addr, v6->sin6_port, ends[1]);
    }
    for (int i = 0; i < 2 * TRIES; i++) {
        int fd = table->fds[i % 2];
        if (fd >= 0 && ends[i % 2][0] != '\0' && search(fd, ends[i % 2], out)) {
            return true;
        }
    }
    return false;
}
