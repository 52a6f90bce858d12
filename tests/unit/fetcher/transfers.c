/* What the fetcher asks, of a server on this machine that is a thread of the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fetcher/transfers.h"

enum { HEAD_MAX = 4096 };

/* ---- the server: one answer to each request, and the connection stays open ---- */

struct server {
    int fd;
    unsigned port;
    const char *answer;
    unsigned connections; /* that came; read when nothing is under way */
    char heads[4 * HEAD_MAX];
    pthread_t thread;
};

static void *serve_one(void *ctx)
{
    struct server *server = ctx;
    for (int fd; (fd = accept(server->fd, NULL, NULL)) >= 0; close(fd)) {
        char head[HEAD_MAX];
        server->connections++;
        for (ssize_t got; (got = recv(fd, head, sizeof(head) - 1, 0)) > 0;) {
            head[got] = '\0';
            strncat(server->heads, head, sizeof(server->heads) - strlen(server->heads) - 1);
            send(fd, server->answer, strlen(server->answer), MSG_NOSIGNAL);
        }
    }
    return NULL;
}

static void server_open(struct server *server, const char *answer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(address);
    *server = (struct server){.fd = socket(AF_INET, SOCK_STREAM, 0), .answer = answer};
    assert_int_equal(bind(server->fd, (struct sockaddr *)&address, bytes), 0);
    assert_int_equal(listen(server->fd, 8), 0);
    getsockname(server->fd, (struct sockaddr *)&address, &bytes);
    server->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server->thread, NULL, serve_one, server), 0);
}

static void server_close(struct server *server)
{
    shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->fd);
}

/* ---- a question ---- */

struct heard {
    unsigned count;
    unsigned status;
    char text[512];
};

static void on_answer(void *ctx, const struct fetch_answer *answer)
{
    struct heard *heard = ctx;
    heard->count++;
    heard->status = answer->status;
    snprintf(heard->text, sizeof(heard->text), "%.*s", SLICE_ARG(answer->text));
}

static void ask(struct transfers *transfers, struct heard *heard, struct fetch_ask question,
                const struct server *server, const char *path)
{
    char uri[128];
    int nothing = eventfd(0, 0);
    snprintf(uri, sizeof(uri), "http://127.0.0.1:%u%s", server->port, path);
    question.texts[FETCH_URI] = slice_of(uri);
    question.bytes_max = question.bytes_max > 0 ? question.bytes_max : FETCH_BYTES_MAX;
    *heard = (struct heard){0};
    transfers_begin(transfers, &question);
    while (heard->count == 0) {
        transfers_step(transfers);
        transfers_wait(transfers, nothing, heard->count == 0 ? 100 : 0);
    }
    close(nothing);
}

static const char good[] =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

static void what_is_asked_arrives_as_it_was_given(void **state)
{
    struct server server;
    struct heard heard;
    struct error err = {0};
    (void)state;
    struct transfers *transfers = transfers_new(on_answer, &heard, &err);
    server_open(&server, good);
    ask(transfers, &heard,
        (struct fetch_ask){
            .texts = {[FETCH_FORM] = SLICE_INIT("a=b"), [FETCH_CREDENTIALS] = SLICE_INIT("u:p")}},
        &server, "/token");
    assert_int_equal(heard.status, 200);
    assert_string_equal(heard.text, "{}");
    ask(transfers, &heard, (struct fetch_ask){.texts = {[FETCH_BEARER] = SLICE_INIT("t0ken")}},
        &server, "/userinfo");
    assert_int_equal(heard.status, 200);
    transfers_free(transfers);
    server_close(&server);
    assert_non_null(strstr(server.heads, "POST /token HTTP/1.1\r\n"));
    assert_non_null(strstr(server.heads, "Authorization: Basic dTpw\r\n"));
    assert_non_null(strstr(server.heads, "\r\n\r\na=b"));
    assert_non_null(strstr(server.heads, "GET /userinfo HTTP/1.1\r\n"));
    assert_non_null(strstr(server.heads, "Authorization: Bearer t0ken\r\n"));
    assert_int_equal(server.connections, 2);
}

/* The connection of the first question is still open when the second one comes. */
static void what_was_allowed_for_one_question_is_judged_anew_for_the_next(void **state)
{
    struct server server;
    struct heard heard;
    struct error err = {0};
    (void)state;
    struct transfers *transfers = transfers_new(on_answer, &heard, &err);
    server_open(&server, good);
    ask(transfers, &heard, (struct fetch_ask){0}, &server, "/one");
    assert_int_equal(heard.status, 200);
    ask(transfers, &heard, (struct fetch_ask){.rules = 1u << FETCH_ONLY_PUBLIC}, &server, "/two");
    assert_int_equal(heard.status, 0);
    assert_string_equal(heard.text, "its host has no public address, and only such are asked");
    transfers_free(transfers);
    server_close(&server);
    assert_int_equal(server.connections, 1);
}

static void an_answer_has_its_limits(void **state)
{
    static const struct {
        const char *answer, *text;
        size_t bytes_max;
        unsigned rules, status;
    } rows[] = {
        {good, "{}", 2, 1u << FETCH_ONLY_JSON, 200},
        {good, "it is larger than 1 bytes", 1, 0, 0},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", "it is no JSON by its content type", 0,
         1u << FETCH_ONLY_JSON, 0},
        {"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n", "", 0, 0, 302},
        {"SSH-2.0-OpenSSH\r\n", "", 0, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct server server;
        struct heard heard;
        struct error err = {0};
        struct transfers *transfers = transfers_new(on_answer, &heard, &err);
        server_open(&server, rows[i].answer);
        ask(transfers, &heard,
            (struct fetch_ask){.bytes_max = rows[i].bytes_max, .rules = rows[i].rules}, &server,
            "/");
        assert_int_equal(heard.status, rows[i].status);
        assert_true(rows[i].text[0] == '\0' || strcmp(heard.text, rows[i].text) == 0);
        assert_true(heard.status != 0 || heard.text[0] != '\0');
        transfers_free(transfers);
        server_close(&server);
        assert_null(strstr(server.heads, "/other"));
    }
}

static void more_than_so_many_at_once_are_refused(void **state)
{
    struct heard heard = {0};
    struct error err = {0};
    (void)state;
    struct transfers *transfers = transfers_new(on_answer, &heard, &err);
    struct fetch_ask question = {.bytes_max = 1, .texts = {SLICE_INIT("http://127.0.0.1:9/")}};
    for (unsigned i = 0; i <= FETCHES_AT_ONCE; i++) {
        transfers_begin(transfers, &question);
        assert_int_equal(heard.count, i == FETCHES_AT_ONCE);
    }
    assert_string_equal(heard.text, "too many others are asked at this moment");
    transfers_free(transfers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_asked_arrives_as_it_was_given),
        cmocka_unit_test(what_was_allowed_for_one_question_is_judged_anew_for_the_next),
        cmocka_unit_test(an_answer_has_its_limits),
        cmocka_unit_test(more_than_so_many_at_once_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
