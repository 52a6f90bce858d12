#include "base/crc32c.h"

/* Bit by bit: 64 KiB, the most that is summed here, take half a millisecond. */
uint32_t crc32c(struct slice bytes)
{
    uint32_t sum = ~(uint32_t)0;
    for (size_t i = 0; i < bytes.len; i++) {
        sum ^= (unsigned char)bytes.data[i];
        for (int bit = 0; bit < 8; bit++) {
            sum = sum >> 1 ^ (sum & 1 ? 0x82f63b78 : 0);
        }
    }
    return ~sum;
}
