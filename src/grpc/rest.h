/* The place of a method's request in the REST form of its API, by google.api.HttpRule. */
#pragma once

#include "codec/codec.h"
#include "grpc/schema.h"

struct rest_request {
    struct slice verb;
    struct slice path;  /* percent-encoded, from "/" */
    struct slice query; /* percent-encoded; "" if there is none */
    json_t *body;       /* an object, owned by the caller; NULL: none */
};

/*
 * Writes MESSAGE, the document of METHOD's request, as a REST request: by the first of the method's
 * HTTP rules whose path the fields match. INVALID_ARGUMENT, naming the field, if they match none;
 * UNIMPLEMENTED if the method has no rules. In ARENA.
 */
bool grpc_to_rest(struct arena *arena, const struct proto_method *method, const json_t *message,
                  struct rest_request *out, struct error *err);
