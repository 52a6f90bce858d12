#!/usr/bin/env python3
"""Makes the tables of HPACK's Huffman code (RFC 7541 appendix B) for src/http/hpack_plain.c.

    tools/huffman_to_c.py OUTPUT

The code is canonical: codes of one length follow each other in the order of their symbols, and each
length goes on where the shorter one ended. So the lengths say everything.
"""
import sys

SHORT = 8  # bits: codes up to here are found by one look into a table
END = 256  # the symbol that ends a text, of which only the front is ever sent, as padding

# The length in bits of the code of each symbol, 0 to 255 and END.
LENGTHS = [int(length) for length in """
13 23 28 28 28 28 28 28 28 24 30 28 28 30 28 28 28 28 28 28 28 28 30 28 28 28 28 28 28 28 28 28
 6 10 10 12 13  6  8 11 10 10  8 11  8  6  6  6  5  5  5  6  6  6  6  6  6  6  7  8 15  6 12 10
13  6  7  7  7  7  7  7  7  7  7  7  7  7  7  7  7  7  7  7  7  7  7  7  8  7  8 13 19 13 14  6
15  5  6  5  6  5  6  6  6  5  7  7  6  6  6  5  6  7  6  5  5  6  7  7  7  7  7 15 11 14 13 28
20 22 20 20 22 22 22 23 22 23 23 23 23 23 24 23 24 24 22 23 24 23 23 23 23 21 22 23 22 23 23 24
22 21 20 22 22 23 23 21 23 22 22 24 21 22 23 23 21 21 22 21 23 22 23 23 20 22 22 22 23 22 22 23
26 26 20 19 22 23 22 25 26 26 26 27 27 26 24 25 19 21 26 27 27 26 27 24 21 21 26 26 28 27 27 27
20 24 20 21 22 21 21 23 22 22 25 25 24 24 26 23 26 27 26 26 27 27 27 27 27 28 27 27 27 27 27 26
30
""".split()]


def rows(values, form, width):
    texts = [form.format(value) + "," for value in values]
    return "\n".join("    " + " ".join(texts[at:at + width]) for at in range(0, len(texts), width))


def main(output):
    longest = max(LENGTHS)
    order = sorted(range(len(LENGTHS)), key=lambda symbol: (LENGTHS[symbol], symbol))
    assert order[-1] == END and sum(2 ** (longest - length) for length in LENGTHS) == 2 ** longest
    short = [0] * (1 << SHORT)  # symbol * 256 + length
    ends, firsts = [0] * (longest + 1), [0] * (longest + 1)
    code = 0  # as a number of LONGEST bits
    for place, symbol in enumerate(order):
        length = LENGTHS[symbol]
        step = 1 << (longest - length)
        if ends[length] == 0:
            firsts[length] = place - (code >> (longest - length))
        if length <= SHORT:
            for at in range(code >> (longest - SHORT), (code + step) >> (longest - SHORT)):
                short[at] = symbol * 256 + length
        code += step
        ends[length] = code
    for length in range(1, longest + 1):  # lengths that no code has end where the one before ends
        ends[length] = ends[length] or ends[length - 1]
    order[-1] = 0  # END is told by its code, and never looked up
    with open(output, "w", encoding="ascii") as out:
        out.write(f"""/* Made by tools/huffman_to_c.py. */
#include "http/hpack_table.h"

const uint16_t hpack_short[{1 << SHORT}] = {{
{rows(short, "0x{:04x}", 12)}
}};

const uint32_t hpack_ends[HPACK_BITS_MAX + 1] = {{
{rows(ends, "0x{:08x}", 8)}
}};

const int32_t hpack_firsts[HPACK_BITS_MAX + 1] = {{
{rows(firsts, "{}", 8)}
}};

const uint8_t hpack_symbols[HPACK_SYMBOLS] = {{
{rows(order, "{}", 20)}
}};
""")


if __name__ == "__main__":
    main(sys.argv[1])
