/* From documents to structs and back; the tables say all, but for what takes two fields to see. */
#include "model/service_type.h"

#include "model/service_tables.h"

struct service *service_from_doc(struct arena *arena, const json_t *doc)
{
    return fields_get(arena, service_fields, doc, arena_new(arena, struct service));
}

json_t *service_to_doc(const struct service *service)
{
    return fields_put(service_fields, service);
}

struct revision *revision_from_doc(struct arena *arena, const json_t *doc)
{
    return fields_get(arena, revision_fields, doc, arena_new(arena, struct revision));
}

json_t *revision_to_doc(const struct revision *revision)
{
    return fields_put(revision_fields, revision);
}

struct template *template_from_doc(struct arena *arena, const json_t *doc)
{
    return fields_get(arena, revision_template_fields, doc, arena_new(arena, struct template));
}

const char *service_ingress_word(const struct service *service, const char *otherwise)
{
    switch (service->ingress) {
    case SERVICE_INGRESS_UNKNOWN:
        return json_text_or(service->source, "ingress", otherwise);
    case SERVICE_INGRESS_UNSPECIFIED:
        return otherwise;
    case SERVICE_INGRESS_ALL:
    case SERVICE_INGRESS_INTERNAL_ONLY:
    case SERVICE_INGRESS_INTERNAL_LOAD_BALANCER:
    case SERVICE_INGRESS_NONE:
        break;
    }
    return service_ingress_names[service->ingress];
}

const struct container *template_taker(const struct template *template)
{
    if (template->containers_count == 1) {
        return &template->containers[0];
    }
    for (size_t i = 0; i < template->containers_count; i++) {
        if (template->containers[i].ports_count > 0) {
            return &template->containers[i];
        }
    }
    return NULL;
}

struct container_port container_serves(const struct container *container)
{
    struct container_port port;
    if (container->ports_count > 0) {
        return container->ports[0];
    }
    fields_get(NULL, container_port_fields, NULL, &port);
    return port;
}

const char *container_limit(const struct container *container, const char *name)
{
    const struct resources *resources = &container->resources;
    const char *limit = pair_find(resources->limits, resources->limits_count, name);
    return limit == NULL ? "" : limit;
}
