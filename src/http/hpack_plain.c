/*
 * nghttp2 decodes Huffman text by four bits at a time, and a bearer token of 700 bytes, which
 * clients send with each request, takes a quarter of all instructions of that request. The decoder
 * here takes a symbol with each look into a table of 512 bytes. What it writes goes to nghttp2,
 * which stays the judge of everything: nothing is refused here, and an index, a size of the table
 * or a name is not even looked at.
 */
#include "http/hpack_plain.h"

#include <endian.h>

#include "http/hpack_table.h"

enum {
    LONG_BYTES = 64,  /* coded; shorter texts are not worth it */
    LENGTH_BYTES = 3, /* of a text's length, for lengths below 127 + 2^14 */
    PLAIN_MAX = 126 + (1 << 14),
    SHORT_BITS = 8,
    ROUND = 7, /* symbols of up to SHORT_BITS that are sure to be in 57 bits */
};

struct reader {
    const uint8_t *at, *end;
};

static uint64_t word_at(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return be64toh(word);
}

/* The bits of TEXT from BIT on: 57 at least; behind its end ones, as padding has. */
static uint64_t bits_at(struct slice text, size_t bit)
{
    if (bit / 8 + sizeof(uint64_t) <= text.len) {
        return word_at(text.data + bit / 8) << bit % 8;
    }
    size_t left = text.len * 8 - bit; /* less than 64 */
    uint64_t last = word_at(text.data + text.len - sizeof(uint64_t));
    return left == 0 ? UINT64_MAX : last << (64 - left) | UINT64_MAX >> left;
}

/* The place of the symbol whose code, which is a long one, BITS begin with, and its length. */
static unsigned symbol_find(uint64_t bits, unsigned *length)
{
    uint32_t code = (uint32_t)(bits >> (64 - HPACK_BITS_MAX));
    unsigned count = SHORT_BITS + 1;
    while (code >= hpack_ends[count]) {
        count++; /* the last end is above all codes */
    }
    *length = count;
    return (unsigned)(hpack_firsts[count] + (int32_t)(code >> (HPACK_BITS_MAX - count)));
}

/*
 * TEXT has 8 bytes at least, and OUT has room for 8/5 of it and ROUND bytes more. False if TEXT is
 * not well formed.
 */
static bool decode(struct slice text, char *out, size_t *length)
{
    const size_t end = text.len * 8;
    char *to = out;
    for (size_t bit = 0; bit <= end;) {
        unsigned entry = 1;
        while (entry != 0 && bit / 8 + sizeof(uint64_t) <= text.len) {
            /* The lowest bit that is set moves up with each shift, and so counts the bits used. */
            enum { MARK = 6 };
            uint64_t bits = word_at(text.data + bit / 8) << bit % 8;
            bits = (bits & ~UINT64_C(0x7f)) | UINT64_C(1) << MARK;
            for (unsigned i = 0; i < ROUND; i++) {
                entry = hpack_short[bits >> (64 - SHORT_BITS)];
                to[i] = (char)(entry >> 8);
                bits <<= entry & 0xff;
            }
            if (entry != 0) { /* otherwise there is a long code, which nothing got past */
                to += ROUND;
                bit += (unsigned)__builtin_ctzll(bits) - MARK;
            }
        }
        /* The same with care: up to that code, or to the end. */
        uint64_t bits = bits_at(text, bit);
        entry = 1;
        for (unsigned i = 0; i < ROUND && entry != 0; i++) {
            entry = hpack_short[bits >> (64 - SHORT_BITS)];
            *to = (char)(entry >> 8);
            to += entry != 0;
            bits <<= entry & 0xff;
            bit += entry & 0xff;
        }
        if (entry != 0 || bit > end) {
            continue;
        }
        if (end - bit <
            8) { /* padding (RFC 7541 section 5.2): a long code begins with ones alone */
            *length = (size_t)(to - out);
            return true;
        }
        unsigned count;
        unsigned place = symbol_find(bits_at(text, bit), &count);
        if (place == HPACK_END) {
            return false;
        }
        *to++ = (char)hpack_symbols[place];
        bit += count;
    }
    return false; /* the last code goes beyond the end */
}

/* An integer (RFC 7541 section 5.1) behind the first 8 - PREFIX bits; at most 2^21 and a little. */
static bool read_number(struct reader *reader, unsigned prefix, size_t *out)
{
    enum { CONTINUED_MAX = 3 };
    size_t most = (1U << prefix) - 1;
    if (reader->at == reader->end) {
        return false;
    }
    size_t number = *reader->at++ & most;
    bool more = number == most;
    for (unsigned i = 0; more; i++) {
        if (i == CONTINUED_MAX || reader->at == reader->end) {
            return false;
        }
        more = (*reader->at & 0x80) != 0;
        number += (size_t)(*reader->at++ & 0x7f) << (7 * i);
    }
    *out = number;
    return true;
}

/* Writes the length of a plain text (no more than PLAIN_MAX), which takes 1 to LENGTH_BYTES bytes.
 */
static size_t put_length(char *out, size_t length)
{
    if (length < 127) {
        out[0] = (char)length;
        return 1;
    }
    out[0] = 127;
    length -= 127;
    size_t used = 1;
    for (; length >= 128; length >>= 7) {
        out[used++] = (char)(0x80 | (length & 0x7f));
    }
    out[used++] = (char)length;
    return used;
}

/* How many texts follow the field's first byte and number, of which PREFIX says the bits. */
static unsigned texts_of(uint8_t kind, unsigned *prefix)
{
    bool indexed = (kind & 0x80) != 0, kept = (kind & 0xc0) == 0x40, resize = (kind & 0xe0) == 0x20;
    *prefix = indexed ? 7 : kept ? 6 : resize ? 5 : 4;
    return indexed || resize ? 0 : 1;
}

size_t hpack_plain(struct slice block, char *out, size_t room)
{
    struct reader reader = {(const uint8_t *)block.data, (const uint8_t *)block.data + block.len};
    const uint8_t *from = reader.at; /* what comes from here on is not in OUT yet */
    size_t used = 0;
    while (reader.at < reader.end) {
        size_t index, length;
        unsigned prefix, texts = texts_of(*reader.at, &prefix);
        if (!read_number(&reader, prefix, &index)) {
            return 0;
        }
        texts += texts == 1 && index == 0; /* a name of its own */
        for (; texts > 0; texts--) {
            const uint8_t *start = reader.at;
            if (!read_number(&reader, 7, &length) || length > (size_t)(reader.end - reader.at)) {
                return 0;
            }
            struct slice text = {(const char *)reader.at, length};
            reader.at += length;
            if ((*start & 0x80) == 0 || length < LONG_BYTES) {
                continue;
            }
            size_t before = (size_t)(start - from), plain;
            if (used + before + LENGTH_BYTES + length * 8 / 5 + ROUND > room) {
                return 0;
            }
            memcpy(out + used, from, before);
            used += before;
            if (!decode(text, out + used + LENGTH_BYTES, &plain) || plain > PLAIN_MAX) {
                return 0;
            }
            size_t head = put_length(out + used, plain);
            if (head < LENGTH_BYTES) {
                memmove(out + used + head, out + used + LENGTH_BYTES, plain);
            }
            used += head + plain;
            from = reader.at;
        }
    }
    size_t rest = (size_t)(reader.end - from);
    if (used == 0 || used + rest > room) {
        return 0;
    }
    memcpy(out + used, from, rest);
    return used + rest;
}
