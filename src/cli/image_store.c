#include "cli/image_store.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"

enum {
    YOUNG_S = 3600, /* a layout of another command that has not registered it yet */
    WALK_FDS = 16,
};

bool tool_run_here(const char *const *argv)
{
    int status = -1;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        char **words;
        memcpy(&words, &argv, sizeof(words)); /* execvp() only reads, yet has no const */
        execvp(argv[0], words);
        fprintf(stderr, "homerun: %s: %s\n", argv[0],
                errno == ENOENT ? "is not installed (make containers, or apt-get install it)"
                                : strerror(errno));
        _exit(127);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

const char *image_layout(struct cli *cli, const char *digest)
{
    return arena_printf(&cli->arena, "%s/images/layouts/%s", session_data(cli),
                        strncmp(digest, "sha256:", 7) == 0 ? digest + 7 : "none");
}

/* ---- bringing ---- */

/* Docker's daemon is where its own client would look for it. */
static bool run_copy(struct cli *cli, const char *file, const char *source, const char *target)
{
    const char *words[10] = {"skopeo", "copy"};
    const char *daemon = getenv("DOCKER_HOST");
    size_t count = 2;
    if (strncmp(source, "docker-daemon:", 14) == 0 && daemon != NULL && *daemon != '\0') {
        words[count++] = arena_printf(&cli->arena, "--src-daemon-host=%s", daemon);
    }
    if (!isatty(STDOUT_FILENO)) {
        words[count++] = "--quiet";
    }
    words[count++] = "--digestfile";
    words[count++] = file;
    words[count++] = source;
    words[count] = target;
    return tool_run_here(words);
}

bool image_copy(struct cli *cli, const char *source, struct slice *digest, struct error *err)
{
    const char *dir = arena_printf(&cli->arena, "%s/images/layouts", session_data(cli));
    const char *beside = arena_printf(&cli->arena, "%s/import-%d", dir, (int)getpid());
    const char *file = arena_printf(&cli->arena, "%s/.import-%d", dir, (int)getpid());
    if (!file_make_dir(dir, 0700, err)) {
        return false;
    }
    const char *target = arena_printf(&cli->arena, "oci:%s:import", beside);
    const char *layout = arena_printf(&cli->arena, "%s:import", beside);
    bool good =
        run_copy(cli, file, source, target) && file_read(&cli->arena, file, 256, digest, err);
    unlink(file);
    if (good) {
        *digest = slice_trim(*digest);
        const char *hex = arena_printf(&cli->arena, "%.*s", SLICE_ARG(slice_from(*digest, 7)));
        const char *final = arena_printf(&cli->arena, "%s/%s", dir, hex);
        good = tool_run_here((const char *[]){"umoci", "tag", "--image", layout, hex, NULL}) &&
               (rename(beside, final) == 0 || access(final, F_OK) == 0);
    }
    tool_run_here((const char *[]){"rm", "-rf", beside, NULL}); /* if it has still this name */
    return good || error_set(err, STATUS_FAILED_PRECONDITION, "%s could not be imported", source);
}

/* ---- what nothing needs any more ---- */

static bool is_needed(const json_t *answer, const char *hex)
{
    size_t i;
    json_t *image;
    json_array_foreach(json_object_get(answer, "images"), i, image)
    {
        const char *manifest = json_text_or(image, "manifest", "");
        if (strncmp(manifest, "sha256:", 7) == 0 && strcmp(manifest + 7, hex) == 0) {
            return true;
        }
    }
    json_array_foreach(json_object_get(answer, "manifests"), i, image)
    {
        const char *manifest = json_string_value(image);
        if (strncmp(manifest, "sha256:", 7) == 0 && strcmp(manifest + 7, hex) == 0) {
            return true;
        }
    }
    return false;
}

/* The server lists what has a name and what revisions still run: another layout has no use, unless
 * it is so young that the command that brought it has not named it yet. */
static void remove_unneeded(struct cli *cli)
{
    struct error err = {0};
    auto_json *answer = NULL;
    const char *dir = arena_printf(&cli->arena, "%s/images/layouts", session_data(cli));
    if (!session_call(cli, "GET", IMAGES_PATH, NULL, &answer, &err) ||
        json_object_get(answer, "manifests") == NULL) {
        return; /* it does not say, so perhaps all are needed */
    }
    DIR *folder = opendir(dir);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        struct stat status;
        const char *path = arena_printf(&cli->arena, "%s/%s", dir, entry->d_name);
        if (strlen(entry->d_name) == 64 && !is_needed(answer, entry->d_name) &&
            stat(path, &status) == 0 && time(NULL) - status.st_ctime > YOUNG_S) {
            tool_run_here((const char *[]){"rm", "-rf", "--one-file-system", path, NULL});
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
}

bool image_register(struct cli *cli, const char *name, struct slice digest, struct error *err)
{
    auto_json *answer = NULL;
    auto_json *body = json_pack("{s:s, s:o}", "name", name, "manifest", json_slice(digest));
    if (!session_call(cli, "POST", IMAGES_PATH, body, &answer, err)) {
        return false;
    }
    remove_unneeded(cli);
    return true;
}

/* ---- looking ---- */

static uint64_t walked_bytes;

static int count_bytes(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)path, (void)kind, (void)place;
    walked_bytes += kind == FTW_NS ? 0 : (uint64_t)status->st_blocks * 512;
    return 0;
}

uint64_t image_disk_bytes(struct cli *cli, const char *digest)
{
    walked_bytes = 0;
    if (strncmp(digest, "sha256:", 7) != 0) {
        return 0;
    }
    nftw(image_layout(cli, digest), count_bytes, WALK_FDS, FTW_PHYS | FTW_MOUNT);
    nftw(arena_printf(&cli->arena, "%s/images/roots/%s", session_data(cli), digest + 7),
         count_bytes, WALK_FDS, FTW_PHYS | FTW_MOUNT);
    return walked_bytes;
}

const json_t *image_row(struct cli *cli, const json_t *images, const char *name)
{
    struct slice text = slice_of(name);
    const char *wanted = slice_find_last(text, ':') > slice_find_last(text, '/')
                             ? name
                             : arena_printf(&cli->arena, "%s:latest", name);
    for (size_t i = 0; i < json_array_size(images); i++) {
        const json_t *image = json_array_get(images, i);
        if (strcmp(json_text_or(image, "name", ""), wanted) == 0) {
            return image;
        }
    }
    return NULL;
}
