#include "grpc/descriptors.h"

const struct proto_file *proto_file_find(struct slice name)
{
    for (size_t i = 0; i < proto_file_count; i++) {
        if (slice_is(name, proto_files[i].name)) {
            return &proto_files[i];
        }
    }
    return NULL;
}

static const struct proto_file *find(struct slice symbol)
{
    size_t low = 0;
    size_t high = proto_symbol_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = slice_compare(symbol, slice_of(proto_symbols[middle].name));
        if (order == 0) {
            return &proto_files[proto_symbols[middle].file];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

const struct proto_file *proto_file_of(struct slice symbol)
{
    const struct proto_file *file = find(symbol);
    ptrdiff_t dot = slice_find_last(symbol, '.');
    return file != NULL || dot <= 0 ? file : find(slice_upto(symbol, (size_t)dot));
}
