/* How a call is answered: JSON, and errors in the one shape that all of Google's clients read. */
#include "control/call/answer.h"

#include <stdlib.h>

/* True: the call's transport has sent BODY, and the call has ended. */
static bool sent_otherwise(struct api_call *call, const json_t *body)
{
    if (call->transport == NULL) {
        return false;
    }
    call->transport->document(call, body);
    api_end(call);
    return true;
}

static void write_answer(struct api_call *call, int http_status, const char *content_type,
                         struct slice text, const char *allow)
{
    if (call->exchange != NULL) {
        struct arena *arena = exchange_arena(call->exchange);
        struct http_headers extra = {0};
        http_headers_add(&extra, arena, SLICE("cache-control"), SLICE("no-store"));
        if (http_status == 401) {
            http_headers_add(&extra, arena, SLICE("www-authenticate"),
                             SLICE("Bearer realm=\"https://accounts.google.com/\""));
        }
        if (http_status == 503) {
            http_headers_add(&extra, arena, SLICE("retry-after"), SLICE("1"));
        }
        api_add_remarks(call, &extra);
        if (allow != NULL) {
            http_headers_add(&extra, arena, SLICE("allow"), arena_slice(arena, slice_of(allow)));
        }
        exchange_reply(call->exchange, http_status, content_type, text, &extra);
    }
    api_end(call);
}

void api_reply_text(struct api_call *call, int http_status, const char *content_type,
                    struct slice text)
{
    auto_json *none = call->transport == NULL
                          ? NULL
                          : json_pack("{s{ssss}}", "error", "status", "UNIMPLEMENTED", "message",
                                      "This answer is a text, which has no "
                                      "message of gRPC. Ask by REST.");
    if (sent_otherwise(call, none)) {
        return;
    }
    write_answer(call, http_status, content_type, text, NULL);
}

void api_reply_status(struct api_call *call, int http_status, json_t *body)
{
    auto_json *taken = body;
    if (!api_is_outrun(call) && !sent_otherwise(call, taken)) {
        write_answer(call, http_status, "application/json; charset=UTF-8",
                     json_write(&call->arena, taken), NULL);
    }
}

/* An answer that was made without what cannot be read is none. */
void api_reply(struct api_call *call, json_t *body)
{
    struct error unread;
    if (!call->changes && store_unread(call->control->store, &unread)) {
        api_answer(call, false, body, &unread);
    } else {
        api_reply_status(call, 200, body);
    }
}

/* What machines read: why, of which API, about what. */
static json_t *error_info(const struct api_call *call, const struct error *err)
{
    static const char type[] = "type.googleapis.com/google.rpc.ErrorInfo";
    if (err->status == STATUS_PERMISSION_DENIED && call->scope_lacking) {
        return json_pack("{s:s, s:s, s:s, s:{s:s}}", "@type", type, "reason",
                         "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "domain", "googleapis.com", "metadata",
                         "method", call->route->method);
    }
    if (err->status == STATUS_PERMISSION_DENIED && call->disabled_api != NULL) {
        return json_pack("{s:s, s:s, s:s, s:{s:s}}", "@type", type, "reason", "SERVICE_DISABLED",
                         "domain", "googleapis.com", "metadata", "service", call->disabled_api);
    }
    if (err->status == STATUS_PERMISSION_DENIED && call->denied_permission != NULL) {
        return json_pack("{s:s, s:s, s:s, s:{s:s, s:s}}", "@type", type, "reason",
                         "IAM_PERMISSION_DENIED", "domain", "iam.googleapis.com", "metadata",
                         "permission", call->denied_permission, "resource", call->denied_resource);
    }
    /* gcloud shows the message of a 404 on a write only beside this. */
    if (err->status == STATUS_NOT_FOUND) {
        return json_pack("{s:s, s:s, s:s}", "@type", type, "reason", "RESOURCE_NOT_FOUND", "domain",
                         "run.googleapis.com");
    }
    if (err->status == STATUS_UNIMPLEMENTED) {
        return json_pack("{s:s, s:s, s:s}", "@type", type, "reason", "METHOD_NOT_IMPLEMENTED",
                         "domain", "homerun");
    }
    return NULL;
}

bool api_from_gcloud(const struct api_call *call)
{
    const struct http_header *agent =
        call->exchange == NULL
            ? NULL
            : http_headers_find(&exchange_request(call->exchange)->headers, SLICE("user-agent"));
    return agent != NULL && slice_find_slice(agent->value, SLICE("gcloud/")) >= 0;
}

/*
 * gcloud takes 501 for a passing weakness of the server: it asks five times, half a minute long,
 * and then shows the headers in place of the message. It gets a 4xx with the same name and words.
 */
static int http_status_for(const struct api_call *call, enum status status)
{
    return status == STATUS_UNIMPLEMENTED && api_from_gcloud(call) ? 400 : status_http(status);
}

/* Whether TEXT begins as what is said of a field, and not as a sentence: "must be text", "'a' is
 * given twice". */
static bool is_of_field(const char *text)
{
    return (text[0] >= 'a' && text[0] <= 'z') || text[0] == '\'';
}

/* What is said of a field without its name gets it: most clients show only this. */
static json_t *message_of(struct api_call *call, const struct error *err)
{
    struct slice text = slice_of(err->text);
    bool named = err->field[0] == '\0' || slice_starts(text, slice_of(err->field));
    return named || !is_of_field(err->text)
               ? json_slice(text)
               : json_string(arena_printf(&call->arena, "%s: %s", err->field, err->text));
}

void api_fail_with(struct api_call *call, const struct error *err, json_t *details)
{
    struct error unread;
    if (api_is_outrun(call)) {
        json_decref(details);
        return;
    }
    if (store_unread(call->control->store, &unread)) {
        json_decref(details); /* "not found", "denied" may be what a damaged record looks like */
        details = NULL;
        err = &unread;
    }
    if (details == NULL) {
        details = json_array();
    }
    if (err->field[0] != '\0') {
        json_array_append_new(details, json_pack("{s:s, s:[{s:s, s:o}]}", "@type",
                                                 "type.googleapis.com/google.rpc.BadRequest",
                                                 "fieldViolations", "field", err->field,
                                                 "description", json_slice(slice_of(err->text))));
    }
    json_t *info = error_info(call, err);
    if (info != NULL) {
        json_array_append_new(details, info);
    }
    json_t *error = json_pack("{s:i, s:o, s:s}", "code", http_status_for(call, err->status),
                              "message", message_of(call, err), "status", status_name(err->status));
    if (json_array_size(details) > 0) {
        json_object_set(error, "details", details);
    }
    json_decref(details);
    api_reply_status(call, http_status_for(call, err->status), json_pack("{s:o}", "error", error));
}

void api_fail(struct api_call *call, const struct error *err)
{
    api_fail_with(call, err, NULL);
}

void api_answer(struct api_call *call, bool good, json_t *body, const struct error *err)
{
    if (good) {
        api_reply(call, body);
    } else {
        json_decref(body);
        api_fail(call, err);
    }
}

void api_fail_http(struct api_call *call, int http_status, const char *status, const char *allow,
                   const char *message)
{
    if (api_is_outrun(call)) {
        return;
    }
    auto_json *body = json_pack("{s:{s:i, s:o, s:s}}", "error", "code", http_status, "message",
                                json_slice(slice_of(message)), "status", status);
    if (sent_otherwise(call, body)) {
        return;
    }
    struct slice text = json_write(&call->arena, body);
    write_answer(call, http_status, "application/json; charset=UTF-8", text, allow);
}
