/* What the fetcher can still do once it has shut itself in, and what it cannot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fetcher/sandbox.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

enum { CANNOT_ENTER = 99 };

/* Runs DEED in a sandboxed child; what it answers: 0, or the number of what went otherwise. */
static int in_the_sandbox(int (*deed)(void))
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct error err;
        alarm(30);
        if (!fetcher_sandbox_enter(&err)) {
            fprintf(stderr, "%s\n", err.text);
            _exit(CANNOT_ENTER);
        }
        _exit(deed());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

#define assert_good(deed)                                                                          \
    do {                                                                                           \
        if (SANITIZED) {                                                                           \
            skip();                                                                                \
        }                                                                                          \
        assert_int_equal(in_the_sandbox(deed), 0);                                                 \
    } while (0)

static bool opens(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    return fd >= 0 && close(fd) == 0;
}

static bool has_landlock(void)
{
    return access("/sys/kernel/security/landlock", F_OK) == 0 || !opens("/etc/passwd", O_RDONLY);
}

static int open_files(void)
{
    static const char *const shut[] = {
        "/etc/passwd", "/etc/ssh/sshd_config", "/proc/self/status", "/proc/1/status", "/tmp",
        "/var/lib"};
    for (size_t i = 0; has_landlock() && i < sizeof(shut) / sizeof(shut[0]); i++) {
        if (opens(shut[i], O_RDONLY)) {
            return 1 + (int)i;
        }
    }
    if (opens("/tmp/homerun-fetcher-made", O_WRONLY | O_CREAT) || opens("/etc/hosts", O_RDWR)) {
        return 20;
    }
    if (mkdir("/tmp/homerun-fetcher-made", 0700) == 0 || unlink("/tmp/homerun-nothing") == 0 ||
        errno == ENOENT) {
        return 21;
    }
    return opens("/etc/hosts", O_RDONLY) && opens("/etc/ssl", O_RDONLY | O_DIRECTORY) ? 0 : 22;
}

static void it_reads_certificates_and_names_and_nothing_else(void **state)
{
    (void)state;
    assert_good(open_files);
}

static void *answer(void *ctx)
{
    return ctx;
}

static int look_up(void)
{
    struct addrinfo *found = NULL;
    struct ifaddrs *own = NULL;
    pthread_t thread;
    void *got = NULL;
    int word = 0, pair[2];
    if (getaddrinfo("localhost", "80", NULL, &found) != 0) {
        return 1;
    }
    freeaddrinfo(found);
    if (getifaddrs(&own) != 0) {
        return 2;
    }
    freeifaddrs(own);
    if (pthread_create(&thread, NULL, answer, &word) != 0 || pthread_join(thread, &got) != 0 ||
        got != &word) {
        return 3;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) {
        return 4;
    }
    return socket(AF_INET, SOCK_DGRAM, 0) < 0 || socket(AF_INET6, SOCK_STREAM, 0) < 0 ? 5 : 0;
}

static void it_looks_names_up_on_threads(void **state)
{
    (void)state;
    assert_good(look_up);
}

static int reach_out(void)
{
    char *const words[] = {NULL};
    const struct sockaddr_in any = {.sin_family = AF_INET};
    execve("/bin/true", words, words);
    if (errno == ENOENT) {
        return 1;
    }
    if (fork() >= 0 || vfork() > 0) {
        return 2;
    }
    if (socket(AF_UNIX, SOCK_STREAM, 0) >= 0 || socket(AF_PACKET, SOCK_RAW, 0) >= 0) {
        return 3;
    }
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof(any)) == 0 ||
        bind(fd, (const struct sockaddr *)&any, 12) == 0 || listen(fd, 1) == 0) {
        return 4;
    }
    if (kill(getppid(), 0) == 0) {
        return 5;
    }
    void *page = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page != MAP_FAILED ? 6 : getuid() == 0 ? 7 : 0;
}

static void it_starts_serves_and_touches_nothing(void **state)
{
    (void)state;
    assert_good(reach_out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_reads_certificates_and_names_and_nothing_else),
        cmocka_unit_test(it_looks_names_up_on_threads),
        cmocka_unit_test(it_starts_serves_and_touches_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
