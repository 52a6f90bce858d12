/*
 * `access:what`: which services a member may call, each decided as the gate would decide it. Of the
 * services whose policies the asking person may read.
 */
#include "control/api/access_inside.h"

#include "base/clock.h"
#include "control/access/explain.h"
#include "control/record/projects.h"

enum { SERVICES_MAX = 1000 };

struct walk {
    struct api_call *call;
    struct explain_question question;
    json_t *services;
    json_int_t omitted;
};

static bool add_service(const struct store_doc *doc, void *ctx)
{
    struct walk *walk = ctx;
    struct api_call *call = walk->call;
    if (!api_holds(call, "run.services.getIamPolicy", doc->key) ||
        !project_is_live(call->control, &call->arena, doc->key)) {
        return true;
    }
    if (json_array_size(walk->services) == SERVICES_MAX) {
        walk->omitted++;
        return true;
    }
    json_array_append_new(walk->services, explain_briefly(call, doc->key, &walk->question));
    return true;
}

void access_what(struct api_call *call)
{
    struct error err = {0};
    struct member member;
    const char *named = api_query(call, "member");
    const char *path = api_query(call, "path");
    struct walk walk = {
        .call = call,
        .question = {.method = "GET",
                     .path = path == NULL ? "/" : path,
                     .network = api_query_flag(call, "internal") ? NETWORK_INSIDE : NETWORK_OUTSIDE,
                     .now_us = clock_wall_us(),
                     .member = &member}};
    if (named == NULL) {
        error_field(&err, "member",
                    "Name whom the question is about: user:ann@example.com, allUsers, …");
        api_fail(call, &err);
        return;
    }
    if (!member_parse(&call->arena, slice_of(named), &member, &err)) {
        api_fail(call, &err);
        return;
    }
    walk.services = json_array();
    bool good = store_each(call->control->store, STORE_SERVICE, "", add_service, &walk, &err);
    api_answer(call, good,
               json_pack("{s:o, s:o, s:I}", "member", json_slice(member.text), "services",
                         walk.services, "servicesOmitted", walk.omitted),
               &err);
}
