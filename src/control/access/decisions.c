/*
 * Lines are written by access_log.c alone, with fields in one order and every quote inside of a
 * value escaped, so that they can be walked field by field without building documents: a million
 * takes less than a second.
 */
#include "control/access/decisions.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"

enum { FILES_MAX = 10, CHUNK = 1 << 20, KEY_MAX = 8192 };

enum field { PROJECT, REGION, SERVICE, URL, RUNG, PRINCIPAL, NETWORK, TIME, FIELDS };

static const struct slice field_names[FIELDS] = {
    [PROJECT] = SLICE_INIT("project"), [REGION] = SLICE_INIT("region"),
    [SERVICE] = SLICE_INIT("service"), [URL] = SLICE_INIT("url"),
    [RUNG] = SLICE_INIT("rung"),       [PRINCIPAL] = SLICE_INIT("principal"),
    [NETWORK] = SLICE_INIT("network"), [TIME] = SLICE_INIT("time"),
};

/* The end of a value that begins at AT with a quote: behind its closing quote; 0 if it has none. */
static size_t end_of_text(struct slice line, size_t at)
{
    for (size_t i = at + 1; i < line.len;) {
        const char *quote = memchr(line.data + i, '"', line.len - i);
        if (quote == NULL) {
            return 0;
        }
        size_t found = (size_t)(quote - line.data);
        size_t slashes = 0;
        while (found - slashes > at + 1 && line.data[found - slashes - 1] == '\\') {
            slashes++;
        }
        if (slashes % 2 == 0) {
            return found + 1;
        }
        i = found + 1;
    }
    return 0;
}

static void keep(struct slice name, struct slice value, struct slice out[FIELDS])
{
    for (unsigned i = 0; i < FIELDS; i++) {
        if (name.len == field_names[i].len && name.data[0] == field_names[i].data[0] &&
            memcmp(name.data, field_names[i].data, name.len) == 0) {
            out[i] = value;
            return;
        }
    }
}

/* Walks {"name":"text","name":12,…}: the fields that are wanted, as they are written. */
static bool fields_of(struct slice line, struct slice out[FIELDS])
{
    size_t at = 1;
    memset(out, 0, sizeof(out[0]) * FIELDS);
    if (line.len < 2 || line.data[0] != '{') {
        return false;
    }
    while (at < line.len && line.data[at] == '"') {
        size_t end = end_of_text(line, at);
        if (end == 0 || end + 1 >= line.len || line.data[end] != ':') {
            return false;
        }
        struct slice name = slice_from(slice_upto(line, end - 1), at + 1);
        at = end + 1;
        if (line.data[at] == '"') {
            end = end_of_text(line, at);
            if (end == 0) {
                return false;
            }
            keep(name, slice_from(slice_upto(line, end - 1), at + 1), out);
        } else {
            end = at;
            while (end < line.len && line.data[end] != ',' && line.data[end] != '}') {
                end++;
            }
        }
        at = end + 1; /* behind the comma */
    }
    return true;
}

/* "https://HOST/PATH" as it was logged. */
static void cut_url(struct slice url, struct slice *host, struct slice *path)
{
    ptrdiff_t at = slice_find_slice(url, SLICE("://"));
    *host = at < 0 ? url : slice_from(url, (size_t)at + 3);
    ptrdiff_t end = slice_find(*host, '/');
    *path = end < 0 ? SLICE("/") : slice_from(*host, (size_t)end);
    *host = end < 0 ? *host : slice_upto(*host, (size_t)end);
}

static void put(char *key, size_t *used, struct slice text)
{
    size_t count = text.len < KEY_MAX / 8 ? text.len : KEY_MAX / 8;
    if (count > 0) {
        memcpy(key + *used, text.data, count);
    }
    *used += count;
    key[(*used)++] = '\n';
}

static void add(struct decisions *decisions, const struct slice fields[FIELDS], bool with_path)
{
    char key[KEY_MAX];
    size_t used = 0;
    bool bad = slice_is(fields[RUNG], "bad_credential");
    struct decision one = {.principal = fields[PRINCIPAL],
                           .bad_credential = bad && fields[PRINCIPAL].len == 0,
                           .network = fields[NETWORK],
                           .count = 1};
    cut_url(fields[URL], &one.host, &one.path);
    one.path = with_path ? one.path : SLICE("/");
    const struct slice parts[] = {one.principal, one.bad_credential ? SLICE("!") : SLICE(""),
                                  one.network, one.host, one.path};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        put(key, &used, parts[i]);
    }
    decisions->lines++;
    struct decision *known = map_find(decisions->by_key, (struct slice){key, used});
    if (known != NULL) {
        known->count++;
        if (slice_compare(known->last, fields[TIME]) < 0) { /* both have the same length */
            memcpy((char *)(uintptr_t)known->last.data, fields[TIME].data,
                   known->last.len < fields[TIME].len ? known->last.len : fields[TIME].len);
        }
        return;
    }
    if (decisions->count == DECISIONS_MAX) {
        decisions->omitted++;
        return;
    }
    struct decision *kept = &decisions->items[decisions->count++];
    *kept = (struct decision){
        .principal = arena_slice(&decisions->arena, one.principal),
        .bad_credential = one.bad_credential,
        .network = arena_slice(&decisions->arena, one.network),
        .host = arena_slice(&decisions->arena, one.host),
        .path = arena_slice(&decisions->arena, one.path),
        .last = arena_slice(&decisions->arena, fields[TIME]),
        .count = 1,
    };
    map_put(decisions->by_key, (struct slice){key, used}, kept);
}

static void read_line(const struct decisions_wanted *wanted, struct slice line,
                      struct decisions *out)
{
    struct slice fields[FIELDS];
    if (!fields_of(line, fields) || !slice_is(fields[SERVICE], wanted->service) ||
        !slice_is(fields[REGION], wanted->region) || !slice_is(fields[PROJECT], wanted->project) ||
        fields[RUNG].len == 0) {
        return;
    }
    if (out->since.len == 0 || slice_compare(fields[TIME], out->since) < 0) {
        out->since = arena_slice(&out->arena, fields[TIME]);
    }
    add(out, fields, wanted->with_path);
}

static void read_file(const struct decisions_wanted *wanted, const char *path,
                      struct decisions *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *room = mem_bytes(CHUNK);
    size_t held = 0;
    ssize_t got;
    while (fd >= 0 && (got = read(fd, room + held, CHUNK - held)) > 0) {
        struct slice rest = {room, held + (size_t)got};
        for (ptrdiff_t end; (end = slice_find(rest, '\n')) >= 0;) {
            read_line(wanted, slice_upto(rest, (size_t)end), out);
            rest = slice_from(rest, (size_t)end + 1);
        }
        held = rest.len == CHUNK ? 0 : rest.len; /* no line is that long */
        memmove(room, rest.data, held);
    }
    free(room);
    if (fd >= 0) {
        close(fd);
    }
}

void decisions_read(const struct decisions_wanted *wanted, struct decisions *out)
{
    *out = (struct decisions){.by_key = map_new()};
    out->items = arena_array(&out->arena, struct decision, DECISIONS_MAX);
    for (unsigned older = 0; older < FILES_MAX; older++) {
        const char *path =
            older == 0 ? arena_printf(&out->arena, "%s/requests.jsonl", wanted->folder)
                       : arena_printf(&out->arena, "%s/requests.jsonl.%u", wanted->folder, older);
        read_file(wanted, path, out);
    }
    map_free(out->by_key);
    out->by_key = NULL;
}

void decisions_done(struct decisions *decisions)
{
    arena_done(&decisions->arena);
}
