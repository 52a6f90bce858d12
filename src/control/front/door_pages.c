#include "control/front/door_pages.h"

#include <openssl/evp.h>

#include "base/encode.h"
#include "http/html.h"

static const char style[] =
    ":root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--line:#dfe3e8;--ink:#1c2530;"
    "--soft:#55606e;--accent:#1f5fd6;--on-accent:#fff;--accent-soft:#e8effc;--bad:#b3142d;"
    "--code:#f0f2f5}\n"
    "@media (prefers-color-scheme:dark){:root{--bg:#12161b;--card:#1a2027;--line:#2d353f;"
    "--ink:#e6eaef;--soft:#a3aebb;--accent:#7fb0ff;--on-accent:#0c1a30;--accent-soft:#1d2c45;"
    "--bad:#ff98a5;--code:#232b34}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;min-height:100vh;display:flex;align-items:center;justify-content:center;"
    "padding:24px 16px;background:var(--bg);color:var(--ink);font:1rem/1.55 system-ui,"
    "-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",\"DejaVu Sans\",sans-serif}\n"
    "main{width:100%;max-width:27rem;background:var(--card);border:1px solid var(--line);"
    "border-radius:14px;padding:32px 32px 28px;box-shadow:0 1px 2px rgb(0 0 0/6%),"
    "0 12px 32px -16px rgb(0 0 0/18%)}\n"
    "@media (max-width:30rem){main{padding:24px 20px}}\n"
    ".mark{display:flex;align-items:center;gap:10px;margin:0 0 20px;font-weight:650;"
    "font-size:.95rem;color:var(--soft)}\n"
    ".mark svg{width:26px;height:26px;flex:none}\n"
    "h1{margin:0 0 10px;font-size:1.45rem;line-height:1.25;font-weight:650;"
    "letter-spacing:-.01em;overflow-wrap:anywhere}\n"
    "p{margin:0 0 14px;overflow-wrap:anywhere}\n"
    "p:last-child,form:last-child{margin-bottom:0}\n"
    ".soft{color:var(--soft);font-size:.9rem}\n"
    ".who{display:block;margin:0 0 18px;padding:10px 14px;background:var(--accent-soft);"
    "border-radius:8px;font-weight:600;overflow-wrap:anywhere}\n"
    "code,.command{font-family:ui-monospace,\"SF Mono\",\"DejaVu Sans Mono\",Menlo,Consolas,"
    "monospace;font-size:.9em;background:var(--code);border-radius:5px;padding:.12em .4em}\n"
    ".command{display:block;padding:10px 14px;margin:0 0 14px;border-radius:8px;"
    "overflow-x:auto;user-select:all}\n"
    "h2{margin:0 0 10px;font-size:1.05rem;font-weight:650}\n"
    "label{display:block;font-size:.9rem;color:var(--soft)}\n"
    "input{display:block;width:100%;margin:4px 0 0;padding:9px 12px;border:1px solid var(--line);"
    "border-radius:8px;background:var(--bg);color:var(--ink);font:inherit}\n"
    "hr{border:0;border-top:1px solid var(--line);margin:20px 0}\n"
    "form{margin:0 0 14px}\n"
    "button,.button{display:block;width:100%;margin:0 0 10px;padding:11px 16px;border-radius:8px;"
    "border:1px solid var(--accent);background:var(--accent);color:var(--on-accent);font:inherit;"
    "font-weight:600;text-align:center;text-decoration:none;cursor:pointer;overflow-wrap:anywhere}"
    "\n"
    ".button.quiet,button.quiet{background:transparent;color:var(--accent);border-color:var(--line)"
    "}\n"
    "button:hover,.button:hover{filter:brightness(1.07)}\n"
    "a{color:var(--accent)}\n"
    "a:focus-visible,button:focus-visible,input:focus-visible{outline:3px solid "
    "var(--accent);outline-offset:2px}\n";

struct door_page door_page(int status, const char *title)
{
    return (struct door_page){.status = status, .title = title, .body = BUFFER_INIT(DOOR_PAGE_MAX)};
}

void door_page_add(struct door_page *page, const char *html)
{
    buffer_add_text(&page->body, html);
}

void door_page_text(struct api_call *call, struct door_page *page, struct slice text)
{
    buffer_add(&page->body, html_escape(&call->arena, text));
}

void door_page_header(struct door_page *page, struct api_header header)
{
    if (page->header_count < sizeof(page->headers) / sizeof(page->headers[0])) {
        page->headers[page->header_count++] = header;
    }
}

static struct slice escaped(struct api_call *call, const char *text)
{
    return html_escape(&call->arena, slice_of(text));
}

static const char *policy_of(struct api_call *call, const struct door_page *page)
{
    const char *script = "";
    if (page->script != NULL) {
        unsigned char digest[EVP_MAX_MD_SIZE];
        unsigned length = 0;
        EVP_Digest(page->script, strlen(page->script), digest, &length, EVP_sha256(), NULL);
        script = arena_printf(
            &call->arena, "script-src 'sha256-%.*s'; ",
            SLICE_ARG(base64_encode(&call->arena, (struct slice){(const char *)digest, length})));
    }
    return arena_printf(&call->arena,
                        "default-src 'none'; %sstyle-src 'self'; form-action 'self'%s%s; "
                        "frame-ancestors 'none'; base-uri 'none'",
                        script, page->form_to == NULL ? "" : " ",
                        page->form_to == NULL ? "" : page->form_to);
}

void door_page_reply(struct api_call *call, struct door_page *page)
{
    struct buffer out = BUFFER_INIT(2 * DOOR_PAGE_MAX);
    struct slice title = escaped(call, page->title);
    buffer_printf(&out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                        "<meta name=\"color-scheme\" content=\"light dark\">\n"
                        "<meta name=\"robots\" content=\"noindex\">\n");
    if (page->go_on != NULL) {
        buffer_printf(&out, "<meta http-equiv=\"refresh\" content=\"0;url=%.*s\">\n",
                      SLICE_ARG(escaped(call, page->go_on)));
    }
    buffer_printf(
        &out,
        "<title>%.*s</title>\n<link rel=\"stylesheet\" href=\"/_homerun/auth/style.css\">\n"
        "</head>\n<body>\n<main>\n<p class=\"mark\"><svg viewBox=\"0 0 32 32\" "
        "aria-hidden=\"true\"><path fill=\"#2f6fed\" d=\"M16 3 29 14v15H3V14z\"/>"
        "<path fill=\"none\" stroke=\"#fff\" stroke-width=\"3\" stroke-linecap=\"round\" "
        "d=\"M11 23V15m10 8V15m-10 4h10\"/></svg>Homerun</p>\n<h1>%.*s</h1>\n%.*s\n</main>\n",
        SLICE_ARG(title), SLICE_ARG(title), SLICE_ARG(buffer_slice(&page->body)));
    if (page->script != NULL) {
        buffer_printf(&out, "<script>%s</script>\n", page->script);
    }
    buffer_add_text(&out, "</body>\n</html>\n");
    struct api_header headers[16] = {
        {"content-security-policy", policy_of(call, page)},
        {"cache-control", "no-store"},
        {"x-content-type-options", "nosniff"},
        {"referrer-policy", "same-origin"},
        {"cross-origin-opener-policy", "same-origin"},
        {"cross-origin-resource-policy", "same-origin"},
        {"x-frame-options", "DENY"},
    };
    size_t count = 7;
    for (size_t i = 0; i < page->header_count; i++) {
        headers[count++] = page->headers[i];
    }
    if (page->status == 503) {
        headers[count++] = (struct api_header){"retry-after", "3"};
    }
    api_reply_with(call, page->status, "text/html; charset=UTF-8", buffer_slice(&out), headers,
                   count);
    buffer_done(&out);
    buffer_done(&page->body);
}

void door_redirect(struct api_call *call, int status, const char *url,
                   const struct api_header *more, size_t more_count)
{
    struct api_header headers[16] = {
        {"location", url},
        {"cache-control", "no-store"},
        {"referrer-policy", "no-referrer"},
    };
    size_t count = 3;
    for (size_t i = 0; i < more_count && count < 16; i++) {
        headers[count++] = more[i];
    }
    api_reply_with(call, status, "text/plain; charset=UTF-8", SLICE(""), headers, count);
}

void door_style_reply(struct api_call *call)
{
    static const struct api_header headers[] = {
        {"cache-control", "public, max-age=3600"},
        {"x-content-type-options", "nosniff"},
    };
    api_reply_with(call, 200, "text/css; charset=UTF-8", SLICE(style), headers, 2);
}
