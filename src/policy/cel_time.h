/*
 * Time as conditions see it: RFC 3339 and duration constants, calendar fields, time zones. For the
 * compiler and the evaluator of cel.h alone.
 */
#pragma once

#include "base/slice.h"

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
struct cel_zone {
    int32_t standard_s, summer_s;
    struct cel_change begin, end; /* of summer time, each in the local time before it */
};

/* Microseconds since 1970; more digits than six are cut. False if TEXT is not RFC 3339. */
bool cel_timestamp_parse(struct slice text, int64_t *out);
/* "YYYY-MM-DD": midnight in UTC. */
bool cel_date_parse(struct slice text, int64_t *out);
/* "3600s", "1h30m", "-1.5s"; h, m, s, ms, us, ns. Microseconds. */
bool cel_duration_parse(struct slice text, int64_t *out);

/*
 * "UTC", "+01:00", or one of the zones of cel_zones.c by its IANA name: with the rules that are in
 * force now, for any year. False if we do not know it.
 */
bool cel_zone_find(struct slice name, struct cel_zone *out);
/* The names that cel_zone_find() knows; NULL over the end. */
const char *cel_zone_name(size_t index);
/* Whether what was read from a program can be computed with. */
bool cel_zone_is_sane(const struct cel_zone *zone);

int64_t cel_field_of(int64_t time_us, enum cel_field field, const struct cel_zone *zone);
