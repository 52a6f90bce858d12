/*
 * The schema once more, in the form in which clients ask a server for it: google.protobuf's
 * FileDescriptorProto, one for each package. Made from schema.txt (tools/schema_to_descriptors.py).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct proto_file {
    const char *name;   /* "google/cloud/run/v2/all.proto" */
    struct slice bytes; /* a FileDescriptorProto */
};

/* A message, an enum or a service. */
struct proto_symbol {
    const char *name; /* "google.cloud.run.v2.Services" */
    uint16_t file;    /* index */
};

extern const struct proto_file proto_files[]; /* by name */
extern const size_t proto_file_count;
extern const struct proto_symbol proto_symbols[]; /* by name */
extern const size_t proto_symbol_count;

/* The file of that name; NULL if there is none. */
const struct proto_file *proto_file_find(struct slice name);
/*
 * The file that defines SYMBOL: a message, an enum, a service, or the name of a method, field or
 * value inside one of them. NULL if there is none.
 */
const struct proto_file *proto_file_of(struct slice symbol);
