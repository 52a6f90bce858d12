#include "store/postgres_password.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

enum { BYTES_MAX = 65536 };

static bool read_file(struct arena *arena, const char *path, struct slice *out, struct error *err)
{
    return file_read_private(arena, path, BYTES_MAX, out, err) || error_wrap(err, "passfile");
}

static void forget(struct slice text)
{
    explicit_bzero((void *)(uintptr_t)text.data, text.len);
}

bool password_file_check(const char *path, struct error *err)
{
    auto_arena arena = {0};
    struct slice text;
    if (!read_file(&arena, path, &text, err)) {
        return false;
    }
    forget(text);
    return true;
}

int password_file_copy(const char *path, struct error *err)
{
    auto_arena arena = {0};
    struct slice text;
    if (!read_file(&arena, path, &text, err)) {
        return -1;
    }
    int fd = memfd_create("passfile", MFD_CLOEXEC);
    if (fd < 0 || fchmod(fd, 0600) != 0 || write(fd, text.data, text.len) != (ssize_t)text.len) {
        error_errno(err, "passfile %s: a copy of it", path);
        if (fd >= 0) {
            close(fd);
        }
        fd = -1;
    }
    forget(text);
    return fd;
}
