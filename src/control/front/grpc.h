/*
 * The gRPC transport. A call's request takes its place in the REST form of the API, so that the
 * same row, the same permission and the same handler answer both.
 */
#pragma once

#include "control/call/call.h"
#include "grpc/schema.h"

/* Whether the request is one of gRPC: its content type. */
bool grpc_is_call(const struct http_request *request);

/*
 * CALL, whose exchange is there, is answered by gRPC from now on. ON_LATE is called if the client's
 * deadline passes before it has been answered; not after api_end().
 */
void grpc_begin(struct api_call *call, void (*on_late)(struct api_call *call));

/*
 * What the head says: the method is known, and has a row to stand for it until the body says which
 * one it is. UNIMPLEMENTED, or DEADLINE_EXCEEDED, on failure.
 */
bool grpc_read_head(struct api_call *call, struct error *err);

/* Whether ROW is that of METHOD. Rows name methods as audit logs do: with dots, without the service
 * where that is "IAM", and with a remark in parentheses where two rows are one method. */
bool grpc_is_row(const struct proto_method *method, const struct api_route *row);
/* The same of what the call asks for, once its row was found. */
bool grpc_has_its_row(const struct api_call *call);

/* Whether the call can begin before its client has ended: a method to which messages stream begins
 * with the first of them. */
bool grpc_may_begin(const struct api_call *call, struct slice bytes);

/* Reads the first message in BYTES, the only one but of a method to which they stream: sets verb,
 * path, query and body of CALL. */
bool grpc_read_request(struct api_call *call, struct slice bytes, struct error *err);

/*
 * Gives what has come to the call's on_message, message by message, BYTES last; ENDED: nothing
 * follows. Reading is paused while the client does not take the answers. The call may have ended
 * when this returns.
 */
void grpc_take_more(struct api_call *call, struct slice bytes, bool ended);
