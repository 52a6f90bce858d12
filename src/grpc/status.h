/* The end of a gRPC call (its trailers), and its time limit (the header grpc-timeout). */
#pragma once

#include "codec/codec.h"

/* TEXT as grpc-message carries it: percent-encoded where it is not printable ASCII. In ARENA. */
struct slice grpc_message_text(struct arena *arena, struct slice text);

/*
 * The trailer grpc-status-details-bin: google.rpc.Status in base64. DETAILS: an array of documents
 * with "@type", or NULL; those whose type the schema lacks are left out. In ARENA; empty if it
 * would be longer than a trailer should be.
 */
struct slice grpc_status_details(struct arena *arena, enum status status, const char *message,
                                 const json_t *details);

/* "100m" in microseconds: a number of at most eight digits and a unit, H M S m u n. False if TEXT
 * is something else. */
bool grpc_timeout_read(struct slice text, int64_t *us);
