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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_cannot_be_opened),
        cmocka_unit_test(programs_cannot_be_started),
        cmocka_unit_test(only_tcp_sockets_can_be_made),
        cmocka_unit_test(other_processes_are_out_of_reach),
        cmocka_unit_test(ordinary_work_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
