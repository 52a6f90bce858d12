/* `ps` and `top`: the processes of Homerun and the instances, once or again and again. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/actions.h"
#include "cli/instances.h"
#include "cli/processes.h"
#include "cli/terminal.h"

enum { STEP_MS = 2000, ONCE_MS = 1000 };

static const char *state_text(char state)
{
    static const struct {
        char state;
        const char *text;
    } words[] = {{'R', "runs"},    {'S', "waits"},  {'D', "waits"}, {'I', "waits"},
                 {'T', "stopped"}, {'t', "traced"}, {'Z', "ended"}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (words[i].state == state) {
            return words[i].text;
        }
    }
    return "";
}

static void print_table(struct cli *cli, const struct processes *found, bool rate)
{
    static const char *const heads[] = {"PID", "PROCESS", "REVISION", "STATE",
                                        "CPU", "MEMORY",  "AGE",      NULL};
    struct table table;
    table_init(&table, cli, heads);
    for (size_t i = 0; i < found->count; i++) {
        const struct process *one = &found->all[i];
        table_add(&table, arena_printf(&cli->arena, "%d", one->pid));
        table_add(&table, one->role != NULL
                              ? one->role
                              : arena_printf(&cli->arena, "instance of %s", one->service));
        table_add(&table, one->role != NULL ? "" : one->revision);
        table_add(&table, state_text(one->state));
        table_add(&table, rate ? arena_printf(&cli->arena, "%u.%u%%", one->cpu_tenths / 10,
                                              one->cpu_tenths % 10)
                               : arena_printf(&cli->arena, "%llu.%02llu s",
                                              (unsigned long long)one->cpu_ms / 1000,
                                              (unsigned long long)one->cpu_ms % 1000 / 10));
        table_add(&table, arena_printf(&cli->arena, "%llu.%llu MiB",
                                       (unsigned long long)one->memory_kib / 1024,
                                       (unsigned long long)one->memory_kib % 1024 * 10 / 1024));
        table_add(&table, age_text(cli, one->age_s));
    }
    table_print(&table);
}

static json_t *as_json(const struct processes *found)
{
    json_t *out = json_array();
    for (size_t i = 0; i < found->count; i++) {
        const struct process *one = &found->all[i];
        json_t *row =
            json_pack("{s:i, s:I, s:I, s:I}", "pid", one->pid, "cpuMs", (json_int_t)one->cpu_ms,
                      "memoryKib", (json_int_t)one->memory_kib, "ageS", (json_int_t)one->age_s);
        if (one->role != NULL) {
            json_object_set_new(row, "role", json_string(one->role));
        } else {
            json_object_set_new(row, "service", json_string(one->service));
            json_object_set_new(row, "revision", json_string(one->revision));
        }
        json_array_append_new(out, row);
    }
    return out;
}

/* The instance is there now, not only in a file that a killed one left behind. */
static bool found_running(struct cli *cli, struct processes *out, struct error *err)
{
    if (!session_open(cli, err) || !processes_read(cli, out, err)) {
        return false;
    }
    return out->supervised ||
           error_set(err, STATUS_FAILED_PRECONDITION,
                     "Homerun (process %lld) has ended: start it with `homerun up --data %s`",
                     (long long)json_number(cli->ready, "pid", 0), session_data(cli));
}

int action_ps(struct cli *cli)
{
    struct error err = {0};
    struct processes found;
    if (!found_running(cli, &found, &err)) {
        return cli_fail(&err);
    }
    auto_json *all = as_json(&found);
    if (!print_formatted(cli, all)) {
        print_table(cli, &found, false);
    }
    return 0;
}

static int busiest_first(const void *a, const void *b)
{
    const struct process *x = a;
    const struct process *y = b;
    return (x->cpu_tenths < y->cpu_tenths) - (x->cpu_tenths > y->cpu_tenths);
}

/* The same instances as the engine sees them; control may be away, which is no reason to end. */
static void print_instances(struct cli *cli)
{
    struct error err = {0};
    auto_json *instances = instances_get(cli, NULL, &err);
    if (json_array_size(instances) > 0) {
        printf("\n");
        instances_print(cli, instances);
    }
}

/* Waits for the next look; false if the person at the terminal has had enough: q, or the end. */
static bool wait_step(struct cli *cli, unsigned ms)
{
    struct pollfd keys = {.fd = STDIN_FILENO, .events = POLLIN};
    char key = '\0';
    if (!cli->terminal || isatty(STDIN_FILENO) != 1) {
        poll(NULL, 0, (int)ms);
        return true;
    }
    return poll(&keys, 1, (int)ms) <= 0 ||
           (read(STDIN_FILENO, &key, 1) == 1 && key != 'q' && key != 'Q');
}

int action_top(struct cli *cli)
{
    struct error err = {0};
    struct processes earlier, now;
    if (!found_running(cli, &earlier, &err)) {
        return cli_fail(&err);
    }
    int64_t looked_us = clock_mono_us();
    unsigned step_ms = ONCE_MS;
    while (wait_step(cli, step_ms)) {
        session_forget(cli); /* a process that was started again has another number */
        if (!found_running(cli, &now, &err)) {
            return cli_fail(&err);
        }
        int64_t us = clock_mono_us();
        processes_rate(&now, &earlier, (uint64_t)(us - looked_us) / 1000);
        looked_us = us;
        earlier = now;
        qsort(now.all, now.count, sizeof(now.all[0]), busiest_first);
        if (!cli->terminal) {
            print_table(cli, &now, true);
            print_instances(cli);
            return 0;
        }
        printf("\033[H\033[2J");
        print_table(cli, &now, true);
        print_instances(cli);
        printf("\nq and Enter, or Ctrl-C, ends it.\n");
        fflush(stdout);
        step_ms = STEP_MS;
    }
    return 0;
}
