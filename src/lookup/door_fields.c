#include "lookup/door_fields.h"

#include <stddef.h>

struct reading {
    struct slice name;
    size_t field; /* its place in struct door_fields */
};

#define READ(name, member)                                                                         \
    {                                                                                              \
        SLICE_INIT(name), offsetof(struct door_fields, member)                                     \
    }

static const struct reading readings[] = {
    READ("accept", accept),
    READ("access-control-request-method", preflight_method),
    READ("origin", origin),
    READ("proxy-authorization", proxy_authorization),
    READ("sec-fetch-dest", fetch_dest),
    READ("sec-fetch-mode", fetch_mode),
    READ("sec-fetch-site", fetch_site),
    READ("x-requested-with", requested_with),
};

static struct door_field *field_of(struct door_fields *fields, struct slice name)
{
    for (size_t i = 0; i < sizeof(readings) / sizeof(readings[0]); i++) {
        if (slice_equal(readings[i].name, name)) {
            return (struct door_field *)(void *)((char *)fields + readings[i].field);
        }
    }
    return NULL;
}

void door_fields_read(const struct http_headers *headers, bool upgrade, struct slice scheme,
                      struct door_fields *out)
{
    *out = (struct door_fields){.scheme = scheme, .upgrade = upgrade};
    for (unsigned i = 0; i < headers->count; i++) {
        const struct http_header *header = &headers->items[i];
        if (slice_equal(header->name, SLICE("cookie"))) {
            door_read_cookies(header->value, &out->cookie);
            continue;
        }
        struct door_field *field = field_of(out, header->name);
        if (field != NULL) {
            field->value = header->value;
            field->count++;
        }
        if (field == &out->accept) {
            out->accepts_page |= door_accepts_page(header->value);
        }
    }
}
