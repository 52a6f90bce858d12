/*
 * A list of questions, oldest first, of which the fetcher has so many at a time. All have the same
 * time limit, so the first of the list is the next that runs out of it. The fetcher says when it
 * has started; what a predecessor was asked and has not answered by then has failed. An answer is
 * the word of a stranger: its form is checked, and a fetcher that breaks it is killed.
 */
#include "control/identity/http_fetch.h"

#include <sys/queue.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "control/publish/turn.h"

enum {
    LIMIT_US = (FETCH_TIMEOUT_S + 10) * 1000000, /* with waiting for its turn, and for a start */
    IDLE_US = 5 * 1000000,                       /* the calls of one sign-in come within it */
    AGE_MAX_US = 300 * 1000000, /* a fetcher that is never idle is exchanged now and then */
    WAITING_MAX = 1000,
    STRAYS_MAX = 64, /* that a fetcher may say without being asked */
};

static const char no_answer[] = "the process that asks other servers did not answer in time";
static const char has_ended[] =
    "the process that asks other servers ended in the middle: try again";
static const char not_installed[] =
    "homerun-fetcher, which asks other servers, is not installed beside homerun";

enum fetch_state { FETCH_WAITING, FETCH_ASKED, FETCH_OVER };

struct fetch {
    TAILQ_ENTRY(fetch) entry;
    struct control *control;
    enum fetch_state state;
    uint64_t id;
    int64_t limit_us; /* by clock_mono_us() */
    size_t bytes_max;
    struct buffer ask; /* what is sent */
    fetch_done done;
    void *ctx;
    struct buffer text; /* of the answer */
    long status;
    const char *why; /* NULL when there is an answer */
    char words[FETCH_WHY_BYTES + 1];
};

TAILQ_HEAD(fetch_list, fetch);

struct fetches {
    struct control *control;
    struct ipc_channel *channel;  /* NULL: there is no fetcher */
    struct fetch_list list, over; /* over: their answers are to be handed on */
    unsigned waiting, asked;
    uint64_t next_id;
    bool wanted;  /* the supervisor was told so */
    bool started; /* the fetcher has said so */
    unsigned strays;
    int64_t wanted_us, idle_us; /* since when */
    uv_timer_t timer;
};

static void on_timer(uv_timer_t *timer);
static void on_fetcher(struct ipc_channel *channel, enum message_type type, const void *body,
                       size_t bytes, void *ctx);

/* ---- one question ---- */

static void ask_forget(struct fetch *fetch)
{
    if (fetch->ask.data != NULL) {
        explicit_bzero(fetch->ask.data, fetch->ask.capacity); /* clients' secrets */
    }
    buffer_done(&fetch->ask);
}

static void finish(void *ctx)
{
    struct fetch *fetch = ctx;
    bool good = fetch->why == NULL;
    fetch->done(fetch->control, fetch->ctx, good ? fetch->status : 0,
                good ? buffer_text(&fetch->text) : NULL, fetch->why);
    buffer_done(&fetch->text);
    free(fetch);
}

/* WHY: NULL if its answer is there. It is handed on by step(). */
static void fetch_end(struct fetches *fetches, struct fetch *fetch, const char *why)
{
    fetches->waiting -= fetch->state == FETCH_WAITING;
    fetches->asked -= fetch->state == FETCH_ASKED;
    fetch->state = FETCH_OVER;
    fetch->why = why;
    TAILQ_REMOVE(&fetches->list, fetch, entry);
    if (TAILQ_EMPTY(&fetches->list)) {
        fetches->idle_us = clock_mono_us();
    }
    ask_forget(fetch);
    TAILQ_INSERT_TAIL(&fetches->over, fetch, entry);
}

static void all_asked_end(struct fetches *fetches, const char *why)
{
    struct fetch *next;
    for (struct fetch *fetch = TAILQ_FIRST(&fetches->list); fetch != NULL; fetch = next) {
        next = TAILQ_NEXT(fetch, entry);
        if (fetch->state == FETCH_ASKED) {
            fetch_end(fetches, fetch, why);
        }
    }
}

/* ---- the fetcher ---- */

static void tell(struct fetches *fetches, enum fetcher_wanted wanted)
{
    const struct msg_fetcher_wanted message = {.wanted = wanted};
    ipc_send(fetches->control->supervisor, MSG_FETCHER_WANTED, &message, sizeof(message));
    fetches->wanted = wanted == FETCHER_WANTED;
    fetches->wanted_us = clock_mono_us();
    fetches->started = false;
    fetches->strays = 0;
}

static void send_asks(struct fetches *fetches)
{
    struct fetch *next;
    for (struct fetch *fetch = TAILQ_FIRST(&fetches->list);
         fetch != NULL && fetches->started && fetches->asked < FETCHES_AT_ONCE; fetch = next) {
        next = TAILQ_NEXT(fetch, entry);
        if (fetch->state != FETCH_WAITING || fetch->why != NULL) {
            continue;
        }
        struct slice bytes = buffer_slice(&fetch->ask);
        if (!ipc_send(fetches->channel, MSG_FETCH, bytes.data, bytes.len)) {
            return; /* until its limit, or a successor */
        }
        fetch->state = FETCH_ASKED;
        fetches->waiting--;
        fetches->asked++;
        ask_forget(fetch);
    }
}

/* What follows from the time, and from what there is to ask. Called from the loop alone, since
 * whoever is handed an answer may ask again. */
static void step(struct fetches *fetches)
{
    int64_t now_us = clock_mono_us(), next_us = INT64_MAX;
    struct fetch *first, *over;
    while ((first = TAILQ_FIRST(&fetches->list)) != NULL && first->limit_us <= now_us) {
        fetch_end(fetches, first, first->why != NULL ? first->why : no_answer);
    }
    while ((over = TAILQ_FIRST(&fetches->over)) != NULL) {
        TAILQ_REMOVE(&fetches->over, over, entry);
        turn_run(fetches->control, finish, over); /* whoever asked may change the record */
    }
    first = TAILQ_FIRST(&fetches->list);
    if (first != NULL) {
        next_us = first->limit_us;
        if (!fetches->wanted && fetches->channel != NULL) {
            tell(fetches, FETCHER_WANTED);
        }
        send_asks(fetches);
    } else if (fetches->wanted) {
        int64_t age_us = fetches->wanted_us + AGE_MAX_US;
        next_us = fetches->idle_us + IDLE_US;
        next_us = age_us < next_us ? age_us : next_us;
        if (next_us <= now_us) {
            tell(fetches, FETCHER_UNWANTED);
            next_us = INT64_MAX;
        }
    }
    if (next_us == INT64_MAX) {
        uv_timer_stop(&fetches->timer);
    } else {
        uv_update_time(fetches->control->loop);
        int64_t wait_us = next_us - now_us;
        uv_timer_start(&fetches->timer, on_timer,
                       wait_us > 0 ? (uint64_t)(wait_us + 999) / 1000 : 0, 0);
    }
}

static void on_timer(uv_timer_t *timer)
{
    step(timer->data);
}

static bool open_channel(struct fetches *fetches, struct error *err)
{
    fetches->channel = ipc_open(fetches->control->loop, ipc_inherited("fetcher"), PROCESS_CONTROL,
                                PROCESS_FETCHER, on_fetcher, fetches, err);
    return fetches->channel != NULL;
}

/* It says what it may not: whoever sits in it gets no second word. */
static void fetcher_broke(struct fetches *fetches, const char *how)
{
    struct error err = {0};
    log_error("fetcher: %s: it is killed", how);
    tell(fetches, FETCHER_BROKEN);
    ipc_close(fetches->channel);
    ipc_forget(ipc_inherited("fetcher"));
    if (!open_channel(fetches, &err)) {
        log_error("fetcher: %s", err.text);
    }
    all_asked_end(fetches, has_ended);
}

static struct fetch *find_asked(struct fetches *fetches, uint64_t id)
{
    struct fetch *fetch;
    TAILQ_FOREACH(fetch, &fetches->list, entry)
    {
        if (fetch->state == FETCH_ASKED && fetch->id == id) {
            return fetch;
        }
    }
    return NULL;
}

/* False: it is no answer. */
static bool take_answer(struct fetches *fetches, const void *body, size_t bytes)
{
    struct fetch_answer answer;
    if (!fetch_answer_get(body, bytes, &answer)) {
        return false;
    }
    struct fetch *fetch = find_asked(fetches, answer.id);
    if (fetch == NULL) {
        fetches->strays++; /* its limit has passed meanwhile */
        return true;
    }
    if (answer.status == 0) {
        memcpy(fetch->words, answer.text.data, answer.text.len);
        fetch_end(fetches, fetch, fetch->words);
        return true;
    }
    if (answer.text.len > fetch->bytes_max) {
        return false;
    }
    fetch->status = (long)answer.status;
    fetch->text = BUFFER_INIT(answer.text.len + 1);
    buffer_add(&fetch->text, answer.text);
    fetch_end(fetches, fetch, NULL);
    return true;
}

static void on_fetcher(struct ipc_channel *channel, enum message_type type, const void *body,
                       size_t bytes, void *ctx)
{
    struct fetches *fetches = ctx;
    (void)channel;
    if (type == MSG_FETCHER_STARTED) {
        fetches->strays++;
        fetches->started = fetches->wanted;
        all_asked_end(fetches, has_ended);
    } else if (type == MSG_NONE) {
        fetcher_broke(fetches, "it broke a rule of the channel");
    } else if (!take_answer(fetches, body, bytes)) {
        fetcher_broke(fetches, "its answer has a wrong form");
    }
    if (fetches->strays > STRAYS_MAX) {
        fetcher_broke(fetches, "it talks without being asked");
    }
    step(fetches);
}

/* ---- asking ---- */

static struct slice joined(struct buffer *out, const char *first, const char *second)
{
    if (first == NULL || second == NULL) {
        return SLICE_NONE;
    }
    buffer_printf(out, "%s:%s", first, second);
    return buffer_slice(out);
}

/* NULL, or why it cannot be asked. */
static const char *write_ask(struct fetch *fetch, const struct fetch_plan *plan)
{
    auto_arena arena = {0};
    struct slice ca = SLICE_NONE;
    struct buffer credentials = BUFFER_INIT(IPC_PACKET_MAX);
    if (plan->ca != NULL && !file_read(&arena, plan->ca, IPC_PACKET_MAX, &ca, NULL)) {
        return "the certificates that it is judged by cannot be read";
    }
    struct fetch_ask ask = {
        .id = fetch->id,
        .bytes_max = fetch->bytes_max,
        .rules = (plan->only_json ? 1u << FETCH_ONLY_JSON : 0) |
                 (plan->only_public ? 1u << FETCH_ONLY_PUBLIC : 0),
        .texts = {[FETCH_URI] = slice_of(plan->uri),
                  [FETCH_FORM] = slice_of(plan->form),
                  [FETCH_CREDENTIALS] = joined(&credentials, plan->user, plan->secret),
                  [FETCH_BEARER] = slice_of(plan->bearer),
                  [FETCH_CA] = ca},
    };
    fetch->ask = BUFFER_INIT(IPC_PACKET_MAX);
    bool good = fetch_ask_put(&fetch->ask, &ask);
    if (credentials.data != NULL) {
        explicit_bzero(credentials.data, credentials.capacity);
    }
    buffer_done(&credentials);
    return good ? NULL
                : "it cannot be asked: the URL or what goes with it is too long, or not plain";
}

void http_fetch(struct control *control, const struct fetch_plan *plan, fetch_done done, void *ctx)
{
    struct fetches *fetches = control->fetches;
    struct fetch *fetch = mem_new(struct fetch);
    *fetch = (struct fetch){
        .control = control,
        .id = fetches->next_id++,
        .limit_us = clock_mono_us() + LIMIT_US,
        .bytes_max = plan->bytes_max > 0 ? plan->bytes_max : FETCH_BYTES_MAX,
        .done = done,
        .ctx = ctx,
    };
    fetch->why = fetches->channel == NULL          ? not_installed
                 : fetches->waiting >= WAITING_MAX ? "too many others are to be asked"
                                                   : write_ask(fetch, plan);
    fetches->waiting++;
    if (fetch->why != NULL) {
        fetch->limit_us = 0; /* nothing is waited for */
        TAILQ_INSERT_HEAD(&fetches->list, fetch, entry);
    } else {
        TAILQ_INSERT_TAIL(&fetches->list, fetch, entry);
    }
    uv_timer_start(&fetches->timer, on_timer, 0, 0);
}

/* ---- the whole ---- */

struct fetches *fetches_new(struct control *control, struct error *err)
{
    struct fetches *fetches = mem_new(struct fetches);
    fetches->control = control;
    TAILQ_INIT(&fetches->list);
    TAILQ_INIT(&fetches->over);
    random_bytes(&fetches->next_id, sizeof(fetches->next_id));
    uv_timer_init(control->loop, &fetches->timer);
    fetches->timer.data = fetches;
    int fd = ipc_inherited("fetcher");
    if (fd < 0) {
        return fetches;
    }
    ipc_forget(fd); /* answers to a predecessor */
    if (!open_channel(fetches, err)) {
        fetches_free(fetches);
        return NULL;
    }
    return fetches;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void fetches_free(struct fetches *fetches)
{
    if (fetches == NULL) {
        return;
    }
    for (struct fetch *fetch; (fetch = TAILQ_FIRST(&fetches->list)) != NULL;) {
        TAILQ_REMOVE(&fetches->list, fetch, entry);
        ask_forget(fetch);
        free(fetch);
    }
    ipc_close(fetches->channel);
    uv_close((uv_handle_t *)&fetches->timer, on_closed);
}
