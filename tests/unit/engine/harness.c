#include "harness.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../scratch.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "engine/engine.h"

enum { PATIENCE_US = 10000000 };

static void pause_a_little(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static int pair(int *theirs)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    *theirs = fds[1];
    return fds[0];
}

void harness_open(struct harness *harness, int idle_s)
{
    struct error err = {0};
    *harness = (struct harness){.dir = "/tmp/homerun-engine-XXXXXX"};
    assert_non_null(scratch_new(harness->dir));
    char index[96];
    snprintf(index, sizeof(index), "%s/index", harness->dir);
    assert_int_equal(mkdir(index, 0700), 0);
    harness->writer = index_writer_new(index, &err);
    assert_non_null(harness->writer);
    settings_default(&harness->settings);
    snprintf(harness->settings.data, sizeof(harness->settings.data), "%s", harness->dir);
    snprintf(harness->settings.engine, sizeof(harness->settings.engine), "process");
    harness->settings.idle_s = idle_s;
    harness->settings.workers = 1;
    harness->settings.log_level = 0;
    int settings_fd = memfd_create("settings", MFD_CLOEXEC);
    assert_true(settings_write(&harness->settings, settings_fd, &err));
    int board_fd = board_create(&err);
    harness->board = board_map(board_fd, &err);
    assert_non_null(harness->board);
    snprintf(harness->log_path, sizeof(harness->log_path), "%s/instances.log", harness->dir);
    int log_fd = open(harness->log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    harness->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int control, supervisor, worker;
    harness->control_fd = pair(&control);
    harness->supervisor_fd = pair(&supervisor);
    harness->worker_fd = pair(&worker);
    int fds[8] = {settings_fd, board_fd,   log_fd, harness->wake_fd,
                  control,     supervisor, worker, meter_create(&err)};
    memcpy(harness->inherited, fds, sizeof(fds));
}

void harness_start(struct harness *harness)
{
    const int *fds = harness->inherited;
    char text[256];
    snprintf(text, sizeof(text),
             "settings=%d board=%d log-instances=%d wake0=%d control=%d supervisor=%d ingress0=%d "
             "meter=%d",
             fds[0], fds[1], fds[2], fds[3], fds[4], fds[5], fds[6], fds[7]);
    /* LMDB forbids use across fork(): the child touches nothing of the writer. */
    harness->pid = fork();
    assert_true(harness->pid >= 0);
    if (harness->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setenv("HOMERUN_FDS", text, 1);
        _exit(engine_main(0, NULL));
    }
    char body[IPC_PACKET_MAX];
    assert_int_equal(harness_hear(harness->control_fd, body), MSG_ENGINE_STARTED);
    assert_int_equal(harness_hear(harness->supervisor_fd, body), MSG_READY);
    assert_int_equal(harness_hear(harness->worker_fd, body), MSG_ENGINE_STARTED);
}

int harness_drain(struct harness *harness)
{
    struct error err = {0};
    int status = -1;
    assert_true(ipc_send_now(harness->supervisor_fd, MSG_DRAIN, NULL, 0, 1000, &err));
    assert_int_equal(waitpid(harness->pid, &status, 0), harness->pid);
    harness->pid = 0;
    return status;
}

void harness_close(struct harness *harness)
{
    if (harness->pid != 0) {
        assert_int_equal(harness_drain(harness), 0);
    }
    index_writer_free(harness->writer);
    board_unmap(harness->board);
    for (size_t i = 0; i < 8; i++) {
        close(harness->inherited[i]);
    }
    close(harness->control_fd);
    close(harness->supervisor_fd);
    close(harness->worker_fd);
    scratch_remove(harness->dir);
}

void harness_put_json(struct harness *harness, uint64_t id, const char *json)
{
    struct error err = {0};
    struct index_txn *txn = index_txn_begin(harness->writer, &err);
    assert_non_null(txn);
    assert_true(index_txn_put_revision(txn, id, slice_of(json), &err));
    assert_true(index_txn_commit(&txn, &err));
}

void harness_put(struct harness *harness, uint64_t id, const char *more, const char *container)
{
    auto_arena arena = {0};
    harness_put_json(
        harness, id,
        arena_printf(&arena,
                     "{\"revision_id\":%llu,\"revision\":\"hello-00001-abc\",\"service\":\"hello\","
                     "\"project\":\"demo\",\"project_number\":\"1\",\"region\":\"us-central1\",%s"
                     "\"containers\":[{\"name\":\"main\",\"image\":\"registry/hello\","
                     "\"rules\":{\"allowArgs\":true,\"allowSafeEnv\":true,\"allowEnv\":["
                     "\"HOME\"]},\"port\":8080,%s}]}",
                     (unsigned long long)id, more, container));
}

void harness_delete(struct harness *harness, uint64_t id)
{
    struct error err = {0};
    struct index_txn *txn = index_txn_begin(harness->writer, &err);
    assert_true(index_txn_delete_revision(txn, id, &err));
    assert_true(index_txn_commit(&txn, &err));
}

const char *harness_hello(void)
{
    static char text[512];
    const char *path = getenv("HELLO");
    assert_non_null(path);
    snprintf(text, sizeof(text), "\"program\":[\"%s\"]", path);
    return text;
}

void harness_demand(struct harness *harness, uint64_t id, uint32_t waiting)
{
    struct error err = {0};
    struct msg_demand message = {.revision_id = id, .worker = 0, .waiting = waiting};
    board_set_waiting(harness->board, 0, waiting);
    assert_true(
        ipc_send_now(harness->worker_fd, MSG_DEMAND, &message, sizeof(message), 1000, &err));
}

void harness_tell(struct harness *harness, enum message_type type, uint64_t id)
{
    struct error err = {0};
    struct msg_revision message = {.revision_id = id};
    size_t bytes = type == MSG_CHANGED ? 0 : sizeof(message);
    assert_true(ipc_send_now(harness->control_fd, type, &message, bytes, 1000, &err));
}

enum message_type harness_hear(int fd, void *body)
{
    struct error err = {0};
    enum message_type type = MSG_NONE;
    size_t bytes = 0;
    if (!ipc_receive_now(fd, &type, body, &bytes, PATIENCE_US / 1000, &err)) {
        fail_msg("%s", err.text);
    }
    return type;
}

struct board_place harness_take(struct harness *harness, uint64_t id)
{
    struct board_place place = {0};
    int64_t until_us = clock_mono_us() + PATIENCE_US;
    while (!board_take(harness->board, id, 0, &place)) {
        struct pollfd waiting = {.fd = harness->wake_fd, .events = POLLIN};
        uint64_t count;
        assert_true(clock_mono_us() < until_us);
        assert_true(poll(&waiting, 1, PATIENCE_US / 1000) > 0);
        assert_true(read(harness->wake_fd, &count, sizeof(count)) == sizeof(count));
    }
    return place;
}

void harness_wait_count(struct harness *harness, uint64_t id, enum instance_state state,
                        unsigned count)
{
    int64_t until_us = clock_mono_us() + PATIENCE_US;
    while (board_count(harness->board, id, state) != count) {
        if (clock_mono_us() > until_us) {
            fail_msg("%u instances, not %u", board_count(harness->board, id, state), count);
        }
        pause_a_little();
    }
}

bool harness_log_has(struct harness *harness, const char *text)
{
    auto_arena arena = {0};
    struct error err = {0};
    struct slice content;
    assert_true(file_read(&arena, harness->log_path, 64 * 1024 * 1024, &content, &err));
    return slice_find_slice(content, slice_of(text)) >= 0;
}

void harness_wait_log(struct harness *harness, const char *text)
{
    int64_t until_us = clock_mono_us() + PATIENCE_US;
    while (!harness_log_has(harness, text)) {
        if (clock_mono_us() > until_us) {
            fail_msg("the log never said: %s", text);
        }
        pause_a_little();
    }
}

void harness_get(const struct board_place *place, const char *path, char *out, size_t size)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(place->address.port),
                                  .sin_addr.s_addr = place->address.ipv4};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    char request[512];
    int len = snprintf(request, sizeof(request),
                       "GET %s HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n"
                       "Connection: close\r\n\r\n",
                       path);
    assert_int_equal(write(fd, request, (size_t)len), len);
    size_t filled = 0;
    for (ssize_t got; filled + 1 < size && (got = read(fd, out + filled, size - 1 - filled)) > 0;) {
        filled += (size_t)got;
    }
    out[filled] = '\0';
    close(fd);
}

pid_t harness_child(const struct harness *harness)
{
    char path[64];
    int pid = 0;
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)harness->pid, (int)harness->pid);
    FILE *children = fopen(path, "re");
    assert_non_null(children);
    int got = fscanf(children, "%d", &pid);
    fclose(children);
    return got == 1 ? pid : 0;
}

void harness_wait_dead(pid_t pid)
{
    int64_t until_us = clock_mono_us() + PATIENCE_US;
    char path[64], state = 'R';
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    while (state != 'Z') {
        FILE *stat = fopen(path, "re");
        if (stat == NULL) {
            return;
        }
        if (fscanf(stat, "%*d %*s %c", &state) != 1) {
            state = 'R';
        }
        fclose(stat);
        assert_true(clock_mono_us() < until_us);
        pause_a_little();
    }
}
