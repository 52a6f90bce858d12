#include "grpc/descriptors.h"

#include "grpc/inside.h"

const struct proto_file *proto_file_find(struct slice name)
{
    return proto_row_find(proto_files, proto_file_count, sizeof(proto_files[0]), name);
}

static const struct proto_file *find(struct slice symbol)
{
    const struct proto_symbol *found =
        proto_row_find(proto_symbols, proto_symbol_count, sizeof(proto_symbols[0]), symbol);
    return found == NULL ? NULL : &proto_files[found->file];
}

const struct proto_file *proto_file_of(struct slice symbol)
{
    const struct proto_file *file = find(symbol);
    ptrdiff_t dot = slice_find_last(symbol, '.');
    return file != NULL || dot <= 0 ? file : find(slice_upto(symbol, (size_t)dot));
}
