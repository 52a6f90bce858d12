#include "ipc/fetch_message.h"

#include <assert.h>

/* Bytes that a text may have, and whether it stands in a line of the request. */
static const struct {
    size_t max;
    bool one_word;
} text_rules[FETCH_TEXTS] = {
    [FETCH_URI] = {8192, true},          [FETCH_FORM] = {32 * 1024, false},
    [FETCH_CREDENTIALS] = {4096, false}, [FETCH_BEARER] = {12 * 1024, true},
    [FETCH_CA] = {8192, false},
};
static_assert(8192 + 32 * 1024 + 4096 + 12 * 1024 + 8192 + sizeof(struct msg_fetch) +
                      sizeof(struct message_head) <=
                  IPC_PACKET_MAX,
              "a question that has all texts is one packet");
static_assert(FETCHED_BYTES_MAX + sizeof(struct message_head) <= IPC_PACKET_MAX,
              "an answer is one packet");

/* ---- questions ---- */

static bool text_is_good(enum fetch_text which, struct slice text)
{
    if (text.len > text_rules[which].max) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte == '\0' || (text_rules[which].one_word && (byte <= ' ' || byte == 127))) {
            return false;
        }
    }
    return true;
}

static bool ask_is_good(const struct fetch_ask *ask)
{
    for (unsigned i = 0; i < FETCH_TEXTS; i++) {
        if (!text_is_good((enum fetch_text)i, ask->texts[i])) {
            return false;
        }
    }
    return ask->texts[FETCH_URI].len > 0 && ask->bytes_max >= 1 &&
           ask->bytes_max <= FETCH_BYTES_MAX && ask->rules >> FETCH_RULES == 0;
}

bool fetch_ask_put(struct buffer *out, const struct fetch_ask *ask)
{
    if (!ask_is_good(ask)) {
        return false;
    }
    struct msg_fetch head = {
        .id = ask->id, .bytes_max = (uint32_t)ask->bytes_max, .rules = ask->rules};
    for (unsigned i = 0; i < FETCH_TEXTS; i++) {
        head.text_bytes[i] = (uint32_t)ask->texts[i].len;
    }
    buffer_add(out, (struct slice){(const char *)&head, sizeof(head)});
    for (unsigned i = 0; i < FETCH_TEXTS; i++) {
        buffer_add(out, ask->texts[i]);
    }
    return !out->overflow;
}

bool fetch_ask_get(const void *body, size_t bytes, struct fetch_ask *out)
{
    struct msg_fetch head;
    if (bytes < sizeof(head)) {
        return false;
    }
    memcpy(&head, body, sizeof(head));
    struct fetch_ask ask = {.id = head.id, .bytes_max = head.bytes_max, .rules = head.rules};
    struct slice rest = {(const char *)body + sizeof(head), bytes - sizeof(head)};
    for (unsigned i = 0; i < FETCH_TEXTS; i++) {
        if (head.text_bytes[i] > rest.len) {
            return false;
        }
        ask.texts[i] = slice_upto(rest, head.text_bytes[i]);
        rest = slice_from(rest, head.text_bytes[i]);
    }
    if (rest.len > 0 || head.zero != 0 || !ask_is_good(&ask)) {
        return false;
    }
    *out = ask;
    return true;
}

/* ---- answers ---- */

static bool is_seen(char byte)
{
    return byte >= ' ' && byte <= '~';
}

void fetch_answer_put(struct buffer *out, const struct fetch_answer *answer)
{
    size_t max = answer->status == 0 ? FETCH_WHY_BYTES : FETCH_BYTES_MAX;
    struct slice text = slice_upto(answer->text, max);
    struct msg_fetched head = {
        .id = answer->id, .status = answer->status, .bytes = (uint32_t)text.len};
    buffer_add(out, (struct slice){(const char *)&head, sizeof(head)});
    if (answer->status != 0) {
        buffer_add(out, text);
        return;
    }
    for (size_t i = 0; i < text.len; i++) {
        buffer_add_byte(out, is_seen(text.data[i]) ? text.data[i] : '?');
    }
}

bool fetch_answer_get(const void *body, size_t bytes, struct fetch_answer *out)
{
    struct msg_fetched head;
    if (bytes < sizeof(head)) {
        return false;
    }
    memcpy(&head, body, sizeof(head));
    struct slice text = {(const char *)body + sizeof(head), bytes - sizeof(head)};
    bool came = head.status != 0;
    if (head.bytes != text.len || (came && (head.status < 100 || head.status > 999)) ||
        text.len > (came ? (size_t)FETCH_BYTES_MAX : FETCH_WHY_BYTES) || (!came && text.len == 0)) {
        return false;
    }
    for (size_t i = 0; !came && i < text.len; i++) {
        if (!is_seen(text.data[i])) {
            return false;
        }
    }
    *out = (struct fetch_answer){head.id, head.status, text};
    return true;
}
