/*
 * A whole supervisor, with actors for its processes: it executes this very program again, which
 * then plays the role. What an actor does is written into DATA/log/events, a word and a role in
 * each line; a file DATA/act-ROLE tells it to misbehave.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../scratch.h"
#include "base/clock.h"
#include "base/file.h"
#include "ipc/ipc.h"
#include "net/net.h"
#include "supervisor/supervisor.h"

enum { DEADLINE_S = 60, TEXT_MAX = 65536, WORKERS = 2 };

/* ---- the actor ---- */

static void note(const char *data, const char *word, const char *role)
{
    char path[4200], line[64];
    snprintf(path, sizeof(path), "%s/log/events", data);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    int bytes = snprintf(line, sizeof(line), "%s %s %d\n", word, role, (int)getpid());
    ssize_t ignored = write(fd, line, (size_t)bytes);
    (void)ignored;
    close(fd);
}

static bool is_told(const char *data, const char *role, const char *act)
{
    char path[4200], text[32] = "";
    snprintf(path, sizeof(path), "%s/act-%s", data, role);
    int fd = open(path, O_RDONLY);
    ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    close(fd);
    return got > 0 && strcmp(text, act) == 0;
}

/* Every descriptor that is open and not one of the first three must have a name. */
static void check_descriptors(const char *data, const char *role)
{
    unsigned named = 0, open_now = 0;
    const char *names = getenv("HOMERUN_FDS");
    for (const char *at = names; *at != '\0'; at++) {
        named += *at == '=';
    }
    DIR *dir = opendir("/proc/self/fd");
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        int fd = atoi(entry->d_name);
        open_now += entry->d_name[0] != '.' && fd > 2 && fd != dirfd(dir);
    }
    closedir(dir);
    note(data, named == open_now ? "tidy" : "untidy", role);
}

/* Control wants the fetcher (SIGUSR1), or no more (SIGUSR2), or says that it broke a rule (SIGHUP).
 */
static volatile sig_atomic_t wish = -1;

static void on_wish(int number)
{
    wish = number == SIGUSR1   ? FETCHER_WANTED
           : number == SIGUSR2 ? FETCHER_UNWANTED
                               : FETCHER_BROKEN;
}

static void say_wish(int fd)
{
    struct error err = {0};
    const struct msg_fetcher_wanted message = {.wanted = (uint32_t)wish};
    ipc_send_now(fd, MSG_FETCHER_WANTED, &message, sizeof(message), 1000, &err);
}

/* The fetcher gets no settings: it only comes and goes. */
static int play_fetcher(void)
{
    alignas(8) static char body[IPC_PACKET_MAX];
    struct error err = {0};
    enum message_type type = MSG_NONE;
    size_t bytes;
    int fd = ipc_inherited("supervisor");
    struct pollfd in = {.fd = fd, .events = POLLIN};
    if (ipc_inherited("settings") >= 0 || ipc_inherited("control") < 0 || getenv("PATH") != NULL ||
        !ipc_send_now(fd, MSG_READY, NULL, 0, 1000, &err)) {
        return 9;
    }
    poll(&in, 1, -1);
    return ipc_receive_now(fd, &type, body, &bytes, 1000, &err) && type == MSG_DRAIN ? 0 : 8;
}

static int play(const char *role)
{
    alignas(8) static char body[IPC_PACKET_MAX];
    struct error err = {0};
    struct settings settings;
    static const int wishes[] = {SIGUSR1, SIGUSR2, SIGHUP};

    if (strcmp(role, "fetcher") == 0) {
        return play_fetcher();
    }
    if (!settings_read(&settings, ipc_inherited("settings"), &err)) {
        return 9;
    }
    sigset_t mask, before;
    sigemptyset(&mask);
    for (size_t i = 0; strcmp(role, "control") == 0 && i < 3; i++) {
        sigaction(wishes[i], &(struct sigaction){.sa_handler = on_wish}, NULL);
        sigaddset(&mask, wishes[i]);
    }
    sigprocmask(SIG_BLOCK, &mask, &before); /* a wish comes while it waits, and only then */
    note(settings.data, "start", role);
    check_descriptors(settings.data, role);
    if (is_told(settings.data, role, "person")) {
        return 2;
    }
    if (is_told(settings.data, role, "refuse-debug") && settings.log_level == 3) {
        return 1;
    }
    int fd = ipc_inherited("supervisor");
    note(settings.data, "ready", role); /* before what the supervisor does next */
    if (!ipc_send_now(fd, MSG_READY, NULL, 0, 1000, &err)) {
        return 9;
    }
    for (;;) {
        enum message_type type;
        size_t bytes;
        struct pollfd in = {.fd = fd, .events = POLLIN};
        bool wished = ppoll(&in, 1, NULL, &before) < 0;
        if (wished) {
            say_wish(fd);
            continue;
        }
        if (!ipc_receive_now(fd, &type, body, &bytes, 1000, &err)) {
            return 8;
        }
        if (type == MSG_DRAIN) {
            note(settings.data, "drain", role);
            return 0;
        }
        note(settings.data, type == MSG_WORKER_GONE ? "gone" : "what", role);
    }
}

/* ---- the stage ---- */

struct stage {
    char dir[64];
    char data[80];
    pid_t pid;
    struct arena arena;
};

static bool on_reload(struct settings *next, void *ctx, struct error *err)
{
    const char *data = ctx;
    if (is_told(data, "reload", "fail")) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "a bad file");
    }
    next->log_level = is_told(data, "reload", "debug") ? 3 : next->log_level;
    return true;
}

static void on_ready(const struct settings *settings, void *ctx)
{
    (void)ctx;
    note(settings->data, "up", "all");
}

static struct supervisor_plan plan_of(const struct stage *stage)
{
    struct supervisor_plan plan = {.api = "127.0.0.1:0",
                                   .https = "127.0.0.1:0",
                                   .fetcher = "/proc/self/exe",
                                   .http = "127.0.0.1:0",
                                   .metadata = "127.0.0.1:0",
                                   .version = "test"};
    settings_default(&plan.settings);
    snprintf(plan.settings.data, sizeof(plan.settings.data), "%s", stage->data);
    plan.settings.workers = WORKERS;
    return plan;
}

static pid_t supervisor_start(const struct stage *stage, const struct supervisor_plan *plan)
{
    static const struct supervisor_events events = {.on_ready = on_ready, .on_reload = on_reload};
    char data[80];
    memcpy(data, stage->data, sizeof(data));
    pid_t pid = fork();
    if (pid == 0) {
        int nothing = open("/dev/null", O_WRONLY);
        dup2(nothing, STDERR_FILENO);
        close(nothing);
        exit(supervisor_run(plan, &events, data));
    }
    return pid;
}

static int stage_open(void **state)
{
    struct stage *stage = calloc(1, sizeof(*stage));
    snprintf(stage->dir, sizeof(stage->dir), "/tmp/homerun-test-XXXXXX");
    assert_non_null(scratch_new(stage->dir));
    snprintf(stage->data, sizeof(stage->data), "%s/data", stage->dir);
    *state = stage;
    return 0;
}

static int stage_close(void **state)
{
    struct stage *stage = *state;
    if (stage->pid > 0) {
        kill(stage->pid, SIGKILL);
        waitpid(stage->pid, NULL, 0);
    }
    scratch_remove(stage->dir);
    arena_done(&stage->arena);
    free(stage);
    return 0;
}

static void tell_actor(const struct stage *stage, const char *role, const char *act)
{
    char path[160];
    struct error err = {0};
    assert_true(file_make_dir(stage->data, 0700, &err));
    snprintf(path, sizeof(path), "%s/act-%s", stage->data, role);
    assert_true(file_write(path, slice_of(act), 0600, &err));
}

static struct slice read_all(struct stage *stage, const char *name)
{
    char path[160];
    struct slice text = SLICE("");
    snprintf(path, sizeof(path), "%s/%s", stage->data, name);
    file_read(&stage->arena, path, TEXT_MAX, &text, NULL);
    return text;
}

static unsigned count(struct stage *stage, const char *what)
{
    struct slice rest = read_all(stage, "log/events"), needle = slice_of(what);
    unsigned found = 0;
    for (ptrdiff_t at; (at = slice_find_slice(rest, needle)) >= 0; found++) {
        rest = slice_from(rest, (size_t)at + needle.len);
    }
    return found;
}

/* Until WHAT stands in the events TIMES times. */
static void wait_for(struct stage *stage, const char *what, unsigned times)
{
    int64_t end_us = clock_mono_us() + (int64_t)DEADLINE_S * 1000000;
    while (count(stage, what) < times) {
        if (clock_mono_us() > end_us) {
            struct slice events = read_all(stage, "log/events");
            fail_msg("no \"%s\" in:\n%.*s", what, SLICE_ARG(events));
        }
        usleep(2000);
    }
}

static int end_with(struct stage *stage, int number)
{
    int status;
    if (number != 0) {
        kill(stage->pid, number);
    }
    assert_int_equal(waitpid(stage->pid, &status, 0), stage->pid);
    stage->pid = 0;
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void up(struct stage *stage)
{
    struct supervisor_plan plan = plan_of(stage);
    stage->pid = supervisor_start(stage, &plan);
    wait_for(stage, "up all", 1);
}

/* Where in the events WHAT stands first. */
static ptrdiff_t place(struct stage *stage, const char *what)
{
    ptrdiff_t at = slice_find_slice(read_all(stage, "log/events"), slice_of(what));
    assert_true(at >= 0);
    return at;
}

/* The pid of a process that is ready, from the ready file. */
static pid_t pid_of(struct stage *stage, const char *role)
{
    char needle[64];
    snprintf(needle, sizeof(needle), "{\"role\": \"%s\", \"pid\": ", role);
    struct slice text = read_all(stage, "ready.json");
    ptrdiff_t at = slice_find_slice(text, slice_of(needle));
    assert_true(at >= 0);
    return (pid_t)atoi(text.data + at + strlen(needle));
}

/* ---- what is promised ---- */

static void processes_start_by_stages_and_end_in_the_reverse_order(void **state)
{
    struct stage *stage = *state;
    up(stage);
    assert_true(place(stage, "ready signer") < place(stage, "start control"));
    assert_true(place(stage, "ready control") < place(stage, "start engine"));
    assert_true(place(stage, "ready control") < place(stage, "start ingress"));
    assert_int_equal(count(stage, "start ingress"), WORKERS);
    assert_true(read_all(stage, "ready.json").len > 0);
    assert_int_equal(end_with(stage, SIGTERM), 0);
    assert_int_equal(count(stage, "drain ingress"), WORKERS);
    assert_true(place(stage, "drain ingress") < place(stage, "drain engine"));
    assert_true(place(stage, "drain engine") < place(stage, "drain control"));
    assert_true(place(stage, "drain control") < place(stage, "drain signer"));
    assert_int_equal(read_all(stage, "ready.json").len, 0);
}

static void a_process_finds_nothing_open_that_it_has_no_name_for(void **state)
{
    struct stage *stage = *state;
    up(stage);
    assert_int_equal(count(stage, "untidy"), 0);
    assert_int_equal(count(stage, "tidy"), 4 + WORKERS);
    assert_int_equal(end_with(stage, SIGTERM), 0);
}

static void without_a_socket_there_is_no_metadata_server(void **state)
{
    struct stage *stage = *state;
    struct supervisor_plan plan = plan_of(stage);
    snprintf(plan.metadata, sizeof(plan.metadata), "off");
    stage->pid = supervisor_start(stage, &plan);
    wait_for(stage, "up all", 1);
    assert_int_equal(count(stage, "start metadata"), 0);
    assert_int_equal(end_with(stage, SIGTERM), 0);
}

enum { NOBODY_YET = 0, NOBODY = -1 };

/* Waits for a fetcher that is ready and another one than LAST, and gives its pid; of NOBODY: until
 * there is none. */
static pid_t fetcher_after(struct stage *stage, pid_t last)
{
    int64_t end_us = clock_mono_us() + (int64_t)DEADLINE_S * 1000000;
    for (;; usleep(2000)) {
        struct slice ready = read_all(stage, "ready.json");
        bool there = slice_find_slice(ready, SLICE("\"fetcher\"")) >= 0;
        if (ready.len > 0 && there != (last == NOBODY) &&
            (!there || pid_of(stage, "fetcher") != last)) {
            return there ? pid_of(stage, "fetcher") : NOBODY;
        }
        if (clock_mono_us() > end_us) {
            fail_msg("%.*s", SLICE_ARG(ready));
        }
    }
}

static void the_fetcher_runs_while_control_wants_it(void **state)
{
    struct stage *stage = *state;
    up(stage);
    fetcher_after(stage, NOBODY);
    kill(pid_of(stage, "control"), SIGUSR1);
    pid_t pid = fetcher_after(stage, NOBODY_YET);
    kill(pid, SIGKILL); /* it is still wanted */
    fetcher_after(stage, pid);
    kill(pid_of(stage, "control"), SIGUSR2);
    fetcher_after(stage, NOBODY);
    kill(pid_of(stage, "control"), SIGUSR1);
    fetcher_after(stage, NOBODY_YET);
    kill(pid_of(stage, "control"), SIGHUP); /* it is killed, and not started again */
    fetcher_after(stage, NOBODY);
    kill(pid_of(stage, "control"), SIGUSR1);
    fetcher_after(stage, NOBODY_YET);
    kill(pid_of(stage, "control"), SIGKILL); /* nobody waits for its answers any more */
    wait_for(stage, "ready control", 2);
    fetcher_after(stage, NOBODY);
    assert_int_equal(end_with(stage, SIGTERM), 0);
}

static void without_its_program_there_is_no_fetcher(void **state)
{
    struct stage *stage = *state;
    struct supervisor_plan plan = plan_of(stage);
    plan.fetcher = "/nonexistent/homerun-fetcher";
    stage->pid = supervisor_start(stage, &plan);
    wait_for(stage, "up all", 1);
    kill(pid_of(stage, "control"), SIGUSR1);
    kill(pid_of(stage, "control"), SIGKILL); /* its successor comes after that wish */
    wait_for(stage, "ready control", 2);
    assert_true(slice_find_slice(read_all(stage, "ready.json"), SLICE("fetcher")) < 0);
    assert_int_equal(count(stage, "untidy"), 0);
    assert_int_equal(end_with(stage, SIGTERM), 0);
}

static void a_killed_process_is_followed_by_another(void **state)
{
    static const char *const roles[] = {"signer", "control", "engine"};
    struct stage *stage = *state;
    up(stage);
    for (size_t i = 0; i < 3; i++) {
        char what[32];
        snprintf(what, sizeof(what), "ready %s", roles[i]);
        kill(pid_of(stage, roles[i]), SIGKILL);
        wait_for(stage, what, 2);
    }
    assert_int_equal(end_with(stage, SIGTERM), 0);
}

static void a_dead_worker_is_told_of_before_its_successor_starts(void **state)
{
    struct stage *stage = *state;
    up(stage);
    kill(pid_of(stage, "ingress"), SIGKILL);
    wait_for(stage, "ready ingress", WORKERS + 1);
    wait_for(stage, "gone engine", 1);
    wait_for(stage, "gone control", 1);
    assert_int_equal(end_with(stage, SIGTERM), 0);
}

static void a_crash_loop_goes_on_with_pauses_and_ends_when_told(void **state)
{
    struct stage *stage = *state;
    up(stage);
    for (unsigned i = 2; i < 6; i++) {
        kill(pid_of(stage, "engine"), SIGKILL);
        wait_for(stage, "ready engine", i);
        for (pid_t last = 0; last != pid_of(stage, "engine"); usleep(20000)) {
            last = pid_of(stage, "engine");
        }
    }
    assert_int_equal(end_with(stage, SIGINT), 0);
}

static void status_2_means_that_a_person_must_act_and_ends_everything(void **state)
{
    struct stage *stage = *state;
    struct supervisor_plan plan = plan_of(stage);
    tell_actor(stage, "engine", "person");
    stage->pid = supervisor_start(stage, &plan);
    assert_int_equal(end_with(stage, 0), 1);
    assert_int_equal(count(stage, "start engine"), 1);
    assert_int_equal(count(stage, "drain control"), 1);
    assert_int_equal(count(stage, "up all"), 0);
}

static void sighup_exchanges_workers_one_by_one_and_lets_the_instances_live(void **state)
{
    struct stage *stage = *state;
    up(stage);
    pid_t engine = pid_of(stage, "engine");
    kill(stage->pid, SIGHUP);
    wait_for(stage, "drain ingress", WORKERS);
    assert_int_equal(count(stage, "ready ingress"), 2 * WORKERS);
    assert_int_equal(count(stage, "ready control"), 2);
    assert_int_equal(count(stage, "ready engine"), 1);
    assert_int_equal(engine, pid_of(stage, "engine"));
    /* A successor serves before the first of the old ones is told to go. */
    struct slice events = read_all(stage, "log/events");
    struct slice before = slice_upto(events, (size_t)place(stage, "drain ingress"));
    unsigned ready = 0;
    for (ptrdiff_t at; (at = slice_find_slice(before, SLICE("ready ingress"))) >= 0; ready++) {
        before = slice_from(before, (size_t)at + 1);
    }
    assert_int_equal(ready, WORKERS + 1);
    assert_int_equal(end_with(stage, SIGTERM), 0);
}

static void a_configuration_that_cannot_be_read_changes_nothing(void **state)
{
    struct stage *stage = *state;
    up(stage);
    tell_actor(stage, "reload", "fail");
    kill(stage->pid, SIGHUP);
    int64_t end_us = clock_mono_us() + (int64_t)DEADLINE_S * 1000000;
    while (slice_find_slice(read_all(stage, "log/homerun.log"), SLICE("a bad file")) < 0) {
        assert_true(clock_mono_us() < end_us);
        usleep(2000);
    }
    assert_int_equal(end_with(stage, SIGTERM), 0);
    assert_int_equal(count(stage, "start control"), 1);
}

static void a_configuration_that_does_not_start_is_taken_back(void **state)
{
    struct stage *stage = *state;
    up(stage);
    tell_actor(stage, "reload", "debug");
    tell_actor(stage, "ingress", "refuse-debug");
    kill(stage->pid, SIGHUP);
    /* signer, control and engine run with it, ingress does not: they go back. */
    wait_for(stage, "ready control", 3);
    wait_for(stage, "ready engine", 3);
    assert_int_equal(end_with(stage, SIGTERM), 0);
    assert_int_equal(count(stage, "ready ingress"), WORKERS);
}

static void a_folder_in_use_is_refused_and_left_alone(void **state)
{
    struct stage *stage = *state;
    up(stage);
    struct supervisor_plan plan = plan_of(stage);
    pid_t first = stage->pid;
    struct slice before = read_all(stage, "lock");
    stage->pid = supervisor_start(stage, &plan);
    assert_int_equal(end_with(stage, 0), 1);
    assert_true(slice_equal(before, read_all(stage, "lock")));
    assert_true(read_all(stage, "ready.json").len > 0);
    stage->pid = first;
    assert_int_equal(end_with(stage, SIGTERM), 0);
}

static void a_port_in_use_is_refused_before_anything_is_made(void **state)
{
    struct stage *stage = *state;
    struct sockaddr_storage address;
    socklen_t bytes;
    struct error err = {0};
    assert_true(net_parse_address("127.0.0.1:0", &address, &bytes, &err));
    int fd = net_bind((struct sockaddr *)&address, bytes, &err);
    assert_true(fd >= 0);
    struct supervisor_plan plan = plan_of(stage);
    snprintf(plan.http, sizeof(plan.http), "127.0.0.1:%u", net_bound_port(fd));
    stage->pid = supervisor_start(stage, &plan);
    assert_int_equal(end_with(stage, 0), 1);
    assert_int_equal(access(stage->data, F_OK), -1);
    close(fd);
}

int main(int argc, char **argv)
{
    if (argc == 2 && getenv("HOMERUN_FDS") != NULL) {
        return play(argv[1]);
    }
#define STAGED(test) cmocka_unit_test_setup_teardown(test, stage_open, stage_close)
    const struct CMUnitTest tests[] = {
        STAGED(processes_start_by_stages_and_end_in_the_reverse_order),
        STAGED(a_process_finds_nothing_open_that_it_has_no_name_for),
        STAGED(without_a_socket_there_is_no_metadata_server),
        STAGED(the_fetcher_runs_while_control_wants_it),
        STAGED(without_its_program_there_is_no_fetcher),
        STAGED(a_killed_process_is_followed_by_another),
        STAGED(a_dead_worker_is_told_of_before_its_successor_starts),
        STAGED(a_crash_loop_goes_on_with_pauses_and_ends_when_told),
        STAGED(status_2_means_that_a_person_must_act_and_ends_everything),
        STAGED(sighup_exchanges_workers_one_by_one_and_lets_the_instances_live),
        STAGED(a_configuration_that_cannot_be_read_changes_nothing),
        STAGED(a_configuration_that_does_not_start_is_taken_back),
        STAGED(a_folder_in_use_is_refused_and_left_alone),
        STAGED(a_port_in_use_is_refused_before_anything_is_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
