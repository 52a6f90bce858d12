/* What a worker can still do once it has shut itself in, and what it cannot. */
#include "fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../scratch.h"
#include "ingress/sandbox.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

enum { CANNOT_ENTER = 99 };

/* Runs DEED in a sandboxed child; what it answers. */
static int in_the_sandbox(int (*deed)(void))
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct error err;
        alarm(10);
        if (!sandbox_enter(&err)) {
            fprintf(stderr, "%s\n", err.text);
            _exit(CANNOT_ENTER);
        }
        _exit(deed());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_not_equal(WEXITSTATUS(status), CANNOT_ENTER);
    return WEXITSTATUS(status);
}

#define assert_good(deed)                                                                          \
    do {                                                                                           \
        if (SANITIZED) {                                                                           \
            skip();                                                                                \
        }                                                                                          \
        assert_int_equal(in_the_sandbox(deed), 0);                                                 \
    } while (0)

static int open_files(void)
{
    if (open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0) {
        return 1;
    }
    if (open("/tmp/homerun-sandbox", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0) {
        return 2;
    }
    return unlink("/tmp/homerun-nothing") == 0 || errno == ENOENT ? 3 : 0;
}

static void files_cannot_be_opened(void **state)
{
    (void)state;
    assert_good(open_files);
}

static int start_programs(void)
{
    char *const words[] = {NULL};
    execve("/bin/true", words, words);
    if (errno == ENOENT) {
        return 1;
    }
    pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    return child > 0 ? 2 : 0;
}

static void programs_cannot_be_started(void **state)
{
    (void)state;
    assert_good(start_programs);
}

static int other_sockets(void)
{
    static const int kinds[][2] = {
        {AF_UNIX, SOCK_STREAM}, {AF_INET, SOCK_DGRAM}, {AF_INET, SOCK_RAW},
        {AF_NETLINK, SOCK_RAW}, {AF_PACKET, SOCK_RAW}, {AF_INET6, SOCK_DGRAM},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (socket(kinds[i][0], kinds[i][1] | SOCK_CLOEXEC, 0) >= 0) {
            return (int)i + 1;
        }
    }
    return 0;
}

static void only_tcp_sockets_can_be_made(void **state)
{
    (void)state;
    assert_good(other_sockets);
}

static int reach_others(void)
{
    if (kill(getppid(), 0) == 0) {
        return 1;
    }
    void *code =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code != MAP_FAILED) {
        return 2;
    }
    if (setuid(0) == 0 && getuid() == 0) {
        return 3;
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in any = {.sin_family = AF_INET};
    return bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0 ? 4 : 0;
}

static void other_processes_are_out_of_reach(void **state)
{
    (void)state;
    assert_good(reach_others);
}

static int ordinary_work(void)
{
    struct timespec now;
    char *memory = malloc(64 << 20);
    memset(memory, 1, 64 << 20);
    free(memory);
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int v4 = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in nobody = {.sin_family = AF_INET,
                                 .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)},
                                 .sin_port = htons(1)};
    int connected = connect(v4, (struct sockaddr *)&nobody, sizeof(nobody));
    struct pollfd wait = {.fd = v4, .events = POLLOUT};
    bool good = clock_gettime(CLOCK_MONOTONIC, &now) == 0 && fd >= 0 && v4 >= 0 && connected != 0 &&
                (errno == EINPROGRESS || errno == ECONNREFUSED) && poll(&wait, 1, 1000) >= 0 &&
                close(fd) == 0;
    return good ? 0 : 1;
}

static void ordinary_work_goes_on(void **state)
{
    (void)state;
    assert_good(ordinary_work);
}

/* ---- an index that grows meanwhile ---- */

/* Accounts FROM to TO. */
static void put_accounts(struct index_writer *writer, int from, int to)
{
    static char text[2000];
    struct error err;
    memset(text, 'x', sizeof(text));
    struct index_account account = {.member = {text, sizeof(text)}};
    struct index_txn *txn = index_txn_begin(writer, &err);
    assert_non_null(txn);
    for (int i = from; i < to; i++) {
        char sub[16];
        snprintf(sub, sizeof(sub), "%d", i);
        assert_true(index_txn_put_account(txn, slice_of(sub), &account, &err));
    }
    assert_true(index_txn_set_change_number(txn, (uint64_t)to, &err));
    assert_true(index_txn_commit(&txn, &err));
}

/* A worker: looks once, shuts itself in, says so, and looks again when it is told to. */
static int look_twice(const char *dir, int tell, int told)
{
    struct error err;
    char byte = 0;
    struct index_account account;
    struct index_reader *reader = index_reader_new(dir, &err);
    alarm(30);
    if (reader == NULL || !index_reader_account(reader, SLICE("9"), &account) ||
        !sandbox_enter(&err) || write(tell, &byte, 1) != 1 || read(told, &byte, 1) != 1) {
        return 1;
    }
    index_reader_renew(reader);
    return index_reader_account(reader, SLICE("2999"), &account) && account.member.len == 2000 ? 0
                                                                                               : 2;
}

static void a_worker_sees_what_an_index_that_grew_has(void **state)
{
    (void)state;
    char dir[] = "/tmp/homerun-grows-XXXXXX", command[64], byte = 0;
    struct error err;
    int ready[2], go[2], status;
    enum { SMALL = 1 << 20 };
    assert_non_null(scratch_new(dir));
    struct index_writer *writer = index_writer_new_sized(dir, SMALL, &err);
    assert_non_null(writer);
    put_accounts(writer, 0, 10);
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(go), 0);
    pid_t child = fork();
    if (child == 0) {
        _exit(look_twice(dir, ready[1], go[0]));
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    for (int at = 10; at < 3000; at += at < 100 ? 90 : 100) {
        put_accounts(writer, at, at < 100 ? 100 : at + 100); /* 12 MiB in the end */
    }
    index_writer_free(writer);
    writer = index_writer_new_sized(dir, SMALL, &err); /* control was restarted */
    assert_non_null(writer);
    assert_int_equal(index_writer_change_number(writer), 3000);
    put_accounts(writer, 0, 10);
    assert_int_equal(write(go[1], &byte, 1), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    index_writer_free(writer);
    close(ready[0]);
    close(go[0]);
    close(go[1]);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_cannot_be_opened),
        cmocka_unit_test(programs_cannot_be_started),
        cmocka_unit_test(only_tcp_sockets_can_be_made),
        cmocka_unit_test(other_processes_are_out_of_reach),
        cmocka_unit_test(ordinary_work_goes_on),
        cmocka_unit_test(a_worker_sees_what_an_index_that_grew_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
