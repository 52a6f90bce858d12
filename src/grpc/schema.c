#include "grpc/schema.h"

const struct proto_message *proto_message_find(struct slice name)
{
    size_t low = 0;
    size_t high = proto_message_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = slice_compare(name, slice_of(proto_messages[middle].name));
        if (order == 0) {
            return &proto_messages[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

const struct proto_method *proto_method_find(struct slice name)
{
    size_t low = 0;
    size_t high = proto_method_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = slice_compare(name, slice_of(proto_methods[middle].name));
        if (order == 0) {
            return &proto_methods[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}
