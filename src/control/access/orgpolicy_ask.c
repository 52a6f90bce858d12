/* The constraints on services: what the settings are called in v1, and custom conditions over the
 * whole of the v1 form. */
#include "control/access/orgpolicy_ask.h"

#include "control/access/orgpolicy_doc.h"
#include "control/record/custom_json.h"
#include "control/record/service_view.h"

#include "base/clock.h"
#include "policy/locations.h"
#include "policy/orgpolicy.h"

struct orgpolicy_ask *orgpolicy_ask_new(struct control *control, struct arena *arena,
                                        const char *resource, struct error *err)
{
    struct orgpolicy_ask *ask = arena_new(arena, struct orgpolicy_ask);
    ask->control = control;
    ask->arena = arena;
    ask->resource = resource;
    if (!tags_effective(control, arena, resource, &ask->tags, err)) {
        return NULL;
    }
    ask->env = (struct cel_env){
        .time_us = clock_wall_us(),
        .has_tag = tags_match,
        .tag_ctx = &ask->tags,
        .modified_role_count = -1,
    };
    return ask;
}

void orgpolicy_ask_add(struct orgpolicy_ask *ask, struct orgpolicy_violation violation)
{
    if (ask->count < ORGPOLICY_VIOLATIONS_MAX) {
        ask->found[ask->count++] = violation;
    }
}

/* ---- settings ---- */

struct setting {
    struct slice value; /* data NULL: null */
    bool by_default;
};

static struct setting ingress_of(const struct service *service)
{
    static const char *const words[] = {
        [SERVICE_INGRESS_ALL] = "all",
        [SERVICE_INGRESS_INTERNAL_ONLY] = "internal",
        [SERVICE_INGRESS_INTERNAL_LOAD_BALANCER] = "internal-and-cloud-load-balancing",
        [SERVICE_INGRESS_NONE] = "none",
    };
    if (service->ingress == SERVICE_INGRESS_UNKNOWN ||
        service->ingress == SERVICE_INGRESS_UNSPECIFIED) {
        return (struct setting){SLICE("all"), true};
    }
    return (struct setting){slice_of(words[service->ingress]), false};
}

static struct setting egress_of(const struct service *service)
{
    switch (service->template.vpc.egress) {
    case EGRESS_ALL_TRAFFIC:
        return (struct setting){SLICE("all-traffic"), false};
    case EGRESS_PRIVATE_RANGES:
        return (struct setting){SLICE("private-ranges-only"), false};
    case EGRESS_UNKNOWN:
    case EGRESS_UNSPECIFIED:
        break;
    }
    return (struct setting){SLICE_NONE, false};
}

static struct setting authorization_of(const struct service *service)
{
    const struct binary_authorization *given = &service->binary_authorization;
    if (given->policy[0] != '\0') {
        return (struct setting){slice_of(given->policy), false};
    }
    return (struct setting){given->use_default ? SLICE("default") : SLICE_NONE, false};
}

static const struct {
    const char *constraint;
    struct setting (*of)(const struct service *service);
} settings[] = {
    {"run.allowedBinaryAuthorizationPolicies", authorization_of},
    {"run.allowedIngress", ingress_of},
    {"run.allowedVPCEgress", egress_of},
};

/* What a list constraint is asked about. */
struct list_question {
    const char *name; /* of the constraint */
    struct slice value;
    bool (*matches)(void *ctx, struct slice listed);
    const char *text; /* the sentence, if it is refused */
};

static bool ask_list(struct orgpolicy_ask *ask, struct list_question *question, struct error *err)
{
    const struct orgpolicy_constraint *constraint =
        orgpolicy_constraint_find(slice_of(question->name));
    auto_chain chain = {0};
    if (ask->dry_run && !constraint->supports_dry_run) {
        return true;
    }
    if (!orgpolicy_chain_load(ask->control, ask->arena, ask->resource, constraint, question->name,
                              ask->dry_run, &chain, err)) {
        return false;
    }
    struct orgpolicy_verdict verdict =
        orgpolicy_list_decide(constraint, chain.levels, chain.count, &ask->env, ask->arena,
                              question->matches, &question->value);
    if (verdict.refused) {
        orgpolicy_ask_add(ask, (struct orgpolicy_violation){.constraint = constraint,
                                                            .name = question->name,
                                                            .node = verdict.node,
                                                            .text = question->text});
    }
    return true;
}

static bool ask_setting(struct orgpolicy_ask *ask, const char *name, struct setting setting,
                        const char *method, struct error *err)
{
    struct slice value =
        setting.value.data == NULL ? setting.value : arena_slice(ask->arena, setting.value);
    struct list_question question = {
        .name = name,
        .value = setting.value,
        .matches = orgpolicy_same_value,
        .text = orgpolicy_text_annotation(ask->arena, orgpolicy_constraint_find(slice_of(name)),
                                          method, value, setting.by_default),
    };
    return ask_list(ask, &question, err);
}

bool orgpolicy_ask_value(struct orgpolicy_ask *ask, const char *name, struct slice value,
                         struct error *err)
{
    struct list_question question = {
        .name = name,
        .value = value,
        .matches = orgpolicy_same_value,
        .text = orgpolicy_text_value(ask->arena, name, ask->resource, value),
    };
    return ask_list(ask, &question, err);
}

static bool location_listed(void *ctx, struct slice listed)
{
    return location_is_in(*(const struct slice *)ctx, listed);
}

/* Where a service may be is asked when it is made; later it cannot move. */
static bool ask_location(struct orgpolicy_ask *ask, const char *method, struct error *err)
{
    static const char name[] = "gcp.resourceLocations";
    struct slice region = SLICE_NONE, left = slice_of(ask->resource);
    for (int i = 0; i < 4; i++) {
        slice_cut(&left, '/', &region); /* projects/P/locations/REGION/… */
    }
    struct list_question question = {
        .name = name,
        .value = region,
        .matches = location_listed,
        .text = orgpolicy_text_value(ask->arena, name, ask->resource, region),
    };
    return strcmp(method, "CreateService") != 0 || ask_list(ask, &question, err);
}

/* Whether Cloud Run may be used at all, and without a key of Cloud KMS. */
static bool ask_use(struct orgpolicy_ask *ask, const struct service *service, struct error *err)
{
    static const struct slice run = SLICE_INIT("run.googleapis.com");
    return orgpolicy_ask_value(ask, "gcp.restrictServiceUsage", run, err) &&
           (service->template.encryption_key[0] != '\0' ||
            orgpolicy_ask_value(ask, "gcp.restrictNonCmekServices", run, err));
}

static bool ask_invoker(struct orgpolicy_ask *ask, const struct service *service, struct error *err)
{
    static const char name[] = "run.managed.requireInvokerIam";
    const struct orgpolicy_constraint *constraint = orgpolicy_constraint_find(slice_of(name));
    auto_chain chain = {0};
    if (!service->invoker_iam_disabled) {
        return true;
    }
    if (!orgpolicy_chain_load(ask->control, ask->arena, ask->resource, constraint, name,
                              ask->dry_run, &chain, err)) {
        return false;
    }
    struct orgpolicy_verdict verdict =
        orgpolicy_enforced(constraint, chain.levels, chain.count, &ask->env, ask->arena);
    if (verdict.refused) {
        orgpolicy_ask_add(ask, (struct orgpolicy_violation){
                                   .constraint = constraint,
                                   .name = name,
                                   .node = verdict.node,
                                   .description = constraint->description,
                               });
    }
    return true;
}

/* ---- custom constraints ---- */

struct custom_walk {
    struct orgpolicy_ask *ask;
    const char *method; /* "CREATE", "UPDATE" */
    const struct cel_value *resource;
    struct error *err;
    bool failed;
};

static bool lists(const json_t *doc, const char *field, const char *wanted)
{
    const json_t *list = json_object_get(doc, field);
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (strcmp(json_string_value(json_array_get(list, i)), wanted) == 0) {
            return true;
        }
    }
    return false;
}

/* DENY refuses what meets the condition, ALLOW what does not; an error is not true. */
static bool breaks(struct custom_walk *walk, const json_t *doc)
{
    struct arena *arena = walk->ask->arena;
    const struct custom_program *program =
        cel_custom_compile(arena, slice_of(json_text_or(doc, "condition", "")), NULL);
    bool met = program != NULL && cel_custom_eval(program, walk->resource, arena) == CEL_TRUE;
    return met == (strcmp(json_text_or(doc, "actionType", ""), "DENY") == 0);
}

static bool ask_custom(const struct store_doc *doc, void *ctx)
{
    struct custom_walk *walk = ctx;
    struct orgpolicy_ask *ask = walk->ask;
    const char *name = strrchr(doc->key, '/') + 1;
    auto_chain chain = {0};
    if (!lists(doc->body, "resourceTypes", "run.googleapis.com/Service") ||
        !lists(doc->body, "methodTypes", walk->method)) {
        return true;
    }
    if (!orgpolicy_chain_load(ask->control, ask->arena, ask->resource, &orgpolicy_custom, name,
                              ask->dry_run, &chain, walk->err)) {
        walk->failed = true;
        return false;
    }
    struct orgpolicy_verdict verdict =
        orgpolicy_enforced(&orgpolicy_custom, chain.levels, chain.count, &ask->env, ask->arena);
    if (verdict.refused && breaks(walk, doc->body)) {
        const char *said = json_text_or(doc->body, "description", "");
        if (said[0] == '\0') {
            said = json_text_or(doc->body, "displayName", name);
        }
        orgpolicy_ask_add(ask, (struct orgpolicy_violation){
                                   .constraint = &orgpolicy_custom,
                                   .name = arena_string(ask->arena, slice_of(name)),
                                   .node = verdict.node,
                                   .description = arena_string(ask->arena, slice_of(said)),
                               });
    }
    return true;
}

static bool ask_customs(struct orgpolicy_ask *ask, const char *method, const json_t *doc,
                        struct error *err)
{
    struct service_view view;
    const char *organization = orgpolicy_organization(ask->control, ask->arena, ask->resource);
    if (organization == NULL ||
        !service_view_find(ask->control, ask->arena, ask->resource, &view)) {
        return true;
    }
    view.doc = doc;
    view.version = 1;
    auto_json *v1 = service_to_v1(ask->arena, &view);
    struct cel_value resource = custom_value_of(ask->arena, v1);
    struct custom_walk walk = {
        .ask = ask,
        .method = strcmp(method, "CreateService") == 0 ? "CREATE" : "UPDATE",
        .resource = &resource,
        .err = err,
    };
    return store_each(ask->control->store, STORE_ORGPOLICY,
                      arena_printf(ask->arena, "%s/customConstraints/", organization), ask_custom,
                      &walk, err) &&
           !walk.failed;
}

bool orgpolicy_ask_service(struct orgpolicy_ask *ask, const char *method, const json_t *doc,
                           struct error *err)
{
    const struct service *service = service_from_doc(ask->arena, doc);
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        if (!ask_setting(ask, settings[i].constraint, settings[i].of(service), method, err)) {
            return false;
        }
    }
    return ask_location(ask, method, err) && ask_use(ask, service, err) &&
           ask_invoker(ask, service, err) && ask_customs(ask, method, doc, err);
}
