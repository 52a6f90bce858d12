/*
 * JSON by hand: a line is a fixed row of fields, and this runs once per request, so room for the
 * longest line is made once and then written to without asking. Everything that a
 * client chose is escaped, cut to a length, and made valid UTF-8.
 */
#include "ingress/access_log.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "ipc/denial_index.h"

enum {
    GATHERED_MAX = 1 << 20,
    WORTH_WRITING = 64 << 10,
    TEXT_MAX = 2048,
    ESCAPED_MAX = 6,
    FIXED_MAX = 1024,
    /* The supervisor turns the file over at half of it, a few times a minute: a worker that writes
       faster than that, or is not given a new file, loses lines, but the disk does not fill. */
    FILE_MAX = 128 << 20,
    UNINDEXED_MAX = 256, /* refusals whose lines wait to be written */
};

/* A refusal whose line is gathered. */
struct unindexed {
    char id[32];
    size_t length;
    size_t at; /* of its line, in what is gathered */
    uint32_t time_s;
};

struct access_log {
    int fd;
    int denials;
    struct buffer lines;
    struct unindexed unindexed[UNINDEXED_MAX];
    size_t unindexed_count;
    uint64_t lost;
    bool failing; /* said so once */
    int64_t second;
    char second_text[32]; /* "2026-01-02T03:04:05" */
};

struct access_log *access_log_new(int fd, int denials)
{
    struct access_log *log = mem_new(struct access_log);
    log->fd = fd;
    log->denials = denials;
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

void access_log_turn(struct access_log *log, int fd)
{
    access_log_flush(log);
    if (log->fd >= 0) {
        close(log->fd);
    }
    log->fd = fd;
    log->failing = false;
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

/* A line that is being written: room was made for the longest that it can become. */
struct line {
    char *at;
};

static void put(struct line *line, struct slice text)
{
    if (text.len > 0) {
        memcpy(line->at, text.data, text.len);
        line->at += text.len;
    }
}

static void put_odd(struct line *line, struct slice text, size_t *at)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *bytes = (const unsigned char *)text.data + *at;
    size_t length = bytes[0] >= 0x80 ? utf8_length(bytes, text.len - *at) : 0;
    if (length > 0) {
        put(line, (struct slice){(const char *)bytes, length});
        *at += length;
        return;
    }
    if (bytes[0] == '"' || bytes[0] == '\\') {
        *line->at++ = '\\';
        *line->at++ = (char)bytes[0];
    } else if (bytes[0] >= 0x80) {
        put(line, SLICE("\\ufffd"));
    } else {
        put(line, SLICE("\\u00"));
        *line->at++ = digits[bytes[0] >> 4];
        *line->at++ = digits[bytes[0] & 15];
    }
    *at += 1;
}

/*
 * Whether all eight bytes stand for themselves. The top bits tell whether one is under 0x20, over
 * 0x7e, a quote or a backslash (the last two by a borrow that may also mark the byte above: then it
 * is false for no good reason, and the slow way decides).
 */
static bool is_plain_word(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101;
    uint64_t quotes = word ^ ones * '"';
    uint64_t slashes = word ^ ones * '\\';
    uint64_t odd = (word - ones * 0x20) | (word + ones) | word | (quotes - ones) | (slashes - ones);
    return (odd & (ones * 0x80)) == 0;
}

/* Copies what stands for itself, eight bytes at a time; answers how many. The last eight of a text
 * overlap those before them. What is shorter, or has an odd byte, goes one by one. */
static size_t put_plain(struct line *line, struct slice text)
{
    uint64_t word;
    size_t at = 0;
    if (text.len >= 4 && text.len < sizeof(word)) {
        uint32_t ends[2]; /* the first four bytes and the last four, which may overlap */
        memcpy(&ends[0], text.data, 4);
        memcpy(&ends[1], text.data + text.len - 4, 4);
        if (is_plain_word((uint64_t)ends[1] << 32 | ends[0])) {
            memcpy(line->at, &ends[0], 4);
            memcpy(line->at + text.len - 4, &ends[1], 4);
            at = text.len;
        }
    }
    while (text.len - at >= sizeof(word)) {
        memcpy(&word, text.data + at, sizeof(word));
        if (!is_plain_word(word)) {
            break;
        }
        memcpy(line->at + at, &word, sizeof(word));
        at += sizeof(word);
        if (at < text.len && text.len - at < sizeof(word)) {
            at = text.len - sizeof(word);
        }
    }
    while (at < text.len && is_plain((unsigned char)text.data[at])) {
        line->at[at] = text.data[at];
        at++;
    }
    line->at += at;
    return at;
}

/* The inside of a JSON string. */
static void put_inside(struct line *line, struct slice text)
{
    text = slice_upto(text, TEXT_MAX);
    for (size_t at = 0; at < text.len;) {
        at += put_plain(line, slice_from(text, at));
        if (at < text.len) {
            put_odd(line, text, &at);
        }
    }
}

/* Like put_field(), for texts of our own making, in which nothing has to be escaped. */
static void put_own(struct line *line, struct slice name, struct slice text)
{
    if (text.len > 0) {
        put(line, name);
        put(line, text);
        *line->at++ = '"';
    }
}

/* NAME is ,"name":" as a whole; nothing is written for "". */
static void put_field(struct line *line, struct slice name, struct slice text)
{
    if (text.len > 0) {
        put(line, name);
        put_inside(line, text);
        *line->at++ = '"';
    }
}

#define FIELD(name) SLICE(",\"" name "\":\"")

static void put_number(struct line *line, uint64_t number)
{
    char digits[24];
    char *at = digits + sizeof(digits);
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    put(line, (struct slice){at, (size_t)(digits + sizeof(digits) - at)});
}

/* Nothing is written for a time that is not there, or before 1970. */
static void put_second(struct line *line, struct slice name, int64_t second)
{
    if (second > 0) {
        put(line, name);
        put_number(line, (uint64_t)second);
    }
}

static void put_micros(struct line *line, int64_t micros)
{
    *line->at++ = '.';
    for (int i = 5; i >= 0; i--) {
        line->at[i] = (char)('0' + micros % 10);
        micros /= 10;
    }
    line->at += 6;
}

static void put_time(struct access_log *log, struct line *line, int64_t wall_us)
{
    int64_t second = wall_us / 1000000;
    if (second != log->second) {
        struct tm parts;
        time_t seconds = (time_t)second;
        gmtime_r(&seconds, &parts);
        strftime(log->second_text, sizeof(log->second_text), "%Y-%m-%dT%H:%M:%S", &parts);
        log->second = second;
    }
    put(line, SLICE("{\"time\":\""));
    put(line, slice_of(log->second_text));
    put_micros(line, wall_us % 1000000);
    put(line, SLICE("Z\""));
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

static void put_url(struct line *line, const struct access_record *record)
{
    if (record->host.len == 0 && record->path.len == 0) {
        return; /* a head that could not be read */
    }
    put(line, FIELD("url"));
    put_inside(line, record->scheme);
    put(line, SLICE("://"));
    put_inside(line, record->host);
    put_inside(line, record->path);
    *line->at++ = '"';
}

static void put_trace(struct line *line, const struct access_record *record)
{
    if (record->trace == NULL) {
        return;
    }
    put_own(line, FIELD("trace"), (struct slice){record->trace->id, TRACE_ID_CHARS});
    put_own(line, FIELD("spanId"), (struct slice){record->trace->span, SPAN_ID_CHARS});
}

static void put_line(struct access_log *log, struct line *line, const struct access_record *record)
{
    put_time(log, line, record->received_us);
    /* What follows from the rest is left to who reads: the severity from the status, the
     * configuration from the service, the trace's whole name from the project. */
    if (record->is_error && record->status < 500) {
        put(line, SLICE(",\"severity\":\"ERROR\""));
    }
    put_field(line, FIELD("project"), record->project);
    put_field(line, FIELD("region"), record->region);
    put_field(line, FIELD("service"), record->service);
    put_field(line, FIELD("revision"), record->revision);
    put_field(line, FIELD("tag"), record->tag);
    put_field(line, FIELD("method"), record->method);
    put_url(line, record);
    put(line, SLICE(",\"status\":"));
    put_number(line, (uint64_t)record->status);
    put(line, FIELD("latency"));
    put_number(line, (uint64_t)record->latency_us / 1000000);
    put_micros(line, record->latency_us % 1000000);
    put(line, SLICE("s\""));
    put_field(line, FIELD("remoteIp"), record->remote_ip);
    put_field(line, FIELD("userAgent"), record->user_agent);
    put(line, SLICE(",\"requestSize\":"));
    put_number(line, record->request_bytes);
    put(line, SLICE(",\"responseSize\":"));
    put_number(line, record->response_bytes);
    put_own(line, FIELD("protocol"), protocol(record->version));
    put_trace(line, record);
    put_field(line, FIELD("denial"), record->denial);
    put_field(line, FIELD("rung"), record->rung);
    put_field(line, FIELD("principal"), record->principal);
    put_field(line, FIELD("fault"), record->fault);
    put_field(line, FIELD("text"), record->text);
    put_field(line, FIELD("network"), record->network);
    put_field(line, FIELD("form"), record->form);
    put_field(line, FIELD("header"), record->header);
    put_field(line, FIELD("scheme"), record->scheme_sent);
    put_field(line, FIELD("iss"), record->claim_iss);
    put_field(line, FIELD("sub"), record->claim_sub);
    put_field(line, FIELD("email"), record->claim_email);
    put_field(line, FIELD("aud"), record->claim_aud);
    put_field(line, FIELD("use"), record->claim_use);
    put_field(line, FIELD("sid"), record->claim_sid);
    put_field(line, FIELD("client"), record->claim_client);
    put_second(line, SLICE(",\"exp\":"), record->claim_exp_s);
    put_second(line, SLICE(",\"iat\":"), record->claim_iat_s);
    put(line, SLICE("}\n"));
}

static size_t cut_len(struct slice text)
{
    return text.len < TEXT_MAX ? text.len : TEXT_MAX;
}

/* Bytes that the line cannot exceed: names and numbers, and six bytes for each byte of a text. */
static size_t line_bound(const struct access_record *record)
{
    const struct access_record *r = record;
    size_t bytes = cut_len(r->project) + cut_len(r->region) + cut_len(r->service) +
                   cut_len(r->revision) + cut_len(r->tag) + cut_len(r->method) +
                   cut_len(r->scheme) + cut_len(r->host) + cut_len(r->path) +
                   cut_len(r->remote_ip) + cut_len(r->user_agent) + cut_len(r->denial) +
                   cut_len(r->rung) + cut_len(r->principal) + cut_len(r->fault) + cut_len(r->text) +
                   cut_len(r->network) + cut_len(r->form) + cut_len(r->scheme_sent) +
                   cut_len(r->header) + cut_len(r->claim_iss) + cut_len(r->claim_sub) +
                   cut_len(r->claim_email) + cut_len(r->claim_aud) + cut_len(r->claim_use) +
                   cut_len(r->claim_sid) + cut_len(r->claim_client);
    return bytes * ESCAPED_MAX + FIXED_MAX;
}

/* Remembers that the line which comes next is of a refusal. */
static void note_denial(struct access_log *log, const struct access_record *record)
{
    if (log->denials < 0 || record->denial.len == 0 ||
        record->denial.len > sizeof(log->unindexed[0].id)) {
        return;
    }
    if (log->unindexed_count == UNINDEXED_MAX) {
        access_log_flush(log);
    }
    if (log->unindexed_count < UNINDEXED_MAX) {
        struct unindexed *note = &log->unindexed[log->unindexed_count++];
        *note = (struct unindexed){.length = record->denial.len,
                                   .at = buffer_len(&log->lines),
                                   .time_s = (uint32_t)(record->received_us / 1000000)};
        memcpy(note->id, record->denial.data, record->denial.len);
    }
}

/* The line could not be gathered. */
static void forget_denial(struct access_log *log)
{
    if (log->unindexed_count > 0 &&
        log->unindexed[log->unindexed_count - 1].at == buffer_len(&log->lines)) {
        log->unindexed_count--;
    }
}

/*
 * WRITTEN bytes of what was gathered stand in the log, which had FILE's size before: their lines
 * begin there or, if other workers have written meanwhile, a little later.
 */
static void index_denials(struct access_log *log, const struct stat *file, size_t written)
{
    size_t left = 0;
    for (size_t i = 0; i < log->unindexed_count; i++) {
        struct unindexed *note = &log->unindexed[i];
        if (note->at >= written) {
            note->at -= written;
            log->unindexed[left++] = *note;
            continue;
        }
        denial_index_put(
            log->denials, (struct slice){note->id, note->length},
            (struct denial_entry){.time_s = note->time_s,
                                  .file = (uint32_t)file->st_ino,
                                  .offset = (uint32_t)(file->st_size + (off_t)note->at)});
    }
    log->unindexed_count = left;
}

void access_log_add(struct access_log *log, const struct access_record *record)
{
    if (log->fd < 0) {
        return;
    }
    note_denial(log, record);
    char *room = buffer_reserve(&log->lines, line_bound(record));
    if (room == NULL) {
        log->lines.overflow = false;
        log->lost++;
        forget_denial(log);
        return;
    }
    struct line line = {room};
    put_line(log, &line, record);
    buffer_commit(&log->lines, (size_t)(line.at - room));
}

/* Drops what waits if the file is as long as it may become. */
static void keep_bounded(struct access_log *log)
{
    struct stat file;
    if (fstat(log->fd, &file) != 0 || !S_ISREG(file.st_mode) || file.st_size < FILE_MAX) {
        return;
    }
    struct slice rest = buffer_slice(&log->lines), line;
    while (slice_cut(&rest, '\n', &line)) {
        log->lost += line.len > 0;
    }
    if (!log->failing) {
        log_warn("request log: %d MiB, and no new file yet: lines are dropped", FILE_MAX >> 20);
    }
    log->failing = true;
    buffer_clear(&log->lines);
    log->unindexed_count = 0;
}

void access_log_flush(struct access_log *log)
{
    if (buffer_len(&log->lines) > 0) {
        keep_bounded(log);
    }
    while (buffer_len(&log->lines) > 0) {
        struct slice rest = buffer_slice(&log->lines);
        struct stat file = {0};
        if (log->unindexed_count > 0) {
            fstat(log->fd, &file);
        }
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
        index_denials(log, &file, (size_t)written);
        buffer_drop(&log->lines, (size_t)written);
    }
}
