/*
 * The built-in container at its socket: it is a program, so it is started and spoken to. What it
 * answers is what its --echo sends back.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char *program;
static pid_t pid;
static struct sockaddr_in address;

/* A port that was free a moment ago. */
static int start(void **state)
{
    (void)state;
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
    if (bind(fd, (struct sockaddr *)&address, len) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        return -1;
    }
    close(fd);
    pid = fork();
    if (pid == 0) {
        char port[16];
        snprintf(port, sizeof(port), "%u", ntohs(address.sin_port));
        setenv("PORT", port, 1);
        execl(program, "homerun-hello", "--echo", NULL);
        _exit(127);
    }
    return 0;
}

static int stop(void **state)
{
    (void)state;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return 0;
}

/* Refused until the program listens; each try waits for the child to be scheduled. */
static int dial(void)
{
    for (int tries = 0; tries < 5000; tries++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
            setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){10, 0},
                       sizeof(struct timeval));
            return fd;
        }
        close(fd);
        usleep(1000);
    }
    fail_msg("%s does not listen", program);
    return -1;
}

/* What comes back for PARTS, sent one after the other, until the end of the connection. */
static void talk(const char *const *parts, char *out, size_t size)
{
    int fd = dial();
    size_t len = 0;
    for (; *parts != NULL; parts++) {
        assert_int_equal(send(fd, *parts, strlen(*parts), MSG_NOSIGNAL), strlen(*parts));
    }
    for (ssize_t got; len < size - 1 && (got = recv(fd, out + len, size - 1 - len, 0)) > 0;) {
        len += (size_t)got;
    }
    out[len] = '\0';
    close(fd);
}

#define HEAD                                                                                       \
    "POST /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"

static const struct {
    const char *parts[6];
    const char *status, *body;
} rows[] = {
    {{HEAD "3\r\nabc\r\n0\r\n\r\n"}, "200", "\"body\":\"abc\""},
    {{HEAD "3\r\nabc\r\n0\r\nGrpc-Status: 0\r\n\r\n"}, "200", "\"body\":\"abc\""},
    {{HEAD "3\r\nabc\r\n0\r\nA: 1\r\nB:\r\nC: x:y\r\n\r\n"}, "200", "\"body\":\"abc\""},
    {{HEAD, "3\r\nabc\r\n0\r\n", "A: 1", "\r\nB: 2\r\n", "\r\n"}, "200", "\"body\":\"abc\""},
    {{HEAD "0\r\nA: 1\r\n\r\n"}, "200", "\"body\":\"\""},
    {{HEAD "0\r\nno field\r\n\r\n"}, "400", NULL},
    {{HEAD "0\r\n: 1\r\n\r\n"}, "400", NULL},
    {{HEAD "0\r\nA: 1\r\n folded\r\n\r\n"}, "400", NULL},
};

static void a_request_may_end_with_trailers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char answer[8192];
        talk(rows[i].parts, answer, sizeof(answer));
        if (strncmp(answer, "HTTP/1.1 ", 9) != 0 || strncmp(answer + 9, rows[i].status, 3) != 0 ||
            (rows[i].body != NULL && strstr(answer, rows[i].body) == NULL)) {
            fail_msg("row %zu: %s", i, answer);
        }
    }
}

static void what_follows_trailers_is_the_next_request(void **state)
{
    (void)state;
    static const char *const parts[] = {
        "POST /one HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        "1\r\na\r\n0\r\nT: 1\r\n\r\n"
        "GET /two HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        NULL,
    };
    char answer[8192];
    talk(parts, answer, sizeof(answer));
    assert_non_null(strstr(answer, "\"path\":\"/one\""));
    assert_non_null(strstr(answer, "\"path\":\"/two\""));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_may_end_with_trailers),
        cmocka_unit_test(what_follows_trailers_is_the_next_request),
    };
    if (argc < 2) {
        return 1;
    }
    program = argv[1];
    return cmocka_run_group_tests(tests, start, stop);
}
