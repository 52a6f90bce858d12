#include "control/call/call.h"

struct change *api_change(struct api_call *call, struct error *err)
{
    struct author *author = arena_new(&call->arena, struct author);
    *author = (struct author){
        .member = call->caller.member,
        .peer = call->peer,
        .method = call->route->method,
    };
    call->changes = true;
    return change_begin(call->control, author, err);
}
