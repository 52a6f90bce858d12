/*
 * The proleptic Gregorian calendar by days since 1970, so that no library call with a hidden time
 * zone or lock is needed. Years are counted from March, which puts the leap day last.
 */
#include "policy/cel_time.h"

static const int64_t second_us = 1000000;
enum { MINUTE_S = 60, HOUR_S = 3600, DAY_S = 86400, WEEK_DAYS = 7 };

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int month_days(int64_t year, int month) /* month from 1 */
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* Days from 1970-01-01 to the day given. */
static int64_t days_of(int64_t year, int month, int day)
{
    int64_t from_march = (month + 9) % 12;
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t leaps = floor_div(y, 4) - floor_div(y, 100) + floor_div(y, 400);
    return y * 365 + leaps + (from_march * 153 + 2) / 5 + day - 1 - 719468;
}

struct civil {
    int64_t year;
    int month, day; /* from 1 */
};

static struct civil civil_of(int64_t days)
{
    const int64_t era_days = 146097; /* 400 years */
    int64_t shifted = days + 719468;
    int64_t era = floor_div(shifted, era_days);
    int64_t in_era = shifted - era * era_days;
    int64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int64_t in_year = in_era - (year * 365 + year / 4 - year / 100);
    int64_t from_march = (in_year * 5 + 2) / 153;
    int month = (int)(from_march < 10 ? from_march + 3 : from_march - 9);
    return (struct civil){.year = era * 400 + year + (month <= 2),
                          .month = month,
                          .day = (int)(in_year - (from_march * 153 + 2) / 5 + 1)};
}

/* ---- constants ---- */

static bool take_digits(struct slice *rest, size_t count, int *out)
{
    uint64_t number;
    if (rest->len < count || !slice_to_u64(slice_upto(*rest, count), &number)) {
        return false;
    }
    *rest = slice_from(*rest, count);
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

static bool take_date(struct slice *rest, int64_t *days)
{
    int year;
    int month;
    int day;
    if (!take_digits(rest, 4, &year) || !take_byte(rest, '-') || !take_digits(rest, 2, &month) ||
        !take_byte(rest, '-') || !take_digits(rest, 2, &day) || year < 1 || month < 1 ||
        month > 12 || day < 1 || day > month_days(year, month)) {
        return false;
    }
    *days = days_of(year, month, day);
    return true;
}

/* "HH:MM" in seconds. */
static bool take_hours(struct slice *rest, int32_t *out)
{
    int hour;
    int minute;
    if (!take_digits(rest, 2, &hour) || !take_byte(rest, ':') || !take_digits(rest, 2, &minute) ||
        hour > 23 || minute > 59) {
        return false;
    }
    *out = hour * HOUR_S + minute * MINUTE_S;
    return true;
}

/* The digits behind a point, in microseconds of UNIT_US; what is smaller is cut. */
static bool take_fraction(struct slice *rest, int64_t unit_us, int64_t *out)
{
    int64_t sum = 0;
    int64_t place = unit_us;
    size_t digits = 0;
    while (rest->len > 0 && rest->data[0] >= '0' && rest->data[0] <= '9') {
        int64_t digit = rest->data[0] - '0';
        sum += digit * place / 10; /* exact while the place is worth anything */
        place /= 10;
        *rest = slice_from(*rest, 1);
        digits++;
    }
    *out = sum;
    return digits > 0 && digits <= 9;
}

bool cel_timestamp_parse(struct slice text, int64_t *out)
{
    int64_t days;
    int32_t minutes;
    int second;
    int64_t fraction = 0;
    int32_t offset = 0;
    if (!take_date(&text, &days) || !take_byte(&text, 'T') || !take_hours(&text, &minutes) ||
        !take_byte(&text, ':') || !take_digits(&text, 2, &second) || second > 59) {
        return false;
    }
    if (take_byte(&text, '.') && !take_fraction(&text, second_us, &fraction)) {
        return false;
    }
    if (!take_byte(&text, 'Z')) {
        bool west = text.len > 0 && text.data[0] == '-';
        if (!(take_byte(&text, '+') || take_byte(&text, '-')) || !take_hours(&text, &offset)) {
            return false;
        }
        offset = west ? -offset : offset;
    }
    *out = (days * DAY_S + minutes + second - offset) * second_us + fraction;
    return text.len == 0;
}

bool cel_date_parse(struct slice text, int64_t *out)
{
    int64_t days;
    if (!take_date(&text, &days) || text.len != 0) {
        return false;
    }
    *out = days * DAY_S * second_us;
    return true;
}

static bool take_unit(struct slice *rest, int64_t *unit_us, int64_t *divisor)
{
    static const struct {
        const char *name;
        int64_t unit_us, divisor;
    } units[] = {
        {"ms", 1000, 1},        {"us", 1, 1},         {"ns", 1, 1000},
        {"h", 3600000000LL, 1}, {"m", 60000000LL, 1}, {"s", 1000000LL, 1},
    };
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        struct slice name = slice_of(units[i].name);
        if (slice_starts(*rest, name)) {
            *rest = slice_from(*rest, name.len);
            *unit_us = units[i].unit_us;
            *divisor = units[i].divisor;
            return true;
        }
    }
    return false;
}

/* One "1.5h" off the front. */
static bool take_duration_part(struct slice *rest, int64_t *out)
{
    size_t digits = 0;
    while (digits < rest->len && rest->data[digits] >= '0' && rest->data[digits] <= '9') {
        digits++;
    }
    uint64_t whole;
    if (!slice_to_u64(slice_upto(*rest, digits), &whole)) {
        return false;
    }
    *rest = slice_from(*rest, digits);
    struct slice fraction = SLICE_NONE;
    if (take_byte(rest, '.')) {
        fraction = *rest;
        while (rest->len > 0 && rest->data[0] >= '0' && rest->data[0] <= '9') {
            *rest = slice_from(*rest, 1);
        }
        fraction = slice_upto(fraction, fraction.len - rest->len);
        if (fraction.len == 0) {
            return false;
        }
    }
    int64_t unit_us;
    int64_t divisor;
    int64_t part = 0;
    if (!take_unit(rest, &unit_us, &divisor)) {
        return false;
    }
    if (fraction.len > 0 && !take_fraction(&fraction, unit_us, &part)) {
        return false;
    }
    int64_t sum;
    if (__builtin_mul_overflow((int64_t)whole, unit_us, &sum)) {
        return false;
    }
    return !__builtin_add_overflow(sum / divisor, part / divisor, out);
}

bool cel_duration_parse(struct slice text, int64_t *out)
{
    bool negative = take_byte(&text, '-');
    int64_t sum = 0;
    if (text.len == 0) {
        return false;
    }
    while (text.len > 0) {
        int64_t part;
        if (!take_duration_part(&text, &part) || __builtin_add_overflow(sum, part, &sum)) {
            return false;
        }
    }
    *out = negative ? -sum : sum;
    return true;
}

/* ---- zones ---- */

static bool change_is_sane(const struct cel_change *change)
{
    return change->month >= 1 && change->month <= 12 && change->week >= 1 && change->week <= 5 &&
           change->day < WEEK_DAYS && change->second >= -WEEK_DAYS * DAY_S &&
           change->second <= WEEK_DAYS * DAY_S;
}

bool cel_offset_is_sane(int32_t offset_s)
{
    return offset_s > -DAY_S && offset_s < DAY_S;
}

bool cel_rule_is_sane(const struct cel_rule *rule)
{
    return cel_offset_is_sane(rule->standard_s) && cel_offset_is_sane(rule->summer_s) &&
           (rule->standard_s == rule->summer_s ||
            (change_is_sane(&rule->begin) && change_is_sane(&rule->end)));
}

/* Local seconds since 1970 at which the clocks change in YEAR. */
static int64_t change_at(int64_t year, const struct cel_change *change)
{
    int64_t first = days_of(year, change->month, 1);
    int64_t first_weekday = (first % WEEK_DAYS + WEEK_DAYS + 4) % WEEK_DAYS;
    int64_t day = (change->day - first_weekday + WEEK_DAYS) % WEEK_DAYS;
    day += (change->week - 1) * WEEK_DAYS;
    while (day >= month_days(year, change->month)) { /* week 5 means the last one */
        day -= WEEK_DAYS;
    }
    return (first + day) * DAY_S + change->second;
}

int32_t cel_rule_offset(int64_t time_s, const struct cel_rule *rule)
{
    if (rule->standard_s == rule->summer_s) {
        return rule->standard_s;
    }
    int64_t year = civil_of(floor_div(time_s + rule->standard_s, DAY_S)).year;
    int64_t begin = change_at(year, &rule->begin) - rule->standard_s;
    int64_t end = change_at(year, &rule->end) - rule->summer_s;
    bool summer = begin < end ? time_s >= begin && time_s < end /* north */
                              : time_s >= begin || time_s < end;
    return summer ? rule->summer_s : rule->standard_s;
}

int64_t cel_field_of(int64_t time_us, enum cel_field field, const struct cel_zone *zone)
{
    int64_t time_s = floor_div(time_us, second_us);
    int64_t local_s = time_s + cel_zone_offset(time_s, zone);
    int64_t days = floor_div(local_s, DAY_S);
    int64_t in_day = local_s - days * DAY_S;
    struct civil civil = civil_of(days);
    switch (field) {
    case CEL_FULL_YEAR:
        return civil.year;
    case CEL_MONTH:
        return civil.month - 1;
    case CEL_DATE:
        return civil.day;
    case CEL_DAY_OF_MONTH:
        return civil.day - 1;
    case CEL_DAY_OF_WEEK:
        return (days % WEEK_DAYS + WEEK_DAYS + 4) % WEEK_DAYS;
    case CEL_DAY_OF_YEAR:
        return days - days_of(civil.year, 1, 1);
    case CEL_HOURS:
        return in_day / HOUR_S;
    case CEL_MINUTES:
        return in_day / MINUTE_S % 60;
    case CEL_SECONDS:
        return in_day % 60;
    case CEL_MILLISECONDS:
        return (time_us - time_s * second_us) / 1000;
    case CEL_FIELD_COUNT:
        break;
    }
    return 0;
}
