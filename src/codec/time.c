/*
 * Times and durations as google.protobuf.Timestamp and Duration write them in JSON. All arithmetic
 * is on days and microseconds, in the proleptic Gregorian calendar, with no time zone database.
 */
#include "codec/codec.h"

#include <inttypes.h>
#include <stdlib.h>

#define SECOND_US INT64_C(1000000)
#define DAY_US    (INT64_C(86400) * SECOND_US)
#define FIRST_US  (INT64_C(-62135596800) * SECOND_US)                 /* 0001-01-01T00:00:00Z */
#define LAST_US   (INT64_C(253402300799) * SECOND_US + SECOND_US - 1) /* 9999-12-31, its end */
#define SPAN_US   (INT64_C(315576000000) * SECOND_US)                 /* Duration: 10,000 years */

/* Days since 1970-01-01. Years begin in March here, so that the leap day is a year's last. */
static int64_t days_from_date(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void date_from_days(int64_t days, int *year, int *month, int *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t of_era = days - era * 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * of_year + 2) / 153;
    *day = (int)(of_year - (153 * shifted + 2) / 5 + 1);
    *month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
    *year = (int)(year_of_era + era * 400 + (*month <= 2));
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

static void put_digits(char *out, int count, int64_t number)
{
    for (int i = count - 1; i >= 0; i--) {
        out[i] = (char)('0' + number % 10);
        number /= 10;
    }
}

void time_write(char out[TIME_CHARS], int64_t us)
{
    us = us < FIRST_US ? FIRST_US : us > LAST_US ? LAST_US : us;
    int64_t days = us / DAY_US;
    int64_t rest = us % DAY_US;
    if (rest < 0) {
        rest += DAY_US;
        days--;
    }
    int year, month, day;
    date_from_days(days, &year, &month, &day);
    int64_t second = rest / SECOND_US;
    /* By hand: each answer of the API has some, and printf() takes ten times as long. */
    memcpy(out, "0000-00-00T00:00:00.000000Z", TIME_CHARS);
    put_digits(out, 4, year);
    put_digits(out + 5, 2, month);
    put_digits(out + 8, 2, day);
    put_digits(out + 11, 2, second / 3600);
    put_digits(out + 14, 2, second / 60 % 60);
    put_digits(out + 17, 2, second % 60);
    put_digits(out + 20, 6, rest % SECOND_US);
}

struct slice time_text(struct arena *arena, int64_t us)
{
    char text[TIME_CHARS];
    time_write(text, us);
    return arena_slice(arena, (struct slice){text, sizeof(text)});
}

/* Takes exactly COUNT digits off the front. */
static bool digits_take(struct slice *rest, size_t count, int *out)
{
    int number = 0;
    if (rest->len < count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        char digit = rest->data[i];
        if (digit < '0' || digit > '9') {
            return false;
        }
        number = number * 10 + (digit - '0');
    }
    *rest = slice_from(*rest, count);
    *out = number;
    return true;
}

static bool byte_take(struct slice *rest, const char *any_of)
{
    if (rest->len == 0 || rest->data[0] == '\0' || strchr(any_of, rest->data[0]) == NULL) {
        return false;
    }
    *rest = slice_from(*rest, 1);
    return true;
}

/* ".5" and the like: one to nine digits, cut off (not rounded) after the sixth. */
static bool fraction_take(struct slice *rest, int64_t *us)
{
    *us = 0;
    if (!byte_take(rest, ".")) {
        return true;
    }
    int64_t unit = SECOND_US;
    size_t count = 0;
    int digit;
    while (digits_take(rest, 1, &digit)) {
        unit /= 10;
        *us += digit * unit;
        count++;
    }
    return count >= 1 && count <= 9;
}

/* "Z" or "+01:00": minutes east of UTC. */
static bool offset_take(struct slice *rest, int *minutes)
{
    *minutes = 0;
    if (byte_take(rest, "Zz")) {
        return true;
    }
    bool west = rest->len > 0 && rest->data[0] == '-';
    int hour, minute;
    if (!byte_take(rest, "+-") || !digits_take(rest, 2, &hour) || !byte_take(rest, ":") ||
        !digits_take(rest, 2, &minute) || hour > 23 || minute > 59) {
        return false;
    }
    *minutes = (hour * 60 + minute) * (west ? -1 : 1);
    return true;
}

bool time_read(struct slice text, int64_t *us)
{
    int year, month, day, hour, minute, second, offset;
    int64_t fraction;
    if (!digits_take(&text, 4, &year) || !byte_take(&text, "-") || !digits_take(&text, 2, &month) ||
        !byte_take(&text, "-") || !digits_take(&text, 2, &day) || !byte_take(&text, "Tt") ||
        !digits_take(&text, 2, &hour) || !byte_take(&text, ":") ||
        !digits_take(&text, 2, &minute) || !byte_take(&text, ":") ||
        !digits_take(&text, 2, &second) || !fraction_take(&text, &fraction) ||
        !offset_take(&text, &offset) || text.len > 0) {
        return false;
    }
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) ||
        hour > 23 || minute > 59 || second > 60) {
        return false;
    }
    int64_t minutes = days_from_date(year, month, day) * 1440 + hour * 60 + minute - offset;
    if (second == 60 && ((minutes % 1440) + 1440) % 1440 != 1439) {
        return false; /* a leap second is the last of a UTC day; it counts as the next one */
    }
    int64_t result = minutes * 60 * SECOND_US + second * SECOND_US + fraction;
    if (result < FIRST_US || result > LAST_US) {
        return false;
    }
    *us = result;
    return true;
}

bool duration_read(struct slice text, int64_t *us)
{
    bool negative = byte_take(&text, "-");
    int64_t seconds = 0, fraction;
    int digit;
    size_t count = 0;
    while (digits_take(&text, 1, &digit)) {
        seconds = seconds * 10 + digit;
        if (++count > 12) {
            return false;
        }
    }
    if (count == 0 || !fraction_take(&text, &fraction) || !slice_is(text, "s")) {
        return false;
    }
    int64_t result = seconds * SECOND_US + fraction;
    if (result > SPAN_US) {
        return false;
    }
    *us = negative ? -result : result;
    return true;
}

struct slice duration_text(struct arena *arena, int64_t us)
{
    uint64_t size = us < 0 ? 0 - (uint64_t)us : (uint64_t)us;
    uint64_t seconds = size / SECOND_US, fraction = size % SECOND_US;
    const char *sign = us < 0 ? "-" : "";
    /* protobuf writes none, three or six digits */
    if (fraction == 0) {
        return slice_of(arena_printf(arena, "%s%" PRIu64 "s", sign, seconds));
    }
    if (fraction % 1000 == 0) {
        return slice_of(
            arena_printf(arena, "%s%" PRIu64 ".%03" PRIu64 "s", sign, seconds, fraction / 1000));
    }
    return slice_of(arena_printf(arena, "%s%" PRIu64 ".%06" PRIu64 "s", sign, seconds, fraction));
}
