#include "ipc/shares.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"

enum { PLACES_MAX = 10000 };

/* ---- as text: "c PLACES", then a line for each node, then one for each instance ---- */

static struct slice next_word(struct slice *rest)
{
    struct slice word = SLICE_NONE;
    slice_cut(rest, ' ', &word);
    return word;
}

static bool next_number(struct slice *rest, uint64_t most, uint64_t *out)
{
    return slice_to_u64(next_word(rest), out) && *out <= most;
}

/* "TENURE WANTED TURN NAME" */
static bool read_node(struct shares *shares, struct slice line)
{
    uint64_t tenure, wanted, turn;
    if (shares->node_count == SHARES_NODES_MAX || !next_number(&line, UINT32_MAX, &tenure) ||
        !next_number(&line, UINT32_MAX, &wanted) || !next_number(&line, UINT32_MAX, &turn) ||
        line.len == 0 || line.len >= sizeof(shares->nodes[0].name)) {
        return false;
    }
    struct shares_node *node = &shares->nodes[shares->node_count++];
    *node = (struct shares_node){
        .tenure = (uint32_t)tenure, .wanted = (uint32_t)wanted, .turn = (uint32_t)turn};
    memcpy(node->name, line.data, line.len);
    return true;
}

/* "ID NODE HELD NODE HELD …", where a node is its place among the lines above */
static bool read_instance(struct shares *shares, struct slice line)
{
    uint64_t node, held;
    if (shares->instance_count == SHARES_INSTANCES_MAX) {
        return false;
    }
    struct shares_instance *one = &shares->instances[shares->instance_count++];
    *one = (struct shares_instance){0};
    if (!next_number(&line, SHARES_ID_MAX - 1, &one->id)) {
        return false;
    }
    while (line.len > 0) {
        if (!next_number(&line, shares->node_count - 1, &node) ||
            !next_number(&line, PLACES_MAX, &held) || shares->node_count == 0) {
            return false;
        }
        one->known |= UINT64_C(1) << node;
        one->held[node] = (uint16_t)held;
    }
    return true;
}

bool shares_read(struct arena *arena, struct slice text, struct shares *out, struct error *err)
{
    *out = (struct shares){0};
    out->instances = arena_array(arena, struct shares_instance, SHARES_INSTANCES_MAX);
    struct slice line;
    while (slice_cut(&text, '\n', &line)) {
        struct slice rest = line, kind = next_word(&rest);
        uint64_t places;
        bool good = false;
        if (slice_is(kind, "c") && next_number(&rest, PLACES_MAX, &places)) {
            out->places = (uint32_t)places;
            good = true;
        } else if (slice_is(kind, "n")) {
            good = read_node(out, rest);
        } else if (slice_is(kind, "i")) {
            good = read_instance(out, rest);
        }
        if (!good) {
            return error_set(err, STATUS_FAILED_PRECONDITION,
                             "the division of a revision's places is not readable here: \"%.60s\"",
                             arena_string(arena, line));
        }
    }
    return true;
}

struct slice shares_write(const struct shares *shares, struct arena *arena)
{
    struct buffer out = BUFFER_INIT(SHARES_TEXT_MAX);
    buffer_printf(&out, "c %" PRIu32 "\n", shares->places);
    for (size_t i = 0; i < shares->node_count; i++) {
        const struct shares_node *node = &shares->nodes[i];
        buffer_printf(&out, "n %" PRIu32 " %" PRIu32 " %" PRIu32 " %s\n", node->tenure,
                      node->wanted, node->turn, node->name);
    }
    for (size_t i = 0; i < shares->instance_count; i++) {
        const struct shares_instance *one = &shares->instances[i];
        buffer_printf(&out, "i %" PRIu64, one->id);
        for (size_t n = 0; n < shares->node_count; n++) {
            if ((one->known >> n & 1) != 0) {
                buffer_printf(&out, " %zu %u", n, one->held[n]);
            }
        }
        buffer_add_byte(&out, '\n');
    }
    struct slice text = arena_slice(arena, buffer_slice(&out));
    buffer_done(&out);
    return text;
}

/* ---- who there is ---- */

static size_t find_node(const struct shares *shares, const struct shares_node *node)
{
    size_t i = 0;
    while (i < shares->node_count && (shares->nodes[i].tenure != node->tenure ||
                                      strcmp(shares->nodes[i].name, node->name) != 0)) {
        i++;
    }
    return i;
}

static void drop_bit(uint64_t *bits, size_t at)
{
    uint64_t low = (UINT64_C(1) << at) - 1;
    *bits = (*bits & low) | (*bits >> 1 & ~low);
}

static void drop_node(struct shares *shares, size_t at)
{
    shares->node_count--;
    memmove(&shares->nodes[at], &shares->nodes[at + 1],
            (shares->node_count - at) * sizeof(shares->nodes[0]));
    for (size_t i = 0; i < shares->instance_count; i++) {
        struct shares_instance *one = &shares->instances[i];
        memmove(&one->held[at], &one->held[at + 1],
                (SHARES_NODES_MAX - 1 - at) * sizeof(one->held[0]));
        one->held[SHARES_NODES_MAX - 1] = 0;
        drop_bit(&one->known, at);
    }
}

/* Instances that nobody sees any more. */
static void drop_unseen(struct shares *shares)
{
    size_t kept = 0;
    for (size_t i = 0; i < shares->instance_count; i++) {
        if (shares->instances[i].known != 0) {
            shares->instances[kept++] = shares->instances[i];
        }
    }
    shares->instance_count = kept;
}

size_t shares_drop_dead(struct shares *shares, struct slice live)
{
    bool lives[SHARES_NODES_MAX] = {false};
    size_t count = 0;
    struct slice line;
    while (slice_cut(&live, '\n', &line)) {
        struct shares_node node = {0};
        uint64_t tenure;
        if (!next_number(&line, UINT32_MAX, &tenure) || line.len >= sizeof(node.name)) {
            continue;
        }
        count++;
        node.tenure = (uint32_t)tenure;
        memcpy(node.name, line.data, line.len);
        size_t at = find_node(shares, &node);
        if (at < shares->node_count) {
            lives[at] = true;
        }
    }
    for (size_t i = shares->node_count; i-- > 0;) {
        if (!lives[i]) {
            drop_node(shares, i);
        }
    }
    drop_unseen(shares);
    return count;
}

/* ---- a statement ---- */

static uint32_t given_of(const struct shares_instance *one)
{
    uint32_t sum = 0;
    for (size_t n = 0; n < SHARES_NODES_MAX; n++) {
        sum += one->held[n];
    }
    return sum;
}

static uint32_t held_by(const struct shares *shares, size_t node)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < shares->instance_count; i++) {
        sum += shares->instances[i].held[node];
    }
    return sum;
}

static const struct shares_entry *find_entry(const struct shares_statement *statement, uint64_t id)
{
    for (size_t i = 0; i < statement->count; i++) {
        if (statement->entries[i].id == id) {
            return &statement->entries[i];
        }
    }
    return NULL;
}

static struct shares_instance *find_instance(struct shares *shares, uint64_t id)
{
    for (size_t i = 0; i < shares->instance_count; i++) {
        if (shares->instances[i].id == id) {
            return &shares->instances[i];
        }
    }
    return NULL;
}

/* What SELF keeps, and which instances it sees. */
static void take_entries(struct shares *shares, size_t self,
                         const struct shares_statement *statement)
{
    uint64_t bit = UINT64_C(1) << self;
    for (size_t i = 0; i < shares->instance_count; i++) {
        struct shares_instance *one = &shares->instances[i];
        const struct shares_entry *entry = find_entry(statement, one->id);
        uint32_t keep = entry == NULL ? 0 : entry->places;
        one->held[self] = one->held[self] < keep ? one->held[self] : (uint16_t)keep;
        one->known = entry == NULL ? one->known & ~bit : one->known | bit;
    }
    for (size_t i = 0; i < statement->count; i++) {
        if (find_instance(shares, statement->entries[i].id) == NULL &&
            shares->instance_count < SHARES_INSTANCES_MAX) {
            shares->instances[shares->instance_count++] =
                (struct shares_instance){.id = statement->entries[i].id, .known = bit};
        }
    }
}

/* One place to NODE, on the instance that has the most to give. */
static bool give_one(struct shares *shares, size_t node)
{
    struct shares_instance *best = NULL;
    uint32_t most = 0;
    for (size_t i = 0; i < shares->instance_count; i++) {
        struct shares_instance *one = &shares->instances[i];
        uint32_t given = given_of(one);
        uint32_t left = given < shares->places ? shares->places - given : 0;
        if (left > most && (one->known >> node & 1) != 0) {
            best = one;
            most = left;
        }
    }
    if (best != NULL) {
        best->held[node]++;
    }
    return best != NULL;
}

static uint32_t give(struct shares *shares, size_t node, uint32_t count)
{
    uint32_t given = 0;
    while (given < count && give_one(shares, node)) {
        given++;
    }
    return given;
}

/* Who wants some, and has waited longest, but for those in PASSED. */
static size_t next_in_turn(const struct shares *shares, uint64_t passed)
{
    size_t best = shares->node_count;
    for (size_t n = 0; n < shares->node_count; n++) {
        if (shares->nodes[n].wanted > 0 && (passed >> n & 1) == 0 &&
            (best == shares->node_count || shares->nodes[n].turn < shares->nodes[best].turn)) {
            best = n;
        }
    }
    return best;
}

static uint32_t last_turn(const struct shares *shares)
{
    uint32_t last = 0;
    for (size_t n = 0; n < shares->node_count; n++) {
        last = shares->nodes[n].wanted > 0 && shares->nodes[n].turn > last ? shares->nodes[n].turn
                                                                           : last;
    }
    return last;
}

/* Of what nobody wants, SELF gets more than it asked for, so that it need not ask for each: what
 * would be its own if all were the same, and half of what is left beyond. */
static void give_more(struct shares *shares, size_t self, size_t live)
{
    uint32_t total = shares->places * (uint32_t)shares->instance_count, given = 0;
    for (size_t i = 0; i < shares->instance_count; i++) {
        given += given_of(&shares->instances[i]);
    }
    uint32_t left = total > given ? total - given : 0;
    uint32_t held = held_by(shares, self), even = total / (uint32_t)(live > 0 ? live : 1);
    uint32_t more = even > held ? even - held : 0;
    more = more < left ? more : left;
    give(shares, self, live > 1 ? more + (left - more) / 2 : left);
}

/* The place of SELF among the nodes, which is made; SHARES_NODES_MAX: there is no room. */
static size_t node_place(struct shares *shares, const struct shares_node *self)
{
    size_t at = find_node(shares, self);
    if (at == SHARES_NODES_MAX) {
        return at;
    }
    if (at == shares->node_count) {
        shares->nodes[shares->node_count++] = (struct shares_node){.tenure = self->tenure};
        snprintf(shares->nodes[at].name, sizeof(shares->nodes[at].name), "%s", self->name);
    }
    return at;
}

bool shares_state(struct shares *shares, const struct shares_node *self,
                  const struct shares_statement *statement, size_t live)
{
    size_t at = node_place(shares, self);
    if (at == SHARES_NODES_MAX || statement->count > SHARES_INSTANCES_MAX) {
        return false;
    }
    struct shares_node *node = &shares->nodes[at];
    bool wants = statement->wanted > 0, others = false;
    shares->places = statement->places < PLACES_MAX ? statement->places : PLACES_MAX;
    take_entries(shares, at, statement);
    drop_unseen(shares);
    if (wants && node->wanted == 0) {
        node->turn = last_turn(shares) + 1;
    }
    node->wanted = statement->wanted;
    uint64_t passed = 0;
    for (size_t n; (n = next_in_turn(shares, passed)) < shares->node_count;) {
        uint32_t given = give(shares, n, shares->nodes[n].wanted);
        passed |= UINT64_C(1) << n;
        others = others || (n != at && given > 0);
        shares->nodes[n].wanted -= given;
        if (given > 0) { /* who lacks more stands behind the others */
            shares->nodes[n].turn = last_turn(shares) + 1;
        }
    }
    bool all = next_in_turn(shares, 0) == shares->node_count;
    if (wants && all) {
        give_more(shares, at, live);
    }
    return others || !all;
}

void shares_tell(const struct shares *shares, const struct shares_node *self, struct arena *arena,
                 struct shares_told *out)
{
    size_t at = find_node(shares, self);
    *out = (struct shares_told){
        .entries = arena_array(arena, struct shares_entry, shares->instance_count + 1),
        .total = shares->places * (uint32_t)shares->instance_count,
        .users = 1,
    };
    for (size_t n = 0; n < shares->node_count; n++) {
        uint32_t held = held_by(shares, n);
        if (n == at) {
            out->wanted = shares->nodes[n].wanted;
        } else {
            out->others_held += held;
            out->others_wanted += shares->nodes[n].wanted;
            out->users += held > 0 || shares->nodes[n].wanted > 0;
        }
    }
    for (size_t i = 0; i < shares->instance_count && at < shares->node_count; i++) {
        const struct shares_instance *one = &shares->instances[i];
        if ((one->known >> at & 1) != 0 || one->held[at] > 0) {
            out->entries[out->count++] =
                (struct shares_entry){.id = one->id, .places = one->held[at]};
        }
    }
}

/* ---- what a node keeps ---- */

uint32_t shares_keep(const struct shares_facts *facts)
{
    const struct shares_told *told = facts->told;
    uint32_t wanted = told->others_wanted, used = facts->taken + facts->queued;
    uint32_t idle = facts->held > used ? facts->held - used : 0;
    if (wanted == 0) {
        return facts->held;
    }
    if (wanted <= idle) {
        return facts->held - wanted - (idle - wanted) / 2;
    }
    uint32_t keep = facts->held - idle, even = told->total / (told->users > 0 ? told->users : 1);
    if (facts->fresh || keep <= even) {
        return keep;
    }
    uint32_t more = wanted - idle;
    return keep - even < more ? even : keep - more;
}
