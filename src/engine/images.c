/* Which file a container's command line names. */
#include "engine/images.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

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

static const char *path_of(const struct run_container *container)
{
    for (size_t i = 0; i < container->env_count; i++) {
        if (strcmp(container->env[i].name, "PATH") == 0) {
            return container->env[i].value;
        }
    }
    return default_path;
}

/* A name without a slash: along PATH, parts of which may be relative to the folder. */
static const char *find_in_path(struct arena *arena, const struct run_container *container,
                                const char *dir, const char *name)
{
    struct slice rest = slice_of(path_of(container));
    struct slice part;
    while (slice_cut(&rest, ':', &part)) {
        bool absolute = slice_starts(part, SLICE("/"));
        const char *path = arena_printf(arena, "%s%s%.*s/%s", absolute ? "" : dir,
                                        absolute ? "" : "/", SLICE_ARG(part), name);
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
        out->path = find_in_path(arena, container, out->dir, name);
    } else if (name[0] == '/') {
        out->path = name;
    } else {
        out->path = arena_printf(arena, "%s/%s", out->dir, name);
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

/*
 * A local program runs with the rights of its folder's owner, whoever deploys it. So who deploys
 * may choose its arguments and its environment, but neither another program nor what is loaded into
 * it.
 */
static bool is_as_registered(const struct run_container *container, struct error *err)
{
    if (container->command[0] != NULL &&
        (container->program[0] == NULL ||
         strcmp(container->command[0], container->program[0]) != 0)) {
        return error_set(err, STATUS_FAILED_PRECONDITION,
                         "the command \"%s\" cannot replace the program that image \"%s\" was "
                         "registered with; register another image with \"homerun images add\"",
                         container->command[0], label(container));
    }
    for (size_t i = 0; i < container->env_count; i++) {
        const char *name = container->env[i].name;
        if (strncmp(name, "LD_", 3) == 0 || strcmp(name, "GLIBC_TUNABLES") == 0) {
            return error_set(err, STATUS_FAILED_PRECONDITION,
                             "the variable %s cannot be set for image \"%s\": it would change what "
                             "the program loads",
                             name, label(container));
        }
    }
    return true;
}

bool image_resolve(struct arena *arena, const struct run_container *container,
                   struct image_command *out, struct error *err)
{
    const char *const *first =
        container->command[0] != NULL ? container->command : container->program;
    if (first[0] == NULL) {
        return error_set(err, STATUS_NOT_FOUND,
                         "image \"%s\" has no program that this engine can run: register one with "
                         "\"homerun images add\"",
                         label(container));
    }
    if (!is_as_registered(container, err)) {
        return false;
    }
    bool local = *container->dir != '\0';
    *out = (struct image_command){
        .dir = local ? container->dir : "/",
        .owner_dir = local ? container->dir : NULL,
    };
    if (!find_program(arena, container, first[0], out, err)) {
        return false;
    }
    if (*container->working_dir == '/') {
        out->dir = container->working_dir;
    } else if (*container->working_dir != '\0') {
        out->dir = arena_printf(arena, "%s/%s", out->dir, container->working_dir);
    }
    size_t first_count = count_of(first), args_count = count_of(container->args);
    const char **argv = arena_array(arena, const char *, first_count + args_count + 1);
    memcpy(argv, first, first_count * sizeof(*argv));
    memcpy(argv + first_count, container->args, args_count * sizeof(*argv));
    out->argv = argv;
    return true;
}
