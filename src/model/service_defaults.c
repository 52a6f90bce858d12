/*
 * What Cloud Run fills in for a revision, and when two templates ask for the same one. Defaults are
 * written into the revision, not into the service: v1 and v2 show them (service_v1_shown.c,
 * service_v2_shown.c), and what only comes back is not taken for a wish.
 */
#include "model/quantity.h"
#include "model/service_tables.h"

json_t *ingress_container(const json_t *template)
{
    const json_t *containers = json_object_get(template, "containers");
    if (json_array_size(containers) == 1) {
        return json_array_get(containers, 0);
    }
    for (size_t i = 0; i < json_array_size(containers); i++) {
        json_t *container = json_array_get(containers, i);
        if (json_array_size(json_object_get(container, "ports")) > 0) {
            return container;
        }
    }
    return NULL;
}

static void put_if_absent(json_t *object, const char *path, json_t *value)
{
    auto_json *taken = value;
    if (json_at(object, path) == NULL) {
        json_put(object, path, json_steal(&taken));
    }
}

static void port_fill(json_t *container)
{
    json_t *ports = json_object_get(container, "ports");
    if (json_array_size(ports) == 0) {
        json_object_set_new(container, "ports",
                            json_pack("[{sssi}]", "name", "http1", "containerPort", PORT_DEFAULT));
        return;
    }
    json_t *port = json_array_get(ports, 0);
    put_if_absent(port, "name", json_string("http1"));
    put_if_absent(port, "containerPort", json_integer(PORT_DEFAULT));
}

static void probe_fill(json_t *probe, int64_t port)
{
    static const char *const kinds[] = {"httpGet", "tcpSocket", "grpc"};
    if (probe == NULL) {
        return;
    }
    put_if_absent(probe, "timeoutSeconds", json_integer(1));
    put_if_absent(probe, "periodSeconds", json_integer(10));
    put_if_absent(probe, "failureThreshold", json_integer(3));
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        json_t *action = json_object_get(probe, kinds[i]);
        if (action != NULL && port > 0) {
            put_if_absent(action, "port", json_integer(port));
        }
    }
    if (json_object_get(probe, "httpGet") != NULL) {
        put_if_absent(probe, "httpGet.path", json_string("/"));
    }
}

static void startup_probe_fill(json_t *container, int64_t port)
{
    if (json_object_get(container, "startupProbe") != NULL) {
        return;
    }
    json_object_set_new(container, "startupProbe",
                        json_pack("{si si si s{sI}}", "timeoutSeconds", 240, "periodSeconds", 240,
                                  "failureThreshold", 1, "tcpSocket", "port", (json_int_t)port));
}

static int64_t cpu_millis(const json_t *container)
{
    int64_t millis = 1000;
    const char *text = json_text(container, "resources.limits.cpu");
    if (text != NULL) {
        quantity_cpu(slice_of(text), &millis);
    }
    return millis;
}

static void container_fill(json_t *container, bool ingress)
{
    int64_t port = 0;
    if (ingress) {
        port_fill(container);
        port = json_number(container, "ports[0].containerPort", PORT_DEFAULT);
        startup_probe_fill(container, port);
    }
    put_if_absent(container, "resources.limits.cpu", json_string("1000m"));
    put_if_absent(container, "resources.limits.memory", json_string("512Mi"));
    probe_fill(json_object_get(container, "startupProbe"), port);
    probe_fill(json_object_get(container, "livenessProbe"), port);
    probe_fill(json_object_get(container, "readinessProbe"), port);
}

json_t *template_with_defaults(const json_t *template)
{
    json_t *full = json_deep_copy(template);
    const json_t *ingress = ingress_container(full);
    int64_t cpu = 0;
    size_t i;
    json_t *container;
    json_array_foreach(json_object_get(full, "containers"), i, container)
    {
        container_fill(container, container == ingress);
        cpu += cpu_millis(container);
    }
    put_if_absent(full, "timeout", json_string("300s"));
    if (json_number(full, "maxInstanceRequestConcurrency", 0) == 0) {
        json_object_set_new(full, "maxInstanceRequestConcurrency",
                            json_integer(cpu < 1000 ? 1 : CONCURRENCY_DEFAULT));
    }
    put_if_absent(full, "scaling.maxInstanceCount", json_integer(INSTANCES_DEFAULT));
    return full;
}

/* Names and versions of clients come and go without the user asking for anything. */
static json_t *template_essence(const json_t *template)
{
    json_t *copy = template == NULL ? json_object() : json_copy(json_lend(template));
    json_object_del(copy, "client");
    json_object_del(copy, "clientVersion");
    json_object_del(copy, "revision");
    json_object_del(copy, "v1Text");
    return copy;
}

bool template_differs(const json_t *before, const json_t *after)
{
    const char *wanted = json_text(after, "revision");
    if (wanted != NULL && strcmp(wanted, json_text_or(before, "revision", "")) != 0) {
        return true;
    }
    auto_json *old = template_essence(before);
    auto_json *new = template_essence(after);
    return !json_same(old, new);
}
