#include "engine/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

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
    int fd; /* -1: at its end */
};

static void output_read(struct output *output, int reads)
{
    static char bytes[OUTPUT_BYTES];
    for (int i = 0; i < reads && output->fd >= 0; i++) {
        ssize_t got = read(output->fd, bytes, sizeof(bytes));
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (got <= 0) {
            uv_poll_stop(&output->poll);
            close(output->fd);
            output->fd = -1;
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

struct output *output_new(uv_loop_t *loop, enum log_stream stream, output_bytes on_bytes, void *ctx,
                          int *write_fd)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return NULL;
    }
    struct output *output = calloc(1, sizeof(*output));
    if (output == NULL) {
        abort();
    }
    *output = (struct output){.stream = stream, .on_bytes = on_bytes, .ctx = ctx, .fd = fds[0]};
    *write_fd = fds[1];
    uv_poll_init(loop, &output->poll, fds[0]); /* makes it non-blocking */
    output->poll.data = output;
    uv_poll_start(&output->poll, UV_READABLE, on_ready);
    return output;
}

void output_drain(struct output *output)
{
    output_read(output, OUTPUT_READS_LAST);
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
    if (output->fd >= 0) {
        close(output->fd);
        output->fd = -1;
    }
}
