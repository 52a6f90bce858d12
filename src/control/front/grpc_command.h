/* Commands of gcloud that begin by REST and go on by gRPC. */
#pragma once

#include "net/net.h"

/*
 * Why the command of gcloud that REQUEST is made for cannot succeed, if all that matters of it goes
 * by gRPC; NULL for any other. gcloud shows each fault of gRPC as a crash of its own, so such a
 * command is told at the REST call that it begins with.
 */
const char *grpc_command(const struct http_request *request);
