/* Randomness from the kernel: for identifiers and secrets alike. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Fills MEMORY. Ends the process if the kernel refuses: nothing safe can be done without it. */
void random_bytes(void *memory, size_t bytes);
uint64_t random_u64(void);

/* COUNT characters out of ALPHABET, without bias, and a NUL. */
void random_text(char *out, size_t count, const char *alphabet);
