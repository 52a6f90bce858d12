/*
 * An engine in a process of its own, with everything around it: a data folder, an index, a board,
 * and the far ends of its channels.
 */
#pragma once

#include <sys/types.h>

#include "index/index.h"
#include "ipc/board.h"
#include "ipc/ipc.h"
#include "ipc/meter.h"
#include "ipc/settings.h"

struct harness {
    char dir[64];
    char log_path[96];
    struct settings settings;
    struct board *board;
    struct index_writer *writer;
    pid_t pid;
    int control_fd, supervisor_fd, worker_fd, wake_fd; /* our ends */
    int inherited[8];                                  /* what the engine is born with */
};

/* Makes all but the engine. */
void harness_open(struct harness *harness, int idle_s);
void harness_start(struct harness *harness);
/* MSG_DRAIN, and the status it left with. */
int harness_drain(struct harness *harness);
void harness_close(struct harness *harness);

/* A record of revision ID with one container, and what else it says ("\"max_instances\":1,"). */
void harness_put(struct harness *harness, uint64_t id, const char *more, const char *container);
void harness_put_json(struct harness *harness, uint64_t id, const char *json);
void harness_delete(struct harness *harness, uint64_t id);
/* "program":["…"] of the hello container. */
const char *harness_hello(void);

void harness_demand(struct harness *harness, uint64_t id, uint32_t waiting);
void harness_tell(struct harness *harness, enum message_type type, uint64_t id);
/* The next message of that end, at most ten seconds later. */
enum message_type harness_hear(int fd, void *body);

/* Waits until a place can be taken, as a worker does: woken by the eventfd. */
struct board_place harness_take(struct harness *harness, uint64_t id);
/* Waits, looking again and again, until so many instances are in that state. */
void harness_wait_count(struct harness *harness, uint64_t id, enum instance_state state,
                        unsigned count);
/* Waits until the log of instances holds TEXT. */
void harness_wait_log(struct harness *harness, const char *text);
bool harness_log_has(struct harness *harness, const char *text);
/* The answer of an instance to GET PATH, into OUT. */
void harness_get(const struct board_place *place, const char *path, char *out, size_t size);
/* The first child of the engine; 0 if it has none. */
pid_t harness_child(const struct harness *harness);
void harness_wait_dead(pid_t pid);
