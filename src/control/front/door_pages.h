/* How the pages of the door look: one frame, one style sheet, no scripts but the link's one. */
#pragma once

#include "base/buffer.h"
#include "control/call/answer.h"

enum { DOOR_PAGE_MAX = 32 << 10 };

struct door_page {
    int status;
    const char *title;   /* also the heading */
    struct buffer body;  /* HTML behind the heading; all that comes from outside is escaped */
    const char *go_on;   /* URL that the page leads on to by itself; NULL: none */
    const char *form_to; /* origin that the answer to its form may lead on to, besides ours; NULL */
    const char *script;  /* in line, allowed by its hash; NULL: none */
    struct api_header headers[6]; /* more of them: cookies */
    size_t header_count;
};

struct door_page door_page(int status, const char *title);
/* TEXT of outside, escaped, at the end of the body. */
void door_page_text(struct api_call *call, struct door_page *page, struct slice text);
void door_page_add(struct door_page *page, const char *html);
void door_page_header(struct door_page *page, struct api_header header);
/* Answers the call with it, and frees its body. */
void door_page_reply(struct api_call *call, struct door_page *page);

/* 302 or 303 to URL, never cached, telling nobody where from. */
void door_redirect(struct api_call *call, int status, const char *url,
                   const struct api_header *headers, size_t count);
/* The style sheet. */
void door_style_reply(struct api_call *call);
