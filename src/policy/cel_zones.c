/*
 * The zones that conditions may name, as POSIX rules (IEEE Std 1003.1, "TZ"): data, because policy/
 * opens no files. They say what holds now, not what held in the past; conditions ask about now.
 */
#include "policy/cel_time.h"

enum { RULE_HOURS_MAX = 167 };

static const struct {
    const char *name;
    const char *rule;
} zones[] = {
    {"Africa/Cairo", "EET-2EEST,M4.5.5/0,M10.5.4/24"},
    {"Africa/Johannesburg", "SAST-2"},
    {"Africa/Lagos", "WAT-1"},
    {"Africa/Nairobi", "EAT-3"},
    {"America/Anchorage", "AKST9AKDT,M3.2.0,M11.1.0"},
    {"America/Argentina/Buenos_Aires", "<-03>3"},
    {"America/Bogota", "<-05>5"},
    {"America/Chicago", "CST6CDT,M3.2.0,M11.1.0"},
    {"America/Denver", "MST7MDT,M3.2.0,M11.1.0"},
    {"America/Halifax", "AST4ADT,M3.2.0,M11.1.0"},
    {"America/Los_Angeles", "PST8PDT,M3.2.0,M11.1.0"},
    {"America/Mexico_City", "CST6"},
    {"America/New_York", "EST5EDT,M3.2.0,M11.1.0"},
    {"America/Phoenix", "MST7"},
    {"America/Santiago", "<-04>4<-03>,M9.1.6/24,M4.1.6/24"},
    {"America/Sao_Paulo", "<-03>3"},
    {"America/Toronto", "EST5EDT,M3.2.0,M11.1.0"},
    {"America/Vancouver", "PST8PDT,M3.2.0,M11.1.0"},
    {"Asia/Dubai", "<+04>-4"},
    {"Asia/Hong_Kong", "HKT-8"},
    {"Asia/Jakarta", "WIB-7"},
    {"Asia/Jerusalem", "IST-2IDT,M3.4.4/26,M10.5.0"},
    {"Asia/Kolkata", "IST-5:30"},
    {"Asia/Seoul", "KST-9"},
    {"Asia/Shanghai", "CST-8"},
    {"Asia/Singapore", "<+08>-8"},
    {"Asia/Taipei", "CST-8"},
    {"Asia/Tokyo", "JST-9"},
    {"Australia/Adelaide", "ACST-9:30ACDT,M10.1.0,M4.1.0/3"},
    {"Australia/Brisbane", "AEST-10"},
    {"Australia/Melbourne", "AEST-10AEDT,M10.1.0,M4.1.0/3"},
    {"Australia/Perth", "AWST-8"},
    {"Australia/Sydney", "AEST-10AEDT,M10.1.0,M4.1.0/3"},
    {"Europe/Amsterdam", "CET-1CEST,M3.5.0,M10.5.0/3"},
    {"Europe/Athens", "EET-2EEST,M3.5.0/3,M10.5.0/4"},
    {"Europe/Berlin", "CET-1CEST,M3.5.0,M10.5.0/3"},
    {"Europe/Brussels", "CET-1CEST,M3.5.0,M10.5.0/3"},
    {"Europe/Dublin", "GMT0IST,M3.5.0/1,M10.5.0"},
    {"Europe/Helsinki", "EET-2EEST,M3.5.0/3,M10.5.0/4"},
    {"Europe/Istanbul", "<+03>-3"},
    {"Europe/Kiev", "EET-2EEST,M3.5.0/3,M10.5.0/4"},
    {"Europe/Kyiv", "EET-2EEST,M3.5.0/3,M10.5.0/4"},
    {"Europe/Lisbon", "WET0WEST,M3.5.0/1,M10.5.0"},
    {"Europe/London", "GMT0BST,M3.5.0/1,M10.5.0"},
    {"Europe/Madrid", "CET-1CEST,M3.5.0,M10.5.0/3"},
    {"Europe/Moscow", "MSK-3"},
    {"Europe/Paris", "CET-1CEST,M3.5.0,M10.5.0/3"},
    {"Europe/Prague", "CET-1CEST,M3.5.0,M10.5.0/3"},
    {"Europe/Rome", "CET-1CEST,M3.5.0,M10.5.0/3"},
    {"Europe/Stockholm", "CET-1CEST,M3.5.0,M10.5.0/3"},
    {"Europe/Vienna", "CET-1CEST,M3.5.0,M10.5.0/3"},
    {"Europe/Warsaw", "CET-1CEST,M3.5.0,M10.5.0/3"},
    {"Europe/Zurich", "CET-1CEST,M3.5.0,M10.5.0/3"},
    {"Etc/GMT", "GMT0"},
    {"Etc/UTC", "UTC0"},
    {"GMT", "GMT0"},
    {"Pacific/Auckland", "NZST-12NZDT,M9.5.0,M4.1.0/3"},
    {"Pacific/Honolulu", "HST10"},
    {"UTC", "UTC0"},
};

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
static bool zone_parse(struct slice rule, struct cel_zone *out)
{
    int32_t west;
    struct cel_zone zone = {0};
    if (!skip_abbreviation(&rule) || !take_time(&rule, &west)) {
        return false;
    }
    zone.standard_s = zone.summer_s = -west;
    if (rule.len > 0) {
        zone.summer_s += 60 * 60;
        if (!skip_abbreviation(&rule) || !take_change(&rule, &zone.begin) ||
            !take_change(&rule, &zone.end)) {
            return false;
        }
    }
    *out = zone;
    return rule.len == 0 && cel_zone_is_sane(&zone);
}

/* "+01:00", "-02:30", "05:00" */
static bool offset_parse(struct slice text, struct cel_zone *out)
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
    *out = (struct cel_zone){.standard_s = offset, .summer_s = offset};
    return true;
}

bool cel_zone_find(struct slice name, struct cel_zone *out)
{
    for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
        if (slice_is(name, zones[i].name)) {
            return zone_parse(slice_of(zones[i].rule), out);
        }
    }
    return offset_parse(name, out);
}

const char *cel_zone_name(size_t index)
{
    return index < sizeof(zones) / sizeof(zones[0]) ? zones[index].name : NULL;
}
