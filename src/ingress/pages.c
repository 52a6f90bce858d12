/* The pages, byte for byte: people and clients search for these texts. */
#include "ingress/pages.h"

#include "base/random.h"
#include "http/html.h"

struct page {
    int status;
    const char *title;
    const char *heading;
    const char *text;  /* with %s where the path stands */
    const char *plain; /* instead of all that */
};

static const struct page pages[] = {
    {.status = 403,
     .title = "403 Forbidden",
     .heading = "Error: Forbidden",
     .text = "Your client does not have permission to get URL <code>%s</code> from this server."},
    {.status = 401,
     .title = "401 Unauthorized",
     .heading = "Error: Unauthorized",
     .text = "Your client does not have permission to the requested URL <code>%s</code>."},
    {.status = 404,
     .title = "404 Page not found",
     .heading = "Error: Page not found",
     .text = "The requested URL was not found on this server."},
    {.status = 400,
     .title = "400 Bad Request",
     .heading = "Error: Bad Request",
     .text = "Your client has issued a malformed or illegal request."},
    {.status = 405,
     .title = "405 Method Not Allowed",
     .heading = "Error: Method Not Allowed",
     .text = "The request method is not allowed for this URL."},
    {.status = 413,
     .title = "413 Request Entity Too Large",
     .heading = "Error: Request Entity Too Large",
     .text = "Your client issued a request that was too large."},
    {.status = 431,
     .title = "431 Request Header Fields Too Large",
     .heading = "Error: Request Header Fields Too Large",
     .text = "Your client issued a request whose header was too large."},
    {.status = 500,
     .title = "500 Server Error",
     .heading = "Error: Server Error",
     .text = "The server encountered an error and could not complete your request."},
    {.status = 503,
     .title = "503 Service Unavailable",
     .heading = "Error: Server Error",
     .text = "The service you requested is not available yet."},
    {.status = 429, .plain = "Rate exceeded."},
    {.status = 504, .plain = "upstream request timeout"},
};

static const struct slice page_front = SLICE_INIT(
    "<html><head>\n<meta http-equiv=\"content-type\" content=\"text/html;charset=utf-8\">\n");

static const struct page *page_find(int status)
{
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        if (pages[i].status == status) {
            return &pages[i];
        }
    }
    return page_find(500);
}

void page_denial(char out[DENIAL_CHARS + 1])
{
    memcpy(out, "d-", 2);
    random_text(out + 2, DENIAL_CHARS - 2, "abcdefghijklmnopqrstuvwxyz234567");
}

/* TEXT with the path in the place of its one "%s". */
static struct slice text_with(struct arena *arena, const char *text, struct slice path)
{
    struct slice whole = slice_of(text);
    ptrdiff_t at = slice_find_slice(whole, SLICE("%s"));
    if (at < 0) {
        return whole;
    }
    return slice_of(arena_printf(arena, "%.*s%.*s%s", (int)at, text,
                                 SLICE_ARG(html_escape(arena, path)), text + at + 2));
}

struct slice page_body(struct arena *arena, int status, struct slice path, const char **type)
{
    const struct page *page = page_find(status);
    if (page->plain != NULL) {
        *type = "text/plain; charset=UTF-8";
        return slice_of(page->plain);
    }
    *type = "text/html; charset=UTF-8";
    struct slice text = text_with(arena, page->text, path);
    return slice_of(arena_printf(arena,
                                 "%.*s<title>%s</title>\n</head>\n"
                                 "<body text=#000000 bgcolor=#ffffff>\n<h1>%s</h1>\n"
                                 "<h2>%.*s</h2>\n<h2></h2>\n</body></html>\n",
                                 SLICE_ARG(page_front), page->title, page->heading,
                                 SLICE_ARG(text)));
}

size_t page_reply(struct exchange *exchange, int status, struct slice path, const char *denial,
                  const struct http_headers *extra)
{
    struct arena *arena = exchange_arena(exchange);
    const char *type;
    struct slice body = page_body(arena, status, path, &type);
    struct http_headers headers = {0};
    if (status == 401) {
        http_headers_add(
            &headers, arena, SLICE("www-authenticate"),
            SLICE("Bearer error=\"invalid_token\" error_description=\"The access token "
                  "could not be verified\""));
    }
    if (status == 401 || status == 403) {
        http_headers_add(&headers, arena, SLICE("cache-control"), SLICE("no-store"));
    }
    if (denial[0] != '\0') {
        http_headers_add(&headers, arena, SLICE("homerun-denial"),
                         arena_slice(arena, slice_of(denial)));
    }
    for (unsigned i = 0; extra != NULL && i < extra->count; i++) {
        http_headers_add(&headers, arena, extra->items[i].name, extra->items[i].value);
    }
    exchange_reply(exchange, status, type, body, &headers);
    return body.len;
}
