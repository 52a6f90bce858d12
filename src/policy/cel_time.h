/*
 * Time as conditions see it: RFC 3339 and duration constants, calendar fields, time zones. For the
 * compiler and the evaluator of cel.h alone.
 */
#pragma once

#include "base/buffer.h"

enum cel_field {
    CEL_FULL_YEAR,
    CEL_MONTH,        /* 0 is January */
    CEL_DATE,         /* day of the month from 1 */
    CEL_DAY_OF_MONTH, /* from 0 */
    CEL_DAY_OF_WEEK,  /* 0 is Sunday */
    CEL_DAY_OF_YEAR,  /* from 0 */
    CEL_HOURS,
    CEL_MINUTES,
    CEL_SECONDS,
    CEL_MILLISECONDS,
    CEL_FIELD_COUNT,
};

/* When the clocks change: the WEEKth (5: last) DAY (0: Sunday) of MONTH, SECOND after midnight. */
struct cel_change {
    uint8_t month, week, day;
    int32_t second;
};

/* Offsets east of UTC in seconds. summer_s equal to standard_s: the clocks never change. */
struct cel_rule {
    int32_t standard_s, summer_s;
    struct cel_change begin, end; /* of summer time, each in the local time before it */
};

/* A zone as it lies in a program (cel_zone.c). */
struct cel_zone {
    struct slice offsets, changes;
    struct cel_rule rule; /* after the last change */
};

enum { CEL_RULE_BYTES = 22 };

/* Microseconds since 1970; more digits than six are cut. False if TEXT is not RFC 3339. */
bool cel_timestamp_parse(struct slice text, int64_t *out);
/* "YYYY-MM-DD": midnight in UTC. */
bool cel_date_parse(struct slice text, int64_t *out);
/* "3600s", "1h30m", "-1.5s"; h, m, s, ms, us, ns. Microseconds. */
bool cel_duration_parse(struct slice text, int64_t *out);

/* The zone that FILE of the tz database says, for a program. False if it is no such file, or one
 * with leap seconds. */
bool cel_zone_emit_file(struct buffer *out, struct slice file);
/* "UTC" or "+01:00": the same offset at all times. False if TEXT is neither. */
bool cel_zone_emit_offset(struct buffer *out, struct slice text);

/* The zone at the beginning of BYTES of a program. False if none can be read or computed with. */
bool cel_zone_at(struct slice bytes, struct cel_zone *out);
/* Seconds east of UTC at TIME_S. */
int32_t cel_zone_offset(int64_t time_s, const struct cel_zone *zone);
int32_t cel_rule_offset(int64_t time_s, const struct cel_rule *rule);
bool cel_rule_is_sane(const struct cel_rule *rule);
bool cel_offset_is_sane(int32_t offset_s);

int64_t cel_field_of(int64_t time_us, enum cel_field field, const struct cel_zone *zone);
