/*
 * Containers do not die with the engine: the next one adopts those that its notes and the board
 * name, and ends what else it finds in crun's own folder.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/container.h"
#include "engine/rootless.h"

enum { TEMPORARY_S = 600 };

/* Calls DEED for what stands in the folder PATH. */
static void each_entry(const struct backend *backend, const char *path,
                       void (*deed)(const struct backend *backend, const char *name))
{
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] != '.') {
            deed(backend, entry->d_name);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
}

/* ID: of a container, or a name that begins so. */
static bool is_adopted(const struct backend *backend, const char *id)
{
    const struct backend_container *container = backend->adopted;
    while (container != NULL && strncmp(id, container->id, strlen(container->id)) != 0) {
        container = container->next;
    }
    return container != NULL;
}

static void end_container(const struct backend *backend, const char *id)
{
    if (!is_adopted(backend, id)) {
        log_info("a container of an engine before this one ends: %s", id);
        container_group_thaw(backend, id);
        tool_run_now((const char *[]){"crun", "--root", backend->state, backend->manager, "delete",
                                      "--force", id, NULL});
    }
}

static void end_output(const struct backend *backend, const char *name)
{
    char path[CONTAINER_PATH_BYTES + 300];
    if (!is_adopted(backend, name)) {
        snprintf(path, sizeof(path), "%s/%s", backend->outputs, name);
        unlink(path);
    }
}

static void end_way_out(const struct backend *backend, const char *name)
{
    char note[CONTAINER_PATH_BYTES];
    unsigned long number = strtoul(name, NULL, 10);
    if (number >= HOMES_MAX || backend->used[number] == 0) {
        snprintf(note, sizeof(note), "%.4200s/%.200s", backend->notes, name);
        egress_end_noted(note);
    }
}

/* Whether the process PID is crun at work on our containers, or what waits in its place for one to
 * be started. */
static bool is_our_crun(const struct backend *backend, const char *pid)
{
    auto_arena arena = {0};
    struct slice words, word;
    bool root = false, ours = false;
    const char *path = arena_printf(&arena, "/proc/%.20s/cmdline", pid);
    if (!file_read(&arena, path, 16384, &words, NULL) || !slice_cut(&words, '\0', &word) ||
        !slice_ends(word, SLICE("crun"))) {
        return false;
    }
    while (slice_cut(&words, '\0', &word)) {
        ours = ours || (root && slice_is(word, backend->state));
        root = slice_is(word, "--root");
    }
    return ours;
}

/* A crun that was killed, or whose engine was, may have made a process and not noted it yet. */
static void end_stray(const struct backend *backend, const char *name)
{
    pid_t pid = (pid_t)strtol(name, NULL, 10);
    if (name[0] >= '1' && name[0] <= '9' && pid > 1 && is_our_crun(backend, name)) {
        log_info("what crun has left ends: pid=%d", (int)pid);
        kill(pid, SIGKILL);
    }
}

/* A crun that was killed leaves an empty file behind in /tmp, of nobody's rights. One that is young
 * may be of a crun that is at work for somebody else. */
static void end_temporary(const struct backend *backend, const char *name)
{
    struct stat status;
    char path[64];
    (void)backend;
    if (strncmp(name, "crun.", 5) != 0 || strlen(name) != strlen("crun.XXXXXX")) {
        return;
    }
    snprintf(path, sizeof(path), "/tmp/%s", name);
    if (lstat(path, &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & 0777) == 0 &&
        status.st_size == 0 && status.st_uid == geteuid() &&
        time(NULL) - status.st_mtime > TEMPORARY_S) {
        unlink(path);
    }
}

/* ---- the user namespace that an engine before us made ---- */

static pid_t pid_of_container(const struct backend *backend, const char *id)
{
    auto_arena arena = {0};
    struct error err;
    struct slice text;
    const char *path = arena_printf(&arena, "%s/%s/status", backend->state, id);
    auto_json *status = file_read(&arena, path, 65536, &text, NULL) ? json_read(text, &err) : NULL;
    pid_t pid = (pid_t)json_number(status, "pid", -1);
    uint64_t started = (uint64_t)json_number(status, "process-start-time", 0);
    return started != 0 && process_started(pid) == started ? pid : -1;
}

static pid_t pid_of_way_out(const struct backend *backend, const char *name)
{
    char note[CONTAINER_PATH_BYTES];
    snprintf(note, sizeof(note), "%.4200s/%.200s", backend->notes, name);
    return egress_noted(note);
}

/* Inside of any container, of whatever tool, a process could call itself so: ours is in no
 * namespace of processes but that of the machine. */
static pid_t pid_of_crun(const struct backend *backend, const char *name)
{
    char path[64];
    struct stat own, other;
    snprintf(path, sizeof(path), "/proc/%.20s/ns/pid", name);
    bool ours = name[0] >= '1' && name[0] <= '9' && is_our_crun(backend, name) &&
                stat("/proc/self/ns/pid", &own) == 0 && stat(path, &other) == 0 &&
                own.st_ino == other.st_ino;
    return ours ? (pid_t)strtol(name, NULL, 10) : -1;
}

bool container_join(const struct backend *backend)
{
    const struct {
        const char *folder;
        pid_t (*pid_of)(const struct backend *backend, const char *name);
    } places[] = {{backend->state, pid_of_container},
                  {backend->notes, pid_of_way_out},
                  {"/proc", pid_of_crun}};
    bool joined = false;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && !joined; i++) {
        DIR *folder = opendir(places[i].folder);
        for (struct dirent *entry;
             folder != NULL && !joined && (entry = readdir(folder)) != NULL;) {
            pid_t pid = entry->d_name[0] == '.' ? -1 : places[i].pid_of(backend, entry->d_name);
            joined = pid > 1 && rootless_join(pid);
        }
        if (folder != NULL) {
            closedir(folder);
        }
    }
    return joined;
}

/* What an engine before us left running, and nobody has adopted. None of our own runs now. */
void container_settle(struct backend *backend)
{
    each_entry(backend, "/proc", end_stray);
    each_entry(backend, backend->state, end_container);
    each_entry(backend, backend->outputs, end_output);
    each_entry(backend, backend->notes, end_way_out);
    each_entry(backend, "/tmp", end_temporary);
    backend->adopted = NULL;
}

/* ---- from one engine to the next ---- */

json_t *container_save(const struct backend_home *home, struct backend_container *const *containers,
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (containers[i]->state != RUNNING) {
            return NULL;
        }
    }
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, json_pack("{ss sI sI ss}", "id", containers[i]->id, "pid",
                                              (json_int_t)containers[i]->pid, "started",
                                              (json_int_t)process_started(containers[i]->pid),
                                              "root", home->roots[i]));
    }
    return json_pack("{sI sb so}", "number", (json_int_t)home->number, "egress",
                     home->egress != NULL, "containers", list);
}

static void on_end_of_adopted(void *ctx)
{
    struct backend_container *container = ctx;
    container_ended(container, BACKEND_STATUS_UNKNOWN);
}

/* PORT: where a container of it is meant to listen. */
static bool adopt_home(struct backend_home *home, const json_t *saved, pid_t first, uint16_t port,
                       struct error *err)
{
    struct backend *backend = home->backend;
    char note[CONTAINER_PATH_BYTES];
    if (!namespaces_adopt(&home->namespaces, first, home_users(home->number))) {
        return error_set(err, STATUS_NOT_FOUND, "its first process stands in other namespaces");
    }
    container_open_places(home, port);
    home_note_path(backend, home->number, note);
    if (json_flag(saved, "egress", false)) {
        if (backend->egress == NULL) {
            return error_set(err, STATUS_FAILED_PRECONDITION, "there is no way out any more");
        }
        home->egress = egress_adopt(backend->loop, backend->children, backend->egress,
                                    &home->namespaces, note, err);
        return home->egress != NULL;
    }
    return true;
}

static struct backend_container *adopt_one(struct backend_home *home, const json_t *saved,
                                           const struct backend_order *order)
{
    struct backend *backend = home->backend;
    struct backend_container *container = mem_new(struct backend_container);
    *container = (struct backend_container){
        .home = home,
        .backend = backend,
        .state = RUNNING,
        .crun = -1,
        .pid = (pid_t)json_number(saved, "pid", -1),
        .events = order->events,
        .ctx = order->ctx,
    };
    snprintf(container->id, sizeof(container->id), "%s", json_text_or(saved, "id", ""));
    snprintf(container->dir, sizeof(container->dir), "%s/%s", backend->run, container->id);
    container->watch =
        process_watch_new(backend->loop, container->pid, (uint64_t)json_number(saved, "started", 0),
                          on_end_of_adopted, container);
    if (container->watch == NULL) {
        free(container);
        return NULL;
    }
    container_group_thaw(backend, container->id);
    container_open_outputs(container, NULL);
    for (int i = 0; i < 2; i++) {
        if (container->outputs[i] == NULL) {
            log_warn("what container %s writes is lost", container->id);
        }
    }
    container->next = backend->adopted;
    backend->adopted = container;
    return container;
}

/* Those of a home that cannot be adopted whole: settle() ends them. */
static void let_them_go(struct backend *backend, struct backend_container **containers,
                        size_t count)
{
    for (size_t i = count; i-- > 0;) {
        backend->adopted = containers[i]->next; /* they were put there one after the other */
        for (int k = 0; k < 2; k++) {
            output_close(containers[i]->outputs[k]);
        }
        process_watch_free(containers[i]->watch);
        free(containers[i]);
    }
}

struct backend_home *container_adopt(struct backend *backend, const json_t *saved,
                                     const struct backend_order *orders, size_t count,
                                     struct backend_container **out, struct error *err)
{
    const json_t *list = json_object_get(saved, "containers");
    int64_t number = json_number(saved, "number", -1);
    if (json_array_size(list) != count || number < 0 || number >= HOMES_MAX ||
        backend->used[number] != 0) {
        error_set(err, STATUS_DATA_LOSS, "what was noted of it cannot be read");
        return NULL;
    }
    struct backend_home *home = mem_new(struct backend_home);
    home->backend = backend;
    home->number = (unsigned)number;
    home_list(home);
    container_no_places(home);
    home->namespaces = (struct namespaces){.user_fd = -1, .net_fd = -1};
    uv_timer_init(backend->loop, &home->timer);
    home->timer.data = home;
    size_t made = 0;
    while (made < count &&
           (out[made] = adopt_one(home, json_array_get(list, made), &orders[made])) != NULL) {
        snprintf(home->roots[made], CONTAINER_PATH_BYTES, "%s",
                 json_text_or(json_array_get(list, made), "root", ""));
        made++;
    }
    if (made == count &&
        adopt_home(home, saved, out[0]->pid, run_record_ingress(orders[0].record)->port, err)) {
        backend->used[number] = 1;
        return home;
    }
    if (made < count) {
        error_set(err, STATUS_NOT_FOUND, "one of its containers has ended");
    }
    let_them_go(backend, out, made);
    container_home_close(home);
    return NULL;
}
