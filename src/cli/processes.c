/*
 * The kernel's list is the truth about what runs, whatever the engine, and also while control is
 * away. An instance is the topmost process below the supervisor that carries K_REVISION.
 */
#include "cli/processes.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"

enum { STAT_BYTES_MAX = 4096, ENVIRON_BYTES_MAX = 1 << 20, DEPTH_MAX = 32 };

/* Everything that runs on the machine, as far as it matters here. */
struct table {
    struct process *all;
    size_t count, capacity;
    uint64_t ticks; /* a second */
    uint64_t uptime_s;
};

static int by_pid(const void *a, const void *b)
{
    const struct process *x = a;
    const struct process *y = b;
    return (x->pid > y->pid) - (x->pid < y->pid);
}

static struct process *find(const struct table *table, pid_t pid)
{
    struct process key = {.pid = pid};
    return bsearch(&key, table->all, table->count, sizeof(key), by_pid);
}

/* Fields of /proc/PID/stat stand behind the name, which may hold anything: proc(5). */
static bool stat_read(struct cli *cli, struct table *table, pid_t pid, struct process *out)
{
    struct slice text;
    const char *path = arena_printf(&cli->arena, "/proc/%d/stat", pid);
    if (!file_read(&cli->arena, path, STAT_BYTES_MAX, &text, NULL)) {
        return false; /* it has ended */
    }
    ptrdiff_t end = slice_find_last(text, ')');
    int parent;
    char state;
    unsigned long long user, kernel, started;
    long long pages;
    const char *rest = end < 0 ? "" : arena_string(&cli->arena, slice_from(text, (size_t)end + 1));
    if (sscanf(rest,
               " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %llu "
               "%*u %lld",
               &state, &parent, &user, &kernel, &started, &pages) != 6) {
        return false;
    }
    uint64_t started_s = started / table->ticks;
    *out = (struct process){
        .pid = pid,
        .parent = parent,
        .state = state,
        .cpu_ms = (user + kernel) * 1000 / table->ticks,
        .memory_kib = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) / 1024,
        .age_s = table->uptime_s > started_s ? table->uptime_s - started_s : 0,
    };
    return true;
}

static bool table_read(struct cli *cli, struct table *table, struct error *err)
{
    struct slice uptime;
    if (!file_read(&cli->arena, "/proc/uptime", STAT_BYTES_MAX, &uptime, err)) {
        return error_wrap(err, "the list of processes");
    }
    table->uptime_s = strtoull(arena_string(&cli->arena, uptime), NULL, 10);
    table->ticks = (uint64_t)sysconf(_SC_CLK_TCK);
    table->capacity = PROCESSES_MAX;
    table->all = arena_array(&cli->arena, struct process, table->capacity);
    DIR *proc = opendir("/proc");
    if (proc == NULL) {
        return error_errno(err, "/proc");
    }
    struct dirent *entry;
    while ((entry = readdir(proc)) != NULL && table->count < table->capacity) {
        if (isdigit((unsigned char)entry->d_name[0]) &&
            stat_read(cli, table, atoi(entry->d_name), &table->all[table->count])) {
            table->count++;
        }
    }
    closedir(proc);
    qsort(table->all, table->count, sizeof(table->all[0]), by_pid);
    return true;
}

/* K_SERVICE and K_REVISION of an instance's process. */
static void read_names(struct cli *cli, struct process *process)
{
    struct slice text, word;
    const char *path = arena_printf(&cli->arena, "/proc/%d/environ", process->pid);
    if (!file_read(&cli->arena, path, ENVIRON_BYTES_MAX, &text, NULL)) {
        return;
    }
    while (slice_cut(&text, '\0', &word)) {
        if (slice_starts(word, SLICE("K_SERVICE="))) {
            process->service =
                arena_string(&cli->arena, slice_from(word, sizeof("K_SERVICE=") - 1));
        } else if (slice_starts(word, SLICE("K_REVISION="))) {
            process->revision =
                arena_string(&cli->arena, slice_from(word, sizeof("K_REVISION=") - 1));
        }
    }
}

static const char *role_of(struct cli *cli, pid_t pid)
{
    const json_t *own = json_object_get(cli->ready, "processes");
    for (size_t i = 0; i < json_array_size(own); i++) {
        const json_t *one = json_array_get(own, i);
        if (json_number(one, "pid", 0) == pid) {
            return json_text_or(one, "role", "");
        }
    }
    return NULL;
}

/* The topmost process of an instance that PROCESS is of; NULL if it is below no engine of ours. */
static struct process *instance_of(const struct table *table, struct process *process,
                                   pid_t supervisor)
{
    struct process *top = NULL;
    struct process *at = process;
    for (int depth = 0; at != NULL && depth < DEPTH_MAX; depth++) {
        if (at->pid == supervisor) {
            return top;
        }
        if (at->revision != NULL) {
            top = at;
        }
        at = find(table, at->parent);
    }
    return NULL;
}

static int by_age(const void *a, const void *b)
{
    const struct process *x = a;
    const struct process *y = b;
    if ((x->role == NULL) != (y->role == NULL)) {
        return x->role == NULL ? 1 : -1;
    }
    return (x->age_s < y->age_s) - (x->age_s > y->age_s);
}

bool processes_read(struct cli *cli, struct processes *out, struct error *err)
{
    struct table table = {0};
    pid_t supervisor = (pid_t)json_number(cli->ready, "pid", 0);
    *out = (struct processes){0};
    if (!table_read(cli, &table, err)) {
        return false;
    }
    for (size_t i = 0; i < table.count; i++) {
        table.all[i].role = role_of(cli, table.all[i].pid);
        if (table.all[i].role == NULL) {
            read_names(cli, &table.all[i]);
        }
    }
    for (size_t i = 0; i < table.count; i++) {
        struct process *top = instance_of(&table, &table.all[i], supervisor);
        if (top != NULL && top != &table.all[i]) {
            top->cpu_ms += table.all[i].cpu_ms;
            top->memory_kib += table.all[i].memory_kib;
        }
    }
    out->all = arena_array(&cli->arena, struct process, table.count);
    for (size_t i = 0; i < table.count; i++) {
        struct process *one = &table.all[i];
        bool ended = one->state == 'Z'; /* and nobody has asked how */
        if (!ended && (one->role != NULL || instance_of(&table, one, supervisor) == one)) {
            out->supervised = out->supervised || one->pid == supervisor;
            out->all[out->count++] = *one;
        }
    }
    qsort(out->all, out->count, sizeof(out->all[0]), by_age);
    return true;
}

void processes_rate(struct processes *now, const struct processes *earlier, uint64_t elapsed_ms)
{
    for (size_t i = 0; i < now->count; i++) {
        struct process *one = &now->all[i];
        uint64_t before = 0;
        for (size_t k = 0; k < earlier->count; k++) {
            if (earlier->all[k].pid == one->pid) {
                before = earlier->all[k].cpu_ms;
            }
        }
        uint64_t spent = one->cpu_ms > before ? one->cpu_ms - before : 0;
        one->cpu_tenths = elapsed_ms == 0 ? 0 : (unsigned)(spent * 1000 / elapsed_ms);
    }
}
