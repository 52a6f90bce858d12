#include "engine/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

enum {
    OUTPUT_BYTES = 64 * 1024,
    OUTPUT_READS = 8, /* in one turn of the loop */
    OUTPUT_READS_LAST = 64,
};

struct output {
    uv_poll_t poll;
    enum log_stream stream;
    output_bytes on_bytes;
    void *ctx;
    int fd;
    bool over; /* it is at its end */
};

static void output_read(struct output *output, int reads)
{
    static char bytes[OUTPUT_BYTES];
    for (int i = 0; i < reads && !output->over; i++) {
        ssize_t got = read(output->fd, bytes, sizeof(bytes));
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (got <= 0) {
            /* It stays open as long as its handle: to close that takes whatever then has the
             * number out of the loop's list. */
            uv_poll_stop(&output->poll);
            output->over = true;
            return;
        }
        output->on_bytes(output->ctx, output->stream, (struct slice){bytes, (size_t)got});
    }
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    output_read(poll->data, OUTPUT_READS);
}

static struct output *output_of(uv_loop_t *loop, enum log_stream stream, int fd,
                                output_bytes on_bytes, void *ctx)
{
    struct output *output = mem_new(struct output);
    *output = (struct output){.stream = stream, .on_bytes = on_bytes, .ctx = ctx, .fd = fd};
    uv_poll_init(loop, &output->poll, fd); /* makes it non-blocking */
    output->poll.data = output;
    uv_poll_start(&output->poll, UV_READABLE, on_ready);
    return output;
}

struct output *output_new(uv_loop_t *loop, enum log_stream stream, output_bytes on_bytes, void *ctx,
                          int *write_fd)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return NULL;
    }
    *write_fd = fds[1];
    return output_of(loop, stream, fds[0], on_bytes, ctx);
}

struct output *output_at(uv_loop_t *loop, enum log_stream stream, const char *path,
                         output_bytes on_bytes, void *ctx, int *write_fd)
{
    if (write_fd != NULL && mkfifo(path, 0600) != 0) {
        return NULL;
    }
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return NULL;
    }
    if (write_fd != NULL) {
        /* Open for both, so that it is never without a reader, whose absence would end the child.
         */
        *write_fd = open(path, O_RDWR | O_CLOEXEC);
        if (*write_fd < 0) {
            close(fd);
            return NULL;
        }
    }
    return output_of(loop, stream, fd, on_bytes, ctx);
}

void output_drain(struct output *output)
{
    if (output != NULL) {
        output_read(output, OUTPUT_READS_LAST);
    }
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void output_close(struct output *output)
{
    if (output == NULL) {
        return;
    }
    uv_close((uv_handle_t *)&output->poll, on_closed);
    close(output->fd);
    output->over = true;
}
