/*
 * A decimal number with an optional suffix, in integers throughout: floating point would make "0.1"
 * of memory depend on rounding.
 */
#include "model/quantity.h"

enum { NANOS = 1000000000 };

/* Cuts "12.345" off the front: whole part and billionths. */
static bool decimal_cut(struct slice *rest, int64_t *whole, int64_t *nanos)
{
    size_t i = 0;
    int64_t number = 0, part = 0, unit = NANOS / 10;
    for (; i < rest->len && rest->data[i] >= '0' && rest->data[i] <= '9'; i++) {
        if (number > (int64_t)1 << 40) {
            return false;
        }
        number = number * 10 + (rest->data[i] - '0');
    }
    size_t digits = i;
    if (i < rest->len && rest->data[i] == '.') {
        for (i++; i < rest->len && rest->data[i] >= '0' && rest->data[i] <= '9'; i++, digits++) {
            if (unit == 0) {
                return false;
            }
            part += unit * (rest->data[i] - '0');
            unit /= 10;
        }
    }
    if (digits == 0) {
        return false;
    }
    *whole = number;
    *nanos = part;
    *rest = slice_from(*rest, i);
    return true;
}

/* WHOLE.NANOS times FACTOR; false if it does not fit or is no whole number. */
static bool scale(int64_t whole, int64_t nanos, int64_t factor, int64_t *out)
{
    __int128 value = (__int128)whole * NANOS + nanos;
    value *= factor;
    if (value % NANOS != 0 || value / NANOS > INT64_MAX) {
        return false;
    }
    *out = (int64_t)(value / NANOS);
    return true;
}

bool quantity_cpu(struct slice text, int64_t *out_millis)
{
    int64_t whole, nanos;
    if (!decimal_cut(&text, &whole, &nanos)) {
        return false;
    }
    if (text.len == 0) {
        return scale(whole, nanos, 1000, out_millis);
    }
    return slice_is(text, "m") && scale(whole, nanos, 1, out_millis);
}

bool quantity_bytes(struct slice text, int64_t *out_bytes)
{
    static const struct {
        const char *suffix;
        int64_t factor;
    } units[] = {
        {"", 1},
        {"k", 1000},
        {"M", 1000000},
        {"G", 1000000000},
        {"T", 1000000000000},
        {"Ki", (int64_t)1 << 10},
        {"Mi", (int64_t)1 << 20},
        {"Gi", (int64_t)1 << 30},
        {"Ti", (int64_t)1 << 40},
    };
    int64_t whole, nanos;
    if (!decimal_cut(&text, &whole, &nanos)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (slice_is(text, units[i].suffix)) {
            return scale(whole, nanos, units[i].factor, out_bytes);
        }
    }
    return false;
}
