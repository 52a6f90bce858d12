/*
 * The order of opening is the order of harm: first what only looks (the lock of a folder that is
 * there, the ports), then what leaves traces.
 */
#include "supervisor/estate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/random.h"
#include "net/net.h"
#include "supervisor/data_folder.h"

#define METADATA_USUAL "127.0.0.1:8082"

enum { TICKET_BYTES = 80 };

static void fd_close(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}

/* ---- sockets ---- */

static const char *bind_advice(int number)
{
    switch (number) {
    case EADDRINUSE:
        return "another program listens there, perhaps another homerun: end it, or choose another "
               "port (0 takes any that is free)";
    case EACCES:
        return "ports under 1024 are for root, or for programs with CAP_NET_BIND_SERVICE: choose a "
               "higher one";
    case EADDRNOTAVAIL:
        return "this machine does not have that address: choose one that `ip addr` shows, or "
               "127.0.0.1";
    default:
        return "choose another address";
    }
}

static int listen_at(const char *text, const char *flag, struct error *err)
{
    struct sockaddr_storage address;
    socklen_t bytes;
    if (!net_parse_address(text, &address, &bytes, err)) {
        error_wrap(err, "--%s %s", flag, text);
        return -1;
    }
    struct error why = {0};
    errno = 0;
    int fd = net_bind((struct sockaddr *)&address, bytes, &why);
    if (fd < 0) {
        int number = errno;
        error_set(err, STATUS_FAILED_PRECONDITION, "cannot listen on %s: %s (change it with --%s)",
                  text, number != 0 ? bind_advice(number) : why.text, flag);
    }
    return fd;
}

/* The name that clients use: "localhost" for the addresses that it means. */
static void url_of(char *out, size_t room, const char *scheme, int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t bytes = sizeof(address);
    getsockname(fd, (struct sockaddr *)&address, &bytes);
    char host[64];
    net_address_text((struct sockaddr *)&address, host, false);
    bool local = strcmp(host, "127.0.0.1") == 0 || strcmp(host, "0.0.0.0") == 0 ||
                 strcmp(host, "::1") == 0 || strcmp(host, "::") == 0 ||
                 strcmp(host, "[::1]") == 0 || strcmp(host, "[::]") == 0;
    bool bare_v6 = !local && strchr(host, ':') != NULL && host[0] != '[';
    snprintf(out, room, "%s://%s%s%s:%u", scheme, bare_v6 ? "[" : "", local ? "localhost" : host,
             bare_v6 ? "]" : "", net_bound_port(fd));
}

/* Users do not type its port, so that a second Homerun may have another. */
static bool open_metadata(struct estate *estate, const char *asked, struct settings *settings,
                          struct error *err)
{
    struct error taken = {0};
    bool usual = asked[0] == '\0';
    settings->metadata_url[0] = '\0';
    if (strcmp(asked, "off") == 0) {
        return true;
    }
    int fd = listen_at(usual ? METADATA_USUAL : asked, "metadata", usual ? &taken : err);
    if (fd < 0 && usual) {
        fd = listen_at("127.0.0.1:0", "metadata", err);
    }
    if (fd < 0) {
        return false;
    }
    /* As an address: clients take it from the environment, and some know no names there. */
    struct sockaddr_storage address = {0};
    socklen_t bytes = sizeof(address);
    char text[64];
    estate->holdings[HOLD_METADATA] = fd;
    getsockname(fd, (struct sockaddr *)&address, &bytes);
    net_address_text((struct sockaddr *)&address, text, true);
    snprintf(settings->metadata_url, sizeof(settings->metadata_url), "http://%s", text);
    return true;
}

static bool open_sockets(struct estate *estate, const struct supervisor_plan *plan,
                         struct settings *settings, struct error *err)
{
    const struct {
        enum holding holding;
        const char *address, *scheme;
        char *url;
        size_t room;
    } rows[] = {
        {HOLD_API, plan->api, "http", settings->api_url, sizeof(settings->api_url)},
        {HOLD_API_TLS, plan->api_tls, "https", settings->api_tls_url,
         sizeof(settings->api_tls_url)},
        {HOLD_HTTPS, plan->https, "https", settings->https_url, sizeof(settings->https_url)},
        {HOLD_HTTP, plan->http, "http", settings->http_url, sizeof(settings->http_url)},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].address[0] == '\0') {
            rows[i].url[0] = '\0';
            continue;
        }
        int fd = listen_at(rows[i].address, holding_name(rows[i].holding), err);
        if (fd < 0) {
            return false;
        }
        estate->holdings[rows[i].holding] = fd;
        url_of(rows[i].url, rows[i].room, rows[i].scheme, fd);
    }
    if (!open_metadata(estate, plan->metadata, settings, err)) {
        return false;
    }
    settings->https_port = net_bound_port(estate->holdings[HOLD_HTTPS]);
    settings->http_port = net_bound_port(estate->holdings[HOLD_HTTP]);
    return true;
}

/* ---- memory and channels ---- */

/* A file in memory with that content, which nobody can change afterwards; -1 on failure. */
static int sealed_new(const char *name, struct error *err)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        error_errno(err, "make %s", name);
    }
    return fd;
}

static bool seal(int fd, struct error *err)
{
    int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
    return fcntl(fd, F_ADD_SEALS, seals) == 0 || error_errno(err, "seal a memory file");
}

static bool open_tickets(struct estate *estate, struct error *err)
{
    char key[TICKET_BYTES];
    random_bytes(key, sizeof(key));
    int fd = estate->holdings[HOLD_TICKETS] = sealed_new("homerun-tickets", err);
    bool good = fd >= 0 && (write(fd, key, sizeof(key)) == (ssize_t)sizeof(key) ||
                            error_errno(err, "write the ticket key"));
    explicit_bzero(key, sizeof(key));
    return good && seal(fd, err);
}

/* To the processes, workers are the numbers that a worker may have: so many channels there are. */
bool estate_set_settings(struct estate *estate, const struct settings *settings, struct error *err)
{
    struct settings handed = *settings;
    handed.workers = (int)estate->numbers;
    int fd = sealed_new("homerun-settings", err);
    if (fd < 0 || !settings_write(&handed, fd, err) || !seal(fd, err)) {
        fd_close(&fd);
        return error_wrap(err, "hand over the settings");
    }
    fd_close(&estate->holdings[HOLD_SETTINGS]);
    estate->holdings[HOLD_SETTINGS] = fd;
    return true;
}

static bool edge_is_many(const struct edge *edge)
{
    return edge->a == PROCESS_INGRESS || edge->b == PROCESS_INGRESS;
}

static bool open_channels(struct estate *estate, struct error *err)
{
    for (unsigned i = 0; i < estate->numbers; i++) {
        estate->wakes[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (estate->wakes[i] < 0) {
            return error_errno(err, "make an eventfd");
        }
    }
    for (size_t e = 0; e < EDGES; e++) {
        unsigned count = edge_is_many(&edges[e]) ? estate->numbers : 1;
        if (edges[e].b == PROCESS_FETCHER && estate->holdings[HOLD_FETCHER] < 0) {
            continue; /* by that, control knows */
        }
        for (unsigned i = 0; i < count; i++) {
            int type = SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK;
            if (socketpair(AF_UNIX, type, 0, estate->pairs[e][i]) < 0) {
                return error_errno(err, "make a socket pair");
            }
        }
    }
    return true;
}

static bool open_logs(struct estate *estate, const char *data, struct error *err)
{
    estate->holdings[HOLD_LOG_REQUESTS] = data_folder_log(data, "requests.jsonl", err);
    if (estate->holdings[HOLD_LOG_REQUESTS] < 0) {
        return false;
    }
    estate->holdings[HOLD_LOG_INSTANCES] = data_folder_log(data, "instances.jsonl", err);
    if (estate->holdings[HOLD_LOG_INSTANCES] < 0) {
        return false;
    }
    estate->holdings[HOLD_DENIALS] = data_folder_table(data, "denials.index", err);
    if (estate->holdings[HOLD_DENIALS] < 0) {
        return false;
    }
    estate->log = data_folder_log(data, "homerun.log", err);
    return estate->log >= 0;
}

/*
 * Where homerun-fetcher is, as seen from our own program's folder. It is opened once, so that one
 * of another version, which is installed meanwhile, is not mixed with the processes that run.
 */
static void open_fetcher(struct estate *estate, const char *path)
{
    static const char *const places[] = {"", "fetcher/", "../libexec/homerun/"};
    char self[PATH_MAX], beside[PATH_MAX + 64];
    if (path != NULL) {
        estate->holdings[HOLD_FETCHER] = open(path, O_PATH | O_CLOEXEC);
        return;
    }
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self));
    ptrdiff_t slash = len > 0 ? slice_find_last((struct slice){self, (size_t)len}, '/') : -1;
    for (size_t i = 0; slash >= 0 && i < sizeof(places) / sizeof(places[0]); i++) {
        snprintf(beside, sizeof(beside), "%.*s/%shomerun-fetcher", (int)slash, self, places[i]);
        int fd = estate->holdings[HOLD_FETCHER] = open(beside, O_PATH | O_CLOEXEC);
        if (fd >= 0) {
            return;
        }
    }
}

static bool open_lease(struct estate *estate, struct error *err)
{
    int fd = estate->holdings[HOLD_LEASE] = lease_create(err);
    estate->lease = fd < 0 ? NULL : lease_map(fd, true, err);
    return estate->lease != NULL;
}

/* ---- the whole ---- */

static void estate_init(struct estate *estate, unsigned workers)
{
    *estate = (struct estate){.lock = -1, .log = -1, .numbers = workers + 1};
    for (size_t i = 0; i < HOLDINGS; i++) {
        estate->holdings[i] = -1;
    }
    for (size_t i = 0; i < BOARD_WORKERS; i++) {
        estate->wakes[i] = -1;
    }
    for (size_t e = 0; e < EDGES; e++) {
        for (size_t i = 0; i < BOARD_WORKERS; i++) {
            estate->pairs[e][i][0] = estate->pairs[e][i][1] = -1;
        }
    }
}

bool estate_open(struct estate *estate, const struct supervisor_plan *plan,
                 struct settings *settings, struct error *err)
{
    if (settings->workers < 1 || settings->workers > WORKERS_MAX) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "--workers must be 1 to %d",
                         (int)WORKERS_MAX);
    }
    estate_init(estate, (unsigned)settings->workers);
    open_fetcher(estate, plan->fetcher);
    bool good = data_folder_check(settings->data, &estate->lock, err) &&
                open_sockets(estate, plan, settings, err) &&
                data_folder_take(settings->data, &estate->lock, err) &&
                open_logs(estate, settings->data, err) && open_channels(estate, err) &&
                open_tickets(estate, err) && estate_set_settings(estate, settings, err);
    if (good) {
        estate->holdings[HOLD_BOARD] = board_create(err);
        estate->holdings[HOLD_METER] = meter_create(err);
        good = estate->holdings[HOLD_BOARD] >= 0 && estate->holdings[HOLD_METER] >= 0 &&
               (!settings->cluster || open_lease(estate, err));
    }
    if (!good) {
        estate_close(estate);
    }
    return good;
}

void estate_close(struct estate *estate)
{
    lease_unmap(estate->lease);
    estate->lease = NULL;
    for (size_t i = 0; i < HOLDINGS; i++) {
        fd_close(&estate->holdings[i]);
    }
    for (size_t i = 0; i < BOARD_WORKERS; i++) {
        fd_close(&estate->wakes[i]);
    }
    for (size_t e = 0; e < EDGES; e++) {
        for (size_t i = 0; i < BOARD_WORKERS; i++) {
            fd_close(&estate->pairs[e][i][0]);
            fd_close(&estate->pairs[e][i][1]);
        }
    }
    fd_close(&estate->log);
    fd_close(&estate->lock); /* last: who waits for it finds the rest closed */
}

/* ---- who gets what ---- */

static void each_numbered(const char *what, unsigned number, int fd,
                          void (*each)(const char *name, int fd, void *ctx), void *ctx)
{
    char name[32];
    snprintf(name, sizeof(name), "%s%u", what, number);
    each(name, fd, ctx);
}

static void each_of_edge(const struct estate *estate, size_t e, enum process_role role,
                         unsigned worker, void (*each)(const char *name, int fd, void *ctx),
                         void *ctx)
{
    int side = edges[e].a == role ? 0 : 1;
    enum process_role peer = side == 0 ? edges[e].b : edges[e].a;
    if (peer != PROCESS_INGRESS) {
        unsigned column = role == PROCESS_INGRESS ? worker : 0;
        each(process_role_name(peer), estate->pairs[e][column][side], ctx);
        return;
    }
    for (unsigned i = 0; i < estate->numbers; i++) {
        each_numbered(process_role_name(peer), i, estate->pairs[e][i][side], each, ctx);
    }
}

void estate_each(const struct estate *estate, const struct role_rights *rights, unsigned worker,
                 void (*each)(const char *name, int fd, void *ctx), void *ctx)
{
    for (unsigned i = 0; i < HOLDINGS; i++) {
        if ((rights->holds >> i & 1) != 0) {
            each(holding_name((enum holding)i), estate->holdings[i], ctx);
        }
    }
    for (unsigned i = 0; rights->wakes && i < estate->numbers; i++) {
        each_numbered("wake", i, estate->wakes[i], each, ctx);
    }
    for (size_t e = 0; e < EDGES; e++) {
        if (edges[e].a == rights->role || edges[e].b == rights->role) {
            each_of_edge(estate, e, rights->role, worker, each, ctx);
        }
    }
}

static void pair_empty(const int pair[2])
{
    for (int side = 0; side < 2; side++) {
        if (pair[side] >= 0) {
            ipc_forget(pair[side]);
        }
    }
}

void estate_empty_worker(const struct estate *estate, unsigned worker)
{
    for (size_t e = 0; e < EDGES; e++) {
        if (edge_is_many(&edges[e])) {
            pair_empty(estate->pairs[e][worker]);
        }
    }
    eventfd_t count;
    eventfd_read(estate->wakes[worker], &count);
}
