/*
 * Files of the tz database: refused, or read to a zone that lies in a program and gives a sane
 * offset at any time. The same bytes are also taken as a zone of a program.
 */
#include <stdlib.h>

#include "policy/cel_time.h"

static void look(const struct cel_zone *zone)
{
    static const int64_t times[] = {INT64_MIN / 2000000, -2208988800, 0, 1800000000,
                                    INT64_MAX / 2000000};
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        if (!cel_offset_is_sane(cel_zone_offset(times[i], zone))) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = {(const char *)data, size};
    struct buffer out = BUFFER_INIT(64 * 1024);
    struct cel_zone zone;
    if (cel_zone_emit_file(&out, bytes)) {
        if (!cel_zone_at(buffer_slice(&out), &zone)) {
            abort();
        }
        look(&zone);
    }
    buffer_done(&out);
    if (cel_zone_at(bytes, &zone)) {
        look(&zone);
    }
    return 0;
}
