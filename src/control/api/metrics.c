/*
 * What services did. A service's own history takes what looking at it takes; overviews show those
 * that the caller may list.
 */
#include "control/api/metrics.h"

#include "base/buffer.h"
#include "base/log.h"
#include "control/api/peer_questions.h"
#include "control/call/peers.h"
#include "control/publish/nodes.h"
#include "control/run/metrics_wire.h"
#include "policy/decide.h"

enum { TEXT_BYTES_MAX = 16 << 20, PERIOD_DEFAULT_S = 3600, PERIOD_MAX_S = 7 * 24 * 3600 };

/* ---- one service ---- */

static bool read_period(struct api_call *call, int64_t *out, struct error *err)
{
    const char *text = api_query(call, "period");
    int64_t us;
    *out = PERIOD_DEFAULT_S;
    if (text == NULL) {
        return true;
    }
    if (!duration_read(slice_of(text), &us) || us < 60 * INT64_C(1000000) ||
        us > PERIOD_MAX_S * INT64_C(1000000)) {
        return error_field(err, "period",
                           "The period is 60s to 604800s (a week): \"%.40s\" is not.", text);
    }
    *out = us / 1000000;
    return true;
}

static json_t *requests_of(const struct metrics_row *row)
{
    json_t *out = json_object();
    for (int i = 0; i < METER_CLASSES; i++) {
        char name[8];
        snprintf(name, sizeof(name), "%dxx", i + 1);
        if (row->classes[i] > 0) {
            json_object_set_new(out, name, json_integer(row->classes[i]));
        }
    }
    return out;
}

static json_t *refused_of(const struct metrics_row *row)
{
    json_t *out = json_object();
    for (int i = 0; i < RUNG_COUNT && i < METER_REASONS; i++) {
        if (row->refused[i] > 0) {
            json_object_set_new(out, rung_name((enum rung)i), json_integer(row->refused[i]));
        }
    }
    return out;
}

static double seconds(int64_t us)
{
    return (double)us / 1000000;
}

static json_t *latency_of(const struct metrics_row *row)
{
    uint64_t timed = 0;
    for (int i = 0; i < METER_LATENCIES; i++) {
        timed += row->latencies[i];
    }
    return timed == 0
               ? json_object()
               : json_pack("{sfsfsf}", "p50", seconds(metrics_quantile_us(row->latencies, 0.5)),
                           "p95", seconds(metrics_quantile_us(row->latencies, 0.95)), "p99",
                           seconds(metrics_quantile_us(row->latencies, 0.99)));
}

static json_t *point_of(struct arena *arena, const struct metrics_row *row)
{
    return json_pack("{so so so so s{sisisi} si sI sf}", "time",
                     json_slice(time_text(arena, row->time_s * 1000000)), "requests",
                     requests_of(row), "refused", refused_of(row), "latency", latency_of(row),
                     "instances", "starting", (int)row->starting, "ready", (int)row->ready,
                     "draining", (int)row->draining, "requestsInFlight", (int)row->requests,
                     "memoryBytes", (json_int_t)row->memory_kib * 1024, "cpuSeconds",
                     (double)row->cpu_ms / 1000);
}

struct history {
    uint64_t service; /* its id in the record */
    int64_t period_s;
};

json_t *history_of_node(struct control *control, const json_t *asked, struct error *err)
{
    auto_arena arena = {0};
    unsigned span_s;
    size_t count;
    (void)err;
    const struct metrics_row *rows =
        metrics_rows(control->metrics, &arena, (uint64_t)json_number(asked, "service", 0),
                     json_number(asked, "period", PERIOD_DEFAULT_S), &span_s, &count);
    return metrics_rows_write(rows, count);
}

/* With --engine=kubernetes all nodes see the same instances. */
static bool sees_pods(const struct control *control)
{
    return strcmp(control->settings.engine, "kubernetes") == 0;
}

static void show_history(struct api_call *call, const struct peer_answers *others)
{
    const struct history *history = call->user;
    unsigned span_s;
    size_t count;
    const struct metrics_row *rows = metrics_rows(
        call->control->metrics, &call->arena, history->service, history->period_s, &span_s, &count);
    for (size_t i = 0; i < others->count; i++) {
        if (!metrics_rows_merge(&call->arena, &rows, &count, others->all[i].body,
                                sees_pods(call->control))) {
            log_warn("metrics: what %s says is of another version", others->all[i].node);
        }
    }
    json_t *points = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(points, point_of(&call->arena, &rows[i]));
    }
    json_t *body = json_pack(
        "{so so so}", "period",
        json_slice(duration_text(&call->arena, history->period_s * 1000000)), "interval",
        json_slice(duration_text(&call->arena, span_s * INT64_C(1000000))), "points", points);
    api_add_unreachable(body, others);
    api_reply(call, body);
}

static void service_metrics(struct api_call *call)
{
    struct error err = {0};
    auto_doc doc = {0};
    struct history *history = arena_new(&call->arena, struct history);
    const char *key = api_expand(call, call->route->on);
    if (!read_period(call, &history->period_s, &err) ||
        !store_load(call->control->store, STORE_SERVICE, key, &doc, &err,
                    "Resource '%s' was not found.", key)) {
        api_fail(call, &err);
        return;
    }
    history->service = doc.id;
    call->user = history;
    auto_json *asked = json_pack("{sI sI}", "service", (json_int_t)doc.id, "period",
                                 (json_int_t)history->period_s);
    api_ask_peers(call, "history", asked, show_history);
}

/* ---- all services ---- */

struct overview {
    struct control *control;
    struct api_call *call; /* NULL: another node asks, which judges who may see what */
    struct index_reader *reader;
    const char *project;  /* whose; NULL: every one that the caller may list */
    struct slice allowed; /* the last project that was asked for, and the answer */
    bool is_allowed;
    void (*show)(struct overview *overview, const struct index_service *service,
                 const struct metrics_now *now);
    json_t *rows;
    struct buffer *text;
    unsigned part;    /* of the text: see metric_rows */
    const char *node; /* whose metrics these are; NULL: there is no cluster */
};

static bool may_list(struct overview *overview, struct slice project)
{
    struct api_call *call = overview->call;
    if (overview->project != NULL) {
        return slice_is(project, overview->project);
    }
    if (call == NULL) {
        return true;
    }
    if (!slice_equal(overview->allowed, project)) {
        overview->allowed = arena_slice(&call->arena, project);
        overview->is_allowed =
            api_holds(call, "run.services.list",
                      arena_printf(&call->arena, "projects/%.*s", SLICE_ARG(project)));
    }
    return overview->is_allowed;
}

static void visit(void *ctx, const struct metrics_now *now)
{
    struct overview *overview = ctx;
    struct index_service service;
    if (index_reader_service(overview->reader, now->service, &service) &&
        may_list(overview, service.project)) {
        overview->show(overview, &service, now);
    }
}

static void walk(struct overview *overview)
{
    struct control *control = overview->control;
    overview->reader = control->published;
    index_reader_renew(control->published);
    metrics_each_now(control->metrics, visit, overview);
    index_reader_release(control->published);
}

static void show_row(struct overview *overview, const struct index_service *service,
                     const struct metrics_now *now)
{
    json_array_append_new(overview->rows,
                          json_pack("{so s{sisisi} si sf sf}", "service",
                                    json_slice(service->resource_name), "instances", "starting",
                                    (int)now->running->starting, "ready", (int)now->running->ready,
                                    "draining", (int)now->running->draining, "requestsInFlight",
                                    (int)now->running->requests, "requestsPerSecond",
                                    now->requests_per_s, "refusedPerSecond", now->refused_per_s));
}

static json_t *own_overview(struct control *control, const char *project)
{
    struct overview overview = {
        .control = control, .project = project, .show = show_row, .rows = json_array()};
    walk(&overview);
    return overview.rows;
}

json_t *overview_of_node(struct control *control, const json_t *asked, struct error *err)
{
    (void)err;
    return own_overview(control, json_text_or(asked, "project", ""));
}

/* A number of two nodes as one. */
static json_t *sum_of(const json_t *a, const json_t *b)
{
    return json_is_integer(a) && json_is_integer(b)
               ? json_integer(json_integer_value(a) + json_integer_value(b))
               : json_real(json_number_value(a) + json_number_value(b));
}

/* PODS: the instances are the same ones. */
static void add_to_row(json_t *row, const json_t *more, bool pods)
{
    static const char *const sums[] = {"requestsInFlight", "requestsPerSecond", "refusedPerSecond"};
    static const char *const states[] = {"starting", "ready", "draining"};
    json_t *instances = json_object_get(row, "instances");
    for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
        json_object_set_new(row, sums[i],
                            sum_of(json_object_get(row, sums[i]), json_object_get(more, sums[i])));
    }
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        const json_t *a = json_object_get(instances, states[i]);
        const json_t *b = json_object_get(json_object_get(more, "instances"), states[i]);
        json_int_t most = json_integer_value(a) > json_integer_value(b) ? json_integer_value(a)
                                                                        : json_integer_value(b);
        json_object_set_new(instances, states[i], pods ? json_integer(most) : sum_of(a, b));
    }
}

json_t *overview_merge(json_t *rows, const struct peer_answers *others, bool pods)
{
    auto_json *known = json_object();
    json_t *out = json_array();
    for (size_t i = 0; i <= others->count; i++) {
        const json_t *more = i == 0 ? rows : others->all[i - 1].body;
        size_t at;
        json_t *row;
        json_array_foreach(more, at, row)
        {
            const char *service = json_text_or(row, "service", "");
            json_t *same = json_object_get(known, service);
            if (same != NULL) {
                add_to_row(same, row, pods);
            } else if (json_is_object(row)) {
                json_object_set(known, service, row);
                json_array_append(out, row);
            }
        }
    }
    return out;
}

static void show_overview(struct api_call *call, const struct peer_answers *others)
{
    auto_json *rows = own_overview(call->control, api_param(call, "project"));
    json_t *body =
        json_pack("{so}", "services", overview_merge(rows, others, sees_pods(call->control)));
    api_add_unreachable(body, others);
    api_reply(call, body);
}

static void project_metrics(struct api_call *call)
{
    auto_json *asked = json_pack("{ss}", "project", api_param(call, "project"));
    api_ask_peers(call, "overview", asked, show_overview);
}

/* ---- for Prometheus ---- */

enum metric_part {
    PART_REQUESTS,
    PART_REFUSED,
    PART_LATENCY,
    PART_INSTANCES,
    PART_FLIGHT,
    PART_MEMORY,
    PART_CPU
};

static const struct {
    const char *name, *type, *help;
} metric_rows[] = {
    [PART_REQUESTS] = {"homerun_requests_total", "counter", "Answers by class of status."},
    [PART_REFUSED] = {"homerun_refused_total", "counter",
                      "Requests that the gate refused, by rung of docs/access.md."},
    [PART_LATENCY] = {"homerun_request_duration_seconds", "histogram",
                      "How long requests took that the gate let pass."},
    [PART_INSTANCES] = {"homerun_instances", "gauge", "Instances by state."},
    [PART_FLIGHT] = {"homerun_requests_in_flight", "gauge", "Requests in instances now."},
    [PART_MEMORY] = {"homerun_instance_memory_bytes", "gauge", "Memory of all instances."},
    [PART_CPU] = {"homerun_instance_cpu_seconds_total", "counter",
                  "Processor time of all instances."},
};

/* Names of services, regions and projects need no escape: they are letters, digits and hyphens. */
static void put_name(const struct overview *overview, enum metric_part part, const char *suffix,
                     const struct index_service *service, const char *label, const char *value)
{
    struct buffer *out = overview->text;
    buffer_printf(out, "%s%s{project=\"%.*s\",region=\"%.*s\",service=\"%.*s\"",
                  metric_rows[part].name, suffix, SLICE_ARG(service->project),
                  SLICE_ARG(service->region), SLICE_ARG(service->name));
    if (overview->node != NULL) {
        buffer_printf(out, ",node=\"%s\"", overview->node);
    }
    if (label != NULL) {
        buffer_printf(out, ",%s=\"%s\"", label, value);
    }
    buffer_printf(out, "} ");
}

static void put_histogram(const struct overview *overview, const struct index_service *service,
                          const struct meter_counts *counts)
{
    struct buffer *out = overview->text;
    uint64_t below = 0;
    for (unsigned i = 0; i < METER_LATENCIES; i++) {
        below += counts->latencies[i];
        /* One bucket for each doubling is enough there. */
        if (i % 2 == 0 && i < METER_LATENCIES - 1) {
            char bound[32];
            snprintf(bound, sizeof(bound), "%g", seconds(meter_latency_bound_us(i)));
            put_name(overview, PART_LATENCY, "_bucket", service, "le", bound);
            buffer_printf(out, "%llu\n", (unsigned long long)below);
        }
    }
    put_name(overview, PART_LATENCY, "_bucket", service, "le", "+Inf");
    buffer_printf(out, "%llu\n", (unsigned long long)below);
    put_name(overview, PART_LATENCY, "_sum", service, NULL, NULL);
    buffer_printf(out, "%.6f\n", seconds((int64_t)counts->latency_us));
    put_name(overview, PART_LATENCY, "_count", service, NULL, NULL);
    buffer_printf(out, "%llu\n", (unsigned long long)below);
}

static void put_each(const struct overview *overview, enum metric_part part,
                     const struct index_service *service, const char *label, const char *value,
                     uint64_t number)
{
    put_name(overview, part, "", service, label, value);
    buffer_printf(overview->text, "%llu\n", (unsigned long long)number);
}

static void show_text(struct overview *overview, const struct index_service *service,
                      const struct metrics_now *now)
{
    static const char *const classes[METER_CLASSES] = {"1xx", "2xx", "3xx", "4xx", "5xx"};
    const struct meter_running *running = now->running;
    switch ((enum metric_part)overview->part) {
    case PART_REQUESTS:
        for (unsigned i = 0; i < METER_CLASSES; i++) {
            put_each(overview, PART_REQUESTS, service, "class", classes[i],
                     now->counts->classes[i]);
        }
        break;
    case PART_REFUSED:
        for (unsigned i = 0; i < RUNG_COUNT && i < METER_REASONS; i++) {
            if (now->counts->refused[i] > 0) {
                put_each(overview, PART_REFUSED, service, "rung", rung_name((enum rung)i),
                         now->counts->refused[i]);
            }
        }
        break;
    case PART_LATENCY:
        put_histogram(overview, service, now->counts);
        break;
    case PART_INSTANCES:
        put_each(overview, PART_INSTANCES, service, "state", "starting", running->starting);
        put_each(overview, PART_INSTANCES, service, "state", "ready", running->ready);
        put_each(overview, PART_INSTANCES, service, "state", "draining", running->draining);
        break;
    case PART_FLIGHT:
        put_each(overview, PART_FLIGHT, service, NULL, NULL, running->requests);
        break;
    case PART_MEMORY:
        put_each(overview, PART_MEMORY, service, NULL, NULL, running->memory_bytes);
        break;
    case PART_CPU:
        put_name(overview, PART_CPU, "", service, NULL, NULL);
        buffer_printf(overview->text, "%.6f\n", seconds((int64_t)running->cpu_us));
        break;
    }
}

static void keep_now(struct overview *overview, const struct index_service *service,
                     const struct metrics_now *now)
{
    (void)service;
    json_array_append_new(overview->rows, metrics_now_write(now));
}

json_t *counts_of_node(struct control *control, const json_t *asked, struct error *err)
{
    struct overview overview = {.control = control, .show = keep_now, .rows = json_array()};
    (void)asked, (void)err;
    walk(&overview);
    return overview.rows;
}

/* What another node counted, as if it had been counted here. */
static void walk_of(struct overview *overview, const struct peer_answer *other)
{
    struct control *control = overview->control;
    size_t at;
    json_t *value;
    overview->node = other->node;
    overview->reader = control->published;
    index_reader_renew(control->published);
    json_array_foreach(other->body, at, value)
    {
        struct meter_counts counts;
        struct meter_running running;
        struct metrics_now now;
        if (metrics_now_read(value, &counts, &running, &now)) {
            visit(overview, &now);
        }
    }
    index_reader_release(control->published);
}

static void show_all(struct api_call *call, const struct peer_answers *others)
{
    struct control *control = call->control;
    struct buffer text = BUFFER_INIT(TEXT_BYTES_MAX);
    struct overview overview = {.control = control, .call = call, .show = show_text, .text = &text};
    for (unsigned i = 0; i < sizeof(metric_rows) / sizeof(metric_rows[0]); i++) {
        buffer_printf(&text, "# HELP %s %s\n# TYPE %s %s\n", metric_rows[i].name,
                      metric_rows[i].help, metric_rows[i].name, metric_rows[i].type);
        overview.part = i;
        overview.node = control->nodes == NULL ? NULL : nodes_own_name(control);
        walk(&overview);
        for (size_t other = 0; other < others->count; other++) {
            walk_of(&overview, &others->all[other]);
        }
    }
    if (text.overflow) {
        struct error err;
        error_set(&err, STATUS_RESOURCE_EXHAUSTED, "There are more metrics than fit in %d MiB.",
                  TEXT_BYTES_MAX >> 20);
        api_fail(call, &err);
    } else {
        api_reply_text(call, 200, "text/plain; version=0.0.4; charset=utf-8", buffer_slice(&text));
    }
    buffer_done(&text);
}

/* One scrape of any node has all of them; `?node=self` is for who scrapes each. */
static void all_metrics(struct api_call *call)
{
    static const struct peer_answers nobody;
    struct error err;
    const char *node = api_query(call, "node");
    auto_json *asked = json_object();
    if (node == NULL) {
        api_ask_peers(call, "counts", asked, show_all);
    } else if (strcmp(node, "self") == 0) {
        show_all(call, &nobody);
    } else {
        error_field(&err, "node", "The node is self, or not given: \"%.40s\" is not.", node);
        api_fail(call, &err);
    }
}

#define SERVICE "projects/{project}/locations/{region}/services/{service}"

const struct api_route metrics_routes[] = {
    {"GET", "/homerun/v1/" SERVICE ":metrics", "run.services.get", SERVICE, API_NO_BODY,
     service_metrics, "homerun.v1.GetServiceMetrics"},
    {"GET", "/homerun/v1/projects/{project}:metrics", "run.services.list", "projects/{project}",
     API_NO_BODY, project_metrics, "homerun.v1.ListMetrics"},
    {"GET", "/metrics", NULL, NULL, API_SELF_CHECKED | API_NO_BODY, all_metrics,
     "homerun.v1.Metrics", .why = API_WHY_LIST},
};
const size_t metrics_route_count = sizeof(metrics_routes) / sizeof(metrics_routes[0]);
