#include "index/record.h"

#include <endian.h>

#include "base/map.h"

const char *const front_table_names[FRONT_TABLES] = {
    [FRONT_META] = "meta",
    [FRONT_ROUTE] = "route",
    [FRONT_SERVICE] = "service",
    [FRONT_GRANT] = "grant",
    [FRONT_TAG] = "tag",
    [FRONT_ACCOUNT] = "account",
    [FRONT_USER_KEY] = "user_key",
    [FRONT_GROUP] = "group",
    [FRONT_ISSUER] = "issuer",
    [FRONT_KEY] = "key",
    [FRONT_NOTE] = "note",
    [FRONT_SESSION] = "session",
    [FRONT_DOOR_GRANT] = "door_grant",
};

static bool take(struct record_reader *reader, void *out, size_t bytes)
{
    if (reader->broken || reader->left < bytes) {
        reader->broken = true;
        memset(out, 0, bytes);
        return false;
    }
    memcpy(out, reader->at, bytes);
    reader->at += bytes;
    reader->left -= bytes;
    return true;
}

uint8_t record_u8(struct record_reader *reader)
{
    uint8_t value;
    take(reader, &value, sizeof(value));
    return value;
}

uint32_t record_u32(struct record_reader *reader)
{
    uint32_t value;
    take(reader, &value, sizeof(value));
    return value;
}

uint64_t record_u64(struct record_reader *reader)
{
    uint64_t value;
    take(reader, &value, sizeof(value));
    return value;
}

struct slice record_slice(struct record_reader *reader)
{
    uint32_t length = record_u32(reader);
    if (reader->broken || reader->left < length) {
        reader->broken = true;
        return SLICE_NONE;
    }
    struct slice value = {reader->at, length};
    reader->at += length;
    reader->left -= length;
    return value;
}

void record_put_u8(struct buffer *out, uint8_t value)
{
    buffer_add(out, (struct slice){(const char *)&value, sizeof(value)});
}

void record_put_u32(struct buffer *out, uint32_t value)
{
    buffer_add(out, (struct slice){(const char *)&value, sizeof(value)});
}

void record_put_u64(struct buffer *out, uint64_t value)
{
    buffer_add(out, (struct slice){(const char *)&value, sizeof(value)});
}

void record_put_slice(struct buffer *out, struct slice value)
{
    record_put_u32(out, (uint32_t)value.len);
    buffer_add(out, value);
}

enum { SERVICE_CHECK_OFF = 1, SERVICE_DEFAULT_URL_DISABLED = 2, SERVICE_DOOR = 4 };
enum { DOOR_ALLOW_HTTP_OPTIONS = 1, DOOR_DOMAINS_LIMITED = 2 };
enum { TARGET_HTTP2 = 1, TARGET_AFFINITY = 2 };

static void put_target(struct buffer *out, const struct index_target *target)
{
    record_put_u64(out, target->revision_id);
    record_put_u32(out, target->percent);
    record_put_u32(out, target->concurrency);
    record_put_u32(out, target->timeout_s);
    record_put_u32(out, target->max_instances);
    record_put_u8(out, (uint8_t)((target->http2 ? TARGET_HTTP2 : 0) |
                                 (target->affinity ? TARGET_AFFINITY : 0)));
    record_put_slice(out, target->revision);
    record_put_slice(out, target->tag);
}

static void read_target(struct record_reader *reader, struct index_target *out)
{
    out->revision_id = record_u64(reader);
    out->percent = record_u32(reader);
    out->concurrency = record_u32(reader);
    out->timeout_s = record_u32(reader);
    out->max_instances = record_u32(reader);
    uint8_t flags = record_u8(reader);
    out->http2 = (flags & TARGET_HTTP2) != 0;
    out->affinity = (flags & TARGET_AFFINITY) != 0;
    out->revision = record_slice(reader);
    out->tag = record_slice(reader);
}

static void put_slices(struct buffer *out, const struct slice *list, size_t count)
{
    record_put_u8(out, (uint8_t)count);
    for (size_t i = 0; i < count; i++) {
        record_put_slice(out, list[i]);
    }
}

static bool read_slices(struct record_reader *reader, struct slice *out, size_t max, size_t *count)
{
    *count = record_u8(reader);
    if (*count > max) {
        return false;
    }
    for (size_t i = 0; i < *count; i++) {
        out[i] = record_slice(reader);
    }
    return true;
}

static void put_nodes(struct buffer *out, const uint64_t *nodes, size_t count)
{
    record_put_u8(out, (uint8_t)count);
    for (size_t i = 0; i < count; i++) {
        record_put_u64(out, nodes[i]);
    }
}

static bool read_nodes(struct record_reader *reader, uint64_t *out, size_t max, size_t *count)
{
    *count = record_u8(reader);
    if (*count > max) {
        return false;
    }
    for (size_t i = 0; i < *count; i++) {
        out[i] = record_u64(reader);
    }
    return true;
}

static void put_door(struct buffer *out, const struct index_door *door)
{
    record_put_u8(out, (uint8_t)((door->allow_http_options ? DOOR_ALLOW_HTTP_OPTIONS : 0) |
                                 (door->domains_limited ? DOOR_DOMAINS_LIMITED : 0)));
    record_put_u32(out, door->max_age_s);
    record_put_slice(out, door->audience);
    record_put_slice(out, door->agent);
    put_nodes(out, door->nodes, door->node_count);
    put_slices(out, door->clients, door->client_count);
    put_slices(out, door->domains, door->domain_count);
    record_put_slice(out, door->denied_page);
}

static bool read_door(struct record_reader *reader, struct index_door *out)
{
    uint8_t flags = record_u8(reader);
    out->allow_http_options = (flags & DOOR_ALLOW_HTTP_OPTIONS) != 0;
    out->domains_limited = (flags & DOOR_DOMAINS_LIMITED) != 0;
    out->max_age_s = record_u32(reader);
    out->audience = record_slice(reader);
    out->agent = record_slice(reader);
    bool good = read_nodes(reader, out->nodes, INDEX_DOOR_NODES_MAX, &out->node_count) &&
                read_slices(reader, out->clients, INDEX_DOOR_LIST_MAX, &out->client_count) &&
                read_slices(reader, out->domains, INDEX_DOOR_LIST_MAX, &out->domain_count);
    out->denied_page = record_slice(reader);
    return good;
}

void record_put_service(struct buffer *out, const struct index_service *service)
{
    record_put_u64(out, service->id);
    record_put_u8(out,
                  (uint8_t)((service->invoker_check_off ? SERVICE_CHECK_OFF : 0) |
                            (service->default_url_disabled ? SERVICE_DEFAULT_URL_DISABLED : 0) |
                            (service->door.on ? SERVICE_DOOR : 0)));
    record_put_u8(out, (uint8_t)service->ingress);
    record_put_u64(out, (uint64_t)service->check_off_until_us);
    record_put_u64(out, (uint64_t)service->created_us);
    record_put_slice(out, service->project);
    record_put_slice(out, service->project_number);
    record_put_slice(out, service->region);
    record_put_slice(out, service->name);
    record_put_slice(out, service->resource_name);
    put_nodes(out, service->nodes, service->node_count);
    record_put_u8(out, (uint8_t)service->target_count);
    for (size_t i = 0; i < service->target_count; i++) {
        put_target(out, &service->targets[i]);
    }
    record_put_u8(out, (uint8_t)service->audience_count);
    record_put_u8(out, (uint8_t)service->url_audience_count);
    for (size_t i = 0; i < service->audience_count; i++) {
        record_put_slice(out, service->audiences[i]);
    }
    if (service->door.on) {
        put_door(out, &service->door);
    }
}

bool record_service(struct slice record, struct index_service *out)
{
    struct record_reader reader = {.at = record.data, .left = record.len};
    out->id = record_u64(&reader);
    uint8_t flags = record_u8(&reader);
    out->invoker_check_off = (flags & SERVICE_CHECK_OFF) != 0;
    out->default_url_disabled = (flags & SERVICE_DEFAULT_URL_DISABLED) != 0;
    uint8_t ingress = record_u8(&reader);
    /* A setting that we do not know lets nobody in. */
    out->ingress = ingress <= INDEX_INGRESS_NONE ? (enum index_ingress)ingress : INDEX_INGRESS_NONE;
    out->check_off_until_us = (int64_t)record_u64(&reader);
    out->created_us = (int64_t)record_u64(&reader);
    out->project = record_slice(&reader);
    out->project_number = record_slice(&reader);
    out->region = record_slice(&reader);
    out->name = record_slice(&reader);
    out->resource_name = record_slice(&reader);
    if (!read_nodes(&reader, out->nodes, INDEX_NODES_MAX, &out->node_count)) {
        return false;
    }
    out->target_count = record_u8(&reader);
    if (out->target_count > INDEX_TARGETS_MAX) {
        return false;
    }
    for (size_t i = 0; i < out->target_count; i++) {
        read_target(&reader, &out->targets[i]);
    }
    out->audience_count = record_u8(&reader);
    out->url_audience_count = record_u8(&reader);
    if (out->audience_count > INDEX_AUDIENCES_MAX ||
        out->url_audience_count > out->audience_count) {
        return false;
    }
    for (size_t i = 0; i < out->audience_count; i++) {
        out->audiences[i] = record_slice(&reader);
    }
    /* A door that cannot be read is no service without a door: nobody gets in. */
    out->door.on = (flags & SERVICE_DOOR) != 0;
    if (out->door.on && !read_door(&reader, &out->door)) {
        return false;
    }
    return !reader.broken && reader.left == 0;
}

void record_put_tag(struct buffer *out, const struct index_tag *tag)
{
    record_put_slice(out, tag->key);
    record_put_slice(out, tag->value);
    record_put_slice(out, tag->key_name);
    record_put_slice(out, tag->value_name);
}

void record_tag(struct record_reader *reader, struct index_tag *out)
{
    out->key = record_slice(reader);
    out->value = record_slice(reader);
    out->key_name = record_slice(reader);
    out->value_name = record_slice(reader);
}

void record_put_route(struct buffer *out, const struct index_route *route)
{
    record_put_u64(out, route->service_id);
    record_put_u8(out, route->default_url);
    record_put_slice(out, route->tag);
}

bool record_route(struct slice record, struct index_route *out)
{
    struct record_reader reader = {.at = record.data, .left = record.len};
    out->service_id = record_u64(&reader);
    out->default_url = record_u8(&reader) != 0;
    out->tag = record_slice(&reader);
    return !reader.broken && reader.left == 0;
}

void record_put_session(struct buffer *out, const struct index_session *session)
{
    record_put_slice(out, session->host);
    record_put_slice(out, session->agent);
    record_put_slice(out, session->sub);
    record_put_slice(out, session->issuer);
    record_put_slice(out, session->subject);
    record_put_slice(out, session->email);
    record_put_u64(out, (uint64_t)session->signed_in_us);
    record_put_u64(out, (uint64_t)session->expire_us);
    record_put_u64(out, (uint64_t)session->expire_boot_us);
    buffer_add(out, (struct slice){(const char *)session->parent, INDEX_SESSION_KEY});
    record_put_u8(out, (uint8_t)session->group_count);
    for (size_t i = 0; i < session->group_count; i++) {
        record_put_slice(out, session->groups[i]);
    }
}

bool record_session(struct slice record, struct index_session *out)
{
    struct record_reader reader = {.at = record.data, .left = record.len};
    out->host = record_slice(&reader);
    out->agent = record_slice(&reader);
    out->sub = record_slice(&reader);
    out->issuer = record_slice(&reader);
    out->subject = record_slice(&reader);
    out->email = record_slice(&reader);
    out->signed_in_us = (int64_t)record_u64(&reader);
    out->expire_us = (int64_t)record_u64(&reader);
    out->expire_boot_us = (int64_t)record_u64(&reader);
    take(&reader, out->parent, INDEX_SESSION_KEY);
    out->group_count = record_u8(&reader);
    if (out->group_count > INDEX_SESSION_GROUPS_MAX) {
        return false;
    }
    for (size_t i = 0; i < out->group_count; i++) {
        out->groups[i] = record_slice(&reader);
    }
    return !reader.broken && reader.left == 0;
}

struct slice record_key(char out[RECORD_KEY_MAX + 8], bool with_number, uint64_t number,
                        struct slice text)
{
    static const uint8_t first[16] = {1};
    static const uint8_t second[16] = {2};
    size_t used = 0;
    if (with_number) {
        uint64_t ordered = htobe64(number); /* so that one node's keys lie together */
        memcpy(out, &ordered, sizeof(ordered));
        used = sizeof(ordered);
    }
    if (used + text.len <= RECORD_KEY_MAX) {
        if (text.len > 0) {
            memcpy(out + used, text.data, text.len);
        }
        return (struct slice){out, used + text.len};
    }
    /* The length and the first bytes stay in the key, so that a collision would have to be made on
     * purpose with both hashes, among texts of over 490 bytes with the same beginning. */
    uint64_t hashes[3] = {siphash(first, text), siphash(second, text), text.len};
    out[used++] = 0x01;
    memcpy(out + used, hashes, sizeof(hashes));
    used += sizeof(hashes);
    size_t rest = RECORD_KEY_MAX - used;
    memcpy(out + used, text.data, rest);
    return (struct slice){out, RECORD_KEY_MAX};
}
