/* The parts of the engine that need no process: numbers, records, lines, answers. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../scratch.h"
#include "engine/autoscale.h"
#include "engine/backend.h"
#include "engine/images.h"
#include "engine/logs.h"
#include "engine/output.h"
#include "engine/probe_call.h"
#include "engine/run_record.h"
#include "engine/tool.h"

#define AT_60 .concurrency_target_m = 600, .cpu_target_m = 600

static void the_formula_is_that_of_the_contract(void **state)
{
    (void)state;
    static const struct {
        struct autoscale_facts facts;
        uint32_t needed, wanted;
    } cases[] = {
        {{AT_60, .concurrency = 80, .max = 100}, 0, 0},
        {{AT_60, .concurrency = 80, .min = 2, .max = 100}, 2, 2},
        {{AT_60, .concurrency = 80, .waiting = 1, .max = 100}, 1, 1},
        {{AT_60, .concurrency = 80, .waiting = 81, .max = 100}, 2, 2},
        {{AT_60, .concurrency = 80, .taken = 48, .max = 100}, 1, 1},
        {{AT_60, .concurrency = 80, .taken = 49, .max = 100}, 1, 2},
        {{AT_60, .concurrency = 10, .taken = 60, .max = 100}, 6, 10},
        {{AT_60, .concurrency = 1, .taken = 1, .max = 100}, 1, 1},
        {{AT_60, .concurrency = 1, .taken = 3, .waiting = 2, .max = 4}, 4, 4},
        {{AT_60, .concurrency = 1, .waiting = 2, .max = 0}, 0, 0},
        {{AT_60, .concurrency = 80, .min = 5, .max = 3}, 3, 3},
        {{AT_60, .concurrency = 80, .taken = 9, .cpu_used = 1.9, .cpu_limit = 1, .max = 100}, 1, 4},
        {{AT_60, .concurrency = 80, .taken = 2, .cpu_used = 9, .cpu_limit = 1, .max = 100}, 1, 2},
        {{AT_60, .concurrency = 80, .cpu_used = 9, .cpu_limit = 1, .max = 100}, 0, 0},
        /* Other targets; 0 is off. */
        {{.concurrency = 80, .concurrency_target_m = 100, .taken = 16, .max = 100}, 1, 2},
        {{.concurrency = 80, .concurrency_target_m = 950, .taken = 76, .max = 100}, 1, 1},
        {{.concurrency = 80, .concurrency_target_m = 950, .taken = 77, .max = 100}, 1, 2},
        {{.concurrency = 80, .cpu_target_m = 600, .taken = 80, .max = 100}, 1, 1},
        {{.concurrency = 80,
          .concurrency_target_m = 600,
          .taken = 9,
          .cpu_used = 4,
          .cpu_limit = 1,
          .max = 100},
         1,
         1},
        {{.concurrency = 80,
          .cpu_target_m = 950,
          .taken = 9,
          .cpu_used = 1.9,
          .cpu_limit = 1,
          .max = 100},
         1,
         2},
        {{.concurrency = 80,
          .cpu_target_m = 100,
          .taken = 9,
          .cpu_used = 0.3,
          .cpu_limit = 1,
          .max = 100},
         1,
         3},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(autoscale_needed(&cases[i].facts), cases[i].needed);
        assert_int_equal(autoscale_wanted(&cases[i].facts), cases[i].wanted);
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    ++*(unsigned *)poll->data;
}

static void ignore_bytes(void *ctx, enum log_stream stream, struct slice bytes)
{
    (void)ctx, (void)stream, (void)bytes;
}

/* The number of its pipe is not another one's before it is closed: to close it would take that one
 * out of what the loop watches, and a probe's timer, say, would never fire again. */
static void an_output_that_has_ended_is_in_nobodys_way(void **state)
{
    (void)state;
    uv_loop_t loop;
    uv_poll_t poll;
    unsigned readable = 0;
    int write_fd, other[2];
    uv_loop_init(&loop);
    struct output *output = output_new(&loop, LOG_STDOUT, ignore_bytes, NULL, &write_fd);
    assert_non_null(output);
    close(write_fd);
    uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(pipe(other), 0);
    uv_poll_init(&loop, &poll, other[0]);
    poll.data = &readable;
    uv_poll_start(&poll, UV_READABLE, on_readable);
    uv_run(&loop, UV_RUN_NOWAIT);
    output_close(output);
    assert_int_equal(write(other[1], "x", 1), 1);
    uv_run(&loop, UV_RUN_NOWAIT);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_true(readable > 0);
    uv_close((uv_handle_t *)&poll, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    close(other[0]);
    close(other[1]);
}

static void the_back_off_doubles_up_to_ten_seconds(void **state)
{
    (void)state;
    assert_int_equal(autoscale_backoff_us(0), 0);
    assert_int_equal(autoscale_backoff_us(1), 100000);
    assert_int_equal(autoscale_backoff_us(4), 800000);
    assert_int_equal(autoscale_backoff_us(8), 10000000);
    assert_int_equal(autoscale_backoff_us(UINT32_MAX), 10000000);
}

static void a_minute_is_looked_back_over(void **state)
{
    (void)state;
    struct autoscale_window window = {0};
    assert_int_equal(autoscale_window_add(&window, 9), 9);
    for (int i = 0; i < AUTOSCALE_WINDOW - 1; i++) {
        assert_int_equal(autoscale_window_add(&window, 1), 9);
    }
    assert_int_equal(autoscale_window_add(&window, 1), 1);
}

static void engines_are_found_by_name(void **state)
{
    (void)state;
    struct error err = {0};
    assert_ptr_equal(backend_find("auto", &err), &container_backend);
    assert_ptr_equal(backend_find("process", &err), &process_backend);
    assert_ptr_equal(backend_find("oci", &err), &container_backend);
    assert_ptr_equal(backend_find("kubernetes", &err), &kubernetes_backend);
    assert_null(backend_find("other", &err));
    assert_non_null(strstr(err.text, "there is no engine 'other'"));
}

static void only_records_with_a_minimum_are_read_in_full(void **state)
{
    (void)state;
    assert_false(run_record_may_have_minimum(SLICE("{\"min_instances\":0,\"x\":1}")));
    assert_false(run_record_may_have_minimum(SLICE("{\"x\":1}")));
    assert_true(run_record_may_have_minimum(SLICE("{\"min_instances\":1}")));
    assert_true(run_record_may_have_minimum(SLICE("{\"min_instances\" : 0}")));
    assert_false(run_record_may_have_minimum(
        SLICE("{\"min_instances\":0,\"env\":{\"A\":\"\\\"min_instances\\\":7\"}}")));
}

static void a_record_without_its_parts_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "{\"revision_id\":1,\"revision\":\"r\"}",
        "{\"revision_id\":1,\"revision\":\"r\",\"containers\":[]}",
        "{\"revision_id\":1,\"revision\":\"r\",\"containers\":[{}]}",
        "{\"revision_id\":0,\"revision\":\"r\",\"containers\":[{\"port\":1}]}",
        "{\"revision_id\":1,\"containers\":[{\"port\":1}]}",
    };
    struct error err = {0};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_null(run_record_read(slice_of(bad[i]), &err));
    }
    struct run_record *record = run_record_read(
        SLICE("{\"revision_id\":1,\"revision\":\"r\",\"concurrency\":-5,\"containers\":[{\"port\":"
              "8080,\"env\":{\"A\":7},\"startup_probe\":null,\"args\":\"x\"}]}"),
        &err);
    assert_non_null(record);
    assert_int_equal(record->concurrency, 1);
    assert_int_equal(record->containers[0].env_count, 0);
    assert_int_equal(record->containers[0].startup.kind, PROBE_TCP);
    assert_int_equal(record->containers[0].startup.period_s, 240);
    run_record_unref(record);
}

static const char *const program[] = {"sh", "-x", NULL};
static const char *const none[] = {NULL};

static struct run_container a_program(void)
{
    return (struct run_container){.name = "",
                                  .image = "i",
                                  .dir = "/tmp",
                                  .working_dir = "",
                                  .rules = {.env = none},
                                  .program = program,
                                  .command = none,
                                  .secret_env = none,
                                  .args = none};
}

static bool resolves(const struct run_container *container, struct error *err)
{
    auto_arena arena = {0};
    struct image_command out;
    bool good = image_resolve(&arena, container, &out, err);
    if (good) {
        assert_int_equal(close(out.dir_fd), 0);
    }
    return good;
}

static void a_deployer_chooses_what_the_registrant_allows_and_nothing_else(void **state)
{
    (void)state;
    struct error err = {0};
    static const char *const other[] = {"env", NULL};
    static const char *const longer[] = {"sh", "-c", NULL};
    static const char *const args[] = {"a", "b", NULL};
    static const struct run_pair pair = {"PYTHONPATH", "/tmp"};
    static const char *const names[] = {"PYTHONPATH", NULL};
    struct run_container container = a_program();
    assert_true(resolves(&container, &err));
    container.command = program;
    assert_true(resolves(&container, &err));
    container.command = other;
    assert_false(resolves(&container, &err));
    assert_non_null(strstr(err.text, "cannot replace"));
    container.command = longer;
    assert_false(resolves(&container, &err));
    container = a_program();
    container.args = args;
    assert_false(resolves(&container, &err));
    assert_non_null(strstr(err.text, "--allow-args"));
    container.rules.args = true;
    assert_true(resolves(&container, &err));
    container = a_program();
    container.env = &pair;
    container.env_count = 1;
    assert_false(resolves(&container, &err));
    assert_non_null(strstr(err.text, "Python reads it"));
    container.rules.safe_env = true;
    assert_false(resolves(&container, &err));
    container.rules.env = names;
    assert_true(resolves(&container, &err));
    container.program = none;
    assert_false(resolves(&container, &err));
}

static void a_program_runs_inside_of_its_folder(void **state)
{
    (void)state;
    char dir[] = "/tmp/homerun-parts-XXXXXX", path[128];
    struct error err = {0};
    static const char *const links[] = {"/etc", "..", "sub/../..", "/proc/self/cwd"};
    assert_non_null(scratch_new(dir));
    struct run_container container = a_program();
    container.dir = dir;
    container.working_dir = "sub";
    assert_false(resolves(&container, &err));
    snprintf(path, sizeof(path), "%s/sub", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_true(resolves(&container, &err));
    container.working_dir = path; /* from the root on, but inside */
    assert_true(resolves(&container, &err));
    static const char *const out[] = {"..", "/", "/etc", "sub/../..", "/tmp/homerun-parts"};
    for (size_t i = 0; i < sizeof(out) / sizeof(out[0]); i++) {
        container.working_dir = out[i];
        assert_false(resolves(&container, &err));
        assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
    }
    container.working_dir = "link";
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
        snprintf(path, sizeof(path), "%s/link", dir);
        assert_int_equal(symlink(links[i], path), 0);
        assert_false(resolves(&container, &err));
        unlink(path);
    }
    assert_int_equal(symlink("sub", path), 0); /* a link that stays inside */
    assert_true(resolves(&container, &err));
    unlink(path);
    snprintf(path, sizeof(path), "%s/sub", dir);
    rmdir(path);
    rmdir(dir);
}

static void those_who_listen_are_known_with_their_address_and_user(void **state)
{
    (void)state;
    static const struct {
        const char *address;
        int family;
        bool v6only, loopback, v4, v6;
    } cases[] = {
        {"127.0.0.1", AF_INET, false, true, true, false},
        {"127.0.0.2", AF_INET, false, true, false, false},
        {"0.0.0.0", AF_INET, false, false, true, false},
        {"::", AF_INET6, false, false, true, true},
        {"::", AF_INET6, true, false, false, true},
        {"::1", AF_INET6, false, true, false, true},
        {"::ffff:127.0.0.1", AF_INET6, false, true, true, false},
        {"::ffff:0.0.0.0", AF_INET6, false, false, true, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
        struct sockaddr_in v4 = {.sin_family = AF_INET};
        bool is_v4 = cases[i].family == AF_INET;
        void *place = is_v4 ? (void *)&v4.sin_addr : (void *)&v6.sin6_addr;
        assert_int_equal(inet_pton(cases[i].family, cases[i].address, place), 1);
        struct sockaddr *address = is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
        socklen_t bytes = is_v4 ? sizeof(v4) : sizeof(v6);
        int fd = socket(cases[i].family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int v6only = cases[i].v6only;
        bool set = is_v4 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(int)) == 0;
        if (!set || bind(fd, address, bytes) != 0) { /* a machine without IPv6 */
            close(fd);
            continue;
        }
        assert_int_equal(listen(fd, 1), 0);
        assert_int_equal(getsockname(fd, address, &bytes), 0);
        uint16_t port = ntohs(is_v4 ? v4.sin_port : v6.sin6_port);
        struct listeners all;
        struct error err = {0};
        assert_true(listeners_read(&all, &err));
        unsigned found = 0;
        for (size_t l = 0; l < all.count; l++) {
            if (all.list[l].port == port) {
                found++;
                assert_int_equal(all.list[l].loopback, cases[i].loopback);
                assert_int_equal(listener_takes(&all.list[l], port), cases[i].v4);
                assert_int_equal(all.list[l].v6, cases[i].v6);
                assert_int_equal(all.list[l].user, geteuid());
                assert_false(listener_takes(&all.list[l], (uint16_t)(port + 1)));
            }
        }
        assert_true(found >= 1);
        listeners_done(&all);
        close(fd);
    }
}

static void what_listens_elsewhere_is_said_in_words(void **state)
{
    (void)state;
    struct listener list[] = {
        {.port = 53, .udp = true, .address = "0.0.0.0"},
        {.port = 3000, .v4 = true, .address = "127.0.0.1"},
        {.port = 3001, .v6 = true, .address = "::1"},
        {.port = 8080, .address = "127.0.0.2"},
        {.port = 1, .v4 = true, .address = "0.0.0.0"},
    };
    static const struct {
        size_t first, count;
        uint16_t port;
        const char *text;
    } cases[] = {
        {0, 0, 8080, "it listens on no port"},
        {0, 1, 53, "it listens on no port"},
        {0, 2, 8080, "it listens on 127.0.0.1:3000, and not on port 8080 of its loopback"},
        {3, 1, 8080, "it listens on 127.0.0.2:8080, and not on port 8080 of its loopback"},
        {0, 5, 8080,
         "it listens on 127.0.0.1:3000, [::1]:3001, 127.0.0.2:8080 and others, and not on port "
         "8080 of its loopback"},
        {0, 5, 3001, ""},
        {0, 5, 1, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct listeners all = {.list = list + cases[i].first, .count = cases[i].count};
        char text[240];
        listeners_say(&all, cases[i].port, text, sizeof(text));
        assert_string_equal(text, cases[i].text);
    }
}

/* A UDP socket on PORT (0: any), which a client would have, or connected to somebody. */
static int udp_socket(uint16_t *port, bool connected)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(*port)};
    socklen_t bytes = sizeof(address);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (bind(fd, (struct sockaddr *)&address, bytes) != 0) {
        close(fd);
        return -1;
    }
    getsockname(fd, (struct sockaddr *)&address, &bytes);
    *port = ntohs(address.sin_port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(!connected || connect(fd, (struct sockaddr *)&address, bytes) == 0);
    return fd;
}

static void a_udp_server_is_seen_and_a_client_is_not(void **state)
{
    (void)state;
    for (int connected = 0; connected < 2; connected++) {
        uint16_t server_port = 19000, client_port = 0;
        int server, client = udp_socket(&client_port, connected);
        while ((server = udp_socket(&server_port, connected)) < 0) {
            server_port++;
        }
        struct listeners all;
        struct error err = {0};
        assert_true(listeners_read(&all, &err));
        unsigned found = 0;
        for (size_t l = 0; l < all.count; l++) {
            if (all.list[l].udp) {
                assert_int_not_equal(all.list[l].port, client_port);
                assert_false(listener_takes(&all.list[l], all.list[l].port));
                found += all.list[l].port == server_port && !all.list[l].loopback &&
                         all.list[l].user == geteuid();
            }
        }
        assert_int_equal(found, !connected);
        listeners_done(&all);
        close(server);
        close(client);
    }
}

static void on_alarm(int number)
{
    (void)number;
}

/* A child that ends meanwhile is a signal too: it once made a tool late that had just begun. */
static void a_tool_is_not_late_because_a_signal_came(void **state)
{
    (void)state;
    char text[128];
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART}, before;
    struct itimerval often = {{0, 10000}, {0, 10000}}, never = {{0, 0}, {0, 0}};
    assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    bool good = tool_ask_now((const char *[]){"sh", "-c", "sleep 0.2; echo done", NULL}, 30, text,
                             sizeof(text));
    bool late = !tool_ask_now((const char *[]){"sleep", "60", NULL}, 1, text + 64, 64);
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &before, NULL);
    assert_string_equal(text, "done");
    assert_true(good);
    assert_string_equal(text + 64, "it did not end within 1 s");
    assert_true(late);
}

static void only_serving_is_well(void **state)
{
    (void)state;
    assert_true(probe_grpc_serving(SLICE("\0\0\0\0\2\x08\x01")));
    assert_false(probe_grpc_serving(SLICE("\0\0\0\0\2\x08\x02")));
    assert_false(probe_grpc_serving(SLICE("\0\0\0\0\0")));
    assert_false(probe_grpc_serving(SLICE("\1\0\0\0\2\x08\x01")));
    assert_false(probe_grpc_serving(SLICE("\0\0\0\0\2\x08")));
    assert_false(probe_grpc_serving(SLICE("\0\0\0\0\x0c\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff")));
    assert_false(probe_grpc_serving(SLICE("")));
}

/* ---- lines ---- */

static char content[8 * 1024 * 1024];

static const char *read_log(int fd)
{
    ssize_t got = pread(fd, content, sizeof(content) - 1, 0);
    assert_true(got >= 0);
    content[got] = '\0';
    return content;
}

static struct log_source a_source(void)
{
    return (struct log_source){
        .service = "s", .revision = "r", .project = "p", .region = "l", .instance = "i"};
}

static void bytes_become_lines_however_they_are_cut(void **state)
{
    (void)state;
    int fd = memfd_create("log", MFD_CLOEXEC);
    struct logs *logs = logs_new(fd, 1 << 20);
    struct log_source source = a_source();
    struct log_lines lines;
    log_lines_init(&lines, logs, &source, LOG_STDERR, "c");
    log_lines_add(&lines, SLICE("one\r\ntw"));
    log_lines_add(&lines, SLICE("o\n\n\xff\"three"));
    log_lines_done(&lines);
    const char *text = read_log(fd);
    assert_non_null(strstr(text, "\"text\":\"one\"}\n"));
    assert_non_null(strstr(text, "\"text\":\"two\"}\n"));
    assert_non_null(strstr(text, "\"text\":\"\"}\n"));
    assert_non_null(strstr(text, "\"three\"}\n"));
    assert_non_null(strstr(text, "\"stream\":\"stderr\""));
    logs_free(logs);
    close(fd);
}

static void a_line_that_is_too_long_is_split(void **state)
{
    (void)state;
    int fd = memfd_create("log", MFD_CLOEXEC);
    struct logs *logs = logs_new(fd, 4 << 20);
    struct log_source source = a_source();
    struct log_lines lines;
    static char part[100000];
    memset(part, 'x', sizeof(part));
    log_lines_init(&lines, logs, &source, LOG_STDOUT, "c");
    for (int i = 0; i < 6; i++) {
        log_lines_add(&lines, (struct slice){part, sizeof(part)});
    }
    log_lines_add(&lines, SLICE("\nend\n"));
    log_lines_done(&lines);
    int count = 0;
    for (const char *at = read_log(fd); (at = strchr(at, '\n')) != NULL; at++) {
        count++;
    }
    assert_int_equal(count, 4); /* two of 256 KiB, the rest, and the end */
    logs_free(logs);
    close(fd);
}

static void the_file_keeps_its_newest_lines(void **state)
{
    (void)state;
    char path[] = "/tmp/homerun-log-XXXXXX";
    int fd = mkostemp(path, O_APPEND | O_CLOEXEC);
    struct logs *logs = logs_new(fd, 200000);
    struct log_source source = a_source();
    for (int i = 0; i < 3000; i++) {
        logs_system(logs, &source, "c", "line %d", i);
    }
    const char *text = read_log(fd);
    assert_true(strlen(text) <= 200200);
    assert_true(text[0] == '{');
    assert_non_null(strstr(text, "line 2999\""));
    assert_non_null(strstr(text, "line 2900\""));
    assert_null(strstr(text, "line 100\""));
    logs_free(logs);
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_formula_is_that_of_the_contract),
        cmocka_unit_test(an_output_that_has_ended_is_in_nobodys_way),
        cmocka_unit_test(the_back_off_doubles_up_to_ten_seconds),
        cmocka_unit_test(a_minute_is_looked_back_over),
        cmocka_unit_test(engines_are_found_by_name),
        cmocka_unit_test(only_records_with_a_minimum_are_read_in_full),
        cmocka_unit_test(a_record_without_its_parts_is_refused),
        cmocka_unit_test(a_deployer_chooses_what_the_registrant_allows_and_nothing_else),
        cmocka_unit_test(a_program_runs_inside_of_its_folder),
        cmocka_unit_test(those_who_listen_are_known_with_their_address_and_user),
        cmocka_unit_test(what_listens_elsewhere_is_said_in_words),
        cmocka_unit_test(a_udp_server_is_seen_and_a_client_is_not),
        cmocka_unit_test(a_tool_is_not_late_because_a_signal_came),
        cmocka_unit_test(only_serving_is_well),
        cmocka_unit_test(bytes_become_lines_however_they_are_cut),
        cmocka_unit_test(a_line_that_is_too_long_is_split),
        cmocka_unit_test(the_file_keeps_its_newest_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
