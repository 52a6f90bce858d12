#include "policy/cel_token.h"
#include "policy/orgpolicy.h"

static bool is_call(struct slice name)
{
    static const char *const functions[] = {"matchTag", "matchTagId", "hasTagKey", "hasTagKeyId"};
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        if (slice_is(name, functions[i])) {
            return true;
        }
    }
    return false;
}

bool orgpolicy_condition_about_tags(struct arena *arena, struct slice source)
{
    struct cel_lexer lexer = cel_lexer_of(arena, source);
    struct cel_token token;
    size_t parts = 0;
    while (cel_token_next(&lexer, &token, NULL)) {
        switch (token.kind) {
        case TOKEN_END:
            return parts >= 1 && parts <= ORGPOLICY_SUBEXPRESSIONS_MAX;
        case TOKEN_NAME:
            if (slice_is(token.text, "resource")) {
                break;
            }
            if (!is_call(token.text) && !slice_is(token.text, "true") &&
                !slice_is(token.text, "false")) {
                return false;
            }
            parts++;
            break;
        case TOKEN_DOT:
        case TOKEN_OPEN:
        case TOKEN_CLOSE:
        case TOKEN_STRING:
        case TOKEN_COMMA:
        case TOKEN_AND:
        case TOKEN_OR:
        case TOKEN_NOT:
            break;
        case TOKEN_INT:
        case TOKEN_IN:
        case TOKEN_OPEN_LIST:
        case TOKEN_CLOSE_LIST:
        case TOKEN_PLUS:
        case TOKEN_MINUS:
        case TOKEN_EQUAL:
        case TOKEN_UNEQUAL:
        case TOKEN_LESS:
        case TOKEN_LESS_EQUAL:
        case TOKEN_GREATER:
        case TOKEN_GREATER_EQUAL:
        case TOKEN_QUESTION:
        case TOKEN_COLON:
        case TOKEN_OPEN_MAP:
        case TOKEN_CLOSE_MAP:
            return false;
        }
    }
    return false;
}

/* The old names, and those of today, none of which is longer. */
static const struct renaming {
    enum cel_token_kind kind;
    const char *old, *now;
} renamings[] = {
    {TOKEN_NAME, "matchLabels", "matchTagId"},
    {TOKEN_STRING, "labelKeys/", "tagKeys/"},
    {TOKEN_STRING, "labelValues/", "tagValues/"},
};

static const struct renaming *renaming_of(const struct cel_token *token)
{
    for (size_t i = 0; i < sizeof(renamings) / sizeof(renamings[0]); i++) {
        const struct renaming *one = &renamings[i];
        struct slice text = token->kind == TOKEN_STRING ? token->string : token->text;
        if (token->kind == one->kind && slice_starts(text, slice_of(one->old))) {
            return one;
        }
    }
    return NULL;
}

struct slice orgpolicy_condition_modern(struct arena *arena, struct slice source)
{
    struct cel_lexer lexer = cel_lexer_of(arena, source);
    struct cel_token token;
    char *out = arena_alloc(arena, source.len + 1);
    size_t used = 0;
    size_t done = 0; /* of SOURCE, which is in OUT */
    bool old = false;
    while (cel_token_next(&lexer, &token, NULL) && token.kind != TOKEN_END) {
        const struct renaming *renaming = renaming_of(&token);
        ptrdiff_t in_token =
            renaming == NULL ? -1 : slice_find_slice(token.text, slice_of(renaming->old));
        old |= token.kind == TOKEN_NAME && in_token == 0;
        if (in_token < 0 || !old) {
            continue;
        }
        size_t at = (size_t)(token.text.data - source.data) + (size_t)in_token;
        size_t now = strlen(renaming->now);
        memcpy(out + used, source.data + done, at - done);
        memcpy(out + used + (at - done), renaming->now, now);
        used += at - done + now;
        done = at + strlen(renaming->old);
    }
    memcpy(out + used, source.data + done, source.len - done);
    return (struct slice){out, used + source.len - done};
}
