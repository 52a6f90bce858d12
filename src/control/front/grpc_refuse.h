/* gRPC, which this server does not speak: clients are told how to choose REST. */
#pragma once

#include "net/net.h"

/* Answers EXCHANGE, and true, if it is a gRPC call. */
bool grpc_refuse(struct exchange *exchange);
