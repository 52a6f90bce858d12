/*
 * Protocol buffer messages to and from documents (ProtoJSON, as REST has them): one codec for all
 * messages of the schema.
 */
#pragma once

#include "base/buffer.h"
#include "codec/codec.h"
#include "grpc/schema.h"

enum {
    PROTO_DEPTH_MAX = 64,
    /* The limit is that of a REST body. Two bytes of a message can ask for an object of 200 bytes,
       so the number of values is bounded, not only the bytes. */
    PROTO_VALUES_MAX = 20000,
};

/*
 * The document of a message. Fields that the schema does not have are passed over, as protobuf
 * wants it. NULL and INVALID_ARGUMENT if BYTES are no message of that TYPE, hold text that is not
 * UTF-8 or has a NUL, or more than the limits above. The caller owns the document.
 */
json_t *proto_read(const struct proto_message *type, struct slice bytes, struct error *err);

/*
 * Adds the message of a document to OUT. Names that the schema does not have are left out; the
 * first of them is written to *UNKNOWN (NULL if there was none; lives as long as VALUE). False and
 * *err if a value is not of its field's kind, or OUT is full; what was added is then worthless.
 */
bool proto_write(const struct proto_message *type, const json_t *value, struct buffer *out,
                 const char **unknown, struct error *err);
