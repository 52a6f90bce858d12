#include "base/random.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void random_bytes(void *memory, size_t bytes)
{
    char *at = memory;
    while (bytes > 0) {
        ssize_t got = getrandom(at, bytes, 0);
        if (got < 0) {
            if (errno == EINTR) {
                continue;
            }
            abort();
        }
        at += got;
        bytes -= (size_t)got;
    }
}

uint64_t random_u64(void)
{
    uint64_t value;
    random_bytes(&value, sizeof(value));
    return value;
}

void random_text(char *out, size_t count, const char *alphabet)
{
    size_t letters = strlen(alphabet);
    size_t fair = 256 - 256 % letters; /* bytes from here on would favour the first letters */
    for (size_t i = 0; i < count;) {
        unsigned char byte;
        random_bytes(&byte, 1);
        if (byte < fair) {
            out[i++] = alphabet[byte % letters];
        }
    }
    out[count] = '\0';
}
