/* Rewrites HPACK header blocks so that long texts are not Huffman-coded: the reader decodes them
 * faster. */
#pragma once

#include "base/slice.h"

/*
 * Writes BLOCK, a whole header block (RFC 7541 section 6), to OUT, with each long Huffman coded
 * text replaced by the text itself. It has the same fields, and leaves a decoder in the same state:
 * only the form of texts differs, which no decoder remembers.
 *
 * Returns the length of what was written; 0 if BLOCK is to be read as it is. That is so where it
 * has no such text, where the result would need more than ROOM bytes, and where anything in it is
 * not well formed: then the decoder is the one to refuse it.
 */
size_t hpack_plain(struct slice block, char *out, size_t room);
