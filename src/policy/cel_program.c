/* Reads numbers and lists where they lie in a program: nothing is copied, every length is checked.
 */
#include "policy/cel_program.h"

uint64_t cel_number_of(struct slice bytes)
{
    uint64_t number = 0;
    for (size_t i = bytes.len; i > 0; i--) {
        number = number << 8 | (unsigned char)bytes.data[i - 1];
    }
    return number;
}

bool cel_string_cut(struct slice *list, struct slice *out)
{
    if (list->len < 2) {
        return false;
    }
    size_t length = (size_t)cel_number_of(slice_upto(*list, 2));
    if (length > list->len - 2) {
        return false;
    }
    *out = slice_upto(slice_from(*list, 2), length);
    *list = slice_from(*list, 2 + length);
    return true;
}

bool cel_strings_hold(struct slice list, struct slice wanted)
{
    struct slice element;
    while (cel_string_cut(&list, &element)) {
        if (slice_equal(element, wanted)) {
            return true;
        }
    }
    return false;
}

bool cel_ints_hold(struct slice list, int64_t wanted)
{
    for (; list.len >= 8; list = slice_from(list, 8)) {
        if ((int64_t)cel_number_of(slice_upto(list, 8)) == wanted) {
            return true;
        }
    }
    return false;
}
