/*
 * One pass over the fields: each name is looked up in a table of treatments; most are in none and
 * pass as they are. Fields that we write ourselves are dropped on the way and added at the end.
 */
#include "ingress/headers.h"

#include "ingress/cookies.h"
#include "ingress/credential.h"
#include "ingress/site_data.h"

enum { ADDED_MAX = 12 }; /* fields of ours: room is made for them at once */

enum treatment {
    PASS,
    DROP,            /* hop-by-hop, or a claim that only the gate may make */
    JOIN_FOR,        /* X-Forwarded-For: lines become one, the peer is added */
    JOIN_FORWARDED,  /* Forwarded, likewise */
    STRIP,           /* X-Serverless-Authorization: signatures are replaced, always */
    STRIP_IF_GCLOUD, /* Authorization */
    DROP_AT_DOOR,    /* what Google's door keeps to itself */
    CUT_COOKIES,     /* Cookie: ours are cut out */
    CONNECTION,
};

struct rule {
    struct slice name;
    enum treatment treatment;
    bool prefix;
};

/*
 * A name that only reads as one of these (http_name_reads_as) is always dropped: the container's
 * server could take it for the field itself, past what is done to that one.
 */
static const struct rule rules_a[] = {
    {SLICE_INIT("authorization"), STRIP_IF_GCLOUD, false},
};
static const struct rule rules_c[] = {
    {SLICE_INIT("cookie"), CUT_COOKIES, false},
    {SLICE_INIT("connection"), CONNECTION, false},
    /* Nothing is done to these, but nothing else may pose as them. */
    {SLICE_INIT("content-length"), PASS, false},
    {SLICE_INIT("content-type"), PASS, false},
    {SLICE_INIT("content-encoding"), PASS, false},
};
static const struct rule rules_f[] = {
    {SLICE_INIT("forwarded"), JOIN_FORWARDED, false},
};
static const struct rule rules_h[] = {
    {SLICE_INIT("http2-settings"), DROP, false},
    {SLICE_INIT("homerun-denial"), DROP, false},
};
static const struct rule rules_k[] = {
    {SLICE_INIT("keep-alive"), DROP, false},
};
static const struct rule rules_p[] = {
    {SLICE_INIT("proxy"), DROP, false}, /* HTTP_PROXY, in the environment of a CGI program */
    {SLICE_INIT("proxy-connection"), DROP, false},
    {SLICE_INIT("proxy-authenticate"), DROP, false},
    {SLICE_INIT("proxy-authorization"), DROP, false},
};
static const struct rule rules_t[] = {
    {SLICE_INIT("traceparent"), DROP, false},
    {SLICE_INIT("te"), DROP, false},
    {SLICE_INIT("transfer-encoding"), DROP, false},
};
static const struct rule rules_u[] = {
    {SLICE_INIT("upgrade"), DROP, false},
};
static const struct rule rules_x[] = {
    {SLICE_INIT("x-serverless-authorization"), STRIP, false},
    {SLICE_INIT("x-forwarded-for"), JOIN_FOR, false},
    {SLICE_INIT("x-forwarded-proto"), DROP, false},
    {SLICE_INIT("x-cloud-trace-context"), DROP, false},
    {SLICE_INIT("x-goog-iap-"), DROP, true},
    {SLICE_INIT("x-goog-authenticated-user-"), DROP, true},
    {SLICE_INIT("x-goog-"), DROP_AT_DOOR, true},
    {SLICE_INIT("x-appengine-"), DROP, true},
};

/* By the first letter of a name, so that most names meet no rule or one. */
#define RULES(list)                                                                                \
    {                                                                                              \
        list, sizeof(list) / sizeof((list)[0])                                                     \
    }
static const struct {
    const struct rule *rules;
    size_t count;
} rules_by_letter[256] = {
    ['a'] = RULES(rules_a), ['c'] = RULES(rules_c), ['f'] = RULES(rules_f),
    ['h'] = RULES(rules_h), ['k'] = RULES(rules_k), ['p'] = RULES(rules_p),
    ['t'] = RULES(rules_t), ['u'] = RULES(rules_u), ['x'] = RULES(rules_x),
};

static const struct rule *rule_find(struct slice name)
{
    size_t letter = name.len == 0 ? 0 : (unsigned char)name.data[0];
    for (size_t i = 0; i < rules_by_letter[letter].count; i++) {
        const struct rule *rule = &rules_by_letter[letter].rules[i];
        if (http_name_reads_as(name, rule->name, rule->prefix)) {
            return rule;
        }
    }
    return NULL;
}

static enum treatment treatment_of(struct slice name)
{
    const struct rule *rule = rule_find(name);
    if (rule == NULL) {
        return PASS;
    }
    bool exact = rule->prefix || slice_equal(name, rule->name);
    return exact ? rule->treatment : DROP;
}

/* Whether Connection names fields beyond the usual ones, which then have to be looked for. */
static bool names_more_fields(struct slice connection)
{
    static const struct slice usual[] = {
        SLICE_INIT("close"), SLICE_INIT("keep-alive"),     SLICE_INIT("upgrade"),
        SLICE_INIT("te"),    SLICE_INIT("http2-settings"),
    };
    struct slice option;
    while (slice_cut(&connection, ',', &option)) {
        bool found = slice_trim(option).len == 0;
        for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]) && !found; i++) {
            found = slice_equal_nocase(slice_trim(option), usual[i]);
        }
        if (!found) {
            return true;
        }
    }
    return false;
}

static bool has_private_fields(const struct http_headers *headers)
{
    for (unsigned i = 0; i < headers->count; i++) {
        if (slice_equal(headers->items[i].name, SLICE("connection")) &&
            names_more_fields(headers->items[i].value)) {
            return true;
        }
    }
    return false;
}

static struct slice join(struct arena *arena, struct slice a, struct slice b)
{
    if (a.len == 0 || b.len == 0) {
        return a.len == 0 ? b : a;
    }
    char *out = arena_alloc(arena, a.len + b.len + 2);
    memcpy(out, a.data, a.len);
    memcpy(out + a.len, ", ", 2);
    memcpy(out + a.len + 2, b.data, b.len);
    return (struct slice){out, a.len + 2 + b.len};
}

/* for="192.0.2.1";proto=https; IPv6 needs brackets (RFC 7239 section 6). */
static struct slice forwarded_entry(struct arena *arena, const struct forwarding *forwarding)
{
    bool v6 = slice_find(forwarding->peer, ':') >= 0;
    const struct slice parts[] = {
        v6 ? SLICE("for=\"[") : SLICE("for=\""),
        forwarding->peer,
        v6 ? SLICE("]\";proto=") : SLICE("\";proto="),
        forwarding->scheme,
    };
    char *out = arena_alloc(arena, forwarding->peer.len + forwarding->scheme.len + 20);
    size_t count = 0;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        memcpy(out + count, parts[i].data, parts[i].len);
        count += parts[i].len;
    }
    return (struct slice){out, count};
}

/* Who came through the door. */
static bool add_person(struct arena *arena, const struct forwarding *forwarding,
                       struct http_headers *out)
{
    const struct http_header person[] = {
        {SLICE("x-goog-iap-jwt-assertion"), forwarding->assertion},
        {SLICE("x-goog-authenticated-user-email"), forwarding->user_email},
        {SLICE("x-goog-authenticated-user-id"), forwarding->user_id},
    };
    bool good = true;
    for (size_t i = 0; i < sizeof(person) / sizeof(person[0]); i++) {
        if (person[i].value.len > 0) {
            good = http_headers_add(out, arena, person[i].name, person[i].value) && good;
        }
    }
    return good;
}

bool headers_to_container(struct arena *arena, const struct forwarding *forwarding,
                          struct http_headers *out)
{
    const struct http_headers *from = forwarding->headers;
    struct slice chain = SLICE_NONE, forwarded = SLICE_NONE;
    bool private_fields = has_private_fields(from);
    bool good = true;
    *out = (struct http_headers){
        .items = arena_array(arena, struct http_header, (size_t)from->count + ADDED_MAX),
        .capacity = (uint16_t)(from->count + ADDED_MAX),
    };
    for (unsigned i = 0; i < from->count; i++) {
        struct http_header field = from->items[i];
        if (private_fields && http_header_is_hop_by_hop(from, field.name)) {
            continue;
        }
        switch (treatment_of(field.name)) {
        case DROP:
        case CONNECTION:
            continue;
        case JOIN_FOR:
            chain = join(arena, chain, field.value);
            continue;
        case JOIN_FORWARDED:
            forwarded = join(arena, forwarded, field.value);
            continue;
        case STRIP:
            if (forwarding->behind_door) {
                continue;
            }
            field.value = credential_strip(arena, field.value);
            break;
        case DROP_AT_DOOR:
            if (forwarding->behind_door) {
                continue;
            }
            break;
        case CUT_COOKIES:
            field.value = cookies_without_ours(arena, field.value);
            if (field.value.len == 0) {
                continue;
            }
            break;
        case STRIP_IF_GCLOUD:
            if (forwarding->drop_authorization) {
                continue;
            }
            if (forwarding->strip_authorization) {
                field.value = credential_strip(arena, field.value);
            }
            break;
        case PASS:
            break;
        }
        good = http_headers_add(out, arena, field.name, field.value) && good;
    }
    const struct trace *trace = forwarding->trace;
    const struct http_header ours[] = {
        {SLICE("x-forwarded-for"), join(arena, chain, forwarding->peer)},
        {SLICE("x-forwarded-proto"), forwarding->scheme},
        {SLICE("forwarded"), join(arena, forwarded, forwarded_entry(arena, forwarding))},
        {SLICE("x-cloud-trace-context"), {trace->cloud, trace->cloud_len}},
        {SLICE("traceparent"), {trace->parent, TRACE_PARENT_CHARS}},
    };
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        good = http_headers_add(out, arena, ours[i].name, ours[i].value) && good;
    }
    return add_person(arena, forwarding, out) && good;
}

/*
 * What no trailer may be (RFC 9110 section 6.5.1): framing, routing, credentials and what a body
 * is. A server that merges trailers into headers would believe them.
 */
static bool may_be_trailer(struct slice name, bool behind_door)
{
    static const struct slice refused[] = {
        SLICE_INIT("host"),          SLICE_INIT("cookie"),
        SLICE_INIT("trailer"),       SLICE_INIT("expect"),
        SLICE_INIT("range"),         SLICE_INIT("content-range"),
        SLICE_INIT("max-forwards"),  SLICE_INIT("x-http-method-override"),
        SLICE_INIT("cache-control"),
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        if (http_name_reads_as(name, refused[i], false)) {
            return false;
        }
    }
    const struct rule *rule = rule_find(name);
    return rule == NULL || (rule->treatment == DROP_AT_DOOR && !behind_door);
}

void trailers_to_container(struct arena *arena, const struct http_headers *from, bool behind_door,
                           struct http_headers *out)
{
    *out = (struct http_headers){0};
    for (unsigned i = 0; from != NULL && i < from->count; i++) {
        if (may_be_trailer(from->items[i].name, behind_door)) {
            http_headers_add(out, arena, from->items[i].name, from->items[i].value);
        }
    }
}

static bool is_dropped_in_answers(struct slice name)
{
    static const struct slice names[] = {
        SLICE_INIT("connection"),
        SLICE_INIT("keep-alive"),
        SLICE_INIT("proxy-connection"),
        SLICE_INIT("transfer-encoding"),
        SLICE_INIT("upgrade"),
        SLICE_INIT("te"),
        SLICE_INIT("homerun-denial"),
        SLICE_INIT("alt-svc"),
        SLICE_INIT("x-goog-iap-generated-response"),
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (slice_equal(name, names[i])) {
            return true;
        }
    }
    return false;
}

bool headers_to_client(struct arena *arena, const struct http_headers *from, struct slice host,
                       const struct trace *trace, struct http_headers *out)
{
    bool private_fields = has_private_fields(from);
    bool cookie = http_headers_find(from, SLICE("set-cookie")) != NULL;
    bool good = true;
    *out = (struct http_headers){
        .items = arena_array(arena, struct http_header, (size_t)from->count + 4),
        .capacity = (uint16_t)(from->count + 4),
    };
    for (unsigned i = 0; i < from->count; i++) {
        struct http_header field = from->items[i];
        if (is_dropped_in_answers(field.name) ||
            (private_fields && http_header_is_hop_by_hop(from, field.name)) ||
            (cookie && slice_equal(field.name, SLICE("cache-control"))) ||
            (cookie && slice_equal(field.name, SLICE("set-cookie")) &&
             (cookie_is_ours(field.value) || cookie_is_for_others(field.value, host))) ||
            slice_equal(field.name, SLICE("x-cloud-trace-context"))) {
            continue;
        }
        if (slice_equal(field.name, SLICE("clear-site-data"))) {
            field.value = site_data_of_host(arena, field.value);
            if (field.value.len == 0) {
                continue;
            }
        }
        good = http_headers_add(out, arena, field.name, field.value) && good;
    }
    if (cookie) {
        good = http_headers_add(out, arena, SLICE("cache-control"), SLICE("private")) && good;
    }
    return http_headers_add(out, arena, SLICE("x-cloud-trace-context"),
                            (struct slice){trace->cloud, trace->cloud_len}) &&
           good;
}

void trailers_to_client(struct arena *arena, const struct http_headers *from,
                        struct http_headers *out)
{
    *out = (struct http_headers){0};
    for (unsigned i = 0; from != NULL && i < from->count; i++) {
        const struct http_header *field = &from->items[i];
        if (!is_dropped_in_answers(field->name) && !slice_equal(field->name, SLICE("set-cookie")) &&
            !slice_equal(field->name, SLICE("clear-site-data"))) {
            http_headers_add(out, arena, field->name, field->value);
        }
    }
}
