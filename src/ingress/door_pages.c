#include "ingress/door_pages.h"

#include "http/html.h"

struct text {
    enum rung rung;
    const char *title;
    const char *what;   /* what happened */
    const char *to_do;  /* what to do about it */
    bool other_account; /* whether another account would help */
};

static const struct text texts[] = {
    {RUNG_DOOR_NO_GRANT, "You don't have access",
     "You are signed in, but this account may not open this service.",
     "Ask the owner of the service for access, or use another account.", true},
    {RUNG_DOOR_CROSS_SITE, "This request came from another site",
     "Another site made your browser send this request, so your sign-in does not count for it.",
     "Open the service itself, and do there what you wanted to do.", false},
    {RUNG_DOOR_COOKIES, "Two sign-ins at once",
     "Your browser sent two session cookies for this host. The door set only one of them.",
     "Delete the cookies of this site in your browser, then load the page again.", false},
    {RUNG_DOOR_PATH_UNCLEAR, "This address can be read in two ways",
     "Access to this service depends on the path, and this path can be read in two ways.",
     "Correct the address: leave out doubled slashes, dots and encoded separators.", false},
};

static const struct text *text_of(enum rung rung)
{
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i].rung == rung) {
            return &texts[i];
        }
    }
    return &texts[0];
}

static const char front[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
    "<meta name=\"referrer\" content=\"no-referrer\">\n"
    "<link rel=\"stylesheet\" href=\"/_homerun/auth/style.css\">\n";

struct slice door_page_html(struct arena *arena, const struct door_page_words *words)
{
    const struct text *text = text_of(words->rung);
    struct slice who = html_escape(arena, words->who);
    struct slice host = html_escape(arena, words->host);
    const char *signed_in =
        who.len == 0
            ? ""
            : arena_printf(arena, "<p>Signed in as <strong>%.*s</strong>.</p>\n", SLICE_ARG(who));
    return slice_of(arena_printf(
        arena,
        "%s<title>%s</title></head>\n<body><h1>%s</h1>\n<p>%s</p>\n%s<p>%s</p>\n%s"
        "<p class=\"soft\">Service: <code>%.*s</code><br>Who runs it can look this refusal up: "
        "<code>homerun access explain %.*s</code></p>\n</body></html>\n",
        front, text->title, text->title, text->what, signed_in, text->to_do,
        text->other_account
            ? "<p><a href=\"/?gcp-iap-mode=CLEAR_LOGIN_COOKIE\">Use another account</a></p>\n"
            : "",
        SLICE_ARG(host), SLICE_ARG(words->denial)));
}

struct slice door_page_plain(struct arena *arena, const struct door_page_words *words)
{
    const struct text *text = text_of(words->rung);
    return slice_of(arena_printf(arena, "%s%s%.*s\n", text->what,
                                 words->who.len > 0 ? " Caller: " : "", SLICE_ARG(words->who)));
}

struct slice door_page_form_kept(struct arena *arena, struct slice origin, struct slice refusal,
                                 struct slice denial)
{
    return slice_of(arena_printf(
        arena,
        "%s<title>Your sign-in has ended</title></head>\n<body><h1>Your sign-in has ended</h1>\n"
        "<p>You sent a form, and were not signed in any more. It did not reach the service, and "
        "what you entered is not lost: leave this page open.</p>\n"
        "<ol><li><a href=\"%.*s/?gcp-iap-mode=DO_SESSION_REFRESH\" target=\"_blank\" "
        "rel=\"noopener\">Sign in</a>, in another tab.</li>\n"
        "<li>Come back here and load this page again: your browser asks whether to send the form "
        "once more. Or go back to the form, which still has what you entered.</li></ol>\n"
        "<p class=\"soft\">%.*s<br>Who runs the service can look this refusal up: "
        "<code>homerun access explain %.*s</code></p>\n</body></html>\n",
        front, SLICE_ARG(html_escape(arena, origin)), SLICE_ARG(html_escape(arena, refusal)),
        SLICE_ARG(denial)));
}

struct slice door_page_refreshed(struct arena *arena)
{
    return slice_of(arena_printf(arena,
                                 "%s<title>You are signed in</title></head>\n<body><h1>You are "
                                 "signed in</h1>\n<p>You can close this window and go on.</p>\n"
                                 "</body></html>\n",
                                 front));
}

struct slice door_page_refresher(struct arena *arena)
{
    return slice_of(arena_printf(arena,
                                 "%s<meta http-equiv=\"refresh\" content=\"300\">\n"
                                 "<title>Signed in</title></head>\n<body></body></html>\n",
                                 front));
}
