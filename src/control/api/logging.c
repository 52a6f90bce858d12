/*
 * logging.googleapis.com/v2 entries:list, as far as `gcloud run services logs read` uses it: what
 * instances wrote and what requests did, read back from the end of the log files of each node.
 */
#include "control/api/logging.h"

#include "control/api/logging_entries.h"
#include "control/api/peer_questions.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buffer.h"
#include "control/call/answer.h"
#include "control/call/peers.h"
#include "control/publish/nodes.h"
#include "control/record/projects.h"

enum { TAIL_BYTES = 8 << 20, PAGE_DEFAULT = 50, PAGE_MAX = 1000 };

static struct slice skip_space(struct slice s)
{
    while (s.len > 0 &&
           (s.data[0] == ' ' || s.data[0] == '\n' || s.data[0] == '\t' || s.data[0] == '\r')) {
        s = slice_from(s, 1);
    }
    return s;
}

static struct slice take_word(struct slice *left, const char *stop)
{
    size_t length = 0;
    if (left->len > 0 && left->data[0] == '"') {
        ptrdiff_t end = slice_find(slice_from(*left, 1), '"');
        if (end >= 0) {
            struct slice word = {left->data + 1, (size_t)end};
            *left = slice_from(*left, (size_t)end + 2);
            return word;
        }
    }
    while (length < left->len && strchr(stop, left->data[length]) == NULL) {
        length++;
    }
    struct slice word = slice_upto(*left, length);
    *left = slice_from(*left, length);
    return word;
}

static const char *const severities[] = {"DEFAULT", "DEBUG",    "INFO",  "NOTICE",   "WARNING",
                                         "ERROR",   "CRITICAL", "ALERT", "EMERGENCY"};

/* -1: there is no such severity. */
static int severity_rank(struct slice name)
{
    for (size_t i = 0; i < sizeof(severities) / sizeof(severities[0]); i++) {
        if (slice_equal_nocase(name, slice_of(severities[i]))) {
            return (int)i;
        }
    }
    return -1;
}

/* A value that could be compared with nothing would silently find nothing. */
static bool term_check(const struct log_term *term, struct error *err)
{
    int64_t us;
    uint64_t number;
    struct slice shown = slice_upto(term->value, term->value.len < 40 ? term->value.len : 40);
    if (slice_is(term->name, "severity") && severity_rank(term->value) < 0) {
        return error_field(err, "filter", "There is no severity \"%.*s\".", SLICE_ARG(shown));
    }
    if (slice_is(term->name, "timestamp") && !time_read(term->value, &us)) {
        return error_field(err, "filter",
                           "\"%.*s\" is no time: write 2006-01-02T15:04:05Z, in quotes.",
                           SLICE_ARG(shown));
    }
    if (slice_is(term->name, "httpRequest.status") && !slice_to_u64(term->value, &number)) {
        return error_field(err, "filter", "\"%.*s\" is no status.", SLICE_ARG(shown));
    }
    return true;
}

/* "NAME OP VALUE AND NAME OP VALUE …": the shape that gcloud sends; anything else is refused, never
 * half understood. */
bool log_filter_read(struct slice text, struct log_filter *out, struct error *err)
{
    text = skip_space(text);
    while (text.len > 0) {
        if (out->count == LOG_FILTER_MAX) {
            return error_field(err, "filter", "The filter has more than %d comparisons.",
                               LOG_FILTER_MAX);
        }
        struct log_term *term = &out->terms[out->count++];
        *term = (struct log_term){0};
        term->name = take_word(&text, " \n\t=<>!:");
        text = skip_space(text);
        size_t length = 0;
        while (length < 2 && length < text.len && strchr("=<>!:", text.data[length]) != NULL) {
            term->op[length] = text.data[length];
            length++;
        }
        text = skip_space(slice_from(text, length));
        term->value = take_word(&text, " \n\t");
        text = skip_space(text);
        if (length == 0 || term->name.len == 0 || term->value.len == 0) {
            return error_field(err, "filter",
                               "The filter must be comparisons joined by AND, such as "
                               "resource.labels.service_name = hello AND severity >= ERROR.");
        }
        if (!term_check(term, err)) {
            return false;
        }
        if (slice_starts(text, SLICE("AND")) && text.len > 3) {
            text = skip_space(slice_from(text, 3));
        } else if (text.len > 0) {
            return error_field(err, "filter",
                               "Comparisons can be joined by AND alone; at \"%.40s\".", text.data);
        }
    }
    return true;
}

static bool compare(int order, const char *op)
{
    switch (op[0]) {
    case '=':
    case ':':
        return order == 0;
    case '!':
        return order != 0;
    case '>':
        return order > 0 || (op[1] == '=' && order == 0);
    default:
        return order < 0 || (op[1] == '=' && order == 0);
    }
}

static bool matches(const struct log_filter *filter, const json_t *entry)
{
    for (size_t i = 0; i < filter->count; i++) {
        const struct log_term *term = &filter->terms[i];
        char name[128];
        snprintf(name, sizeof(name), "%.*s", SLICE_ARG(slice_upto(term->name, 120)));
        struct slice have = slice_of(json_text_or(entry, name, ""));
        int order;
        if (slice_is(term->name, "severity")) {
            order = severity_rank(have) - severity_rank(term->value);
        } else if (slice_is(term->name, "timestamp")) {
            int64_t a = 0;
            int64_t b = 0;
            time_read(have, &a);
            time_read(term->value, &b);
            order = (a > b) - (a < b);
        } else if (slice_is(term->name, "httpRequest.status")) {
            uint64_t wanted = 0;
            slice_to_u64(term->value, &wanted);
            order = (int)json_number(entry, name, 0) - (int)wanted;
        } else {
            order = slice_compare(have, term->value);
        }
        if (!compare(order, term->op)) {
            return false;
        }
    }
    return true;
}

static json_t *entry_base(struct arena *arena, const json_t *line, const char *log)
{
    const char *project = json_text_or(line, "project", "");
    const char *severity = json_text_or(line, "severity", "DEFAULT");
    return json_pack(
        "{s:o, s:s, s:s, s:{s:s, s:{s:s, s:s, s:s, s:s, s:s}}}", "logName",
        json_string(arena_printf(arena, "projects/%s/logs/run.googleapis.com%%2F%s", project, log)),
        "timestamp", json_text_or(line, "time", ""), "severity", severity, "resource", "type",
        "cloud_run_revision", "labels", "project_id", project, "location",
        json_text_or(line, "region", ""), "service_name", json_text_or(line, "service", ""),
        "revision_name", json_text_or(line, "revision", ""), "configuration_name",
        json_text_or(line, "service", ""));
}

/*
 * Fields of a structured line that are the entry's own. Only those of the right type: a container
 * writes what it likes, and clients decode entries by their schema.
 */
static void lift(json_t *payload, json_t *entry)
{
    static const struct {
        const char *from, *to;
        json_type type;
    } fields[] = {
        {"httpRequest", "httpRequest", JSON_OBJECT},
        {"logging.googleapis.com/labels", "labels", JSON_OBJECT},
        {"logging.googleapis.com/operation", "operation", JSON_OBJECT},
        {"logging.googleapis.com/sourceLocation", "sourceLocation", JSON_OBJECT},
        {"logging.googleapis.com/insertId", "insertId", JSON_STRING},
        {"logging.googleapis.com/trace", "trace", JSON_STRING},
        {"logging.googleapis.com/spanId", "spanId", JSON_STRING},
        {"logging.googleapis.com/trace_sampled", "traceSampled", JSON_TRUE},
    };
    const char *severity = json_string_value(json_object_get(payload, "severity"));
    int rank = severity == NULL ? -1 : severity_rank(slice_of(severity));
    if (rank >= 0) {
        json_object_set_new(entry, "severity", json_string(severities[rank]));
        json_object_del(payload, "severity");
    }
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        json_t *value = json_object_get(payload, fields[i].from);
        if (value != NULL && json_typeof(value) == fields[i].type) {
            json_object_set(entry, fields[i].to, value);
            json_object_del(payload, fields[i].from);
        }
    }
}

/* What an instance wrote: a line of JSON becomes its fields. */
static json_t *instance_entry(struct arena *arena, const json_t *line)
{
    const char *stream = json_text_or(line, "stream", "stdout");
    bool ours = strcmp(stream, "system") == 0;
    json_t *entry = entry_base(arena, line, ours ? "varlog%2Fsystem" : stream);
    const char *text = json_text_or(line, "text", "");
    auto_json *payload = text[0] == '{' ? json_read(slice_of(text), NULL) : NULL;
    if (json_is_object(payload)) {
        lift(payload, entry);
        json_object_set(entry, "jsonPayload", payload);
    } else {
        json_object_set_new(entry, "textPayload", json_string(text));
    }
    json_t *labels = json_object_get(entry, "labels");
    labels = labels != NULL ? json_incref(labels) : json_object();
    json_object_set_new(labels, "instanceId", json_string(json_text_or(line, "instance", "")));
    json_object_set_new(entry, "labels", labels);
    return entry;
}

/* A line of the request log leaves out what follows from the rest of it. */
static const char *request_severity(const json_t *line)
{
    int64_t status = json_number(line, "status", 0);
    const char *said = status >= 500 ? "ERROR" : status >= 400 ? "WARNING" : "INFO";
    return json_text_or(line, "severity", said);
}

static json_t *request_entry(struct arena *arena, const json_t *line)
{
    static const struct {
        const char *from, *to;
    } fields[] = {
        {"method", "requestMethod"},    {"url", "requestUrl"},
        {"status", "status"},           {"latency", "latency"},
        {"remoteIp", "remoteIp"},       {"userAgent", "userAgent"},
        {"requestSize", "requestSize"}, {"responseSize", "responseSize"},
        {"protocol", "protocol"},
    };
    json_t *entry = entry_base(arena, line, "requests");
    json_t *request = json_object();
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        json_t *value = json_object_get(line, fields[i].from);
        if (value != NULL) {
            json_object_set(request, fields[i].to, value);
        }
    }
    json_object_set_new(entry, "httpRequest", request);
    json_object_set_new(entry, "severity", json_string(request_severity(line)));
    const char *text = json_text_or(line, "text", "");
    if (text[0] != '\0') {
        json_object_set_new(entry, "textPayload", json_string(text));
    }
    const char *trace = json_text_or(line, "trace", "");
    if (trace[0] != '\0') {
        json_object_set_new(entry, "trace",
                            json_string(arena_printf(arena, "projects/%s/traces/%s",
                                                     json_text_or(line, "project", ""), trace)));
    }
    /* What decided, and of a refusal the id that explains it. */
    const char *denial = json_text_or(line, "denial", "");
    const char *rung = json_text_or(line, "rung", "");
    if (rung[0] != '\0') {
        json_t *labels = json_pack("{s:s}", "rung", rung);
        if (denial[0] != '\0') {
            json_object_set_new(labels, "denial", json_string(denial));
        }
        json_object_set_new(entry, "labels", labels);
    }
    return entry;
}

/* The last TAIL_BYTES of a log file, from the start of a line, which stands at *OFFSET. */
static bool read_tail(const struct control *control, const char *name, struct buffer *out,
                      off_t *offset)
{
    auto_arena arena = {0};
    const char *path =
        settings_path(&control->settings, &arena, arena_printf(&arena, "log/%s", name));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    arena_done(&arena);
    if (fd < 0) {
        return false;
    }
    off_t end = lseek(fd, 0, SEEK_END);
    off_t start = end > TAIL_BYTES ? end - TAIL_BYTES : 0;
    char *room = buffer_reserve(out, TAIL_BYTES);
    ssize_t got = room == NULL ? -1 : pread(fd, room, TAIL_BYTES, start);
    close(fd);
    if (got <= 0) {
        return false;
    }
    buffer_commit(out, (size_t)got);
    *offset = start;
    if (start > 0) {
        ptrdiff_t line = slice_find(buffer_slice(out), '\n');
        buffer_drop(out, line < 0 ? 0 : (size_t)line + 1);
        *offset += line + 1;
    }
    return true;
}

/* Where the line stands names it for good: clients drop entries of a name that they have seen. */
static void name_entry(struct arena *arena, json_t *entry, const char *file, off_t offset,
                       const char *node)
{
    if (json_object_get(entry, "insertId") == NULL) {
        json_object_set_new(
            entry, "insertId",
            json_string(arena_printf(arena, "%c%012jx%s%s", file[0], (uintmax_t)offset,
                                     node == NULL ? "" : "-", node == NULL ? "" : node)));
    }
}

const char *const log_files[LOG_FILES] = {"instances.jsonl", "requests.jsonl"};

json_t *log_entry_read(struct arena *arena, int file, struct slice text, off_t offset,
                       const struct log_search *search)
{
    static json_t *(*const forms[LOG_FILES])(struct arena *, const json_t *) = {instance_entry,
                                                                                request_entry};
    auto_json *line = json_read(text, NULL);
    if (line == NULL || strcmp(json_text_or(line, "project", ""), search->project) != 0) {
        return NULL;
    }
    auto_json *entry = forms[file](arena, line);
    name_entry(arena, entry, log_files[file], offset, search->node);
    return matches(&search->filter, entry) ? json_steal(&entry) : NULL;
}

/* Adds to FOUND the last MAX of a file. */
static void search_file(const struct control *control, struct arena *arena,
                        const struct log_search *search, int file, size_t max, json_t *found)
{
    struct buffer content = BUFFER_INIT(TAIL_BYTES);
    size_t before = json_array_size(found);
    off_t offset = 0;
    if (read_tail(control, log_files[file], &content, &offset)) {
        struct slice left = buffer_slice(&content);
        while (left.len > 0 && json_array_size(found) - before < max) {
            if (left.data[left.len - 1] == '\n') {
                left.len--;
            }
            ptrdiff_t start = slice_find_last(left, '\n') + 1;
            json_t *entry = log_entry_read(arena, file, slice_from(left, (size_t)start),
                                           offset + start, search);
            left.len = (size_t)start;
            if (entry != NULL) {
                json_array_append_new(found, entry);
            }
        }
    }
    buffer_done(&content);
}

static int newest_first(const void *a, const void *b)
{
    const json_t *const *x = a;
    const json_t *const *y = b;
    int order = strcmp(json_text_or(*y, "timestamp", ""), json_text_or(*x, "timestamp", ""));
    return order != 0 ? order
                      : strcmp(json_text_or(*y, "insertId", ""), json_text_or(*x, "insertId", ""));
}

/*
 * `gcloud run services logs read` (528) prints textPayload alone and crashes on an entry without
 * it, as any line of JSON is. So gcloud gets the line's message there too; nobody else does, since
 * an entry has one payload.
 */
static void add_text(struct arena *arena, json_t *entry)
{
    const json_t *payload = json_object_get(entry, "jsonPayload");
    if (payload == NULL) {
        return;
    }
    const char *message = json_string_value(json_object_get(payload, "message"));
    json_object_set_new(entry, "textPayload",
                        message != NULL ? json_string(message)
                                        : json_slice(json_write(arena, payload)));
}

/* The newest MAX of FOUND, newest first. */
static json_t *newest_of(struct arena *arena, const json_t *found, size_t max)
{
    size_t count = json_array_size(found);
    json_t **sorted = arena_array(arena, json_t *, count);
    json_t *out = json_array();
    for (size_t i = 0; i < count; i++) {
        sorted[i] = json_array_get(found, i);
    }
    if (count > 1) {
        qsort(sorted, count, sizeof(sorted[0]), newest_first);
    }
    for (size_t i = 0; i < count && i < max; i++) {
        json_array_append(out, sorted[i]);
    }
    return out;
}

/* What this node's logs have, newest first. */
static json_t *search_own(struct control *control, struct arena *arena,
                          const struct log_search *search, size_t max)
{
    auto_json *found = json_array();
    for (int file = 0; file < LOG_FILES; file++) {
        search_file(control, arena, search, file, max, found);
    }
    return newest_of(arena, found, max);
}

/* "projects/P" of the first resource name. */
const char *log_project_asked(struct api_call *call, struct error *err)
{
    const char *name = json_text(call->body, "resourceNames[0]");
    if (name == NULL || strncmp(name, "projects/", 9) != 0) {
        error_field(err, "resourceNames", "One resource name is needed: projects/PROJECT_ID.");
        return NULL;
    }
    const char *id = project_id(call->control, &call->arena, name + 9);
    return id != NULL ? id : arena_string(&call->arena, slice_of(name + 9));
}

/* ---- of all nodes ---- */

/* ASKED, {"project", "filter", "size"}, as it came from a node that has checked it. */
static bool search_read(const struct control *control, const json_t *asked, struct log_search *out,
                        struct error *err)
{
    out->node = control->nodes == NULL ? NULL : nodes_own_name(control);
    out->project = json_text_or(asked, "project", "");
    return log_filter_read(slice_of(json_text_or(asked, "filter", "")), &out->filter, err);
}

static size_t size_of(const json_t *asked)
{
    int64_t size = json_number(asked, "size", PAGE_DEFAULT);
    return size <= 0 ? PAGE_DEFAULT : size > PAGE_MAX ? PAGE_MAX : (size_t)size;
}

json_t *logs_of_node(struct control *control, const json_t *asked, struct error *err)
{
    auto_arena arena = {0};
    struct log_search search = {0};
    if (!search_read(control, asked, &search, err)) {
        return NULL;
    }
    auto_json *entries = search_own(control, &arena, &search, size_of(asked));
    json_t *kept = json_array();
    size_t bytes = 0, count = json_array_size(entries);
    for (size_t i = 0; i < count; i++) {
        json_t *entry = json_array_get(entries, i);
        bytes += json_write(&arena, entry).len + 1;
        if (bytes > STORE_ANSWER_MAX - 64) {
            break;
        }
        json_array_append(kept, entry);
    }
    return json_pack("{so sb}", "entries", kept, "cut", json_array_size(kept) < count);
}

/* Of a node that could not say all, nothing is known before its last entry: what others have of
 * that time would be a log with holes. */
static const char *known_since(const struct peer_answers *others)
{
    const char *since = "";
    for (size_t i = 0; i < others->count; i++) {
        const json_t *body = others->all[i].body;
        const json_t *entries = json_object_get(body, "entries");
        size_t count = json_array_size(entries);
        if (json_is_true(json_object_get(body, "cut")) && count > 0) {
            const char *last = json_text_or(json_array_get(entries, count - 1), "timestamp", "");
            since = strcmp(last, since) > 0 ? last : since;
        }
    }
    return since;
}

json_t *logs_merge(struct arena *arena, const json_t *own, const struct peer_answers *others,
                   size_t max)
{
    auto_json *all = json_array();
    const char *since = known_since(others);
    for (size_t i = 0; i <= others->count; i++) {
        const json_t *more = i == 0 ? own : json_object_get(others->all[i - 1].body, "entries");
        size_t at;
        json_t *entry;
        json_array_foreach(more, at, entry)
        {
            if (strcmp(json_text_or(entry, "timestamp", ""), since) >= 0) {
                json_array_append(all, entry);
            }
        }
    }
    return newest_of(arena, all, max);
}

static json_t *listing(struct api_call *call, const json_t *newest)
{
    bool oldest_first = strstr(json_text_or(call->body, "orderBy", ""), "desc") == NULL;
    size_t count = json_array_size(newest);
    json_t *out = json_object();
    auto_json *entries = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *entry = json_array_get(newest, oldest_first ? count - 1 - i : i);
        if (api_from_gcloud(call)) {
            add_text(&call->arena, entry);
        }
        json_array_append(entries, entry);
    }
    if (count > 0) {
        json_object_set(out, "entries", entries);
    }
    return out;
}

static json_t *asked_of(struct api_call *call, const char *project)
{
    return json_pack("{ss ss sI}", "project", project, "filter",
                     json_text_or(call->body, "filter", ""), "size",
                     (json_int_t)json_number(call->body, "pageSize", PAGE_DEFAULT));
}

static void list_all(struct api_call *call, const struct peer_answers *others)
{
    struct error err = {0};
    struct log_search search = {0};
    auto_json *asked = asked_of(call, call->user);
    if (!search_read(call->control, asked, &search, &err)) {
        api_fail(call, &err);
        return;
    }
    auto_json *own = search_own(call->control, &call->arena, &search, size_of(asked));
    auto_json *newest = logs_merge(&call->arena, own, others, size_of(asked));
    json_t *body = listing(call, newest);
    if (call->transport == NULL && !api_from_gcloud(call)) {
        api_add_unreachable(body, others); /* of Google's form there is no such field */
    }
    api_reply(call, body);
}

static void entries_list(struct api_call *call)
{
    struct error err;
    struct log_filter filter = {.count = 0};
    const char *project = log_project_asked(call, &err);
    if (project == NULL ||
        !api_allowed(call, "logging.logEntries.list",
                     arena_printf(&call->arena, "projects/%s", project), &err) ||
        !log_filter_read(slice_of(json_text_or(call->body, "filter", "")), &filter, &err)) {
        api_fail(call, &err);
        return;
    }
    auto_json *asked = asked_of(call, project);
    call->user = arena_string(&call->arena, slice_of(project));
    api_ask_peers(call, "logs", asked, list_all);
}

static const struct field list_fields[] = {
    {.name = "resourceNames", .kind = FIELD_LIST, .item = FIELD_STRING},
    {.name = "projectIds", .kind = FIELD_LIST, .item = FIELD_STRING},
    {.name = "filter", .kind = FIELD_STRING},
    {.name = "orderBy", .kind = FIELD_STRING},
    {.name = "pageSize", .kind = FIELD_INT32, .max = INT32_MAX},
    {.name = "pageToken", .kind = FIELD_STRING},
    {0},
};

static const struct field tail_fields[] = {
    {.name = "resourceNames", .kind = FIELD_LIST, .item = FIELD_STRING},
    {.name = "filter", .kind = FIELD_STRING},
    {.name = "bufferWindow", .kind = FIELD_DURATION},
    {0},
};

const struct api_route logging_routes[] = {
    {"POST", "/v2/entries:list", "logging.logEntries.list", NULL, API_SELF_CHECKED, entries_list,
     "google.logging.v2.LoggingServiceV2.ListLogEntries", list_fields, .why = API_WHY_ASKED},
    {"POST", "/v2/entries:tail", "logging.logEntries.list", NULL, API_SELF_CHECKED, log_tail,
     "google.logging.v2.LoggingServiceV2.TailLogEntries", tail_fields, .why = API_WHY_ASKED},
    {"POST", "/v2/entries:write", NULL, NULL, 0, NULL,
     "google.logging.v2.LoggingServiceV2.WriteLogEntries"},
};
const size_t logging_route_count = sizeof(logging_routes) / sizeof(logging_routes[0]);
