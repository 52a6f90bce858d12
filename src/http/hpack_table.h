/* The tables that tools/huffman_to_c.py makes of RFC 7541 appendix B; for hpack_plain.c alone. */
#pragma once

#include <stdint.h>

enum { HPACK_BITS_MAX = 30, HPACK_SYMBOLS = 257, HPACK_END = 256 };

/* By the next 8 bits: symbol << 8 | length of its code, or 0 where the code is longer than these.
 */
extern const uint16_t hpack_short[256];

/* By length: codes of it, and all shorter ones, are below this, as numbers of 30 bits. */
extern const uint32_t hpack_ends[HPACK_BITS_MAX + 1];

/* By length: what to add to a code, as a number of so many bits, for its place in hpack_symbols. */
extern const int32_t hpack_firsts[HPACK_BITS_MAX + 1];

/* In the order of their codes. The last place is that of HPACK_END, which is no byte. */
extern const uint8_t hpack_symbols[HPACK_SYMBOLS];
