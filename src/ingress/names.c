#include "ingress/names.h"

#include <stdbool.h>
#include <string.h>

#include "base/slice.h"

enum {
    HEAD_BYTES = 12,
    NAME_MAX_BYTES = 255,
    ANSWER_BYTES = 16, /* with a pointer to the question's name */
    TTL_S = 60,
    TYPE_A = 1,
    CLASS_IN = 1,
    REFUSED = 5,
};

/* Of the second and third byte of a head. */
enum { IS_ANSWER = 0x80, IS_AUTHORITY = 0x04, OPCODE = 0x78, RECURSION_WANTED = 0x01 };

/*
 * The name that begins at *AT, with dots between its labels. False if it is none, or too long: no
 * question needs a pointer.
 */
static bool read_name(const unsigned char *message, size_t bytes, size_t *at,
                      char out[NAME_MAX_BYTES + 1], size_t *length)
{
    size_t used = 0;
    while (*at < bytes && message[*at] != 0) {
        size_t label = message[*at];
        if (label > 63 || *at + 1 + label >= bytes || used + label + 1 > NAME_MAX_BYTES) {
            return false;
        }
        if (used > 0) {
            out[used++] = '.';
        }
        memcpy(out + used, message + *at + 1, label);
        used += label;
        *at += 1 + label;
    }
    *length = used;
    return (*at)++ < bytes && used > 0;
}

/* NAME-NUMBER.REGION.DOMAIN, or NAME-LETTERS.a.DOMAIN. */
static bool is_service(struct slice name, struct slice domain)
{
    size_t labels = 1;
    if (domain.len == 0 || name.len <= domain.len + 1 ||
        !slice_equal_nocase(slice_from(name, name.len - domain.len), domain) ||
        name.data[name.len - domain.len - 1] != '.') {
        return false;
    }
    for (size_t i = 0; i < name.len - domain.len - 1; i++) {
        labels += name.data[i] == '.';
    }
    return labels == 2;
}

static void put_u16(unsigned char *at, unsigned value)
{
    at[0] = (unsigned char)(value >> 8);
    at[1] = (unsigned char)value;
}

static unsigned get_u16(const unsigned char *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static size_t put_address(unsigned char *at, uint32_t address)
{
    static const unsigned char record[ANSWER_BYTES] = {0xc0, HEAD_BYTES, 0, TYPE_A, 0, CLASS_IN,
                                                       0,    0,          0, TTL_S,  0, 4};
    memcpy(at, record, sizeof(record));
    memcpy(at + ANSWER_BYTES - 4, &address, 4);
    return ANSWER_BYTES;
}

size_t names_answer(const unsigned char *question, size_t bytes, const char *domain,
                    uint32_t address, unsigned char out[NAMES_MESSAGE_MAX])
{
    char name[NAME_MAX_BYTES + 1];
    size_t end = HEAD_BYTES, length = 0;
    if (bytes < HEAD_BYTES || bytes > NAMES_MESSAGE_MAX ||
        (question[2] & (IS_ANSWER | OPCODE)) != 0 || get_u16(question + 4) != 1 ||
        !read_name(question, bytes, &end, name, &length) || end + 4 > bytes ||
        end + 4 + ANSWER_BYTES > NAMES_MESSAGE_MAX) {
        return 0;
    }
    bool ours = is_service((struct slice){name, length}, slice_of(domain)) &&
                get_u16(question + end + 2) == CLASS_IN;
    bool told = ours && get_u16(question + end) == TYPE_A; /* of other types there is nothing */
    end += 4;
    memcpy(out, question, end);
    memset(out + 6, 0, HEAD_BYTES - 6);
    out[2] =
        (unsigned char)(IS_ANSWER | (ours ? IS_AUTHORITY : 0) | (question[2] & RECURSION_WANTED));
    out[3] = ours ? 0 : REFUSED;
    put_u16(out + 6, told);
    return end + (told ? put_address(out + end, address) : 0);
}
