/* CRC-32C (Castagnoli; RFC 3720, appendix B.4): the sum that Google's APIs have of values. */
#pragma once

#include <stdint.h>

#include "base/slice.h"

uint32_t crc32c(struct slice bytes);
