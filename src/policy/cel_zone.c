/*
 * Time zones of conditions. The compiler reads a file of the tz database (RFC 9636, "TZif") and
 * puts what it says into the program: when the offset changed or will change, and the rule for all
 * that comes after (a string of IEEE Std 1003.1, "TZ"). The evaluator reads it there, opens
 * nothing, and believes nothing: a program may come from anywhere.
 *
 * In the program: the number of offsets (u8) and of changes (u16); the offsets (i32); the changes,
 * each a time (40 bits) and which offset holds from then on (u8); and the rule.
 */
#include "policy/cel_emit.h"
#include "policy/cel_time.h"

#include <endian.h>

enum {
    RULE_HOURS_MAX = 167,
    CHANGE_BYTES = 6,
    HEADER_BYTES = 44, /* of a TZif file, each of its two */
    TYPE_BYTES = 6,
    LEAP_BYTES = 12,
    CHANGES_MAX = 2000,
};

/* ---- the rule of a zone, as text ---- */

static bool take_number(struct slice *rest, int *out)
{
    size_t digits = 0;
    uint64_t number;
    while (digits < 3 && digits < rest->len && rest->data[digits] >= '0' &&
           rest->data[digits] <= '9') {
        digits++;
    }
    if (!slice_to_u64(slice_upto(*rest, digits), &number)) {
        return false;
    }
    *rest = slice_from(*rest, digits);
    *out = (int)number;
    return true;
}

static bool take_byte(struct slice *rest, char byte)
{
    if (rest->len == 0 || rest->data[0] != byte) {
        return false;
    }
    *rest = slice_from(*rest, 1);
    return true;
}

/* "[+-]H[H[H]][:MM]" in seconds. */
static bool take_time(struct slice *rest, int32_t *out)
{
    int hours;
    int minutes = 0;
    bool negative = take_byte(rest, '-');
    if (!negative) {
        take_byte(rest, '+');
    }
    if (!take_number(rest, &hours) || hours > RULE_HOURS_MAX ||
        (take_byte(rest, ':') && (!take_number(rest, &minutes) || minutes > 59))) {
        return false;
    }
    *out = (hours * 60 + minutes) * 60;
    *out = negative ? -*out : *out;
    return true;
}

/* "CET" or "<+03>": an abbreviation, which nobody here needs. */
static bool skip_abbreviation(struct slice *rest)
{
    size_t length = 0;
    if (take_byte(rest, '<')) {
        ptrdiff_t end = slice_find(*rest, '>');
        *rest = slice_from(*rest, end < 0 ? rest->len : (size_t)end + 1);
        return end >= 0;
    }
    while (length < rest->len && ((rest->data[length] >= 'A' && rest->data[length] <= 'Z') ||
                                  (rest->data[length] >= 'a' && rest->data[length] <= 'z'))) {
        length++;
    }
    *rest = slice_from(*rest, length);
    return length > 0;
}

/* ",M3.5.0/2" */
static bool take_change(struct slice *rest, struct cel_change *out)
{
    int month;
    int week;
    int day;
    int32_t second = 2 * 60 * 60;
    if (!take_byte(rest, ',') || !take_byte(rest, 'M') || !take_number(rest, &month) ||
        !take_byte(rest, '.') || !take_number(rest, &week) || !take_byte(rest, '.') ||
        !take_number(rest, &day) || (take_byte(rest, '/') && !take_time(rest, &second))) {
        return false;
    }
    *out = (struct cel_change){(uint8_t)month, (uint8_t)week, (uint8_t)day, second};
    return true;
}

/* POSIX counts offsets to the west; summer time is one hour ahead unless it says otherwise. */
static bool rule_parse(struct slice rule, struct cel_rule *out)
{
    int32_t west;
    struct cel_rule parsed = {0};
    if (!skip_abbreviation(&rule) || !take_time(&rule, &west)) {
        return false;
    }
    parsed.standard_s = parsed.summer_s = -west;
    if (rule.len > 0) {
        int32_t summer_west = west - 60 * 60;
        if (!skip_abbreviation(&rule) ||
            (rule.len > 0 && rule.data[0] != ',' && !take_time(&rule, &summer_west))) {
            return false;
        }
        parsed.summer_s = -summer_west;
        if (!take_change(&rule, &parsed.begin) || !take_change(&rule, &parsed.end)) {
            return false;
        }
    }
    *out = parsed;
    return rule.len == 0 && cel_rule_is_sane(&parsed);
}

/* "+01:00", "-02:30", "05:00" */
static bool offset_parse(struct slice text, struct cel_rule *out)
{
    struct slice digits = text;
    int32_t offset;
    if (text.len > 0 && (text.data[0] == '+' || text.data[0] == '-')) {
        digits = slice_from(text, 1);
    }
    if (digits.len != 5 || digits.data[2] != ':' || digits.data[0] == '-' ||
        digits.data[0] == '+' || !take_time(&digits, &offset) || digits.len != 0 ||
        offset >= 24 * 60 * 60) {
        return false;
    }
    offset = text.data[0] == '-' ? -offset : offset;
    *out = (struct cel_rule){.standard_s = offset, .summer_s = offset};
    return true;
}

/* ---- files of the tz database ---- */

/* The numbers of a header. */
struct counts {
    uint32_t utc_flags, standard_flags, leaps, changes, types, letters;
};

static uint32_t number_of(const char *bytes)
{
    uint32_t number;
    memcpy(&number, bytes, sizeof(number));
    return be32toh(number);
}

/* Cuts COUNT pieces of BYTES off the front; false if they are not there. */
static bool cut(struct slice *rest, size_t count, size_t bytes, struct slice *out)
{
    if (count > rest->len / bytes) {
        return false;
    }
    *out = slice_upto(*rest, count * bytes);
    *rest = slice_from(*rest, count * bytes);
    return true;
}

static bool cut_header(struct slice *rest, struct counts *out)
{
    struct slice header;
    if (!cut(rest, 1, HEADER_BYTES, &header) || !slice_starts(header, SLICE("TZif")) ||
        header.data[4] < '2') {
        return false;
    }
    const char *numbers = header.data + 20;
    *out =
        (struct counts){number_of(numbers),      number_of(numbers + 4),  number_of(numbers + 8),
                        number_of(numbers + 12), number_of(numbers + 16), number_of(numbers + 20)};
    return true;
}

/* What stands behind a header, whose times have TIME_BYTES each. */
struct block {
    struct slice times, kinds, types;
};

static bool cut_block(struct slice *rest, const struct counts *counts, size_t time_bytes,
                      struct block *out)
{
    struct slice skipped;
    return cut(rest, counts->changes, time_bytes, &out->times) &&
           cut(rest, counts->changes, 1, &out->kinds) &&
           cut(rest, counts->types, TYPE_BYTES, &out->types) &&
           cut(rest, counts->letters, 1, &skipped) &&
           cut(rest, counts->leaps, LEAP_BYTES - 8 + time_bytes, &skipped) &&
           cut(rest, counts->standard_flags, 1, &skipped) &&
           cut(rest, counts->utc_flags, 1, &skipped);
}

static int64_t time_of(const struct block *block, size_t i)
{
    uint64_t number;
    memcpy(&number, block->times.data + 8 * i, sizeof(number));
    return (int64_t)be64toh(number);
}

static int32_t offset_of(const struct block *block, size_t kind)
{
    return (int32_t)number_of(block->types.data + TYPE_BYTES * kind);
}

/* The rule behind the last newline but one; where there is none, the last offset stays. */
static bool footer_parse(struct slice rest, const struct block *block, struct cel_rule *out)
{
    if (rest.len < 2 || rest.data[0] != '\n' || rest.data[rest.len - 1] != '\n') {
        return false;
    }
    struct slice rule = slice_upto(slice_from(rest, 1), rest.len - 2);
    if (rule.len > 0) {
        return rule_parse(rule, out);
    }
    unsigned char last =
        block->kinds.len == 0 ? 0 : (unsigned char)block->kinds.data[block->kinds.len - 1];
    int32_t offset = offset_of(block, last);
    *out = (struct cel_rule){.standard_s = offset, .summer_s = offset};
    return cel_rule_is_sane(out);
}

/*
 * Whether the rule says OFFSET from FROM up to TO. A look every ten days finds every summer; a time
 * of more than 400 days without a change is none that a rule with summers could say.
 */
static bool rule_holds(const struct cel_rule *rule, int32_t offset, int64_t from, int64_t to)
{
    const int64_t day = 86400;
    if (rule->standard_s == rule->summer_s) {
        return rule->standard_s == offset;
    }
    bool holds = to - from <= 400 * day;
    for (int64_t at = from; holds && at < to; at += 10 * day) {
        holds = cel_rule_offset(at, rule) == offset;
    }
    return holds && cel_rule_offset(to - 1, rule) == offset;
}

/* How many of COUNT changes are left without those at the end that the rule says anyway. */
static size_t changes_to_keep(const struct block *block, size_t count, const struct cel_rule *rule)
{
    for (; count > 1; count--) {
        int64_t at = time_of(block, count - 1);
        int32_t before = offset_of(block, (unsigned char)block->kinds.data[count - 2]);
        int32_t after = offset_of(block, (unsigned char)block->kinds.data[count - 1]);
        if (!rule_holds(rule, before, time_of(block, count - 2), at) ||
            cel_rule_offset(at, rule) != after) {
            break;
        }
    }
    return count;
}

static bool block_is_sane(const struct block *block, size_t changes, size_t types)
{
    const int64_t far = INT64_C(1) << 39;
    bool sane = changes <= CHANGES_MAX && types >= 1 && types <= UINT8_MAX;
    for (size_t i = 0; sane && i < changes; i++) {
        int64_t at = time_of(block, i);
        sane = (unsigned char)block->kinds.data[i] < types && at > -far && at < far &&
               (i == 0 || at > time_of(block, i - 1));
    }
    for (size_t i = 0; sane && i < types; i++) {
        sane = cel_offset_is_sane(offset_of(block, i));
    }
    return sane;
}

static void emit_zone(struct buffer *out, const struct block *block, size_t types, size_t changes,
                      const struct cel_rule *rule)
{
    emit_u8(out, (unsigned)types);
    emit_u16(out, changes);
    for (size_t i = 0; i < types; i++) {
        emit_i32(out, offset_of(block, i));
    }
    for (size_t i = 0; i < changes; i++) {
        emit_i40(out, time_of(block, i));
        emit_u8(out, (unsigned char)block->kinds.data[i]);
    }
    emit_rule(out, rule);
}

bool cel_zone_emit_file(struct buffer *out, struct slice file)
{
    struct counts counts;
    struct block block;
    struct cel_rule rule;
    if (!cut_header(&file, &counts) || !cut_block(&file, &counts, 4, &block) ||
        !cut_header(&file, &counts) || !cut_block(&file, &counts, 8, &block) || counts.leaps != 0 ||
        !block_is_sane(&block, counts.changes, counts.types) ||
        !footer_parse(file, &block, &rule)) {
        return false;
    }
    emit_zone(out, &block, counts.types, changes_to_keep(&block, counts.changes, &rule), &rule);
    return true;
}

bool cel_zone_emit_offset(struct buffer *out, struct slice text)
{
    struct cel_rule rule = {0};
    if (!slice_is(text, "UTC") && !offset_parse(text, &rule)) {
        return false;
    }
    emit_u8(out, 0);
    emit_u16(out, 0);
    emit_rule(out, &rule);
    return true;
}

/* ---- in a program ---- */

static inline uint64_t take(struct slice *rest, size_t bytes)
{
    uint64_t number = 0;
    memcpy(&number, rest->data, bytes);
    *rest = slice_from(*rest, bytes);
    return le64toh(number);
}

static struct cel_change take_rule_change(struct slice *rest)
{
    struct cel_change change;
    change.month = (uint8_t)take(rest, 1);
    change.week = (uint8_t)take(rest, 1);
    change.day = (uint8_t)take(rest, 1);
    change.second = (int32_t)(uint32_t)take(rest, 4);
    return change;
}

bool cel_zone_at(struct slice bytes, struct cel_zone *out)
{
    if (bytes.len < 3) {
        return false;
    }
    size_t types = (size_t)take(&bytes, 1);
    size_t changes = (size_t)take(&bytes, 2);
    if (!cut(&bytes, types, 4, &out->offsets) ||
        !cut(&bytes, changes, CHANGE_BYTES, &out->changes) || bytes.len < CEL_RULE_BYTES) {
        return false;
    }
    out->rule.standard_s = (int32_t)(uint32_t)take(&bytes, 4);
    out->rule.summer_s = (int32_t)(uint32_t)take(&bytes, 4);
    out->rule.begin = take_rule_change(&bytes);
    out->rule.end = take_rule_change(&bytes);
    return (changes == 0 || types > 0) && cel_rule_is_sane(&out->rule);
}

/* When change I was: 40 bits with a sign. */
static int64_t change_time(const struct cel_zone *zone, size_t i)
{
    uint64_t number = 0;
    memcpy(&number, zone->changes.data + CHANGE_BYTES * i, 5);
    return (int64_t)(le64toh(number) << 24) >> 24;
}

/* Offset KIND; 0 for one that the zone does not have. */
static int32_t offset_number(const struct cel_zone *zone, size_t kind)
{
    uint32_t number = 0;
    if (kind < zone->offsets.len / 4) {
        memcpy(&number, zone->offsets.data + 4 * kind, sizeof(number));
    }
    int32_t offset = (int32_t)le32toh(number);
    return cel_offset_is_sane(offset) ? offset : 0;
}

int32_t cel_zone_offset(int64_t time_s, const struct cel_zone *zone)
{
    size_t count = zone->changes.len / CHANGE_BYTES;
    if (count == 0 || time_s >= change_time(zone, count - 1)) {
        return cel_rule_offset(time_s, &zone->rule);
    }
    size_t low = 0; /* as many changes have been, at least */
    size_t high = count - 1;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (time_s >= change_time(zone, middle)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return offset_number(zone,
                         low == 0 ? 0 : (unsigned char)zone->changes.data[CHANGE_BYTES * low - 1]);
}
