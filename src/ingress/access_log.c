/*
 * JSON by hand: a line is a fixed row of fields, and this runs once per request. Everything that a
 * client chose is escaped, cut to a length, and made valid UTF-8.
 */
#include "ingress/access_log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/log.h"

enum { GATHERED_MAX = 1 << 20, WORTH_WRITING = 16 << 10, TEXT_MAX = 2048 };

struct access_log {
    int fd;
    struct buffer lines;
    uint64_t lost;
    bool failing; /* said so once */
    int64_t second;
    char second_text[32]; /* "2026-01-02T03:04:05" */
};

struct access_log *access_log_new(int fd)
{
    struct access_log *log = calloc(1, sizeof(*log));
    if (log == NULL) {
        abort();
    }
    log->fd = fd;
    log->lines = BUFFER_INIT(GATHERED_MAX);
    log->second = -1;
    return log;
}

void access_log_free(struct access_log *log)
{
    if (log != NULL) {
        access_log_flush(log);
        buffer_done(&log->lines);
        free(log);
    }
}

bool access_log_is_full(const struct access_log *log)
{
    return buffer_len(&log->lines) >= WORTH_WRITING;
}

uint64_t access_log_lost(const struct access_log *log)
{
    return log->lost;
}

/* Length of the UTF-8 sequence at the front, 0 if it is none. */
static size_t utf8_length(const unsigned char *at, size_t left)
{
    static const struct {
        unsigned char first_min, first_max, second_min, second_max;
        size_t length;
    } forms[] = {
        {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (at[0] < forms[i].first_min || at[0] > forms[i].first_max) {
            continue;
        }
        if (left < forms[i].length || at[1] < forms[i].second_min || at[1] > forms[i].second_max) {
            return 0;
        }
        for (size_t k = 2; k < forms[i].length; k++) {
            if ((at[k] & 0xc0) != 0x80) {
                return 0;
            }
        }
        return forms[i].length;
    }
    return 0;
}

/* Characters that stand for themselves in a JSON string. */
static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static void put_odd(struct buffer *out, struct slice text, size_t *at)
{
    const unsigned char *bytes = (const unsigned char *)text.data + *at;
    size_t length = bytes[0] >= 0x80 ? utf8_length(bytes, text.len - *at) : 0;
    if (length > 0) {
        buffer_add(out, (struct slice){(const char *)bytes, length});
        *at += length;
        return;
    }
    if (bytes[0] == '"' || bytes[0] == '\\') {
        buffer_add_byte(out, '\\');
        buffer_add_byte(out, (char)bytes[0]);
    } else if (bytes[0] >= 0x80) {
        buffer_add_text(out, "\\ufffd");
    } else {
        buffer_printf(out, "\\u%04x", bytes[0]);
    }
    *at += 1;
}

static void put_string(struct buffer *out, struct slice text)
{
    text = slice_upto(text, TEXT_MAX);
    buffer_add_byte(out, '"');
    for (size_t at = 0; at < text.len;) {
        size_t end = at;
        while (end < text.len && is_plain((unsigned char)text.data[end])) {
            end++;
        }
        buffer_add(out, (struct slice){text.data + at, end - at});
        at = end;
        if (at < text.len) {
            put_odd(out, text, &at);
        }
    }
    buffer_add_byte(out, '"');
}

/* ,"name":"text" if there is a text. */
static void put_field(struct buffer *out, const char *name, struct slice text)
{
    if (text.len > 0) {
        buffer_add_text(out, ",\"");
        buffer_add_text(out, name);
        buffer_add_text(out, "\":");
        put_string(out, text);
    }
}

static void put_number(struct buffer *out, const char *name, uint64_t number)
{
    char digits[24];
    char *at = digits + sizeof(digits);
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    buffer_add_text(out, ",\"");
    buffer_add_text(out, name);
    buffer_add_text(out, "\":");
    buffer_add(out, (struct slice){at, (size_t)(digits + sizeof(digits) - at)});
}

static void put_micros(struct buffer *out, int64_t micros)
{
    char digits[6];
    for (int i = 5; i >= 0; i--) {
        digits[i] = (char)('0' + micros % 10);
        micros /= 10;
    }
    buffer_add_byte(out, '.');
    buffer_add(out, (struct slice){digits, sizeof(digits)});
}

static void put_time(struct access_log *log, int64_t wall_us)
{
    int64_t second = wall_us / 1000000;
    if (second != log->second) {
        struct tm parts;
        time_t seconds = (time_t)second;
        gmtime_r(&seconds, &parts);
        strftime(log->second_text, sizeof(log->second_text), "%Y-%m-%dT%H:%M:%S", &parts);
        log->second = second;
    }
    buffer_add_text(&log->lines, "{\"time\":\"");
    buffer_add_text(&log->lines, log->second_text);
    put_micros(&log->lines, wall_us % 1000000);
    buffer_add_text(&log->lines, "Z\"");
}

static struct slice severity(const struct access_record *record)
{
    if (record->is_error || record->status >= 500) {
        return SLICE("ERROR");
    }
    return record->status >= 400 ? SLICE("WARNING") : SLICE("INFO");
}

static struct slice protocol(enum http_version version)
{
    switch (version) {
    case HTTP_1_0:
        return SLICE("HTTP/1.0");
    case HTTP_1_1:
        return SLICE("HTTP/1.1");
    case HTTP_2:
        return SLICE("HTTP/2");
    }
    return SLICE("");
}

/* "https://host/path": each part is escaped by itself, so they are put together in the string. */
static void put_url(struct buffer *out, const struct access_record *record)
{
    char url[TEXT_MAX];
    struct slice parts[] = {record->scheme, SLICE("://"), record->host, record->path};
    size_t count = 0;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        struct slice part = slice_upto(parts[i], sizeof(url) - count);
        if (part.len > 0) {
            memcpy(url + count, part.data, part.len);
            count += part.len;
        }
    }
    put_field(out, "url", (struct slice){url, count});
}

static void put_trace(struct buffer *out, const struct access_record *record)
{
    char name[160];
    int count = snprintf(name, sizeof(name), "projects/%.*s/traces/%s", SLICE_ARG(record->project),
                         record->trace->id);
    if (record->project.len > 0 && count < (int)sizeof(name)) {
        put_field(out, "trace", (struct slice){name, (size_t)count});
    }
    put_field(out, "spanId", (struct slice){record->trace->span, SPAN_ID_CHARS});
}

static void put_latency(struct buffer *out, int64_t latency_us)
{
    char digits[24];
    int64_t seconds = latency_us / 1000000;
    char *at = digits + sizeof(digits);
    do {
        *--at = (char)('0' + seconds % 10);
        seconds /= 10;
    } while (seconds > 0);
    buffer_add_text(out, ",\"latency\":\"");
    buffer_add(out, (struct slice){at, (size_t)(digits + sizeof(digits) - at)});
    put_micros(out, latency_us % 1000000);
    buffer_add_text(out, "s\"");
}

void access_log_add(struct access_log *log, const struct access_record *record)
{
    struct buffer *out = &log->lines;
    size_t before = buffer_len(out);
    if (log->fd < 0) {
        return;
    }
    put_time(log, record->received_us);
    put_field(out, "severity", severity(record));
    put_field(out, "project", record->project);
    put_field(out, "region", record->region);
    put_field(out, "service", record->service);
    put_field(out, "configuration", record->service);
    put_field(out, "revision", record->revision);
    put_field(out, "tag", record->tag);
    put_field(out, "method", record->method);
    put_url(out, record);
    put_number(out, "status", (uint64_t)record->status);
    put_latency(out, record->latency_us);
    put_field(out, "remoteIp", record->remote_ip);
    put_field(out, "userAgent", record->user_agent);
    put_number(out, "requestSize", record->request_bytes);
    put_number(out, "responseSize", record->response_bytes);
    put_field(out, "protocol", protocol(record->version));
    if (record->trace != NULL) {
        put_trace(out, record);
    }
    put_field(out, "denial", record->denial);
    put_field(out, "rung", record->rung);
    put_field(out, "principal", record->principal);
    put_field(out, "fault", record->fault);
    put_field(out, "text", record->text);
    buffer_add_text(out, "}\n");
    if (out->overflow) { /* a line is whole or it is not there */
        out->tail = out->head + before;
        out->overflow = false;
        log->lost++;
    }
}

void access_log_flush(struct access_log *log)
{
    while (buffer_len(&log->lines) > 0) {
        struct slice rest = buffer_slice(&log->lines);
        ssize_t written = write(log->fd, rest.data, rest.len);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            if (!log->failing) {
                log_error("request log: %s: lines wait, then are dropped", strerror(errno));
            }
            log->failing = true;
            return;
        }
        log->failing = false;
        buffer_drop(&log->lines, (size_t)written);
    }
}
