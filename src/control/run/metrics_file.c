#include "control/run/metrics_file.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

enum {
    MAGIC = 0x484d4554, /* "HMET" */
    LAYOUT = 1,
    HEAD_BYTES = 64,
    CHUNK_ROWS = 256,
};
static_assert(sizeof(struct metrics_row) % 8 == 0, "rows lie behind each other");

struct head {
    uint32_t magic, layout, row_bytes, rows;
    uint64_t added; /* rows, ever */
};

struct metrics_file {
    int fd;
    struct head head;
};

static off_t place_of(const struct metrics_file *file, uint64_t number)
{
    return HEAD_BYTES + (off_t)(number % file->head.rows) * (off_t)sizeof(struct metrics_row);
}

static bool begin_anew(struct metrics_file *file, uint32_t rows, struct error *err)
{
    file->head = (struct head){MAGIC, LAYOUT, sizeof(struct metrics_row), rows, 0};
    if (ftruncate(file->fd, 0) != 0 ||
        pwrite(file->fd, &file->head, sizeof(file->head), 0) != (ssize_t)sizeof(file->head)) {
        return error_errno(err, "begin a history of metrics");
    }
    return true;
}

struct metrics_file *metrics_file_open(const char *path, uint32_t rows, struct error *err)
{
    struct metrics_file *file = mem_new(struct metrics_file);
    file->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file->fd < 0) {
        error_errno(err, "open %s", path);
        free(file);
        return NULL;
    }
    bool known =
        pread(file->fd, &file->head, sizeof(file->head), 0) == (ssize_t)sizeof(file->head) &&
        file->head.magic == MAGIC && file->head.layout == LAYOUT &&
        file->head.row_bytes == sizeof(struct metrics_row) && file->head.rows == rows;
    if (!known && !begin_anew(file, rows, err)) {
        metrics_file_close(file);
        return NULL;
    }
    return file;
}

void metrics_file_close(struct metrics_file *file)
{
    if (file != NULL) {
        close(file->fd);
        free(file);
    }
}

bool metrics_file_add(struct metrics_file *file, const struct metrics_row *row, struct error *err)
{
    if (pwrite(file->fd, row, sizeof(*row), place_of(file, file->head.added)) !=
        (ssize_t)sizeof(*row)) {
        return error_errno(err, "write metrics");
    }
    file->head.added++;
    return pwrite(file->fd, &file->head, sizeof(file->head), 0) == (ssize_t)sizeof(file->head) ||
           error_errno(err, "write metrics");
}

/* Rows FIRST and further, at most CHUNK_ROWS, as far as they lie behind each other. */
static size_t read_chunk(const struct metrics_file *file, uint64_t first, uint64_t end,
                         struct metrics_row *out)
{
    uint64_t until_wrap = file->head.rows - first % file->head.rows;
    uint64_t count = end - first < until_wrap ? end - first : until_wrap;
    ssize_t got = pread(file->fd, out, (size_t)count * sizeof(*out), place_of(file, first));
    return got < 0 ? 0 : (size_t)got / sizeof(*out);
}

const struct metrics_row *metrics_file_rows(struct metrics_file *file, struct arena *arena,
                                            uint64_t service, int64_t since_s, size_t max,
                                            size_t *count)
{
    struct metrics_row *found = arena_alloc(arena, max * sizeof(*found));
    struct metrics_row *chunk = arena_alloc(arena, CHUNK_ROWS * sizeof(*chunk));
    uint64_t end = file->head.added;
    uint64_t oldest = end > file->head.rows ? end - file->head.rows : 0;
    size_t at = max; /* filled from the back */
    bool further = true;
    while (further && end > oldest && at > 0) {
        /* Not over the end of the ring: what is read at once lies behind each other. */
        uint64_t begin = end - oldest > CHUNK_ROWS ? end - CHUNK_ROWS : oldest;
        uint64_t wrap = (end - 1) / file->head.rows * file->head.rows;
        begin = begin < wrap ? wrap : begin;
        size_t got = read_chunk(file, begin, end, chunk);
        for (size_t i = got; i > 0 && at > 0; i--) {
            const struct metrics_row *row = &chunk[i - 1];
            further = row->time_s + row->span_s >= since_s;
            if (row->service == service && row->time_s >= since_s) {
                found[--at] = *row;
            }
        }
        end = begin;
    }
    *count = max - at;
    return found + at;
}
