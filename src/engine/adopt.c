/* One file for each instance that is ready, below DATA/run/instances, named for its ID. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "engine/inside.h"
#include "engine/instance.h"

enum { FILE_BYTES_MAX = 4 * 1024 * 1024, PATH_BYTES = 4400 };

static bool outlives(const struct engine *engine)
{
    return engine->kind->save != NULL || engine->kind->fleets != NULL;
}

static void path_of(const struct engine *engine, const char *name, char out[PATH_BYTES])
{
    snprintf(out, PATH_BYTES, "%.4200s/%.100s", engine->notes_dir, name);
}

/* Whole or not at all, but not synced: it says nothing that is true after a start of the machine.
 */
static bool write_quickly(const char *path, struct slice text)
{
    char beside[PATH_BYTES + 8];
    snprintf(beside, sizeof(beside), "%s.new", path);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return false;
    }
    bool good = write(fd, text.data, text.len) == (ssize_t)text.len;
    close(fd);
    return good && rename(beside, path) == 0;
}

void adopt_note(const struct instance *instance)
{
    const struct engine *engine = instance->revision->engine;
    char path[PATH_BYTES];
    auto_arena arena = {0};
    if (!outlives(engine)) {
        return;
    }
    auto_json *note = instance_save(instance);
    if (note == NULL) {
        return; /* not yet: it is asked again when all is made */
    }
    path_of(engine, instance->id, path);
    if (!write_quickly(path, json_write(&arena, note))) {
        log_warn("%s cannot be written: instance=%.8s would not outlive this process", path,
                 instance->id);
    }
}

void adopt_forget(const struct instance *instance)
{
    const struct engine *engine = instance->revision->engine;
    char path[PATH_BYTES];
    if (outlives(engine) && instance->ever_ready) {
        path_of(engine, instance->id, path);
        unlink(path);
    }
}

/* The instance of the file PATH; NULL if it cannot be taken over. The file goes first, and comes
 * again when all is well: what it says must not end one engine after the other. */
static struct instance *adopt_one(struct engine *engine, const char *path)
{
    auto_arena arena = {0};
    struct slice text;
    struct error err = {0};
    auto_json *note =
        file_read(&arena, path, FILE_BYTES_MAX, &text, &err) ? json_read(text, &err) : NULL;
    unlink(path);
    struct instance *instance = note == NULL ? NULL : revision_adopt(engine, note, &err);
    if (instance == NULL) {
        log_info("not adopted: %s: %s", path, err.text);
    }
    return instance;
}

void adopt_all(struct engine *engine)
{
    static bool keep[BOARD_INSTANCES];
    char path[PATH_BYTES];
    unsigned count = 0;
    DIR *folder = !outlives(engine) ? NULL : opendir(engine->notes_dir);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        path_of(engine, entry->d_name, path);
        struct instance *instance = adopt_one(engine, path);
        if (instance != NULL) {
            keep[instance->slot] = true;
            count++;
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
    for (int i = 0; i < BOARD_INSTANCES; i++) {
        if (keep[i]) {
            adopt_note(engine->by_slot[i]);
        }
    }
    if (engine->kind->settle != NULL) {
        engine->kind->settle(engine->backend);
    }
    board_keep(engine->board, keep);
    if (count > 0) {
        log_info("instances of an engine before this one go on: %u", count);
    }
}
