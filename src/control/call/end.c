/* How a call ends: with an answer of any type, or by giving its exchange to what goes on. */
#include "control/call/answer.h"
#include "control/publish/nodes.h"

#include <stdlib.h>

void api_end(struct api_call *call)
{
    if (call->transport != NULL) {
        call->transport->end(call);
    }
    if (call->exchange != NULL) {
        exchange_set_user(call->exchange, NULL);
    }
    json_decref(call->body);
    json_decref(call->policy_details);
    arena_done(&call->arena);
    free(call);
}

bool api_is_outrun(const struct api_call *call)
{
    struct control *control = call->control;
    control->outrun =
        control->outrun || (control->again == call && store_was_outrun(control->store));
    return control->again == call && control->outrun;
}

void api_add_remarks(const struct api_call *call, struct http_headers *out)
{
    struct arena *arena = exchange_arena(call->exchange);
    const char *warning = nodes_warning(call->control);
    if (warning != NULL) { /* RFC 7234 section 5.5.1 */
        http_headers_add(out, arena, SLICE("warning"), slice_of(warning));
        http_headers_add(out, arena, SLICE("homerun-cut-off"), SLICE("true"));
    }
    if (call->unreachable != NULL) {
        http_headers_add(out, arena, SLICE("homerun-unreachable"),
                         arena_slice(arena, slice_of(call->unreachable)));
    }
}

void api_reply_with(struct api_call *call, int http_status, const char *content_type,
                    struct slice text, const struct api_header *headers, size_t count)
{
    if (api_is_outrun(call)) {
        return;
    }
    if (call->exchange != NULL) {
        struct arena *arena = exchange_arena(call->exchange);
        struct http_headers extra = {0};
        for (size_t i = 0; i < count; i++) {
            http_headers_add(&extra, arena, slice_of(headers[i].name),
                             arena_slice(arena, slice_of(headers[i].value)));
        }
        api_add_remarks(call, &extra);
        exchange_reply(call->exchange, http_status, content_type, text, &extra);
    }
    api_end(call);
}

struct exchange *api_release(struct api_call *call)
{
    struct exchange *exchange = call->exchange;
    api_end(call);
    return exchange;
}
