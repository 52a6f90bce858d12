/*
 * Reflection: which services there are, and the descriptors of their messages, so that a client
 * that has no .proto file can call them. By gRPC it is a conversation: one answer for each
 * question, in their order. By REST, it is one of each. It tells what anybody can read in Google's
 * files, and asks for no token.
 */
#include "control/front/reflection.h"

#include "base/encode.h"
#include "control/front/grpc.h"
#include "control/front/router.h"
#include "grpc/descriptors.h"

enum { CONVERSATIONS_MAX = 64, QUESTIONS_MAX = 1000, SERVICES_MAX = 128 };

/* Control is one thread: no locks. */
static unsigned conversations;

/* ---- the services ---- */

static struct slice service_of(const struct proto_method *method)
{
    struct slice left = slice_of(method->name), service;
    slice_cut(&left, '/', &service);
    return service;
}

static bool is_done(const struct proto_method *method)
{
    for (size_t t = 0; t < api_table_count; t++) {
        for (size_t i = 0; i < *api_tables[t].count; i++) {
            const struct api_route *row = &api_tables[t].rows[i];
            if (row->handle != NULL && grpc_is_row(method, row)) {
                return true;
            }
        }
    }
    return false;
}

/* Those of which some method is there: methods stand in the order of their names, so services do.
 * They are as many for ever, and are looked for once. */
static size_t services(const struct slice **out)
{
    static struct slice found[SERVICES_MAX];
    static size_t count;
    static bool known;
    *out = found;
    for (size_t i = 0; !known && i < proto_method_count; i++) {
        struct slice service = service_of(&proto_methods[i]);
        if ((count == 0 || !slice_equal(found[count - 1], service)) && count < SERVICES_MAX &&
            is_done(&proto_methods[i])) {
            found[count++] = service;
        }
    }
    known = true;
    return count;
}

static json_t *services_json(void)
{
    const struct slice *found;
    size_t count = services(&found);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, json_pack("{so}", "name", json_slice(found[i])));
    }
    return json_pack("{so}", "service", list);
}

/* ---- one question ---- */

static json_t *not_found(const char *what, const char *name)
{
    char text[400];
    snprintf(text, sizeof(text), "Homerun knows no %s %.300s.", what, name);
    return json_pack("{si so}", "errorCode", (int)STATUS_NOT_FOUND, "errorMessage",
                     json_slice(slice_of(text)));
}

/* Puts FILE, or that there is no WHAT of that NAME. */
static void put_file(json_t *answer, struct arena *arena, const struct proto_file *file,
                     const char *what, const char *name)
{
    if (file == NULL) {
        json_object_set_new(answer, "errorResponse", not_found(what, name));
        return;
    }
    json_object_set_new(
        answer, "fileDescriptorResponse",
        json_pack("{s[o]}", "fileDescriptorProto", json_slice(base64_encode(arena, file->bytes))));
}

static const struct field extension_fields[] = {
    {.name = "containingType", .kind = FIELD_STRING},
    {.name = "extensionNumber", .kind = FIELD_INT32},
    {0},
};
static const struct field question_fields[] = {
    {.name = "host", .kind = FIELD_STRING},
    {.name = "fileByFilename", .kind = FIELD_STRING},
    {.name = "fileContainingSymbol", .kind = FIELD_STRING},
    {.name = "fileContainingExtension", .kind = FIELD_OBJECT, .fields = extension_fields},
    {.name = "allExtensionNumbersOfType", .kind = FIELD_STRING},
    {.name = "listServices", .kind = FIELD_STRING},
    {0},
};

/* The ServerReflectionResponse to QUESTION. */
static json_t *answer_to(struct arena *arena, const json_t *question)
{
    const char *file = json_text(question, "fileByFilename");
    const char *symbol = json_text(question, "fileContainingSymbol");
    const char *type = json_text(question, "allExtensionNumbersOfType");
    const json_t *extension = json_object_get(question, "fileContainingExtension");
    json_t *answer = json_pack("{ss sO}", "validHost", json_text_or(question, "host", ""),
                               "originalRequest", question);
    if (file != NULL) {
        put_file(answer, arena, proto_file_find(slice_of(file)), "file", file);
    } else if (symbol != NULL) {
        put_file(answer, arena, proto_file_of(slice_of(symbol)), "symbol", symbol);
    } else if (extension != NULL) {
        json_object_set_new(
            answer, "errorResponse",
            not_found("extension of", json_text_or(extension, "containingType", "")));
    } else if (type != NULL && proto_file_of(slice_of(type)) != NULL) {
        json_object_set_new(answer, "allExtensionNumbersResponse",
                            json_pack("{ss}", "baseTypeName", type)); /* proto3: there are none */
    } else if (type != NULL) {
        json_object_set_new(answer, "errorResponse", not_found("type", type));
    } else if (json_object_get(question, "listServices") != NULL) {
        json_object_set_new(answer, "listServicesResponse", services_json());
    } else {
        json_object_set_new(answer, "errorResponse",
                            json_pack("{si ss}", "errorCode", (int)STATUS_INVALID_ARGUMENT,
                                      "errorMessage", "The request asks for nothing."));
    }
    return answer;
}

/* ---- a conversation ---- */

static void on_left(struct api_call *call)
{
    conversations--;
    api_end(call);
}

static bool end_with(struct api_call *call, const struct error *err)
{
    conversations--;
    if (err == NULL) {
        call->transport->finish(call);
    } else {
        api_fail(call, err);
    }
    return false;
}

static bool on_message(struct api_call *call, const json_t *message)
{
    size_t *asked = call->user;
    auto_arena arena = {0};
    struct error err = {0};
    if (message == NULL) {
        return end_with(call, NULL);
    }
    if (++*asked > QUESTIONS_MAX) {
        error_set(&err, STATUS_RESOURCE_EXHAUSTED,
                  "%d questions were answered, the most for one call. Begin another one.",
                  QUESTIONS_MAX);
        return end_with(call, &err);
    }
    auto_json *answer = answer_to(&arena, message);
    call->transport->part(call, answer);
    return true;
}

static void info(struct api_call *call)
{
    struct error err = {0};
    if (call->transport == NULL) {
        api_reply(call, answer_to(&call->arena, call->body));
        return;
    }
    if (conversations >= CONVERSATIONS_MAX) {
        error_set(&err, STATUS_RESOURCE_EXHAUSTED,
                  "%d clients are asking what there is, the most there may be. Try again later.",
                  CONVERSATIONS_MAX);
        api_fail(call, &err);
        return;
    }
    conversations++;
    call->user = arena_array(&call->arena, size_t, 1);
    call->on_left = on_left;
    call->on_message = on_message;
    if (on_message(call, call->body) && call->exchange == NULL) {
        on_left(call);
    }
}

#define ROW(version)                                                                               \
    {                                                                                              \
        "POST", "/homerun/" version "/reflection", NULL, NULL, API_ANONYMOUS, info,                \
            "grpc.reflection." version ".ServerReflection.ServerReflectionInfo", question_fields   \
    }

const struct api_route reflection_routes[] = {ROW("v1"), ROW("v1alpha")};
const size_t reflection_route_count = sizeof(reflection_routes) / sizeof(reflection_routes[0]);
