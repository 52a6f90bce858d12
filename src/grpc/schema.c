#include "grpc/schema.h"

#include <stdlib.h>

#include "grpc/inside.h"

static int by_name(const void *name, const void *row)
{
    return slice_compare(*(const struct slice *)name, slice_of(*(const char *const *)row));
}

const void *proto_row_find(const void *rows, size_t count, size_t size, struct slice name)
{
    return bsearch(&name, rows, count, size, by_name);
}

const struct proto_message *proto_message_find(struct slice name)
{
    return proto_row_find(proto_messages, proto_message_count, sizeof(proto_messages[0]), name);
}

const struct proto_method *proto_method_find(struct slice name)
{
    return proto_row_find(proto_methods, proto_method_count, sizeof(proto_methods[0]), name);
}
