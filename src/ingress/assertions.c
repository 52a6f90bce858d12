/*
 * Sets of four entries, found by a keyed hash of who came and where to. An entry is made when its
 * question is sent; it holds the fields at once, and the assertion when the answer is there. An
 * assertion of an age is used while the next one is on its way, so that nobody waits twice.
 */
#include "ingress/assertions.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/memory.h"
#include "base/random.h"
#include "ingress/door_person.h"

enum {
    SETS = 1024,
    WAYS = 4,
    PLACE_BITS = 13,
    KEYS_PLACE = ASSERTIONS_KEYS_PLACE,
    REUSE_US = 60 * 1000000,
    ASK_NEXT_US = 45 * 1000000, /* from this age on the next one is asked for */
    ASK_AGAIN_US = 2 * 1000000, /* an answer that has not come by then was lost */
    FAILED_US = 1000000,        /* a refusal stands for so long */
    KEYS_US = 1000000,
    LIFE_S = 600,
    DAY_S = 86400,
};

struct entry {
    uint64_t hash;
    enum door_test test;
    bool ours;
    struct slice audience, issuer, sub, email; /* in bytes */
    struct slice user_email, user_id;          /* likewise */
    char *bytes;                               /* NULL: the entry is empty */
    char *text;                                /* of the assertion; NULL: there is none yet */
    size_t text_len;
    int64_t made_us;   /* when the text was asked for */
    int64_t asked_us;  /* when the question was sent; 0: none is open */
    int64_t failed_us; /* when the signer refused; 0: it did not */
    uint64_t question;
};

struct assertions {
    uint8_t key[16];
    uint64_t
        counter; /* of questions: starts at random, so that answers to a predecessor are none */
    struct entry *sets[SETS]; /* WAYS of them, made at first use */
    unsigned next[SETS];
    struct {
        char *text; /* {"KID": "PEM"}, a NUL, a JWK set */
        size_t len;
        int64_t made_us, asked_us;
        uint64_t question;
    } keys;
};

struct assertions *assertions_new(void)
{
    struct assertions *assertions = mem_new(struct assertions);
    random_bytes(assertions->key, sizeof(assertions->key));
    assertions->counter = random_u64() >> (PLACE_BITS + 1);
    return assertions;
}

static void entry_clear(struct entry *entry)
{
    free(entry->bytes);
    free(entry->text);
    *entry = (struct entry){.hash = 0};
}

void assertions_free(struct assertions *assertions)
{
    for (size_t i = 0; assertions != NULL && i < SETS; i++) {
        for (size_t k = 0; assertions->sets[i] != NULL && k < WAYS; k++) {
            entry_clear(&assertions->sets[i][k]);
        }
        free(assertions->sets[i]);
    }
    if (assertions != NULL) {
        free(assertions->keys.text);
    }
    free(assertions);
}

/* ---- entries ---- */

static uint64_t hash_of(const struct assertions *assertions, const struct assertion_want *want)
{
    const uint8_t *key = assertions->key;
    return table_hash(key, want->audience) ^ table_hash(key, want->who.sub) * 31 ^
           table_hash(key, want->who.email) * 37 ^ (uint64_t)want->test * 41;
}

static bool entry_is(const struct entry *entry, uint64_t hash, const struct assertion_want *want)
{
    const struct gate_door *who = &want->who;
    return entry->bytes != NULL && entry->hash == hash && entry->test == want->test &&
           entry->ours == who->ours && slice_equal(entry->audience, want->audience) &&
           slice_equal(entry->sub, who->sub) && slice_equal(entry->email, who->email) &&
           (who->ours || slice_equal(entry->issuer, who->issuer));
}

static char *keep(char *at, struct slice from, struct slice *out)
{
    if (from.len > 0) {
        memcpy(at, from.data, from.len);
    }
    *out = (struct slice){at, from.len};
    return at + from.len;
}

static void entry_fill(struct entry *entry, uint64_t hash, struct arena *arena,
                       const struct assertion_want *want)
{
    struct door_person person;
    door_person_of(arena, &want->who, &person);
    const struct slice from[] = {want->audience,
                                 want->who.ours ? SLICE_NONE : want->who.issuer,
                                 want->who.sub,
                                 want->who.email,
                                 slice_of(person.shown_email),
                                 slice_of(person.shown_id)};
    struct slice *const to[] = {&entry->audience, &entry->issuer,     &entry->sub,
                                &entry->email,    &entry->user_email, &entry->user_id};
    size_t bytes = 1;
    for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++) {
        bytes += from[i].len;
    }
    entry_clear(entry);
    char *at = entry->bytes = mem_bytes(bytes);
    for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++) {
        at = keep(at, from[i], to[i]);
    }
    entry->hash = hash;
    entry->test = want->test;
    entry->ours = want->who.ours;
}

/* The entry of WANT; a new one where there is none. *place: its number. */
static struct entry *entry_take(struct assertions *assertions, struct arena *arena,
                                const struct assertion_want *want, unsigned *place)
{
    uint64_t hash = hash_of(assertions, want);
    unsigned set = (unsigned)(hash % SETS);
    if (assertions->sets[set] == NULL) {
        assertions->sets[set] = mem_array(WAYS, struct entry);
    }
    for (unsigned i = 0; i < WAYS; i++) {
        if (entry_is(&assertions->sets[set][i], hash, want)) {
            *place = set * WAYS + i;
            return &assertions->sets[set][i];
        }
    }
    unsigned way = assertions->next[set]++ % WAYS;
    *place = set * WAYS + way;
    entry_fill(&assertions->sets[set][way], hash, arena, want);
    return &assertions->sets[set][way];
}

/* ---- questions ---- */

static uint64_t next_question(struct assertions *assertions, unsigned place)
{
    return ++assertions->counter << PLACE_BITS | place;
}

static bool question_send(struct ipc_channel *signer, struct arena *arena, uint64_t question,
                          enum sign_kind kind, struct slice bytes)
{
    struct msg_sign head = {.id = question, .kind = (uint32_t)kind, .bytes = (uint32_t)bytes.len};
    char *body = arena_alloc(arena, sizeof(head) + bytes.len);
    memcpy(body, &head, sizeof(head));
    if (bytes.len > 0) {
        memcpy(body + sizeof(head), bytes.data, bytes.len);
    }
    return signer != NULL && ipc_send(signer, MSG_SIGN, body, sizeof(head) + bytes.len);
}

/* The claims of Google's door; in tests one of them is wrong. */
static struct slice claims_of(struct arena *arena, const struct assertion_want *want,
                              int64_t wall_s)
{
    struct door_person person;
    bool wrong_audience = want->test == DOOR_TEST_AUDIENCE;
    bool wrong_issuer = want->test == DOOR_TEST_ISSUER;
    int64_t iat = wall_s;
    if (want->test == DOOR_TEST_FUTURE_ISSUE) {
        iat += DAY_S;
    } else if (want->test == DOOR_TEST_PAST_EXPIRATION) {
        iat -= 2 * LIFE_S;
    }
    door_person_of(arena, &want->who, &person);
    const char *audience = door_json_text(
        arena, wrong_audience ? "/projects/0/locations/nowhere/services/wrong-audience"
                              : arena_string(arena, want->audience));
    const char *email = person.email[0] == '\0' ? ""
                                                : arena_printf(arena, "\"email\":%s,",
                                                               door_json_text(arena, person.email));
    return slice_of(arena_printf(
        arena, "{\"aud\":%s,\"azp\":%s,%s\"exp\":%lld,\"iat\":%lld,%s\"iss\":\"%s\",\"sub\":%s}",
        audience, audience, email, (long long)iat + LIFE_S, (long long)iat,
        want->who.ours ? "\"identity_source\":\"GOOGLE\"," : "",
        wrong_issuer ? "https://wrong-issuer.example/iap" : "https://cloud.google.com/iap",
        door_json_text(arena, person.shown_id)));
}

static void ask(struct assertions *assertions, struct ipc_channel *signer, struct arena *arena,
                const struct assertion_want *want, struct entry *entry, unsigned place,
                int64_t now_us, int64_t wall_s)
{
    uint64_t question = next_question(assertions, place);
    if (question_send(signer, arena, question, SIGN_DOOR_ASSERTION,
                      claims_of(arena, want, wall_s))) {
        entry->question = question;
        entry->asked_us = now_us;
    } else {
        entry->failed_us = now_us;
    }
}

static bool is_open(int64_t asked_us, int64_t now_us)
{
    return asked_us != 0 && now_us - asked_us < ASK_AGAIN_US;
}

/* In the test of signatures one character of it is another. */
static struct slice text_of(struct arena *arena, const struct entry *entry)
{
    struct slice text = arena_slice(arena, (struct slice){entry->text, entry->text_len});
    ptrdiff_t dot = slice_find_last(text, '.');
    if (entry->test == DOOR_TEST_SIGNATURE && dot > 0 && (size_t)dot + 1 < text.len) {
        char *first = (char *)(uintptr_t)&text.data[dot + 1];
        *first = *first == 'A' ? 'B' : 'A';
    }
    return text;
}

enum assertion_found assertions_find(struct assertions *assertions, struct ipc_channel *signer,
                                     struct arena *arena, struct assertion_want *want,
                                     int64_t now_us, int64_t wall_s, struct assertion_told *out)
{
    struct entry *entry = entry_take(assertions, arena, want, &want->place);
    int64_t age_us = now_us - entry->made_us;
    bool ready = entry->text != NULL && age_us < REUSE_US;
    bool failed = entry->failed_us != 0 && now_us - entry->failed_us < FAILED_US;
    if ((!ready || age_us >= ASK_NEXT_US) && !failed && !is_open(entry->asked_us, now_us)) {
        entry->failed_us = 0;
        ask(assertions, signer, arena, want, entry, want->place, now_us, wall_s);
    }
    if (ready) {
        *out = (struct assertion_told){
            .assertion = text_of(arena, entry),
            .user_email = arena_slice(arena, entry->user_email),
            .user_id = arena_slice(arena, entry->user_id),
        };
        return ASSERTION_READY;
    }
    return entry->failed_us != 0 ? ASSERTION_UNAVAILABLE : ASSERTION_ASKED;
}

enum assertion_found assertions_keys(struct assertions *assertions, struct ipc_channel *signer,
                                     int64_t now_us, struct slice *pems, struct slice *jwks)
{
    if (assertions->keys.text != NULL && now_us - assertions->keys.made_us < KEYS_US) {
        struct slice whole = {assertions->keys.text, assertions->keys.len};
        slice_cut(&whole, '\0', pems);
        *jwks = whole;
        return ASSERTION_READY;
    }
    if (!is_open(assertions->keys.asked_us, now_us)) {
        auto_arena arena = {0};
        assertions->keys.question = next_question(assertions, KEYS_PLACE);
        assertions->keys.asked_us = now_us;
        if (!question_send(signer, &arena, assertions->keys.question, SIGN_DOOR_KEYS, SLICE_NONE)) {
            assertions->keys.asked_us = 0;
            return ASSERTION_UNAVAILABLE;
        }
    }
    return ASSERTION_ASKED;
}

static void replace(char **text, size_t *len, struct slice content)
{
    free(*text);
    *text = mem_bytes(content.len + 1);
    memcpy(*text, content.data, content.len);
    *len = content.len;
}

static bool keys_come(struct assertions *assertions, const struct msg_signed *answer,
                      struct slice content, int64_t now_us)
{
    if (answer->id != assertions->keys.question || assertions->keys.asked_us == 0) {
        return false;
    }
    if (answer->ok != 0) {
        replace(&assertions->keys.text, &assertions->keys.len, content);
        assertions->keys.made_us = now_us;
    }
    assertions->keys.asked_us = 0;
    return true;
}

bool assertions_come(struct assertions *assertions, const struct msg_signed *answer,
                     struct slice content, int64_t now_us, unsigned *out_place)
{
    unsigned place = (unsigned)(answer->id & KEYS_PLACE);
    *out_place = place;
    if (place == KEYS_PLACE) {
        return keys_come(assertions, answer, content, now_us);
    }
    struct entry *set = place < SETS * WAYS ? assertions->sets[place / WAYS] : NULL;
    struct entry *entry = set == NULL ? NULL : &set[place % WAYS];
    if (entry == NULL || entry->asked_us == 0 || entry->question != answer->id) {
        return false;
    }
    if (answer->ok != 0) {
        replace(&entry->text, &entry->text_len, content);
        entry->made_us = entry->asked_us;
    } else {
        entry->failed_us = now_us;
    }
    entry->asked_us = 0;
    return true;
}
