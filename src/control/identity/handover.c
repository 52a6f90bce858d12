/* A list in the order of age, which is the order of ending: what is over is at its front. */
#include "control/identity/handover.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/map.h"
#include "base/memory.h"
#include "http/url.h"

struct record {
    TAILQ_ENTRY(record) by_age;
    struct arena arena;
    struct login login;
    struct slice address;
    unsigned char nonce[TICKET_HASH];
    int64_t end_us;
    struct slice code; /* the one that is out, in code_text; "" if none */
    char code_text[TICKET_CHARS];
    int64_t code_end_us;
    struct session_key session;
};

/* The last handing over of a session to a host. */
struct visit {
    unsigned char of[TICKET_HASH]; /* session and host */
    int64_t done_us;               /* clock_boot_us() */
    unsigned circles;              /* in a row that came back at once */
};
enum { VISITS = 64 };

struct handovers {
    TAILQ_HEAD(, record) records; /* oldest first */
    struct visit visits[VISITS];  /* of which the oldest is replaced */
    struct map *by_id;
    struct map *by_code;
    unsigned count;
};

struct handovers *handovers_new(void)
{
    struct handovers *handovers = mem_new(struct handovers);
    TAILQ_INIT(&handovers->records);
    handovers->by_id = map_new();
    handovers->by_code = map_new();
    return handovers;
}

static void forget_code(struct handovers *handovers, struct record *record)
{
    if (record->code.len > 0) {
        map_remove(handovers->by_code, record->code);
        record->code = SLICE_NONE;
    }
}

static void drop(struct handovers *handovers, struct record *record)
{
    forget_code(handovers, record);
    map_remove(handovers->by_id, record->login.id);
    TAILQ_REMOVE(&handovers->records, record, by_age);
    handovers->count--;
    arena_done(&record->arena);
    free(record);
}

void handovers_free(struct handovers *handovers)
{
    if (handovers == NULL) {
        return;
    }
    while (!TAILQ_EMPTY(&handovers->records)) {
        drop(handovers, TAILQ_FIRST(&handovers->records));
    }
    map_free(handovers->by_id);
    map_free(handovers->by_code);
    free(handovers);
}

/* Drops what is over, and makes room for one more: of the same address first. */
static void make_room(struct handovers *handovers, struct slice address, int64_t boot_us)
{
    struct record *first = TAILQ_FIRST(&handovers->records), *oldest = NULL, *at;
    unsigned of_address = 0;
    while (first != NULL && first->end_us <= boot_us) {
        drop(handovers, first);
        first = TAILQ_FIRST(&handovers->records);
    }
    TAILQ_FOREACH(at, &handovers->records, by_age)
    {
        if (slice_equal(at->address, address)) {
            oldest = oldest == NULL ? at : oldest;
            of_address++;
        }
    }
    if (of_address >= LOGINS_OF_ADDRESS_MAX) {
        drop(handovers, oldest);
    } else if (handovers->count >= LOGINS_MAX) {
        drop(handovers, first);
    }
}

struct slice login_target_clean(struct arena *arena, struct slice target)
{
    bool good = target.len > 0 && target.len <= LOGIN_TARGET_MAX && target.data[0] == '/' &&
                !(target.len > 1 && (target.data[1] == '/' || target.data[1] == '\\'));
    for (size_t i = 0; i < target.len && good; i++) {
        unsigned char byte = (unsigned char)target.data[i];
        good = byte > ' ' && byte < 0x7f;
    }
    if (!good) {
        return SLICE("/");
    }
    /* A mode of the door has been answered once the person is back: it would be asked for again. */
    struct slice path = url_path(target), query = url_query(target), part;
    char *out = arena_alloc(arena, target.len + 1);
    size_t used = path.len;
    memcpy(out, path.data, path.len);
    while (slice_cut(&query, '&', &part)) {
        if (slice_starts(part, SLICE("gcp-iap-mode="))) {
            continue;
        }
        out[used] = used == path.len ? '?' : '&';
        memcpy(out + used + 1, part.data, part.len);
        used += part.len + 1;
    }
    return (struct slice){out, used};
}

void login_new(struct handovers *handovers, struct arena *arena, struct slice host,
               struct slice target, bool anew, const char *address, int64_t wall_us,
               int64_t boot_us, struct slice *id, struct slice *nonce)
{
    make_room(handovers, slice_of(address), boot_us);
    struct record *record = mem_new(struct record);
    *nonce = ticket_new(arena);
    ticket_hash(*nonce, record->nonce);
    record->login = (struct login){
        .id = ticket_new(&record->arena),
        .host = arena_slice(&record->arena, host),
        .target = login_target_clean(&record->arena, target),
        .anew = anew,
        .made_us = wall_us,
    };
    record->login.target = arena_slice(&record->arena, record->login.target);
    record->address = arena_slice(&record->arena, slice_of(address));
    record->end_us = boot_us + (int64_t)LOGIN_S * 1000000;
    TAILQ_INSERT_TAIL(&handovers->records, record, by_age);
    map_put(handovers->by_id, record->login.id, record);
    handovers->count++;
    *id = arena_slice(arena, record->login.id);
}

static void copy_login(struct arena *arena, const struct login *from, struct login *out)
{
    *out = *from;
    out->id = arena_slice(arena, from->id);
    out->host = arena_slice(arena, from->host);
    out->target = arena_slice(arena, from->target);
}

bool login_find(struct handovers *handovers, struct arena *arena, struct slice id, int64_t boot_us,
                struct login *out)
{
    struct record *record = id.len == TICKET_CHARS ? map_find(handovers->by_id, id) : NULL;
    if (record == NULL || record->end_us <= boot_us) {
        return false;
    }
    copy_login(arena, &record->login, out);
    return true;
}

struct slice handover_code_new(struct handovers *handovers, struct arena *arena,
                               const struct login *login, const struct session_key *session,
                               int64_t boot_us)
{
    struct record *record = map_find(handovers->by_id, login->id);
    if (record == NULL) {
        return SLICE_NONE;
    }
    forget_code(handovers, record);
    /* Not in the record's arena, which would grow with each code that is asked for. */
    struct slice code = ticket_new(arena);
    memcpy(record->code_text, code.data, sizeof(record->code_text));
    record->code = (struct slice){record->code_text, sizeof(record->code_text)};
    record->code_end_us = boot_us + (int64_t)HANDOVER_CODE_S * 1000000;
    record->session = *session;
    map_put(handovers->by_code, record->code, record);
    return code;
}

/* ---- circles ---- */

static void visit_name(const struct session_key *session, struct slice host,
                       unsigned char out[TICKET_HASH])
{
    auto_arena arena = {0};
    ticket_hash(slice_of(arena_printf(&arena, "%s %.*s", session->text, SLICE_ARG(host))), out);
}

static const struct visit *visit_find(const struct handovers *handovers,
                                      const unsigned char of[TICKET_HASH])
{
    for (size_t i = 0; i < VISITS; i++) {
        const struct visit *visit = &handovers->visits[i];
        if (visit->done_us != 0 && memcmp(visit->of, of, TICKET_HASH) == 0) {
            return visit;
        }
    }
    return NULL;
}

/* How many circles there have been, with the one that a login of BEGAN_US would close. Several
 * pages that are opened at once begin before any of them is done, and are none. */
static unsigned circles_with(const struct visit *visit, int64_t began_us)
{
    bool again = visit != NULL && began_us >= visit->done_us &&
                 began_us - visit->done_us < (int64_t)CIRCLE_S * 1000000;
    return again ? visit->circles + 1 : 0;
}

static int64_t began_us(const struct record *record)
{
    return record->end_us - (int64_t)LOGIN_S * 1000000;
}

static void note_visit(struct handovers *handovers, const struct record *record, int64_t boot_us)
{
    unsigned char of[TICKET_HASH];
    struct visit *oldest = &handovers->visits[0];
    visit_name(&record->session, record->login.host, of);
    const struct visit *known = visit_find(handovers, of);
    unsigned circles = circles_with(known, began_us(record));
    for (size_t i = 1; i < VISITS; i++) {
        struct visit *visit = &handovers->visits[i];
        oldest = visit == known || (oldest != known && visit->done_us < oldest->done_us) ? visit
                                                                                         : oldest;
    }
    *oldest = (struct visit){.done_us = boot_us, .circles = circles};
    memcpy(oldest->of, of, sizeof(of));
}

bool handover_is_circle(const struct handovers *handovers, const struct login *login,
                        const struct session_key *session)
{
    unsigned char of[TICKET_HASH];
    const struct record *record = map_find(handovers->by_id, login->id);
    visit_name(session, login->host, of);
    return record != NULL &&
           circles_with(visit_find(handovers, of), began_us(record)) >= CIRCLES_MAX;
}

/* ---- taking ---- */

bool handover_code_take(struct handovers *handovers, struct arena *arena, struct slice code,
                        struct slice id, struct slice host, struct slice nonce, int64_t boot_us,
                        struct login *login, struct session_key *session)
{
    unsigned char hash[TICKET_HASH];
    struct record *record = code.len == TICKET_CHARS ? map_find(handovers->by_code, code) : NULL;
    if (record == NULL) {
        return false;
    }
    ticket_hash(nonce, hash);
    bool good = record->code_end_us > boot_us && record->end_us > boot_us &&
                slice_equal(record->login.id, id) && slice_equal(record->login.host, host) &&
                CRYPTO_memcmp(hash, record->nonce, sizeof(hash)) == 0;
    if (!good) {
        forget_code(handovers, record);
        return false;
    }
    copy_login(arena, &record->login, login);
    *session = record->session;
    note_visit(handovers, record, boot_us);
    drop(handovers, record);
    return true;
}
