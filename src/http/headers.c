/*
 * Header fields: a plain array, searched from the front. Messages have a few dozen fields and names
 * that differ in length, so that a comparison mostly ends at the length.
 */
#include "http/message.h"

const struct http_header *http_headers_find(const struct http_headers *headers, struct slice name)
{
    for (unsigned i = 0; i < headers->count; i++) {
        if (slice_equal(headers->items[i].name, name)) {
            return &headers->items[i];
        }
    }
    return NULL;
}

unsigned http_headers_count(const struct http_headers *headers, struct slice name)
{
    unsigned count = 0;
    for (unsigned i = 0; i < headers->count; i++) {
        count += slice_equal(headers->items[i].name, name);
    }
    return count;
}

bool http_headers_add(struct http_headers *headers, struct arena *arena, struct slice name,
                      struct slice value)
{
    if (headers->count == HTTP_HEADERS_MAX) {
        return false;
    }
    if (headers->count == headers->capacity) {
        unsigned capacity = headers->capacity == 0 ? 16 : headers->capacity * 2U;
        struct http_header *items = arena_array(arena, struct http_header, capacity);
        if (headers->count > 0) {
            memcpy(items, headers->items, headers->count * sizeof(items[0]));
        }
        headers->items = items;
        headers->capacity = (uint16_t)capacity;
    }
    headers->items[headers->count++] = (struct http_header){name, value};
    return true;
}

static bool is_one_of(struct slice name, const struct slice *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_equal(name, names[i])) {
            return true;
        }
    }
    return false;
}

bool http_name_reads_as(struct slice name, struct slice wanted, bool prefix)
{
    if (prefix ? name.len < wanted.len : name.len != wanted.len) {
        return false;
    }
    for (size_t i = 0; i < wanted.len; i++) {
        char c = name.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (c != wanted.data[i] && (plain || wanted.data[i] != '-')) {
            return false;
        }
    }
    return true;
}

bool http_header_is_hop_by_hop(const struct http_headers *headers, struct slice name)
{
    static const struct slice always[] = {
        SLICE_INIT("connection"),         SLICE_INIT("keep-alive"),
        SLICE_INIT("proxy-connection"),   SLICE_INIT("te"),
        SLICE_INIT("transfer-encoding"),  SLICE_INIT("upgrade"),
        SLICE_INIT("proxy-authenticate"), SLICE_INIT("proxy-authorization"),
    };
    /* What a sender must not be able to take out of the message by naming it in Connection. */
    static const struct slice never[] = {SLICE_INIT("host"), SLICE_INIT("content-length")};
    if (is_one_of(name, always, sizeof(always) / sizeof(always[0]))) {
        return true;
    }
    if (is_one_of(name, never, sizeof(never) / sizeof(never[0]))) {
        return false;
    }
    for (unsigned i = 0; i < headers->count; i++) {
        if (!slice_equal(headers->items[i].name, SLICE("connection"))) {
            continue;
        }
        struct slice rest = headers->items[i].value, option;
        while (slice_cut(&rest, ',', &option)) {
            if (slice_equal_nocase(slice_trim(option), name)) {
                return true;
            }
        }
    }
    return false;
}

struct slice http_reason(int status)
{
    static const char *const reasons[] = {
        [100] = "Continue",
        [101] = "Switching Protocols",
        [102] = "Processing",
        [103] = "Early Hints",
        [200] = "OK",
        [201] = "Created",
        [202] = "Accepted",
        [203] = "Non-Authoritative Information",
        [204] = "No Content",
        [205] = "Reset Content",
        [206] = "Partial Content",
        [207] = "Multi-Status",
        [208] = "Already Reported",
        [226] = "IM Used",
        [300] = "Multiple Choices",
        [301] = "Moved Permanently",
        [302] = "Found",
        [303] = "See Other",
        [304] = "Not Modified",
        [305] = "Use Proxy",
        [307] = "Temporary Redirect",
        [308] = "Permanent Redirect",
        [400] = "Bad Request",
        [401] = "Unauthorized",
        [402] = "Payment Required",
        [403] = "Forbidden",
        [404] = "Not Found",
        [405] = "Method Not Allowed",
        [406] = "Not Acceptable",
        [407] = "Proxy Authentication Required",
        [408] = "Request Timeout",
        [409] = "Conflict",
        [410] = "Gone",
        [411] = "Length Required",
        [412] = "Precondition Failed",
        [413] = "Content Too Large",
        [414] = "URI Too Long",
        [415] = "Unsupported Media Type",
        [416] = "Range Not Satisfiable",
        [417] = "Expectation Failed",
        [421] = "Misdirected Request",
        [422] = "Unprocessable Content",
        [423] = "Locked",
        [424] = "Failed Dependency",
        [425] = "Too Early",
        [426] = "Upgrade Required",
        [428] = "Precondition Required",
        [429] = "Too Many Requests",
        [431] = "Request Header Fields Too Large",
        [451] = "Unavailable For Legal Reasons",
        [500] = "Internal Server Error",
        [501] = "Not Implemented",
        [502] = "Bad Gateway",
        [503] = "Service Unavailable",
        [504] = "Gateway Timeout",
        [505] = "HTTP Version Not Supported",
        [506] = "Variant Also Negotiates",
        [507] = "Insufficient Storage",
        [508] = "Loop Detected",
        [511] = "Network Authentication Required",
    };
    bool known = status >= 0 && (size_t)status < sizeof(reasons) / sizeof(reasons[0]);
    return known && reasons[status] != NULL ? slice_of(reasons[status]) : SLICE("");
}
