/*
 * One list of rows for the defaults, the writer and the reader, so that a setting cannot be known
 * to one of them alone.
 */
#include "ipc/settings.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/log.h"

enum { SETTINGS_BYTES_MAX = 65536 };

struct row {
    const char *name;
    size_t offset;
    size_t room;      /* of a text, with its NUL; 0: a number */
    const char *text; /* default */
    int number;       /* default */
};

#define TEXT(field, otherwise)                                                                     \
    {                                                                                              \
#field, offsetof(struct settings, field), sizeof(((struct settings *)NULL)->field),        \
            otherwise, 0                                                                           \
    }
#define NUMBER(field, otherwise)                                                                   \
    {                                                                                              \
#field, offsetof(struct settings, field), 0, NULL, otherwise                               \
    }

static const struct row rows[] = {
    TEXT(data, ""), /* the command line always says it */
    TEXT(api_url, "http://localhost:8080"),
    TEXT(public_url, ""),
    TEXT(api_tls_url, ""),
    TEXT(https_url, "https://localhost:8443"),
    TEXT(http_url, "http://localhost:8081"),
    TEXT(metadata_url, ""),
    TEXT(domain, "run.localhost"),
    TEXT(project, "demo"),
    TEXT(project_number, "123456789012"),
    TEXT(region, "us-central1"),
    TEXT(organization, ""),
    TEXT(engine, "auto"),
    TEXT(egress, "auto"),
    TEXT(client_documents, "auto"),
    TEXT(kubeconfig, ""),
    TEXT(kubernetes_owner, ""),
    TEXT(kubernetes_sources, ""),
    TEXT(store, "sqlite"),
    TEXT(node, ""),
    TEXT(cluster_key, ""),
    TEXT(when_cut_off, "refuse"),
    TEXT(internal, ""),
    TEXT(trusted_proxies, ""),
    TEXT(tls_certificates, ""),
    NUMBER(cluster, 0),
    NUMBER(lease_s, 15),
    NUMBER(idle_s, 900),
    NUMBER(prepared, 64),
    NUMBER(frozen, 0),
    NUMBER(workers, 1),
    NUMBER(plain, 0),
    NUMBER(strict_paths, 0),
    NUMBER(large_responses, 0),
    NUMBER(connect, 0),
    NUMBER(api_host, 0),
    NUMBER(https_port, 8443),
    NUMBER(http_port, 8081),
    NUMBER(log_level, LOG_LEVEL_INFO),
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static void put_text(struct settings *settings, const struct row *row, struct slice text)
{
    char *place = (char *)settings + row->offset;
    memcpy(place, text.data, text.len);
    place[text.len] = '\0';
}

static void put_number(struct settings *settings, const struct row *row, int number)
{
    memcpy((char *)settings + row->offset, &number, sizeof(number));
}

void settings_default(struct settings *settings)
{
    *settings = (struct settings){0};
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].room > 0) {
            put_text(settings, &rows[i], slice_of(rows[i].text));
        } else {
            put_number(settings, &rows[i], rows[i].number);
        }
    }
}

static bool is_plain(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.data[i] < ' ' || text.data[i] == 127) {
            return false;
        }
    }
    return true;
}

/* ---- writing ---- */

static bool row_write(const struct settings *settings, const struct row *row, struct buffer *lines,
                      struct error *err)
{
    const char *place = (const char *)settings + row->offset;
    if (row->room == 0) {
        int number;
        memcpy(&number, place, sizeof(number));
        if (number < 0) {
            return error_set(err, STATUS_INVALID_ARGUMENT, "setting %s is negative", row->name);
        }
        buffer_printf(lines, "%s=%d\n", row->name, number);
        return true;
    }
    struct slice text = {place, strnlen(place, row->room)};
    if (text.len == row->room || !is_plain(text)) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "setting %s is too long, or has a control character", row->name);
    }
    buffer_printf(lines, "%s=%s\n", row->name, place);
    return true;
}

static bool write_all(int fd, struct slice content, struct error *err)
{
    while (content.len > 0) {
        ssize_t put = write(fd, content.data, content.len);
        if (put < 0 && errno != EINTR) {
            return error_errno(err, "write the settings");
        }
        content = slice_from(content, put > 0 ? (size_t)put : 0);
    }
    return true;
}

bool settings_write(const struct settings *settings, int fd, struct error *err)
{
    struct buffer lines = BUFFER_INIT(SETTINGS_BYTES_MAX);
    bool good = true;
    for (size_t i = 0; i < ROWS && good; i++) {
        good = row_write(settings, &rows[i], &lines, err);
    }
    good = good && write_all(fd, buffer_slice(&lines), err);
    buffer_done(&lines);
    return good;
}

/* ---- reading ---- */

static const struct row *row_find(struct slice name)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (slice_is(name, rows[i].name)) {
            return &rows[i];
        }
    }
    return NULL;
}

static bool line_read(struct settings *out, struct slice line, struct error *err)
{
    ptrdiff_t equals = slice_find(line, '=');
    struct slice name = slice_upto(line, equals < 0 ? line.len : (size_t)equals);
    const struct row *row = equals < 0 ? NULL : row_find(name);
    if (row == NULL) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "no such setting: %.*s", SLICE_ARG(name));
    }
    struct slice value = slice_from(line, (size_t)equals + 1);
    if (row->room > 0) {
        if (value.len >= row->room || !is_plain(value)) {
            return error_set(err, STATUS_INVALID_ARGUMENT,
                             "setting %s is too long, or has a control character", row->name);
        }
        put_text(out, row, value);
        return true;
    }
    uint64_t number = 0;
    if (!slice_to_u64(value, &number) || number > INT_MAX) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "setting %s is no number", row->name);
    }
    put_number(out, row, (int)number);
    return true;
}

/*
 * A file in memory is read from its start, without moving the place that several processes share;
 * a pipe is read to its end.
 */
static bool read_all(int fd, struct buffer *lines, struct error *err)
{
    bool has_places = lseek(fd, 0, SEEK_CUR) >= 0;
    for (;;) {
        size_t had = buffer_len(lines);
        char *room = had < lines->max ? buffer_reserve(lines, lines->max - had) : NULL;
        if (room == NULL) {
            return error_set(err, STATUS_INVALID_ARGUMENT, "the settings are too long");
        }
        ssize_t got = has_places ? pread(fd, room, lines->max - had, (off_t)had)
                                 : read(fd, room, lines->max - had);
        if (got == 0) {
            return true;
        }
        if (got < 0 && errno != EINTR) {
            return error_errno(err, "read the settings");
        }
        buffer_commit(lines, got > 0 ? (size_t)got : 0);
    }
}

bool settings_read(struct settings *out, int fd, struct error *err)
{
    struct buffer lines = BUFFER_INIT(SETTINGS_BYTES_MAX);
    struct settings settings;
    settings_default(&settings);
    bool good = read_all(fd, &lines, err);
    struct slice rest = buffer_slice(&lines);
    struct slice line;
    while (good && slice_cut(&rest, '\n', &line)) {
        good = line.len == 0 || line_read(&settings, line, err);
    }
    buffer_done(&lines);
    if (good) {
        *out = settings;
    }
    return good;
}

const char *settings_path(const struct settings *settings, struct arena *arena, const char *name)
{
    return arena_printf(arena, "%s/%s", settings->data, name);
}

const char *settings_own_host(const struct settings *settings, struct arena *arena,
                              const char *name)
{
    return arena_printf(arena, "%s.%s", name, settings->domain);
}

const char *settings_own_url(const struct settings *settings, struct arena *arena, const char *name)
{
    return settings->https_port == 443
               ? arena_printf(arena, "https://%s.%s", name, settings->domain)
               : arena_printf(arena, "https://%s.%s:%d", name, settings->domain,
                              settings->https_port);
}
