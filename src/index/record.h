/*
 * How records are laid out in the index: small packed fields, read with every length checked,
 * because a reader of another version must fail and never read out of bounds. Private to index/.
 */
#pragma once

#include "base/buffer.h"
#include "index/index.h"

struct record_reader {
    const char *at;
    size_t left;
    bool broken; /* something did not fit; all further reads give zeroes */
};

uint8_t record_u8(struct record_reader *reader);
uint32_t record_u32(struct record_reader *reader);
uint64_t record_u64(struct record_reader *reader);
struct slice
record_slice(struct record_reader *reader); /* 32-bit length, bytes; points into the map */

void record_put_u8(struct buffer *out, uint8_t value);
void record_put_u32(struct buffer *out, uint32_t value);
void record_put_u64(struct buffer *out, uint64_t value);
void record_put_slice(struct buffer *out, struct slice value);

void record_put_service(struct buffer *out, const struct index_service *service);
bool record_service(struct slice record, struct index_service *out);
void record_put_tag(struct buffer *out, const struct index_tag *tag);
void record_tag(struct record_reader *reader, struct index_tag *out);
void record_put_route(struct buffer *out, const struct index_route *route);
bool record_route(struct slice record, struct index_route *out);
void record_put_session(struct buffer *out, const struct index_session *session);
bool record_session(struct slice record, struct index_session *out);

enum { RECORD_KEY_MAX = 500 }; /* LMDB takes 511 */

/*
 * A key of an optional number and a text. Texts that are too long are replaced by two hashes of
 * them under fixed keys, behind a byte that no text begins with.
 */
struct slice record_key(char out[RECORD_KEY_MAX + 8], bool with_number, uint64_t number,
                        struct slice text);

/* Names of the tables. */
enum front_table {
    FRONT_META,
    FRONT_ROUTE,
    FRONT_SERVICE,
    FRONT_GRANT,
    FRONT_TAG,
    FRONT_ACCOUNT,
    FRONT_USER_KEY,
    FRONT_GROUP,
    FRONT_ISSUER,
    FRONT_KEY,
    FRONT_NOTE,
    FRONT_SESSION,
    FRONT_DOOR_GRANT,
    FRONT_TABLES,
};
extern const char *const front_table_names[FRONT_TABLES];

/* A reader over an environment that its owner has open (an MDB_env), and keeps open longer. */
struct MDB_env;
struct index_reader *index_reader_over(struct MDB_env *env, struct error *err);
