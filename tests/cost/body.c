/* The body of a call, read as control reads it: "j" and JSON, or "y" and YAML. */
#include <stdint.h>

#include "codec/codec.h"

enum { VALUES_MAX = 20000 }; /* as control/front/listener.c has it */

int cost_body(const uint8_t *data, size_t size);

int cost_body(const uint8_t *data, size_t size)
{
    struct error err = {0};
    struct slice text = {(const char *)data + 1, size - 1};
    if (size == 0) {
        return 0;
    }
    json_decref(data[0] == 'y' ? yaml_read_at_most(text, VALUES_MAX, &err)
                               : json_read_at_most(text, VALUES_MAX, &err));
    return 0;
}
