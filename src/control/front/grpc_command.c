#include "control/front/grpc_command.h"

const char *grpc_command(const struct http_request *request)
{
    static const struct {
        const char *command, *why;
    } commands[] = {
        {".run.worker-pools.deploy ", "Worker pools are not part of Homerun, which has Cloud Run's "
                                      "services alone."},
    };
    const struct http_header *agent = http_headers_find(&request->headers, SLICE("user-agent"));
    for (size_t i = 0; agent != NULL && i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (slice_find_slice(agent->value, SLICE("command/gcloud.")) >= 0 &&
            slice_find_slice(agent->value, slice_of(commands[i].command)) >= 0) {
            return commands[i].why;
        }
    }
    return NULL;
}
