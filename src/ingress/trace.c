/* X-Cloud-Trace-Context and W3C traceparent (level 1), read strictly: what is odd is made new. */
#include "ingress/trace.h"

#include <endian.h>

#include "base/random.h"

void trace_source_init(struct trace_source *source)
{
    source->state = random_u64();
}

/* SplitMix64: a counter and a good mixer. */
uint64_t trace_random(struct trace_source *source)
{
    uint64_t z = source->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Eight digits at once: each half byte gets a byte of its own, and those from ten on go on with
 * 'a'. */
static void put_hex_8(char out[8], uint32_t value)
{
    const uint64_t ones = 0x0101010101010101;
    uint64_t spread = value;
    spread = (spread << 16 | spread) & 0x0000ffff0000ffff;
    spread = (spread << 8 | spread) & 0x00ff00ff00ff00ff;
    spread = (spread << 4 | spread) & 0x0f0f0f0f0f0f0f0f;
    uint64_t letters = (spread + ones * 6) >> 4 & ones;
    uint64_t text = htobe64(spread + ones * '0' + letters * ('a' - '0' - 10));
    memcpy(out, &text, sizeof(text));
}

static void put_hex(char out[16], uint64_t value)
{
    put_hex_8(out, (uint32_t)(value >> 32));
    put_hex_8(out + 8, (uint32_t)value);
}

static size_t put_decimal(char *out, uint64_t value)
{
    char digits[20];
    char *at = digits + sizeof(digits);
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    size_t count = (size_t)(digits + sizeof(digits) - at);
    memcpy(out, at, count);
    return count;
}

/* That many hexadecimal digits (lower case if STRICT), not all of them 0. */
static bool is_id(struct slice text, size_t count, bool strict)
{
    bool some = false;
    if (text.len != count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        char c = text.data[i];
        bool upper = c >= 'A' && c <= 'F';
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (upper && !strict))) {
            return false;
        }
        some = some || c != '0';
    }
    return some;
}

static void lower(char *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        out[i] = c >= 'A' && c <= 'F' ? (char)(c + 32) : c;
    }
}

/* "TRACE", "TRACE/SPAN", "TRACE/SPAN;o=1". */
static bool cloud_read(struct slice value, struct trace *out)
{
    if (value.len >= sizeof(out->cloud) ||
        !is_id(slice_upto(value, TRACE_ID_CHARS), TRACE_ID_CHARS, false)) {
        return false;
    }
    struct slice rest = slice_from(value, TRACE_ID_CHARS);
    ptrdiff_t semicolon = slice_find(rest, ';');
    struct slice span = semicolon < 0 ? rest : slice_upto(rest, (size_t)semicolon);
    struct slice options = semicolon < 0 ? SLICE_NONE : slice_from(rest, (size_t)semicolon);
    if (span.len > 0 && (span.len > 21 || span.data[0] != '/')) {
        return false;
    }
    uint64_t number = 0;
    for (size_t i = 1; i < span.len; i++) {
        if (span.data[i] < '0' || span.data[i] > '9') {
            return false;
        }
        number = number * 10 + (uint64_t)(span.data[i] - '0');
    }
    if (options.len > 0 && !slice_is(options, ";o=0") && !slice_is(options, ";o=1")) {
        return false;
    }
    memcpy(out->cloud, value.data, value.len);
    out->cloud_len = (uint8_t)value.len;
    lower(out->id, slice_upto(value, TRACE_ID_CHARS));
    put_hex(out->span, number);
    return true;
}

/* "00-TRACE-PARENT-FLAGS"; version 00 alone. */
static bool parent_read(struct slice value, struct slice *id)
{
    if (value.len != TRACE_PARENT_CHARS || !slice_starts(value, SLICE("00-")) ||
        value.data[35] != '-' || value.data[52] != '-') {
        return false;
    }
    *id = slice_from(slice_upto(value, 35), 3);
    struct slice flags = slice_from(value, 53);
    return is_id(*id, TRACE_ID_CHARS, true) &&
           is_id(slice_from(slice_upto(value, 52), 36), SPAN_ID_CHARS, true) &&
           (slice_is(flags, "00") || is_id(flags, 2, true));
}

static void cloud_write(struct trace *out, uint64_t span)
{
    memcpy(out->cloud, out->id, TRACE_ID_CHARS);
    size_t at = TRACE_ID_CHARS;
    out->cloud[at++] = '/';
    at += put_decimal(out->cloud + at, span);
    memcpy(out->cloud + at, ";o=1", 5);
    out->cloud_len = (uint8_t)(at + 4);
    put_hex(out->span, span);
}

void trace_read(struct trace_source *source, const struct http_headers *headers, struct trace *out)
{
    const struct http_header *cloud = NULL;
    const struct http_header *parent = NULL;
    struct slice parent_id = SLICE_NONE;
    for (unsigned i = 0; i < headers->count; i++) {
        const struct http_header *header = &headers->items[i];
        if (slice_equal(header->name, SLICE("x-cloud-trace-context"))) {
            cloud = header;
        } else if (slice_equal(header->name, SLICE("traceparent"))) {
            parent = header;
        }
    }
    uint64_t span = trace_random(source) | 1; /* never 0 */
    bool has_parent = parent != NULL && parent_read(parent->value, &parent_id);
    out->id[TRACE_ID_CHARS] = out->span[SPAN_ID_CHARS] = '\0';
    if (cloud == NULL || !cloud_read(cloud->value, out)) {
        if (has_parent) {
            memcpy(out->id, parent_id.data, TRACE_ID_CHARS);
        } else {
            put_hex(out->id, trace_random(source));
            put_hex(out->id + 16, trace_random(source) | 1);
        }
        cloud_write(out, span);
    }
    memcpy(out->parent, "00-", 3);
    memcpy(out->parent + 3, has_parent ? parent_id.data : out->id, TRACE_ID_CHARS);
    out->parent[35] = '-';
    put_hex(out->parent + 36, span);
    memcpy(out->parent + 52, has_parent ? parent->value.data + 52 : "-01", 3);
    out->parent[TRACE_PARENT_CHARS] = '\0';
}
