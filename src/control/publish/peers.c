#include "control/publish/peers.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/fiber.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "control/publish/loop_wait.h"

enum {
    WAIT_MS = 2000,     /* for answers */
    LOOK_MS = 1500,     /* then answers are looked for once more, whatever was heard */
    REST_US = 20000000, /* a session that nobody needed for so long ends */
    OPEN_MAX = 64,      /* questions of ours that are under way */
    HEARD_MAX = 64,     /* of others, that wait; further ones get no answer */
};

/* A question of ours. */
struct asked {
    TAILQ_ENTRY(asked) next;
    struct peers *peers;
    uv_timer_t timer;
    char id[STORE_QUESTION_ID];
    const char *what;
    char *body;
    struct peer_answers answers;
    bool told[STORE_NODES_MAX]; /* which of them are final */
    size_t missing;             /* how many are not */
    bool sent, look, over;
    bool looked_late;
    bool kept; /* by its timer */
    void (*done)(void *ctx, const struct peer_answers *answers);
    void *ctx;
};

struct heard {
    TAILQ_ENTRY(heard) next;
    char id[STORE_QUESTION_ID];
};

struct peers {
    struct control *control;
    const struct peer_question *questions;
    const struct store_view *view; /* the rows of all nodes, as they were last read */
    struct store_questions *session;
    struct loop_wait wait;
    struct fiber *fiber;
    bool resting; /* the fiber waits for something to do, and may be woken */
    bool ending, ended;
    bool failing;
    int64_t used_us; /* clock_mono_us() of the last thing that was done */
    TAILQ_HEAD(, asked) asked;
    size_t asked_count;
    TAILQ_HEAD(, heard) heard;
    size_t heard_count;
};

static void wake(struct peers *peers)
{
    if (peers->resting) {
        peers->resting = false;
        loop_wait_wake(&peers->wait);
    }
}

/* ---- the end of a question ---- */

static void free_answers(struct peer_answers *answers)
{
    for (size_t i = 0; i < answers->count; i++) {
        json_decref(answers->all[i].body);
    }
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct asked *asked = handle->data;
    asked->kept = false;
    wake(asked->peers);
}

/* Tells who asked, outside of the fiber. The fiber ends the row, and frees it. */
static void finish(struct asked *asked)
{
    if (!asked->over) {
        asked->over = true;
        uv_close((uv_handle_t *)&asked->timer, on_timer_closed);
        asked->done(asked->ctx, &asked->answers);
    }
}

static void finish_answered(struct peers *peers)
{
    struct asked *asked, *next;
    for (asked = TAILQ_FIRST(&peers->asked); asked != NULL; asked = next) {
        next = TAILQ_NEXT(asked, next);
        if (asked->missing == 0 || peers->ending) {
            finish(asked);
        }
    }
}

static void on_time(uv_timer_t *timer)
{
    struct asked *asked = timer->data;
    if (!asked->looked_late) {
        asked->looked_late = true;
        asked->look = true;
        uv_timer_start(timer, on_time, WAIT_MS - LOOK_MS, 0);
        wake(asked->peers);
        return;
    }
    finish(asked);
}

static void drop(struct peers *peers, struct asked *asked)
{
    TAILQ_REMOVE(&peers->asked, asked, next);
    peers->asked_count--;
    free_answers(&asked->answers);
    free(asked->body);
    free(asked);
}

/* ---- what the fiber does ---- */

static void say(struct peers *peers, bool good, const struct error *err)
{
    if (!good && !peers->failing) {
        log_warn("nodes: other nodes are not asked: %s", err->text);
    }
    peers->failing = !good;
}

static void take_answer(void *ctx, const char *node, const char *text, const char *why)
{
    struct asked *asked = ctx;
    for (size_t i = 0; i < asked->answers.count; i++) {
        struct peer_answer *answer = &asked->answers.all[i];
        if (strcmp(answer->node, node) == 0 && !asked->told[i]) {
            struct error err = {0};
            asked->told[i] = true;
            answer->body = text == NULL ? NULL : json_read(slice_of(text), &err);
            snprintf(answer->why, sizeof(answer->why), "%.120s",
                     answer->body != NULL ? ""
                     : text == NULL       ? why
                                          : err.text);
            asked->missing--;
            return;
        }
    }
}

/* Names whose answer is known, or was not expected. */
static const char *seen_of(struct arena *arena, const struct asked *asked)
{
    struct buffer names = BUFFER_INIT(STORE_NODES_MAX * 65);
    for (size_t i = 0; i < asked->answers.count; i++) {
        if (asked->told[i]) {
            buffer_printf(&names, "%s\n", asked->answers.all[i].node);
        }
    }
    const char *text = arena_string(arena, buffer_slice(&names));
    buffer_done(&names);
    return text;
}

static bool look(struct peers *peers, struct asked *asked, struct error *err)
{
    auto_arena arena = {0};
    asked->look = false;
    return store_questions_answers(peers->session, asked->id, seen_of(&arena, asked), take_answer,
                                   asked, err);
}

/* What was said of questions while there was no session went by unheard. */
static void look_again(struct peers *peers)
{
    struct asked *asked;
    TAILQ_FOREACH(asked, &peers->asked, next)
    {
        asked->look = asked->sent && !asked->over;
    }
}

static const struct peer_question *question_of(const struct peers *peers, const char *name)
{
    const struct peer_question *row = peers->questions;
    while (row->name != NULL && strcmp(row->name, name) != 0) {
        row++;
    }
    return row->name == NULL ? NULL : row;
}

static json_t *answer_of(struct peers *peers, const char *what, const char *body, struct error *err)
{
    const struct peer_question *question = question_of(peers, what);
    auto_json *arguments = json_read(slice_of(body), err);
    if (question == NULL) {
        error_set(err, STATUS_UNIMPLEMENTED, "it is of another version");
        return NULL;
    }
    return arguments == NULL ? NULL : question->answer(peers->control, arguments, err);
}

static bool answer(struct peers *peers, const char *id, struct error *err)
{
    auto_arena arena = {0};
    const char *what, *body;
    struct error why = {0};
    if (!store_questions_take(peers->session, id, &arena, &what, &body, err) || what == NULL) {
        return what == NULL;
    }
    auto_json *said = answer_of(peers, what, body, &why);
    struct slice text = said == NULL ? (struct slice){0} : json_write(&arena, said);
    if (text.len > STORE_ANSWER_MAX) {
        error_set(&why, STATUS_RESOURCE_EXHAUSTED, "its answer is longer than %d MiB",
                  STORE_ANSWER_MAX >> 20);
        text = (struct slice){0};
    }
    return store_questions_answer(peers->session, id,
                                  text.len == 0 ? NULL : arena_string(&arena, text), why.text, err);
}

static bool answer_next(struct peers *peers, struct error *err)
{
    struct heard *heard = TAILQ_FIRST(&peers->heard);
    TAILQ_REMOVE(&peers->heard, heard, next);
    peers->heard_count--;
    bool good = answer(peers, heard->id, err);
    free(heard);
    return good;
}

static bool put(struct peers *peers, struct asked *asked, struct error *err)
{
    asked->sent = true; /* if that fails, its time runs out */
    return store_questions_put(peers->session, asked->id, asked->what, asked->body, err);
}

static bool end(struct peers *peers, struct asked *asked, struct error *err)
{
    bool good =
        !asked->sent || peers->ending || store_questions_end(peers->session, asked->id, err);
    drop(peers, asked);
    return good;
}

/* What ASKED needs next; false: nothing. */
static bool step_question(struct peers *peers, struct asked *asked, bool *good, struct error *err)
{
    if (asked->over && !asked->kept) {
        *good = end(peers, asked, err);
    } else if (!asked->over && !asked->sent) {
        *good = put(peers, asked, err);
    } else if (!asked->over && asked->look && asked->missing > 0) {
        *good = look(peers, asked, err);
    } else {
        return false;
    }
    return true;
}

static void hear_answers(struct peers *peers)
{
    char id[STORE_QUESTION_ID];
    while (store_questions_hear(peers->session, id)) {
        struct asked *asked;
        TAILQ_FOREACH(asked, &peers->asked, next)
        {
            asked->look = asked->look || strcmp(asked->id, id) == 0;
        }
    }
}

/* One thing that is to be done; false: there is none. */
static bool step(struct peers *peers)
{
    struct error err = {0};
    struct asked *asked, *next;
    bool good = true, found = false;
    hear_answers(peers);
    for (asked = TAILQ_FIRST(&peers->asked); asked != NULL && !found; asked = next) {
        next = TAILQ_NEXT(asked, next);
        found = step_question(peers, asked, &good, &err);
    }
    if (!found && !TAILQ_EMPTY(&peers->heard)) {
        found = true;
        good = answer_next(peers, &err);
    }
    if (found) {
        peers->used_us = clock_mono_us();
        say(peers, good, &err);
    }
    return found;
}

/* Long enough to be no load, and woken where something comes. */
static int64_t rest_until_us(const struct peers *peers)
{
    return store_questions_is_connected(peers->session) ? peers->used_us + REST_US
                                                        : clock_mono_us() + INT64_C(3600) * 1000000;
}

static void work(void *ctx)
{
    struct peers *peers = ctx;
    while (!peers->ending || !TAILQ_EMPTY(&peers->asked)) {
        if (step(peers)) {
            continue;
        }
        bool connected = store_questions_is_connected(peers->session);
        if (connected && TAILQ_EMPTY(&peers->asked) &&
            clock_mono_us() >= peers->used_us + REST_US) {
            store_questions_rest(peers->session);
        }
        peers->resting = true;
        store_questions_wait(peers->session, rest_until_us(peers));
        peers->resting = false;
        if (connected && !store_questions_is_connected(peers->session)) {
            look_again(peers);
        }
    }
    peers->ended = true;
}

static void go_on(void *ctx)
{
    struct peers *peers = ctx;
    fiber_resume(peers->fiber);
    finish_answered(peers);
}

/* ---- for others ---- */

struct peers *peers_new(struct control *control, const struct peer_question *questions,
                        const struct store_view *view)
{
    struct error err = {0};
    struct peers *peers = mem_new(struct peers);
    peers->control = control;
    peers->questions = questions;
    peers->view = view;
    peers->wait = (struct loop_wait){.loop = control->loop, .go_on = go_on, .ctx = peers};
    TAILQ_INIT(&peers->asked);
    TAILQ_INIT(&peers->heard);
    peers->session = store_questions_new(
        control->settings.store, control->settings.node,
        &(struct store_host){.wait = loop_wait_file, .away = loop_wait_away, .ctx = &peers->wait},
        &err);
    if (peers->session == NULL) {
        log_error("nodes: %s", err.text);
        _exit(1);
    }
    peers->fiber = fiber_new();
    fiber_run(peers->fiber, work, peers);
    return peers;
}

void peers_end(struct peers *peers)
{
    if (peers == NULL) {
        return;
    }
    peers->ending = true;
    finish_answered(peers);
    wake(peers);
    while (!peers->ended && uv_run(peers->control->loop, UV_RUN_ONCE) != 0) {
    }
    if (!peers->ended) {
        return; /* the process ends; its fiber still waits for the server */
    }
    while (!TAILQ_EMPTY(&peers->heard)) {
        struct heard *heard = TAILQ_FIRST(&peers->heard);
        TAILQ_REMOVE(&peers->heard, heard, next);
        free(heard);
    }
    fiber_free(peers->fiber);
    store_questions_free(peers->session);
    free(peers);
}

void peers_hear(struct peers *peers, const char *question)
{
    if (peers == NULL || peers->heard_count >= HEARD_MAX) {
        return;
    }
    struct heard *heard = mem_new(struct heard);
    snprintf(heard->id, sizeof(heard->id), "%s", question);
    TAILQ_INSERT_TAIL(&peers->heard, heard, next);
    peers->heard_count++;
    wake(peers);
}

/* All other nodes, by their rows; those whose lease has run out will not answer. SILENT: what is to
 * be said of those who do not. */
static void expect(struct asked *asked, const struct peers *peers, const char *silent)
{
    const struct store_view *view = peers->view;
    for (size_t i = 0; i < view->count; i++) {
        const struct store_node *node = &view->nodes[i];
        if (strcmp(node->name, peers->control->settings.node) == 0) {
            continue;
        }
        size_t row = asked->answers.count++;
        struct peer_answer *answer = &asked->answers.all[row];
        snprintf(answer->node, sizeof(answer->node), "%s", node->name);
        snprintf(answer->why, sizeof(answer->why), "%s",
                 node->serves ? silent : "its lease has run out");
        asked->told[row] = !node->serves;
        asked->missing += node->serves ? 1 : 0;
    }
}

void peers_ask(struct control *control, const char *question, const json_t *arguments,
               void (*done)(void *ctx, const struct peer_answers *answers), void *ctx)
{
    static const struct peer_answers nobody;
    struct peers *peers = control->peers;
    if (peers == NULL) {
        done(ctx, &nobody);
        return;
    }
    struct asked *asked = mem_new(struct asked);
    bool refused = peers->ending || peers->asked_count >= OPEN_MAX;
    expect(asked, peers,
           refused ? "too many questions are under way" : "it did not answer within 2 s");
    if (asked->missing == 0 || refused) {
        done(ctx, &asked->answers);
        free(asked);
        return;
    }
    auto_arena arena = {0};
    asked->peers = peers;
    asked->what = question;
    asked->body = mem_dup(arena_string(&arena, json_write(&arena, arguments)));
    asked->done = done;
    asked->ctx = ctx;
    asked->kept = true;
    random_text(asked->id, STORE_QUESTION_ID - 1, "0123456789abcdef");
    uv_timer_init(control->loop, &asked->timer);
    asked->timer.data = asked;
    uv_timer_start(&asked->timer, on_time, LOOK_MS, 0);
    TAILQ_INSERT_TAIL(&peers->asked, asked, next);
    peers->asked_count++;
    wake(peers);
}
