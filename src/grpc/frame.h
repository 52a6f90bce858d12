/*
 * How gRPC puts messages on a stream of HTTP/2: a byte that says whether the message is compressed,
 * its length in four bytes, the message (gRPC over HTTP/2, "Length-Prefixed-Message").
 */
#pragma once

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"

enum { GRPC_MESSAGE_MAX = 4 << 20, GRPC_HEAD_BYTES = 5 };

enum grpc_frame {
    GRPC_MORE,    /* the rest of it has not come yet */
    GRPC_MESSAGE, /* one was cut off */
    GRPC_BAD,     /* see *err: the stream cannot be read on */
};

/*
 * Cuts the first message off *BYTES. A compressed message is decompressed into ARENA, to at most
 * GRPC_MESSAGE_MAX bytes; ENCODING (the header grpc-encoding; empty if there was none) must be
 * "gzip" then. *BYTES and *message are changed on GRPC_MESSAGE alone.
 */
enum grpc_frame grpc_frame_cut(struct arena *arena, struct slice *bytes, struct slice encoding,
                               struct slice *message, struct error *err);

/* The five bytes in front of a message of LEN bytes that is not compressed. */
void grpc_frame_head(char out[GRPC_HEAD_BYTES], size_t len);
