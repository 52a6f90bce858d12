/*
 * Hands received bytes to nghttp2, and follows the frames in them, so that header blocks whose long
 * texts are Huffman coded reach it in plain (hpack_plain.h says why). A HEADERS frame that is not
 * whole in one piece of input, goes on in CONTINUATION, has padding, or is out of bounds, goes to
 * nghttp2 as it came. So nothing is kept here but how far the frame has come.
 */
#include "http/hpack_plain.h"
#include "http/http2_inside.h"

enum {
    PRIORITY_BYTES = 5,
    PREFACE_BYTES = NGHTTP2_CLIENT_MAGIC_LEN,
};

static size_t frame_length(const uint8_t *head)
{
    return (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
}

/* Whether BYTES begin with a HEADERS frame that can be written anew. */
static bool is_whole_head(struct slice bytes)
{
    const uint8_t *head = (const uint8_t *)bytes.data;
    size_t length = frame_length(head);
    uint8_t flags = head[4];
    return head[3] == NGHTTP2_HEADERS && (flags & NGHTTP2_FLAG_END_HEADERS) != 0 &&
           (flags & NGHTTP2_FLAG_PADDED) == 0 && length <= HTTP2_FRAME_MAX &&
           length <= bytes.len - HTTP2_FRAME_HEAD &&
           (length >= PRIORITY_BYTES || (flags & NGHTTP2_FLAG_PRIORITY) == 0);
}

/* False, and *fault, if nghttp2 has failed. */
static bool give(struct http2_session *session, struct slice bytes, ssize_t *fault)
{
    const uint8_t *data = (const uint8_t *)bytes.data;
    ssize_t used = bytes.len == 0 ? 0 : nghttp2_session_mem_recv(session->ng, data, bytes.len);
    *fault = used < 0 ? used : 0;
    return used >= 0;
}

/*
 * Gives nghttp2 what is BEFORE the HEADERS frame, and that frame with its block in plain. False if
 * the frame is to stay as it is, and nothing was given. *FAULT is negative if nghttp2 has failed.
 */
static bool give_plain(struct http2_session *session, struct slice before, struct slice frame,
                       ssize_t *fault)
{
    char plain[HTTP2_FRAME_HEAD + HTTP2_FRAME_MAX];
    size_t front =
        HTTP2_FRAME_HEAD + ((frame.data[4] & NGHTTP2_FLAG_PRIORITY) != 0 ? PRIORITY_BYTES : 0);
    size_t length = hpack_plain(slice_from(frame, front), plain + front, sizeof(plain) - front);
    if (length == 0) {
        return false;
    }
    memcpy(plain, frame.data, front);
    length += front - HTTP2_FRAME_HEAD;
    plain[0] = (char)(length >> 16);
    plain[1] = (char)(length >> 8);
    plain[2] = (char)length;
    if (give(session, before, fault)) {
        give(session, (struct slice){plain, HTTP2_FRAME_HEAD + length}, fault);
    }
    return true;
}

void http2_feed_init(struct http2_session *session)
{
    session->feed.left = session->server ? PREFACE_BYTES : 0;
}

ssize_t http2_feed(struct http2_session *session, struct slice bytes)
{
    struct http2_feed *feed = &session->feed;
    size_t given = 0, at = 0; /* what nghttp2 has, and what was looked at */
    ssize_t fault = 0;
    while (at < bytes.len) {
        struct slice rest = slice_from(bytes, at);
        if (feed->left > 0) {
            size_t step = feed->left < rest.len ? feed->left : rest.len;
            feed->left -= step;
            at += step;
        } else if (feed->head_bytes > 0 || rest.len < HTTP2_FRAME_HEAD) {
            feed->head[feed->head_bytes++] = (uint8_t)bytes.data[at++];
            if (feed->head_bytes == HTTP2_FRAME_HEAD) {
                feed->left = frame_length(feed->head);
                feed->head_bytes = 0;
            }
        } else {
            size_t length = HTTP2_FRAME_HEAD + frame_length((const uint8_t *)rest.data);
            struct slice before = slice_upto(slice_from(bytes, given), at - given);
            feed->left = length;
            if (is_whole_head(rest) &&
                give_plain(session, before, slice_upto(rest, length), &fault)) {
                feed->left = 0;
                at += length;
                given = at;
            }
            if (fault < 0) {
                return fault;
            }
        }
    }
    give(session, slice_from(bytes, given), &fault);
    return fault;
}
