/*
 * One worker alone, for load generators: a service "hello.bench.local" with one instance, which is
 * whatever listens on UPSTREAM. It plays supervisor, control and engine first, and then is the
 * worker itself, sandbox and all.
 *
 * Usage: bench-ingress HTTPS_PORT HTTP_PORT UPSTREAM_PORT public|private [TOKEN_FILE]
 *
 * private: callers need the token that is written to TOKEN_FILE (RS256, valid for an hour).
 * The second listener serves cleartext HTTP/1.1 and HTTP/2. With BENCH_NO_SANDBOX in its
 * environment the worker keeps out of its sandbox, so that its instructions and system calls can be
 * counted. With BENCH_LEASE it is one of a cluster's node, whose lease runs for an hour.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/random.h"
#include "index/index.h"
#include "ingress/ingress.h"
#include "ipc/board.h"
#include "ipc/lease.h"
#include "ipc/meter.h"
#include "ipc/settings.h"
#include "net/net.h"
#include "trust/secret.h"

#define HOST   "hello.bench.local"
#define ISSUER "http://127.0.0.1:8080"
#define MEMBER "serviceAccount:caller@bench.iam.gserviceaccount.com"

static struct arena arena;
static struct error err;
static char fds[512];

static void check(bool good)
{
    if (!good) {
        fprintf(stderr, "bench-ingress: %s\n", err.text);
        exit(1);
    }
}

static void hand_over(const char *name, int fd)
{
    size_t used = strlen(fds);
    snprintf(fds + used, sizeof(fds) - used, "%s%s=%d", used > 0 ? " " : "", name, fd);
}

static struct slice token_make(const struct trust_secret *secret)
{
    struct slice signature;
    long long now = clock_wall_us() / 1000000;
    const char *claims = arena_printf(&arena,
                                      "{\"iss\":\"" ISSUER "\",\"aud\":\"https://" HOST
                                      "\",\"sub\":\"1\",\"iat\":%lld,\"exp\":%lld}",
                                      now, now + 3600);
    struct slice input =
        token_signing_input(&arena, trust_secret_alg(secret), SLICE("k1"), slice_of(claims));
    check(trust_sign(&arena, secret, input, &signature, &err));
    return token_assemble(&arena, input, signature);
}

static void publish(const char *dir, bool public, const struct trust_secret *secret)
{
    struct slice spki;
    struct index_writer *writer = index_writer_new(dir, &err);
    check(writer != NULL && trust_secret_spki(&arena, secret, &spki, &err));
    struct index_service service = {
        .id = 7,
        .invoker_check_off = public,
        .project = SLICE("bench"),
        .project_number = SLICE("1"),
        .region = SLICE("local"),
        .name = SLICE("hello"),
        .resource_name = SLICE("projects/bench/locations/local/services/hello"),
        .audiences = {SLICE("https://" HOST)},
        .audience_count = 1,
        .url_audience_count = 1,
        .nodes = {7, 3, 1},
        .node_count = 3,
        .targets = {{.revision_id = 9,
                     .percent = 100,
                     .concurrency = 1000,
                     .timeout_s = 300,
                     .max_instances = 100,
                     .revision = SLICE("hello-00001-abc")}},
        .target_count = 1,
    };
    struct index_key key = {SLICE("RS256"), spki};
    struct index_grant_row row = {SLICE(MEMBER), {.role = SLICE("roles/run.invoker")}};
    struct index_txn *txn = index_txn_begin(writer, &err);
    check(txn != NULL && index_txn_set_change_number(txn, 1, &err) &&
          index_txn_put_service(txn, &service, &err) &&
          index_txn_put_route(txn, SLICE(HOST), &(struct index_route){.service_id = 7}, &err) &&
          index_txn_put_grants(txn, 7, &row, 1, &err) &&
          index_txn_put_account(txn, SLICE("1"), &(struct index_account){.member = SLICE(MEMBER)},
                                &err) &&
          index_txn_put_issuer(txn, SLICE(ISSUER), &(struct index_issuer){.id = 1, .ours = true},
                               &err) &&
          index_txn_put_key(txn, 1, SLICE("k1"), &key, &err) && index_txn_commit(&txn, &err));
    index_writer_free(writer);
}

static void make_certificate(const char *dir)
{
    struct slice ca, ca_key, chain, key;
    struct slice name = SLICE(HOST);
    long long now = clock_wall_us() / 1000000;
    check(trust_ca_make(&arena, "bench", now, &ca, &ca_key, &err) &&
          trust_leaf_make(&arena, ca, ca_key, &name, 1, now, 30, &chain, &key, &err));
    check(file_make_dir(arena_printf(&arena, "%s/tls", dir), 0700, &err) &&
          file_write(arena_printf(&arena, "%s/tls/leaf.pem", dir), chain, 0600, &err) &&
          file_write(arena_printf(&arena, "%s/tls/leaf.key", dir), key, 0600, &err));
}

static struct sockaddr_in loopback(const char *port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)},
                                .sin_port = htons((uint16_t)atoi(port))};
}

static int bind_port(const char *port)
{
    struct sockaddr_in address = loopback(port);
    int fd = net_bind((const struct sockaddr *)&address, sizeof(address), &err);
    check(fd >= 0);
    return fd;
}

static void hand_over_all(const char *dir, char **argv)
{
    struct settings settings;
    static const char *const peers[] = {"supervisor", "engine", "control", "signer"};
    unsigned char tickets[80];
    settings_default(&settings);
    settings.plain = 1;
    settings.log_level = 1;
    snprintf(settings.data, sizeof(settings.data), "%s", dir);
    int fd = memfd_create("settings", 0);
    check(settings_write(&settings, fd, &err));
    hand_over("settings", fd);
    fd = memfd_create("tickets", 0);
    random_bytes(tickets, sizeof(tickets));
    check(write(fd, tickets, sizeof(tickets)) == (ssize_t)sizeof(tickets));
    hand_over("tickets", fd);
    hand_over("https", bind_port(argv[1]));
    hand_over("http", bind_port(argv[2]));
    hand_over("wake0", eventfd(0, EFD_NONBLOCK));
    hand_over("denials", open("/dev/null", O_WRONLY | O_CLOEXEC));
    hand_over("log-requests", open(arena_printf(&arena, "%s/requests.jsonl", dir),
                                   O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    for (size_t i = 0; i < sizeof(peers) / sizeof(peers[0]); i++) {
        int pair[2];
        check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) == 0);
        hand_over(peers[i], pair[0]);
    }
    int meter = meter_create(&err);
    check(meter >= 0);
    hand_over("meter", meter);
    if (getenv("BENCH_LEASE") != NULL) {
        int lease = lease_create(&err);
        struct lease *mapped = lease_map(lease, true, &err);
        check(mapped != NULL);
        lease_set(mapped, clock_boot_us() + (int64_t)3600 * 1000000);
        hand_over("lease", lease);
    }
    int board_fd = board_create(&err);
    struct board *board = board_map(board_fd, &err);
    check(board != NULL);
    struct sockaddr_in upstream = loopback(argv[3]);
    struct board_address address = {upstream.sin_addr.s_addr, ntohs(upstream.sin_port), 0};
    int slot = board_add(board, 9, 1000, address);
    board_set_state(board, slot, INSTANCE_READY);
    hand_over("board", board_fd);
}

/* Stands in front of the sandbox, which lets neither valgrind nor strace work. */
bool __real_sandbox_enter(struct error *error);
bool __wrap_sandbox_enter(struct error *error);
bool __wrap_sandbox_enter(struct error *error)
{
    return getenv("BENCH_NO_SANDBOX") != NULL || __real_sandbox_enter(error);
}

int main(int argc, char **argv)
{
    char dir[] = "/tmp/homerun-bench-XXXXXX";
    if (argc < 5) {
        fprintf(stderr, "usage: bench-ingress HTTPS_PORT HTTP_PORT UPSTREAM_PORT public|private "
                        "[TOKEN_FILE]\n");
        return 2;
    }
    struct trust_secret *secret = trust_secret_generate(TRUST_RS256, &err);
    check(secret != NULL && mkdtemp(dir) != NULL);
    check(file_make_dir(arena_printf(&arena, "%s/index", dir), 0700, &err));
    publish(arena_printf(&arena, "%s/index", dir), strcmp(argv[4], "public") == 0, secret);
    make_certificate(dir);
    if (argc > 5) {
        check(file_write(argv[5], token_make(secret), 0600, &err));
    }
    trust_secret_free(secret);
    hand_over_all(dir, argv);
    setenv("HOMERUN_FDS", fds, 1);
    setenv("HOMERUN_WORKER", "0", 1);
    return ingress_main(1, argv);
}
