/*
 * The index says in which file, and from where on, a line stands. Logs are turned over by renaming,
 * so that a file is known by its inode number and not by its name.
 */
#include "control/access/denial.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/denial_index.h"

enum {
    FILES_MAX = 10,         /* requests.jsonl, and what the supervisor keeps of older ones */
    FIRST_READ = 128 << 10, /* a line is nearly always where the index says */
    ID_CHARS = 22,
};

bool denial_id_check(const char *id, struct error *err)
{
    size_t length =
        strspn(id + (strncmp(id, "d-", 2) == 0 ? 2 : 0), "abcdefghijklmnopqrstuvwxyz234567");
    return (strncmp(id, "d-", 2) == 0 && length + 2 == ID_CHARS && id[ID_CHARS] == '\0') ||
           error_field(err, "denial",
                       "A denial is d- and 20 lower-case letters and digits, as the header "
                       "Homerun-Denial of a refused request says.");
}

static int open_log(const struct control *control, struct arena *arena, unsigned older)
{
    const char *path = older == 0
                           ? settings_path(&control->settings, arena, "log/requests.jsonl")
                           : settings_path(&control->settings, arena,
                                           arena_printf(arena, "log/requests.jsonl.%u", older));
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* The descriptor of the log that ENTRY is about; -1: it is gone. */
static int open_log_of(const struct control *control, struct arena *arena,
                       const struct denial_entry *entry)
{
    for (unsigned older = 0; older < FILES_MAX; older++) {
        struct stat status;
        int fd = open_log(control, arena, older);
        if (fd >= 0 && fstat(fd, &status) == 0 && (uint32_t)status.st_ino == entry->file) {
            return fd;
        }
        if (fd >= 0) {
            close(fd);
        }
    }
    return -1;
}

/* The line in TEXT that has NEEDLE, as JSON. */
static json_t *line_with(struct slice text, struct slice needle)
{
    ptrdiff_t at = slice_find_slice(text, needle);
    if (at < 0) {
        return NULL;
    }
    ptrdiff_t start = slice_find_last(slice_upto(text, (size_t)at), '\n') + 1;
    struct slice left = slice_from(text, (size_t)start);
    ptrdiff_t end = slice_find(left, '\n');
    return end < 0 ? NULL : json_read(slice_upto(left, (size_t)end), NULL);
}

static json_t *look_at(struct arena *arena, int fd, uint32_t offset, struct slice needle)
{
    static const size_t reads[] = {FIRST_READ, DENIAL_SLACK};
    json_t *found = NULL;
    for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]) && found == NULL; i++) {
        char *room = arena_alloc(arena, reads[i]);
        ssize_t got = pread(fd, room, reads[i], (off_t)offset);
        found = got <= 0 ? NULL : line_with((struct slice){room, (size_t)got}, needle);
    }
    return found;
}

json_t *denial_find(const struct control *control, struct arena *arena, const char *id)
{
    struct denial_entry entries[DENIAL_FOUND_MAX];
    const char *path = settings_path(&control->settings, arena, "log/denials.index");
    struct slice needle = slice_of(arena_printf(arena, "\"denial\":\"%s\"", id));
    int index = open(path, O_RDONLY | O_CLOEXEC);
    unsigned count = index < 0 ? 0 : denial_index_find(index, slice_of(id), entries);
    auto_json *found = NULL;
    for (unsigned i = 0; i < count && found == NULL; i++) {
        int fd = open_log_of(control, arena, &entries[i]);
        if (fd >= 0) {
            found = look_at(arena, fd, entries[i].offset, needle);
            close(fd);
        }
    }
    if (index >= 0) {
        close(index);
    }
    bool is_it = found != NULL && strcmp(json_text_or(found, "denial", ""), id) == 0;
    return is_it ? json_steal(&found) : NULL;
}
