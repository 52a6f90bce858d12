/* Which file a container's command line names. */
#include "engine/images.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "model/image_rules.h"

static const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/* Where homerun-hello may be, as seen from our own program's folder: installed, or just built. */
static const char *const hello_places[] = {"", "engine/hello/", "src/engine/hello/",
                                           "../libexec/homerun/"};

static size_t count_of(const char *const *list)
{
    size_t count = 0;
    while (list[count] != NULL) {
        count++;
    }
    return count;
}

static bool is_program(const char *path)
{
    struct stat status;
    return access(path, X_OK) == 0 && stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

static const char *find_hello(struct arena *arena)
{
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self));
    ptrdiff_t slash = len > 0 ? slice_find_last((struct slice){self, (size_t)len}, '/') : -1;
    if (slash < 0) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof(hello_places) / sizeof(hello_places[0]); i++) {
        const char *path =
            arena_printf(arena, "%.*s/%shomerun-hello", (int)slash, self, hello_places[i]);
        if (is_program(path)) {
            return path;
        }
    }
    return NULL;
}

/* A name without a slash. */
static const char *find_in_path(struct arena *arena, const char *name)
{
    struct slice rest = slice_of(default_path);
    struct slice part;
    while (slice_cut(&rest, ':', &part)) {
        const char *path = arena_printf(arena, "%.*s/%s", SLICE_ARG(part), name);
        if (is_program(path)) {
            return path;
        }
    }
    return NULL;
}

static const char *label(const struct run_container *container)
{
    return *container->image != '\0' ? container->image : container->name;
}

static bool find_program(struct arena *arena, const struct run_container *container,
                         const char *name, struct image_command *out, struct error *err)
{
    if (strcmp(name, "homerun-hello") == 0) {
        out->path = find_hello(arena);
    } else if (strchr(name, '/') == NULL) {
        out->path = find_in_path(arena, name);
    } else if (name[0] == '/') {
        out->path = name;
    } else {
        out->path = arena_printf(arena, "%s/%s", container->dir, name);
    }
    if (out->path == NULL) {
        return error_set(err, STATUS_NOT_FOUND, "the program \"%s\" of image \"%s\" was not found",
                         name, label(container));
    }
    if (!is_program(out->path)) {
        int why = access(out->path, X_OK) != 0 ? errno : EACCES;
        return error_set(err, why == ENOENT ? STATUS_NOT_FOUND : STATUS_FAILED_PRECONDITION,
                         "the program \"%s\" of image \"%s\" cannot be executed: %s", out->path,
                         label(container), strerror(why));
    }
    return true;
}

/* Asks what control asked when it was deployed. */
static bool is_allowed(struct arena *arena, const struct run_container *container,
                       struct error *err)
{
    size_t secret_count = count_of(container->secret_env), count = 0;
    const char **names = arena_array(arena, const char *, container->env_count + secret_count + 1);
    for (size_t i = 0; i < container->env_count; i++) {
        names[count++] = container->env[i].name;
    }
    for (size_t i = 0; i < secret_count; i++) {
        names[count++] = container->secret_env[i];
    }
    const struct image_ask ask = {
        .program = container->program,
        .command = container->command,
        .args = container->args,
        .env = names,
    };
    char why[640];
    return image_rules_check(&container->rules, &ask, why, sizeof(why)) == IMAGE_FINE ||
           error_set(err, STATUS_FAILED_PRECONDITION, "image \"%.100s\": %s", label(container),
                     why);
}

/* A built-in image has no folder: whatever the container asks for, there is nothing in it. */
static int open_folder(const struct run_container *container, struct error *err)
{
    if (*container->dir == '\0') {
        return file_open_below("/", "", err);
    }
    return file_open_below(container->dir, container->working_dir, err);
}

bool image_resolve(struct arena *arena, const struct run_container *container,
                   struct image_command *out, struct error *err)
{
    const char *const *program = container->program;
    if (program[0] == NULL) {
        return error_set(err, STATUS_NOT_FOUND,
                         "image \"%s\" has no program that this engine can run: register one with "
                         "\"homerun images add\"",
                         label(container));
    }
    *out = (struct image_command){.dir_fd = -1, .built_in = *container->dir == '\0'};
    if (!is_allowed(arena, container, err) ||
        !find_program(arena, container, program[0], out, err)) {
        return false;
    }
    size_t program_count = count_of(program), args_count = count_of(container->args);
    const char **argv = arena_array(arena, const char *, program_count + args_count + 1);
    memcpy(argv, program, program_count * sizeof(*argv));
    memcpy(argv + program_count, container->args, args_count * sizeof(*argv));
    out->argv = argv;
    out->dir_fd = open_folder(container, err);
    return out->dir_fd >= 0;
}
