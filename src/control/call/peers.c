#include "control/call/peers.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/memory.h"

enum { NAMES_MAX = STORE_NODES_MAX * 66 };

struct asking {
    struct api_call *call;
    void (*finish)(struct api_call *call, const struct peer_answers *others);
};

/* "b, c"; NULL: all have answered. */
static const char *names_of(struct arena *arena, const struct peer_answers *others)
{
    struct buffer names = BUFFER_INIT(NAMES_MAX);
    for (size_t i = 0; i < others->count; i++) {
        if (others->all[i].body == NULL) {
            buffer_printf(&names, "%s%s", buffer_slice(&names).len > 0 ? ", " : "",
                          others->all[i].node);
        }
    }
    struct slice text = buffer_slice(&names);
    const char *out = text.len == 0 ? NULL : arena_string(arena, text);
    buffer_done(&names);
    return out;
}

static void on_answers(void *ctx, const struct peer_answers *answers)
{
    struct asking asking = *(struct asking *)ctx;
    free(ctx);
    if (asking.call->exchange == NULL) {
        api_end(asking.call); /* the client has left */
        return;
    }
    asking.call->unreachable = names_of(&asking.call->arena, answers);
    asking.finish(asking.call, answers);
}

void api_ask_peers(struct api_call *call, const char *question, const json_t *arguments,
                   void (*finish)(struct api_call *call, const struct peer_answers *others))
{
    struct asking *asking = mem_new(struct asking);
    *asking = (struct asking){call, finish};
    peers_ask(call->control, question, arguments, on_answers, asking);
}

void api_add_unreachable(json_t *body, const struct peer_answers *others)
{
    json_t *names = NULL;
    for (size_t i = 0; i < others->count; i++) {
        const struct peer_answer *one = &others->all[i];
        if (one->body != NULL) {
            continue;
        }
        if (names == NULL) {
            names = json_array();
            json_object_set_new(body, "unreachable", names);
        }
        json_array_append_new(names, json_sprintf("%s: %s", one->node, one->why));
    }
}
