/* The question becomes a request, the gatherer gathers, the ladder decides. */
#include "control/access/explain.h"

#include "control/record/service_view.h"

/* "HOST" of the service's default URL. */
static struct slice default_host(struct control *control, struct arena *arena, const char *resource)
{
    struct service_view view;
    return service_view_find(control, arena, resource, &view)
               ? service_host(arena, &view, SLICE_NONE)
               : SLICE("");
}

/* The audience that a token for the service would have: its URL. */
static struct slice audience_of(struct lookup *lookup, struct slice authority)
{
    struct slice host;
    const struct facts_route *route = lookup_table.route(lookup, authority, &host);
    const struct facts_service *service =
        route == NULL ? NULL : lookup_table.service(lookup, route);
    return service == NULL || service->audience_count == 0 ? SLICE("") : service->audiences[0];
}

static json_t *answer_of(const struct explanation *explanation)
{
    const struct explain_question *question = explanation->question;
    const struct facts *facts = &explanation->facts;
    const struct verdict *verdict = &explanation->verdict;
    json_t *answer = json_pack("{s:s, s:b, s:i, s:s, s:s, s:s}", "resource", explanation->resource,
                               "allowed", verdict->allowed, "status", verdict->status, "rung",
                               rung_name(verdict->rung), "rule", rung_rule(verdict->rung), "fact",
                               explain_fact(explanation, verdict->rung));
    const char *text = rung_log_text(verdict->rung);
    if (text[0] != '\0') {
        json_object_set_new(answer, "text", json_string(text));
    }
    json_t *because = explain_because(explanation);
    if (because != NULL) {
        json_object_set_new(answer, "because", because);
    }
    if (facts->caller.principal.len > 0) {
        json_object_set_new(answer, "principal", json_slice(facts->caller.principal));
    }
    json_object_set_new(answer, "member",
                        question->member != NULL          ? json_slice(question->member->text)
                        : facts->caller.principal.len > 0 ? json_slice(facts->caller.principal)
                                                          : json_string("(nobody)"));
    json_object_set_new(answer, "request",
                        json_pack("{s:s, s:o, s:s, s:o}", "method", question->method, "host",
                                  json_slice(explanation->request.authority), "path",
                                  question->path, "time",
                                  json_slice(time_text(explanation->arena, question->now_us))));
    json_object_set_new(answer, "rungs", explain_rungs(explanation));
    return answer;
}

json_t *explain(struct control *control, struct arena *arena, const char *resource,
                const struct explain_question *question, struct error *err)
{
    struct lookup *lookup = arena_new(arena, struct lookup);
    struct explanation *explanation = arena_new(arena, struct explanation);
    *explanation = (struct explanation){
        .control = control,
        .arena = arena,
        .resource = resource,
        .question = question,
        .request =
            {
                .method = slice_of(question->method),
                .authority = question->host == NULL ? default_host(control, arena, resource)
                                                    : slice_of(question->host),
                .target = slice_of(question->path),
                .strict_paths = control->settings.strict_paths != 0,
                .network = question->network,
                .now_us = question->now_us,
                .credential = question->credential,
            },
    };
    lookup->reader = control->published;
    lookup->arena = arena;
    index_reader_renew(control->published);
    if (question->member != NULL) {
        explain_imagine(control, arena, question->member,
                        audience_of(lookup, explanation->request.authority), &explanation->request);
    }
    struct facts *facts = &explanation->facts;
    facts_gather(&lookup_table, lookup, arena, &explanation->request, facts);
    explanation->verdict = policy_decide(&facts->ladder);
    json_t *answer = NULL;
    if (facts->service != NULL && !slice_is(facts->service->resource_name, resource)) {
        error_field(err, "host", "The host %.200s leads to another service, '%.*s'.",
                    question->host == NULL ? "" : question->host,
                    SLICE_ARG(facts->service->resource_name));
    } else {
        answer = answer_of(explanation);
    }
    index_reader_release(control->published);
    return answer;
}
