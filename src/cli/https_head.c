#include "cli/https_head.h"

#include <errno.h>
#include <netdb.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "http/url.h"

enum { WAIT_SECONDS = 10, HEAD_MAX = 16384 };

/* A socket to HOST; -1 and *err. */
static int connect_to(const char *host, uint16_t port, struct error *err)
{
    const struct timeval wait = {.tv_sec = WAIT_SECONDS};
    bool here = slice_ends(slice_of(host), SLICE(".localhost")) || strcmp(host, "localhost") == 0;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    char service[8];
    int fd = -1;
    snprintf(service, sizeof(service), "%u", port);
    int fault = getaddrinfo(here ? "127.0.0.1" : host, service, &hints, &list);
    if (fault != 0) {
        error_set(err, STATUS_UNAVAILABLE, "%s: %s", host, gai_strerror(fault));
        return -1;
    }
    for (struct addrinfo *at = list; at != NULL && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
        if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    if (fd < 0) {
        error_set(err, STATUS_UNAVAILABLE, "%s:%u: %s", host, port, strerror(errno));
    }
    return fd;
}

static SSL_CTX *context_new(const char *ca_file)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context != NULL) {
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_default_verify_paths(context);
        SSL_CTX_load_verify_locations(context, ca_file, NULL);
    }
    return context;
}

/* The head of the answer; its length, 0 if there is none. */
static size_t exchange(SSL *tls, const char *request, char head[HEAD_MAX + 1])
{
    size_t used = 0;
    if (SSL_connect(tls) != 1 || SSL_write(tls, request, (int)strlen(request)) <= 0) {
        return 0;
    }
    while (used < HEAD_MAX) {
        int got = SSL_read(tls, head + used, (int)(HEAD_MAX - used));
        if (got <= 0) {
            break;
        }
        used += (size_t)got;
        head[used] = '\0';
        if (strstr(head, "\r\n\r\n") != NULL) {
            break;
        }
    }
    return used;
}

static bool read_head(char *head, struct head_answer *out)
{
    unsigned status;
    if (sscanf(head, "HTTP/1.1 %3u", &status) != 1) {
        return false;
    }
    out->status = (int)status;
    out->denied = strcasestr(head, "\r\nhomerun-denial:") != NULL;
    return true;
}

bool https_head(struct arena *arena, const char *url, const char *ca_file, struct head_answer *out,
                struct error *err)
{
    static const char scheme[] = "https://";
    const char *authority =
        url + (strncmp(url, scheme, sizeof(scheme) - 1) == 0 ? sizeof(scheme) - 1 : 0);
    struct slice host;
    uint16_t port;
    if (!url_authority(arena, slice_upto(slice_of(authority), strcspn(authority, "/")), &host,
                       &port)) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "%s is no address", url);
    }
    const char *name = arena_string(arena, host);
    int fd = connect_to(name, port == 0 ? 443 : port, err);
    if (fd < 0) {
        return false;
    }
    char *head = arena_alloc(arena, HEAD_MAX + 1);
    SSL_CTX *context = context_new(ca_file);
    SSL *tls = context == NULL ? NULL : SSL_new(context);
    bool good = false;
    if (tls != NULL && SSL_set_fd(tls, fd) == 1 && SSL_set_tlsext_host_name(tls, name) == 1 &&
        SSL_set1_host(tls, name) == 1) {
        const char *request = arena_printf(
            arena,
            "HEAD / HTTP/1.1\r\nhost: %.*s\r\nuser-agent: homerun-probe\r\nconnection: "
            "close\r\n\r\n",
            (int)strcspn(authority, "/"), authority);
        good = exchange(tls, request, head) > 0 && read_head(head, out);
    }
    SSL_free(tls);
    SSL_CTX_free(context);
    close(fd);
    return good ||
           error_set(err, STATUS_UNAVAILABLE, "%s: no answer over TLS that can be believed", name);
}
